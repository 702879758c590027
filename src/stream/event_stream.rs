//! The body of one connection.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use super::alarm::Alarm;
use super::idle::Idle;
use super::keep_alive::KeepAlive;
use super::moment::Moment;
use super::pace::{Pace, When};
use super::phase::{By, Phase};
use super::recheck::Recheck;
use super::settings::Settings;
use crate::event::Event;
use crate::source::Source;
use crate::source::events::Events;
use crate::time::Ticker;

pin_project! {
    /// The body of one connection: whole frames from a [`Source`], paced by a [`Ticker`].
    ///
    /// Made by [`Queue::stream`](crate::Queue::stream), [`Topic::stream`](crate::Topic::stream),
    /// their `resume`, [`from_events`](Self::from_events) or [`new`](Self::new), then set up by the
    /// methods that consume it. Settings apply from the first poll.
    ///
    /// As a [`Stream`] it yields chunks of whole frames, never part of one, and ends with `None`,
    /// for good, when its source does. Dropping it leaves the source at once: that is how the
    /// source learns that a client has gone.
    ///
    /// # Pacing
    ///
    /// By default all that is due goes at once, joined into chunks. [`pacing`](Self::pacing) puts a
    /// gap between bursts, or delivers on a grid. When the source closes, what is left goes without
    /// pacing.
    ///
    /// # Keep-alive
    ///
    /// After 15 s without a byte, or up to a tenth sooner, a comment line is sent; see
    /// [`keep_alive`](Self::keep_alive). Otherwise an idle stream is not woken, unless its source
    /// asked it to wait for a deadline. Such a stream polls its source at least every 30 s, so that
    /// a jump of the wall clock is noticed.
    ///
    /// For speed, an immediate stream of a topic does not read its ticker for each chunk; the topic
    /// reports when the last chunk was published. If the stream is polled late, the next keep-alive
    /// may be early by that delay; a jump of the topic's clock shifts it by less than one period.
    ///
    /// # Cancel safety
    ///
    /// A chunk is taken from the source in the poll that yields it, so dropping a future around the
    /// stream loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Pacing, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let mut stream = queue
    ///     .stream(clock.ticker())?
    ///     .pacing(Pacing::every(Duration::from_secs(1)))
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
        pub(super) source: S,
        #[pin]
        pub(super) ticker: T,
        pub(super) settings: Settings,
        pub(super) pace: Pace,
        pub(super) phase: Phase,
        pub(super) alarm: Alarm,
        pub(super) idle: Idle,
        pub(super) recheck: Recheck,
        // When the stream ends by itself.
        pub(super) ends_at: Moment,
    }
}

impl<S: Source, T: Ticker> EventStream<S, T> {
    /// A stream from any [`Source`].
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::stream::Events;
    /// use sse_queue::{Event, EventStream, FakeClock};
    ///
    /// let source = Events::new(futures_util::stream::iter([Event::new("a")]));
    /// let mut stream = EventStream::new(source, FakeClock::new().ticker());
    /// assert_eq!(stream.next_ready().unwrap(), ":\n");
    /// assert_eq!(stream.next_ready().unwrap(), "data: a\n\n");
    /// assert_eq!(stream.next_ready(), None);
    /// ```
    pub fn new(source: S, ticker: T) -> Self {
        Self {
            settings: Settings::new(source.max_messages()),
            source,
            ticker,
            pace: Pace::new(When::Immediate),
            phase: Phase::New,
            alarm: Alarm::new(),
            idle: Idle::new(KeepAlive::default().period),
            recheck: Recheck::new(),
            ends_at: Moment::NEVER,
        }
    }

    /// The source of the stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Queue, Source};
    ///
    /// let stream = Queue::new().stream(FakeClock::new().ticker())?;
    /// assert_eq!(stream.source().max_messages(), 16);
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    #[must_use]
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Ends the stream and returns its source.
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
    /// It never takes another stream's wake-up: it leaves no waker in the source, which does not
    /// rely on a later poll. A task that waits for the stream must poll it again after this call.
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
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    #[must_use = "a chunk that is dropped is lost"]
    pub fn next_ready_pinned(self: Pin<&mut Self>) -> Option<Bytes> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.poll_by(&mut cx, By::Hand) {
            Poll::Ready(chunk) => chunk,
            Poll::Pending => None,
        }
    }

    /// Whether the stream has ended: it yields only `None` from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let queue = Queue::new();
    /// let mut stream = queue.stream(FakeClock::new().ticker())?.without_first_comment();
    /// assert!(!stream.is_terminated());
    /// queue.close();
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.phase == Phase::Ended
    }
}

impl<St: Stream<Item = Event>, T: Ticker> EventStream<Events<St>, T> {
    /// A stream from any stream of events, such as a broker's client.
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
/// `None` is final. It comes when the source has ended, after the [farewell](EventStream::farewell)
/// if there is one; when its [handle](EventStream::end_handle) has ended the stream, after the
/// farewell, too; or when the stream has reached its [maximum age](EventStream::max_age), after a
/// `retry` line and without a farewell.
///
/// Web frameworks expect `Result` items: see [`into_try_stream`](EventStream::into_try_stream).
impl<S: Source, T: Ticker> Stream for EventStream<S, T> {
    type Item = Bytes;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.poll_by(cx, By::Task)
    }
}

impl<S: Source, T: Ticker> FusedStream for EventStream<S, T> {
    fn is_terminated(&self) -> bool {
        self.phase == Phase::Ended
    }
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
