//! The queue in memory, on a clock that the tests move.

mod bounds;
mod cancel;
mod capacity;
mod close;
mod counts;
mod driver;
mod due;
mod idle;
mod many;
mod order;
mod pause;
mod peek;
mod rate;
mod stalled;
mod timekeeper;
mod waits;
mod wakes;

/// What a message of one letter counts in bytes: its frame, and 192.
const SMALL: usize = 17 + 192;
