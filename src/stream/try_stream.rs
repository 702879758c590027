//! The same stream with `Result` items.

use core::convert::Infallible;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use super::event_stream::EventStream;
use crate::source::Source;
use crate::time::Ticker;

impl<S: Source, T: Ticker> EventStream<S, T> {
    /// The same stream with `Result<Bytes, Infallible>` as items, as web frameworks expect.
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
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    pub fn into_try_stream(self) -> TryEventStream<S, T> {
        TryEventStream { stream: self }
    }
}

pin_project! {
    /// An [`EventStream`] whose items are `Result<Bytes, Infallible>`.
    ///
    /// Made by [`EventStream::into_try_stream`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use std::time::Duration;
    /// use bytes::Bytes;
    /// use sse_queue::queue::QueueSubscription;
    /// use sse_queue::stream::TryEventStream;
    /// use sse_queue::{FakeClock, FakeTicker, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let stream = queue.stream(clock.ticker())?.without_first_comment();
    /// let mut body: TryEventStream<QueueSubscription, FakeTicker> = stream.into_try_stream();
    /// queue.push("x")?;
    /// let chunks: Vec<(Duration, Result<Bytes, Infallible>)> = clock.run(&mut body, Duration::ZERO);
    /// assert_eq!(chunks, [(Duration::ZERO, Ok("id: e-1\ndata: x\n\n".into()))]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "streams do nothing unless polled"]
    pub struct TryEventStream<S, T> {
        #[pin]
        pub(super) stream: EventStream<S, T>,
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
        self.stream.is_terminated()
    }
}

impl<S, T> fmt::Debug for TryEventStream<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryEventStream").field(&self.stream).finish()
    }
}
