//! Why a key gets no topic.

use thiserror::Error;

/// The registry is at its maximum number of topics, and none of them is idle.
///
/// A service answers it with status 429 or 503.
///
/// # Examples
///
/// ```
/// use sse_queue::Topics;
///
/// let topics: Topics<String> = Topics::builder().max_topics(1).build();
/// let one = topics.topic("one")?;
/// let error = topics.topic("two").unwrap_err();
/// assert_eq!(error.to_string(), "all 1 topics are in use");
///
/// drop(one);
/// topics.topic("two")?;
/// # Ok::<(), sse_queue::topics::TooManyTopics>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("all {limit} topics are in use")]
#[non_exhaustive]
pub struct TooManyTopics {
    /// The maximum.
    pub limit: usize,
}
