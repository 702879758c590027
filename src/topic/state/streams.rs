//! The streams of a topic, from opening to closing, and what each poll does.
//!
//! ```text
//! stream    its cursor                     registered for         its next poll
//! reading   is before the end of the log   nothing                reads a chunk
//! early     took the last chunk just now   the next message       reads only if woken
//! waiting   is at the end of the log       the next message       reads only if woken
//! parked    is where it was: it must not   the end of the topic   reads once it may
//!           read yet, as it is paced
//! ended     is anywhere                    nothing                returns the end
//! ```
//!
//! A stream ends if the topic is aborted, or if it is at the end of a log that no message will
//! enter.

use core::task::Waker;
use std::time::SystemTime;

use bytes::Bytes;

use crate::source::{Limit, TooManyStreams};
use crate::time::Deadline;
use crate::topic::cursor::{Ask, Cursor, Polled, Taken};
use crate::topic::effects::Step;
use crate::topic::resume::{Resumption, Start};
use crate::topic::state::State;
use crate::topic::status::count;

impl State {
    /// Opens a stream.
    pub(crate) fn subscribe(
        &mut self,
        start: &Start,
        step: &mut Step,
    ) -> Result<(Cursor, Resumption), TooManyStreams> {
        let limit = self.store.max_streams();
        if self.status.counters.streams >= limit {
            return Err(TooManyStreams { limit });
        }
        let (position, resumption) = self.position(start, None);
        let counters = &mut self.status.counters;
        if let Resumption::Gap { .. } = resumption {
            count(&mut counters.gaps, 1);
        }
        counters.streams = counters.streams.saturating_add(1);
        self.presence.opened(step);
        let cursor = Cursor::new(self.listeners.open(), position, self.latest);
        Ok((cursor, resumption))
    }

    /// Closes a stream.
    pub(crate) fn unsubscribe(&mut self, cursor: &Cursor, step: &mut Step) {
        if let Some(filtered) = &cursor.filter {
            self.listeners
                .filters_mut()
                .detach(filtered.id, cursor.slot);
        }
        self.listeners.close(cursor.slot, step);
        let streams = &mut self.status.counters.streams;
        *streams = streams.saturating_sub(1);
        if *streams == 0 {
            self.presence.vacated(step);
        }
    }

    /// Reads the chunk at the cursor. If there is nothing to read, the stream waits; if there is
    /// nothing more, it registers early.
    pub(crate) fn poll_chunk(
        &mut self,
        cursor: &mut Cursor,
        ask: Ask,
        fresh: &mut Option<Waker>,
        step: &mut Step,
    ) -> Polled {
        let mut polled = Polled {
            taken: Taken::NeedsWaker,
            seen_signal: None,
            wake_at: None,
        };
        if ask.registers && !self.listeners.ensure_waker(cursor.slot, fresh, step) {
            return polled;
        }
        polled.taken = self.read(cursor, ask);
        if !ask.registers {
            self.listeners.remove_waker(cursor.slot, step);
            return polled;
        }
        match polled.taken {
            Taken::Nothing => {
                let agenda = self.agenda();
                polled.wake_at = self.listeners.register(cursor.slot, agenda, step.now);
                // A timekeeper must take the lock, to apply what has fallen due.
                let has_no_role = polled.wake_at.is_none();
                polled.seen_signal = has_no_role.then(|| self.quiet_signal());
            }
            Taken::Chunk(_) if !self.is_due_after_read(cursor) => {
                self.listeners.release(cursor.slot);
                self.listeners.register_early(cursor.slot);
                polled.seen_signal = Some(self.quiet_signal());
            }
            _ => self.listeners.pause(cursor.slot),
        }
        cursor.may_be_armed = polled.wake_at.is_some();
        polled
    }

    /// Reads the chunk at the cursor.
    fn read(&mut self, cursor: &mut Cursor, ask: Ask) -> Taken {
        if self.status.is_aborted() {
            return Taken::End;
        }
        if let Some(filtered) = cursor.filter.as_deref().copied() {
            return self.read_wanted(cursor, filtered, ask);
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
        let from = cursor.position;
        let limit = cursor.next_limit(next, ask);
        let Some(read) = self.store.read(&mut cursor.position, limit) else {
            return Taken::Again;
        };
        count(&mut self.status.counters.delivered, read.messages);
        cursor.chunk_entered_at = self.store.newest_at();
        if !self.is_over() {
            self.store.cache_chunk(from, cursor.position, &read);
        }
        Taken::Chunk(read.chunk)
    }

    /// Whether [`take_cached`](Self::take_cached) needs the time, because a message of the cached chunk
    /// can expire, or one may have fallen due and there is no timekeeper.
    #[inline]
    pub(crate) fn needs_time_for_cached(&self) -> bool {
        let cached = self.store.cached();
        let has_timekeeper = || self.listeners.has_timekeeper(self.store.next_due());
        cached.is_some_and(|cached| cached.expires != Deadline::Never || !has_timekeeper())
    }

    /// Fast path for a stream that keeps up, which is most polls: takes the chunk that a previous
    /// reader cached, and registers early.
    ///
    /// `now` is required if [`needs_time_for_cached`](Self::needs_time_for_cached). `None`, and nothing is done,
    /// if the slot has no waker, or if the stream is a timekeeper, which must arm again or give up
    /// its role.
    #[inline]
    pub(crate) fn take_cached(
        &mut self,
        cursor: &mut Cursor,
        limit: Limit,
        now: Option<SystemTime>,
    ) -> Option<Bytes> {
        let cached = self.store.cached()?;
        let is_up_to_date = cursor.position == cached.from && !cursor.is_in_burst();
        let messages = u64::try_from(limit.messages).unwrap_or(u64::MAX);
        let fits = cached.chunk.len() <= limit.bytes && cached.messages <= messages;
        let is_valid = now.is_none_or(|now| {
            let valid_until = cached.expires.min(self.store.next_due());
            !valid_until.has_come(now)
        });
        let has_role = cursor.may_be_armed && self.listeners.has_role(cursor.slot);
        if !(is_up_to_date
            && !has_role
            && fits
            && is_valid
            && self.listeners.register_early(cursor.slot))
        {
            return None;
        }
        cursor.advance(cached.messages);
        cursor.chunk_entered_at = self.store.newest_at();
        count(&mut self.status.counters.delivered, cached.messages);
        Some(cached.chunk.clone())
    }

    /// Whether a stream has something to take, including its end, and when it must poll. The stream
    /// parks if it has, and waits if not. `None` if the slot has no waker.
    pub(crate) fn poll_ready(
        &mut self,
        cursor: &mut Cursor,
        has_notice: bool,
        fresh: &mut Option<Waker>,
        step: &mut Step,
    ) -> Option<(bool, Option<SystemTime>)> {
        if !self.listeners.ensure_waker(cursor.slot, fresh, step) {
            return None;
        }
        if has_notice || self.is_due(cursor) {
            self.listeners.park(cursor.slot);
            return Some((true, None));
        }
        let agenda = self.agenda();
        let wake_at = self.listeners.register(cursor.slot, agenda, step.now);
        cursor.may_be_armed = wake_at.is_some();
        Some((false, wake_at))
    }

    /// Whether a stream has something to take, including its end.
    pub(crate) fn is_due(&self, cursor: &Cursor) -> bool {
        let has_more = cursor.position < self.store.log().next();
        let has_news = has_more && (cursor.filter.is_none() || self.has_wanted(cursor));
        self.status.is_aborted() || self.is_over() || has_news
    }

    /// Parks a stream until the end. False if the slot has no waker.
    pub(crate) fn park(
        &mut self,
        cursor: &Cursor,
        fresh: &mut Option<Waker>,
        step: &mut Step,
    ) -> bool {
        let has_waker = self.listeners.ensure_waker(cursor.slot, fresh, step);
        if has_waker {
            self.listeners.park(cursor.slot);
        }
        has_waker
    }

    /// Deregisters a stream that is polled without a task, and drops its waker.
    pub(crate) fn forget(&mut self, cursor: &Cursor, step: &mut Step) {
        self.listeners.remove_waker(cursor.slot, step);
    }
}
