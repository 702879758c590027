//! The order in which leases end.

use core::num::NonZeroU64;
use std::collections::BTreeSet;

use crate::seq_map::SeqMap;
use crate::time::Deadline;

/// When a lease ends, with the number of its message.
pub(super) type End = (Deadline, u64);

/// The slot of an end among those that came in order.
pub(super) type Slot = NonZeroU64;

/// The ends of all leases.
///
/// All leases last equally long, so most end in the order in which they began. Those are stored
/// under ascending slots, at constant cost. A lease that was extended has no slot: its end is in a
/// tree.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// Ascending deadlines, by slot.
    in_order: SeqMap<End>,
    /// The last slot that was assigned.
    last_slot: u64,
    /// The latest deadline in `in_order`.
    latest: Option<Deadline>,
    extended: BTreeSet<End>,
}

impl Ends {
    /// Adds an end; returns its slot, if it came in order.
    pub(super) fn insert(&mut self, end: End) -> Option<Slot> {
        if self.latest.is_some_and(|latest| latest > end.0) {
            self.extended.insert(end);
            return None;
        }
        self.latest = Some(end.0);
        self.last_slot = self.last_slot.saturating_add(1);
        self.in_order.insert(self.last_slot, end);
        NonZeroU64::new(self.last_slot)
    }

    /// Adds an end that is probably later than those of leases to come: it gets no slot, so that
    /// those still come in order.
    pub(super) fn insert_extended(&mut self, end: End) -> Option<Slot> {
        self.extended.insert(end);
        None
    }

    /// The next end.
    pub(super) fn first(&self) -> Option<End> {
        let in_order = self.in_order.first().map(|(_, end)| *end);
        let Some(extended) = self.extended.first().copied() else {
            return in_order;
        };
        Some(in_order.map_or(extended, |end| end.min(extended)))
    }

    /// Removes an end, by its slot.
    pub(super) fn remove(&mut self, end: End, slot: Option<Slot>) {
        let Some(slot) = slot else {
            self.extended.remove(&end);
            return;
        };
        self.in_order.remove(slot.get());
        if self.in_order.is_empty() {
            self.latest = None;
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
