//! Messages for browsers: a time-ordered queue whose streams are Server-Sent Events.

#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        reason = "a test that overflows fails, as it should"
    )
)]

mod chunk;
mod encode;
mod event;
mod events;
mod fake;
mod frame;
pub mod header;
mod id;
mod lease;
mod log;
mod message;
mod ordered;
mod pace;
mod queue;
mod ranges;
mod remaining;
mod source;
mod stream;
mod sync;
mod system;
mod time;
mod timers;
mod topic;
mod waiters;
mod wakers;

pub use event::{Event, EventError, Field};
pub use events::Events;
pub use fake::{FakeClock, FakeTicker};
pub use frame::FrameError;
pub use header::LastEventId;
pub use id::EpochError;
pub use lease::{Lease, Reason};
pub use message::Message;
pub use queue::{
    AckError, DeadLetter, Drain, Overflow, PushError, PushWhenReady, Queue, QueueBuilder,
    QueueStats, QueueSubscription, Receipt,
};
pub use remaining::Remaining;
pub use source::{Limit, Source, TooManyStreams};
pub use stream::{EventStream, KeepAlive, KeepAliveError, TryEventStream};
pub use system::{SystemClock, ThreadTicker};
pub use time::{Clock, Ticker};
pub use topic::{
    GapCause, Lag, PublishError, Published, Resumption, Start, Topic, TopicBuilder, TopicStats,
    TopicSubscription,
};
