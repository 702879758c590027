use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use thiserror::Error;

use super::state::Pushed;
use super::{Queue, Shared};
use crate::id::Id;
use crate::message::Message;
use crate::waiters::Ticket;

/// What became of a message that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub(super) id: Id,
}

impl Receipt {
    /// The message's id: the event's own, or the one that the queue gave it. It is the id that goes
    /// over the wire; a comment has one too, but carries none.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{Event, Queue};
    ///
    /// let queue = Queue::builder().epoch("e")?.build();
    /// assert_eq!(queue.push("x")?.id(), "e-1");
    /// assert_eq!(queue.push(Event::new("x").id("mine")?)?.id(), "mine");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }
}

/// Why a message was refused. It is handed back.
///
/// # Examples
///
/// ```
/// use sse_queue::{Message, Queue};
///
/// let queue = Queue::new();
/// queue.close();
/// let error = queue.push("x").unwrap_err();
/// assert_eq!(error.to_string(), "queue is closed");
/// assert_eq!(error.into_message(), Message::from("x"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PushError {
    /// The queue holds as many messages or bytes as it may, or others wait for room already.
    #[error("queue is full")]
    Full(Message),
    /// The message by itself is larger than all that the queue may hold.
    #[error("message is larger than the queue")]
    TooLarge(Message),
    /// The queue was closed or aborted.
    #[error("queue is closed")]
    Closed(Message),
    /// The queue delivers at least once and has a message with this id of its own already.
    #[error("queue has a message with this id already")]
    DuplicateId(Message),
}

impl PushError {
    /// The message that was refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{Message, Queue};
    ///
    /// let error = Queue::builder().capacity(0).build().push("x").unwrap_err();
    /// assert_eq!(error.into_message(), Message::from("x"));
    /// ```
    #[must_use]
    pub fn into_message(self) -> Message {
        match self {
            Self::Full(message)
            | Self::TooLarge(message)
            | Self::Closed(message)
            | Self::DuplicateId(message) => message,
        }
    }
}

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
