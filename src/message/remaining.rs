//! Messages that were taken out of a queue or topic.

use core::fmt;
use core::time::Duration;
use std::time::SystemTime;

use bytes::Bytes;
use thiserror::Error;

use crate::event::{Event, EventError, Fields, FrameError};
use crate::message::id::Id;
use crate::message::{Labels, Message};
use crate::time::Deadline;

/// A message that was never delivered, taken out of its queue or topic.
///
/// It can be pushed again, and keeps its id, due time, expiry and attempts; one from a topic also
/// keeps its tag and key. To keep it across a restart, store its parts, and rebuild it with
/// [`from_parts`](Self::from_parts).
#[derive(Clone, PartialEq, Eq)]
pub struct Remaining {
    frame: Bytes,
    id: Id,
    due: Deadline,
    expires: Deadline,
    attempts: u32,
    labels: Option<Box<Labels>>,
}

impl Remaining {
    pub(crate) fn new(
        frame: Bytes,
        id: Id,
        due: Deadline,
        expires: Deadline,
        attempts: u32,
    ) -> Self {
        Self {
            frame,
            id,
            due,
            expires,
            attempts,
            labels: None,
        }
    }

    pub(crate) fn labelled(mut self, labels: Option<Box<Labels>>) -> Self {
        self.labels = labels;
        self
    }

    /// Rebuilds a message from the parts that were stored before a restart.
    ///
    /// The parts are what the accessors returned: [`frame`](Self::frame), [`id`](Self::id),
    /// [`due`](Self::due), [`expires`](Self::expires) and [`attempts`](Self::attempts). A message
    /// that is pushed again keeps them all, and a queue continues to count its attempts. A tag and a
    /// key are not among the parts: store them yourself, and set them on the
    /// [`Message`] that is made from the result.
    ///
    /// `id` may be `None` if the frame contains it or there is none. The id of a comment is not in
    /// its frame, so a comment gets a new id when it is pushed. In a queue of the same epoch, push
    /// comments and new messages after all messages that keep their ids, or they take one of their
    /// numbers.
    ///
    /// # Errors
    ///
    /// [`RemainingError`] if the parts do not belong together: see its variants.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::message::Remaining;
    /// use sse_queue::{Message, Queue};
    ///
    /// let queue = Queue::builder().epoch("monday")?.build();
    /// queue.push(Message::from("x").expires_after(Duration::from_secs(60)))?;
    /// let taken = queue.take_remaining().remove(0);
    /// let row = (taken.frame().to_vec(), taken.id().to_owned(), taken.due(), taken.expires());
    ///
    /// // After the restart:
    /// let (frame, id, due, expires) = row;
    /// let message = Remaining::from_parts(frame, Some(&id), due, expires, 0)?;
    /// assert_eq!(message, taken);
    /// let queue = Queue::builder().epoch("tuesday")?.build();
    /// assert_eq!(queue.push(message)?.id(), "monday-1");
    /// assert_eq!(queue.next_ready().unwrap(), "id: monday-1\ndata: x\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_parts(
        frame: impl Into<Bytes>,
        id: Option<&str>,
        due: Option<SystemTime>,
        expires: Option<SystemTime>,
        attempts: u32,
    ) -> Result<Self, RemainingError> {
        let event = Event::from_frame(frame)?;
        let id = match (event.event_id(), id) {
            (Some(own), Some(id)) if own != id => return Err(RemainingError::OtherId),
            (Some(own), _) => Id::own(own.into()),
            (None, None | Some("")) => Id::own("".into()),
            (None, Some(_)) if event.has_data => return Err(RemainingError::OtherId),
            (None, Some(id)) => {
                Event::new("").id(id)?;
                Id::own(id.into())
            }
        };
        let or_never = |time: Option<_>| time.map_or(Deadline::Never, Deadline::At);
        let (due, expires) = (or_never(due), or_never(expires));
        if expires < due {
            return Err(RemainingError::ExpiresBeforeDue);
        }
        Ok(Self::new(event.encode(), id, due, expires, attempts))
    }

    /// The encoded event. [`Event::from_frame`] reads its name and id.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Event;
    /// # let queue = sse_queue::Queue::builder().epoch("e")?.build();
    /// queue.push(Event::new("x").name("mail")?)?;
    /// let remaining = queue.take_remaining().remove(0);
    /// assert_eq!(remaining.frame(), "id: e-1\nevent: mail\ndata: x\n\n");
    /// let event = Event::from_frame(remaining.frame().clone())?;
    /// assert_eq!(event.event_name(), Some("mail"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The message's id; empty if it has none.
    ///
    /// # Examples
    ///
    /// ```
    /// # let queue = sse_queue::Queue::new();
    /// let receipt = queue.push("x")?;
    /// assert_eq!(queue.take_remaining()[0].id(), receipt.id());
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// The time at which it is or was due; `None` means never.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # let queue = sse_queue::Queue::new();
    /// queue.push(sse_queue::Message::from("x").after(Duration::MAX))?;
    /// assert_eq!(queue.take_remaining()[0].due(), None);
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use]
    pub fn due(&self) -> Option<SystemTime> {
        self.due.time()
    }

    /// When it expires; `None` means never.
    ///
    /// # Examples
    ///
    /// ```
    /// # let queue = sse_queue::Queue::new();
    /// queue.push("x")?;
    /// assert_eq!(queue.take_remaining()[0].expires(), None);
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires.time()
    }

    /// How many times it was handed out.
    ///
    /// # Examples
    ///
    /// ```
    /// # let queue = sse_queue::Queue::new();
    /// queue.push("x")?;
    /// assert_eq!(queue.take_remaining()[0].attempts(), 0);
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The tag of a message that was scheduled in a topic.
    ///
    /// To give a rebuilt message its tag and key again, call [`Message::tag`] and
    /// [`Message::key`] on it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Message, Topic};
    ///
    /// let topic = Topic::new();
    /// let message = Message::from("x").tag("red").key("job 7");
    /// topic.publish(message.after(Duration::from_secs(60)))?;
    /// let remaining = topic.take_remaining().remove(0);
    /// assert_eq!((remaining.tag(), remaining.key()), (Some("red"), Some("job 7")));
    /// # Ok::<(), sse_queue::topic::PublishError>(())
    /// ```
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.labels.as_ref()?.tag.as_deref()
    }

    /// The key of a message that was scheduled in a topic.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Message, Topic};
    ///
    /// let topic = Topic::new();
    /// topic.publish(Message::from("x").key("job 7").after(Duration::from_secs(60)))?;
    /// assert_eq!(topic.take_remaining()[0].key(), Some("job 7"));
    /// # Ok::<(), sse_queue::topic::PublishError>(())
    /// ```
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.labels.as_ref()?.key.as_deref()
    }
}

/// Why a message could not be rebuilt from its parts.
///
/// # Examples
///
/// ```
/// use sse_queue::event::FrameError;
/// use sse_queue::message::{Remaining, RemainingError};
///
/// let rebuild = |frame, id| Remaining::from_parts(frame, Some(id), None, None, 0);
/// let error = rebuild("id: a\ndata: x\n", "a").unwrap_err();
/// assert_eq!(error, RemainingError::Frame(FrameError::Unfinished));
/// let error = rebuild("id: a\ndata: x\n\n", "b").unwrap_err();
/// assert_eq!(error.to_string(), "id is not the one that the frame sets");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RemainingError {
    /// The frame is not one event.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A queue or topic neither assigns nor accepts this id of a comment.
    #[error(transparent)]
    Id(#[from] EventError),
    /// The id differs from the one in the frame, or the frame has data and no id.
    #[error("id is not the one that the frame sets")]
    OtherId,
    /// The message expires before it is due, or expires but is never due.
    #[error("message expires before it is due")]
    ExpiresBeforeDue,
}

impl From<Remaining> for Message {
    fn from(remaining: Remaining) -> Self {
        let has_data = remaining.frame.ends_with(b"\n\n");
        // The frame was checked when the message was pushed or rebuilt.
        let event = Event::from_frame(remaining.frame.clone())
            .unwrap_or_else(|_| Event::checked(remaining.frame, has_data, Fields::default()));
        let message = match remaining.due {
            Deadline::At(due) => Self::new(event).at(due),
            Deadline::Never => Self::new(event).after(Duration::MAX),
        };
        let message = message.returned(remaining.attempts);
        let message = message.labelled(remaining.labels);
        match (remaining.due, remaining.expires) {
            (Deadline::At(due), Deadline::At(expires)) => {
                message.expires_after(expires.duration_since(due).unwrap_or_default())
            }
            _ => message,
        }
    }
}

impl fmt::Debug for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remaining")
            .field("id", &self.id)
            .field("bytes", &self.frame.len())
            .field("due", &self.due)
            .field("expires", &self.expires)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
