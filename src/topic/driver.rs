//! Futures that keep a topic's time or wait for its end.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::Arc;

use pin_project_lite::pin_project;

use super::shared::Shared;
use crate::closed::Closing;
use crate::time::{Ticker, poll_again_after};

/// What a driver waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The topic is closed, and nothing is left to do as time passes.
    Done,
    /// The topic is closed, and no stream is left.
    Ended,
}

/// What a driver must do next.
enum Driven {
    /// Poll again when it is woken, or after that time.
    Wait(Option<Duration>),
    /// The topic is closed, and nothing is left to do.
    Done,
}

pin_project! {
    /// The future of [`Topic::drive`] and [`Topic::ended`].
    ///
    /// It keeps the time from its first poll on, and holds no handle of the topic.
    ///
    /// [`Topic::drive`]: crate::Topic::drive
    /// [`Topic::ended`]: crate::Topic::ended
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct Driver<T> {
        goal: Goal,
        role: Role,
        #[pin]
        ticker: T,
    }
}

/// What a driver is in its topic, until this is dropped.
struct Role {
    shared: Arc<Shared>,
    id: Option<u64>,
    watcher: Option<u64>,
}

impl Role {
    fn leave(&mut self) {
        if let Some(id) = self.id.take() {
            self.shared
                .with(|state, step| state.remove_driver(id, step));
        }
        if let Some(watcher) = self.watcher.take() {
            let waker = self.shared.with(|state, _| state.leave_ended(watcher));
            drop(waker);
        }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T> Driver<T> {
    pub(super) fn new(shared: &Arc<Shared>, goal: Goal, ticker: T) -> Self {
        let role = Role {
            shared: Arc::clone(shared),
            id: None,
            watcher: None,
        };
        Self { goal, role, ticker }
    }
}

impl<T: Ticker> Future for Driver<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            let is_ended = *this.goal == Goal::Ended && this.role.poll_ended(cx);
            let after = match this.role.drive(cx) {
                Driven::Wait(after) if !is_ended => after,
                // Time does nothing more; the streams still have to leave.
                Driven::Done if !is_ended && *this.goal == Goal::Ended => None,
                _ => {
                    this.role.leave();
                    this.ticker.arm(None);
                    return Poll::Ready(());
                }
            };
            if poll_again_after(this.ticker.as_mut(), after, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Role {
    fn drive(&mut self, cx: &Context<'_>) -> Driven {
        let Self { shared, id, .. } = self;
        let waker = cx.waker().clone();
        shared.with(|state, step| match state.drive(id, waker, step) {
            Some(next) => Driven::Wait(next.after(step.now)),
            None => Driven::Done,
        })
    }

    /// Whether the topic has ended; waits for that if not.
    fn poll_ended(&mut self, cx: &Context<'_>) -> bool {
        let Self {
            shared, watcher, ..
        } = self;
        let waker = cx.waker().clone();
        let (is_ended, displaced) = shared.with(|state, _| state.poll_ended(watcher, waker));
        drop(displaced);
        is_ended
    }
}

impl Closing for Shared {
    fn poll_closed(&self, watcher: &mut Option<u64>, waker: Waker) -> bool {
        let (has_begun, displaced) = self.with(|state, _| state.poll_closed(watcher, waker));
        drop(displaced);
        has_begun
    }

    fn leave_closed(&self, watcher: u64) {
        let waker = self.with(|state, _| state.leave_closed(watcher));
        drop(waker);
    }
}
