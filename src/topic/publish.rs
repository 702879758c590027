//! Publishing.

use std::sync::Arc;

use super::handle::Topic;
use super::publish_error::PublishError;
use crate::message::{Labels, Message, Receipt};

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
            if let Some(refuse) = self.shared().refusal(id, message.is_returned()) {
                return Err(refuse(message));
            }
        } else if message.event().has_data && message.is_scheduled() {
            // The id is written under the lock; the space for its line is made here.
            let line = self.shared().epoch().max_line_len();
            message.event_mut().reserve_front(line);
        }
        if let Some(member) = self.shared().member() {
            let labels = message.labels().map_or(0, Labels::max_cost);
            member.make_space(message.event().frame().len(), labels);
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
