//! Settings for a new queue.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use super::bounds::{Bounds, Overflow};
use super::handle::Queue;
use super::lease::Lease;
use super::rate::Rate;
use super::shared::Shared;
use super::state::State;
use super::turns::Turns;
use crate::message::id::{Epoch, EpochError, HIGHEST_GIVEN};
use crate::time::Clock;
use crate::time::system::SystemClock;

/// Making a queue.
impl Queue {
    /// A queue with the default bounds and the system's clock.
    ///
    /// # Panics
    ///
    /// On `wasm32-unknown-unknown`, where std has no clock. A [builder](Self::builder) with a clock
    /// of your own works there.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Queue;
    ///
    /// assert_eq!(Queue::new().stats().depth, 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Settings for a new queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::queue::Overflow;
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::builder().capacity(1).overflow(Overflow::DropOldest).build();
    /// queue.push("a")?;
    /// queue.push("b")?;
    /// assert_eq!((queue.stats().depth, queue.stats().dropped), (1, 1));
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    pub fn builder() -> QueueBuilder {
        QueueBuilder::new()
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}

/// Settings for a new [`Queue`].
///
/// # Examples
///
/// ```
/// use sse_queue::queue::Overflow;
/// use sse_queue::{FakeClock, Queue};
///
/// let queue = Queue::builder()
///     .capacity(1_000)
///     .capacity_bytes(16 * 1024 * 1024)
///     .overflow(Overflow::DropOldest)
///     .max_streams(500)
///     .clock(FakeClock::new())
///     .build();
/// assert_eq!(queue.stats().depth, 0);
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct QueueBuilder {
    bounds: Bounds,
    clock: Option<Arc<dyn Clock>>,
    epoch: Option<Epoch>,
    first_number: u64,
    lease: Option<Lease>,
    rate: Option<Rate>,
}

impl QueueBuilder {
    pub(super) fn new() -> Self {
        Self {
            bounds: Bounds {
                messages: 65_536,
                bytes: 256 * 1024 * 1024,
                streams: 100_000,
                overflow: Overflow::Reject,
            },
            clock: None,
            epoch: None,
            first_number: 1,
            lease: None,
            rate: None,
        }
    }

    /// The maximum number of messages in the queue, due or not: 65 536 by default. With 0, every
    /// push is refused.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::Queue;
    /// let queue = Queue::builder().capacity(1).build();
    /// assert!(queue.push("a").is_ok());
    /// assert!(queue.push("b").is_err());
    /// ```
    pub fn capacity(mut self, messages: usize) -> Self {
        self.bounds.messages = messages;
        self
    }

    /// The maximum memory of the queue's messages, in bytes: 256 MiB by default.
    ///
    /// Each message counts its frame plus 192 bytes for bookkeeping, and the event's own id counts
    /// its length plus 64 bytes. A message that exceeds the bound by itself is refused as [too
    /// large](crate::queue::PushError::TooLarge).
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::queue::PushError;
    /// # use sse_queue::Queue;
    /// let queue = Queue::builder().capacity_bytes(1024).build();
    /// assert!(matches!(queue.push("x".repeat(900)), Err(PushError::TooLarge(_))));
    /// assert!(queue.push("x".repeat(700)).is_ok());
    /// ```
    pub fn capacity_bytes(mut self, bytes: usize) -> Self {
        self.bounds.bytes = bytes;
        self
    }

    /// What a push does when the queue is full: by default, it is refused.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::queue::Overflow;
    /// # use sse_queue::Queue;
    /// let queue = Queue::builder().capacity(1).overflow(Overflow::DropOldest).build();
    /// queue.push("a")?;
    /// queue.push("b")?;
    /// assert!(queue.next_ready().unwrap().ends_with(b"data: b\n\n"));
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.bounds.overflow = overflow;
        self
    }

    /// The maximum number of streams open at once: 100 000 by default.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::{FakeClock, Queue};
    /// let queue = Queue::builder().max_streams(0).build();
    /// assert!(queue.stream(FakeClock::new().ticker()).is_err());
    /// ```
    pub fn max_streams(mut self, streams: usize) -> Self {
        self.bounds.streams = streams;
        self
    }

    /// The clock for due times, expiry and leases: a [`SystemClock`] by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sse_queue::{FakeClock, Message, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::builder().clock(clock.clone()).build();
    /// queue.push(Message::from("x").after(Duration::from_secs(1)))?;
    /// clock.advance(Duration::from_secs(1));
    /// assert!(queue.next_ready().is_some());
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The number of the first message: 1 by default. 0 counts as 1, and a number above 2^48 as 2^48.
    ///
    /// A queue that starts empty with an epoch that was used before must begin after the last
    /// number of that epoch. Otherwise an id that a client remembers could name another message.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::Queue;
    /// let queue = Queue::builder().epoch("test")?.first_number(8).build();
    /// assert_eq!(queue.push("x")?.id(), "test-8");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first_number(mut self, number: u64) -> Self {
        self.first_number = number.clamp(1, HIGHEST_GIVEN);
        self
    }

    /// The first part of the ids: by default one that no other queue has, even after a restart.
    ///
    /// A fixed epoch is for tests, or for a queue that continues another one's numbers.
    ///
    /// # Errors
    ///
    /// [`EpochError`] if `epoch` is not 1 to 16 characters of `a-z` and `0-9`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::Queue;
    /// let queue = Queue::builder().epoch("test")?.build();
    /// assert_eq!(queue.push("x")?.id(), "test-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn epoch(mut self, epoch: &str) -> Result<Self, EpochError> {
        self.epoch = Some(Epoch::new(epoch)?);
        Ok(self)
    }

    /// Delivers at least once: a message that is handed out is leased until it is confirmed, and
    /// returns if it is not.
    ///
    /// Messages in flight and dead letters count towards the queue's bounds. Ids that events bring
    /// must be unique. Comments and reconnection times have no id that a client could confirm, so
    /// they are delivered at most once.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sse_queue::{Lease, Queue};
    /// let lease = Lease::new(Duration::from_secs(30));
    /// let queue = Queue::builder().at_least_once(lease).build();
    /// let receipt = queue.push("job")?;
    /// assert!(queue.next_ready().is_some());
    /// assert_eq!(queue.stats().in_flight, 1);
    /// queue.ack(receipt.id())?;
    /// assert_eq!(queue.stats().in_flight, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at_least_once(mut self, lease: Lease) -> Self {
        self.lease = Some(lease);
        self
    }

    /// The maximum number of messages that leave the queue in each `period`, over all its streams:
    /// no limit unless set.
    ///
    /// It is for consumers that share a limit, such as that of a service which they all call.
    ///
    /// The periods form a grid on the queue's [clock](Self::clock) that starts with the first
    /// message after a quiet period. When as many messages have left, the others stay until the next
    /// period begins, as if they were not due yet. What a period leaves unused is lost, so a jump of
    /// the clock releases at most one period's messages early. Each time that a message is handed
    /// out counts, by [`next_ready`](Queue::next_ready) too. Comments and reconnection times do not
    /// count, and leave in their turn.
    ///
    /// The rate holds whatever the [pacing](crate::Pacing) of the streams. A stream on a grid of its
    /// own finds nothing at a tick if others have used up the period. The rate ends when the queue is
    /// [closed](Queue::close). Zero messages count as one; a period of zero is no limit.
    ///
    /// ```text
    /// rate(2, 10 s)    0         10        20        30   s
    /// pushed           abcde
    /// leave            ab        cd        e
    /// ```
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::builder().clock(clock.clone()).rate(1, Duration::from_secs(10)).build();
    /// queue.push("a")?;
    /// queue.push("b")?;
    /// assert!(queue.next_ready().is_some());
    /// assert!(queue.next_ready().is_none());
    /// clock.advance(Duration::from_secs(10));
    /// assert!(queue.next_ready().is_some());
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    pub fn rate(mut self, messages: usize, period: Duration) -> Self {
        self.rate = Rate::new(messages, period);
        self
    }

    /// Makes the queue.
    ///
    /// # Panics
    ///
    /// On `wasm32-unknown-unknown` if no clock is set: std has none there.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::Queue;
    /// assert!(!Queue::builder().build().is_closed());
    /// ```
    #[must_use]
    pub fn build(self) -> Queue {
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let now = clock.now();
        let epoch = self.epoch.unwrap_or_else(|| Epoch::unique(now));
        let mut state = State::new(self.bounds, epoch, self.first_number, self.lease, now);
        if let Some(rate) = self.rate {
            state.limit(rate);
        }
        Queue::with(Shared {
            clock,
            epoch,
            drops_oldest: self.bounds.overflow == Overflow::DropOldest,
            state: Turns::new(state),
        })
    }
}

impl fmt::Debug for QueueBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueBuilder")
            .field("bounds", &self.bounds)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
