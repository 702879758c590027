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
///
/// assert_eq!(format!("accepted {}", queue.push("y")?), "accepted e-3");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
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
impl AsRef<str> for Receipt {
    fn as_ref(&self) -> &str {
        self.id()
    }
}

/// The id.
impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
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

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;
    use crate::message::id::Epoch;

    #[test]
    fn a_receipt_reads_as_its_id() {
        let receipt = Receipt::new(Epoch::new("e").unwrap().id(7));
        assert_eq!(receipt.as_ref(), "e-7");
        assert_eq!(format!("{receipt}, {receipt:>5}"), "e-7,   e-7");
    }

    #[test]
    fn receipts_with_the_same_id_are_one_in_a_set_however_they_got_it() {
        let issued = Receipt::new(Epoch::new("e").unwrap().id(7));
        let own = |id: &str| Receipt::new(Id::own(Arc::from(id)));
        let set = HashSet::from([issued.clone(), own("e-7"), own("e-8")]);
        assert_eq!(set.len(), 2);
        assert!(set.contains(&issued));
    }
}
