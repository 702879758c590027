//! Which streams wait, which are notified, and which are timekeepers.
//!
//! Pure: no lock, no clock; `now` is in the step.
//!
//! A notified stream has credit for as many messages as it may take: with ten messages and ten
//! streams of one message each, ten are notified. Credit lapses after [`DEBT`]: a stream that was
//! woken but does not poll delays the others for that long.
//!
//! Without a driver, up to two streams are timekeepers. The first is armed for the next deadline of
//! the queue, the second for [`DEBT`] after that, in case the first does not poll. A timekeeper
//! that takes a message keeps its role, and must return within [`DEBT`]: replacing it each time
//! would cost a wake-up.
//!
//! A timekeeper also watches for credit that lapses: when a stream is notified, another that waits
//! is armed within [`DEBT`], and stays armed while streams are being notified, so that not every
//! push wakes it.

mod timekeepers;

use core::time::Duration;
use std::time::SystemTime;

use super::lease::HolderId;
use super::step::{Caller, MAX_PER_HOLD, NeedsClone, Step};
use super::wait_queue::{List, Ticket, WaitQueue};
use crate::source::TooManyStreams;
use crate::time::Deadline;
use timekeepers::Keeper;

/// How long a stream that was woken, or is a timekeeper, may go without a poll.
pub(super) const DEBT: Duration = Duration::from_secs(1);

/// The streams of a queue.
#[derive(Debug)]
pub(super) struct Consumers {
    streams: WaitQueue,
    max: usize,
    /// Everything in flight was taken out: no stream is full any more.
    none_is_full: bool,
    first: Option<Keeper>,
    second: Option<Keeper>,
    /// When a stream was last notified.
    notified: Option<SystemTime>,
    /// Tasks that are timekeepers in place of the streams.
    drivers: WaitQueue,
    driver_armed: Deadline,
}

impl Consumers {
    pub(super) fn new(max: usize) -> Self {
        Self {
            streams: WaitQueue::default(),
            max,
            none_is_full: false,
            first: None,
            second: None,
            notified: None,
            drivers: WaitQueue::default(),
            driver_armed: Deadline::Never,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    pub(super) fn subscribe(&mut self) -> Result<Ticket, TooManyStreams> {
        let limit = self.max;
        if self.streams.len() >= limit {
            return Err(TooManyStreams { limit });
        }
        Ok(self.streams.insert())
    }

    pub(super) fn unsubscribe(&mut self, ticket: Ticket, step: &mut Step) {
        self.release_role(ticket);
        step.effects.drop_waker(self.streams.remove(ticket));
    }

    #[inline]
    pub(super) fn holder(&self, ticket: Ticket) -> Option<HolderId> {
        self.streams.holder(ticket)
    }

    pub(super) fn set_holder(&mut self, ticket: Ticket, holder: Option<HolderId>) {
        self.streams.set_holder(ticket, holder);
    }

    /// Whether any stream waits for a message.
    #[inline]
    pub(super) fn has_waiting(&self) -> bool {
        self.streams.has_waiting()
    }

    /// Whether any stream waits until it may take more.
    #[inline]
    pub(super) fn has_full(&self) -> bool {
        self.streams.has_any(List::Full)
    }

    /// Waits in a list, having found nothing. `credit` is how many messages it may take.
    #[inline]
    pub(super) fn wait(
        &mut self,
        ticket: Ticket,
        list: List,
        credit: usize,
        caller: &mut Caller<'_>,
        step: &mut Step,
    ) -> Result<(), NeedsClone> {
        let displaced = self.streams.wait(ticket, list, credit, caller)?;
        step.effects.drop_waker(displaced);
        Ok(())
    }

    /// Reserves `credit` messages for its next tick, which comes before `until`.
    pub(super) fn reserve(
        &mut self,
        ticket: Ticket,
        credit: usize,
        until: Deadline,
        caller: &mut Caller<'_>,
        step: &mut Step,
    ) -> Result<(), NeedsClone> {
        let displaced = self.streams.reserve(ticket, credit, until, caller)?;
        step.effects.drop_waker(displaced);
        // A timekeeper must be awake earlier than its next tick.
        self.release_role(ticket);
        Ok(())
    }

    /// Leaves the wait set after taking something, and must return soon.
    #[inline]
    pub(super) fn leave(&mut self, ticket: Ticket, now: SystemTime) {
        self.streams.leave(ticket);
        self.mark_absent(ticket, now);
    }

    /// Leaves the wait set, without a registered waker: the caller polls by hand.
    pub(super) fn leave_unregistered(&mut self, ticket: Ticket, step: &mut Step) {
        self.streams.leave(ticket);
        self.release_role(ticket);
        step.effects.drop_waker(self.streams.take_waker(ticket));
    }

    /// Leaves the wait set, and is woken only when the end begins.
    pub(super) fn park(
        &mut self,
        ticket: Ticket,
        caller: &mut Caller<'_>,
        step: &mut Step,
    ) -> Result<(), NeedsClone> {
        let displaced = self.streams.set_waker(ticket, caller)?;
        self.streams.leave(ticket);
        self.release_role(ticket);
        step.effects.drop_waker(displaced);
        Ok(())
    }

    /// A full stream may take more: it waits like the others.
    pub(super) fn free_capacity(&mut self, ticket: Ticket) {
        if self.streams.is_in(ticket, List::Full) {
            self.streams.move_to(ticket, List::Waiting);
        }
    }

    /// Nothing is in flight: no stream is full.
    pub(super) fn free_all_capacity(&mut self) {
        self.none_is_full = true;
    }

    /// Moves some streams that are not full any more to those that wait.
    #[inline]
    pub(super) fn release(&mut self) {
        for _ in 0..MAX_PER_HOLD {
            if !self.none_is_full {
                return;
            }
            match self.streams.first_in(List::Full) {
                Some(ticket) => self.streams.move_to(ticket, List::Waiting),
                None => self.none_is_full = false,
            }
        }
    }

    /// Whether a stream may reserve one of `due` messages: no other stream has credit for it, and
    /// none goes first.
    pub(super) fn may_reserve(&self, ticket: Ticket, due: usize) -> bool {
        self.streams.is_its_turn(ticket) && due > self.streams.credit_but(ticket)
    }

    /// Whether one of `due` messages is left for a caller that polls by hand.
    pub(super) fn is_one_left(&self, ticket: Ticket, due: usize) -> bool {
        due > self.streams.credit_but(ticket)
    }

    /// Whether this timekeeper takes nothing: all of `due` messages are for streams that were
    /// notified.
    #[inline]
    pub(super) fn abstains(&self, ticket: Ticket, due: usize) -> bool {
        !self.streams.has_credit(ticket) && due <= self.streams.credit_notified()
    }

    #[inline]
    pub(super) fn is_keeper(&self, ticket: Ticket) -> bool {
        let is = |keeper: Option<Keeper>| keeper.is_some_and(|keeper| keeper.ticket == ticket);
        is(self.first) || is(self.second)
    }

    /// Whether any credit can lapse.
    #[inline]
    pub(super) fn may_lapse(&self) -> bool {
        self.streams.may_lapse()
    }

    /// Takes back credit that was not used in time, within the bounds of a step.
    #[inline]
    pub(super) fn lapse(&mut self, now: SystemTime) {
        for _ in 0..MAX_PER_HOLD {
            if !self.streams.lapse(Deadline::At(now)) {
                break;
            }
        }
    }

    /// Nothing is due, so reservations are void.
    #[inline]
    pub(super) fn void_reservations(&mut self) {
        self.streams.void_reservations();
    }

    /// Notifies as many streams as `due` messages require, within the bounds of a step.
    pub(super) fn notify(&mut self, due: usize, step: &mut Step) {
        let until = Deadline::At(step.now).plus(DEBT);
        while due > self.streams.credit() && step.effects.wakes_left() > 0 {
            let notified = if self.has_no_keeper() {
                self.streams.notify_first(until)
            } else {
                let spared = [self.first, self.second].map(|keeper| Some(keeper?.ticket));
                self.streams.notify(spared, until)
            };
            let Some((ticket, waker)) = notified else {
                return;
            };
            self.mark_absent(ticket, step.now);
            self.notified = Some(step.now);
            step.effects.wake(waker);
        }
    }

    /// Notifies a full stream, for a message that needs no lease.
    pub(super) fn notify_full(&mut self, step: &mut Step) {
        let until = Deadline::At(step.now).plus(DEBT);
        if self.streams.credit() == 0
            && let Some((ticket, waker)) = self.streams.notify_full(until)
        {
            self.mark_absent(ticket, step.now);
            self.notified = Some(step.now);
            step.effects.wake(waker);
        }
    }

    /// Begins to announce the end to all streams.
    pub(super) fn begin_announcing(&mut self) {
        self.streams.begin_announcing();
    }

    /// Whether the end has yet to be announced to some streams.
    pub(super) fn is_announcing(&self) -> bool {
        self.streams.is_announcing()
    }

    /// Begins to announce to all drivers that nothing is left to do.
    pub(super) fn begin_announcing_to_drivers(&mut self) {
        self.drivers.begin_announcing();
    }

    /// Announces the end to some more streams.
    pub(super) fn announce(&mut self, step: &mut Step) {
        self.streams.announce(step.effects.wakes_left(), |waker| {
            step.effects.wake(Some(waker));
        });
    }

    /// Announces the end to some more drivers.
    pub(super) fn announce_to_drivers(&mut self, step: &mut Step) {
        self.drivers.announce(step.effects.wakes_left(), |waker| {
            step.effects.wake(Some(waker));
        });
    }

    /// Whether drivers are the timekeepers.
    #[inline]
    pub(super) fn is_driven(&self) -> bool {
        self.drivers.len() > 0
    }

    /// When a driver must poll again. From its first poll it is the timekeeper in place of the
    /// streams.
    pub(super) fn drive(
        &mut self,
        ticket: &mut Option<Ticket>,
        next: Deadline,
        caller: &mut Caller<'_>,
        step: &mut Step,
    ) -> Result<Deadline, NeedsClone> {
        let ticket = *ticket.get_or_insert_with(|| self.drivers.insert());
        let displaced = self.drivers.wait(ticket, List::Waiting, 0, caller)?;
        step.effects.drop_waker(displaced);
        self.first = None;
        self.second = None;
        self.driver_armed = next.min(self.guard(step.now));
        Ok(self.driver_armed)
    }

    pub(super) fn remove_driver(&mut self, ticket: Ticket, step: &mut Step) {
        step.effects.drop_waker(self.drivers.remove(ticket));
    }

    /// Wakes all drivers for an earlier deadline: one of them may not poll.
    fn settle_drivers(&mut self, next: Deadline, step: &mut Step) {
        if next < self.driver_armed {
            self.driver_armed = next;
            self.drivers.begin_announcing();
            self.announce_to_drivers(step);
        }
    }
}
