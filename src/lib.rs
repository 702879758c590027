//! Messages for browsers: a time-ordered queue whose streams are Server-Sent Events.

mod fake;
mod source;
mod sync;
mod system;
mod time;
mod timers;

pub use fake::{FakeClock, FakeTicker};
pub use source::{Limit, Source};
pub use system::{SystemClock, ThreadTicker};
pub use time::{Clock, Ticker};
