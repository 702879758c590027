//! The types of an [`EventStream`](crate::EventStream) and its [`Source`](crate::Source).

mod alarm;
mod connect;
mod end_handle;
pub(crate) mod event_stream;
mod idle;
mod keep_alive;
mod moment;
mod pace;
pub(crate) mod pacing;
mod phase;
mod poll;
mod recheck;
mod settings;
mod setup;
mod topic_stream;
mod try_stream;

pub use crate::source::{Events, Limit, Pull, TooManyStreams};
pub use end_handle::EndHandle;
pub use keep_alive::{KeepAlive, KeepAliveError};
pub use try_stream::TryEventStream;
