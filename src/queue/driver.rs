//! A queue's timekeeper that is no stream.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;

use pin_project_lite::pin_project;

use super::LONGEST_WAIT;
use super::state::Driven;
use super::{Shared, wait_queue::Ticket};
use crate::time::Ticker;

pin_project! {
    /// The future of [`Queue::drive`].
    ///
    /// It keeps the time from its first poll on, and holds no handle of the queue: once the last
    /// handle is dropped it goes on until all messages have left.
    #[must_use = "futures do nothing unless polled"]
    pub struct QueueDriver<T> {
        part: Part,
        #[pin]
        ticker: T,
    }
}

/// The part in the queue, which ends when this is dropped.
struct Part {
    shared: Arc<Shared>,
    ticket: Option<Ticket>,
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared
                .with(|state, step| state.consumers.remove_driver(ticket, step));
        }
    }
}

impl<T> QueueDriver<T> {
    pub(super) fn new(shared: &Arc<Shared>, ticker: T) -> Self {
        let part = Part {
            shared: Arc::clone(shared),
            ticket: None,
        };
        Self { part, ticker }
    }
}

impl<T: Ticker> Future for QueueDriver<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Part { shared, ticket } = this.part;
        loop {
            let next = shared.poll(cx, |state, step, caller| state.drive(ticket, caller, step));
            let Driven::Wait(after) = next else {
                return Poll::Ready(());
            };
            // Clock and ticker may differ: a tick that comes too early is followed by another.
            let after = after.map(|after| after.clamp(Duration::from_millis(1), LONGEST_WAIT));
            this.ticker.as_mut().arm(after);
            if this.ticker.as_mut().poll_tick(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl<T> fmt::Debug for QueueDriver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueDriver").finish_non_exhaustive()
    }
}
