//! Reading messages in order, some at a time, while others come and go.
//!
//! Pure: no lock, no clock.

use core::iter;
use core::ops::Bound::{Excluded, Unbounded};
use std::time::SystemTime;

use super::{Entry, Key, Ordered};
use crate::time::Deadline;

/// A message as it is read: its key, when it expires, and its item.
pub(crate) type Read<'a, T> = (Key, Deadline, &'a T);

/// How far messages were read. It moves only forwards, so that no message is read twice, and the
/// cost of going on does not depend on how many were read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    /// The number from which to go on among those that were due when they arrived.
    ready: u64,
    /// The last key that was read of the others.
    scheduled: Option<Key>,
}

impl<T> Ordered<T> {
    /// The messages after a position that are due at `now`, in order.
    pub(crate) fn due_from(
        &self,
        position: Position,
        now: SystemTime,
    ) -> impl Iterator<Item = Read<'_, T>> {
        let ready = self.ready.iter_from(position.ready);
        let ready = ready.map(|(seq, entry)| read(seq, entry));
        let scheduled = self.keys_after(position.scheduled);
        let last = Key::last_due(now);
        merged(ready, scheduled.take_while(move |(key, ..)| *key <= last))
    }

    /// The messages after a position that fall due after `now`, in order.
    pub(crate) fn scheduled_from(
        &self,
        position: Position,
        now: SystemTime,
    ) -> impl Iterator<Item = Read<'_, T>> {
        let last = Key::last_due(now);
        self.keys_after(position.scheduled.max(Some(last)))
    }

    /// Moves a position past a message, if it is one of these.
    pub(crate) fn pass(&self, position: &mut Position, key: Key) {
        if self.ready.get(key.seq).is_some() {
            position.ready = key.seq.saturating_add(1);
        } else if self.scheduled.get(key.seq).is_some() {
            position.scheduled = Some(key);
        }
    }

    fn keys_after(&self, key: Option<Key>) -> impl Iterator<Item = Read<'_, T>> {
        let keys = self
            .keys
            .range((key.map_or(Unbounded, Excluded), Unbounded));
        keys.filter_map(|key| Some(read(key.seq, self.scheduled.get(key.seq)?)))
    }
}

fn read<T>(seq: u64, entry: &Entry<T>) -> Read<'_, T> {
    let due = entry.due;
    (Key { due, seq }, entry.expires, &entry.item)
}

/// Merges two sequences that are in order.
pub(crate) fn merged<'a, T: 'a>(
    one: impl Iterator<Item = Read<'a, T>>,
    other: impl Iterator<Item = Read<'a, T>>,
) -> impl Iterator<Item = Read<'a, T>> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some((key, ..)), Some((before, ..))) if before < key => other.next(),
        (None, _) => other.next(),
        _ => one.next(),
    })
}
