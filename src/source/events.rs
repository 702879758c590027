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
    /// Any stream of [`Event`]s as a [`Source`]: what
    /// [`EventStream::from_events`](crate::EventStream::from_events) takes from.
    ///
    /// Events that are ready go out together, within the limits of the stream. `None` from the
    /// inner stream is the end; it is not polled again.
    #[must_use = "a source does nothing unless it is taken from"]
    pub struct Events<St> {
        #[pin]
        inner: St,
        // What was taken from the inner stream and has not gone out yet.
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
    /// use sse_queue::{Event, EventStream, Events, FakeClock};
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

    /// Polls for a frame, if none is at hand. Ready at the end, too.
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
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>, _: &mut Pull) -> Poll<()> {
        self.poll_fill(cx)
    }

    fn poll_chunk(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pull: &mut Pull,
    ) -> Poll<Option<Bytes>> {
        let limit = pull.limit();
        let mut chunk = Chunk::default();
        while chunk.has_place(limit) {
            let filled = self.as_mut().poll_fill(cx);
            let next = self.as_mut().project().next;
            match next.take_if(|frame| chunk.fits(frame, limit)) {
                Some(frame) => chunk.push(frame),
                None if chunk.is_empty() && filled.is_pending() => return Poll::Pending,
                None => break,
            }
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
