//! Any stream of events as a source.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::event::Event;
use crate::source::chunk::Chunk;
use crate::source::{Pull, Source};

pin_project! {
    /// Any stream of [`Event`]s as a [`Source`]: the source of
    /// [`EventStream::from_events`](crate::EventStream::from_events).
    ///
    /// Events that are ready go together, within the limits of the stream. The last one may exceed
    /// [`max_chunk_bytes`](crate::EventStream::max_chunk_bytes), because everything taken from the
    /// inner stream goes with the chunk; so dropping an immediate stream loses nothing. On a grid
    /// or within a gap, one event is taken ahead, to find out whether there is one: it goes out
    /// before the stream ends because of its [age](crate::EventStream::max_age), and
    /// [`into_parts`](Self::into_parts) returns it.
    ///
    /// Events that are ready one after the other are one burst of a [spaced](crate::Pacing::spaced)
    /// stream. `None` from the inner stream is the end, which waits for no pacing; the inner stream
    /// is not polled again.
    #[must_use = "a source does nothing unless it is taken from"]
    pub struct Events<St> {
        #[pin]
        inner: St,
        // Taken from the inner stream, and not sent yet.
        next: Option<Bytes>,
        ended: bool,
    }
}

impl<St: Stream<Item = Event>> Events<St> {
    /// A source of `events`.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::stream::Events;
    /// use sse_queue::{Event, EventStream, FakeClock};
    ///
    /// let events = futures_util::stream::iter(["a", "b"].map(Event::new));
    /// let mut stream = EventStream::new(Events::new(events), FakeClock::new().ticker());
    /// assert_eq!(stream.next_ready().unwrap(), ":\n");
    /// assert_eq!(stream.next_ready().unwrap(), "data: a\n\ndata: b\n\n");
    /// assert_eq!(stream.next_ready(), None);
    /// ```
    pub fn new(events: St) -> Self {
        Self {
            inner: events,
            next: None,
            ended: false,
        }
    }

    /// The inner stream, and the frame of the event that was taken ahead, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Event, EventStream, FakeClock, Pacing};
    ///
    /// let events = futures_util::stream::iter(["a", "b"].map(Event::new));
    /// let stream = EventStream::from_events(events, FakeClock::new().ticker());
    /// let mut stream = stream.without_first_comment().pacing(Pacing::every(Duration::from_secs(1)));
    /// assert_eq!(stream.next_ready(), None, "before the first tick");
    /// let (_events, taken) = stream.into_source().into_parts();
    /// assert_eq!(taken.unwrap(), "data: a\n\n");
    /// ```
    #[must_use]
    pub fn into_parts(self) -> (St, Option<Bytes>) {
        (self.inner, self.next)
    }

    /// Polls the inner stream for a frame, unless there is one. Ready at the end, too.
    fn poll_fill(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.next.is_some() || *this.ended {
            return Poll::Ready(());
        }
        match this.inner.poll_next(cx) {
            Poll::Ready(Some(event)) => *this.next = Some(event.encode()),
            Poll::Ready(None) => *this.ended = true,
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(())
    }
}

impl<St: Stream<Item = Event>> Source for Events<St> {
    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>, pull: &mut Pull) -> Poll<()> {
        let filled = self.as_mut().poll_fill(cx);
        if self.ended && self.next.is_none() {
            pull.closing();
        }
        filled
    }

    fn poll_chunk(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pull: &mut Pull,
    ) -> Poll<Option<Bytes>> {
        if pull.is_leaving() {
            return match self.project().next.take() {
                Some(frame) => Poll::Ready(Some(frame)),
                None => Poll::Pending,
            };
        }
        let limit = pull.limit();
        let mut chunk = Chunk::default();
        while chunk.has_capacity_left(limit) && chunk.has_bytes_left(limit) {
            let filled = self.as_mut().poll_fill(cx);
            match self.as_mut().project().next.take() {
                Some(frame) => chunk.push(frame),
                None if chunk.is_empty() && filled.is_pending() => return Poll::Pending,
                None => return Poll::Ready(chunk.join()),
            }
        }
        if !pull.is_batch() {
            pull.more_follows();
        }
        Poll::Ready(chunk.join())
    }
}

impl<St> fmt::Debug for Events<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
