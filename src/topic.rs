//! The types of a [`Topic`]: settings, counters, errors, and how streams begin and
//! resume.
//!
//! # Terms
//!
//! | term | meaning |
//! |---|---|
//! | log | the messages that are kept for replay, in the order in which they entered it |
//! | number | counts the messages of the log: the `SEQ` in `EPOCH-SEQ` |
//! | position, cursor | where a stream reads next; all that a stream is to its topic |
//! | retained | still in the log |
//! | evicted | gone from the log, to stay within its bounds |
//! | scheduled | published, and not in the log before it is due |
//! | tag, [filter](Filter) | what a message is for, and what a stream wants |
//! | superseded | gone from the log, since a newer message has the same key |
//! | lag | a stream lags if its next message was evicted |
//! | gap | messages that a client has missed; it is told how many, and why |
//! | tail | the newest chunk, cached for streams that keep up |
//! | parked | a stream that is woken by the end alone |
//! | pending | streams that a publication has yet to wake |
//! | timekeeper | a stream whose ticker is armed for the topic's next deadline |
//! | [driver](crate::Topic::drive) | a future that is the timekeeper in place of the streams |
//! | step | one hold of the lock, with the time at which it happens and the effects that follow it |

mod builder;
mod cursor;
mod deserted;
mod driver;
mod drivers;
mod effects;
mod filter;
mod filters;
mod gap_event;
mod group;
pub(crate) mod handle;
mod listeners;
mod log;
mod presence;
mod publish;
mod publish_error;
mod resume;
mod shared;
mod shutdown;
mod state;
mod status;
mod store;
mod subscription;
mod timekeepers;
mod wait_set;

pub(crate) use group::{Evict, Group, Hold, Phase, Stage};
pub(crate) use handle::Topic;

pub use builder::TopicBuilder;
pub use filter::{Filter, TooManyTags};
pub use publish_error::PublishError;
pub use resume::{GapCause, Lag, Resumption, Start};
pub use status::TopicStats;
pub use subscription::TopicSubscription;

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
