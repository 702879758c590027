//! Messages in the order (due time, arrival).
//!
//! Pure: no lock, no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::SystemTime;

use crate::time::Deadline;

/// The most messages of a block of the ring.
const BLOCK: usize = 64;
/// The most scheduled messages that one step finds to be due.
const MOST_COUNTED: usize = 64;

/// Where a message stands in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) due: Deadline,
    /// The number of its arrival, which no other message has.
    pub(crate) seq: u64,
}

/// Messages in the order of their keys, with removal from anywhere.
///
/// Most messages are due when they arrive, so they arrive in order: those stand in a ring, and cost
/// the same however many there are. The rest stands in a tree. The head is the lesser of the two
/// heads.
///
/// How many messages of the tree are due is known without a walk: they are counted as time passes,
/// a bounded number in each step, up to a key that only moves forwards.
#[derive(Debug)]
pub(crate) struct Ordered<T> {
    /// Due when they arrived, keys and numbers both ascending.
    ready: Ring<T>,
    scheduled: BTreeMap<Key, (Deadline, T)>,
    /// The due time of each number in `scheduled`.
    due: BTreeMap<u64, Deadline>,
    /// How many of `scheduled` are known to be due: those up to `counted_to`.
    due_count: usize,
    counted_to: Option<Key>,
    /// Whatever can expire, with its number.
    expiring: BTreeSet<(SystemTime, u64)>,
    /// The first of `expiring`.
    next_expiry: Deadline,
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self {
            ready: Ring::default(),
            scheduled: BTreeMap::new(),
            due: BTreeMap::new(),
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
        self.ready.len.saturating_add(self.scheduled.len())
    }

    /// Inserts a message. `now` tells whether it is due.
    pub(crate) fn insert(&mut self, key: Key, expires: Deadline, item: T, now: SystemTime) {
        if let Deadline::At(time) = expires {
            self.expiring.insert((time, key.seq));
            self.next_expiry = self.next_expiry.min(expires);
        }
        let in_order = self
            .ready
            .last()
            .is_none_or(|last| key > last && key.seq > last.seq);
        if in_order && key.due.has_come(now) {
            self.ready.push((key, expires, item));
            return;
        }
        self.due.insert(key.seq, key.due);
        self.scheduled.insert(key, (expires, item));
        if self.is_counted(key) {
            self.due_count = self.due_count.saturating_add(1);
        }
    }

    /// The first message, with the time at which it expires.
    pub(crate) fn head(&self) -> Option<(Key, Deadline, &T)> {
        let ready = self.ready.first();
        let Some((key, (expires, item))) = self.scheduled.first_key_value() else {
            return ready.map(|(key, expires, item)| (*key, *expires, item));
        };
        match ready {
            Some((first, expires, item)) if first < key => Some((*first, *expires, item)),
            _ => Some((*key, *expires, item)),
        }
    }

    /// Takes the first message out.
    pub(crate) fn pop(&mut self) -> Option<(Key, Deadline, T)> {
        let ready = self.ready.first().map(|(key, ..)| *key);
        let scheduled = self.scheduled.first_key_value().map(|(key, _)| *key);
        let (key, expires, item) = match (ready, scheduled) {
            (Some(ready), Some(scheduled)) if scheduled < ready => self.pop_scheduled()?,
            (None, _) => self.pop_scheduled()?,
            (Some(_), _) => self.ready.pop()?,
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
        self.ready.get(seq)
    }

    /// Takes the message with the number `seq` out.
    pub(crate) fn remove(&mut self, seq: u64) -> Option<(Key, Deadline, T)> {
        let (key, expires, item) = if let Some(due) = self.due.remove(&seq) {
            let key = Key { due, seq };
            let (expires, item) = self.scheduled.remove(&key)?;
            self.uncount(key);
            (key, expires, item)
        } else {
            self.ready.remove(seq)?
        };
        self.forget_expiry(seq, expires);
        Some((key, expires, item))
    }

    /// Takes out one message that has expired at `now`, if there is any, wherever it stands.
    pub(crate) fn pop_expired(&mut self, now: SystemTime) -> Option<(Key, T)> {
        if !self.next_expiry.has_come(now) {
            return None;
        }
        let (time, seq) = self.expiring.first()?;
        if *time > now {
            return None;
        }
        let (key, _, item) = self.remove(*seq)?;
        Some((key, item))
    }

    /// Whether any message can expire.
    #[inline]
    pub(crate) fn is_perishable(&self) -> bool {
        !self.expiring.is_empty()
    }

    /// Whether all messages were due when they came.
    #[inline]
    pub(crate) fn is_unscheduled(&self) -> bool {
        self.scheduled.is_empty()
    }

    /// When the first message expires.
    #[inline]
    pub(crate) fn next_expiry(&self) -> Deadline {
        self.next_expiry
    }

    /// Counts messages that have fallen due at `now`, some in one step; returns whether there may be
    /// more.
    #[inline]
    pub(crate) fn count_to(&mut self, now: SystemTime) -> bool {
        !self.scheduled.is_empty() && self.count_scheduled(now)
    }

    fn count_scheduled(&mut self, now: SystemTime) -> bool {
        let last = Key {
            due: Deadline::At(now),
            seq: u64::MAX,
        };
        if self.counted_to.is_some_and(|counted| counted >= last) {
            return false;
        }
        let from = self
            .counted_to
            .map_or(core::ops::Bound::Unbounded, core::ops::Bound::Excluded);
        let range = (from, core::ops::Bound::Included(last));
        let (mut found, mut reached) = (0_usize, None);
        for (key, _) in self.scheduled.range(range).take(MOST_COUNTED) {
            found = found.saturating_add(1);
            reached = Some(*key);
        }
        self.due_count = self.due_count.saturating_add(found);
        let is_all = found < MOST_COUNTED;
        self.counted_to = if is_all { Some(last) } else { reached };
        !is_all
    }

    /// How many messages are known to be due: see [`count_to`](Self::count_to).
    #[inline]
    pub(crate) fn due(&self) -> usize {
        self.ready.len.saturating_add(self.due_count)
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

    fn is_counted(&self, key: Key) -> bool {
        self.counted_to.is_some_and(|counted| key <= counted)
    }

    fn uncount(&mut self, key: Key) {
        if self.is_counted(key) {
            self.due_count = self.due_count.saturating_sub(1);
        }
    }

    fn pop_scheduled(&mut self) -> Option<(Key, Deadline, T)> {
        let (key, (expires, item)) = self.scheduled.pop_first()?;
        self.due.remove(&key.seq);
        self.uncount(key);
        Some((key, expires, item))
    }

    fn forget_expiry(&mut self, seq: u64, expires: Deadline) {
        if let Deadline::At(time) = expires {
            self.expiring.remove(&(time, seq));
            let first = self.expiring.first();
            self.next_expiry = first.map_or(Deadline::Never, |(time, _)| Deadline::At(*time));
        }
    }
}

type Entry<T> = (Key, Deadline, T);

/// Entries in ascending order, in blocks: it grows and shrinks a block at a time, so that no single
/// call moves more than a block, however long it is.
#[derive(Debug)]
struct Ring<T> {
    /// None is empty.
    blocks: VecDeque<VecDeque<Entry<T>>>,
    /// An empty block, kept for the next one.
    spare: VecDeque<Entry<T>>,
    len: usize,
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self {
            blocks: VecDeque::new(),
            spare: VecDeque::new(),
            len: 0,
        }
    }
}

impl<T> Ring<T> {
    fn first(&self) -> Option<&Entry<T>> {
        self.blocks.front()?.front()
    }

    fn last(&self) -> Option<Key> {
        self.blocks.back()?.back().map(|(key, ..)| *key)
    }

    fn push(&mut self, entry: Entry<T>) {
        self.len = self.len.saturating_add(1);
        if let Some(block) = self.blocks.back_mut()
            && block.len() < BLOCK
        {
            block.push_back(entry);
            return;
        }
        let mut block = core::mem::take(&mut self.spare);
        block.push_back(entry);
        self.blocks.push_back(block);
    }

    fn pop(&mut self) -> Option<Entry<T>> {
        let block = self.blocks.front_mut()?;
        let entry = block.pop_front()?;
        self.len = self.len.saturating_sub(1);
        if block.is_empty() {
            self.spare = self.blocks.pop_front().unwrap_or_default();
            self.shrink();
        }
        Some(entry)
    }

    fn get(&self, seq: u64) -> Option<&T> {
        let (block, at) = self.find(seq)?;
        self.blocks.get(block)?.get(at).map(|(.., item)| item)
    }

    fn remove(&mut self, seq: u64) -> Option<Entry<T>> {
        let (index, at) = self.find(seq)?;
        let block = self.blocks.get_mut(index)?;
        let entry = block.remove(at)?;
        self.len = self.len.saturating_sub(1);
        if block.is_empty() {
            self.spare = self.blocks.remove(index).unwrap_or_default();
            self.shrink();
        } else if block.len() < block.capacity() / 4 {
            block.shrink_to(block.len().saturating_mul(2));
        }
        Some(entry)
    }

    /// The block of a number, and where it stands in there.
    fn find(&self, seq: u64) -> Option<(usize, usize)> {
        let is_before =
            |block: &VecDeque<Entry<T>>| block.back().is_some_and(|(last, ..)| last.seq < seq);
        let index = self.blocks.partition_point(is_before);
        let block = self.blocks.get(index)?;
        let at = block.binary_search_by_key(&seq, |(key, ..)| key.seq).ok()?;
        Some((index, at))
    }

    /// Gives back what a crowd has left.
    fn shrink(&mut self) {
        if self.blocks.len() < self.blocks.capacity() / 8 {
            self.blocks.shrink_to(self.blocks.len().saturating_mul(2));
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
        assert!(!store.count_to(at(1)));
        assert_eq!(store.due(), 3);
        assert!(!store.count_to(at(50)));
        assert_eq!(store.due(), 6);
        assert_eq!(store.next_due(at(49)), Some(Deadline::At(at(50))));
        assert_eq!(store.next_due(at(50)), None);
        assert_eq!(drain(&mut store), [2, 6, 8, 1, 3, 7]);
    }

    #[test]
    fn what_is_due_is_counted_in_bounded_steps_whatever_comes_and_goes() {
        let mut store = Ordered::default();
        for seq in 0..1_000 {
            store.insert(key(10 + seq % 7, seq), Deadline::Never, seq, at(1));
        }
        let mut steps = 1;
        while store.count_to(at(12)) {
            steps += 1;
        }
        assert!(steps >= 6, "{steps}");
        assert_eq!(store.due(), 429);
        store.remove(0);
        store.pop();
        assert_eq!(store.due(), 427);
        store.insert(key(11, 5_000), Deadline::Never, 5_000, at(12));
        assert_eq!(store.due(), 428, "one that comes back is counted at once");
        while store.count_to(at(99)) {}
        assert_eq!((store.due(), store.len()), (999, 999));
    }

    #[test]
    fn removal_leaves_no_memory_behind_a_head_that_stays() {
        let mut store = Ordered::default();
        store.insert(key(1, 0), Deadline::Never, 0, at(1));
        for seq in 1..100_000 {
            store.insert(key(1, seq), Deadline::Never, seq, at(1));
            assert_eq!(store.remove(seq).map(|(.., item)| item), Some(seq));
        }
        assert_eq!((store.len(), store.ready.blocks.len()), (1, 1));
        assert_eq!(drain(&mut store), [0]);
    }

    #[test]
    fn removal_in_any_order_keeps_the_rest_in_order() {
        let mut store = Ordered::default();
        for seq in 0..10_000 {
            store.insert(key(1, seq), Deadline::Never, seq, at(1));
        }
        for step in 0..10_000_u64 {
            let seq = step * 7_919 % 10_000;
            if seq % 3 > 0 {
                assert!(store.remove(seq).is_some());
                assert!(store.get(seq).is_none());
            }
        }
        let left: Vec<_> = (0..10_000).filter(|seq| seq % 3 == 0).collect();
        assert_eq!(drain(&mut store), left);
        assert!(store.ready.blocks.is_empty());
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
