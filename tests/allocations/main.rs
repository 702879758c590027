//! What the library allocates, counted. The counting allocator is global, so this is a crate of its
//! own.

#![cfg(not(loom))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

mod labels;
mod log;
mod queue;
mod topic;
mod topics;

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use sse_queue::Ticker;

/// A ticker of no size that never ticks: all that is counted is the library's.
struct Never;

impl Ticker for Never {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn arm(self: Pin<&mut Self>, _: Option<Duration>) {}

    fn poll_tick(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// Polls a stream with a waker that wakes nothing.
fn poll(stream: &mut (impl Stream<Item = Bytes> + Unpin)) -> Poll<Option<Bytes>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}
