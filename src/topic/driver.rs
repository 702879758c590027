//! A future that keeps the time of a topic.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;

use pin_project_lite::pin_project;

use super::shared::Shared;
use crate::time::Ticker;

/// Clock and ticker may differ: a poll that comes too early is followed by another one.
const LEAST: Duration = Duration::from_millis(1);
/// So soon a jump of the clock is noticed.
const MOST: Duration = Duration::from_secs(30);

pin_project! {
    /// The future of [`Topic::drive`](crate::Topic::drive).
    #[must_use = "futures do nothing unless polled"]
    pub struct TopicDriver<T> {
        #[pin]
        ticker: T,
        role: Role,
    }
}

/// What a driver is in its topic; it leaves when this is dropped.
struct Role {
    shared: Arc<Shared>,
    id: Option<u64>,
}

impl<T> TopicDriver<T> {
    pub(super) fn new(shared: Arc<Shared>, ticker: T) -> Self {
        Self {
            ticker,
            role: Role { shared, id: None },
        }
    }
}

impl<T: Ticker> Future for TopicDriver<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let mut least = Duration::ZERO;
        loop {
            let Role { shared, id } = &mut *this.role;
            let waker = cx.waker().clone();
            let next = shared.with(|state, step| {
                let next = state.drive(id, waker, step)?;
                Some((next, step.now))
            });
            let Some((next, now)) = next else {
                this.role.leave();
                this.ticker.arm(None);
                return Poll::Ready(());
            };
            let after = next.after(now).map(|after| after.clamp(least, MOST));
            this.ticker.as_mut().arm(after);
            if this.ticker.as_mut().poll_tick(cx).is_pending() {
                return Poll::Pending;
            }
            least = LEAST;
        }
    }
}

impl Role {
    fn leave(&mut self) {
        if let Some(id) = self.id.take() {
            self.shared
                .with(|state, step| state.remove_driver(id, step));
        }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T> fmt::Debug for TopicDriver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicDriver").finish_non_exhaustive()
    }
}
