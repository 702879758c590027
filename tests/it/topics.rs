//! Topics by key, and their streams in memory, on a clock that the tests move.

mod bounds;
mod callers;
mod driver;
mod end;
mod eviction;
mod ids;
mod lookup;
mod model;
