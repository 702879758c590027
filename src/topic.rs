//! The types of a [`Topic`]: settings, counters, errors, and how streams begin and
//! resume.
//!
//! # Terms
//!
//! | term | meaning |
//! |---|---|
//! | log | the messages that are kept for replay, in the order in which they entered it |
//! | number | the count of a message in the log: the `SEQ` in `EPOCH-SEQ` |
//! | position | where a stream reads next: after one number, before the next |
//! | retained, kept | still in the log |
//! | evicted | removed from the log, to keep it within its bounds |
//! | scheduled | published, but not in the log until it is due |
//! | [tag](crate::Message::tag) | what a message is about |
//! | [filter](Filter) | the set of tags that a stream wants |
//! | [key](crate::Message::key) | names the thing whose newest state the message is |
//! | superseded | removed from the log, because a newer message has the same key |
//! | lag | a stream lags if its next message was evicted |
//! | gap | messages that a client has missed; the `gap` event says how many, and why |
//! | timekeeper | a stream whose ticker is armed for the topic's next deadline |
//! | [driver](crate::Topic::drive) | a future that is the timekeeper in place of the streams |

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
