//! The counters of a registry.
//!
//! Pure: no lock, no clock.

/// A registry's counters at one moment.
///
/// `created` is the sum of `topics` and `evicted`.
///
/// # Examples
///
/// ```
/// use sse_queue::topic::Start;
/// use sse_queue::{FakeClock, Topics};
///
/// let rooms = Topics::<u64>::new();
/// let stream = rooms.topic(&1)?.stream(Start::Now, FakeClock::new().ticker())?;
/// drop(rooms.topic(&2)?);
/// drop(rooms.topic(&3)?);
/// rooms.forget(&3);
///
/// let stats = rooms.stats();
/// assert_eq!((stats.topics, stats.idle, stats.streams), (2, 1, 1));
/// assert_eq!((stats.created, stats.evicted), (3, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicsStats {
    /// Topics in the registry, used or idle.
    pub topics: usize,
    /// Idle ones among them, as far as they were noticed: each call of the registry notices up to 64.
    pub idle: usize,
    /// The bytes that the messages of all topics count towards
    /// [`max_bytes`](crate::topics::TopicsBuilder::max_bytes).
    pub bytes: usize,
    /// Open streams of all topics.
    pub streams: usize,
    /// Topics that were ever created.
    pub created: u64,
    /// Topics that were evicted or forgotten.
    pub evicted: u64,
}
