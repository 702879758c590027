//! The messages of a topic that are not due yet.
//!
//! Pure: no lock, no clock.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::ordered::{Key, Ordered};
use crate::time::Deadline;

/// A message that is not due yet.
#[derive(Debug)]
pub(crate) struct Scheduled {
    pub(crate) frame: Bytes,
    /// `EPOCH-dSEQ`, or the event's own.
    pub(crate) id: Arc<str>,
}

/// Scheduled messages in the order (due time, arrival), with their ids.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    messages: Ordered<Scheduled>,
    /// Their ids, with their arrivals.
    ids: BTreeSet<(Arc<str>, u64)>,
    /// Of their frames.
    bytes: u64,
    arrivals: u64,
    /// The last number of an id of this series.
    last_number: u64,
}

impl Schedule {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When the first message falls due.
    #[inline]
    pub(super) fn next_due(&self) -> Deadline {
        if self.messages.len() == 0 {
            return Deadline::Never;
        }
        let head = self.messages.head();
        head.map_or(Deadline::Never, |(key, ..)| key.due)
    }

    /// The number of the next id of this series.
    pub(super) fn next_number(&self) -> u64 {
        self.last_number.saturating_add(1)
    }

    /// This number was given to a message, here or before.
    pub(super) fn note_given(&mut self, number: u64) {
        self.last_number = self.last_number.max(number);
    }

    pub(super) fn insert(
        &mut self,
        due: Deadline,
        expires: Deadline,
        message: Scheduled,
        now: SystemTime,
    ) {
        self.arrivals = self.arrivals.saturating_add(1);
        let seq = self.arrivals;
        self.bytes = self.bytes.saturating_add(len(&message));
        self.ids.insert((Arc::clone(&message.id), seq));
        self.messages
            .insert(Key { due, seq }, expires, message, now);
    }

    /// Takes the first message out.
    pub(super) fn pop(&mut self) -> Option<(Key, Deadline, Scheduled)> {
        let (key, expires, message) = self.messages.pop()?;
        self.forget(key.seq, &message);
        Some((key, expires, message))
    }

    /// The arrival of the newest message with this id.
    pub(super) fn newest(&self, id: &str) -> Option<u64> {
        if self.ids.is_empty() {
            return None;
        }
        let id: Arc<str> = Arc::from(id);
        let of_this_id = (Arc::clone(&id), 0)..=(id, u64::MAX);
        let (_, newest) = self.ids.range(of_this_id).next_back()?;
        Some(*newest)
    }

    /// Takes out the newest message with this id.
    pub(super) fn remove_newest(&mut self, id: &str) -> Option<Scheduled> {
        let seq = self.newest(id)?;
        let (_, _, message) = self.messages.remove(seq)?;
        self.forget(seq, &message);
        Some(message)
    }

    /// Takes all messages out.
    pub(super) fn take(&mut self) -> Ordered<Scheduled> {
        self.bytes = 0;
        self.ids.clear();
        core::mem::take(&mut self.messages)
    }

    fn forget(&mut self, seq: u64, message: &Scheduled) {
        self.bytes = self.bytes.saturating_sub(len(message));
        self.ids.remove(&(Arc::clone(&message.id), seq));
    }
}

fn len(message: &Scheduled) -> u64 {
    u64::try_from(message.frame.len()).unwrap_or(u64::MAX)
}
