//! The streams and drivers of a topic: which of them wait, which are pending, and which are
//! timekeepers.
//!
//! Pure: no lock, no clock.

use core::task::Waker;
use std::time::SystemTime;

use super::drivers::Drivers;
use super::effects::Step;
use super::filters::Filters;
use super::log::TagId;
use super::timekeepers::{GRACE, Timekeepers};
use super::wait_set::{Batch, MAX_WAKES, Registration, WaitSet};
use crate::time::Deadline;

/// Flags in [`Listeners::signal`]: streams are still to be woken.
const PENDING: u64 = 1;
/// A timekeeper's role is vacant.
const VACANT: u64 = 2;
/// The maximum number of filters that one step visits to mark their streams as pending.
const MAX_VISITED: usize = 64;
/// The number of these flags.
const FLAGS: u32 = 2;

/// All streams, by slot.
#[derive(Debug)]
pub(super) struct Listeners {
    set: WaitSet,
    /// `None` until there is a filter.
    filters: Option<Box<Filters>>,
    keepers: Timekeepers,
    drivers: Drivers,
    /// Incremented each time that streams become pending.
    generation: u64,
    /// Messages before this number have been announced.
    announced: u64,
    /// A message without a tag has yet to be announced. Only known while messages are listed by tag.
    has_untagged: bool,
    is_end_announced: bool,
    /// A stream that is armed to wake the next batch if no other call does, and when it is.
    guard: Option<(usize, SystemTime)>,
}

/// What the streams wait for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agenda {
    /// The number that the next message gets.
    pub(super) next: u64,
    /// Whether no more messages will enter the log.
    pub(super) is_over: bool,
    /// When the next message falls due.
    pub(super) due: Deadline,
}

impl Listeners {
    pub(super) fn new(next: u64, now: SystemTime) -> Self {
        Self {
            set: WaitSet::default(),
            filters: None,
            keepers: Timekeepers::new(now),
            drivers: Drivers::default(),
            generation: 0,
            announced: next,
            has_untagged: false,
            is_end_announced: false,
            guard: None,
        }
    }

    pub(super) fn open(&mut self) -> usize {
        self.set.open()
    }

    pub(super) fn close(&mut self, slot: usize, step: &mut Step) {
        self.give_up_roles(slot);
        step.effects.drop_waker(self.set.close(slot));
    }

    /// Makes sure that the slot has the waker of the stream's task, and puts `fresh` there if it is
    /// given. False if there is no waker: the caller clones one outside the lock and tries again.
    pub(super) fn ensure_waker(
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
            None => self.set.has_waker(slot),
        }
    }

    /// Registers a stream for the next message while it has a chunk to send. False if its slot has
    /// no waker.
    #[inline]
    pub(super) fn register_early(&mut self, slot: usize) -> bool {
        self.set.register(slot, Registration::Early)
    }

    /// Registers a stream for the next message. Returns when it must poll even if it is not woken.
    pub(super) fn register(
        &mut self,
        slot: usize,
        agenda: Agenda,
        now: SystemTime,
    ) -> Option<SystemTime> {
        self.set.register(slot, Registration::Idle);
        let due = if self.drivers.is_empty() {
            agenda.due
        } else {
            Deadline::Never
        };
        let due = self.keepers.take_role(slot, due);
        due.into_iter().chain(self.arm_guard(slot, now)).min()
    }

    /// Makes this stream the guard if more streams are pending than this step wakes, and there is
    /// no other guard. Returns when it must poll.
    fn arm_guard(&mut self, slot: usize, now: SystemTime) -> Option<SystemTime> {
        let is_other = |(other, until): (usize, SystemTime)| other != slot && now < until;
        let is_crowd = self.set.exceeds_batch() || self.has_marks();
        if !is_crowd || !self.drivers.is_empty() || self.guard.is_some_and(is_other) {
            return None;
        }
        let until = now.checked_add(GRACE)?;
        self.guard = Some((slot, until));
        Some(until)
    }

    /// Registers a stream for the end of the topic only.
    pub(super) fn park(&mut self, slot: usize) {
        self.give_up_roles(slot);
        self.set.park(slot);
    }

    /// Deregisters a stream but keeps its waker.
    pub(super) fn pause(&mut self, slot: usize) {
        self.release(slot);
        self.set.pause(slot);
    }

    /// Deregisters a stream and drops its waker.
    pub(super) fn remove_waker(&mut self, slot: usize, step: &mut Step) {
        self.give_up_roles(slot);
        step.effects.drop_waker(self.set.take_waker(slot));
    }

    /// Takes its roles from a stream that will take none, even if it was notified to.
    fn give_up_roles(&mut self, slot: usize) {
        self.release(slot);
        self.keepers.forget_notified();
    }

    /// Takes its roles from a stream.
    pub(super) fn release(&mut self, slot: usize) {
        self.keepers.release(slot);
        if self.guard.is_some_and(|(other, _)| other == slot) {
            self.guard = None;
        }
    }

    /// Whether other streams rely on this one: it is a timekeeper or the guard.
    pub(super) fn has_role(&self, slot: usize) -> bool {
        self.keepers.has_role(slot) || self.guard.is_some_and(|(other, _)| other == slot)
    }

    /// Registers a driver until `wake_at`; returns its id.
    pub(super) fn drive(
        &mut self,
        id: Option<u64>,
        waker: Waker,
        wake_at: Deadline,
        step: &mut Step,
    ) -> u64 {
        let (id, displaced) = self.drivers.register(id, waker, wake_at);
        step.effects.drop_waker(displaced);
        id
    }

    pub(super) fn remove_driver(&mut self, id: u64, step: &mut Step) {
        step.effects.drop_waker(self.drivers.remove(id));
        self.keepers.forget_notified();
    }

    /// Whether a stream or driver is armed for `due`, if anything is.
    #[inline]
    pub(super) fn has_timekeeper(&self, due: Deadline) -> bool {
        due == Deadline::Never || self.keepers.has_first() || !self.drivers.is_empty()
    }

    pub(super) fn has_drivers(&self) -> bool {
        !self.drivers.is_empty()
    }

    /// Allows the end to be announced again, as an abort after a close does.
    pub(super) fn reset_end(&mut self) {
        self.is_end_announced = false;
    }

    /// Whether messages have entered the log since the last announcement.
    pub(super) fn has_news(&self, next: u64) -> bool {
        self.announced < next
    }

    /// Whether any stream may be waiting for messages.
    #[inline]
    pub(super) fn has_waiting(&self) -> bool {
        self.set.has_waiting()
    }

    /// Notes that messages before this number have come while no stream waited.
    #[inline]
    pub(super) fn announce_to_none(&mut self, next: u64) {
        self.announced = next;
    }

    /// Announces new messages and the end: marks the streams that wait for them as pending. Streams
    /// with a filter may not want messages that all have a tag.
    pub(super) fn announce(&mut self, agenda: Agenda, is_tagged: bool, step: &mut Step) {
        let mut is_woken = false;
        if agenda.is_over && !self.is_end_announced {
            self.is_end_announced = true;
            is_woken = self.set.announce_end();
            step.effects.wake_drivers(self.drivers.take_all());
        }
        if self.announced < agenda.next {
            self.announced = agenda.next;
            is_woken |= if is_tagged {
                self.set.announce_unfiltered()
            } else {
                self.set.announce()
            };
        }
        if is_woken {
            self.generation = self.generation.saturating_add(1);
            self.keepers.release_all(agenda.due, step.now);
        }
    }

    /// Notes that a message without a tag must be announced.
    pub(super) fn note_untagged(&mut self) {
        self.has_untagged = true;
    }

    /// Whether a message without a tag must be announced. The caller does that.
    pub(super) fn take_untagged(&mut self) -> bool {
        core::mem::take(&mut self.has_untagged)
    }

    /// Announces a message with this tag to the streams whose filter wants it.
    pub(super) fn announce_tag(&mut self, tag: TagId) {
        if let Some(filters) = &mut self.filters
            && filters.announce(tag)
        {
            self.generation = self.generation.saturating_add(1);
        }
    }

    /// Marks some more of these streams as pending, as many as one batch has.
    #[inline]
    pub(super) fn mark_filtered(&mut self) {
        if self.has_marks() {
            self.mark_some();
        }
    }

    fn mark_some(&mut self) {
        let Some(filters) = &mut self.filters else {
            return;
        };
        let set = &mut self.set;
        let mut is_woken = false;
        for _ in 0..MAX_VISITED {
            let left = set.batch_left();
            if !filters.has_marks() || left == 0 {
                break;
            }
            filters.next_slots(left, |slot| is_woken |= set.mark(slot));
        }
        // If none of those that were visited waits, another stream must continue with the rest.
        if filters.has_marks() && !set.has_pending() && self.drivers.is_empty() {
            is_woken |= set.notify_some(1, 1, &[]);
        }
        // A stream may have registered since the message was announced. Its next poll must not take
        // that for the present.
        if is_woken {
            self.generation = self.generation.saturating_add(1);
        }
    }

    fn has_marks(&self) -> bool {
        let filters = self.filters.as_ref();
        filters.is_some_and(|filters| filters.has_marks())
    }

    /// Notes that a stream has a filter.
    pub(super) fn set_filtered(&mut self, slot: usize) {
        self.set.set_filtered(slot);
    }

    pub(super) fn filters(&self) -> Option<&Filters> {
        self.filters.as_deref()
    }

    pub(super) fn filters_mut(&mut self) -> &mut Filters {
        self.filters.get_or_insert_default()
    }

    /// Makes sure that timekeepers are armed for the next due time, or that streams are notified to
    /// become timekeepers.
    #[inline]
    pub(super) fn assign_timekeepers(&mut self, agenda: Agenda, step: &mut Step) {
        if agenda.due == Deadline::Never {
            // Streams that poll while nothing is scheduled take no role, so the next due time must
            // notify some again.
            self.keepers.forget_notified();
        } else if self.drivers.is_empty() {
            self.assign_for(agenda, step);
        }
    }

    fn assign_for(&mut self, agenda: Agenda, step: &mut Step) {
        let mut is_woken = false;
        for slot in self.keepers.bring_forward(agenda.due) {
            is_woken |= self.set.notify(slot);
        }
        let wanted = self.keepers.wanted(agenda.due, step.now);
        if wanted > 0 {
            let keepers: Vec<usize> = self.keepers.slots().collect();
            // Any busy stream can be slow, so as many are notified as one step may wake.
            let max_busy = if keepers.is_empty() { MAX_WAKES } else { 1 };
            is_woken |= self.set.notify_some(wanted, max_busy, &keepers);
            self.keepers.record_notified(agenda.due, step.now);
        }
        if is_woken {
            self.generation = self.generation.saturating_add(1);
        }
    }

    /// Wakes the drivers that are armed for later than `next`; all of them if streams are pending
    /// or the end has been announced.
    pub(super) fn wake_drivers(&mut self, next: Deadline, step: &mut Step) {
        if self.has_pending() || self.is_end_announced {
            step.effects.wake_drivers(self.drivers.take_all());
        } else {
            step.effects.wake_drivers(self.drivers.take_late(next));
        }
    }

    /// Takes the next batch of pending streams.
    #[inline]
    pub(super) fn next_batch(&mut self) -> Option<Batch> {
        if !self.set.has_pending() {
            return None;
        }
        // After the end, no waker is put back: a task whose waker is kept here could keep itself
        // alive.
        let batch = self.set.next_batch(self.is_end_announced);
        Some(batch)
    }

    /// Puts wakers back; returns whether the caller must take the next batch.
    pub(super) fn give_back(&mut self, batch: &mut Batch) -> bool {
        self.set.give_back(batch)
    }

    pub(super) fn has_pending(&self) -> bool {
        self.set.has_pending() || self.has_marks()
    }

    /// A number that changes when streams become pending, with flags for work besides reading. A
    /// stream that finds the same value as when it began to wait has nothing to do.
    pub(super) fn signal(&self, agenda: Agenda) -> u64 {
        let is_vacant =
            agenda.due != Deadline::Never && self.drivers.is_empty() && self.keepers.vacant() > 0;
        let pending = if self.has_pending() { PENDING } else { 0 };
        let vacant = if is_vacant { VACANT } else { 0 };
        self.quiet_signal() | pending | vacant
    }

    /// The signal without flags.
    #[inline]
    pub(super) fn quiet_signal(&self) -> u64 {
        self.generation << FLAGS
    }
}

/// Whether streams have become pending between two signals.
pub(super) fn is_woken_between(before: u64, after: u64) -> bool {
    before >> FLAGS != after >> FLAGS
}
