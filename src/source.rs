//! Where an event stream takes whole frames from.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use bytes::Bytes;
use thiserror::Error;

/// Where an [`EventStream`](crate::EventStream) takes whole frames from.
///
/// The subscription of a [`Queue`](crate::Queue) is one; a broker's client or any other engine can
/// be another. A stream of events needs no implementation of its own: see
/// [`EventStream::from_events`](crate::EventStream::from_events).
///
/// # Examples
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
/// use bytes::Bytes;
/// use sse_queue::{Event, EventStream, FakeClock, Limit, Source};
///
/// /// Counts down to zero, then ends.
/// struct Countdown(u32);
///
/// impl Source for Countdown {
///     fn poll_due(self: Pin<&mut Self>, _: &mut Context<'_>, _: Limit) -> Poll<()> {
///         Poll::Ready(())
///     }
///     fn poll_take(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: Limit) -> Poll<Option<Bytes>> {
///         Poll::Ready(self.0.checked_sub(1).map(|left| {
///             self.0 = left;
///             Event::new(&left.to_string()).encode()
///         }))
///     }
/// }
///
/// let mut stream = EventStream::new(Countdown(1), FakeClock::new().ticker()).first_bytes(false);
/// assert_eq!(stream.try_next().unwrap(), "data: 0\n\n");
/// assert_eq!(stream.try_next(), None);
/// assert!(stream.is_terminated());
/// ```
pub trait Source {
    /// Ready when [`poll_take`](Self::poll_take) would be: something is due, or the end has come.
    ///
    /// A stream that delivers on a grid asks here and takes at its next tick; `limit` is what it
    /// will take then, so that a source with several consumers can wake others for the rest.
    fn poll_due(self: Pin<&mut Self>, cx: &mut Context<'_>, limit: Limit) -> Poll<()>;

    /// Takes what is due, whole frames in one chunk, within `limit`; a frame larger than the limit
    /// goes alone. `None` is the end, for good.
    fn poll_take(self: Pin<&mut Self>, cx: &mut Context<'_>, limit: Limit) -> Poll<Option<Bytes>>;

    /// How long until something falls due, where this stream is the one that must look then.
    ///
    /// Asked after [`poll_due`](Self::poll_due) or [`poll_take`](Self::poll_take) was pending.
    /// Sources that wake the stream by themselves return `None`, the default.
    fn next_due(&self) -> Option<Duration> {
        None
    }

    /// Whether [`idle_for`](Self::idle_for) knows when the last chunk had come. A stream then need
    /// not read its ticker for each chunk to know when it was.
    fn knows_idle(&self) -> bool {
        false
    }

    /// How long ago the last chunk had come, where the source [knows](Self::knows_idle): asked now
    /// and then, when a keep-alive may be due.
    fn idle_for(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether the last chunk is not all that was there when it was taken, within the limit of
    /// messages: what follows belongs to it and goes without waiting for a gap or tick.
    fn has_more(&self) -> bool {
        false
    }

    /// Whether the source is closing: what it still gives goes out without pacing.
    fn is_closing(&self) -> bool {
        false
    }

    /// Leaves the wait set until the next [`poll_take`](Self::poll_take): producers need not wake
    /// this stream. Only the beginning of the end does.
    fn park(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let _ = cx;
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
