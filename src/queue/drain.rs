//! Waits until nothing is in flight.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::Queue;
use crate::time::{LONGEST_ARM, Ticker};

pin_project! {
    /// The future of [`Queue::drain`].
    ///
    /// Ready once nothing is in flight. It holds a handle of the queue.
    #[must_use = "futures do nothing unless polled"]
    pub struct Drain<T> {
        queue: Queue,
        #[pin]
        ticker: T,
        place: Option<usize>,
    }

    impl<T> PinnedDrop for Drain<T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.queue
                .handle
                .shared
                .with(|state, _, effects| state.leave_drain(this.place, effects));
        }
    }
}

impl<T> Drain<T> {
    pub(super) fn new(queue: Queue, ticker: T) -> Self {
        Self {
            queue,
            ticker,
            place: None,
        }
    }
}

impl<T: Ticker> Future for Drain<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            let next_end = this
                .queue
                .handle
                .shared
                .with(|state, now, effects| state.drain(this.place, now, cx.waker(), effects));
            let Some(after) = next_end else {
                return Poll::Ready(());
            };
            // Clock and ticker may differ: a look that comes too early is followed by another.
            let least = core::time::Duration::from_millis(1);
            let after = after.clamp(least, LONGEST_ARM);
            this.ticker.as_mut().arm(Some(after));
            if this.ticker.as_mut().poll_tick(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl<T> fmt::Debug for Drain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").finish_non_exhaustive()
    }
}
