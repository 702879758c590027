//! Publishing, and why a message is refused.

use std::sync::Arc;

use thiserror::Error;

use super::handle::Topic;
use crate::message::{Message, Receipt};

/// Publishing.
impl Topic {
    /// Publishes a message to all streams.
    ///
    /// It never waits, and never fails because of a slow stream. It wakes at most 64 streams, which
    /// wake the others. A scheduled message enters the log when it is due.
    ///
    /// # Errors
    ///
    /// [`PublishError`], which hands the message back: if the topic is closed, if the message is
    /// larger than the history, if too many messages are scheduled, or if its own id is refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topic;
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// assert_eq!(topic.publish("x")?.id(), "e-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish(&self, message: impl Into<Message>) -> Result<Receipt, PublishError> {
        let mut message = message.into();
        // The frame is searched for its id outside the lock.
        let own_id: Option<Arc<str>> = message.event().event_id().map(Arc::from);
        if let Some(id) = &own_id {
            if let Some(refuse) = self.shared().refuses(id, message.is_returned()) {
                return Err(refuse(message));
            }
        } else if message.event().has_data && message.is_scheduled() {
            // The id is written under the lock; the space for its line is made here.
            let line = self.shared().epoch().longest_line();
            message.event_mut().reserve_front(line);
        }
        self.shared().publish(message, own_id)
    }

    /// Withdraws a scheduled message that is not due yet, the newest if several have this id;
    /// returns whether there was one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Message, Topic};
    ///
    /// let topic = Topic::new();
    /// let published = topic.publish(Message::from("x").after(Duration::from_secs(60)))?;
    /// assert!(topic.cancel(published.id()));
    /// assert!(!topic.cancel(published.id()));
    /// # Ok::<(), sse_queue::topic::PublishError>(())
    /// ```
    #[must_use = "it may have entered the log already"]
    pub fn cancel(&self, id: &str) -> bool {
        self.shared().with(|state, step| state.cancel(id, step))
    }
}

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
    /// The message comes from [`Remaining`](crate::message::Remaining), and the topic holds one with its id.
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
