//! What the benchmarks of costs share: rows with bars, timed calls, and streams to measure.

mod calls;
mod fixture;
mod rounds;
mod runs;
mod table;

pub use calls::{Calls, Watched, watched};
pub use fixture::{
    Counter, Random, drain, leased, poll, queue_stream, roomy, thread_ticker, ticked, topic_stream,
};
pub use rounds::{Size, alternate};
pub use runs::{Reach, deltas, lookups};
pub use table::{Row, Suite, run};
