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
//! that takes a message stays timekeeper, and is to be back within [`DEBT`]: to replace it each time
//! would cost a wake-up.
//!
//! Somebody has to see that credit lapses, too: when a stream is notified, another that waits is
//! armed within [`DEBT`], and stays so as long as streams are notified, so that not each push wakes
//! it.

use core::time::Duration;
use std::time::SystemTime;

use super::lease::HolderId;
use super::step::{Caller, MOST_AT_ONCE, NeedsClone, Step};
use super::wait_queue::{List, Ticket, WaitQueue};
use crate::source::TooManyStreams;
use crate::time::Deadline;

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

/// A timekeeper.
#[derive(Clone, Copy, Debug)]
struct Keeper {
    ticket: Ticket,
    /// The deadline for which it is armed, or arms when it polls. Of one that does not wait: since
    /// when.
    armed: Deadline,
    /// It sees that credit lapses.
    guards: bool,
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

    /// Leaves the wait set: it has taken something, and is to be back soon.
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

    /// When this stream, which waits, is to poll again: if it is a timekeeper, or becomes one because
    /// there are too few. `next` is the next deadline of the queue.
    pub(super) fn keep_time(
        &mut self,
        ticket: Ticket,
        next: Deadline,
        now: SystemTime,
    ) -> Option<SystemTime> {
        if self.is_driven() {
            return None;
        }
        let is = |keeper: Option<Keeper>| keeper.is_some_and(|keeper| keeper.ticket == ticket);
        let is_second = is(self.second);
        if is(self.first) || (self.first.is_none() && !is_second && next != Deadline::Never) {
            let guards = self.first.is_some_and(|first| first.guards);
            self.first = self.keeper(ticket, next, guards, now);
            return self.first?.armed.time();
        }
        if is_second || (self.first.is_some() && self.second.is_none()) {
            let first = self.first.map_or(Deadline::Never, |first| first.armed);
            let guards = self.second.is_some_and(|second| second.guards);
            self.second = self.keeper(ticket, first.plus(DEBT), guards, now);
            return self.second?.armed.time();
        }
        None
    }

    /// A timekeeper for a deadline; one that guards goes on as long as streams are notified.
    fn keeper(
        &self,
        ticket: Ticket,
        deadline: Deadline,
        guards: bool,
        now: SystemTime,
    ) -> Option<Keeper> {
        let guard = if guards {
            self.guard(now)
        } else {
            Deadline::Never
        };
        let armed = deadline.min(guard);
        (armed != Deadline::Never).then_some(Keeper {
            ticket,
            armed,
            guards: guard != Deadline::Never,
        })
    }

    /// When somebody who guards polls again.
    fn guard(&self, now: SystemTime) -> Deadline {
        let debt = Deadline::At(now).plus(DEBT);
        let is_recent = self
            .notified
            .is_some_and(|notified| Deadline::At(notified).plus(DEBT) > Deadline::At(now));
        let idle = if is_recent { debt } else { Deadline::Never };
        self.streams.next_lapse().min(idle)
    }

    /// Sees that somebody is armed for `next`, the next deadline of the queue, and for the time when
    /// credit lapses.
    pub(super) fn settle_time(&mut self, next: Deadline, step: &mut Step) {
        let lapse = self.streams.next_lapse();
        if self.is_driven() {
            self.settle_drivers(next.min(lapse), step);
            return;
        }
        self.dismiss(step.now);
        self.settle_first(next, step);
        if lapse != Deadline::Never {
            self.settle_guard(lapse, step);
        }
        if let Some(first) = self.first {
            self.settle_second(first.armed.plus(DEBT), step);
        }
    }

    /// Dismisses a timekeeper that has not polled although its time is long over; others are notified
    /// before it.
    fn dismiss(&mut self, now: SystemTime) {
        for keeper in [self.first, self.second].into_iter().flatten() {
            if keeper.armed.plus(DEBT).has_come(now) {
                self.resign(keeper.ticket);
                self.streams.move_to_end(keeper.ticket);
            }
        }
    }

    fn settle_first(&mut self, next: Deadline, step: &mut Step) {
        if next == Deadline::Never {
            return;
        }
        if self.first.is_none() {
            self.first = self.second.take();
        }
        match self.first {
            None => {
                self.first = self.appoint([None; 2], next, step);
            }
            // One that does not wait arms when it is back.
            Some(first) if first.armed <= next || !self.streams.waits(first.ticket) => {}
            Some(first) => {
                self.first = Some(Keeper {
                    armed: next,
                    ..first
                });
                step.effects.wake(self.streams.take_waker(first.ticket));
            }
        }
    }

    /// If the first does not poll, the second must.
    fn settle_second(&mut self, latest: Deadline, step: &mut Step) {
        let first = self.first.map(|first| first.ticket);
        match self.second {
            None if latest == Deadline::Never => {}
            None => {
                self.second = self.appoint([first, None], latest, step);
            }
            Some(second) if second.armed <= latest || !self.streams.waits(second.ticket) => {}
            Some(second) => {
                self.second = Some(Keeper {
                    armed: latest,
                    ..second
                });
                step.effects.wake(self.streams.take_waker(second.ticket));
            }
        }
    }

    /// A stream that waits must be armed for the time when credit lapses.
    fn settle_guard(&mut self, lapse: Deadline, step: &mut Step) {
        let guards = |keeper: Option<Keeper>| {
            let keeper = keeper.filter(|keeper| self.streams.waits(keeper.ticket));
            keeper.map(|keeper| keeper.armed)
        };
        let (first, second) = (guards(self.first), guards(self.second));
        if [first, second]
            .into_iter()
            .flatten()
            .any(|armed| armed <= lapse)
        {
            return;
        }
        let known = [self.first, self.second].map(|keeper| Some(keeper?.ticket));
        let keeper = if second.is_some() {
            self.second
        } else if let Some(ticket) = self.streams.last_but(known) {
            Some(Keeper {
                ticket,
                armed: lapse,
                guards: true,
            })
        } else if first.is_some() {
            let keeper = self.first.map(|first| Keeper {
                armed: lapse,
                guards: true,
                ..first
            });
            self.first = keeper;
            step.effects
                .wake(keeper.and_then(|keeper| self.streams.take_waker(keeper.ticket)));
            return;
        } else {
            return;
        };
        self.second = keeper.map(|keeper| Keeper {
            armed: lapse,
            guards: true,
            ..keeper
        });
        step.effects
            .wake(keeper.and_then(|keeper| self.streams.take_waker(keeper.ticket)));
    }

    /// Makes a stream that waits a timekeeper: the one that came last, which stays longest.
    fn appoint(
        &mut self,
        except: [Option<Ticket>; 2],
        armed: Deadline,
        step: &mut Step,
    ) -> Option<Keeper> {
        let ticket = self.streams.last_but(except)?;
        step.effects.wake(self.streams.take_waker(ticket));
        Some(Keeper {
            ticket,
            armed,
            guards: false,
        })
    }

    /// A timekeeper does not wait for a while.
    #[inline]
    fn note_absent(&mut self, ticket: Ticket, now: SystemTime) {
        if self.first.is_none() && self.second.is_none() {
            return;
        }
        for keeper in [&mut self.first, &mut self.second].into_iter().flatten() {
            if keeper.ticket == ticket {
                keeper.armed = Deadline::At(now);
            }
        }
    }

    #[inline]
    fn resign(&mut self, ticket: Ticket) {
        for keeper in [&mut self.first, &mut self.second] {
            if keeper.is_some_and(|keeper| keeper.ticket == ticket) {
                *keeper = None;
            }
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
