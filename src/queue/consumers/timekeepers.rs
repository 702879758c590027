//! Which streams are armed for the next deadline, and for the time when credit lapses.
//!
//! Pure: no lock, no clock; `now` is in the step.

use std::time::SystemTime;

use super::{Consumers, DEBT};
use crate::queue::step::Step;
use crate::queue::wait_queue::Ticket;
use crate::time::Deadline;

/// A timekeeper.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeper {
    pub(super) ticket: Ticket,
    /// The deadline that it is armed for, or arms for when it polls. If it does not wait: since
    /// when it has been away.
    pub(super) armed: Deadline,
    /// It is armed for the time when credit lapses.
    pub(super) guards: bool,
}

/// Timekeepers.
impl Consumers {
    /// When this waiting stream must poll again: if it is a timekeeper, or becomes one because
    /// there are too few. `next` is the next deadline of the queue.
    #[inline]
    pub(crate) fn keep_time(
        &mut self,
        ticket: Ticket,
        next: Deadline,
        now: SystemTime,
    ) -> Option<SystemTime> {
        if (next == Deadline::Never && self.has_no_keeper()) || self.is_driven() {
            return None;
        }
        self.keep_time_until(ticket, next, now)
    }

    #[inline]
    pub(super) fn has_no_keeper(&self) -> bool {
        self.first.is_none() && self.second.is_none()
    }

    fn keep_time_until(
        &mut self,
        ticket: Ticket,
        next: Deadline,
        now: SystemTime,
    ) -> Option<SystemTime> {
        let is = |keeper: Option<Keeper>| keeper.is_some_and(|keeper| keeper.ticket == ticket);
        let is_second = is(self.second);
        if is(self.first) || (self.first.is_none() && !is_second && next != Deadline::Never) {
            let guards = self.first.is_some_and(|first| first.guards);
            self.first = self.keeper(ticket, next, guards, now);
            return self.first?.armed.time();
        }
        // A timekeeper that is away may stay away.
        let is_away =
            |keeper: Option<Keeper>| keeper.is_none_or(|keeper| !self.streams.waits(keeper.ticket));
        if is_second || (self.first.is_some() && is_away(self.second)) {
            let first = self.first.map_or(Deadline::Never, |first| first.armed);
            let guards = self.second.is_some_and(|second| second.guards);
            self.second = self.keeper(ticket, first.plus(DEBT), guards, now);
            return self.second?.armed.time();
        }
        None
    }

    /// A timekeeper for a deadline. One that guards credit continues while streams are being
    /// notified.
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

    /// When a stream that guards credit polls again.
    pub(super) fn guard(&self, now: SystemTime) -> Deadline {
        let debt = Deadline::At(now).plus(DEBT);
        let is_recent = self
            .notified
            .is_some_and(|notified| Deadline::At(notified).plus(DEBT) > Deadline::At(now));
        let idle = if is_recent { debt } else { Deadline::Never };
        self.streams.next_lapse().min(idle)
    }

    /// Makes sure that streams are armed for `next`, the next deadline of the queue, and for the
    /// time when credit lapses.
    #[inline]
    pub(crate) fn settle_time(&mut self, next: Deadline, step: &mut Step) {
        let has_none = next == Deadline::Never && !self.streams.may_lapse();
        if !(has_none && self.has_no_keeper()) {
            self.settle_keepers(next, step);
        }
    }

    fn settle_keepers(&mut self, next: Deadline, step: &mut Step) {
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

    /// Replaces a timekeeper that has not polled long after its deadline; others are notified
    /// before it.
    fn dismiss(&mut self, now: SystemTime) {
        for keeper in [self.first, self.second].into_iter().flatten() {
            if keeper.armed.plus(DEBT).has_come(now) {
                self.release_role(keeper.ticket);
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
            // One that does not wait arms when it returns.
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

    /// Covers for the first timekeeper in case it does not poll.
    fn settle_second(&mut self, latest: Deadline, step: &mut Step) {
        let Some(first) = self.first.map(|first| first.ticket) else {
            return;
        };
        let is_first_away = !self.streams.waits(first);
        match self.second {
            Some(second) if self.streams.waits(second.ticket) => {
                if second.armed > latest {
                    self.second = Some(Keeper {
                        armed: latest,
                        ..second
                    });
                    step.effects.wake(self.streams.take_waker(second.ticket));
                }
            }
            // It arms when it returns, and the first is there in the meantime.
            Some(_) if !is_first_away => {}
            _ if latest == Deadline::Never => {}
            _ => {
                let appointed = self.appoint([Some(first), None], latest, step);
                self.second = appointed.or(self.second);
            }
        }
    }

    /// Arms a waiting stream for the time when credit lapses.
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

    /// Makes a waiting stream a timekeeper: the one that came last, because it stays longest.
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

    /// A timekeeper is away for a while.
    #[inline]
    pub(super) fn mark_absent(&mut self, ticket: Ticket, now: SystemTime) {
        if self.has_no_keeper() {
            return;
        }
        for keeper in [&mut self.first, &mut self.second].into_iter().flatten() {
            if keeper.ticket == ticket {
                keeper.armed = Deadline::At(now);
            }
        }
    }

    #[inline]
    pub(super) fn release_role(&mut self, ticket: Ticket) {
        for keeper in [&mut self.first, &mut self.second] {
            if keeper.is_some_and(|keeper| keeper.ticket == ticket) {
                *keeper = None;
            }
        }
    }
}
