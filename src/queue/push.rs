//! Pushing, at once or when there is capacity.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use super::receipt::{PushError, Receipt};
use super::state::{Push, Pushed};
use super::{Queue, Shared};
use crate::message::Message;
use crate::queue::wait_queue::Ticket;

/// The future of [`Queue::push_when_ready`].
///
/// It holds a handle of the queue. Ready once the message is in the queue, or refused.
#[must_use = "futures do nothing unless polled"]
pub struct PushWhenReady {
    queue: Queue,
    push: Option<Push>,
    /// The place in line, once there was no room.
    place: Option<Ticket>,
}

impl PushWhenReady {
    pub(super) fn new(queue: Queue, message: Message) -> Self {
        Self {
            push: Some(queue.handle.shared.prepare(message)),
            queue,
            place: None,
        }
    }
}

impl Future for PushWhenReady {
    type Output = Result<Receipt, PushError>;

    /// # Panics
    ///
    /// If it is polled again after it was ready.
    #[expect(clippy::expect_used, reason = "as every future that has an output")]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut push = this.push.take().expect("polled after it was ready");
        let shared = &this.queue.handle.shared;
        loop {
            // Checking for capacity and joining the line happen under one lock, so capacity that is
            // freed afterwards wakes this task.
            let pushed = shared.with(|state, now, effects| {
                let pushed = state.push(push, this.place, now, effects);
                if let Pushed::Full(_) = pushed {
                    this.place = Some(state.wait_for_room(this.place, cx.waker(), effects));
                }
                pushed
            });
            match pushed {
                Pushed::Full(push) => {
                    this.push = Some(push);
                    return Poll::Pending;
                }
                Pushed::Done(result) => return Poll::Ready(result),
                Pushed::Again(back) => push = back,
            }
        }
    }
}

impl fmt::Debug for PushWhenReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushWhenReady").finish_non_exhaustive()
    }
}

impl Drop for PushWhenReady {
    fn drop(&mut self) {
        if let (Some(place), Some(_)) = (self.place, &self.push) {
            self.queue
                .handle
                .shared
                .with(|state, _, effects| state.leave_line(place, effects));
        }
    }
}

impl Shared {
    pub(super) fn push(&self, message: Message) -> Result<Receipt, PushError> {
        let mut push = self.prepare(message);
        loop {
            let pushed = self.with(|state, now, effects| state.push(push, None, now, effects));
            match pushed {
                Pushed::Done(result) => return result,
                Pushed::Full(push) => return Err(PushError::Full(push.message)),
                Pushed::Again(back) => push = back,
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
