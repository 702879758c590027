//! A message that was peeked: shown, and still in its queue.

use core::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use crate::message::remaining::Remaining;
use crate::time::Deadline;

/// A message that is in a queue, as it was when it was shown.
///
/// Made by [`Queue::peek_ready`](crate::Queue::peek_ready),
/// [`peek_scheduled`](crate::Queue::peek_scheduled) and
/// [`peek_in_flight`](crate::Queue::peek_in_flight). It shares the message's bytes, and so keeps
/// them in memory after the message has left the queue.
///
/// # Examples
///
/// What waits in a paused queue, for an operator's page:
///
/// ```
/// use sse_queue::Queue;
///
/// let queue = Queue::builder().epoch("e")?.build();
/// queue.pause();
/// queue.push_all(["a", "b"])?;
/// let waiting = queue.peek_ready(100);
/// let lines = waiting.iter().map(|it| format!("{}: {} attempts", it.id(), it.attempts()));
/// assert_eq!(lines.collect::<Vec<_>>(), ["e-1: 0 attempts", "e-2: 0 attempts"]);
/// assert_eq!(queue.stats().depth, 2, "nothing was taken");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Peeked {
    remaining: Remaining,
    lease_end: Deadline,
}

impl Peeked {
    pub(super) fn new(remaining: Remaining, lease_end: Deadline) -> Self {
        Self {
            remaining,
            lease_end,
        }
    }

    /// The message's id, by which it can be [cancelled](crate::Queue::cancel) or
    /// [confirmed](crate::Queue::ack).
    ///
    /// # Examples
    ///
    /// ```
    /// # let queue = sse_queue::Queue::new();
    /// let receipt = queue.push("x")?;
    /// assert_eq!(queue.peek_ready(1)[0].id(), receipt.id());
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        self.remaining.id()
    }

    /// The encoded event.
    ///
    /// # Examples
    ///
    /// ```
    /// # let queue = sse_queue::Queue::builder().epoch("e")?.build();
    /// queue.push("x")?;
    /// assert_eq!(queue.peek_ready(1)[0].frame(), "id: e-1\ndata: x\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn frame(&self) -> &Bytes {
        self.remaining.frame()
    }

    /// When it fell or falls due; `None` means never.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Clock, FakeClock, Message, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::builder().clock(clock.clone()).build();
    /// let minute = Duration::from_secs(60);
    /// queue.push(Message::from("x").after(minute))?;
    /// assert_eq!(queue.peek_scheduled(1)[0].due(), Some(clock.now() + minute));
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use]
    pub fn due(&self) -> Option<SystemTime> {
        self.remaining.due()
    }

    /// When it expires; `None` means never.
    ///
    /// # Examples
    ///
    /// ```
    /// # let queue = sse_queue::Queue::new();
    /// queue.push("x")?;
    /// assert_eq!(queue.peek_ready(1)[0].expires(), None);
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        self.remaining.expires()
    }

    /// How many times it was handed out.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sse_queue::{Lease, Queue};
    /// # let lease = Lease::new(Duration::from_secs(30));
    /// # let queue = Queue::builder().at_least_once(lease).build();
    /// queue.push("x")?;
    /// queue.next_ready();
    /// assert_eq!(queue.peek_in_flight(1)[0].attempts(), 1);
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.remaining.attempts()
    }

    /// When its lease ends; `None` if it is not in flight.
    ///
    /// A lease ends earlier if its stream is dropped and the [grace](crate::Lease::grace) ends
    /// first.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Clock, FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30));
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// queue.push("x")?;
    /// assert_eq!(queue.peek_ready(1)[0].lease_end(), None);
    /// queue.next_ready();
    /// let end = clock.now() + Duration::from_secs(30);
    /// assert_eq!(queue.peek_in_flight(1)[0].lease_end(), Some(end));
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use]
    pub fn lease_end(&self) -> Option<SystemTime> {
        self.lease_end.time()
    }
}

/// Shows no data.
impl fmt::Debug for Peeked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peeked")
            .field("message", &self.remaining)
            .field("lease_end", &self.lease_end)
            .finish()
    }
}
