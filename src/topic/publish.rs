//! What becomes of a message that is published.

use thiserror::Error;

use crate::message::Message;
use crate::message::id::Id;

/// What became of a message that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub(super) id: Id,
    pub(super) streams: usize,
    pub(super) retained: u64,
}

impl Published {
    /// The message's id: the event's own, or the one that the topic gave it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Message, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// assert_eq!(topic.publish("x")?.id(), "e-1");
    /// let later = Message::from("y").after(Duration::from_secs(1));
    /// assert_eq!(topic.publish(later)?.id(), "e-d1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// How many streams were open.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::Topic;
    /// assert_eq!(Topic::new().publish("x")?.streams(), 0);
    /// # Ok::<(), sse_queue::PublishError>(())
    /// ```
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams
    }

    /// How many messages are kept, this one included if it is due.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::Topic;
    /// let topic = Topic::new();
    /// topic.publish("a")?;
    /// assert_eq!(topic.publish("b")?.retained(), 2);
    /// # Ok::<(), sse_queue::PublishError>(())
    /// ```
    #[must_use]
    pub fn retained(&self) -> u64 {
        self.retained
    }
}

/// Why a message was not published. It is handed back.
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
    /// The message by itself is larger than all that the topic may keep.
    #[error("message is larger than the topic's history")]
    TooLarge(Message),
    /// The message is scheduled, and the topic holds as many scheduled messages or bytes as it may.
    #[error("topic has too many scheduled messages")]
    Full(Message),
    /// The event's own id has the form of this topic's ids: `EPOCH-SEQ` or `EPOCH-dSEQ`. Only a
    /// message from [`Remaining`](crate::Remaining) may bring one back, with a number of at most 2^48.
    #[error("id has the form of the ids that this topic gives")]
    ReservedId(Message),
    /// The event's own id is empty: a client that has seen it would come back without an id, and miss
    /// what was published meanwhile.
    #[error("id is empty")]
    EmptyId(Message),
    /// The event's own id is longer than [`LastEventId::MAX_LEN`](crate::LastEventId::MAX_LEN), so no
    /// client could send it back.
    #[error("id is longer than a client can send back")]
    IdTooLong(Message),
    /// The message comes from [`Remaining`](crate::Remaining), and the topic holds one with its id.
    #[error("topic holds a message with this id")]
    DuplicateId(Message),
}

impl PublishError {
    /// The message that was refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{Event, Message, PublishError, Topic};
    ///
    /// let event = Event::new("x").id("")?;
    /// let error = Topic::new().publish(event.clone()).unwrap_err();
    /// assert!(matches!(error, PublishError::EmptyId(_)));
    /// assert_eq!(error.into_message(), Message::from(event));
    /// # Ok::<(), sse_queue::EventError>(())
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
