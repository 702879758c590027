//! The example servers as processes, and a client small enough to misbehave.

mod client;
mod server;

pub(crate) use client::Event;
pub(crate) use server::{Server, run};
