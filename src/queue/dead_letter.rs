//! Messages that could not be delivered, and why a message is not confirmed.

use bytes::Bytes;
use core::fmt;
use thiserror::Error;

use crate::message::Message;
use crate::message::remaining::Remaining;
use crate::queue::lease::Reason;

/// Why a message was not confirmed, given back or extended.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::{AckError, FakeClock, Lease, Queue};
///
/// let clock = FakeClock::new();
/// let lease = Lease::new(Duration::from_secs(30));
/// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
/// let receipt = queue.push("x")?;
/// assert_eq!(queue.ack(receipt.id()), Err(AckError::Unknown), "not handed out");
/// queue.next_ready();
/// clock.advance(Duration::from_secs(30));
/// assert_eq!(queue.ack(receipt.id()), Err(AckError::Stale), "the lease has ended");
/// # Ok::<(), sse_queue::PushError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AckError {
    /// No message with this id was ever in flight. A service answers it with status 404.
    #[error("no message with this id was in flight")]
    Unknown,
    /// The message was in flight and is not any more: its lease has ended. Somebody else gets it,
    /// or it is among the dead letters. A service answers it with status 410.
    #[error("lease of the message has ended")]
    Stale,
}

/// A message that was handed out as often as it may be, and never confirmed.
///
/// Taken by [`Queue::take_dead_letters`](crate::Queue::take_dead_letters). It can be pushed again.
#[derive(Clone)]
pub struct DeadLetter {
    remaining: Remaining,
    reason: Reason,
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
    /// queue.nack("e-1", Duration::ZERO)?;
    /// assert_eq!(queue.take_dead_letters()[0].frame(), "id: e-1\ndata: x\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn frame(&self) -> &Bytes {
        self.remaining.frame()
    }

    /// The id under which it was pushed.
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
    /// queue.nack("e-1", Duration::ZERO)?;
    /// assert_eq!(queue.take_dead_letters()[0].id(), "e-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        self.remaining.id()
    }

    /// How often it was handed out.
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
    /// queue.nack("e-1", Duration::ZERO)?;
    /// assert_eq!(queue.take_dead_letters()[0].attempts(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.remaining.attempts()
    }

    /// Why it came back the last time.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sse_queue::{Lease, Queue, Reason};
    /// # let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// # let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
    /// queue.push("x")?;
    /// queue.next_ready();
    /// queue.nack("e-1", Duration::ZERO)?;
    /// assert_eq!(queue.take_dead_letters()[0].reason(), Reason::Nacked);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

/// Keeps id, due time and expiry, and begins anew with its attempts.
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
    pub(super) fn new(remaining: Remaining, reason: Reason) -> Self {
        Self { remaining, reason }
    }
}
