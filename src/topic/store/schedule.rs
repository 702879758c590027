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
#[derive(Debug)]
pub(super) struct Schedule {
    messages: Ordered<Scheduled>,
    /// Their ids, with their arrivals.
    ids: BTreeSet<(Arc<str>, u64)>,
    /// Of their frames.
    bytes: u64,
    arrivals: u64,
    /// The last number of an id of this series.
    last_number: u64,
    next_due: Deadline,
}

/// All messages that were scheduled, the first first, and their ids: to be dropped outside the lock.
pub(crate) struct All {
    messages: Ordered<Scheduled>,
    #[expect(dead_code, reason = "dropped outside the lock")]
    ids: BTreeSet<(Arc<str>, u64)>,
}

impl Iterator for All {
    type Item = (Key, Deadline, Scheduled);

    fn next(&mut self) -> Option<Self::Item> {
        self.messages.pop()
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            messages: Ordered::default(),
            ids: BTreeSet::new(),
            bytes: 0,
            arrivals: 0,
            last_number: 0,
            next_due: Deadline::Never,
        }
    }
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
        self.next_due
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
        self.next_due = self.next_due.min(due);
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
    pub(super) fn take(&mut self) -> All {
        self.bytes = 0;
        self.next_due = Deadline::Never;
        All {
            messages: core::mem::take(&mut self.messages),
            ids: core::mem::take(&mut self.ids),
        }
    }

    fn forget(&mut self, seq: u64, message: &Scheduled) {
        self.bytes = self.bytes.saturating_sub(len(message));
        self.ids.remove(&(Arc::clone(&message.id), seq));
        let head = self.messages.head();
        self.next_due = head.map_or(Deadline::Never, |(key, ..)| key.due);
    }
}

fn len(message: &Scheduled) -> u64 {
    u64::try_from(message.frame.len()).unwrap_or(u64::MAX)
}
