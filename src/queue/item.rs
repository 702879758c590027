//! A message in the queue.

use std::sync::Arc;

use bytes::Bytes;

use crate::message::id::{Epoch, Id};
use crate::message::remaining::Remaining;
use crate::ordered::Key;
use crate::queue::lease::Client;
use crate::time::Deadline;

/// A message in the backlog or in flight.
pub(super) struct Item {
    pub(super) frame: Bytes,
    pub(super) own_id: Option<Arc<str>>,
    /// How many times it was handed out before.
    pub(super) attempts: u32,
    /// The client that it was handed to, if it was one client.
    pub(super) client: Client,
    /// Whether its id goes over the wire, so that a client can confirm it.
    pub(super) has_id: bool,
}

impl Item {
    /// What a message counts towards the bound in bytes in addition to its frame: bookkeeping of
    /// the queue and the allocator.
    pub(super) const OVERHEAD: usize = 192;
    /// What an id of its own counts in addition to its length.
    const ID_OVERHEAD: usize = 64;

    /// What this message counts towards the bound in bytes.
    pub(super) fn cost(&self) -> usize {
        Self::cost_of(self.frame.len(), self.own_id.as_deref())
    }

    pub(super) fn cost_of(frame: usize, own_id: Option<&str>) -> usize {
        let id = own_id.map_or(0, |id| id.len().saturating_add(Self::ID_OVERHEAD));
        frame.saturating_add(Self::OVERHEAD).saturating_add(id)
    }

    /// A copy, which shares the frame.
    pub(super) fn shown(
        &self,
        epoch: Epoch,
        key: Key,
        expires: Deadline,
        attempts: u32,
    ) -> Remaining {
        let own_id = self.own_id.as_ref();
        let id = own_id.map_or_else(|| epoch.id(key.seq), |id| Id::own(Arc::clone(id)));
        Remaining::new(self.frame.clone(), id, key.due, expires, attempts)
    }

    pub(super) fn remaining(self, epoch: Epoch, key: Key, expires: Deadline) -> Remaining {
        let id = self.own_id.map_or_else(|| epoch.id(key.seq), Id::own);
        Remaining::new(self.frame, id, key.due, expires, self.attempts)
    }
}
