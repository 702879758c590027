//! One connection's body.

mod connect;
pub(crate) mod pacing;
mod settings;

use core::convert::Infallible;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use bytes::Bytes;
use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use crate::event::Event;
use crate::source::events::Events;
use crate::source::{Pull, Source};
use crate::stream::pacing::{Gate, Pace, Pacing};
use crate::time::{LONGEST_ARM, Ticker};

pub use settings::{KeepAlive, KeepAliveError};

use settings::Settings;

pin_project! {
    /// One connection's body: whole frames from a [`Source`], paced by a [`Ticker`].
    ///
    /// Made by [`Queue::stream`](crate::Queue::stream), [`new`](Self::new) or
    /// [`from_events`](Self::from_events), then set up by the methods that consume it. Settings
    /// count from the first poll on.
    ///
    /// As a [`Stream`] it yields chunks of whole frames, never part of one, and ends with `None`,
    /// for good, when its source does. Dropping it is how a departed client is noticed: it leaves
    /// its source at once.
    ///
    /// # Pacing
    ///
    /// By default all that is due goes at once, joined into chunks. [`spaced`](Self::spaced) puts a
    /// gap between two chunks, [`every`](Self::every) delivers on a grid. When the source closes,
    /// what is left goes without pacing.
    ///
    /// # Keep-alive
    ///
    /// After 15 s without a byte a comment line goes out; see [`keep_alive`](Self::keep_alive).
    /// Apart from that an idle stream is not woken.
    ///
    /// To read the ticker for each chunk would cost an immediate stream of a topic as much as the
    /// chunk. It counts from when the topic woke it for the last one, by the topic's clock, but never
    /// from before it last read its ticker. So where it is polled late, the next sign of life comes
    /// that much sooner, and a clock that jumps can make one come early or late: by less than a period.
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
        // When the last byte went out. `None`: since the last look, so count from the next one.
        quiet_since: Option<Duration>,
        // More went out since then; the source knows when it had come.
        asks_source: bool,
        // What the source said when it was asked for how long it has been idle.
        idle: Option<Duration>,
        // When the tick is due that is armed.
        armed: Option<Duration>,
        // When the stream ends by itself.
        ends_at: Option<Duration>,
        // When the source's next message was said to fall due.
        due_at: Option<Duration>,
        // The last chunk was not all that belongs together.
        in_burst: bool,
        // How many looks in a row came too early.
        early: u32,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    Open,
    Ended,
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
            quiet_since: None,
            asks_source: false,
            idle: None,
            armed: None,
            ends_at: None,
            due_at: None,
            in_burst: false,
            early: 0,
        }
    }

    /// Takes what is ready now, without an executor: `None` if nothing is, or the stream
    /// [has ended](Self::is_terminated).
    ///
    /// A task that waits for the stream is not woken for what comes up next; it polls by itself.
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
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(self).poll_next(&mut cx) {
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

/// Yields chunks of whole frames. `None` comes when the source has ended or the stream's
/// [age](EventStream::max_age) is reached, behind the [farewell](EventStream::farewell) if there is
/// one, and is final.
impl<S: Source, T: Ticker> Stream for EventStream<S, T> {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut now = Now::default();
        match self.phase {
            Phase::Ended => return Poll::Ready(None),
            Phase::New => {
                let now = now.read(&self.ticker);
                self.as_mut().open(now);
                if let Some(bytes) = self.settings.opening() {
                    return Poll::Ready(Some(bytes));
                }
            }
            Phase::Open => {}
        }
        loop {
            // 1. Whatever ends or is due goes out.
            if let Some(end) = self.ends_at
                && end <= now.read(&self.ticker)
            {
                return self.age_out(cx);
            }
            let look_at = match self.as_mut().poll_source(cx, &mut now) {
                Looked::Ready(Some(chunk), Said { has_more, is_dated }) => {
                    let this = self.project();
                    *this.in_burst = has_more;
                    if !*this.in_burst && !this.pace.is_immediate() {
                        this.pace.taken(now.read(&*this.ticker));
                    }
                    (*this.due_at, *this.early) = (None, 0);
                    *this.asks_source = now.0.is_none() && is_dated;
                    if !*this.asks_source {
                        *this.quiet_since = now.0;
                    }
                    return Poll::Ready(Some(chunk));
                }
                Looked::Ready(None, _) => return self.end(),
                Looked::Pending(look_at) => look_at,
            };
            // 2. Whatever is armed covers what comes, unless something is new: a look at the time
            //    would cost as much as all the rest.
            if look_at.is_none() && self.needs_no_look() {
                if self.as_mut().project().ticker.poll_tick(cx).is_pending() {
                    return Poll::Pending;
                }
                *self.as_mut().project().armed = None;
                now = Now::default();
                continue;
            }
            // 3. A sign of life goes out, if nothing else did for long.
            let time = now.read(&self.ticker);
            let quiet_until = self.as_mut().quiet_until(time);
            if quiet_until.is_some_and(|end| end <= time) {
                // Whoever reads slowly polls again much later: till then nobody counts on it.
                self.as_mut().project().source.park(cx);
                *self.as_mut().project().quiet_since = Some(time);
                return Poll::Ready(Some(self.settings.sign_of_life()));
            }
            // 4. Otherwise arm for the first of what comes, and look again when it has come.
            let next = [look_at, quiet_until, self.ends_at];
            let next = next.into_iter().flatten().min();
            self.as_mut().arm(next, time);
            if self.as_mut().project().ticker.poll_tick(cx).is_pending() {
                return Poll::Pending;
            }
            *self.as_mut().project().armed = None;
            now = Now::default();
        }
    }
}

impl<S: Source, T: Ticker> FusedStream for EventStream<S, T> {
    fn is_terminated(&self) -> bool {
        self.phase == Phase::Ended
    }
}

/// The ticker's time, read when it is first asked for: an immediate stream takes a chunk without,
/// as to read it would cost as much as the chunk.
#[derive(Clone, Copy, Default)]
struct Now(Option<Duration>);

impl Now {
    fn read(&mut self, ticker: &impl Ticker) -> Duration {
        *self.0.get_or_insert_with(|| ticker.now())
    }
}

/// What a look at the source came to.
enum Looked {
    Ready(Option<Bytes>, Said),
    /// Nothing may go or is due; look again at that time, or when woken.
    Pending(Option<Duration>),
}

/// What a source said of a chunk.
#[derive(Clone, Copy)]
struct Said {
    has_more: bool,
    is_dated: bool,
}

impl<S: Source, T: Ticker> EventStream<S, T> {
    fn open(self: Pin<&mut Self>, now: Duration) {
        let this = self.project();
        *this.phase = Phase::Open;
        this.pace.open(now);
        *this.quiet_since = Some(now);
        *this.ends_at = this.settings.age().and_then(|age| now.checked_add(age));
    }

    fn poll_source(self: Pin<&mut Self>, cx: &mut Context<'_>, now: &mut Now) -> Looked {
        let mut this = self.project();
        let usual = this.source.max_messages();
        let limit = this.settings.limit(this.pace.is_ticked(), usual);
        let mut pull = Pull::new(limit);
        if *this.asks_source && this.armed.is_none() {
            pull = pull.asking_idle();
        }
        let gate = if *this.in_burst || this.pace.is_immediate() {
            Gate::Open
        } else {
            this.pace.gate(now.read(&*this.ticker))
        };
        match gate {
            Gate::Open => {}
            Gate::Shut(until) => {
                let _ = this.source.as_mut().poll_ready(cx, &mut pull);
                if !pull.is_closing() {
                    this.source.as_mut().park(cx);
                    return Looked::Pending(Some(until));
                }
            }
            // Asked at each poll, also for what is promised already: this may be another task.
            Gate::Ask => {
                let now = now.read(&*this.ticker);
                if this.source.as_mut().poll_ready(cx, &mut pull).is_pending() {
                    let now = || now;
                    let look_at =
                        look_again(pull.wakes_after(), this.pace, this.due_at, this.early, now);
                    return Looked::Pending(look_at);
                }
                if !pull.is_closing() {
                    let tick = this.pace.look(now);
                    if tick > now {
                        return Looked::Pending(Some(tick));
                    }
                }
            }
        }
        match this.source.as_mut().poll_chunk(cx, &mut pull) {
            Poll::Ready(chunk) => {
                let (has_more, is_dated) = (pull.has_more(), pull.is_dated());
                Looked::Ready(chunk, Said { has_more, is_dated })
            }
            Poll::Pending => {
                let mut now = || now.read(&*this.ticker);
                if core::mem::take(this.in_burst) && !this.pace.is_immediate() {
                    // What was left of it expired: it ended with its last chunk.
                    this.pace.taken(this.quiet_since.unwrap_or_else(&mut now));
                }
                *this.idle = pull.idle();
                let after = pull.wakes_after();
                let look_at = look_again(after, this.pace, this.due_at, this.early, now);
                Looked::Pending(look_at)
            }
        }
    }

    /// Whether the tick that is armed comes before there is anything to do, or nothing will be.
    fn needs_no_look(&self) -> bool {
        let is_covered = self.asks_source && self.quiet_since.is_some() && self.armed.is_some();
        let is_timeless = self.settings.keeps_quiet() && self.ends_at.is_none();
        is_covered || (is_timeless && self.armed.is_none())
    }

    /// When a sign of life is due.
    fn quiet_until(self: Pin<&mut Self>, now: Duration) -> Option<Duration> {
        let this = self.project();
        let since = this.quiet_since.get_or_insert(now);
        if let Some(idle) = this.idle.take() {
            // The source may count by another clock. The last byte went out after the last look.
            *since = now.saturating_sub(idle).max(*since);
            *this.asks_source = false;
        }
        this.settings.quiet_until(*since)
    }

    /// Arms for `next`, unless an earlier tick is armed already: that one looks and arms again, so
    /// that a chunk costs no arming.
    fn arm(self: Pin<&mut Self>, next: Option<Duration>, now: Duration) {
        let this = self.project();
        match (next, *this.armed) {
            (None, None) => {}
            (None, Some(_)) => {
                *this.armed = None;
                this.ticker.arm(None);
            }
            (Some(next), Some(armed)) if now < armed && armed <= next => {}
            (Some(next), _) => {
                let after = next.saturating_sub(now).min(LONGEST_ARM);
                *this.armed = Some(now.saturating_add(after));
                this.ticker.arm(Some(after));
            }
        }
    }

    fn end(self: Pin<&mut Self>) -> Poll<Option<Bytes>> {
        let this = self.project();
        *this.phase = Phase::Ended;
        this.ticker.arm(None);
        Poll::Ready(this.settings.take_farewell())
    }

    /// Ends by age: with word when to come back, and without what others can take.
    fn age_out(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.as_mut().project().source.park(cx);
        let this = self.project();
        *this.phase = Phase::Ended;
        this.ticker.arm(None);
        Poll::Ready(Some(this.settings.come_back()))
    }
}

/// When to look again at a source that has nothing due.
///
/// Clock and ticker may differ: a look can come before its message is due. The next look then is at
/// least a millisecond later, and twice that each time, up to about a second: late, never spinning.
fn look_again(
    after: Option<Duration>,
    pace: &mut Pace,
    due_at: &mut Option<Duration>,
    early: &mut u32,
    now: impl FnOnce() -> Duration,
) -> Option<Duration> {
    pace.rest();
    let Some(after) = after else {
        (*due_at, *early) = (None, 0);
        return None;
    };
    let now = now();
    let came = due_at.is_some_and(|due| due <= now);
    if came {
        // Far away, it needs no pause to spare us a spin, and is likely to be another message: the
        // one that was looked for went to somebody else.
        let is_near = after < Duration::from_millis(1 << *early);
        *early = if is_near {
            early.saturating_add(1).min(11)
        } else {
            0
        };
    }
    let least = match early.checked_sub(1) {
        Some(doublings) => Duration::from_millis(1 << doublings),
        None => Duration::ZERO,
    };
    let due = now.checked_add(after.max(least))?;
    *due_at = Some(due);
    let _ = pace.look(due);
    // Not at the tick behind it: this stream may be the one that looks for others, too.
    Some(due)
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
