//! The types of [`Topics`](crate::Topics): settings, counters and errors.
//!
//! # Terms
//!
//! | term | meaning |
//! |---|---|
//! | registry | a `Topics`: all topics that are found by key |
//! | key | what a topic is found by; not the [key of a message](crate::Message::key) |
//! | user | a handle that came from the registry, or an open stream |
//! | used | a topic that has users |
//! | idle | a topic without users |
//! | evicted | removed from the registry: the key has no topic, and the messages are freed |
//! | ended | a topic that was closed or aborted |

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
