//! Everything of an [`EventStream`](crate::EventStream) and the [`Source`](crate::Source) that it takes from.

mod alarm;
mod connect;
pub(crate) mod event_stream;
mod idle;
mod keep_alive;
mod moment;
mod pacing;
mod poll;
pub(crate) mod public_pacing;
mod recheck;
mod settings;
mod setup;
mod try_stream;

pub use crate::source::{Events, Limit, Pull, TooManyStreams};
pub use keep_alive::{KeepAlive, KeepAliveError};
pub use try_stream::TryEventStream;
