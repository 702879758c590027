//! The types of [`Topics`](crate::Topics): settings, counters and errors.
//!
//! # Terms
//!
//! | term | meaning |
//! |---|---|
//! | registry | a `Topics`: all topics that are found by key |
//! | user | a handle that came from the registry, or an open stream |
//! | idle | a topic without users |
//! | evicted | gone from the registry: its key has no topic, and its messages are freed |
//! | ended | a topic that was closed or aborted |
//! | code | what stands for the key in an epoch |
//! | root | the registry's own handle of a topic. It is no user |
//! | inbox | topics whose last user has left, until the next call of the registry |

mod builder;
mod code;
mod driver;
mod error;
pub(crate) mod handle;
mod shared;
mod shutdown;
mod stats;
mod table;

pub use builder::TopicsBuilder;
pub use error::TooManyTopics;
pub use stats::TopicsStats;
