//! What streams of a topic have besides.

use super::event_stream::EventStream;
use crate::event::{Event, EventError};
use crate::message::LastEventId;
use crate::time::Ticker;
use crate::topic::{Lag, Resumption, TopicSubscription};

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

    /// Adds a [greeting](Self::greeting) with the id of the [position](Self::position) at which the
    /// stream begins, in place of any id of its own.
    ///
    /// A client that has seen nothing else then comes back to exactly that position, and misses no
    /// message in between.
    ///
    /// # Errors
    ///
    /// [`EventError`] if the event is a comment or a reconnection time, which have no id.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::Start;
    /// use sse_queue::{Event, FakeClock, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// topic.publish("before")?;
    /// let stream = topic.stream(Start::Now, FakeClock::new().ticker())?;
    /// let mut stream = stream.greeting_with_position(Event::new("hello"))?;
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: hello\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn greeting_with_position(self, event: Event) -> Result<Self, EventError> {
        let position = self.position();
        let event = event.id(position.as_str().unwrap_or_default())?;
        Ok(self.greeting(event))
    }

    /// Sends the id of the [position](Self::position) at which the stream begins with the first poll,
    /// after the gap event and the greetings, as an event without data.
    ///
    /// Clients take the id and dispatch nothing. A client that has seen no message then comes back to
    /// exactly that position. Off by default: some clients that are not browsers dispatch an empty
    /// event.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::Start;
    /// use sse_queue::{FakeClock, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// topic.publish("before")?;
    /// let stream = topic.stream(Start::Now, FakeClock::new().ticker())?;
    /// assert_eq!(stream.position_first().next_ready().unwrap(), "id: e-1\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn position_first(mut self) -> Self {
        let position = self.position();
        let position = position.as_str().unwrap_or_default();
        self.settings.rare().position = Some(format!("id: {position}\n\n").into());
        self
    }

    /// What the stream does when its next message has been evicted: it skips, unless set.
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

    /// The name of the event that reports a gap: `gap` unless set. `None` switches it off.
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
