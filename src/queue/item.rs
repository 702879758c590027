//! A message in the queue.

use std::sync::Arc;

use bytes::Bytes;

use crate::message::id::{Epoch, Id};
use crate::message::remaining::Remaining;
use crate::ordered::Key;
use crate::queue::lease::Client;
use crate::time::Deadline;

/// What waits in the queue.
pub(super) struct Item {
    pub(super) frame: Bytes,
    pub(super) own_id: Option<Arc<str>>,
    /// How often it was handed out before.
    pub(super) attempts: u32,
    /// To which client, if that was one.
    pub(super) client: Client,
    /// Whether its id goes over the wire, so that a client can confirm it.
    pub(super) has_id: bool,
}

impl Item {
    pub(super) fn remaining(self, epoch: Epoch, key: Key, expires: Deadline) -> Remaining {
        let id = self.own_id.map_or_else(|| epoch.id(key.seq), Id::own);
        Remaining::new(self.frame, id, key.due, expires, self.attempts)
    }
}
