//! Futures that wait for the end of what is in flight, and for dead letters.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use pin_project_lite::pin_project;

use super::dead_letter::DeadLetter;
use super::{LONGEST_WAIT, Queue, wait_queue::Ticket};
use crate::time::Ticker;

pin_project! {
    /// The future of [`Queue::drain`].
    ///
    /// Ready once nothing is in flight. It holds a handle of the queue.
    #[must_use = "futures do nothing unless polled"]
    pub struct Drain<T> {
        wait: DrainWait,
        #[pin]
        ticker: T,
    }
}

/// The wait, which ends when this is dropped.
struct DrainWait {
    queue: Queue,
    ticket: Option<Ticket>,
}

impl Drop for DrainWait {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let shared = &self.queue.handle.shared;
            shared.with(|state, step| state.leave_drain(ticket, step));
        }
    }
}

impl<T> Drain<T> {
    pub(super) fn new(queue: Queue, ticker: T) -> Self {
        let wait = DrainWait {
            queue,
            ticket: None,
        };
        Self { wait, ticker }
    }
}

impl<T: Ticker> Future for Drain<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let DrainWait { queue, ticket } = this.wait;
        loop {
            let shared = &queue.handle.shared;
            let next_end = shared.poll(cx, |state, step, caller| state.drain(ticket, caller, step));
            let Some(after) = next_end else {
                return Poll::Ready(());
            };
            // Clock and ticker may differ: a tick that comes too early is followed by another.
            let after = after.clamp(Duration::from_millis(1), LONGEST_WAIT);
            this.ticker.as_mut().arm(Some(after));
            if this.ticker.as_mut().poll_tick(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl<T> fmt::Debug for Drain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").finish_non_exhaustive()
    }
}

/// The future of [`Queue::dead_letters`].
///
/// It holds a handle of the queue.
#[must_use = "futures do nothing unless polled"]
pub struct DeadLetters {
    queue: Queue,
    ticket: Option<Ticket>,
}

impl DeadLetters {
    pub(super) fn new(queue: Queue) -> Self {
        Self {
            queue,
            ticket: None,
        }
    }
}

impl Future for DeadLetters {
    type Output = Vec<DeadLetter>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<DeadLetter>> {
        let Self { queue, ticket } = &mut *self;
        loop {
            let shared = &queue.handle.shared;
            let is_over = shared.poll(cx, |state, step, caller| {
                state.poll_dead(ticket, caller, step)
            });
            let Some(is_over) = is_over else {
                return Poll::Pending;
            };
            let letters = queue.take_dead_letters();
            // Another task may have been faster.
            if is_over || !letters.is_empty() {
                return Poll::Ready(letters);
            }
        }
    }
}

impl Drop for DeadLetters {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let shared = &self.queue.handle.shared;
            shared.with(|state, step| state.leave_dead(ticket, step));
        }
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").finish_non_exhaustive()
    }
}
