//! The wait for the beginning of a hub's end.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;

/// A queue or a topic that tells tasks when closing has begun.
pub(crate) trait Closing {
    /// Whether closing has begun. If not, wakes `waker` when it does, in place of the one that this
    /// watcher had before.
    fn poll_closed(&self, watcher: &mut Option<u64>, waker: Waker) -> bool;

    /// Wakes this watcher no more.
    fn leave_closed(&self, watcher: u64);
}

/// The future of `closed()`. It holds no handle.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Closed<H: Closing> {
    hub: Arc<H>,
    watcher: Option<u64>,
}

impl<H: Closing> Closed<H> {
    pub(crate) fn new(hub: &Arc<H>) -> Self {
        Self {
            hub: Arc::clone(hub),
            watcher: None,
        }
    }
}

impl<H: Closing> Future for Closed<H> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { hub, watcher } = &mut *self;
        if hub.poll_closed(watcher, cx.waker().clone()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl<H: Closing> Drop for Closed<H> {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher {
            self.hub.leave_closed(watcher);
        }
    }
}
