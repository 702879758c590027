//! Messages that were handed out and are not confirmed yet.
//!
//! Pure: no lock, no clock; `now` is an argument.
//!
//! | from \ by | hand out | ack | nack | extend | resume | drop | lease end, grace end | expiry | close |
//! |---|---|---|---|---|---|---|---|---|---|
//! | queued | in flight | – | – | – | – | – | – | gone | queued |
//! | in flight | – | gone | queued or dead | in flight | in flight (seen: gone) | orphaned | queued, dead or gone | in flight | in flight |
//! | orphaned | – | gone | queued or dead | orphaned | in flight (seen: gone) | – | queued, dead or gone | gone | orphaned |
//! | dead | – | – | – | – | – | – | – | dead | dead |
//!
//! Seen: gone only with `Confirm::ByResume`; otherwise it stays in flight. The end of a grace leaves
//! alone what was extended. Queued or dead: dead once it was handed out as often as it may be. Gone at the end of a lease:
//! if it has expired by then. Dead ones are taken by the caller. A dash changes nothing.

mod deadlines;
mod flight;
mod leases;

use core::time::Duration;

pub(crate) use flight::{Client, HolderId, Lent};
pub(crate) use leases::{Ended, InFlight, Leases, TakenOver};

/// How a queue delivers at least once: see [`QueueBuilder::at_least_once`].
///
/// [`QueueBuilder::at_least_once`]: crate::queue::QueueBuilder::at_least_once
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::{Lease, Queue};
///
/// let lease = Lease::new(Duration::from_secs(30))
///     .grace(Duration::from_secs(2))
///     .max_attempts(5)
///     .max_in_flight(8);
/// let queue = Queue::builder().at_least_once(lease).build();
/// assert_eq!(queue.stats().in_flight, 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a lease does nothing until a queue is built with it"]
pub struct Lease {
    pub(crate) timeout: Duration,
    pub(crate) grace: Duration,
    pub(crate) max_attempts: u32,
    pub(crate) max_in_flight: usize,
    pub(crate) confirm: Confirm,
    /// The first wait, and the longest.
    backoff: Option<(Duration, Duration)>,
}

/// What confirms a message, in a queue that delivers at least once.
///
/// A client sees a message before it is done with it. A browser that reconnects sends the id that
/// it *saw* last.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::queue::Confirm;
/// use sse_queue::{FakeClock, LastEventId, Lease, Queue};
///
/// let clock = FakeClock::new();
/// let confirmed = |confirm| {
///     let lease = Lease::new(Duration::from_secs(30)).confirm(confirm);
///     let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
///     let mut stream = queue.stream(clock.ticker())?.without_first_comment();
///     queue.push("job")?;
///     stream.next_ready();
///     drop(stream);
///     queue.resume(Some(LastEventId::new("e-1")), clock.ticker())?;
///     Ok::<_, Box<dyn std::error::Error>>(queue.stats().confirmed)
/// };
/// assert_eq!(confirmed(Confirm::ByAck)?, 0);
/// assert_eq!(confirmed(Confirm::ByResume)?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Confirm {
    /// Only [`Queue::ack`](crate::Queue::ack). A client that reconnects keeps what it has in
    /// flight: what it has seen stays leased to it, and what it has not seen is sent again first.
    #[default]
    ByAck,
    /// An ack or a reconnect, which confirms what the client has seen. For browsers that cannot
    /// ack.
    ByResume,
}

impl Lease {
    /// A lease that ends `timeout` after a message was handed out, unless the message is confirmed
    /// first or the lease is extended.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30));
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// queue.push("x")?;
    /// let first = queue.next_ready();
    /// assert_eq!(queue.next_ready(), None);
    /// clock.advance(Duration::from_secs(30));
    /// assert_eq!(queue.next_ready(), first);
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            grace: Duration::from_secs(5),
            max_attempts: 16,
            max_in_flight: 1,
            confirm: Confirm::ByAck,
            backoff: None,
        }
    }

    /// How long messages in flight to a dropped stream wait for its client to reconnect: 5 s unless
    /// set.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30)).grace(Duration::ZERO);
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// queue.push("x")?;
    /// let mut stream = queue.stream(clock.ticker())?.without_first_comment();
    /// let first = stream.next_ready();
    /// drop(stream);
    /// assert_eq!(queue.next_ready(), first);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How many times a message is handed out before it becomes a dead letter: 16 by default, and
    /// at least 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Lease, Queue};
    ///
    /// let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// let queue = Queue::builder().at_least_once(lease).build();
    /// let receipt = queue.push("x")?;
    /// queue.next_ready();
    /// queue.nack(receipt.id(), None)?;
    /// assert_eq!(queue.take_dead_letters().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// How long a message waits before it is handed out again; by default it does not wait.
    ///
    /// After its first attempt it waits for `first`, and after each further one twice as long, but
    /// at most for `most`. The wait begins when its lease ends, when the grace of its dropped stream
    /// ends, or with a [`nack`](crate::Queue::nack) without a delay; a nack with a delay, zero
    /// included, keeps that delay. A message that expires in the meantime is not handed out again.
    ///
    /// What a client is sent again because it [came back](crate::Queue::resume) has stayed in
    /// flight, and does not wait. In a [closed](crate::Queue::close) queue, a message whose wait ends
    /// after the close stays for [`take_remaining`](crate::Queue::take_remaining).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let (first, most) = (Duration::from_secs(1), Duration::from_secs(60));
    /// let lease = Lease::new(Duration::from_secs(30)).backoff(first, most);
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// let receipt = queue.push("job")?;
    /// for wait in [1, 2, 4] {
    ///     assert!(queue.next_ready().is_some());
    ///     queue.nack(receipt.id(), None)?;
    ///     clock.advance(Duration::from_secs(wait) - Duration::from_millis(1));
    ///     assert!(queue.next_ready().is_none());
    ///     clock.advance(Duration::from_millis(1));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        self.backoff = Some((first, most));
        self
    }

    /// How long a message waits after so many attempts.
    pub(crate) fn backoff_after(&self, attempts: u32) -> Option<Duration> {
        /// As often as the shortest time can be doubled.
        const MOST: u32 = 100;

        let (first, most) = self.backoff?;
        let doublings = 0..attempts.saturating_sub(1).min(MOST);
        let wait = doublings.fold(first, |wait, _| wait.saturating_add(wait).min(most));
        Some(wait.min(most))
    }

    /// What confirms a message: by default, only an ack.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::queue::Confirm;
    /// use sse_queue::Lease;
    ///
    /// let lease = Lease::new(Duration::from_secs(30));
    /// assert_eq!(lease, lease.confirm(Confirm::ByAck));
    /// ```
    pub fn confirm(mut self, confirm: Confirm) -> Self {
        self.confirm = confirm;
        self
    }

    /// The maximum number of unconfirmed messages per stream: 1 by default, and at least 1. A
    /// stream that has reached it waits, while others take messages.
    ///
    /// A lease also runs while its message waits in a socket. Give one message at a time to a
    /// client that handles one at a time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let lease = Lease::new(Duration::from_secs(30)).max_in_flight(1);
    /// let queue = Queue::builder().at_least_once(lease).build();
    /// let a = queue.push("a")?;
    /// queue.push("b")?;
    /// let mut stream = queue.stream(FakeClock::new().ticker())?.without_first_comment();
    /// assert!(stream.next_ready().unwrap().ends_with(b"data: a\n\n"));
    /// assert_eq!(stream.next_ready(), None);
    /// queue.ack(a.id())?;
    /// assert!(stream.next_ready().unwrap().ends_with(b"data: b\n\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_in_flight(mut self, messages: usize) -> Self {
        self.max_in_flight = messages.max(1);
        self
    }
}

/// Why a message was returned the last time, before it became a
/// [`DeadLetter`](crate::queue::DeadLetter).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::queue::DeadLetterReason;
/// use sse_queue::{FakeClock, Lease, Queue};
///
/// let clock = FakeClock::new();
/// let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
/// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
/// let slow = queue.push("slow")?;
/// let refused = queue.push("refused")?;
/// queue.next_ready();
/// queue.next_ready();
/// queue.nack(refused.id(), None)?;
/// clock.advance(Duration::from_secs(30));
///
/// let letters = queue.take_dead_letters();
/// let reason_of = |id| letters.iter().find(|letter| letter.id() == id).map(|it| it.reason());
/// assert_eq!(reason_of(refused.id()), Some(DeadLetterReason::Nacked));
/// assert_eq!(reason_of(slow.id()), Some(DeadLetterReason::LeaseEnded));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeadLetterReason {
    /// Its lease ended.
    LeaseEnded,
    /// Its stream was dropped and the client did not reconnect in time.
    Dropped,
    /// It was given back by [`Queue::nack`](crate::Queue::nack).
    Nacked,
}
