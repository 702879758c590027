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

pin_project! {
    /// An [`EventStream`] whose items are `Result<Bytes, Infallible>`.
    ///
    /// Made by [`EventStream::into_try_stream`].
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
