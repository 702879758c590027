//! The library from outside, on a clock that the tests move.
//!
//! A module per subject: `cargo test --test it topic::resume` runs the tests of one.

#![cfg(not(loom))]
#![allow(
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

#[cfg(unix)]
mod abandoned;
mod browser;
mod delivery;
mod encoder;
mod ending;
mod fake_clock;
mod layers;
#[cfg(unix)]
mod outside;
mod positions;
mod properties;
mod queue;
mod remaining;
#[cfg(unix)]
mod runs;
#[cfg(unix)]
mod servers;
mod simulation;
mod stream;
mod support;
mod tokio_time;
mod topic;
mod topics;
