//! The methods that only streams of a topic have.

use super::event_stream::EventStream;
use crate::event::{Event, EventError};
use crate::message::LastEventId;
use crate::time::Ticker;
use crate::topic::{Filter, Lag, Resumption, TopicSubscription};

/// Streams of a [`Topic`](crate::Topic).
impl<T: Ticker> EventStream<TopicSubscription, T> {
    /// How this stream began.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::{Resumption, Start};
    /// use sse_queue::{FakeClock, LastEventId, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// let id = topic.publish("x")?.id().to_owned();
    /// let last = LastEventId::new(&id);
    /// let stream = topic.resume(Some(last), Start::Now, FakeClock::new().ticker())?;
    /// assert_eq!(stream.resumption(), Resumption::Exact);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn resumption(&self) -> Resumption {
        self.source.resumption()
    }

    /// The position of this stream, as the id of a client that has seen all that was sent.
    ///
    /// Like [`Topic::last_id`](crate::Topic::last_id) it is always of the form `EPOCH-SEQ`. A stream that began with a gap
    /// stands before the oldest message that is kept.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::Start;
    /// use sse_queue::{FakeClock, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// topic.publish("a")?;
    /// topic.publish("b")?;
    /// let stream = topic.stream(Start::Last(1), FakeClock::new().ticker())?;
    /// assert_eq!(stream.position().as_str(), Some("e-1"));
    /// let mut stream = stream.without_first_comment();
    /// stream.next_ready();
    /// assert_eq!(stream.position(), topic.last_id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn position(&self) -> LastEventId {
        self.source.position()
    }

    /// Gives the stream only the messages whose tag this filter has, and those without a tag.
    ///
    /// Before the first poll it applies from the beginning:
    /// [`Start::Last`](crate::topic::Start::Last), [`resumption`](Self::resumption) and the number
    /// of missed messages are those of the messages that the stream wants. Call it before
    /// [`greeting_with_position`](Self::greeting_with_position) and
    /// [`position_first`](Self::position_first). After the first poll it applies from the stream's
    /// position, which is after the last message that it read. A later call takes the place of an
    /// earlier one.
    ///
    /// # Panics
    ///
    /// If the filter belongs to another topic.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::{Resumption, Start};
    /// use sse_queue::{FakeClock, LastEventId, Message, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.history(2).build();
    /// for (tag, text) in [("red", "a"), ("blue", "b"), ("blue", "c"), ("red", "d")] {
    ///     topic.publish(Message::from(text).tag(tag))?;
    /// }
    /// // The second message was evicted, but it was for others.
    /// let red = topic.filter(["red"])?;
    /// let last = Some(LastEventId::new("e-1"));
    /// let stream = topic.resume(last, Start::Now, FakeClock::new().ticker())?.only(&red);
    /// assert_eq!(stream.resumption(), Resumption::Exact);
    /// assert_eq!(stream.without_first_comment().next_ready().unwrap(), "id: e-4\ndata: d\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn only(self, filter: &Filter) -> Self {
        Self {
            source: self.source.only(filter),
            ..self
        }
    }

    /// A [greeting](Self::greeting) that carries the position where the stream begins as its id,
    /// unless it has an id of its own.
    ///
    /// A client that has seen nothing else then resumes from exactly that position. A stream can
    /// thus begin with a snapshot of the state.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::{Resumption, Start};
    /// use sse_queue::{Event, FakeClock, LastEventId, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// topic.publish("a")?;
    /// let stream = topic.stream(Start::Now, FakeClock::new().ticker())?;
    /// let mut stream = stream.greeting_with_position(Event::new("state: a").name("snapshot")?);
    /// let first = stream.next_ready().unwrap();
    /// assert_eq!(first, "id: e-1\nevent: snapshot\ndata: state: a\n\n");
    ///
    /// topic.publish("b")?;
    /// assert_eq!(topic.resumption_of(&LastEventId::new("e-1")), Resumption::Exact);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn greeting_with_position(self, event: Event) -> Self {
        let position = self.position();
        let id = position.as_str().filter(|_| event.event_id().is_none());
        // Cannot fail: a position is a valid id.
        let with_id = id.and_then(|id| event.clone().id(id).ok());
        self.greeting(with_id.unwrap_or(event))
    }

    /// Ends the first chunk with the position where the stream begins: `id: EPOCH-SEQ` and a blank
    /// line, from which a client sets its last event id, and dispatches no event. Off by default.
    ///
    /// A client that has seen nothing else then comes back to exactly that position.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::Start;
    /// use sse_queue::{FakeClock, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// topic.publish("a")?;
    /// let mut stream = topic.stream(Start::Now, FakeClock::new().ticker())?.position_first();
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn position_first(mut self) -> Self {
        let position = self.position();
        let frame = position.as_str().map(|id| format!("id: {id}\n\n").into());
        self.settings.rare().position = frame;
        self
    }

    /// What the stream does when its next message has been evicted: by default, it skips.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::{Lag, Start};
    /// use sse_queue::{FakeClock, Topic};
    ///
    /// let topic = Topic::builder().history(1).build();
    /// let stream = topic.stream(Start::Now, FakeClock::new().ticker())?.lag(Lag::End);
    /// let mut stream = stream.without_first_comment();
    /// topic.publish("a")?;
    /// topic.publish("b")?;
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lag(self, lag: Lag) -> Self {
        Self {
            source: self.source.lag(lag),
            ..self
        }
    }

    /// The name of the event that reports a gap: `gap` by default. `None` switches it off.
    ///
    /// Its data is `{"missed":12,"cause":"evicted"}`, with `null` if the number is not known. It has
    /// no id, so it does not change the position from which the client resumes.
    ///
    /// # Errors
    ///
    /// [`EventError`] if the name holds a CR or LF.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::Start;
    /// use sse_queue::{FakeClock, LastEventId, Topic};
    ///
    /// let topic = Topic::new();
    /// let lost = Some(LastEventId::new("?"));
    /// let stream = topic.resume(lost, Start::Now, FakeClock::new().ticker())?;
    /// let mut stream = stream.gap_event(Some("missed"))?.without_first_comment();
    /// let gap = "event: missed\ndata: {\"missed\":null,\"cause\":\"unknown\"}\n\n";
    /// assert_eq!(stream.next_ready().unwrap(), gap);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gap_event(self, name: Option<&str>) -> Result<Self, EventError> {
        Ok(Self {
            source: self.source.gap_event(name)?,
            ..self
        })
    }
}
