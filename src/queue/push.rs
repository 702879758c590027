//! Pushing, at once or when there is capacity.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use pin_project_lite::pin_project;

use super::backlog::{Push, Pushed};
use super::handle::Queue;
use super::push_error::PushError;
use super::shared::{MAX_HOLDS, Shared};
use crate::message::{Message, Receipt};
use crate::queue::wait_queue::Ticket;
use crate::time::{ThreadTicker, Ticker, poll_again_after};

/// Pushing.
impl Queue {
    /// Puts a message into the queue, and wakes a stream for it if the message is due and a stream
    /// waits.
    ///
    /// The message is encoded before the queue is locked; only its id is filled in under the lock.
    /// An event without an id gets the id `EPOCH-SEQ`.
    ///
    /// # Errors
    ///
    /// [`PushError`], which hands the message back: if the queue is full (or producers wait in
    /// [`push_when_ready`](Self::push_when_ready)), if the message is larger than the queue, if its
    /// id cannot be used, or if the queue is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::queue::PushError;
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::builder().capacity(1).epoch("e")?.build();
    /// assert_eq!(queue.push("a")?.id(), "e-1");
    /// match queue.push("b") {
    ///     Err(PushError::Full(message)) => assert_eq!(message, "b".into()),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push(&self, message: impl Into<Message>) -> Result<Receipt, PushError> {
        self.shared().push(message.into())
    }

    /// Puts a message into the queue as soon as it has capacity.
    ///
    /// Producers get capacity in the order in which they were first polled. [`push`](Self::push)
    /// does not overtake them: it is refused while one waits, even one that is not polled. Capacity
    /// that expiry frees is noticed by a waiting stream, by a [driver](Self::drive), or by a
    /// [ticker](PushWhenReady::ticker) of this future's own.
    ///
    /// # Errors
    ///
    /// As for [`push`](Self::push), except that the queue is full.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready pushes nothing, and gives its turn to the next
    /// producer.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::builder().capacity(1).build();
    /// queue.push("a")?;
    /// let mut push = pin!(queue.push_when_ready("b"));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(push.as_mut().poll(&mut cx).is_pending());
    /// queue.next_ready();
    /// assert!(push.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    pub fn push_when_ready(&self, message: impl Into<Message>) -> PushWhenReady {
        PushWhenReady::new(self.clone(), message.into())
    }
}

pin_project! {
    /// The future of [`Queue::push_when_ready`].
    ///
    /// It holds a handle to the queue, and is ready once the message is in the queue or refused.
    #[must_use = "futures do nothing unless polled"]
    pub struct PushWhenReady<T = ThreadTicker> {
        push: Option<Push>,
        line: Line,
        #[pin]
        ticker: Option<T>,
    }
}

/// A ticket in the line of producers, which is given up when this is dropped.
struct Line {
    queue: Queue,
    ticket: Option<Ticket>,
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let shared = self.queue.shared();
            shared.with(|state, step| state.backlog.leave_line(ticket, step));
        }
    }
}

impl PushWhenReady {
    pub(super) fn new(queue: Queue, message: Message) -> Self {
        let push = Some(queue.shared().prepare(message));
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

    /// Lets this future notice by itself that messages expire and free capacity.
    ///
    /// Without a ticker, a waiting stream or a [driver](Queue::drive) notices it.
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
    /// # Ok::<(), sse_queue::queue::PushError>(())
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
    /// If it is polled after it was ready.
    #[expect(clippy::expect_used, reason = "as every future that has an output")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Line { queue, ticket } = this.line;
        let shared = queue.shared();
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
            let Some(ticker) = this.ticker.as_mut().as_pin_mut() else {
                return Poll::Pending;
            };
            if poll_again_after(ticker, expiry, cx).is_pending() {
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
                // More has expired than one call should remove.
                Pushed::Again(push) if holds >= MAX_HOLDS && !self.drops_oldest => {
                    return Err(PushError::Full(push.message));
                }
                Pushed::Again(back) => {
                    holds = holds.saturating_add(1);
                    push = back;
                }
            }
        }
    }

    /// Does what needs no lock: finds the event's own id, or reserves space for the line of the id
    /// that will be assigned.
    pub(super) fn prepare(&self, mut message: Message) -> Push {
        let own_id = message.event().event_id().map(Arc::from);
        let event = message.event_mut();
        if event.has_data && own_id.is_none() {
            event.reserve_front(self.epoch.max_line_len());
        }
        Push { message, own_id }
    }
}
