//! The example servers as processes, and a client small enough to misbehave.

pub(crate) mod client;
pub(crate) mod proxy;
pub(crate) mod server;
