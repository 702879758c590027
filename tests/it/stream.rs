//! Streams in memory, on a clock that the tests move.

mod clocks;
mod custom;
mod end;
mod end_handle;
mod events;
mod grid;
mod keep_alive;
mod opening;
mod reservations;
mod sources;
mod spaced;
mod types;

use sse_queue::Pacing;

use crate::support::secs;

const PACINGS: [Pacing; 3] = [
    Pacing::immediate(),
    Pacing::spaced(secs(60)),
    Pacing::every(secs(60)),
];
