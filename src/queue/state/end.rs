//! The end of a queue: how it begins, who hears of it, and when it has come.
//!
//! Pure: no lock, no clock; `now` is in the step.

use core::task::Waker;
use core::time::Duration;
use std::time::SystemTime;

use super::State;
use crate::queue::step::{Caller, NeedsClone, Step};
use crate::queue::wait_queue::Ticket;
use crate::watchers::Watchers;

/// What a driver must do next.
pub(crate) enum Driven {
    /// Poll again when it is woken, or after that time.
    Wait(Option<Duration>),
    /// Poll again at once: more streams must hear of the end, or of the end of a pause.
    Again,
    /// The queue is closed, and nothing is left to do.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Open,
    Closing,
    Over,
}

impl State {
    pub(crate) fn close(&mut self, now: SystemTime) {
        self.closed.get_or_insert(now);
        // What was due leaves at once.
        self.gate = None;
    }

    pub(crate) fn abort(&mut self) {
        self.is_aborted = true;
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// The last handle is gone: nothing can be pushed any more.
    pub(crate) fn drop_handles(&mut self) {
        self.has_handles = false;
        // Nobody can end a pause any more.
        self.unpause();
    }

    /// Waits until closing has begun; returns whether it has.
    pub(crate) fn poll_closed(
        &mut self,
        watcher: &mut Option<u64>,
        waker: Waker,
        step: &mut Step,
    ) -> bool {
        if self.is_closing() {
            step.effects.drop_waker(Some(waker));
            return true;
        }
        let displaced = self.closed_watchers.wait(watcher, waker);
        step.effects.drop_waker(displaced);
        false
    }

    pub(crate) fn leave_closed(&mut self, watcher: u64, step: &mut Step) {
        let waker = self.closed_watchers.remove(watcher);
        step.effects.drop_waker(waker);
    }

    /// Waits for the end, and drives the queue meanwhile.
    pub(crate) fn poll_ended(
        &mut self,
        ticket: &mut Option<Ticket>,
        watcher: &mut Option<u64>,
        waker: &mut Option<Waker>,
        caller: &mut Caller<'_>,
        step: &mut Step,
    ) -> Result<Driven, NeedsClone> {
        if self.is_ended() {
            step.effects.drop_waker(waker.take());
            return Ok(Driven::Done);
        }
        let next = match self.drive(ticket, caller, step)? {
            // Time does nothing more; the streams still have to leave.
            Driven::Done => Driven::Wait(None),
            next => next,
        };
        if let Some(waker) = waker.take() {
            let displaced = self.ended_watchers.wait(watcher, waker);
            step.effects.drop_waker(displaced);
        }
        Ok(next)
    }

    /// When a driver must poll again.
    pub(crate) fn drive(
        &mut self,
        ticket: &mut Option<Ticket>,
        caller: &mut Caller<'_>,
        step: &mut Step,
    ) -> Result<Driven, NeedsClone> {
        // The queue may have ended in this step. Streams that are not polled announce nothing, so a
        // driver stays until all have been told.
        self.announce_end(step);
        let announces_end = self.announced > Phase::Open && self.consumers.is_announcing();
        if announces_end || self.announces_unpaused() {
            return Ok(Driven::Again);
        }
        if self.is_done(step.now) {
            return Ok(Driven::Done);
        }
        let next = self.next_deadline(step.now);
        let next = self.consumers.drive(ticket, next, caller, step)?;
        Ok(Driven::Wait(next.after(step.now)))
    }

    pub(crate) fn leave_driver(
        &mut self,
        ticket: Option<Ticket>,
        watcher: Option<u64>,
        step: &mut Step,
    ) {
        if let Some(ticket) = ticket {
            self.consumers.remove_driver(ticket, step);
        }
        if let Some(watcher) = watcher {
            let waker = self.ended_watchers.remove(watcher);
            step.effects.drop_waker(waker);
        }
    }

    /// Whether nothing can be pushed any more.
    #[inline]
    pub(super) fn is_closing(&self) -> bool {
        self.is_closed() || !self.has_handles
    }

    /// Whether nothing can be pushed, all streams have ended and nothing is in flight.
    pub(super) fn is_ended(&self) -> bool {
        self.is_closing() && self.consumers.len() == 0 && !self.is_any_in_flight()
    }

    /// Whether nothing is left that a driver would do.
    pub(super) fn is_done(&self, now: SystemTime) -> bool {
        (self.is_finished(now) || self.is_abandoned()) && !self.is_any_in_flight()
    }

    /// Whether no handle and no stream is left, so that no message can be taken any more.
    fn is_abandoned(&self) -> bool {
        !self.has_handles && self.consumers.len() == 0
    }

    /// Whether all handles are gone and no message will ever become due.
    #[inline]
    pub(super) fn is_exhausted(&self) -> bool {
        if self.has_handles {
            return false;
        }
        let next = self.backlog.head().and_then(|(key, ..)| key.due.time());
        let delivery = self.delivery.as_ref();
        next.is_none() && delivery.is_none_or(|delivery| delivery.leases.len() == 0)
    }

    #[inline]
    pub(super) fn is_finished(&self, now: SystemTime) -> bool {
        if self.has_handles && !self.is_closed() {
            return false;
        }
        let next = self.backlog.head();
        let is_due = next.is_some_and(|(key, ..)| key.due.has_come(self.horizon(now)));
        let closed = self.is_closed() && !is_due;
        self.is_aborted || closed || self.is_exhausted()
    }

    /// Wakes all tasks once when closing begins, so that pacing ends, and once when everything is
    /// over: some of them in each step.
    pub(super) fn announce_end(&mut self, step: &mut Step) {
        let phase = if self.is_aborted || self.is_exhausted() {
            Phase::Over
        } else if self.is_closed() {
            Phase::Closing
        } else if self.is_abandoned() {
            // Only drivers are left to be woken.
            Phase::Open
        } else {
            return;
        };
        if self.announced < phase {
            self.announced = phase;
            self.consumers.begin_announcing();
            self.backlog.begin_announcing();
        }
        if self.consumers.is_driven() && self.is_done(step.now) {
            if !self.is_announced_to_drivers {
                self.is_announced_to_drivers = true;
                self.consumers.begin_announcing_to_drivers();
            }
            self.consumers.announce_to_drivers(step);
        }
        self.backlog.announce(step);
        self.consumers.announce(step);
    }

    /// Wakes tasks that wait for the beginning of the end, or for the end, within the bounds of a
    /// step.
    pub(super) fn wake_watchers(&mut self, step: &mut Step) {
        wake_some(&mut self.closed_watchers, step);
        if self.is_ended() {
            wake_some(&mut self.ended_watchers, step);
        }
    }
}

/// Wakes tasks in the order in which they began to wait, within the bounds of a step; the steps of
/// those tasks wake the rest.
fn wake_some(watchers: &mut Watchers, step: &mut Step) {
    while step.effects.wakes_left() > 0 {
        match watchers.pop() {
            None => return,
            waker => step.effects.wake(waker),
        }
    }
}
