//! Messages in the order (due time, arrival).
//!
//! Pure: no lock, no clock.

// Spelled out, because benchmarks include this file by its path.
#[path = "ordered/walk.rs"]
pub(crate) mod walk;

use core::ops::Bound::{Excluded, Included, Unbounded};
use std::collections::BTreeSet;
use std::time::SystemTime;

use crate::seq_map::SeqMap;
use crate::time::Deadline;

/// The maximum number of scheduled messages that one step counts as due.
const MAX_COUNTED: usize = 64;

/// The position of a message in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) due: Deadline,
    /// The number of its arrival, which is unique.
    pub(crate) seq: u64,
}

impl Key {
    /// The highest key that a message which is due at `now` can have.
    fn last_due(now: SystemTime) -> Self {
        Self {
            due: Deadline::At(now),
            seq: u64::MAX,
        }
    }
}

/// Messages in the order of their keys, which can be removed from anywhere.
///
/// Most messages are due when they arrive, and so arrive in order. They are stored only by number,
/// at a cost that does not depend on how many there are. The others are stored by number too, with
/// their keys in a tree. The first message is the earlier of the first messages of both parts.
///
/// The number of scheduled messages that are due is known without a traversal: as time passes, each
/// step counts a bounded number of them, up to a key that only moves forwards.
///
/// No operation moves more than a block of 64 messages and a path of a tree. In addition to its
/// item, a due message takes 35 bytes in a long queue and a scheduled one 85; an expiry takes 50
/// more. If nearly all neighbours of a message have been removed, it takes 105 more.
#[derive(Debug)]
pub(crate) struct Ordered<T> {
    /// The messages that were due when they arrived. Both their keys and their numbers ascend.
    ready: SeqMap<Entry<T>>,
    /// The highest key of `ready` so far.
    last_ready: Option<Key>,
    /// All other messages.
    scheduled: SeqMap<Entry<T>>,
    /// The keys of `scheduled`.
    keys: BTreeSet<Key>,
    /// The number of `keys` that are known to be due, which are those up to `counted_to`.
    due_count: usize,
    counted_to: Option<Key>,
    /// When each message expires, if ever, with its number.
    expiring: BTreeSet<(SystemTime, u64)>,
    /// The first time of `expiring`.
    next_expiry: Deadline,
}

#[derive(Debug)]
struct Entry<T> {
    due: Deadline,
    expires: Deadline,
    item: T,
}

impl<T> Entry<T> {
    fn into_parts(self, seq: u64) -> (Key, Deadline, T) {
        let due = self.due;
        (Key { due, seq }, self.expires, self.item)
    }
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self {
            ready: SeqMap::default(),
            last_ready: None,
            scheduled: SeqMap::default(),
            keys: BTreeSet::new(),
            due_count: 0,
            counted_to: None,
            expiring: BTreeSet::new(),
            next_expiry: Deadline::Never,
        }
    }
}

impl<T> Ordered<T> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.ready.len().saturating_add(self.scheduled.len())
    }

    /// Inserts a message. `now` decides whether it is due.
    pub(crate) fn insert(&mut self, key: Key, expires: Deadline, item: T, now: SystemTime) {
        if let Deadline::At(time) = expires {
            self.expiring.insert((time, key.seq));
            self.next_expiry = self.next_expiry.min(expires);
        }
        let due = key.due;
        let entry = Entry { due, expires, item };
        if due.has_come(now) && self.is_after_ready(key) {
            self.last_ready = Some(key);
            self.ready.insert(key.seq, entry);
            return;
        }
        self.scheduled.insert(key.seq, entry);
        self.keys.insert(key);
        if self.is_counted(key) {
            self.due_count = self.due_count.saturating_add(1);
        }
    }

    /// The first message, and when it expires.
    pub(crate) fn head(&self) -> Option<(Key, Deadline, &T)> {
        let (key, entry) = match (self.first_ready(), self.keys.first()) {
            (Some((ready, _)), Some(key)) if *key < ready => (*key, self.scheduled.get(key.seq)?),
            (Some(ready), _) => ready,
            (None, key) => {
                let key = *key?;
                (key, self.scheduled.get(key.seq)?)
            }
        };
        Some((key, entry.expires, &entry.item))
    }

    /// Removes the first message.
    pub(crate) fn pop(&mut self) -> Option<(Key, Deadline, T)> {
        let is_scheduled = match (self.first_ready(), self.keys.first()) {
            (Some((ready, _)), Some(key)) => *key < ready,
            (ready, _) => ready.is_none(),
        };
        let (seq, entry) = if is_scheduled {
            let key = self.keys.pop_first()?;
            self.uncount(key);
            (key.seq, self.scheduled.remove(key.seq)?)
        } else {
            self.ready.pop_first()?
        };
        self.remove_expiry(seq, entry.expires);
        Some(entry.into_parts(seq))
    }

    /// The message with the number `seq`.
    pub(crate) fn get(&self, seq: u64) -> Option<&T> {
        let entry = self.ready.get(seq).or_else(|| self.scheduled.get(seq))?;
        Some(&entry.item)
    }

    /// Removes the message with the number `seq`.
    pub(crate) fn remove(&mut self, seq: u64) -> Option<(Key, Deadline, T)> {
        let entry = if let Some(entry) = self.ready.remove(seq) {
            entry
        } else {
            let entry = self.scheduled.remove(seq)?;
            let due = entry.due;
            self.keys.remove(&Key { due, seq });
            self.uncount(Key { due, seq });
            entry
        };
        self.remove_expiry(seq, entry.expires);
        Some(entry.into_parts(seq))
    }

    /// Removes a message that has expired at `now`, if there is one, from any position.
    pub(crate) fn pop_expired(&mut self, now: SystemTime) -> Option<(Key, T)> {
        if !self.next_expiry.has_come(now) {
            return None;
        }
        let (_, seq) = *self.expiring.first()?;
        let (key, _, item) = self.remove(seq)?;
        Some((key, item))
    }

    /// Whether any message can expire.
    #[inline]
    pub(crate) fn can_expire(&self) -> bool {
        !self.expiring.is_empty()
    }

    /// Whether all messages were due when they arrived.
    #[inline]
    pub(crate) fn has_no_scheduled(&self) -> bool {
        self.keys.is_empty()
    }

    /// When the first message expires.
    #[inline]
    pub(crate) fn next_expiry(&self) -> Deadline {
        self.next_expiry
    }

    /// Counts messages that have fallen due at `now`, a bounded number in each call; returns
    /// whether there may be more.
    #[inline]
    pub(crate) fn count_to(&mut self, now: SystemTime) -> bool {
        !self.keys.is_empty() && self.count_scheduled(now)
    }

    fn count_scheduled(&mut self, now: SystemTime) -> bool {
        let last = Key::last_due(now);
        if self.is_counted(last) {
            return false;
        }
        let from = self.counted_to.map_or(Unbounded, Excluded);
        let (mut found, mut reached) = (0_usize, None);
        for key in self.keys.range((from, Included(last))).take(MAX_COUNTED) {
            found = found.saturating_add(1);
            reached = Some(*key);
        }
        self.due_count = self.due_count.saturating_add(found);
        let is_all = found < MAX_COUNTED;
        self.counted_to = if is_all { Some(last) } else { reached };
        !is_all
    }

    /// How many messages are known to be due: see [`count_to`](Self::count_to).
    #[inline]
    pub(crate) fn due(&self) -> usize {
        self.ready.len().saturating_add(self.due_count)
    }

    /// When the next message falls due, among those that are not due at `now`.
    pub(crate) fn next_due(&self, now: SystemTime) -> Option<Deadline> {
        let first = self.keys.first()?;
        if !first.due.has_come(now) {
            return Some(first.due);
        }
        let next = self.keys.range(Key::last_due(now)..).next()?;
        Some(next.due)
    }

    fn first_ready(&self) -> Option<(Key, &Entry<T>)> {
        let (seq, entry) = self.ready.first()?;
        let due = entry.due;
        Some((Key { due, seq }, entry))
    }

    fn is_after_ready(&self, key: Key) -> bool {
        self.ready.is_empty()
            || self
                .last_ready
                .is_none_or(|last| key > last && key.seq > last.seq)
    }

    fn is_counted(&self, key: Key) -> bool {
        self.counted_to.is_some_and(|counted| key <= counted)
    }

    fn uncount(&mut self, key: Key) {
        if self.is_counted(key) {
            self.due_count = self.due_count.saturating_sub(1);
        }
    }

    fn remove_expiry(&mut self, seq: u64, expires: Deadline) {
        if let Deadline::At(time) = expires {
            self.expiring.remove(&(time, seq));
            let first = self.expiring.first();
            self.next_expiry = first.map_or(Deadline::Never, |(time, _)| Deadline::At(*time));
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
// Spelled out, because benchmarks include this file by its path.
#[path = "ordered/tests.rs"]
mod tests;
