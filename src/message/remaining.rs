//! What a queue or topic takes along when it is given up.

use core::fmt;
use core::time::Duration;
use std::time::SystemTime;

use bytes::Bytes;

use crate::event::{Event, Fields};
use crate::message::Message;
use crate::message::id::Id;
use crate::time::Deadline;

/// A message that was never delivered, taken out of its queue or topic.
///
/// It can be pushed again, and then keeps its id, due time and expiry.
#[derive(Clone)]
pub struct Remaining {
    frame: Bytes,
    id: Id,
    due: Deadline,
    expires: Deadline,
    attempts: u32,
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
        }
    }

    /// The encoded event.
    ///
    /// # Examples
    ///
    /// ```
    /// # let queue = sse_queue::Queue::builder().epoch("e")?.build();
    /// queue.push("x")?;
    /// assert_eq!(queue.take_remaining()[0].frame(), "id: e-1\ndata: x\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The id under which it was pushed.
    ///
    /// # Examples
    ///
    /// ```
    /// # let queue = sse_queue::Queue::new();
    /// let receipt = queue.push("x")?;
    /// assert_eq!(queue.take_remaining()[0].id(), receipt.id());
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// When it fell or falls due; `None` is never.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # let queue = sse_queue::Queue::new();
    /// queue.push(sse_queue::Message::from("x").after(Duration::MAX))?;
    /// assert_eq!(queue.take_remaining()[0].due(), None);
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    #[must_use]
    pub fn due(&self) -> Option<SystemTime> {
        self.due.time()
    }

    /// When it expires; `None` is never.
    ///
    /// # Examples
    ///
    /// ```
    /// # let queue = sse_queue::Queue::new();
    /// queue.push("x")?;
    /// assert_eq!(queue.take_remaining()[0].expires(), None);
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires.time()
    }

    /// How often it was handed out before.
    ///
    /// # Examples
    ///
    /// ```
    /// # let queue = sse_queue::Queue::new();
    /// queue.push("x")?;
    /// assert_eq!(queue.take_remaining()[0].attempts(), 0);
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

impl From<Remaining> for Message {
    fn from(remaining: Remaining) -> Self {
        let has_data = remaining.frame.ends_with(b"\n\n");
        // What a queue holds was checked when it came in.
        let event = Event::from_frame(remaining.frame.clone())
            .unwrap_or_else(|_| Event::checked(remaining.frame, has_data, Fields::default()));
        let message = match remaining.due {
            Deadline::At(due) => Self::new(event).at(due),
            Deadline::Never => Self::new(event).after(Duration::MAX),
        };
        let message = message.returned(remaining.attempts);
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
