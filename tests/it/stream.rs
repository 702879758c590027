//! Streams in memory, on a clock that the tests move.

mod clocks;
mod custom;
mod end;
mod events;
mod grid;
mod keep_alive;
mod reservations;
mod sources;
mod spaced;
mod types;

use crate::support::queue::QueueStream;
use crate::support::secs;

type Pacing = fn(QueueStream) -> QueueStream;

const PACINGS: [Pacing; 3] = [
    |stream| stream,
    |stream| stream.spaced(secs(60)),
    |stream| stream.every(secs(60)),
];
