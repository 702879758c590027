//! Why a push is refused.

use thiserror::Error;

use crate::message::Message;

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
    /// The queue is at its bound in messages or bytes, or producers are already waiting for
    /// capacity.
    #[error("queue is full")]
    Full(Message),
    /// The message exceeds the queue's bound in bytes by itself.
    #[error("message is larger than the queue")]
    TooLarge(Message),
    /// The queue was closed or aborted.
    #[error("queue is closed")]
    Closed(Message),
    /// The event's own id has the form of the ids that this queue assigns, `EPOCH-SEQ`. Only a
    /// message that comes from [`Remaining`](crate::message::Remaining) or a
    /// [`DeadLetter`](crate::queue::DeadLetter) may bring one, with a number of at most 2^48.
    #[error("id has the form of the ids that this queue gives")]
    ReservedId(Message),
    /// The event's own id is empty, in a queue that delivers at least once: it could not be
    /// confirmed.
    #[error("id is empty")]
    EmptyId(Message),
    /// The event's own id is longer than [`LastEventId::MAX_LEN`](crate::LastEventId::MAX_LEN), so no
    /// client could send it back.
    #[error("id is longer than a client can send back")]
    IdTooLong(Message),
    /// The queue delivers at least once and already holds a message with this id.
    #[error("queue has a message with this id already")]
    DuplicateId(Message),
    /// The message has a [tag](Message::tag) or a [key](Message::key), which only a topic knows: in a
    /// queue it would go to a stream that does not want it.
    #[error("queue knows no tags and keys")]
    Labelled(Message),
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
            | Self::ReservedId(message)
            | Self::EmptyId(message)
            | Self::IdTooLong(message)
            | Self::DuplicateId(message)
            | Self::Labelled(message) => message,
        }
    }
}
