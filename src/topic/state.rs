//! Whatever stands behind a topic's lock: its messages, its streams, and its end.
//!
//! Pure: no lock, no clock.

use core::task::Waker;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::cursor::{Ask, Cursor, Polled, Taken};
use super::effects::Step;
use super::listeners::{Agenda, Listeners};
use super::publish::{PublishError, Published};
use super::resume::{Resumption, Start};
use super::status::{Status, TopicStats, count};
use super::store::{All, Bounds, First, Store};
use super::wait_set::Batch;
use crate::message::Message;
use crate::message::id::Epoch;
use crate::source::{Limit, TooManyStreams};
use crate::time::Deadline;
use crate::topic::log::MAX_PER_STEP;

/// All that is behind the lock.
///
/// Before each step the log is brought up to the time: what fell due enters, what is beyond the
/// bounds leaves. [`settle`](Self::settle) follows it and wakes streams that must act on it.
#[derive(Debug)]
pub(super) struct State {
    store: Store,
    listeners: Listeners,
    status: Status,
    /// The time of the last step.
    latest: SystemTime,
}

impl State {
    pub(super) fn new(bounds: Bounds, epoch: Epoch, first: u64, now: SystemTime) -> Self {
        Self {
            store: Store::new(bounds, epoch, first, now),
            listeners: Listeners::new(first, now),
            status: Status::new(),
            latest: now,
        }
    }

    /// The time of a step whose reading of the clock is `now`: never before that of the last one.
    pub(super) fn time(&mut self, now: Option<SystemTime>) -> SystemTime {
        self.latest = now.map_or(self.latest, |now| now.max(self.latest));
        self.latest
    }

    /// Whether anything changes as time passes.
    pub(super) fn is_timed(&self) -> bool {
        self.store.is_timed()
    }

    /// Brings the log up to the time, a bounded number of messages in one call; returns whether
    /// there is more to do.
    pub(super) fn catch_up(&mut self, step: &mut Step) -> bool {
        if self.is_closed() {
            return self.store.trim(step.now);
        }
        for _ in 0..MAX_PER_STEP {
            match self.store.enter_first(step) {
                First::NotDue => {
                    let has_more = self.store.trim(step.now);
                    if !has_more && self.listeners.has_news(self.store.log().next()) {
                        self.listeners.announce(self.agenda(), step);
                    }
                    return has_more;
                }
                First::Entered => {}
                First::Expired => {
                    count(&mut self.status.counters.expired, 1);
                    if self.is_over() {
                        self.store.drop_tail(&mut step.effects);
                    }
                }
            }
        }
        self.store.trim(step.now);
        true
    }

    pub(super) fn publish(
        &mut self,
        message: Message,
        own_id: Option<Arc<str>>,
        step: &mut Step,
    ) -> Result<Published, PublishError> {
        if self.is_closed() {
            return Err(PublishError::Closed(message));
        }
        let id = self.store.publish(message, own_id, step)?;
        count(&mut self.status.counters.published, 1);
        Ok(Published {
            id,
            streams: self.status.counters.streams,
            retained: self.store.log().len(),
        })
    }

    /// Takes a scheduled message back.
    pub(super) fn cancel(&mut self, id: &str, step: &mut Step) -> bool {
        let is_cancelled = self.store.cancel(id, &mut step.effects);
        count(&mut self.status.counters.withdrawn, is_cancelled.into());
        is_cancelled
    }

    pub(super) fn take_scheduled(&mut self) -> All {
        let scheduled = u64::try_from(self.store.scheduled()).unwrap_or(u64::MAX);
        count(&mut self.status.counters.withdrawn, scheduled);
        self.store.take_scheduled()
    }

    pub(super) fn subscribe(
        &mut self,
        start: &Start,
    ) -> Result<(Cursor, Resumption), TooManyStreams> {
        let limit = self.store.most_streams();
        let counters = &mut self.status.counters;
        if counters.streams >= limit {
            return Err(TooManyStreams { limit });
        }
        let (position, resumption) = self.store.position(start);
        if let Resumption::Gap { .. } = resumption {
            count(&mut counters.gaps, 1);
        }
        counters.streams = counters.streams.saturating_add(1);
        let cursor = Cursor::new(self.listeners.open(), position, self.latest);
        Ok((cursor, resumption))
    }

    pub(super) fn unsubscribe(&mut self, cursor: &Cursor, step: &mut Step) {
        self.listeners.close(cursor.slot, step);
        let streams = &mut self.status.counters.streams;
        *streams = streams.saturating_sub(1);
    }

    /// Takes what is there at the cursor; a task waits if there is nothing, or ahead if there is
    /// nothing more.
    pub(super) fn poll_chunk(
        &mut self,
        cursor: &mut Cursor,
        ask: Ask,
        fresh: &mut Option<Waker>,
        step: &mut Step,
    ) -> Polled {
        let mut polled = Polled {
            taken: Taken::NeedsWaker,
            waits_since: None,
            wake_at: None,
        };
        if ask.registers && !self.listeners.place(cursor.slot, fresh, step) {
            return polled;
        }
        polled.taken = self.take(cursor, ask);
        if !ask.registers {
            self.listeners.forget(cursor.slot, step);
            return polled;
        }
        match polled.taken {
            Taken::Nothing => {
                let agenda = self.agenda();
                polled.wake_at = self.listeners.wait(cursor.slot, agenda, step.now);
                // A timekeeper comes to the lock: it must see what has fallen due.
                let is_free = polled.wake_at.is_none();
                polled.waits_since = is_free.then(|| self.quiet_signal());
            }
            Taken::Chunk(_) if !self.is_due(cursor) => {
                self.listeners.release(cursor.slot);
                self.listeners.wait_ahead(cursor.slot);
                polled.waits_since = Some(self.quiet_signal());
            }
            _ => self.listeners.pause(cursor.slot),
        }
        cursor.may_be_armed = polled.wake_at.is_some();
        polled
    }

    /// Reads what is there at the cursor.
    fn take(&mut self, cursor: &mut Cursor, ask: Ask) -> Taken {
        if self.status.is_aborted() {
            return Taken::End;
        }
        let log = self.store.log();
        let (oldest, next) = (log.oldest(), log.next());
        let lag = log.missed(cursor.position);
        cursor.position = cursor.position.max(oldest);
        if lag != Some(0) {
            count(&mut self.status.counters.lagged, 1);
            return Taken::Lagged(lag);
        }
        if cursor.position >= next {
            return if self.is_over() {
                Taken::End
            } else {
                Taken::Nothing
            };
        }
        let before = cursor.position;
        let limit = cursor.limit(next, ask);
        let Some(read) = self.store.read(&mut cursor.position, limit) else {
            return Taken::Again;
        };
        count(&mut self.status.counters.delivered, read.messages);
        cursor.chunk_came = self.store.newest_at();
        if !self.is_over() {
            self.store.note_tail(before, cursor.position, &read);
        }
        Taken::Chunk(read.chunk)
    }

    /// Whether the clock must be read before the [tail](Self::take_tail) is taken: a message in it
    /// expires, or one may have fallen due since and no stream sees to that.
    #[inline]
    pub(super) fn has_dated_tail(&self) -> bool {
        let tail = self.store.tail();
        let is_kept = || self.listeners.is_time_kept(self.store.next_due());
        tail.is_some_and(|tail| tail.expires != Deadline::Never || !is_kept())
    }

    /// Takes the newest chunk, which another stream has read before, and waits ahead, all in a few
    /// instructions: most streams keep up, so this is what most polls come to. `now` must be known if
    /// the tail [is dated](Self::has_dated_tail). The waker of the stream's task must be in its slot,
    /// or nothing is done; nor for a timekeeper, which must arm again or give its role away.
    #[inline]
    pub(super) fn take_tail(
        &mut self,
        cursor: &mut Cursor,
        limit: Limit,
        now: Option<SystemTime>,
    ) -> Option<Bytes> {
        let tail = self.store.tail()?;
        let is_here = cursor.position == tail.from && !cursor.is_in_burst();
        let messages = u64::try_from(limit.messages).unwrap_or(u64::MAX);
        let fits = tail.chunk.len() <= limit.bytes && tail.messages <= messages;
        let is_good = now.is_none_or(|now| {
            let ends = tail.expires.min(self.store.next_due());
            !ends.has_come(now)
        });
        let has_role = cursor.may_be_armed && self.listeners.has_role(cursor.slot);
        if !(is_here && !has_role && fits && is_good && self.listeners.wait_ahead(cursor.slot)) {
            return None;
        }
        cursor.pass(tail.messages);
        cursor.chunk_came = self.store.newest_at();
        count(&mut self.status.counters.delivered, tail.messages);
        Some(tail.chunk.clone())
    }

    /// Whether a stream has something due, or its end; a task waits if not, and else parks.
    /// `None` if the waker of the task is needed.
    pub(super) fn poll_ready(
        &mut self,
        cursor: &mut Cursor,
        has_notice: bool,
        fresh: &mut Option<Waker>,
        step: &mut Step,
    ) -> Option<(bool, Option<SystemTime>)> {
        if !self.listeners.place(cursor.slot, fresh, step) {
            return None;
        }
        if has_notice || self.is_due(cursor) {
            self.listeners.park(cursor.slot);
            return Some((true, None));
        }
        let agenda = self.agenda();
        let wake_at = self.listeners.wait(cursor.slot, agenda, step.now);
        cursor.may_be_armed = wake_at.is_some();
        Some((false, wake_at))
    }

    /// Whether a stream would take something, or its end.
    pub(super) fn is_due(&self, cursor: &Cursor) -> bool {
        self.status.is_aborted() || self.is_over() || cursor.position < self.store.log().next()
    }

    /// Waits for the end alone. False if the waker of the stream's task is needed.
    pub(super) fn park(
        &mut self,
        cursor: &Cursor,
        fresh: &mut Option<Waker>,
        step: &mut Step,
    ) -> bool {
        let is_placed = self.listeners.place(cursor.slot, fresh, step);
        if is_placed {
            self.listeners.park(cursor.slot);
        }
        is_placed
    }

    /// Waits for nothing, and keeps no waker: the caller polls by hand.
    pub(super) fn forget(&mut self, cursor: &Cursor, step: &mut Step) {
        self.listeners.forget(cursor.slot, step);
    }

    pub(super) fn close(&mut self, step: &mut Step) {
        self.store.drop_tail(&mut step.effects);
        self.status.close();
    }

    pub(super) fn abort(&mut self, step: &mut Step) {
        self.store.drop_tail(&mut step.effects);
        self.status.abort();
        self.listeners.announce_end_again();
    }

    /// The last handle is gone: nobody can publish any more.
    pub(super) fn drop_handles(&mut self, step: &mut Step) {
        self.store.drop_tail(&mut step.effects);
        self.status.drop_handles();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.status.is_closed()
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.status.is_aborted()
    }

    pub(super) fn stats(&self, now: SystemTime) -> TopicStats {
        TopicStats {
            retained: self.store.log().len(),
            bytes: self.store.log().bytes(),
            scheduled: self.store.scheduled(),
            next_due: self.store.next_due().after(now),
            ..self.status.counters
        }
    }

    /// Wakes streams that must act on the last step; returns what waiting streams compare: see
    /// [`Listeners::signal`].
    pub(super) fn settle(&mut self, step: &mut Step) -> u64 {
        let agenda = self.agenda();
        self.listeners.announce(agenda, step);
        self.listeners.keep_time(agenda, step);
        step.effects.batch = self.listeners.next_batch();
        if self.listeners.has_drivers() {
            let next = self.next_change();
            self.listeners.wake_drivers(next, step);
        }
        self.listeners.signal(agenda)
    }

    /// Whether streams may wait for messages.
    pub(super) fn has_waiting(&self) -> bool {
        self.listeners.has_waiting()
    }

    /// Puts wakers back. Returns the next to wake, if only the caller can, and the signal then.
    pub(super) fn give_back(&mut self, batch: &mut Batch) -> Option<(Option<Batch>, u64)> {
        if !self.listeners.give_back(batch) {
            return None;
        }
        let next = self.listeners.next_batch();
        Some((next, self.listeners.signal(self.agenda())))
    }

    /// The signal with nothing to do besides reading.
    #[inline]
    pub(super) fn quiet_signal(&self) -> u64 {
        self.listeners.quiet_signal()
    }

    /// A driver polls: when it must poll again, or `None` if the topic is over and all have been
    /// woken.
    pub(super) fn drive(
        &mut self,
        id: &mut Option<u64>,
        waker: Waker,
        step: &mut Step,
    ) -> Option<Deadline> {
        // The end may have come with this step.
        self.listeners.announce(self.agenda(), step);
        if self.is_over() && !self.listeners.has_pending() {
            step.effects.drop_waker(Some(waker));
            return None;
        }
        let next = self.next_change();
        *id = Some(self.listeners.drive(*id, waker, next, step));
        Some(next)
    }

    pub(super) fn remove_driver(&mut self, id: u64, step: &mut Step) {
        self.listeners.remove_driver(id, step);
    }

    /// When anything changes next as time passes.
    fn next_change(&self) -> Deadline {
        if self.is_closed() {
            // What is scheduled never enters.
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

    /// Whether nothing will enter the log any more.
    fn is_over(&self) -> bool {
        let is_open = !self.status.is_closed()
            && (self.status.has_handles() || self.store.next_due() != Deadline::Never);
        !is_open
    }
}
