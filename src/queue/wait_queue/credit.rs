//! Credit and reservations: how many messages tasks take that were notified or come at a tick, and
//! when that lapses.
//!
//! Pure: no lock, no clock.

use core::task::Waker;

use super::{List, Slot, State, Ticket, WaitQueue};
use crate::queue::step::{Caller, NeedsClone};
use crate::time::Deadline;

impl WaitQueue {
    /// Reserves `credit` messages for its next tick. If it has not taken them by `until`, the
    /// reservation lapses. Returns the waker that was replaced.
    pub(crate) fn reserve(
        &mut self,
        ticket: Ticket,
        credit: usize,
        until: Deadline,
        caller: &mut Caller<'_>,
    ) -> Result<Option<Waker>, NeedsClone> {
        let displaced = self.set_waker(ticket, caller)?;
        self.leave(ticket);
        let round = self.round;
        if let Some(slot) = self.slot(ticket) {
            slot.state = State::Reserved;
            slot.credit = credit;
            slot.until = until;
            slot.round = round;
            self.reserved.insert((until, ticket.slot));
            self.credit = self.credit.saturating_add(credit);
        }
        Ok(displaced)
    }

    /// Voids all reservations, because the messages are gone. The streams still return at their
    /// ticks.
    #[inline]
    pub(crate) fn void_reservations(&mut self) {
        if self.credit > self.notified {
            self.credit = self.notified;
            self.round = self.round.wrapping_add(1);
        }
    }

    pub(super) fn unreserve(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return;
        };
        slot.state = State::Idle;
        self.reserved.remove(&(slot.until, index));
        if slot.round == self.round {
            self.credit = self.credit.saturating_sub(slot.credit);
        }
    }

    /// Takes back the credit or reservation of one task that has lapsed at `now`; returns whether
    /// there was one.
    #[inline]
    pub(crate) fn lapse(&mut self, now: Deadline) -> bool {
        if let Some((until, slot)) = self.reserved.first().copied()
            && until <= now
        {
            self.unreserve(slot);
            return true;
        }
        let Some(slot) = self.first(List::Notified) else {
            return false;
        };
        let until = self.slots.get(slot as usize).map(|slot| slot.until);
        let has_lapsed = until.is_some_and(|until| until <= now);
        if has_lapsed {
            self.unlink(slot, List::Notified);
        }
        has_lapsed
    }

    /// Whether any credit or reservation can lapse.
    #[inline]
    pub(crate) fn may_lapse(&self) -> bool {
        self.has_any(List::Notified) || !self.reserved.is_empty()
    }

    /// When the first credit or reservation lapses.
    #[inline]
    pub(crate) fn next_lapse(&self) -> Deadline {
        let notified = self.first(List::Notified);
        let notified = notified.and_then(|slot| self.slots.get(slot as usize));
        let notified = notified.map_or(Deadline::Never, |slot| slot.until);
        let reserved = self.reserved.first();
        let reserved = reserved.map_or(Deadline::Never, |(until, _)| *until);
        notified.min(reserved)
    }

    /// How many messages notified and reserved tasks take.
    #[inline]
    pub(crate) fn credit(&self) -> usize {
        self.credit
    }

    /// How many messages notified tasks take, without reservations.
    #[inline]
    pub(crate) fn credit_notified(&self) -> usize {
        self.notified
    }

    /// How many messages notified and reserved tasks take, without this one.
    pub(crate) fn credit_but(&self, ticket: Ticket) -> usize {
        let own = self.peek(ticket).filter(|slot| self.counts(slot));
        self.credit
            .saturating_sub(own.map_or(0, |slot| slot.credit))
    }

    pub(crate) fn has_credit(&self, ticket: Ticket) -> bool {
        self.peek(ticket).is_some_and(|slot| self.counts(slot))
    }

    pub(super) fn counts(&self, slot: &Slot) -> bool {
        match slot.state {
            State::In(list) => list == List::Notified,
            State::Reserved => slot.round == self.round,
            State::Free | State::Idle => false,
        }
    }
}
