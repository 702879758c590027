//! Messages for browsers: a time-ordered queue whose streams are Server-Sent Events.

mod source;
mod sync;
mod time;

pub use source::{Limit, Source};
pub use time::{Clock, Ticker};
