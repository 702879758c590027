//! An event, plus when it falls due and how long it stays valid.

use core::time::Duration;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use crate::event::Event;
use crate::message::Labels;
use crate::time::Deadline;

/// An [`Event`], with the time at which it is due, and how long it stays valid after that.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::{FakeClock, Message, Queue};
///
/// let clock = FakeClock::new();
/// let queue = Queue::builder().clock(clock.clone()).build();
/// queue.push(Message::from("later").after(Duration::from_secs(2)))?;
/// queue.push(Message::from("brief").expires_after(Duration::from_secs(1)))?;
///
/// clock.advance(Duration::from_secs(2));
/// assert!(queue.next_ready().unwrap().ends_with(b"data: later\n\n"));
/// assert_eq!(queue.next_ready(), None);
/// # Ok::<(), sse_queue::queue::PushError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    event: Event,
    schedule: Schedule,
    expires_after: Option<Duration>,
    /// What few messages have.
    rare: Option<Box<Rare>>,
}

/// What few messages have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rare {
    labels: Labels,
    returned: Option<Returned>,
}

/// What is known of a message that a queue or topic has held before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Returned {
    /// How many times it was handed out.
    pub(crate) attempts: u32,
    /// Its id was handed to a client, no matter how its attempts are counted now.
    pub(crate) was_seen: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schedule {
    AtPush,
    After(Duration),
    At(SystemTime),
}

impl Message {
    /// A message that is due when it is pushed and never expires.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{Event, Message};
    ///
    /// assert_eq!(Message::new(Event::new("x")), Message::from("x"));
    /// ```
    #[must_use]
    pub fn new(event: Event) -> Self {
        Self {
            event,
            schedule: Schedule::AtPush,
            expires_after: None,
            rare: None,
        }
    }

    /// Makes the message due `delay` after it is pushed. If `SystemTime` cannot represent that
    /// time, the message is never due.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Message, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::builder().clock(clock.clone()).build();
    /// queue.push(Message::from("x").after(Duration::from_secs(2)))?;
    /// assert_eq!(queue.next_ready(), None);
    /// clock.advance(Duration::from_secs(2));
    /// assert!(queue.next_ready().is_some());
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.schedule = Schedule::After(delay);
        self
    }

    /// Makes the message due at `time`. A message with a time in the past goes before those that
    /// fell due after it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use sse_queue::{FakeClock, Message, Queue};
    ///
    /// let start = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
    /// let queue = Queue::builder().clock(FakeClock::at(start)).build();
    /// queue.push("now")?;
    /// queue.push(Message::from("past").at(SystemTime::UNIX_EPOCH))?;
    /// assert!(queue.next_ready().unwrap().ends_with(b"data: past\n\n"));
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use]
    pub fn at(mut self, time: SystemTime) -> Self {
        self.schedule = Schedule::At(time);
        self
    }

    /// Makes the message expire `time` after it falls due. It is not delivered after that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Message, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::builder().clock(clock.clone()).build();
    /// queue.push(Message::from("x").expires_after(Duration::from_secs(2)))?;
    /// clock.advance(Duration::from_secs(2));
    /// assert_eq!(queue.next_ready(), None);
    /// assert_eq!(queue.stats().expired, 1);
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use]
    pub fn expires_after(mut self, time: Duration) -> Self {
        self.expires_after = Some(time);
        self
    }

    /// Gives the message a tag: among the streams of a [`Topic`](crate::Topic) that have a
    /// [`Filter`](crate::topic::Filter), only those whose filter has this tag get it.
    ///
    /// A message has at most one tag; a later call replaces it. A stream without a filter gets all
    /// messages. All tags share one log and one order of ids, so one connection can follow many of
    /// them and resume exactly. The tag is not sent. A [`Queue`](crate::Queue) refuses a message with
    /// a tag: it would go to any stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::Start;
    /// use sse_queue::{FakeClock, Message, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// let red = topic.filter(["red"])?;
    /// let stream = topic.stream(Start::Now, FakeClock::new().ticker())?.only(&red);
    /// let mut stream = stream.without_first_comment();
    /// topic.publish(Message::from("for blue rooms").tag("blue"))?;
    /// topic.publish(Message::from("for red rooms").tag("red"))?;
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-2\ndata: for red rooms\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Arc<str>>) -> Self {
        self.rare().labels.tag = Some(tag.into());
        self
    }

    /// Gives the message a key: in a [`Topic`](crate::Topic), it supersedes the older message with
    /// the same key.
    ///
    /// A stream that has not read the older message never gets it; that is not a gap. A stream that
    /// reads after each publication gets them all. A new stream from
    /// [`Start::Oldest`](crate::topic::Start::Oldest) gets the state: the newest message of each
    /// key, as far as the log keeps it, so choose a [history](crate::topic::TopicBuilder::history)
    /// that has capacity for all keys.
    ///
    /// A key applies to the whole topic, whatever the [tags](Self::tag) of the two messages are: if
    /// each tag has its own state, make the tag a part of the key. A scheduled message supersedes
    /// when it enters the log. The key is not sent. A [`Queue`](crate::Queue) refuses a message with a
    /// key.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::Start;
    /// use sse_queue::{FakeClock, Message, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// let stream = topic.stream(Start::Now, FakeClock::new().ticker())?;
    /// let mut slow = stream.without_first_comment();
    /// for percent in ["10 %", "50 %", "90 %"] {
    ///     topic.publish(Message::from(percent).key("job 7"))?;
    /// }
    /// assert_eq!(slow.next_ready().unwrap(), "id: e-3\ndata: 90 %\n\n");
    ///
    /// // Each room has a count of its own.
    /// for room in ["lobby", "garden"] {
    ///     let key = format!("{room}/count");
    ///     topic.publish(Message::from("1").tag(room).key(key))?;
    /// }
    /// assert_eq!(topic.stats().retained, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.rare().labels.key = Some(key.into());
        self
    }

    /// The event.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{Event, Message};
    ///
    /// assert_eq!(Message::from("x").event(), &Event::new("x"));
    /// ```
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    pub(crate) fn event_mut(&mut self) -> &mut Event {
        &mut self.event
    }

    pub(crate) fn into_event(self) -> Event {
        self.event
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Its tag and key, if it has any.
    #[inline]
    pub(crate) fn labels(&self) -> Option<&Labels> {
        let labels = &self.rare.as_ref()?.labels;
        (!labels.is_empty()).then_some(labels)
    }

    pub(crate) fn boxed_labels(&self) -> Option<Box<Labels>> {
        let labels = self.labels().cloned();
        labels.map(Box::new)
    }

    pub(crate) fn labelled(mut self, labels: Option<Box<Labels>>) -> Self {
        if let Some(labels) = labels {
            self.rare().labels = *labels;
        }
        self
    }

    /// Marks the message as held before, so that it may bring an id that a queue or topic assigned.
    pub(crate) fn returned(mut self, attempts: u32) -> Self {
        self.rare().returned = Some(Returned {
            attempts,
            was_seen: attempts > 0,
        });
        self
    }

    /// Marks the message as held before and handed out, with no attempts.
    pub(crate) fn begun_anew(mut self) -> Self {
        self.rare().returned = Some(Returned {
            attempts: 0,
            was_seen: true,
        });
        self
    }

    /// Whether its id was handed to a client before it was pushed.
    pub(crate) fn was_seen(&self) -> bool {
        self.before().is_some_and(|returned| returned.was_seen)
    }

    #[inline]
    fn before(&self) -> Option<Returned> {
        self.rare.as_ref()?.returned
    }

    /// Whether a queue or topic has held it before.
    pub(crate) fn is_returned(&self) -> bool {
        self.before().is_some()
    }

    /// How many times it was handed out before it was pushed.
    pub(crate) fn attempts(&self) -> u32 {
        self.before().map_or(0, |returned| returned.attempts)
    }

    /// Whether its due time is set.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.schedule != Schedule::AtPush
    }

    /// Whether it is scheduled or expires.
    pub(crate) fn is_timed(&self) -> bool {
        self.is_scheduled() || self.expires_after.is_some()
    }

    /// When the message is due if it is pushed at `now`.
    pub(crate) fn due(&self, now: SystemTime) -> Deadline {
        match self.schedule {
            Schedule::AtPush => Deadline::At(now),
            Schedule::After(delay) => Deadline::At(now).plus(delay),
            Schedule::At(time) => Deadline::At(time),
        }
    }

    /// When the message expires if it falls due at `due`.
    pub(crate) fn expires(&self, due: Deadline) -> Deadline {
        self.expires_after
            .map_or(Deadline::Never, |time| due.plus(time))
    }
}

impl From<Event> for Message {
    fn from(event: Event) -> Self {
        Self::new(event)
    }
}

macro_rules! from_text {
    ($($text:ty),*) => {$(
        impl From<$text> for Message {
            fn from(data: $text) -> Self {
                Self::new(Event::new(data))
            }
        }
    )*};
}

from_text!(
    &str,
    &mut str,
    &String,
    String,
    Box<str>,
    Arc<str>,
    Cow<'_, str>
);

#[cfg(test)]
mod tests {
    use super::*;

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    #[test]
    fn a_delay_that_overflows_is_never() {
        let message = Message::from("x").after(Duration::MAX);
        assert_eq!(message.due(START), Deadline::Never);
        assert_eq!(message.expires(Deadline::Never), Deadline::Never);
    }

    #[test]
    fn expiry_counts_from_due() {
        let message = Message::from("x").after(Duration::from_secs(2));
        let message = message.expires_after(Duration::from_secs(3));
        let due = message.due(START);
        assert_eq!(due, Deadline::At(START + Duration::from_secs(2)));
        let expires = message.expires(due);
        assert_eq!(expires, Deadline::At(START + Duration::from_secs(5)));
    }

    #[test]
    fn a_message_is_due_at_its_push_unless_it_says_otherwise() {
        let later = START + Duration::from_secs(1);
        assert_eq!(Message::from("x").due(later), Deadline::At(later));
        let scheduled = Message::from("x").at(START);
        assert_eq!(scheduled.due(later), Deadline::At(START));
    }
}
