//! The scheduled messages of a topic: those that are not due yet.
//!
//! Pure: no lock, no clock.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::budget::Share;
use crate::message::Labels;
use crate::ordered::{Key, Ordered};
use crate::time::Deadline;

/// A message that is not due yet.
#[derive(Debug)]
pub(crate) struct Scheduled {
    pub(crate) frame: Bytes,
    /// `EPOCH-dSEQ`, or the application-supplied id.
    pub(crate) id: Arc<str>,
    pub(crate) labels: Option<Box<Labels>>,
}

/// Scheduled messages in the order (due time, arrival), with their ids.
#[derive(Debug)]
pub(super) struct Schedule {
    /// `None` until a message is scheduled: most topics have none.
    waiting: Option<Box<Waiting>>,
    /// The number of messages that were ever scheduled.
    arrivals: u64,
    /// The highest number in an id of the form `EPOCH-dSEQ`.
    last_number: u64,
    next_due: Deadline,
    /// What the bytes count towards the budget of a registry.
    pub(super) share: Share,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: Ordered<Scheduled>,
    /// Each message's id, with the number of its arrival.
    ids: BTreeSet<(Arc<str>, u64)>,
    /// The total length of the frames, and what tags and keys count.
    bytes: u64,
}

/// All messages that were scheduled, in order, and their ids. To be dropped outside the lock.
pub(crate) struct AllScheduled(Option<Box<Waiting>>);

impl Iterator for AllScheduled {
    type Item = (Key, Deadline, Scheduled);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.as_mut()?.messages.pop()
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            waiting: None,
            arrivals: 0,
            last_number: 0,
            next_due: Deadline::Never,
            share: Share::default(),
        }
    }
}

impl Schedule {
    pub(super) fn len(&self) -> usize {
        let waiting = self.waiting.as_ref();
        waiting.map_or(0, |waiting| waiting.messages.len())
    }

    pub(super) fn bytes(&self) -> u64 {
        let waiting = self.waiting.as_ref();
        waiting.map_or(0, |waiting| waiting.bytes)
    }

    /// When the first message falls due.
    #[inline]
    pub(super) fn next_due(&self) -> Deadline {
        self.next_due
    }

    /// The number in the next id of the form `EPOCH-dSEQ`.
    pub(super) fn next_number(&self) -> u64 {
        self.last_number.saturating_add(1)
    }

    /// Records that a message has this number, so that no other gets it.
    pub(super) fn record_number(&mut self, number: u64) {
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
        let waiting = self.waiting.get_or_insert_default();
        waiting.bytes = waiting.bytes.saturating_add(len(&message));
        self.share.record(waiting.bytes);
        waiting.ids.insert((Arc::clone(&message.id), seq));
        let key = Key { due, seq };
        waiting.messages.insert(key, expires, message, now);
        self.next_due = self.next_due.min(due);
    }

    /// Removes the first message.
    pub(super) fn pop(&mut self) -> Option<(Key, Deadline, Scheduled)> {
        let (key, expires, message) = self.waiting.as_mut()?.messages.pop()?;
        self.account_removal(key.seq, &message);
        Some((key, expires, message))
    }

    /// The number of the arrival of the newest message with this id.
    pub(super) fn newest(&self, id: &str) -> Option<u64> {
        let ids = &self.waiting.as_ref()?.ids;
        if ids.is_empty() {
            return None;
        }
        let id: Arc<str> = Arc::from(id);
        let of_this_id = (Arc::clone(&id), 0)..=(id, u64::MAX);
        let (_, newest) = ids.range(of_this_id).next_back()?;
        Some(*newest)
    }

    /// Removes the newest message with this id.
    pub(super) fn remove_newest(&mut self, id: &str) -> Option<Scheduled> {
        let seq = self.newest(id)?;
        let (_, _, message) = self.waiting.as_mut()?.messages.remove(seq)?;
        self.account_removal(seq, &message);
        Some(message)
    }

    /// Removes all messages.
    pub(super) fn take(&mut self) -> AllScheduled {
        self.share.record(0);
        self.next_due = Deadline::Never;
        AllScheduled(self.waiting.take())
    }

    /// Updates everything but `messages` for a message that was removed.
    fn account_removal(&mut self, seq: u64, message: &Scheduled) {
        let Some(waiting) = &mut self.waiting else {
            return;
        };
        waiting.bytes = waiting.bytes.saturating_sub(len(message));
        self.share.record(waiting.bytes);
        waiting.ids.remove(&(Arc::clone(&message.id), seq));
        let head = waiting.messages.head();
        self.next_due = head.map_or(Deadline::Never, |(key, ..)| key.due);
    }
}

fn len(message: &Scheduled) -> u64 {
    let frame = u64::try_from(message.frame.len()).unwrap_or(u64::MAX);
    let labels = message.labels.as_deref().map_or(0, Labels::cost);
    frame.saturating_add(labels)
}
