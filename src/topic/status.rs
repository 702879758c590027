//! How far a topic's end has come, and its counters.
//!
//! Pure: no lock, no clock.

use core::time::Duration;

/// A topic's counters at one moment.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::topic::Start;
/// use sse_queue::{FakeClock, Message, Topic};
///
/// let clock = FakeClock::new();
/// let topic = Topic::builder().clock(clock.clone()).history(1).build();
/// let mut stream = topic.stream(Start::Now, clock.ticker())?.without_first_comment();
/// topic.publish("a")?;
/// topic.publish("b")?;
/// topic.publish(Message::from("later").after(Duration::from_secs(60)))?;
/// clock.run(&mut stream, Duration::ZERO);
///
/// let stats = topic.stats();
/// assert_eq!((stats.published, stats.delivered, stats.lagged), (3, 1, 1));
/// assert_eq!((stats.retained, stats.scheduled, stats.streams), (1, 1, 1));
/// assert_eq!(stats.next_due, Some(Duration::from_secs(60)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicStats {
    /// Messages that were accepted.
    pub published: u64,
    /// Messages that were read, summed over all streams.
    pub delivered: u64,
    /// Scheduled messages that had expired when they fell due.
    pub expired: u64,
    /// Scheduled messages taken out by [`Topic::cancel`](crate::Topic::cancel) or
    /// [`Topic::take_remaining`](crate::Topic::take_remaining).
    pub withdrawn: u64,
    /// Messages that a newer one with the same [key](crate::Message::key) has superseded.
    pub superseded: u64,
    /// How many times the next message of a stream had been evicted.
    pub lagged: u64,
    /// Streams that began with a gap.
    pub gaps: u64,
    /// Messages that are kept.
    pub retained: usize,
    /// The bytes that these count towards
    /// [`history_bytes`](crate::topic::TopicBuilder::history_bytes).
    pub bytes: usize,
    /// Scheduled messages that are not due yet.
    pub scheduled: usize,
    /// How long until the next scheduled message is due, if there is one.
    pub next_due: Option<Duration>,
    /// Open streams.
    pub streams: usize,
}

/// How far the topic's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    Closed,
    Aborted,
}

/// The end of a topic, and its counters.
#[derive(Debug)]
pub(super) struct Status {
    phase: Phase,
    has_handles: bool,
    /// What is counted here; the rest is known by the log.
    pub(super) counters: TopicStats,
}

impl Status {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Open,
            has_handles: true,
            counters: TopicStats::default(),
        }
    }

    pub(super) fn close(&mut self) {
        self.phase = self.phase.max(Phase::Closed);
    }

    pub(super) fn abort(&mut self) {
        self.phase = Phase::Aborted;
    }

    pub(super) fn drop_handles(&mut self) {
        self.has_handles = false;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.phase >= Phase::Closed
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.phase == Phase::Aborted
    }

    /// Whether anybody can publish.
    pub(super) fn has_handles(&self) -> bool {
        self.has_handles
    }
}

/// Counts.
pub(super) fn count(counter: &mut u64, more: u64) {
    *counter = counter.saturating_add(more);
}
