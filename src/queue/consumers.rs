//! Which streams wait, which were notified, and which of them keep the time.
//!
//! Pure: no lock, no clock; `now` is in the step.
//!
//! A stream that is notified has credit for as many messages as it may take. So with ten messages
//! and ten streams of one message each, ten are notified. Credit lapses after [`DEBT`]: a stream
//! that was woken but does not poll holds up the others for that long.
//!
//! While no driver runs, up to two streams are the timekeepers. The first is armed for the next
//! deadline of the queue, the second for [`DEBT`] after that, in case the first does not poll. One
//! that takes a message stays timekeeper, and must be back within [`DEBT`]: to replace it each time
//! would cost a wake-up.
//!
//! Somebody has to see that credit lapses, too: when a stream is notified, another that waits is
//! armed within [`DEBT`], and stays so as long as streams are notified, so that not each push wakes
//! it.

mod timekeepers;

use core::time::Duration;
use std::time::SystemTime;

use super::lease::HolderId;
use super::step::{Caller, MOST_AT_ONCE, NeedsClone, Step};
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
    most: usize,
    /// All that was in flight was taken out: streams that are full are so no more.
    none_is_full: bool,
    first: Option<Keeper>,
    second: Option<Keeper>,
    /// When a stream was last notified.
    notified: Option<SystemTime>,
    /// Tasks that keep the time in place of the streams: the first of them is armed.
    drivers: WaitQueue,
    driver_armed: Deadline,
}

impl Consumers {
    pub(super) fn new(most: usize) -> Self {
        Self {
            streams: WaitQueue::default(),
            most,
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
        let limit = self.most;
        if self.streams.len() >= limit {
            return Err(TooManyStreams { limit });
        }
        Ok(self.streams.insert())
    }

    pub(super) fn unsubscribe(&mut self, ticket: Ticket, step: &mut Step) {
        self.resign(ticket);
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
    pub(super) fn anyone_waits(&self) -> bool {
        self.streams.anyone_waits()
    }

    /// Whether any stream waits until it may take more.
    #[inline]
    pub(super) fn anyone_is_full(&self) -> bool {
        self.streams.has_any(List::Full)
    }

    /// Waits in a list, having found nothing; `credit` is how many messages it may take.
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

    /// Takes `credit` messages at its next tick, which is to come before `until`.
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
        // At its tick it may be late for what falls due before.
        self.resign(ticket);
        Ok(())
    }

    /// Leaves the wait set: it has taken something, and must be back soon.
    #[inline]
    pub(super) fn leave(&mut self, ticket: Ticket, now: SystemTime) {
        self.streams.leave(ticket);
        self.note_absent(ticket, now);
    }

    /// Leaves the wait set, and keeps no waker: the caller polls by hand.
    pub(super) fn leave_for_good(&mut self, ticket: Ticket, step: &mut Step) {
        self.streams.leave(ticket);
        self.resign(ticket);
        step.effects.drop_waker(self.streams.take_waker(ticket));
    }

    /// Leaves the wait set, to be woken by the beginning of the end alone.
    pub(super) fn park(
        &mut self,
        ticket: Ticket,
        caller: &mut Caller<'_>,
        step: &mut Step,
    ) -> Result<(), NeedsClone> {
        let displaced = self.streams.set_waker(ticket, caller)?;
        self.streams.leave(ticket);
        self.resign(ticket);
        step.effects.drop_waker(displaced);
        Ok(())
    }

    /// A stream that was full may take more: it waits as all others do.
    pub(super) fn has_capacity(&mut self, ticket: Ticket) {
        if self.streams.is_in(ticket, List::Full) {
            self.streams.move_to(ticket, List::Waiting);
        }
    }

    /// Nothing is in flight any more: no stream is full.
    pub(super) fn have_capacity(&mut self) {
        self.none_is_full = true;
    }

    /// Lets some streams wait as all others do that are full no more.
    #[inline]
    pub(super) fn release(&mut self) {
        for _ in 0..MOST_AT_ONCE {
            if !self.none_is_full {
                return;
            }
            match self.streams.first_in(List::Full) {
                Some(ticket) => self.streams.move_to(ticket, List::Waiting),
                None => self.none_is_full = false,
            }
        }
    }

    /// Whether a stream may promise to take one of `due` messages later: others have no credit for
    /// it, and none comes before this one.
    pub(super) fn may_reserve(&self, ticket: Ticket, due: usize) -> bool {
        self.streams.is_its_turn(ticket) && due > self.streams.credit_but(ticket)
    }

    /// Whether one of `due` messages is left for a stream that polls by hand.
    pub(super) fn is_one_left(&self, ticket: Ticket, due: usize) -> bool {
        due > self.streams.credit_but(ticket)
    }

    /// Whether this timekeeper polls only for that: all of `due` messages are for others, that were
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

    /// Takes credit back that was not used in time, within the bounds of a step.
    #[inline]
    pub(super) fn lapse(&mut self, now: SystemTime) {
        for _ in 0..MOST_AT_ONCE {
            if !self.streams.lapse(Deadline::At(now)) {
                break;
            }
        }
    }

    /// Nothing is due: what streams have reserved is for nothing that is here.
    #[inline]
    pub(super) fn void_reservations(&mut self) {
        self.streams.void_reservations();
    }

    /// Notifies as many streams as it takes for `due` messages, within the bounds of a step.
    pub(super) fn notify(&mut self, due: usize, step: &mut Step) {
        let until = Deadline::At(step.now).plus(DEBT);
        while due > self.streams.credit() && step.effects.wakes_left() > 0 {
            let spared = [self.first, self.second].map(|keeper| Some(keeper?.ticket));
            let Some((ticket, waker)) = self.streams.notify(spared, until) else {
                return;
            };
            self.note_absent(ticket, step.now);
            self.notified = Some(step.now);
            step.effects.wake(waker);
        }
    }

    /// Notifies a stream that is full, for a message that needs no lease.
    pub(super) fn notify_full(&mut self, step: &mut Step) {
        let until = Deadline::At(step.now).plus(DEBT);
        if self.streams.credit() == 0
            && let Some((ticket, waker)) = self.streams.notify_full(until)
        {
            self.note_absent(ticket, step.now);
            self.notified = Some(step.now);
            step.effects.wake(waker);
        }
    }

    /// Begins to tell all streams of the end.
    pub(super) fn begin_telling(&mut self) {
        self.streams.begin_telling();
    }

    /// Begins to tell all drivers that nothing is left to do.
    pub(super) fn begin_telling_drivers(&mut self) {
        self.drivers.begin_telling();
    }

    /// Tells some more streams of the end.
    pub(super) fn tell(&mut self, step: &mut Step) {
        self.streams.tell(step.effects.wakes_left(), |waker| {
            step.effects.wake(Some(waker));
        });
    }

    /// Tells some more drivers.
    pub(super) fn tell_drivers(&mut self, step: &mut Step) {
        self.drivers.tell(step.effects.wakes_left(), |waker| {
            step.effects.wake(Some(waker));
        });
    }

    /// Whether drivers keep the time.
    #[inline]
    pub(super) fn is_driven(&self) -> bool {
        self.drivers.len() > 0
    }

    /// When a driver is to poll again. From its first poll on it keeps the time in place of the
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

    /// All drivers keep the time: one of them may not poll.
    fn settle_drivers(&mut self, next: Deadline, step: &mut Step) {
        if next < self.driver_armed {
            self.driver_armed = next;
            self.drivers.begin_telling();
            self.tell_drivers(step);
        }
    }
}
