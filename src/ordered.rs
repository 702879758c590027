//! Messages in the order (due time, arrival).
//!
//! Pure: no lock, no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::SystemTime;

use crate::time::Deadline;

/// Where a message stands in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) due: Deadline,
    /// The number of its arrival, which no other message has.
    pub(crate) seq: u64,
}

/// Messages in the order of their keys, with removal from anywhere.
///
/// Most messages are due when they come, so they come in order: those stand in a ring, and cost the
/// same however many there are. The rest stands in a tree. The head is the lesser of the two heads.
#[derive(Debug)]
pub(crate) struct Ordered<T> {
    /// Due when they came, keys and numbers both ascending. A `None` was removed from the middle;
    /// the first is always there.
    ready: VecDeque<(Key, Deadline, Option<T>)>,
    /// How many of `ready` were removed.
    removed: usize,
    scheduled: BTreeMap<Key, (Deadline, T)>,
    /// The due time of each number in `scheduled`.
    due: BTreeMap<u64, Deadline>,
    /// Whatever can expire, with its number.
    expiring: BTreeSet<(SystemTime, u64)>,
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self {
            ready: VecDeque::new(),
            removed: 0,
            scheduled: BTreeMap::new(),
            due: BTreeMap::new(),
            expiring: BTreeSet::new(),
        }
    }
}

impl<T> Ordered<T> {
    pub(crate) fn len(&self) -> usize {
        let ready = self.ready.len().saturating_sub(self.removed);
        ready.saturating_add(self.scheduled.len())
    }

    /// Puts a message in its place. `now` tells whether it is due.
    pub(crate) fn insert(&mut self, key: Key, expires: Deadline, item: T, now: SystemTime) {
        if let Deadline::At(time) = expires {
            self.expiring.insert((time, key.seq));
        }
        let in_order = self
            .ready
            .back()
            .is_none_or(|(last, ..)| key > *last && key.seq > last.seq);
        if in_order && key.due.has_come(now) {
            self.ready.push_back((key, expires, Some(item)));
        } else {
            self.due.insert(key.seq, key.due);
            self.scheduled.insert(key, (expires, item));
        }
    }

    /// The first message, with the time at which it expires.
    pub(crate) fn head(&self) -> Option<(Key, Deadline, &T)> {
        let ready = self.ready.front();
        let ready = ready.and_then(|(key, expires, item)| Some((*key, *expires, item.as_ref()?)));
        let Some((key, (expires, item))) = self.scheduled.first_key_value() else {
            return ready;
        };
        let scheduled = (*key, *expires, item);
        match ready {
            Some(ready) if ready.0 < scheduled.0 => Some(ready),
            _ => Some(scheduled),
        }
    }

    /// Takes the first message out.
    pub(crate) fn pop(&mut self) -> Option<(Key, Deadline, T)> {
        let ready = self.ready.front().map(|(key, ..)| *key);
        let scheduled = self.scheduled.first_key_value().map(|(key, _)| *key);
        let (key, expires, item) = match (ready, scheduled) {
            (None, None) => return None,
            (Some(ready), Some(scheduled)) if scheduled < ready => self.pop_scheduled()?,
            (None, Some(_)) => self.pop_scheduled()?,
            (Some(_), _) => {
                let (key, expires, item) = self.ready.pop_front()?;
                self.trim();
                (key, expires, item?)
            }
        };
        self.forget_expiry(key.seq, expires);
        Some((key, expires, item))
    }

    /// The message with the number `seq`.
    pub(crate) fn get(&self, seq: u64) -> Option<&T> {
        if let Some(due) = self.due.get(&seq) {
            let (_, item) = self.scheduled.get(&Key { due: *due, seq })?;
            return Some(item);
        }
        let at = self.ready.binary_search_by_key(&seq, |(key, ..)| key.seq);
        let (.., item) = self.ready.get(at.ok()?)?;
        item.as_ref()
    }

    /// Takes the message with the number `seq` out.
    pub(crate) fn remove(&mut self, seq: u64) -> Option<(Key, Deadline, T)> {
        let (key, expires, item) = if let Some(due) = self.due.remove(&seq) {
            let key = Key { due, seq };
            let (expires, item) = self.scheduled.remove(&key)?;
            (key, expires, item)
        } else {
            let at = self.ready.binary_search_by_key(&seq, |(key, ..)| key.seq);
            let (key, expires, item) = self.ready.get_mut(at.ok()?)?;
            let (key, expires, item) = (*key, *expires, item.take()?);
            self.removed = self.removed.saturating_add(1);
            self.trim();
            (key, expires, item)
        };
        self.forget_expiry(seq, expires);
        Some((key, expires, item))
    }

    /// Takes out one message that has expired at `now`, if there is any, wherever it stands.
    pub(crate) fn pop_expired(&mut self, now: SystemTime) -> Option<(Key, T)> {
        let (time, seq) = *self.expiring.first()?;
        if time > now {
            return None;
        }
        let (key, _, item) = self.remove(seq)?;
        Some((key, item))
    }

    /// How many messages are due at `horizon`, counted no further than `most`.
    pub(crate) fn count_due(&self, horizon: SystemTime, most: usize) -> usize {
        let ready = self.ready.len().saturating_sub(self.removed);
        if ready >= most {
            return most;
        }
        let last = Key {
            due: Deadline::At(horizon),
            seq: u64::MAX,
        };
        let scheduled = self.scheduled.keys().take_while(|key| **key <= last);
        let most_scheduled = most.saturating_sub(ready);
        ready.saturating_add(scheduled.take(most_scheduled).count())
    }

    /// When the first of those messages falls due that are not due at `now`.
    pub(crate) fn next_due(&self, now: SystemTime) -> Option<Deadline> {
        let (first, _) = self.scheduled.first_key_value()?;
        if !first.due.has_come(now) {
            return Some(first.due);
        }
        let last_due = Key {
            due: Deadline::At(now),
            seq: u64::MAX,
        };
        let (next, _) = self.scheduled.range(last_due..).next()?;
        Some(next.due)
    }

    fn pop_scheduled(&mut self) -> Option<(Key, Deadline, T)> {
        let (key, (expires, item)) = self.scheduled.pop_first()?;
        self.due.remove(&key.seq);
        Some((key, expires, item))
    }

    fn forget_expiry(&mut self, seq: u64, expires: Deadline) {
        if let Deadline::At(time) = expires {
            self.expiring.remove(&(time, seq));
        }
    }

    /// Sees to it that the first of `ready` is there, and that those removed are the lesser part:
    /// each removal pays for one move.
    fn trim(&mut self) {
        if self.removed == 0 {
            return;
        }
        while let Some((_, _, None)) = self.ready.front() {
            self.ready.pop_front();
            self.removed = self.removed.saturating_sub(1);
        }
        if self.removed > self.ready.len() / 2 && self.removed > 64 {
            self.ready.retain(|(.., item)| item.is_some());
            self.removed = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
    }

    fn key(due: u64, seq: u64) -> Key {
        let due = Deadline::At(at(due));
        Key { due, seq }
    }

    fn drain(store: &mut Ordered<u64>) -> Vec<u64> {
        core::iter::from_fn(|| store.pop().map(|(_, _, item)| item)).collect()
    }

    #[test]
    fn the_order_is_due_time_then_arrival() {
        let mut store = Ordered::default();
        for (seq, due) in [(0, 5), (1, 9), (2, 5), (3, 1), (4, 7), (5, 7)] {
            store.insert(key(due, seq), Deadline::Never, seq, at(6));
        }
        assert_eq!(store.len(), 6);
        assert_eq!(drain(&mut store), [3, 0, 2, 4, 5, 1]);
        assert_eq!(store.len(), 0);
    }

    #[test]
    fn a_message_that_comes_back_stands_where_it_stood() {
        let mut store = Ordered::default();
        for seq in 0..4 {
            store.insert(key(1, seq), Deadline::Never, seq, at(1));
        }
        let (first, expires, item) = store.pop().unwrap();
        store.insert(first, expires, item, at(2));
        assert_eq!(drain(&mut store), [0, 1, 2, 3]);
    }

    #[test]
    fn removal_works_in_both_parts_and_only_once() {
        let mut store = Ordered::default();
        for seq in 0..10 {
            let due = if seq % 2 == 0 { 1 } else { 50 };
            store.insert(key(due, seq), Deadline::Never, seq, at(1));
        }
        for seq in [0, 4, 5, 9] {
            assert_eq!(store.remove(seq).map(|(_, _, item)| item), Some(seq));
            assert!(store.remove(seq).is_none());
        }
        assert_eq!(store.len(), 6);
        assert_eq!(store.count_due(at(1), 100), 3);
        assert_eq!(store.count_due(at(50), 100), 6);
        assert_eq!(store.count_due(at(50), 2), 2);
        assert_eq!(store.next_due(at(49)), Some(Deadline::At(at(50))));
        assert_eq!(store.next_due(at(50)), None);
        assert_eq!(drain(&mut store), [2, 6, 8, 1, 3, 7]);
    }

    #[test]
    fn what_is_removed_does_not_pile_up_behind_a_head_that_stays() {
        let mut store = Ordered::default();
        store.insert(key(1, 0), Deadline::Never, 0, at(1));
        for seq in 1..100_000 {
            store.insert(key(1, seq), Deadline::Never, seq, at(1));
            store.remove(seq);
        }
        assert_eq!(store.len(), 1);
        assert!(store.ready.len() < 200, "{}", store.ready.len());
        assert_eq!(drain(&mut store), [0]);
    }

    #[test]
    fn the_expired_come_out_from_anywhere() {
        let mut store = Ordered::default();
        for (seq, due, expires) in [(0, 1, 9), (1, 1, 3), (2, 50, 2), (3, 1, 3)] {
            store.insert(key(due, seq), Deadline::At(at(expires)), seq, at(1));
        }
        assert!(store.pop_expired(at(1)).is_none());
        let expired = core::iter::from_fn(|| store.pop_expired(at(3)).map(|(_, item)| item));
        assert_eq!(expired.collect::<Vec<_>>(), [2, 1, 3]);
        assert_eq!(drain(&mut store), [0]);
        assert!(store.pop_expired(at(99)).is_none(), "taken is not expired");
    }
}
