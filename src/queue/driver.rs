//! Futures that keep a queue's time or wait for its end.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;

use pin_project_lite::pin_project;

use super::shared::Shared;
use super::state::Driven;
use super::wait_queue::Ticket;
use crate::closed::Closing;
use crate::time::{Ticker, poll_again_after};

/// What a driver waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The queue is closed, and nothing is left to do as time passes.
    Done,
    /// The queue is closed, and no stream and nothing in flight is left.
    Ended,
}

pin_project! {
    /// The future of [`Queue::drive`] and [`Queue::ended`].
    ///
    /// It keeps the time from its first poll on, and holds no handle of the queue.
    ///
    /// [`Queue::drive`]: crate::Queue::drive
    /// [`Queue::ended`]: crate::Queue::ended
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct Driver<T> {
        goal: Goal,
        role: Role,
        #[pin]
        ticker: T,
    }
}

/// What a driver is in its queue, until this is dropped.
struct Role {
    shared: Arc<Shared>,
    ticket: Option<Ticket>,
    watcher: Option<u64>,
}

impl Role {
    fn leave(&mut self) {
        let (ticket, watcher) = (self.ticket.take(), self.watcher.take());
        if ticket.is_some() || watcher.is_some() {
            self.shared
                .with(|state, step| state.leave_driver(ticket, watcher, step));
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
            ticket: None,
            watcher: None,
        };
        Self { goal, role, ticker }
    }
}

impl<T: Ticker> Future for Driver<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Role {
            shared,
            ticket,
            watcher,
        } = &mut *this.role;
        loop {
            let mut waker = (*this.goal == Goal::Ended).then(|| cx.waker().clone());
            let next = shared.poll(cx, |state, step, caller| match this.goal {
                Goal::Done => state.drive(ticket, caller, step),
                Goal::Ended => state.poll_ended(ticket, watcher, &mut waker, caller, step),
            });
            let after = match next {
                Driven::Wait(after) => after,
                Driven::Again => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Driven::Done => {
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

impl Closing for Shared {
    fn poll_closed(&self, watcher: &mut Option<u64>, waker: Waker) -> bool {
        self.with(|state, step| state.poll_closed(watcher, waker, step))
    }

    fn leave_closed(&self, watcher: u64) {
        self.with(|state, step| state.leave_closed(watcher, step));
    }
}
