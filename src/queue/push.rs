//! Pushing, at once or when there is capacity.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use pin_project_lite::pin_project;

use super::backlog::{Push, Pushed};
use super::receipt::{PushError, Receipt};
use super::{LONGEST_WAIT, MOST_HOLDS, Queue, Shared};
use crate::message::Message;
use crate::queue::wait_queue::Ticket;
use crate::time::{ThreadTicker, Ticker};

pin_project! {
    /// The future of [`Queue::push_when_ready`].
    ///
    /// It holds a handle of the queue. Ready once the message is in the queue, or refused.
    #[must_use = "futures do nothing unless polled"]
    pub struct PushWhenReady<T = ThreadTicker> {
        push: Option<Push>,
        line: Line,
        #[pin]
        ticker: Option<T>,
    }
}

/// The place in the line of producers; it is left when this is dropped.
struct Line {
    queue: Queue,
    ticket: Option<Ticket>,
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let shared = &self.queue.handle.shared;
            shared.with(|state, step| state.backlog.leave_line(ticket, step));
        }
    }
}

impl PushWhenReady {
    pub(super) fn new(queue: Queue, message: Message) -> Self {
        let push = Some(queue.handle.shared.prepare(message));
        let line = Line {
            queue,
            ticket: None,
        };
        Self {
            push,
            line,
            ticker: None,
        }
    }

    /// Sees by itself that messages expire and make room.
    ///
    /// Without a ticker, the streams that wait or a [driver](Queue::drive) see that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Message, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::builder().clock(clock.clone()).capacity(1).build();
    /// queue.push(Message::from("a").expires_after(Duration::from_secs(1)))?;
    /// let mut push = pin!(queue.push_when_ready("b").ticker(clock.ticker()));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(push.as_mut().poll(&mut cx).is_pending());
    /// clock.advance(Duration::from_secs(1));
    /// assert!(push.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    pub fn ticker<T: Ticker>(self, ticker: T) -> PushWhenReady<T> {
        PushWhenReady {
            push: self.push,
            line: self.line,
            ticker: Some(ticker),
        }
    }
}

impl<T: Ticker> Future for PushWhenReady<T> {
    type Output = Result<Receipt, PushError>;

    /// # Panics
    ///
    /// If it is polled again after it was ready.
    #[expect(clippy::expect_used, reason = "as every future that has an output")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Line { queue, ticket } = this.line;
        let shared = &queue.handle.shared;
        loop {
            let mut push = Some(this.push.take().expect("polled after it was ready"));
            // Checking for capacity and joining the line happen under one lock, so capacity that is
            // freed afterwards wakes this task.
            let (pushed, expiry) = shared.poll(cx, |state, step, caller| {
                let Some(next) = push.take() else {
                    return Ok((None, None));
                };
                let pushed = state.push(next, ticket, step);
                let Pushed::Full(full) = pushed else {
                    return Ok((Some(pushed), None));
                };
                match state.backlog.wait_for_capacity(ticket, caller, step) {
                    Ok(expiry) => Ok((Some(Pushed::Full(full)), expiry.after(step.now))),
                    Err(needs_clone) => {
                        push = Some(full);
                        Err(needs_clone)
                    }
                }
            });
            match pushed {
                Some(Pushed::Full(full)) => *this.push = Some(full),
                Some(Pushed::Done(result)) => return Poll::Ready(result),
                Some(Pushed::Again(again)) => {
                    *this.push = Some(again);
                    continue;
                }
                None => return Poll::Pending,
            }
            let Some(mut ticker) = this.ticker.as_mut().as_pin_mut() else {
                return Poll::Pending;
            };
            // Clock and ticker may differ: a tick that comes too early is followed by another.
            let least = core::time::Duration::from_millis(1);
            let after = expiry.map(|after| after.clamp(least, LONGEST_WAIT));
            ticker.as_mut().arm(after);
            if ticker.as_mut().poll_tick(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl<T> fmt::Debug for PushWhenReady<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushWhenReady").finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn push(&self, message: Message) -> Result<Receipt, PushError> {
        let mut push = self.prepare(message);
        let mut holds = 0;
        loop {
            let pushed = self.with(|state, step| state.push(push, &mut None, step));
            match pushed {
                Pushed::Done(result) => return result,
                Pushed::Full(push) => return Err(PushError::Full(push.message)),
                // What has expired is yet to be found: not by this call, which shall not take long.
                Pushed::Again(push) if holds >= MOST_HOLDS && !self.drops_oldest => {
                    return Err(PushError::Full(push.message));
                }
                Pushed::Again(back) => {
                    holds = holds.saturating_add(1);
                    push = back;
                }
            }
        }
    }

    /// What need not be done under the lock: the frame is searched for its id, or gets space for the
    /// line that the id is written into.
    pub(super) fn prepare(&self, mut message: Message) -> Push {
        let own_id = message.event().event_id().map(Arc::from);
        let event = message.event_mut();
        if event.has_data && own_id.is_none() {
            event.reserve_front(self.epoch.longest_line());
        }
        Push { message, own_id }
    }
}
