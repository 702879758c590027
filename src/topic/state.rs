//! The state of a topic, which its lock protects: its messages, its streams, and its end.
//!
//! Pure: no lock, no clock.

mod streams;
mod wanted;

use core::task::Waker;
use std::sync::Arc;
use std::time::SystemTime;

use super::effects::Step;
use super::listeners::{Agenda, Listeners};
use super::presence::{Displaced, Occupancy, Presence, Seat};
use super::publish_error::PublishError;
use super::resume::{Resumption, Start};
use super::status::{Status, TopicStats, count};
use super::store::{AllScheduled, Bounds, First, Store};
use super::wait_set::Batch;
use crate::budget::Budget;
use crate::message::id::Epoch;
use crate::message::{Message, Receipt};
use crate::time::Deadline;
use crate::topic::log::{MAX_PER_STEP, Wanted, to_usize};
use crate::watchers::Watchers;

pub(super) use wanted::Full;

/// The state of a topic.
///
/// Each step begins with [`catch_up`](Self::catch_up), which applies everything due by now, and
/// ends with [`settle`](Self::settle), which selects the streams to wake.
#[derive(Debug)]
pub(super) struct State {
    store: Store,
    listeners: Listeners,
    status: Status,
    /// Tasks that wait for the beginning of the end.
    closed_watchers: Watchers,
    /// Tasks that wait for the end.
    ended_watchers: Watchers,
    /// Tasks that wait until no stream is open.
    presence: Presence,
    /// The time of the last step.
    latest: SystemTime,
}

impl State {
    pub(super) fn new(bounds: Bounds, epoch: Epoch, first: u64, now: SystemTime) -> Self {
        Self {
            store: Store::new(bounds, epoch, first, now),
            listeners: Listeners::new(first, now),
            status: Status::new(),
            closed_watchers: Watchers::default(),
            ended_watchers: Watchers::default(),
            presence: Presence::default(),
            latest: now,
        }
    }

    /// Counts the messages towards the budget of a registry.
    pub(super) fn share_budget(&mut self, budget: &Arc<Budget>) {
        self.store.share_budget(budget);
    }

    /// Advances the topic's time to a reading of the clock, if there is one, and returns it. It
    /// never decreases.
    pub(super) fn advance_time(&mut self, now: Option<SystemTime>) -> SystemTime {
        self.latest = now.map_or(self.latest, |now| now.max(self.latest));
        self.latest
    }

    /// Whether time alone can change anything.
    pub(super) fn is_timed(&self) -> bool {
        self.store.is_timed()
    }

    /// Applies everything due by now, up to a bounded number of messages in each call; returns
    /// whether there may be more.
    pub(super) fn catch_up(&mut self, step: &mut Step) -> bool {
        if self.is_closed() {
            return self.store.trim(step.now);
        }
        for _ in 0..MAX_PER_STEP {
            match self.store.enter_first(step) {
                First::NotDue => {
                    let has_more = self.store.trim(step.now);
                    if !has_more && self.listeners.has_news(self.store.log().next()) {
                        self.announce(self.agenda(), step);
                    }
                    return has_more;
                }
                First::Entered => {}
                First::Expired => {
                    count(&mut self.status.counters.expired, 1);
                    if self.is_over() {
                        self.store.drop_cached(&mut step.effects);
                    }
                }
            }
        }
        self.store.trim(step.now);
        // They are announced with the last message that is due, but in bounded steps.
        self.announce_tags();
        true
    }

    pub(super) fn publish(
        &mut self,
        message: Message,
        own_id: Option<Arc<str>>,
        step: &mut Step,
    ) -> Result<Receipt, PublishError> {
        if self.is_closed() {
            return Err(PublishError::Closed(message));
        }
        let id = self.store.publish(message, own_id, step)?;
        count(&mut self.status.counters.published, 1);
        Ok(Receipt::new(id))
    }

    /// Cancels a scheduled message; returns whether there was one.
    pub(super) fn cancel(&mut self, id: &str, step: &mut Step) -> bool {
        let is_cancelled = self.store.cancel(id, &mut step.effects);
        count(&mut self.status.counters.withdrawn, is_cancelled.into());
        is_cancelled
    }

    pub(super) fn take_scheduled(&mut self) -> AllScheduled {
        let scheduled = u64::try_from(self.store.scheduled()).unwrap_or(u64::MAX);
        count(&mut self.status.counters.withdrawn, scheduled);
        self.store.take_scheduled()
    }

    /// How a client with this id would continue now.
    pub(super) fn resumption_of(&self, start: &Start) -> Resumption {
        self.position(start, None).1
    }

    /// The position where a stream starts, and how it resumes, if it wants all messages or only these.
    fn position(&self, start: &Start, wanted: Option<&[Wanted]>) -> (u64, Resumption) {
        let (position, resumption) = self.store.position(start, wanted);
        let log = self.store.log();
        let is_seen = || match wanted {
            None => !log.retains_from(position),
            Some(wanted) => log.first_wanted(position, wanted).is_none(),
        };
        let is_complete = resumption == Resumption::Exact && self.is_over() && is_seen();
        if is_complete {
            return (position, Resumption::Complete);
        }
        (position, resumption)
    }

    /// The number that the next message in the log gets.
    pub(super) fn next_number(&self) -> u64 {
        self.store.log().next()
    }

    pub(super) fn close(&mut self, step: &mut Step) {
        self.store.drop_cached(&mut step.effects);
        self.status.close();
    }

    pub(super) fn abort(&mut self, step: &mut Step) {
        self.store.drop_cached(&mut step.effects);
        self.status.abort();
        self.listeners.reset_end();
    }

    /// Called when the last handle is dropped, so that no more messages can be published.
    pub(super) fn drop_handles(&mut self, step: &mut Step) {
        self.store.drop_cached(&mut step.effects);
        self.status.drop_handles();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.status.is_closed()
    }

    pub(super) fn stats(&self, now: SystemTime) -> TopicStats {
        TopicStats {
            retained: to_usize(self.store.log().len()),
            bytes: to_usize(self.store.log().bytes()),
            superseded: self.store.log().superseded(),
            scheduled: self.store.scheduled(),
            next_due: self.store.next_due().after(now),
            ..self.status.counters
        }
    }

    /// Announces the result of a step, and takes the first batch of streams to wake. Returns the
    /// [signal](Listeners::signal).
    pub(super) fn settle(&mut self, step: &mut Step) -> u64 {
        if self.is_closing() {
            self.wake_watchers(step);
        }
        let agenda = self.agenda();
        self.announce(agenda, step);
        self.listeners.assign_timekeepers(agenda, step);
        self.listeners.mark_filtered();
        step.effects.batch = self.listeners.next_batch();
        if self.listeners.has_drivers() {
            let next = self.next_change();
            self.listeners.wake_drivers(next, step);
        }
        self.listeners.signal(agenda)
    }

    /// Announces new messages and the end to the streams that wait for them.
    #[inline]
    fn announce(&mut self, agenda: Agenda, step: &mut Step) {
        if agenda.is_over || self.listeners.has_waiting() || self.store.log().is_tagged() {
            self.announce_to_all(agenda, step);
        } else {
            self.listeners.announce_to_none(agenda.next);
        }
    }

    fn announce_to_all(&mut self, agenda: Agenda, step: &mut Step) {
        let mut is_tagged = false;
        if self.store.log().is_tagged() {
            self.announce_tags();
            is_tagged = !self.listeners.take_untagged();
        }
        self.listeners.announce(agenda, is_tagged, step);
    }

    /// Announces the tags of messages that have entered the log to filters.
    fn announce_tags(&mut self) {
        let listeners = &mut self.listeners;
        self.store.take_fresh_tags(|tag| match tag {
            None => listeners.note_untagged(),
            Some(tag) => listeners.announce_tag(tag),
        });
    }

    /// Whether any stream may be waiting for messages.
    pub(super) fn has_waiting(&self) -> bool {
        self.listeners.has_waiting()
    }

    /// Puts wakers back into their slots. Returns the next batch and the signal, if the caller must
    /// wake that batch too.
    pub(super) fn give_back(&mut self, batch: &mut Batch) -> Option<(Option<Batch>, u64)> {
        if !self.listeners.give_back(batch) {
            return None;
        }
        let next = self.listeners.next_batch();
        Some((next, self.listeners.signal(self.agenda())))
    }

    /// The signal without flags, which is its value while there is nothing to do besides reading.
    #[inline]
    pub(super) fn quiet_signal(&self) -> u64 {
        self.listeners.quiet_signal()
    }

    /// Registers a driver. Returns when it must poll again, or `None` if the topic has ended and
    /// all streams have been woken.
    pub(super) fn drive(
        &mut self,
        id: &mut Option<u64>,
        waker: Waker,
        step: &mut Step,
    ) -> Option<Deadline> {
        // The topic may have ended in this step.
        self.announce(self.agenda(), step);
        if self.is_over() && !self.listeners.has_pending() {
            step.effects.drop_waker(Some(waker));
            return None;
        }
        let next = self.next_change();
        *id = Some(self.listeners.drive(*id, waker, next, step));
        Some(next)
    }

    /// Waits for the beginning of the end. Returns whether that has come, and a waker to be dropped.
    pub(super) fn poll_closed(
        &mut self,
        watcher: &mut Option<u64>,
        waker: Waker,
    ) -> (bool, Option<Waker>) {
        if self.is_closing() {
            return (true, Some(waker));
        }
        (false, self.closed_watchers.wait(watcher, waker))
    }

    pub(super) fn leave_closed(&mut self, watcher: u64) -> Option<Waker> {
        self.closed_watchers.remove(watcher)
    }

    /// Waits for the end. Returns whether that has come, and a waker to be dropped.
    pub(super) fn poll_ended(
        &mut self,
        watcher: &mut Option<u64>,
        waker: Waker,
    ) -> (bool, Option<Waker>) {
        if self.is_ended() {
            return (true, Some(waker));
        }
        (false, self.ended_watchers.wait(watcher, waker))
    }

    pub(super) fn leave_ended(&mut self, watcher: u64) -> Option<Waker> {
        self.ended_watchers.remove(watcher)
    }

    /// Whether streams are open; waits until that changes.
    pub(super) fn poll_occupancy(
        &mut self,
        seat: &mut Seat,
        waker: Waker,
        step: &mut Step,
    ) -> (Occupancy, Displaced) {
        let occupancy = if self.is_ended() {
            Occupancy::Ended
        } else if self.status.counters.streams == 0 {
            Occupancy::Deserted(self.presence.count())
        } else {
            Occupancy::Occupied
        };
        let displaced = self.presence.wait(occupancy, seat, waker, step);
        (occupancy, displaced)
    }

    pub(super) fn leave_presence(&mut self, seat: &mut Seat) -> Displaced {
        self.presence.leave(seat)
    }

    /// Whether nobody can publish any more.
    fn is_closing(&self) -> bool {
        self.status.is_closed() || !self.status.has_handles()
    }

    /// Whether nobody can publish, and all streams have ended.
    fn is_ended(&self) -> bool {
        self.is_closing() && self.status.counters.streams == 0
    }

    /// Wakes tasks that wait for the beginning of the end, or the end, within the bounds of a step;
    /// the steps of those wake the rest.
    fn wake_watchers(&mut self, step: &mut Step) {
        let is_ended = self.is_ended();
        let wakers = core::iter::from_fn(|| {
            let ended = || self.ended_watchers.pop().or_else(|| self.presence.pop());
            let closed = self.closed_watchers.pop();
            closed.or_else(|| is_ended.then(ended).flatten())
        });
        step.effects.wake_drivers(wakers.take(MAX_PER_STEP));
    }

    pub(super) fn remove_driver(&mut self, id: u64, step: &mut Step) {
        self.listeners.remove_driver(id, step);
    }

    /// When time next changes anything.
    fn next_change(&self) -> Deadline {
        if self.is_closed() {
            // Scheduled messages never enter the log.
            return self.store.log().next_change();
        }
        self.store.next_change()
    }

    fn agenda(&self) -> Agenda {
        Agenda {
            next: self.store.log().next(),
            is_over: self.is_over(),
            due: if self.is_closed() {
                Deadline::Never
            } else {
                self.store.next_due()
            },
        }
    }

    /// Whether no more messages will enter the log.
    fn is_over(&self) -> bool {
        let is_open = !self.status.is_closed()
            && (self.status.has_handles() || self.store.next_due() != Deadline::Never);
        !is_open
    }
}
