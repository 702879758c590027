//! Every order in which threads can meet at a queue or a topic, up to a few preemptions:
//!
//! ```text
//! LOOM_MAX_PREEMPTIONS=3 RUSTFLAGS='--cfg loom' \
//!     cargo test --release --target-dir target/loom --test loom
//! ```
//!
//! A task that is never woken is a deadlock, and loom reports it.

#![cfg(loom)]
#![allow(
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::similar_names,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

mod delivery;
mod ending;
mod queue;
mod stream;
mod support;
mod tags;
mod topic;
mod topics;
