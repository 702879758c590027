//! A queue's consumer as a source of frames.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use bytes::Bytes;

use super::handle::Queue;
use super::shared::{MAX_HOLDS, Shared};
use super::state::{Burst, Readiness, Taken};
use super::step::Caller;
use super::wait_queue::Ticket;
use crate::message::LastEventId;
use crate::source::chunk::Chunk;
use crate::source::{Pull, Source, TooManyStreams};

/// One of a queue's competing consumers: the [`Source`] of a queue's streams.
///
/// Dropping it leaves the queue at once; a message that it was woken for goes to another stream.
/// Made by [`Queue::stream`](crate::Queue::stream) and returned by
/// [`EventStream::into_source`](crate::EventStream::into_source).
///
/// # Examples
///
/// ```
/// use sse_queue::queue::QueueSubscription;
/// use sse_queue::{EventStream, FakeClock, FakeTicker, Queue};
///
/// struct Connection {
///     events: EventStream<QueueSubscription, FakeTicker>,
/// }
///
/// let queue = Queue::new();
/// let events = queue.stream(FakeClock::new().ticker())?;
/// let connection = Connection { events };
/// let subscription = connection.events.into_source();
/// assert_eq!(queue.stats().streams, 1);
/// drop(subscription);
/// assert_eq!(queue.stats().streams, 0);
/// # Ok::<(), sse_queue::stream::TooManyStreams>(())
/// ```
#[must_use = "dropping a subscription leaves the queue"]
pub struct QueueSubscription {
    shared: Arc<Shared>,
    ticket: Ticket,
    /// The burst that it is taking.
    burst: Option<Burst>,
    /// The last chunk emptied the queue, so the next poll will have to wait.
    took_all: bool,
}

impl Queue {
    /// Joins the competing consumers, for a client that saw `id` last.
    pub(crate) fn subscribe(
        &self,
        id: Option<&LastEventId>,
    ) -> Result<QueueSubscription, TooManyStreams> {
        let subscription = QueueSubscription::new(self.shared())?;
        if let Some(id) = id.and_then(LastEventId::as_str) {
            subscription.take_over(id);
        }
        Ok(subscription)
    }
}

impl QueueSubscription {
    fn new(shared: &Arc<Shared>) -> Result<Self, TooManyStreams> {
        let ticket = shared.with(|state, _| state.consumers.subscribe())?;
        Ok(Self {
            shared: Arc::clone(shared),
            ticket,
            burst: None,
            took_all: false,
        })
    }

    /// Takes over what the client that saw `id` last has in flight.
    fn take_over(&self, id: &str) {
        let mut taken_over = None;
        let mut has_more = true;
        while has_more {
            has_more = self
                .shared
                .with(|state, step| state.take_over(id, self.ticket, &mut taken_over, step));
        }
    }
}

impl Source for QueueSubscription {
    fn max_messages(&self) -> usize {
        16
    }

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>, pull: &mut Pull) -> Poll<()> {
        let ticket = self.ticket;
        self.shared.poll(cx, |state, step, caller| {
            if state.is_closed() {
                pull.closing();
            }
            Ok(match state.poll_ready(ticket, pull, caller, step)? {
                Readiness::Due => Poll::Ready(()),
                Readiness::Wait(deadline) => {
                    if let Some(deadline) = deadline {
                        pull.wake_at(deadline, step.now);
                    }
                    Poll::Pending
                }
            })
        })
    }

    fn poll_chunk(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pull: &mut Pull,
    ) -> Poll<Option<Bytes>> {
        if pull.is_leaving() {
            return Poll::Pending;
        }
        let this = &mut *self;
        let mut chunk = Chunk::default();
        let mut holds = 0;
        loop {
            let mut caller = Caller::new(cx.waker());
            if core::mem::take(&mut this.took_all) {
                caller.clone_waker();
            }
            let taken = this.shared.poll_as(caller, |state, step, caller| {
                let burst = &mut this.burst;
                let taken = state.poll_chunk(this.ticket, &mut chunk, burst, pull, caller, step)?;
                if let Taken::Wait(Some(deadline)) = taken {
                    pull.wake_at(deadline, step.now);
                }
                this.took_all = matches!(taken, Taken::Chunk) && state.backlog.len() == 0;
                Ok(taken)
            });
            match taken {
                Taken::Wait(_) => return Poll::Pending,
                Taken::Chunk | Taken::End => return Poll::Ready(chunk.join()),
                Taken::Again if chunk.is_empty() && holds >= MAX_HOLDS => break,
                Taken::Again => holds = holds.saturating_add(1),
            }
        }
        // Too many messages have expired before the next one: other tasks get their turn first.
        if pull.registers() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn park(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let ticket = self.ticket;
        self.shared.poll(cx, |state, step, caller| {
            state.consumers.park(ticket, caller, step)
        });
    }
}

impl Drop for QueueSubscription {
    fn drop(&mut self) {
        let ticket = self.ticket;
        self.shared
            .with(|state, step| state.unsubscribe(ticket, step));
    }
}

impl fmt::Debug for QueueSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueSubscription").finish_non_exhaustive()
    }
}
