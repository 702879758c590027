//! From a queue or topic to a stream of it.

use super::EventStream;
use crate::event::EventError;
use crate::message::LastEventId;
use crate::queue::{Queue, QueueSubscription};
use crate::source::TooManyStreams;
use crate::time::Ticker;
use crate::topic::{Lag, Resumption, Start, Topic, TopicSubscription};

impl Queue {
    /// A stream that competes for the queue's messages.
    ///
    /// # Errors
    ///
    /// [`TooManyStreams`] if the queue's cap on streams is reached: a service answers it with
    /// status 429.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let queue = Queue::builder().max_streams(1).build();
    /// let ticker = FakeClock::new().ticker();
    /// let stream = queue.stream(ticker)?;
    /// assert_eq!(queue.stats().streams, 1);
    /// drop(stream);
    /// assert_eq!(queue.stats().streams, 0);
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    pub fn stream<T: Ticker>(
        &self,
        ticker: T,
    ) -> Result<EventStream<QueueSubscription, T>, TooManyStreams> {
        Ok(EventStream::new(self.subscribe()?, ticker))
    }

    /// A stream for a client that comes back: see [`Queue::subscribe_after`].
    ///
    /// # Errors
    ///
    /// [`TooManyStreams`] if the queue's cap on streams is reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, LastEventId, Queue};
    ///
    /// let queue = Queue::new();
    /// let id = LastEventId::new("unheard of");
    /// let mut stream = queue.stream_after(&id, FakeClock::new().ticker())?;
    /// assert_eq!(stream.next_ready().unwrap(), ":\n");
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    pub fn stream_after<T: Ticker>(
        &self,
        id: &LastEventId,
        ticker: T,
    ) -> Result<EventStream<QueueSubscription, T>, TooManyStreams> {
        Ok(EventStream::new(self.subscribe_after(id)?, ticker))
    }
}

impl Topic {
    /// A stream of the topic's messages.
    ///
    /// A chunk holds whatever is there, up to [`max_chunk`](EventStream::max_chunk): messages are
    /// not counted unless [`max_messages`](EventStream::max_messages) says so.
    ///
    /// # Errors
    ///
    /// [`TooManyStreams`] if the topic's cap on streams is reached: a service answers it with
    /// status 429.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Start, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// let stream = topic.stream(Start::Now, FakeClock::new().ticker())?;
    /// let mut stream = stream.first_bytes(false);
    /// topic.publish("a")?;
    /// topic.publish("b")?;
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\nid: e-2\ndata: b\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stream<T: Ticker>(
        &self,
        start: Start,
        ticker: T,
    ) -> Result<EventStream<TopicSubscription, T>, TooManyStreams> {
        Ok(EventStream::new(self.subscribe(start)?, ticker))
    }
}

impl<T: Ticker> EventStream<TopicSubscription, T> {
    /// How this stream began: see [`TopicSubscription::resumption`].
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Resumption, Start, Topic};
    ///
    /// let stream = Topic::new().stream(Start::Oldest, FakeClock::new().ticker())?;
    /// assert_eq!(stream.resumption(), Resumption::Fresh);
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    #[must_use]
    pub fn resumption(&self) -> Resumption {
        self.source.resumption()
    }

    /// What the stream does when it has fallen behind: see [`TopicSubscription::lag`].
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Lag, Start, Topic};
    ///
    /// let topic = Topic::builder().history(1).build();
    /// let stream = topic.stream(Start::Now, FakeClock::new().ticker())?.lag(Lag::End);
    /// let mut stream = stream.first_bytes(false);
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

    /// How a gap is reported to the client: see [`TopicSubscription::gap_event`].
    ///
    /// # Errors
    ///
    /// [`EventError`] if the name holds a CR or LF.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, LastEventId, Start, Topic};
    ///
    /// let topic = Topic::new();
    /// let lost = Start::After(LastEventId::new("?"));
    /// let stream = topic.stream(lost, FakeClock::new().ticker())?.gap_event(Some("missed"))?;
    /// let gap = stream.first_bytes(false).next_ready().unwrap();
    /// assert_eq!(gap, "event: missed\ndata: {\"missed\":null,\"cause\":\"unknown\"}\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gap_event(self, name: Option<&str>) -> Result<Self, EventError> {
        Ok(Self {
            source: self.source.gap_event(name)?,
            ..self
        })
    }
}
