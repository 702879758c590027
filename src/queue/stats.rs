//! A queue's counters.

use core::time::Duration;

/// A queue's counters at one moment.
///
/// `pushed` is the sum of `dropped`, `expired`, `withdrawn`, `depth`, and of `delivered` in a queue
/// that delivers at most once. In one that delivers at least once it is the sum of `confirmed`,
/// `in_flight` and `dead` in its place; what has no id there is counted as `confirmed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Messages that were accepted.
    pub pushed: u64,
    /// Messages that were handed to a stream or to [`Queue::next_ready`](crate::Queue::next_ready).
    pub delivered: u64,
    /// Messages that [`Overflow::DropOldest`](crate::queue::Overflow::DropOldest) dropped.
    pub dropped: u64,
    /// Messages that expired before anybody took them.
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
    /// Dead letters that were not taken yet.
    pub dead: usize,
    /// Messages in the queue, due or not.
    pub depth: usize,
    /// What all these count towards [`capacity_bytes`](crate::queue::QueueBuilder::capacity_bytes): waiting,
    /// leased and dead ones.
    pub bytes: usize,
    /// Streams open.
    pub streams: usize,
    /// How long the message that is to go next has been due.
    pub oldest_age: Option<Duration>,
}
