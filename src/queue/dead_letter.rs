//! Dead letters, and why an ack is refused.

use core::fmt;

use bytes::Bytes;
use thiserror::Error;

use super::lease::DeadLetterReason;
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
/// Made by [`Queue::take_dead_letters`](crate::Queue::take_dead_letters) and
/// [`Queue::dead_letters`](crate::Queue::dead_letters). It can be pushed again.
///
/// # Examples
///
/// [`Event::from_frame`] reads the event's name. `Debug` shows no data; a log line that needs it
/// takes it from the lines of the [frame](Self::frame):
///
/// ```
/// use std::time::Duration;
/// use sse_queue::{Event, Lease, Queue};
///
/// let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
/// let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
/// queue.push(Event::new("order 7").name("mail")?)?;
/// queue.next_ready();
/// queue.nack("e-1", None)?;
///
/// let letter = queue.take_dead_letters().remove(0);
/// let event = Event::from_frame(letter.frame().clone())?;
/// assert_eq!((event.event_id(), event.event_name()), (Some("e-1"), Some("mail")));
///
/// let frame = str::from_utf8(letter.frame())?;
/// let data: Vec<_> = frame.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
/// let line = format!("{}: {:?}, {:?}", letter.id(), letter.reason(), data.join("\n"));
/// assert_eq!(line, "e-1: Nacked, \"order 7\"");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Event::from_frame`]: crate::Event::from_frame
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
