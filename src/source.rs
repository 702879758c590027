//! Where an event stream takes whole frames from.

pub(crate) mod chunk;
pub(crate) mod events;

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::time::SystemTime;

use bytes::Bytes;
use thiserror::Error;

pub use events::Events;

/// Where an [`EventStream`](crate::EventStream) gets whole frames from.
///
/// The subscriptions of a [`Queue`](crate::Queue) and a [`Topic`](crate::Topic) are sources; a
/// broker's client or any other engine can be another. A stream of events needs no implementation
/// of its own: see [`EventStream::from_events`](crate::EventStream::from_events).
///
/// Each poll comes with a [`Pull`]: what the stream asks for, and what the source can add to its
/// answer. A source that reads only the [limit](Pull::limit) and adds nothing is complete.
///
/// # Examples
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
/// use bytes::Bytes;
/// use sse_queue::{Event, EventStream, FakeClock, Pull, Source};
///
/// /// Counts down to zero, then ends.
/// struct Countdown(u32);
///
/// impl Source for Countdown {
///     fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut Pull) -> Poll<()> {
///         Poll::Ready(())
///     }
///
///     fn poll_chunk(
///         mut self: Pin<&mut Self>,
///         _: &mut Context<'_>,
///         _: &mut Pull,
///     ) -> Poll<Option<Bytes>> {
///         Poll::Ready(self.0.checked_sub(1).map(|left| {
///             self.0 = left;
///             Event::new(&left.to_string()).encode()
///         }))
///     }
/// }
///
/// let mut stream = EventStream::new(Countdown(1), FakeClock::new().ticker()).first_bytes(false);
/// assert_eq!(stream.next_ready().unwrap(), "data: 0\n\n");
/// assert_eq!(stream.next_ready(), None);
/// assert!(stream.is_terminated());
/// ```
pub trait Source {
    /// How many messages this source gives in one chunk, unless the stream is set up otherwise:
    /// no limit, the default. A source whose consumers compete gives few, so that one of them does
    /// not take all.
    fn max_messages(&self) -> usize {
        usize::MAX
    }

    /// Ready when [`poll_chunk`](Self::poll_chunk) would be: something is due, or the end has come.
    ///
    /// A stream asks here when it may not send yet. After `Ready` it comes back by itself and takes
    /// within the same limit: until then only the beginning of the end must wake it, and a source
    /// with several consumers can wake others for the rest. After `Pending` it waits to be woken.
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>, pull: &mut Pull) -> Poll<()>;

    /// Takes what is due: whole frames in one chunk, within the [limit](Pull::limit). A frame larger
    /// than the limit goes alone. `None` is the end, for good.
    fn poll_chunk(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pull: &mut Pull,
    ) -> Poll<Option<Bytes>>;

    /// Leaves the wait set until the next poll of either kind, `poll_ready` or `poll_chunk`.
    ///
    /// Until then producers need not wake this stream; only the beginning of the end does, by the
    /// waker in `cx`. A stream parks when it sends a keep-alive: a slow client lets it be polled
    /// again only much later. Doing nothing, the default, is safe.
    fn park(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let _ = cx;
    }
}

macro_rules! delegate_source {
    () => {
        fn max_messages(&self) -> usize {
            (**self).max_messages()
        }

        fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>, pull: &mut Pull) -> Poll<()> {
            delegate(self).poll_ready(cx, pull)
        }

        fn poll_chunk(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            pull: &mut Pull,
        ) -> Poll<Option<Bytes>> {
            delegate(self).poll_chunk(cx, pull)
        }

        fn park(self: Pin<&mut Self>, cx: &mut Context<'_>) {
            delegate(self).park(cx);
        }
    };
}

impl<S: Source + Unpin + ?Sized> Source for &mut S {
    delegate_source!();
}

impl<S: Source + Unpin + ?Sized> Source for Box<S> {
    delegate_source!();
}

/// The source in a box or behind a reference.
fn delegate<P: core::ops::DerefMut<Target: Source + Unpin> + Unpin>(
    source: Pin<&mut P>,
) -> Pin<&mut P::Target> {
    Pin::new(source.get_mut())
}

impl<S: Source + ?Sized> Source for Pin<Box<S>> {
    fn max_messages(&self) -> usize {
        (**self).max_messages()
    }

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>, pull: &mut Pull) -> Poll<()> {
        self.get_mut().as_mut().poll_ready(cx, pull)
    }

    fn poll_chunk(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pull: &mut Pull,
    ) -> Poll<Option<Bytes>> {
        self.get_mut().as_mut().poll_chunk(cx, pull)
    }

    fn park(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.get_mut().as_mut().park(cx);
    }
}

/// One poll of a [`Source`]: what the stream asks for, and what the source adds to its answer.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::{Limit, Pull};
///
/// let mut pull = Pull::new(Limit::new(64 * 1024, 16));
/// assert_eq!(pull.limit().messages, 16);
/// assert!(pull.registers() && !pull.yields());
///
/// pull.wake_after(Duration::from_secs(1));
/// assert_eq!(pull.wakes_after(), Some(Duration::from_secs(1)));
/// ```
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent question or answer"
)]
pub struct Pull {
    limit: Limit,
    registers: bool,
    yields: bool,
    asks_idle: bool,
    wakes_after: Option<Duration>,
    has_more: bool,
    is_closing: bool,
    is_dated: bool,
    idle: Option<Duration>,
    is_leaving: bool,
    is_batch: bool,
    returns_within: Option<Duration>,
    deadline: Option<SystemTime>,
}

/// What the stream asks for.
impl Pull {
    /// A poll that asks for as much as `limit`, by a task that waits if there is nothing.
    #[must_use]
    pub fn new(limit: Limit) -> Self {
        Self {
            limit,
            registers: true,
            yields: false,
            asks_idle: false,
            wakes_after: None,
            has_more: false,
            is_closing: false,
            is_dated: false,
            idle: None,
            is_leaving: false,
            is_batch: false,
            returns_within: None,
            deadline: None,
        }
    }

    /// The same by a caller that polls by hand: the source keeps no waker, and counts on no later
    /// poll.
    #[must_use]
    pub fn by_hand(self) -> Self {
        Self {
            registers: false,
            ..self
        }
    }

    /// The same by a stream that can take only later, within a gap of its
    /// [pacing](crate::EventStream::spaced): others come first.
    #[must_use]
    pub fn yielding(self) -> Self {
        Self {
            yields: true,
            ..self
        }
    }

    /// The same by a stream that wants to know for how long it has been [idle](Self::idle_for).
    #[must_use]
    pub fn asking_idle(self) -> Self {
        Self {
            asks_idle: true,
            ..self
        }
    }

    /// The same by a stream on a [grid](crate::EventStream::every): the limit of messages holds for
    /// the whole burst, not for each of its chunks.
    #[must_use]
    pub fn batched(self) -> Self {
        Self {
            is_batch: true,
            ..self
        }
    }

    /// The same by a stream that ends now, by its [age](crate::EventStream::max_age): the source
    /// gives only what it has already taken from elsewhere and would otherwise lose.
    #[must_use]
    pub fn leaving(self) -> Self {
        Self {
            is_leaving: true,
            ..self
        }
    }

    /// The same by a stream that takes what is [ready](Source::poll_ready) at a time of its own, at
    /// most so much later. If it has not come back a second after that, it may have been forgotten,
    /// and what it was to take is for others.
    #[must_use]
    pub fn returning_within(self, time: Duration) -> Self {
        Self {
            returns_within: Some(time),
            ..self
        }
    }

    /// How much the stream takes at most.
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Whether a source that has nothing keeps the task's waker.
    #[must_use]
    pub fn registers(&self) -> bool {
        self.registers
    }

    /// Whether other consumers come first.
    #[must_use]
    pub fn yields(&self) -> bool {
        self.yields
    }

    /// Whether the limit of messages holds for a whole burst.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.is_batch
    }

    /// Whether the stream ends now.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// Within which time the stream comes back for what is ready.
    #[must_use]
    pub fn returns_within(&self) -> Option<Duration> {
        self.returns_within
    }

    /// Whether the stream wants to know for how long it has been idle.
    #[must_use]
    pub fn asks_idle(&self) -> bool {
        self.asks_idle
    }
}

/// What the source says.
impl Pull {
    /// Nothing is due, and this stream must be polled again after that time without being woken.
    pub fn wake_after(&mut self, after: Duration) {
        self.wakes_after = Some(after);
    }

    /// The same for a deadline by the source's own clock, which now says `now`.
    ///
    /// A ticker that is faster than that clock ticks too early: the stream then waits a little
    /// longer each time, as long as the source names the same deadline. It polls at least every
    /// 30 s, so that a jump of the source's clock is noticed.
    pub fn wake_at(&mut self, deadline: SystemTime, now: SystemTime) {
        self.deadline = Some(deadline);
        self.wakes_after = Some(deadline.duration_since(now).unwrap_or_default());
    }

    /// The deadline by the source's own clock, if the source named one.
    #[must_use]
    pub fn deadline(&self) -> Option<SystemTime> {
        self.deadline
    }

    /// After how long the stream must be polled again.
    #[must_use]
    pub fn wakes_after(&self) -> Option<Duration> {
        self.wakes_after
    }

    /// The chunk is not all that was due when its burst began: what follows belongs to it, and goes
    /// without waiting for a gap or tick.
    pub fn more_follows(&mut self) {
        self.has_more = true;
    }

    /// Whether the burst goes on.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// The source is closing: what it still gives goes out without pacing.
    pub fn closing(&mut self) {
        self.is_closing = true;
    }

    /// Whether the source is closing.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// The source remembers when this chunk came, and says so when it is
    /// [asked](Self::asking_idle): the stream need not read its ticker for each chunk.
    pub fn dated(&mut self) {
        self.is_dated = true;
    }

    /// Whether the source remembers when the chunk came.
    #[must_use]
    pub fn is_dated(&self) -> bool {
        self.is_dated
    }

    /// How long ago the last [dated](Self::dated) chunk came: the one that this stream took, not a
    /// later one that it did not get, since a keep-alive follows its last byte.
    pub fn idle_for(&mut self, idle: Duration) {
        self.idle = Some(idle);
    }

    /// How long ago the last dated chunk came, if the stream [asked](Self::asking_idle) and the
    /// source knows.
    #[must_use]
    pub fn idle(&self) -> Option<Duration> {
        self.idle
    }
}

/// How much a [`Source`] may give in one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// The largest chunk, in bytes. A single frame may be larger; it goes alone.
    pub bytes: usize,
    /// The most messages in one chunk.
    pub messages: usize,
}

impl Limit {
    /// A limit of `bytes` and `messages` for one chunk.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Limit;
    ///
    /// let limit = Limit::new(64 * 1024, 16);
    /// assert_eq!((limit.bytes, limit.messages), (65_536, 16));
    /// ```
    #[must_use]
    pub fn new(bytes: usize, messages: usize) -> Self {
        Self { bytes, messages }
    }
}

/// The cap on streams is reached. A service answers it with status 429.
///
/// # Examples
///
/// ```
/// use sse_queue::Queue;
///
/// let error = Queue::builder().max_streams(0).build().subscribe().unwrap_err();
/// assert_eq!(error.to_string(), "all 0 streams are taken");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("all {limit} streams are taken")]
#[non_exhaustive]
pub struct TooManyStreams {
    /// The cap.
    pub limit: usize,
}
