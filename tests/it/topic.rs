//! Topics and their streams in memory, on a clock that the tests move.

mod broadcast;
mod clock_reads;
mod complete;
mod crowds;
mod deserted;
mod driver;
mod end;
mod gaps;
mod history;
mod keep_alive;
mod keeping_up;
mod keys;
mod lag;
mod liveness;
mod marks;
mod opening;
mod pacing;
mod resume;
mod returned_ids;
mod roles;
mod schedule;
mod tags;
mod waking;
