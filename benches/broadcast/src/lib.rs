//! One message to many streams: by a topic of this crate, and by its peers.

mod cpu;
mod hubs;
mod table;
mod tasks;
mod ticker;

pub use cpu::CpuTime;
pub use hubs::{AsyncBroadcast, Hub, Ours, TokioBytes, TokioEncoded};
pub use table::{Bar, median, median_ratio};
pub use tasks::{Given, Tasks};
pub use ticker::{Reading, TokioTicker};
