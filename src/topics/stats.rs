//! The counters of a registry.
//!
//! Pure: no lock, no clock.

/// A registry's counters at one moment.
///
/// `created` is the sum of `topics` and `evicted`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicsStats {
    /// Topics that are there.
    pub topics: usize,
    /// Those of them that were seen to be idle.
    pub idle: usize,
    /// What the messages of all topics count towards [`max_bytes`](crate::topics::TopicsBuilder::max_bytes).
    pub bytes: usize,
    /// Streams open, of all topics.
    pub streams: usize,
    /// Topics that were ever made.
    pub created: u64,
    /// Topics that were evicted or forgotten.
    pub evicted: u64,
}
