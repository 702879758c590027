//! Dead letters, and why an ack is refused.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use thiserror::Error;

use super::handle::Queue;
use super::lease::DeadLetterReason;
use super::wait_queue::Ticket;
use crate::message::Message;
use crate::message::remaining::Remaining;

/// Why an ack, a nack or an extension was refused.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::queue::AckError;
/// use sse_queue::{FakeClock, Lease, Queue};
///
/// let clock = FakeClock::new();
/// let lease = Lease::new(Duration::from_secs(30));
/// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
/// let receipt = queue.push("x")?;
/// assert_eq!(queue.ack(receipt.id()), Err(AckError::Unknown), "not handed out");
/// queue.next_ready();
/// clock.advance(Duration::from_secs(30));
/// assert_eq!(queue.ack(receipt.id()), Err(AckError::Stale), "the lease has ended");
/// # Ok::<(), sse_queue::queue::PushError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AckError {
    /// No message with this id was ever in flight. Answer it with status 404.
    #[error("no message with this id was in flight")]
    Unknown,
    /// The message is no longer in flight: its lease has ended, and it was handed to another client
    /// or became a dead letter. Answer it with status 410.
    #[error("lease of the message has ended")]
    Stale,
}

/// A message that was handed out as often as allowed and never confirmed.
///
/// Made by [`Queue::take_dead_letters`](crate::Queue::take_dead_letters). It can be pushed again.
#[derive(Clone)]
pub struct DeadLetter {
    remaining: Remaining,
    reason: DeadLetterReason,
}

impl DeadLetter {
    /// The encoded event.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sse_queue::{Lease, Queue};
    /// # let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// # let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
    /// queue.push("x")?;
    /// queue.next_ready();
    /// queue.nack("e-1", None)?;
    /// assert_eq!(queue.take_dead_letters()[0].frame(), "id: e-1\ndata: x\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn frame(&self) -> &Bytes {
        self.remaining.frame()
    }

    /// The message's id.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sse_queue::{Lease, Queue};
    /// # let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// # let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
    /// queue.push("x")?;
    /// queue.next_ready();
    /// queue.nack("e-1", None)?;
    /// assert_eq!(queue.take_dead_letters()[0].id(), "e-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        self.remaining.id()
    }

    /// How many times it was handed out.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sse_queue::{Lease, Queue};
    /// # let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// # let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
    /// queue.push("x")?;
    /// queue.next_ready();
    /// queue.nack("e-1", None)?;
    /// assert_eq!(queue.take_dead_letters()[0].attempts(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.remaining.attempts()
    }

    /// Why it was returned the last time.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sse_queue::queue::DeadLetterReason;
    /// # use sse_queue::{Lease, Queue};
    /// # let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// # let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
    /// queue.push("x")?;
    /// queue.next_ready();
    /// queue.nack("e-1", None)?;
    /// assert_eq!(queue.take_dead_letters()[0].reason(), DeadLetterReason::Nacked);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reason(&self) -> DeadLetterReason {
        self.reason
    }
}

/// Keeps its id, due time and expiry; its attempts start again.
impl From<DeadLetter> for Message {
    fn from(letter: DeadLetter) -> Self {
        Self::from(letter.remaining).begun_anew()
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("message", &self.remaining)
            .field("reason", &self.reason)
            .finish()
    }
}

impl DeadLetter {
    pub(super) fn new(remaining: Remaining, reason: DeadLetterReason) -> Self {
        Self { remaining, reason }
    }
}

/// The future of [`Queue::dead_letters`](crate::Queue::dead_letters).
///
/// It holds a handle of the queue.
#[must_use = "futures do nothing unless polled"]
pub(super) struct DeadLetters {
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
            let shared = queue.shared();
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
            let shared = self.queue.shared();
            shared.with(|state, step| state.leave_dead(ticket, step));
        }
    }
}
