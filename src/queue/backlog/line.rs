//! The line of producers that wait for capacity.
//!
//! Pure: no lock, no clock; `now` is in the step.

use super::Backlog;
use crate::queue::step::{Caller, NeedsClone, Step};
use crate::queue::wait_queue::{List, Ticket};
use crate::time::Deadline;

impl Backlog {
    /// Whether a producer may push now, or must wait until others have.
    #[inline]
    pub(crate) fn is_next(&self, ticket: Option<Ticket>) -> bool {
        let is_first = ticket.is_some_and(|ticket| self.producers.is_first(ticket));
        is_first || !self.producers.has_waiting()
    }

    /// Joins the line for capacity, or keeps its position in it. Returns when the next message
    /// expires, which may free capacity.
    pub(crate) fn wait_for_capacity(
        &mut self,
        ticket: &mut Option<Ticket>,
        caller: &mut Caller<'_>,
        step: &mut Step,
    ) -> Result<Deadline, NeedsClone> {
        let ticket = *ticket.get_or_insert_with(|| self.producers.insert());
        let displaced = self.producers.wait(ticket, List::Waiting, 0, caller)?;
        step.effects.drop_waker(displaced);
        self.producers_armed = self.next_expiry();
        Ok(self.producers_armed)
    }

    pub(crate) fn leave_line(&mut self, ticket: Ticket, step: &mut Step) {
        self.is_freed |= self.producers.is_first(ticket);
        step.effects.drop_waker(self.producers.remove(ticket));
    }

    #[inline]
    pub(crate) fn has_waiting_producers(&self) -> bool {
        self.producers.has_waiting()
    }

    /// Begins to announce the end to all producers.
    pub(crate) fn begin_announcing(&mut self) {
        self.producers.begin_announcing();
    }

    /// Announces the end to some more producers.
    pub(crate) fn announce(&mut self, step: &mut Step) {
        self.producers.announce(step.effects.wakes_left(), |waker| {
            step.effects.wake(Some(waker));
        });
    }

    /// If there may be capacity, wakes the first in line to push; if a message expires earlier than
    /// it is armed for, wakes it to arm for that. It stays in line until it has pushed, so that no
    /// producer overtakes it.
    #[inline]
    pub(crate) fn settle(&mut self, step: &mut Step) {
        let is_freed = core::mem::take(&mut self.is_freed);
        if !self.producers.has_waiting() {
            return;
        }
        let next = self.next_expiry();
        let is_early = next < self.producers_armed;
        if is_early || (is_freed && self.may_have_capacity(1)) {
            self.producers_armed = next.min(self.producers_armed);
            step.effects.wake(self.producers.wake_first());
        }
    }
}
