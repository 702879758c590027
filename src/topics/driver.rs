//! Futures that move eviction on, or wait for the end of all topics.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;

use pin_project_lite::pin_project;

use super::shared::Shared;
use crate::time::{Ticker, poll_again_after};
use crate::topic::Stage;

pin_project! {
    /// The future of [`Topics::drive`] and [`Topics::ended`]. It holds no handle of the registry.
    ///
    /// [`Topics::drive`]: crate::Topics::drive
    /// [`Topics::ended`]: crate::Topics::ended
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct Driver<K, T> {
        watch: Watch<K>,
        #[pin]
        ticker: T,
    }
}

impl<K, T> Driver<K, T> {
    pub(super) fn new(shared: &Arc<Shared<K>>, stage: Stage, ticker: T) -> Self {
        let watch = Watch {
            shared: Arc::clone(shared),
            stage,
            watcher: None,
        };
        Self { watch, ticker }
    }
}

impl<K, T: Ticker> Future for Driver<K, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            if this.watch.poll(cx) {
                this.ticker.arm(None);
                return Poll::Ready(());
            }
            let wait = this.watch.tend();
            if poll_again_after(this.ticker.as_mut(), Some(wait), cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// The future's entry in the registry, until this is dropped.
struct Watch<K> {
    shared: Arc<Shared<K>>,
    stage: Stage,
    watcher: Option<u64>,
}

impl<K> Watch<K> {
    fn poll(&mut self, cx: &Context<'_>) -> bool {
        let waker = cx.waker().clone();
        let group = self.shared.group();
        group.poll_stage(self.stage, &mut self.watcher, waker)
    }

    /// Moves eviction on; returns how long until the next time.
    fn tend(&self) -> Duration {
        let keep = self.shared.keep();
        let next = self.shared.tend();
        next.map_or(keep, |next| next.min(keep))
    }
}

impl<K> Drop for Watch<K> {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher {
            self.shared.group().leave_stage(self.stage, watcher);
        }
    }
}
