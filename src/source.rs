//! Where an event stream takes whole frames from.

pub(crate) mod chunk;
pub(crate) mod events;
mod pull;

use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use thiserror::Error;

pub use events::Events;
pub use pull::{Limit, Pull};

/// Where an [`EventStream`](crate::EventStream) gets whole frames from.
///
/// The subscriptions of a [`Queue`](crate::Queue) and a [`Topic`](crate::Topic) are sources; a
/// broker's client can be another. A stream of events needs no implementation: see
/// [`EventStream::from_events`](crate::EventStream::from_events).
///
/// Each poll comes with a [`Pull`]: what the stream asks for, and what the source can add to its
/// answer. A source may read only the [limit](Pull::limit) and add nothing.
///
/// # Examples
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
/// use bytes::Bytes;
/// use sse_queue::stream::Pull;
/// use sse_queue::{Event, EventStream, FakeClock, Source};
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
/// let mut stream = EventStream::new(Countdown(1), FakeClock::new().ticker()).without_first_comment();
/// assert_eq!(stream.next_ready().unwrap(), "data: 0\n\n");
/// assert_eq!(stream.next_ready(), None);
/// assert!(stream.is_terminated());
/// ```
pub trait Source {
    /// The maximum number of messages in one chunk, unless the stream's
    /// [pacing](crate::Pacing::batch) says otherwise: unlimited by default. A source whose
    /// consumers compete should return a small number, so that one consumer does not take
    /// everything.
    fn max_messages(&self) -> usize {
        usize::MAX
    }

    /// What is sent with the first bytes of the stream, before any other event, such as a report of
    /// what the client missed. By default, nothing.
    ///
    /// A stream calls this once, with its first poll. Whole frames go into one chunk with the
    /// stream's `retry` line and [greetings](crate::EventStream::greeting).
    #[must_use = "what is dropped is lost to the client"]
    fn opening(self: Pin<&mut Self>) -> Option<Bytes> {
        None
    }

    /// Returns `Ready` when [`poll_chunk`](Self::poll_chunk) would: something is due, or the source
    /// has ended.
    ///
    /// A stream calls this while its pacing does not let it send. After `Ready` the stream polls
    /// again by itself, and takes frames within the same limit. Until then the source must wake it
    /// only when it begins to close; a source with several consumers can wake others for the rest.
    /// After `Pending` the stream waits to be woken.
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>, pull: &mut Pull) -> Poll<()>;

    /// Takes what is due: whole frames in one chunk, within the [limit](Pull::limit). A frame
    /// larger than the limit is returned alone. `None` is the end, and final. After `Pending`, the
    /// source wakes the task in `cx` when something is due, if the poll
    /// [registers](Pull::registers).
    fn poll_chunk(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pull: &mut Pull,
    ) -> Poll<Option<Bytes>>;

    /// Leaves the wait set until the next call of `poll_ready` or `poll_chunk`.
    ///
    /// Until then the source wakes this stream only when it begins to close, through the waker in
    /// `cx`. A stream parks when it sends a keep-alive, because a slow client may not let it be
    /// polled for long. Doing nothing, the default, is safe.
    fn park(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let _ = cx;
    }
}

macro_rules! delegate_source {
    () => {
        fn max_messages(&self) -> usize {
            (**self).max_messages()
        }

        fn opening(self: Pin<&mut Self>) -> Option<Bytes> {
            delegate(self).opening()
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

    fn opening(self: Pin<&mut Self>) -> Option<Bytes> {
        self.get_mut().as_mut().opening()
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

/// The queue or topic is at its maximum number of streams. Answer it with status 429.
///
/// # Examples
///
/// ```
/// use sse_queue::{FakeClock, Queue};
///
/// let queue = Queue::builder().max_streams(0).build();
/// let error = queue.stream(FakeClock::new().ticker()).unwrap_err();
/// assert_eq!(error.to_string(), "all 0 streams are taken");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("all {limit} streams are taken")]
#[non_exhaustive]
pub struct TooManyStreams {
    /// The maximum.
    pub limit: usize,
}
