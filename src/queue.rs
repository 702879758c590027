//! The types of a [`Queue`]: settings, counters, errors, delivery at least once, and peeking.
//!
//! # Terms
//!
//! | term | meaning |
//! |---|---|
//! | backlog | the messages in the queue that no consumer has: due, or scheduled |
//! | due | a message whose time has come, and which has not expired |
//! | timekeeper | a stream whose ticker is armed for the queue's next deadline |
//! | [driver](crate::Queue::drive) | a future that is the timekeeper in place of the streams |
//! | [rate](QueueBuilder::rate) | how many messages may leave the queue in each period |
//! | [paused](crate::Queue::pause) | a queue that hands out nothing for now |
//! | handed out | given to a stream, or returned by [`next_ready`](crate::Queue::next_ready) |
//! | confirmed | acked, or seen by a client that has resumed with [`Confirm::ByResume`] |
//! | lease | the time within which a message that was handed out must be confirmed |
//! | in flight | a message that was handed out, and is leased |
//! | attempt | each time that a message is handed out |
//! | [backoff](crate::Lease::backoff) | how long a message waits before its next attempt |
//! | [peeked](Peeked) | a message that was shown, and stays in the queue |
//! | dead letter | a message that was handed out as often as allowed, and never confirmed |

mod ack_history;
mod backlog;
mod bounds;
mod builder;
mod consumers;
mod dead_letter;
mod delivery;
mod driver;
mod gate;
pub(crate) mod handle;
mod item;
pub(crate) mod lease;
mod many;
mod pause;
mod peek;
mod peeked;
mod push;
mod push_error;
mod rate;
mod settlement;
mod shared;
mod shutdown;
mod state;
mod stats;
mod step;
mod subscription;
mod take;
mod turns;
mod wait_queue;

pub(crate) use handle::Queue;

pub use bounds::Overflow;
pub use builder::QueueBuilder;
pub use dead_letter::{AckError, DeadLetter};
pub use lease::{Confirm, DeadLetterReason};
pub use many::{AckAllError, PushAllError};
pub use peeked::Peeked;
pub use push::PushWhenReady;
pub use push_error::PushError;
pub use stats::QueueStats;
pub use subscription::QueueSubscription;
