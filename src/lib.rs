//! Messages for browsers: a time-ordered queue whose streams are Server-Sent Events.

mod encode;
mod event;
mod frame;
mod source;
mod sync;
mod time;

pub use event::{Event, EventError, Field};
pub use frame::FrameError;
pub use source::{Limit, Source};
pub use time::{Clock, Ticker};
