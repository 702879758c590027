//! One stream's position in a topic's log.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;

use super::cursor::{Ask, Cursor, Polled, Taken};
use super::effects::Step;
use super::filter::Filter;
use super::gap_event::GapEvent;
use super::handle::Topic;
use super::listeners::is_woken_between;
use super::resume::{GapCause, Lag, Resumption, Start};
use super::shared::Shared;
use crate::event::EventError;
use crate::message::LastEventId;
use crate::source::{Limit, Pull, Source, TooManyStreams};

/// One stream's position in a topic's log: the [`Source`] of a topic's streams.
///
/// Nothing is queued for it. Dropping it leaves the topic at once. Made by
/// [`Topic::stream`](crate::Topic::stream) and returned by
/// [`EventStream::into_source`](crate::EventStream::into_source).
///
/// # Examples
///
/// ```
/// use sse_queue::topic::{Start, TopicSubscription};
/// use sse_queue::{EventStream, FakeClock, FakeTicker, Topic};
///
/// struct Connection {
///     events: EventStream<TopicSubscription, FakeTicker>,
/// }
///
/// let topic = Topic::new();
/// let events = topic.stream(Start::Now, FakeClock::new().ticker())?;
/// let connection = Connection { events };
/// let subscription = connection.events.into_source();
/// assert_eq!(topic.stats().streams, 1);
/// drop(subscription);
/// assert_eq!(topic.stats().streams, 0);
/// # Ok::<(), sse_queue::stream::TooManyStreams>(())
/// ```
#[must_use = "dropping a subscription leaves the topic"]
pub struct TopicSubscription {
    shared: Arc<Shared>,
    cursor: Cursor,
    /// The waker of the task that polled last, if it registered; its slot in the topic holds the
    /// same.
    waker: Option<Waker>,
    /// The [signal](Shared::signal) when this stream began to wait.
    seen_signal: u64,
    /// It has taken a chunk. Before that, the stream itself knows when its last byte went out.
    has_read: bool,
    resumption: Resumption,
    notice: Notice,
    lag: Lag,
    gap_event: GapEvent,
    /// What most streams do not have once they have been polled.
    rare: Option<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    /// Where it began, until it is polled, if that depends on its filter.
    start: Option<Start>,
    /// Keeps the filter of its cursor.
    filter: Option<Filter>,
}

/// What must be sent before the next message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Notice {
    None,
    /// The gap with which the stream began, unless it went out with the opening.
    Gap,
    /// It fell behind, and ends because of that.
    LagEnd,
}

impl Notice {
    fn of(resumption: Resumption) -> Self {
        match resumption {
            Resumption::Gap { .. } => Self::Gap,
            _ => Self::None,
        }
    }
}

/// Whether the position where a stream begins, or how it resumes, depends on its filter.
fn depends_on_filter(start: &Start) -> bool {
    match start {
        Start::Now | Start::Oldest => false,
        Start::Last(count) => *count > 0,
        Start::After(id) => id.as_str() != Some(""),
    }
}

/// A signal that never occurs.
const NEVER: u64 = u64::MAX;

impl Topic {
    /// Joins the topic.
    pub(crate) fn subscribe(&self, start: &Start) -> Result<TopicSubscription, TooManyStreams> {
        TopicSubscription::new(self.shared(), start)
    }
}

impl TopicSubscription {
    fn new(shared: &Arc<Shared>, start: &Start) -> Result<Self, TooManyStreams> {
        let (cursor, resumption) = shared.with(|state, step| state.subscribe(start, step))?;
        if let Some(member) = shared.member() {
            member.stream_opened();
        }
        let mut this = Self {
            shared: Arc::clone(shared),
            cursor,
            waker: None,
            seen_signal: NEVER,
            has_read: false,
            resumption,
            notice: Notice::of(resumption),
            lag: Lag::Skip,
            gap_event: GapEvent::Default,
            rare: None,
        };
        if depends_on_filter(start) {
            this.rare.get_or_insert_default().start = Some(start.clone());
        }
        this.walk_back();
        Ok(this)
    }

    /// Where it began, if it has not been polled and that depends on its filter.
    fn start(&self) -> Option<&Start> {
        self.rare.as_ref()?.start.as_ref()
    }

    /// It has been polled: its start does not count any more.
    #[inline]
    fn forget_start(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.start = None;
            if rare.filter.is_none() {
                self.rare = None;
            }
        }
    }

    /// Moves back from the end of the log, to the start that is a number of messages before it.
    fn walk_back(&mut self) {
        let Some(&Start::Last(mut count)) = self.start() else {
            return;
        };
        let (shared, cursor) = (&self.shared, &mut self.cursor);
        while shared.with_lazy_clock(|state, _| state.walk_back(cursor, &mut count)) {}
    }

    pub(crate) fn resumption(&self) -> Resumption {
        self.resumption
    }

    /// The position before the message that it reads next.
    pub(crate) fn position(&self) -> LastEventId {
        self.shared.position(|_| self.cursor.position)
    }

    pub(crate) fn lag(mut self, lag: Lag) -> Self {
        self.lag = lag;
        self
    }

    pub(crate) fn gap_event(mut self, name: Option<&str>) -> Result<Self, EventError> {
        self.gap_event = GapEvent::named(name)?;
        Ok(self)
    }

    /// Gets only what this filter wants.
    ///
    /// # Panics
    ///
    /// If the filter belongs to another topic.
    pub(crate) fn only(mut self, filter: &Filter) -> Self {
        assert!(
            filter.is_of(&self.shared),
            "the filter belongs to another topic"
        );
        let cursor = &mut self.cursor;
        let resumption = &mut self.resumption;
        let start = self.rare.as_ref().and_then(|rare| rare.start.as_ref());
        self.shared.with_lazy_clock(|state, _| {
            state.attach(cursor, filter.id());
            if let Some(start) = start {
                *resumption = state.restart(cursor, start, *resumption);
            }
        });
        self.walk_back();
        if self.start().is_some() && self.notice != Notice::LagEnd {
            self.notice = Notice::of(self.resumption);
        }
        self.seen_signal = NEVER;
        self.rare.get_or_insert_default().filter = Some(filter.clone());
        self
    }

    /// Whether the stream's slot holds this waker.
    fn keeps(&self, waker: &Waker) -> bool {
        self.waker.as_ref().is_some_and(|own| own.will_wake(waker))
    }

    /// Runs `work` with the waker of the stream's task in its slot. If `work` returns `None`, it
    /// needs a clone of the waker, and runs again.
    fn with_waker<R>(
        &mut self,
        waker: &Waker,
        mut work: impl FnMut(&mut Self, &mut Option<Waker>) -> Option<R>,
    ) -> R {
        let mut fresh = None;
        if !self.keeps(waker) {
            self.waker = None;
            fresh = Some(waker.clone());
        }
        let result = loop {
            if let Some(result) = work(self, &mut fresh) {
                break result;
            }
            // It is being woken at this moment, by another thread.
            fresh = Some(waker.clone());
        };
        if self.waker.is_none() {
            self.waker = Some(waker.clone());
        }
        result
    }

    /// How long ago the last chunk that this stream took was published.
    fn idle(&self) -> Duration {
        let since = self
            .shared
            .now()
            .duration_since(self.cursor.chunk_entered_at);
        since.unwrap_or_default()
    }

    /// Takes the newest chunk, if another stream has read it before, and registers for the next.
    #[inline]
    fn take_cached(&mut self, limit: Limit) -> Option<Bytes> {
        let mut state = self.shared.lock();
        let mut now = None;
        if state.needs_time_for_cached() {
            drop(state);
            let time = self.shared.now();
            state = self.shared.lock();
            now = Some(state.advance_time(Some(time)));
        }
        let chunk = state.take_cached(&mut self.cursor, limit, now)?;
        self.has_read = true;
        self.seen_signal = state.quiet_signal();
        if self.shared.signal() != self.seen_signal {
            let step = Step::new(state.advance_time(now));
            self.shared.finish(state, step);
        }
        Some(chunk)
    }

    /// Like [`take_cached`](Self::take_cached), for a stream with a filter.
    #[cold]
    fn take_newest(&mut self, limit: Limit) -> Option<Bytes> {
        let mut state = self.shared.lock();
        let chunk = state.take_newest(&mut self.cursor, limit)?;
        self.has_read = true;
        self.seen_signal = state.quiet_signal();
        if self.shared.signal() != self.seen_signal {
            let step = Step::new(state.advance_time(None));
            self.shared.finish(state, step);
        }
        Some(chunk)
    }

    /// Takes what is there, and registers the waker if that was nothing or everything.
    fn take(&mut self, cx: &Context<'_>, pull: &mut Pull) -> Taken {
        self.forget_start();
        let ask = Ask {
            limit: pull.limit(),
            is_batch: pull.is_batch(),
            registers: pull.registers(),
        };
        if !ask.registers {
            self.waker = None;
            return self.take_with(ask, &mut None, pull);
        }
        self.with_waker(cx.waker(), |this, fresh| {
            let taken = this.take_with(ask, fresh, pull);
            (!matches!(taken, Taken::NeedsWaker)).then_some(taken)
        })
    }

    fn take_with(&mut self, ask: Ask, fresh: &mut Option<Waker>, pull: &mut Pull) -> Taken {
        let cursor = &mut self.cursor;
        let Polled {
            taken,
            seen_signal,
            wake_at,
        } = self.shared.with_lazy_clock(|state, step| {
            let polled = state.poll_chunk(cursor, ask, fresh, step);
            if let Some(wake_at) = polled.wake_at {
                pull.wake_at(wake_at, step.now);
            }
            polled
        });
        self.seen_signal = seen_signal.unwrap_or(NEVER);
        debug_assert!(
            wake_at.is_none() || self.seen_signal == NEVER,
            "it comes to the lock"
        );
        taken
    }

    /// The event that reports the gap with which the stream began, once. It goes out even if the
    /// topic was aborted: an id in a greeting would otherwise make the gap silent.
    fn take_first_gap(&mut self) -> Option<Bytes> {
        if self.notice != Notice::Gap {
            return None;
        }
        self.notice = Notice::None;
        match self.resumption {
            Resumption::Gap { missed, cause } => self.gap_event.frame(missed, cause),
            _ => None,
        }
    }
}

impl Source for TopicSubscription {
    fn opening(mut self: Pin<&mut Self>) -> Option<Bytes> {
        self.forget_start();
        self.take_first_gap()
    }

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>, pull: &mut Pull) -> Poll<()> {
        let this = &mut *self;
        // Nothing was published since it registered this waker.
        let is_placed = pull.registers() && this.keeps(cx.waker());
        if is_placed && this.seen_signal == this.shared.signal() {
            return Poll::Pending;
        }
        this.seen_signal = NEVER;
        let has_notice = this.notice != Notice::None;
        let is_due = if pull.registers() {
            this.with_waker(cx.waker(), |this, fresh| {
                this.shared.with_lazy_clock(|state, step| {
                    let polled = state.poll_ready(&mut this.cursor, has_notice, fresh, step);
                    if state.is_closed() {
                        pull.closing();
                    }
                    polled.map(|(is_due, wake_at)| {
                        if let Some(wake_at) = wake_at {
                            pull.wake_at(wake_at, step.now);
                        }
                        is_due
                    })
                })
            })
        } else {
            this.waker = None;
            this.shared.with_lazy_clock(|state, step| {
                if state.is_closed() {
                    pull.closing();
                }
                state.forget(&this.cursor, step);
                has_notice || state.is_due(&this.cursor)
            })
        };
        if is_due {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn poll_chunk(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pull: &mut Pull,
    ) -> Poll<Option<Bytes>> {
        if pull.is_leaving() {
            return Poll::Pending;
        }
        let this = &mut *self;
        if pull.asks_idle() {
            pull.idle_for(this.idle());
        }
        // 1. A stream that waits has nothing to do as long as nobody has woken it.
        let signal = this.shared.signal();
        let is_placed = pull.registers() && this.keeps(cx.waker());
        if is_placed && this.seen_signal == signal {
            return Poll::Pending;
        }
        let since = core::mem::replace(&mut this.seen_signal, NEVER);
        if this.has_read && since != NEVER && is_woken_between(since, signal) {
            pull.dated();
        }
        // 2. Mostly it has kept up, and shares the chunk of the stream before.
        if is_placed
            && this.notice == Notice::None
            && let Some(chunk) = if this.cursor.filter.is_none() {
                this.take_cached(pull.limit())
            } else {
                this.take_newest(pull.limit())
            }
        {
            return Poll::Ready(Some(chunk));
        }
        // 3. Otherwise it reads from the log.
        loop {
            match this.notice {
                Notice::LagEnd => return Poll::Ready(None),
                Notice::Gap => {
                    if let Some(frame) = this.take_first_gap() {
                        return Poll::Ready(Some(frame));
                    }
                }
                Notice::None => {}
            }
            match this.take(cx, pull) {
                Taken::Chunk(chunk) => {
                    this.has_read = true;
                    if this.cursor.is_in_burst() {
                        pull.more_follows();
                    }
                    return Poll::Ready(Some(chunk));
                }
                Taken::Lagged(_) if this.lag == Lag::End => this.notice = Notice::LagEnd,
                Taken::Lagged(missed) => {
                    if let Some(frame) = this.gap_event.frame(missed, GapCause::Evicted) {
                        return Poll::Ready(Some(frame));
                    }
                }
                Taken::Again | Taken::NeedsWaker => {}
                Taken::Nothing => return Poll::Pending,
                Taken::End => return Poll::Ready(None),
            }
        }
    }

    fn park(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = &mut *self;
        this.seen_signal = NEVER;
        this.with_waker(cx.waker(), |this, fresh| {
            this.shared.with_lazy_clock(|state, step| {
                let is_placed = state.park(&this.cursor, fresh, step);
                is_placed.then_some(())
            })
        });
    }
}

impl Drop for TopicSubscription {
    fn drop(&mut self) {
        let cursor = &self.cursor;
        self.shared
            .with_lazy_clock(|state, step| state.unsubscribe(cursor, step));
        if let Some(member) = self.shared.member() {
            member.stream_closed();
        }
    }
}

impl fmt::Debug for TopicSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicSubscription")
            .field("resumption", &self.resumption)
            .field("lag", &self.lag)
            .finish_non_exhaustive()
    }
}
