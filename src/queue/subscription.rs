use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;

use super::Shared;
use super::state::Taken;
use crate::chunk::Chunk;
use crate::source::{Limit, Source, TooManyStreams};
use crate::waiters::Ticket;

/// One of a queue's competing consumers: the [`Source`] of a queue's streams.
///
/// Dropping it leaves the queue at once and passes on whatever look it owed.
#[must_use = "dropping a subscription leaves the queue"]
pub struct QueueSubscription {
    shared: Arc<Shared>,
    ticket: Ticket,
    next_due: Option<Duration>,
}

impl QueueSubscription {
    pub(super) fn new(shared: &Arc<Shared>) -> Result<Self, TooManyStreams> {
        let ticket = shared.with(|state, _, _| state.subscribe());
        Ok(Self {
            shared: Arc::clone(shared),
            ticket: ticket?,
            next_due: None,
        })
    }
}

impl Source for QueueSubscription {
    fn poll_due(mut self: Pin<&mut Self>, cx: &mut Context<'_>, limit: Limit) -> Poll<()> {
        let ticket = self.ticket;
        let (is_due, next_due) = self.shared.with(|state, now, effects| {
            if state.ask(ticket, now, limit, cx.waker(), effects) {
                return (true, None);
            }
            (false, state.keep_time(ticket, now))
        });
        self.next_due = next_due;
        if is_due {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn poll_take(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        limit: Limit,
    ) -> Poll<Option<Bytes>> {
        let ticket = self.ticket;
        let mut chunk = Chunk::default();
        loop {
            let (taken, next_due) = self.shared.with(|state, now, effects| {
                let taken = state.take(&mut chunk, now, limit, effects);
                match taken {
                    Taken::Done if chunk.is_empty() => {
                        state.wait(ticket, cx.waker(), effects);
                        return (taken, state.keep_time(ticket, now));
                    }
                    Taken::Done | Taken::End => state.leave(ticket),
                    Taken::Again => {}
                }
                (taken, None)
            });
            self.next_due = next_due;
            match taken {
                Taken::Done if chunk.is_empty() => return Poll::Pending,
                Taken::Done | Taken::End => return Poll::Ready(chunk.join()),
                Taken::Again => {}
            }
        }
    }

    fn next_due(&self) -> Option<Duration> {
        self.next_due
    }

    fn is_closing(&self) -> bool {
        self.shared.state.lock().is_closed()
    }

    fn park(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let ticket = self.ticket;
        self.shared
            .with(|state, _, effects| state.park(ticket, cx.waker(), effects));
        self.next_due = None;
    }
}

impl Drop for QueueSubscription {
    fn drop(&mut self) {
        let ticket = self.ticket;
        self.shared
            .with(|state, _, effects| state.unsubscribe(ticket, effects));
    }
}

impl fmt::Debug for QueueSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueSubscription").finish_non_exhaustive()
    }
}
