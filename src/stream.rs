//! One connection's body.

mod alarm;
mod connect;
mod idle;
mod moment;
mod pacing;
mod recheck;
mod settings;

use core::convert::Infallible;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use crate::event::Event;
use crate::source::events::Events;
use crate::source::{Pull, Source};
use crate::time::Ticker;

pub use settings::{KeepAlive, KeepAliveError};

use alarm::Alarm;
use idle::Idle;
use moment::Moment;
use pacing::{Gate, Pace, Pacing};
use recheck::Recheck;
use settings::Settings;

pin_project! {
    /// One connection's body: whole frames from a [`Source`], paced by a [`Ticker`].
    ///
    /// Made by [`Queue::stream`](crate::Queue::stream), [`new`](Self::new) or
    /// [`from_events`](Self::from_events), then set up by the methods that consume it. Settings
    /// count from the first poll on.
    ///
    /// As a [`Stream`] it yields chunks of whole frames, never part of one, and ends with `None`,
    /// for good, when its source does. Dropping it leaves the source at once: that is how the
    /// source learns that a client has gone.
    ///
    /// # Pacing
    ///
    /// By default all that is due goes at once, joined into chunks. [`spaced`](Self::spaced) puts a
    /// gap between two bursts, [`every`](Self::every) delivers on a grid. When the source closes,
    /// what is left goes without pacing.
    ///
    /// # Keep-alive
    ///
    /// After 15 s without a byte a comment line goes out, or up to a tenth sooner; see
    /// [`keep_alive`](Self::keep_alive). Apart from that an idle stream is not woken, unless it is
    /// one that its source has asked to wait for a deadline. Such a stream polls its source at
    /// least every 30 s, so that a jump of the wall clock is noticed.
    ///
    /// For speed, an immediate stream of a topic does not read its ticker for each chunk; the topic
    /// tells when the last chunk arrived. If the stream is polled late, the next keep-alive may come
    /// early by that delay; a jump of the topic's clock shifts it by less than one period.
    ///
    /// # Cancel safety
    ///
    /// A chunk is taken from its source in the poll that yields it, so nothing is lost when a future
    /// around the stream is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let mut stream = queue
    ///     .stream(clock.ticker())?
    ///     .every(Duration::from_secs(1))
    ///     .retry(Duration::from_secs(3));
    ///
    /// queue.push("a")?;
    /// queue.push("b")?;
    /// assert_eq!(stream.next_ready().unwrap(), "retry: 3000\n");
    /// assert_eq!(stream.next_ready(), None);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\n");
    /// assert_eq!(stream.next_ready(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "streams do nothing unless polled"]
    pub struct EventStream<S, T> {
        #[pin]
        source: S,
        #[pin]
        ticker: T,
        settings: Settings,
        pace: Pace,
        phase: Phase,
        alarm: Alarm,
        idle: Idle,
        recheck: Recheck,
        // When the stream ends by itself.
        ends_at: Moment,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    Open,
    /// Its age is reached, and only the `retry` line is left to send.
    Leaving,
    Ended,
}

/// Who polls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// A task that is woken when there is more.
    Task,
    /// A caller that polls by itself: no waker stays anywhere.
    Hand,
}

impl<S: Source, T: Ticker> EventStream<S, T> {
    /// A stream from any [`Source`].
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{EventStream, FakeClock, Queue};
    ///
    /// let queue = Queue::new();
    /// let mut stream = EventStream::new(queue.subscribe()?, FakeClock::new().ticker());
    /// assert_eq!(stream.next_ready().unwrap(), ":\n");
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    pub fn new(source: S, ticker: T) -> Self {
        Self {
            source,
            ticker,
            pace: Pace::new(Pacing::Immediate),
            settings: Settings::default(),
            phase: Phase::New,
            alarm: Alarm::new(),
            idle: Idle::new(KeepAlive::default().period),
            recheck: Recheck::new(),
            ends_at: Moment::NEVER,
        }
    }

    /// The source that the stream takes from.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{EventStream, FakeClock, Source, Queue};
    ///
    /// let queue = Queue::new();
    /// let stream = EventStream::new(queue.subscribe()?, FakeClock::new().ticker());
    /// assert_eq!(stream.source().max_messages(), 16);
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    #[must_use]
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Ends the stream and gives its source back.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{Event, EventStream, FakeClock};
    ///
    /// let events = futures_util::stream::iter(["a", "b"].map(Event::new));
    /// let stream = EventStream::from_events(events, FakeClock::new().ticker());
    /// let (events, taken) = stream.into_source().into_parts();
    /// assert_eq!((events.count_rest(), taken), (2, None));
    /// # trait CountRest { fn count_rest(self) -> usize; }
    /// # impl<I: Iterator> CountRest for futures_util::stream::Iter<I> {
    /// #     fn count_rest(self) -> usize { self.into_inner().count() }
    /// # }
    /// ```
    #[must_use]
    pub fn into_source(self) -> S {
        self.source
    }

    /// Takes what is ready now, without an executor: `None` if nothing is, or the stream
    /// [has ended](Self::is_terminated).
    ///
    /// It takes nobody's wake-up: no waker stays in the source, which counts on no later poll of
    /// this stream. A task that waits for the stream must poll it again after this call.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let queue = Queue::builder().epoch("e")?.build();
    /// let mut stream = queue.stream(FakeClock::new().ticker())?;
    /// assert_eq!(stream.next_ready().unwrap(), ":\n", "the first bytes");
    /// assert_eq!(stream.next_ready(), None);
    /// queue.push("a")?;
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_ready(&mut self) -> Option<Bytes>
    where
        Self: Unpin,
    {
        Pin::new(self).next_ready_pinned()
    }

    /// Takes what is ready now, as [`next_ready`](Self::next_ready) does, from a pinned stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let mut stream = Box::pin(Queue::new().stream(FakeClock::new().ticker())?);
    /// assert_eq!(stream.as_mut().next_ready_pinned().unwrap(), ":\n");
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    #[must_use = "a chunk that is dropped is lost"]
    pub fn next_ready_pinned(self: Pin<&mut Self>) -> Option<Bytes> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.poll_by(&mut cx, By::Hand) {
            Poll::Ready(chunk) => chunk,
            Poll::Pending => None,
        }
    }

    /// Whether the stream has ended: it yields `None` from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let queue = Queue::new();
    /// let mut stream = queue.stream(FakeClock::new().ticker())?.first_bytes(false);
    /// assert!(!stream.is_terminated());
    /// queue.close();
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// The same stream with `Result<Bytes, Infallible>` as items, which is what web frameworks take.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::task::{Context, Poll, Waker};
    /// use futures_core::Stream;
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let queue = Queue::new();
    /// let mut body = queue.stream(FakeClock::new().ticker())?.into_try_stream();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(Pin::new(&mut body).poll_next(&mut cx), Poll::Ready(Some(Ok(":\n".into()))));
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    pub fn into_try_stream(self) -> TryEventStream<S, T> {
        TryEventStream { stream: self }
    }
}

impl<St: Stream<Item = Event>, T: Ticker> EventStream<Events<St>, T> {
    /// A stream from any stream of events, a broker's client for example.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{Event, EventStream, FakeClock};
    ///
    /// let events = futures_util::stream::iter(["a", "b"].map(Event::new));
    /// let mut stream = EventStream::from_events(events, FakeClock::new().ticker());
    /// assert_eq!(stream.next_ready().unwrap(), ":\n");
    /// assert_eq!(stream.next_ready().unwrap(), "data: a\n\ndata: b\n\n");
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// ```
    pub fn from_events(events: St, ticker: T) -> Self {
        Self::new(Events::new(events), ticker)
    }
}

/// Yields chunks of whole frames.
///
/// `None` is final. It comes when the source has ended, after the
/// [farewell](EventStream::farewell) if there is one, or when the stream's
/// [age](EventStream::max_age) is reached, after a `retry` line and without a farewell.
///
/// Web frameworks want `Result` items: see [`into_try_stream`](EventStream::into_try_stream).
impl<S: Source, T: Ticker> Stream for EventStream<S, T> {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.poll_by(cx, By::Task)
    }
}

impl<S: Source, T: Ticker> FusedStream for EventStream<S, T> {
    fn is_terminated(&self) -> bool {
        self.phase == Phase::Ended
    }
}

/// The ticker's time, read when it is first needed: to read it for each chunk would cost an
/// immediate stream as much as the chunk.
#[derive(Clone, Copy, Default)]
struct Now(Option<Moment>);

impl Now {
    fn read(&mut self, ticker: &impl Ticker) -> Moment {
        *self.0.get_or_insert_with(|| Moment::new(ticker.now()))
    }
}

/// The outcome of a poll of the source.
enum Polled {
    Chunk(Bytes),
    End,
    /// Nothing may go or is due; poll again at that time, or when woken.
    Pending(Moment),
}

impl<S: Source, T: Ticker> EventStream<S, T> {
    fn poll_by(mut self: Pin<&mut Self>, cx: &mut Context<'_>, by: By) -> Poll<Option<Bytes>> {
        let mut now = Now::default();
        match self.phase {
            Phase::Open => {}
            Phase::New => {
                if let Some(bytes) = self.as_mut().open(&mut now) {
                    return Poll::Ready(Some(bytes));
                }
            }
            Phase::Leaving => return self.end_by_age(),
            Phase::Ended => return Poll::Ready(None),
        }
        loop {
            // 1. What is due goes out, unless the stream is too old.
            if self.ends_at != Moment::NEVER && self.ends_at <= now.read(&self.ticker) {
                return self.age_out();
            }
            let wake_at = match self.as_mut().poll_source(cx, by, &mut now) {
                Polled::Chunk(chunk) => return Poll::Ready(Some(chunk)),
                Polled::End => return self.end(),
                Polled::Pending(wake_at) => wake_at.min(self.ends_at),
            };
            // 2. Unless a tick that is armed comes before anything else is due, a keep-alive goes
            //    out, or the ticker is armed. Otherwise the time need not be read.
            if by == By::Hand || !self.is_covered(wake_at, now) {
                let time = now.read(&self.ticker);
                let keep_alive_at = self.as_mut().project().idle.due(time);
                if keep_alive_at <= time {
                    return self.keep_alive_now(cx, by, time);
                }
                let this = self.as_mut().project();
                this.alarm
                    .set(this.ticker, wake_at.min(keep_alive_at), time);
            }
            // 3. When the tick comes, all that starts again.
            if self.as_mut().poll_tick(cx, by, now).is_pending() {
                return Poll::Pending;
            }
            now = Now::default();
        }
    }

    /// Begins with the first poll.
    fn open(self: Pin<&mut Self>, now: &mut Now) -> Option<Bytes> {
        let this = self.project();
        let now = now.read(&*this.ticker);
        *this.phase = Phase::Open;
        this.pace.open(now);
        this.idle.restart(now, this.settings.seed());
        if let Some(age) = this.settings.age() {
            *this.ends_at = now.plus(age);
        }
        this.settings.opening()
    }

    fn poll_source(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        by: By,
        now: &mut Now,
    ) -> Polled {
        let this = self.as_mut().project();
        let usual = this.source.max_messages();
        let limit = this.settings.limit(this.pace.is_ticked(), usual);
        let mut pull = Pull::new(limit);
        if this.pace.is_ticked() {
            pull = pull.batched();
        }
        if by == By::Hand {
            pull = pull.by_hand();
        }
        if this.idle.is_deferred() && !this.alarm.is_armed() {
            pull = pull.asking_idle();
        }
        if !this.pace.is_immediate()
            && let Some(wake_at) = self.as_mut().wait_for_slot(cx, &pull, now)
        {
            return Polled::Pending(wake_at);
        }
        let mut this = self.project();
        match this.source.as_mut().poll_chunk(cx, &mut pull) {
            Poll::Ready(None) => Polled::End,
            Poll::Ready(Some(chunk)) => {
                this.recheck.reset();
                if !this.pace.is_immediate() {
                    this.pace.sent(now.read(&*this.ticker), pull.has_more());
                }
                this.idle.sent(now.0, pull.is_dated());
                Polled::Chunk(chunk)
            }
            Poll::Pending => {
                let now = || now.read(&*this.ticker);
                Polled::Pending(rest(&pull, this.pace, this.idle, this.recheck, now))
            }
        }
    }

    /// When to come back, if the pacing or the source allows no chunk now.
    #[inline(never)]
    fn wait_for_slot(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pull: &Pull,
        now: &mut Now,
    ) -> Option<Moment> {
        let this = self.project();
        if this.pace.gate(|| now.read(&*this.ticker)) == Gate::Open {
            return None;
        }
        // Asked at each poll, even for what is reserved: this may be another task.
        let mut ask = pull.clone().returning_within(this.pace.period());
        if this.pace.is_spaced() {
            ask = ask.yielding();
        }
        let is_pending = this.source.poll_ready(cx, &mut ask).is_pending();
        let mut now = || now.read(&*this.ticker);
        if is_pending {
            return Some(rest(&ask, this.pace, this.idle, this.recheck, now));
        }
        if ask.is_closing() {
            return None;
        }
        this.recheck.reset();
        let time = now();
        Some(this.pace.next_slot(time)).filter(|slot| *slot > time)
    }

    /// Whether the tick that is armed comes before anything else is due, as far as is known
    /// without reading the ticker.
    fn is_covered(&self, wake_at: Moment, now: Now) -> bool {
        if now.0.is_some_and(|now| self.alarm.is_past(now)) {
            return false;
        }
        let earliest = self.idle.earliest();
        earliest.is_some_and(|keep_alive| self.alarm.covers(keep_alive.min(wake_at)))
    }

    /// Sends a keep-alive.
    fn keep_alive_now(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        by: By,
        now: Moment,
    ) -> Poll<Option<Bytes>> {
        let this = self.project();
        if by == By::Task {
            // A slow client polls again much later; until then nothing is kept for this stream.
            this.source.park(cx);
        }
        this.idle.restart(now, this.settings.seed());
        Poll::Ready(Some(this.settings.keep_alive_frame()))
    }

    fn poll_tick(self: Pin<&mut Self>, cx: &mut Context<'_>, by: By, mut now: Now) -> Poll<()> {
        let this = self.project();
        if by == By::Task {
            return this.alarm.poll(this.ticker, cx);
        }
        if this.alarm.has_come(now.read(&*this.ticker)) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn end(self: Pin<&mut Self>) -> Poll<Option<Bytes>> {
        let this = self.project();
        *this.phase = Phase::Ended;
        this.alarm.disarm(this.ticker);
        Poll::Ready(this.settings.take_farewell())
    }

    /// Ends at [`max_age`](Self::max_age): sends what the source has taken from elsewhere and would
    /// lose, then a `retry`, and leaves due messages to other consumers.
    fn age_out(mut self: Pin<&mut Self>) -> Poll<Option<Bytes>> {
        let this = self.as_mut().project();
        let mut source = this.source;
        let mut cx = Context::from_waker(Waker::noop());
        let limit = this.settings.limit(this.pace.is_ticked(), usize::MAX);
        let mut pull = Pull::new(limit).by_hand().leaving();
        let left = source.as_mut().poll_chunk(&mut cx, &mut pull);
        // Whatever the source makes of that, it keeps nothing for a stream that is over.
        source.park(&mut cx);
        if let Poll::Ready(Some(chunk)) = left {
            *this.phase = Phase::Leaving;
            return Poll::Ready(Some(chunk));
        }
        self.end_by_age()
    }

    fn end_by_age(self: Pin<&mut Self>) -> Poll<Option<Bytes>> {
        let this = self.project();
        *this.phase = Phase::Ended;
        this.alarm.disarm(this.ticker);
        Poll::Ready(Some(this.settings.spread_retry()))
    }
}

/// Nothing is due: when to poll the source again.
fn rest(
    pull: &Pull,
    pace: &mut Pace,
    idle: &mut Idle,
    recheck: &mut Recheck,
    mut now: impl FnMut() -> Moment,
) -> Moment {
    pace.rest();
    if let Some(time) = pull.idle() {
        idle.answer(time, now());
    }
    let Some(after) = pull.wakes_after() else {
        recheck.reset();
        return Moment::NEVER;
    };
    let now = now();
    let due = recheck.due(after, pull.deadline(), now);
    if pace.is_ticked() {
        pace.next_slot(due);
    }
    // Not at the tick after it: other streams may rely on this one's wake-up.
    Recheck::poll_at(due, now)
}

impl<S, T> fmt::Debug for EventStream<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("settings", &self.settings)
            .field("pace", &self.pace)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// An [`EventStream`] whose items are `Result<Bytes, Infallible>`.
    ///
    /// Made by [`EventStream::into_try_stream`].
    #[must_use = "streams do nothing unless polled"]
    pub struct TryEventStream<S, T> {
        #[pin]
        stream: EventStream<S, T>,
    }
}

impl<S: Source, T: Ticker> Stream for TryEventStream<S, T> {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.project().stream.poll_next(cx).map(|next| next.map(Ok))
    }
}

impl<S: Source, T: Ticker> FusedStream for TryEventStream<S, T> {
    fn is_terminated(&self) -> bool {
        self.stream.phase == Phase::Ended
    }
}

impl<S, T> fmt::Debug for TryEventStream<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryEventStream").field(&self.stream).finish()
    }
}
