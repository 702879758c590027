//! What a queue that delivers at least once knows of messages that it handed out: leases, dead
//! letters, the history of acks.
//!
//! Pure: no lock, no clock; `now` is in the step.

use std::collections::{BTreeSet, VecDeque};
use std::time::SystemTime;

use super::ack_history::{AckHistory, End};
use super::item::Item;
use super::lease::{DeadLetterReason, HolderId, Lease, Leases, Lent};
use super::step::{Caller, NeedsClone, Step};
use super::wait_queue::{List, Ticket, WaitQueue};
use crate::time::Deadline;

/// A message that was handed out as often as allowed, and why it was returned the last time.
pub(super) type Dead = (Lent<Item>, DeadLetterReason);

/// What only a queue that delivers at least once has.
pub(super) struct Delivery {
    pub(super) leases: Leases<Item>,
    dead: VecDeque<Dead>,
    /// The numbers of dead letters that are known by their number.
    dead_numbers: BTreeSet<u64>,
    past: AckHistory,
    /// Tasks that wait for dead letters.
    takers: WaitQueue,
}

/// All that is in flight or dead, to be dropped outside the lock.
pub(super) struct AllLent {
    pub(super) leases: Leases<Item>,
    pub(super) dead: VecDeque<Dead>,
    #[expect(dead_code, reason = "dropped outside the lock")]
    dead_numbers: BTreeSet<u64>,
}

impl Delivery {
    pub(super) fn new(terms: Lease) -> Self {
        Self {
            leases: Leases::new(terms),
            dead: VecDeque::new(),
            dead_numbers: BTreeSet::new(),
            past: AckHistory::default(),
            takers: WaitQueue::default(),
        }
    }

    /// How many messages are dead.
    pub(super) fn dead(&self) -> usize {
        self.dead.len()
    }

    /// How many more messages a holder may have in flight.
    pub(super) fn capacity(&self, holder: HolderId) -> usize {
        self.leases.capacity(holder)
    }

    pub(super) fn is_owed(&self, holder: HolderId) -> bool {
        self.leases.owed(holder).is_some()
    }

    /// Whether any lease or grace has ended at `now`.
    pub(super) fn is_any_over(&self, now: SystemTime) -> bool {
        let next = self.leases.next_end();
        next.is_some_and(|next| next.has_come(now))
    }

    /// When the next lease or grace ends.
    pub(super) fn next_end(&self) -> Deadline {
        self.leases.next_end().unwrap_or(Deadline::Never)
    }

    pub(super) fn bury(&mut self, lent: Lent<Item>, reason: DeadLetterReason) {
        if lent.item.own_id.is_none() {
            self.dead_numbers.insert(lent.seq);
        }
        self.dead.push_back((lent, reason));
    }

    /// Whether the message that is known by this number is dead.
    pub(super) fn is_dead(&self, number: u64) -> bool {
        self.dead_numbers.contains(&number)
    }

    /// Takes some dead letters, the oldest first.
    pub(super) fn take_dead(&mut self, max: usize) -> Vec<Dead> {
        let count = max.min(self.dead.len());
        let dead: Vec<_> = self.dead.drain(..count).collect();
        for (lent, _) in &dead {
            self.dead_numbers.remove(&lent.seq);
        }
        dead
    }

    pub(super) fn take_all(&mut self) -> AllLent {
        AllLent {
            leases: self.leases.renew(),
            dead: core::mem::take(&mut self.dead),
            dead_numbers: core::mem::take(&mut self.dead_numbers),
        }
    }

    /// Records how a message that was handed out has ended.
    pub(super) fn remember(&mut self, number: u64, item: &Item, end: End) {
        self.past.add(number, item.own_id.as_ref(), end);
    }

    /// How a message ended that was known by its number.
    pub(super) fn end_of_number(&self, number: u64) -> Option<End> {
        self.past.number(number)
    }

    /// How a message with an id of its own ended, and its number.
    pub(super) fn end_of_own(&self, id: &str) -> Option<(End, u64)> {
        self.past.own(id)
    }

    /// Waits for dead letters.
    pub(super) fn wait_for_dead(
        &mut self,
        ticket: &mut Option<Ticket>,
        caller: &mut Caller<'_>,
        step: &mut Step,
    ) -> Result<(), NeedsClone> {
        let ticket = *ticket.get_or_insert_with(|| self.takers.insert());
        let displaced = self.takers.wait(ticket, List::Waiting, 0, caller)?;
        step.effects.drop_waker(displaced);
        Ok(())
    }

    pub(super) fn leave_dead(&mut self, ticket: Ticket, step: &mut Step) {
        step.effects.drop_waker(self.takers.remove(ticket));
    }

    /// Whether tasks wait for dead letters.
    #[inline]
    pub(super) fn has_takers(&self) -> bool {
        self.takers.has_waiting()
    }

    /// Wakes tasks whose wait is over. `is_over`: the queue has ended, so there will be no more
    /// dead letters once nothing is in flight.
    pub(super) fn settle(&mut self, is_over: bool, step: &mut Step) {
        let is_idle = self.leases.len() == 0;
        let is_any_dead = !self.dead.is_empty();
        if is_any_dead || (is_over && is_idle) {
            notify_all(&mut self.takers, step);
        }
    }
}

/// Wakes waiting tasks within the bounds of a step; the steps of those tasks wake the rest.
fn notify_all(tasks: &mut WaitQueue, step: &mut Step) {
    while step.effects.wakes_left() > 0 {
        let Some((_, waker)) = tasks.notify([None; 2], Deadline::Never) else {
            return;
        };
        step.effects.wake(waker);
    }
}
