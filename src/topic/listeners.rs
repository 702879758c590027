//! The streams of a topic: which wait, which are yet to be woken, which keep the time.
//!
//! Pure: no lock, no clock.

use core::task::Waker;
use std::time::SystemTime;

use super::drivers::Drivers;
use super::effects::Step;
use super::timekeepers::{GRACE, Timekeepers};
use super::wait_set::{Batch, MOST_WAKES, WaitSet, Waits};
use crate::time::Deadline;

/// A stream sees this in [`Listeners::signal`] while there is something to do besides reading.
const PENDING: u64 = 1;
const WANTED: u64 = 2;
const FLAGS: u32 = 2;

/// All streams, by slot.
#[derive(Debug)]
pub(super) struct Listeners {
    set: WaitSet,
    keepers: Timekeepers,
    drivers: Drivers,
    /// How often streams have been woken.
    generation: u64,
    /// The number up to which messages have been announced.
    announced: u64,
    is_end_announced: bool,
    /// The stream that is armed to go on with what is pending, and until when.
    guard: Option<(usize, SystemTime)>,
}

/// What the streams must know of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agenda {
    /// The number that the next message gets.
    pub(super) next: u64,
    pub(super) is_over: bool,
    /// When the next message falls due.
    pub(super) due: Deadline,
}

impl Listeners {
    pub(super) fn new(next: u64, now: SystemTime) -> Self {
        Self {
            set: WaitSet::default(),
            keepers: Timekeepers::new(now),
            drivers: Drivers::default(),
            generation: 0,
            announced: next,
            is_end_announced: false,
            guard: None,
        }
    }

    pub(super) fn open(&mut self) -> usize {
        self.set.open()
    }

    pub(super) fn close(&mut self, slot: usize, step: &mut Step) {
        self.leave(slot);
        step.effects.drop_waker(self.set.close(slot));
    }

    /// Sees to it that the slot has the waker of the stream's task: `fresh` if there is one. False if
    /// one is needed: the caller clones it outside the lock and comes back.
    pub(super) fn place(
        &mut self,
        slot: usize,
        fresh: &mut Option<Waker>,
        step: &mut Step,
    ) -> bool {
        match fresh.take() {
            Some(waker) => {
                step.effects.drop_waker(self.set.put(slot, waker));
                true
            }
            None => self.set.holds(slot),
        }
    }

    /// Waits for the next message, if the slot's waker is here.
    #[inline]
    pub(super) fn wait_ahead(&mut self, slot: usize) -> bool {
        self.set.wait(slot, Waits::Ahead)
    }

    /// Waits for the next message. Returns when the stream must poll without being woken.
    pub(super) fn wait(
        &mut self,
        slot: usize,
        agenda: Agenda,
        now: SystemTime,
    ) -> Option<SystemTime> {
        self.set.wait(slot, Waits::Idly);
        let due = if self.drivers.is_empty() {
            agenda.due
        } else {
            Deadline::Never
        };
        let due = self.keepers.take_role(slot, due);
        due.into_iter().chain(self.guard(slot, now)).min()
    }

    /// Arms this stream for a second, if more are yet to be woken than this step does, and no other
    /// stream is armed.
    fn guard(&mut self, slot: usize, now: SystemTime) -> Option<SystemTime> {
        let is_other = |(other, until): (usize, SystemTime)| other != slot && now < until;
        if !self.set.has_crowd() || !self.drivers.is_empty() || self.guard.is_some_and(is_other) {
            return None;
        }
        let until = now.checked_add(GRACE)?;
        self.guard = Some((slot, until));
        Some(until)
    }

    /// Waits for the end alone.
    pub(super) fn park(&mut self, slot: usize) {
        self.leave(slot);
        self.set.park(slot);
    }

    /// Waits for nothing.
    pub(super) fn pause(&mut self, slot: usize) {
        self.release(slot);
        self.set.pause(slot);
    }

    /// Waits for nothing, and keeps no waker.
    pub(super) fn forget(&mut self, slot: usize, step: &mut Step) {
        self.leave(slot);
        step.effects.drop_waker(self.set.forget(slot));
    }

    /// A stream keeps the time no more, and takes no role even if it was woken for that.
    fn leave(&mut self, slot: usize) {
        self.release(slot);
        self.keepers.forget_asked();
    }

    /// A stream keeps the time no more.
    pub(super) fn release(&mut self, slot: usize) {
        self.keepers.release(slot);
        if self.guard.is_some_and(|(other, _)| other == slot) {
            self.guard = None;
        }
    }

    /// Whether this stream is armed, or was woken to arm, for what others rely on.
    pub(super) fn has_role(&self, slot: usize) -> bool {
        self.keepers.has_role(slot) || self.guard.is_some_and(|(other, _)| other == slot)
    }

    /// A driver waits until then; returns its id.
    pub(super) fn drive(
        &mut self,
        id: Option<u64>,
        waker: Waker,
        wake_at: Deadline,
        step: &mut Step,
    ) -> u64 {
        let (id, old) = self.drivers.wait(id, waker, wake_at);
        step.effects.drop_waker(old);
        id
    }

    pub(super) fn remove_driver(&mut self, id: u64, step: &mut Step) {
        step.effects.drop_waker(self.drivers.remove(id));
        self.keepers.forget_asked();
    }

    /// Whether somebody is armed for the next due time.
    #[inline]
    pub(super) fn is_time_kept(&self, due: Deadline) -> bool {
        due == Deadline::Never || self.keepers.has_first() || !self.drivers.is_empty()
    }

    pub(super) fn has_drivers(&self) -> bool {
        !self.drivers.is_empty()
    }

    /// An end that was announced was not the last.
    pub(super) fn announce_end_again(&mut self) {
        self.is_end_announced = false;
    }

    /// Whether messages have come since the last announcement.
    pub(super) fn has_news(&self, next: u64) -> bool {
        self.announced < next
    }

    /// Whether streams may wait for messages.
    #[inline]
    pub(super) fn has_waiting(&self) -> bool {
        self.set.has_waiting()
    }

    /// Announces what has come since the last step: streams are yet to be woken.
    #[inline]
    pub(super) fn announce(&mut self, agenda: Agenda, step: &mut Step) {
        if agenda.is_over || self.set.has_waiting() {
            self.announce_to_all(agenda, step);
        } else {
            self.announced = agenda.next;
        }
    }

    fn announce_to_all(&mut self, agenda: Agenda, step: &mut Step) {
        let mut is_woken = false;
        if agenda.is_over && !self.is_end_announced {
            self.is_end_announced = true;
            is_woken = self.set.announce_end();
            step.effects.wake_drivers(self.drivers.all());
        }
        if self.announced < agenda.next {
            self.announced = agenda.next;
            is_woken |= self.set.announce();
        }
        if is_woken {
            self.generation = self.generation.saturating_add(1);
            self.keepers.release_all(agenda.due, step.now);
        }
    }

    /// Sees to it that somebody keeps the time.
    pub(super) fn keep_time(&mut self, agenda: Agenda, step: &mut Step) {
        if agenda.due == Deadline::Never {
            // Streams that poll meanwhile take no role, so some must be woken for the next due time.
            self.keepers.forget_asked();
            return;
        }
        if !self.drivers.is_empty() {
            return;
        }
        let mut is_woken = false;
        for slot in self.keepers.late(agenda.due) {
            is_woken |= self.set.nudge(slot);
        }
        let wanted = self.keepers.wanted(agenda.due, step.now);
        if wanted > 0 {
            let keepers: Vec<usize> = self.keepers.slots().collect();
            // Of busy streams any can be slow, so all are asked that a step may wake.
            let most_busy = if keepers.is_empty() { MOST_WAKES } else { 1 };
            is_woken |= self.set.nudge_some(wanted, most_busy, &keepers);
            self.keepers.note_asked(agenda.due, step.now);
        }
        if is_woken {
            self.generation = self.generation.saturating_add(1);
        }
    }

    /// Wakes the drivers that wait for longer than until `next`; all if streams are pending, or it is
    /// the end.
    pub(super) fn wake_drivers(&mut self, next: Deadline, step: &mut Step) {
        if self.set.has_pending() || self.is_end_announced {
            step.effects.wake_drivers(self.drivers.all());
        } else {
            step.effects.wake_drivers(self.drivers.late(next));
        }
    }

    /// Takes the next streams that are to be woken.
    #[inline]
    pub(super) fn next_batch(&mut self) -> Option<Batch> {
        if !self.set.has_pending() {
            return None;
        }
        // After the end all are woken for the last time: a task whose waker is kept could keep
        // itself alive.
        let batch = self.set.next_batch(!self.is_end_announced);
        Some(batch)
    }

    /// Puts wakers back; returns whether the caller must take the next batch.
    pub(super) fn give_back(&mut self, batch: &mut Batch) -> bool {
        self.set.give_back(batch)
    }

    pub(super) fn has_pending(&self) -> bool {
        self.set.has_pending()
    }

    /// Which streams have been woken, and whether there is something to do besides reading. A stream
    /// that finds the value of when it began to wait has nothing to do.
    pub(super) fn signal(&self, agenda: Agenda) -> u64 {
        let is_wanted =
            agenda.due != Deadline::Never && self.drivers.is_empty() && self.keepers.vacant() > 0;
        let pending = if self.set.has_pending() { PENDING } else { 0 };
        let wanted = if is_wanted { WANTED } else { 0 };
        self.quiet_signal() | pending | wanted
    }

    /// The signal with nothing to do.
    #[inline]
    pub(super) fn quiet_signal(&self) -> u64 {
        self.generation << FLAGS
    }
}

/// Whether streams have been woken between two signals.
pub(super) fn is_woken_between(before: u64, after: u64) -> bool {
    before >> FLAGS != after >> FLAGS
}
