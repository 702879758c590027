//! A queue's counters.

use core::time::Duration;

/// A queue's counters at one moment.
///
/// In a queue that delivers at most once, `pushed` is the sum of `delivered`, `dropped`, `expired`,
/// `withdrawn` and `depth`. In one that delivers at least once, it is the sum of `confirmed`,
/// `in_flight`, `dead`, `dropped`, `expired`, `withdrawn` and `depth`; messages without an id count
/// as `confirmed` there once they are handed out.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::{FakeClock, Message, Queue};
///
/// let clock = FakeClock::new();
/// let queue = Queue::builder().clock(clock.clone()).build();
/// queue.push("a")?;
/// queue.push("b")?;
/// queue.push(Message::from("brief").expires_after(Duration::from_secs(1)))?;
/// queue.next_ready();
/// clock.advance(Duration::from_secs(5));
///
/// let stats = queue.stats();
/// assert_eq!((stats.pushed, stats.delivered, stats.expired, stats.depth), (3, 1, 1, 1));
/// assert_eq!(stats.oldest_age, Some(Duration::from_secs(5)));
/// # Ok::<(), sse_queue::queue::PushError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Messages that were accepted.
    pub pushed: u64,
    /// Messages that were handed to a stream or to [`Queue::next_ready`](crate::Queue::next_ready),
    /// counted each time.
    pub delivered: u64,
    /// Messages that [`Overflow::DropOldest`](crate::queue::Overflow::DropOldest) dropped.
    pub dropped: u64,
    /// Messages that expired before they were delivered.
    pub expired: u64,
    /// Messages taken out by [`Queue::cancel`](crate::Queue::cancel), [`Queue::take_remaining`](crate::Queue::take_remaining) or
    /// [`Queue::take_dead_letters`](crate::Queue::take_dead_letters).
    pub withdrawn: u64,
    /// Messages that were handed out again, counted each time.
    pub redelivered: u64,
    /// Messages that were confirmed.
    pub confirmed: u64,
    /// Messages that are leased.
    pub in_flight: usize,
    /// Dead letters that have not been taken.
    pub dead: usize,
    /// Messages in the queue, due or not.
    pub depth: usize,
    /// The bytes that all messages, including those in flight and dead letters, count towards
    /// [`capacity_bytes`](crate::queue::QueueBuilder::capacity_bytes).
    pub bytes: usize,
    /// Open streams.
    pub streams: usize,
    /// How long the next message has been due, if it is due.
    pub oldest_age: Option<Duration>,
}
