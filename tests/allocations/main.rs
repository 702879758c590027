//! What the library allocates, counted. The counting allocator is global, so this is a crate of its own.

#![cfg(not(loom))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

mod log;
mod queue;
mod topic;
