//! Why a publication is refused.

use thiserror::Error;

use crate::message::Message;

/// Why a message was refused. It is handed back.
///
/// # Examples
///
/// ```
/// use sse_queue::{Message, Topic};
///
/// let topic = Topic::new();
/// topic.close();
/// let error = topic.publish("x").unwrap_err();
/// assert_eq!(error.to_string(), "topic is closed");
/// assert_eq!(error.into_message(), Message::from("x"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic was closed or aborted.
    #[error("topic is closed")]
    Closed(Message),
    /// The message exceeds the bound of the topic's history in bytes by itself.
    #[error("message is larger than the topic's history")]
    TooLarge(Message),
    /// The message is scheduled, and the topic is at its bound of scheduled messages or their
    /// bytes.
    #[error("topic has too many scheduled messages")]
    Full(Message),
    /// The event's own id has the form of this topic's ids: `EPOCH-SEQ` or `EPOCH-dSEQ`. Only a
    /// message from [`Remaining`](crate::message::Remaining) may bring one, with a number of at
    /// most 2^48.
    #[error("id has the form of the ids that this topic gives")]
    ReservedId(Message),
    /// The event's own id is empty: a client that saw it would reconnect without an id, and miss
    /// what was published in between.
    #[error("id is empty")]
    EmptyId(Message),
    /// The event's own id is longer than [`LastEventId::MAX_LEN`](crate::LastEventId::MAX_LEN), so no
    /// client could send it back.
    #[error("id is longer than a client can send back")]
    IdTooLong(Message),
    /// The message comes from [`Remaining`](crate::message::Remaining), and the topic already holds
    /// a message with its id.
    #[error("topic holds a message with this id")]
    DuplicateId(Message),
}

impl PublishError {
    /// The message that was refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::PublishError;
    /// use sse_queue::{Event, Message, Topic};
    ///
    /// let event = Event::new("x").id("")?;
    /// let error = Topic::new().publish(event.clone()).unwrap_err();
    /// assert!(matches!(error, PublishError::EmptyId(_)));
    /// assert_eq!(error.into_message(), Message::from(event));
    /// # Ok::<(), sse_queue::event::EventError>(())
    /// ```
    #[must_use]
    pub fn into_message(self) -> Message {
        match self {
            Self::Closed(message)
            | Self::TooLarge(message)
            | Self::Full(message)
            | Self::ReservedId(message)
            | Self::EmptyId(message)
            | Self::IdTooLong(message)
            | Self::DuplicateId(message) => message,
        }
    }
}
