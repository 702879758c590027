//! What a push or a publication returns.

use core::fmt;

use super::id::Id;

/// A message was accepted: what [`Queue::push`](crate::Queue::push) and
/// [`Topic::publish`](crate::Topic::publish) return.
///
/// # Examples
///
/// ```
/// use sse_queue::{Event, Queue, Topic};
///
/// let queue = Queue::builder().epoch("e")?.build();
/// assert_eq!(queue.push("x")?.id(), "e-1");
/// assert_eq!(queue.push(Event::new("x").id("mine")?)?.id(), "mine");
///
/// let topic = Topic::new();
/// let id: String = topic.publish("x")?.into();
/// assert!(id.ends_with("-1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    id: Id,
}

impl Receipt {
    pub(crate) fn new(id: Id) -> Self {
        Self { id }
    }

    /// The message's id: the event's own, or the one that the queue or topic gave it.
    ///
    /// This id goes over the wire, except with a comment, which carries none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Message, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// assert_eq!(topic.publish("now")?.id(), "e-1");
    /// let later = Message::from("later").after(Duration::from_secs(1));
    /// assert_eq!(topic.publish(later)?.id(), "e-d1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }
}

/// The id.
impl From<Receipt> for String {
    fn from(receipt: Receipt) -> Self {
        receipt.id().to_owned()
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("id", &self.id).finish()
    }
}
