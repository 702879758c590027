use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::receipt::{PushError, Receipt};
use super::state::Pushed;
use super::{Queue, Shared};
use crate::message::Message;
use crate::queue::wait_queue::Ticket;

/// The future of [`Queue::push_when_ready`].
///
/// It holds a handle of the queue. Ready once the message is in the queue, or refused.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct PushWhenReady {
    queue: Queue,
    message: Option<Message>,
    /// The place in line, once there was no room.
    place: Option<Ticket>,
}

impl PushWhenReady {
    pub(super) fn new(queue: Queue, message: Message) -> Self {
        Self {
            queue,
            message: Some(message),
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
        let mut message = this.message.take().expect("polled after it was ready");
        let shared = &this.queue.shared;
        shared.make_room_for_id(&mut message);
        loop {
            // No room and standing in line are one step: room that comes up behind it wakes.
            let pushed = shared.with(|state, now, effects| {
                let pushed = state.push(message, this.place, now, effects);
                if let Pushed::Done(Err(PushError::Full(_))) = pushed {
                    this.place = Some(state.wait_for_room(this.place, cx.waker(), effects));
                }
                pushed
            });
            match pushed {
                Pushed::Done(Err(PushError::Full(message))) => {
                    this.message = Some(message);
                    return Poll::Pending;
                }
                Pushed::Done(result) => return Poll::Ready(result),
                Pushed::Again(back) => message = back,
            }
        }
    }
}

impl Drop for PushWhenReady {
    fn drop(&mut self) {
        if let (Some(place), Some(_)) = (self.place, &self.message) {
            self.queue
                .shared
                .with(|state, _, effects| state.leave_line(place, effects));
        }
    }
}

impl Shared {
    pub(super) fn push(&self, mut message: Message) -> Result<Receipt, PushError> {
        self.make_room_for_id(&mut message);
        loop {
            let pushed = self.with(|state, now, effects| state.push(message, None, now, effects));
            match pushed {
                Pushed::Done(result) => return result,
                Pushed::Again(back) => message = back,
            }
        }
    }

    /// The id's line is put in front of the frame under the lock; the room for it is made here.
    fn make_room_for_id(&self, message: &mut Message) {
        let event = message.event_mut();
        if event.has_data && event.event_id().is_none() {
            event.reserve_front(self.epoch.longest_line());
        }
    }
}
