//! From a queue or topic to a stream of it.

use super::event_stream::EventStream;
use crate::message::LastEventId;
use crate::queue::{Queue, QueueSubscription};
use crate::source::TooManyStreams;
use crate::time::Ticker;
use crate::topic::{Start, Topic, TopicSubscription};

impl Queue {
    /// A stream that competes for the queue's messages, for a client that has seen nothing before.
    ///
    /// # Errors
    ///
    /// [`TooManyStreams`] if the queue is at its maximum number of streams. A service answers it
    /// with status 429.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let queue = Queue::builder().max_streams(1).build();
    /// let clock = FakeClock::new();
    /// let stream = queue.stream(clock.ticker())?;
    /// assert!(queue.stream(clock.ticker()).is_err());
    /// drop(stream);
    /// assert_eq!(queue.stats().streams, 0);
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    pub fn stream<T: Ticker>(
        &self,
        ticker: T,
    ) -> Result<EventStream<QueueSubscription, T>, TooManyStreams> {
        self.resume(None, ticker)
    }

    /// A stream that competes for the queue's messages, for a client that saw `id` last, or has
    /// seen nothing if it is `None`.
    ///
    /// In a queue that [delivers at least once](crate::queue::QueueBuilder::at_least_once) the new
    /// stream takes over what the client has in flight. What it has seen stays leased to it, or is
    /// confirmed with [`Confirm::ByResume`](crate::queue::Confirm::ByResume); what it has not seen
    /// is sent again first. Reconnecting twice with the same id, or with one that has been acked
    /// meanwhile, has the same effect as reconnecting once. No lease is extended. A queue that
    /// delivers at most once ignores the id.
    ///
    /// The id identifies the client: it must be in flight on the client's stream, or, of the ids
    /// that have left that stream (by [`ack`](Self::ack), [`nack`](Self::nack) or the end of the
    /// lease), be the one that was handed out last. An id that was handed out to more than one
    /// client takes nothing over.
    ///
    /// Ids can be guessed, so pass on only the ids of clients that you have authenticated. If two
    /// streams claim the same id, the later one takes over.
    ///
    /// # Errors
    ///
    /// [`TooManyStreams`] if the queue is at its maximum number of streams. Nothing is taken over
    /// then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, LastEventId, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30)).max_in_flight(2);
    /// let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
    /// let mut stream = queue.resume(None, clock.ticker())?.without_first_comment();
    /// queue.push("seen")?;
    /// queue.push("lost on the way")?;
    /// stream.next_ready();
    /// drop(stream);
    ///
    /// let last = LastEventId::new("e-1");
    /// let mut stream = queue.resume(Some(last), clock.ticker())?.without_first_comment();
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-2\ndata: lost on the way\n\n");
    /// assert_eq!((queue.stats().in_flight, queue.stats().confirmed), (2, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it comes from one request, for one stream"
    )]
    pub fn resume<T: Ticker>(
        &self,
        id: Option<LastEventId>,
        ticker: T,
    ) -> Result<EventStream<QueueSubscription, T>, TooManyStreams> {
        let source = self.subscribe(id.as_ref())?;
        Ok(EventStream::new(source, ticker))
    }
}

impl Topic {
    /// A stream of the topic's messages, from `start` on.
    ///
    /// For a client that may have been here before, use [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// [`TooManyStreams`] if the topic is at its maximum number of streams. A service answers it
    /// with status 429.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::Start;
    /// use sse_queue::{FakeClock, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// let stream = topic.stream(Start::Now, FakeClock::new().ticker())?;
    /// let mut stream = stream.without_first_comment();
    /// topic.publish("a")?;
    /// topic.publish("b")?;
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\nid: e-2\ndata: b\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a start is made for one stream"
    )]
    pub fn stream<T: Ticker>(
        &self,
        start: Start,
        ticker: T,
    ) -> Result<EventStream<TopicSubscription, T>, TooManyStreams> {
        let source = self.subscribe(&start)?;
        Ok(EventStream::new(source, ticker))
    }

    /// A stream of the topic's messages, for a client that saw `id` last; a client that has seen
    /// nothing begins at `otherwise`.
    ///
    /// [`resumption`](EventStream::resumption) then says whether the stream continues exactly, before
    /// the response is made.
    ///
    /// A client that connects for the first time with [`Start::Now`] misses everything that was
    /// published before. If it needs that, such as the beginning of an answer that is being
    /// streamed, use [`Start::Oldest`].
    ///
    /// # Errors
    ///
    /// [`TooManyStreams`] if the topic's cap on streams is reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::{Resumption, Start};
    /// use sse_queue::{FakeClock, LastEventId, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// topic.publish("a")?;
    /// topic.publish("b")?;
    /// let ticker = || FakeClock::new().ticker();
    ///
    /// let stream = topic.resume(None, Start::Last(1), ticker())?;
    /// assert_eq!(stream.resumption(), Resumption::Fresh);
    /// let first = stream.without_first_comment().next_ready().unwrap();
    /// assert_eq!(first, "id: e-2\ndata: b\n\n");
    ///
    /// let stream = topic.resume(Some(LastEventId::new("e-2")), Start::Last(1), ticker())?;
    /// assert_eq!(stream.resumption(), Resumption::Exact);
    /// assert_eq!(stream.without_first_comment().next_ready(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume<T: Ticker>(
        &self,
        id: Option<LastEventId>,
        otherwise: Start,
        ticker: T,
    ) -> Result<EventStream<TopicSubscription, T>, TooManyStreams> {
        let seen = id.filter(|id| id.as_str() != Some(""));
        self.stream(seen.map_or(otherwise, Start::After), ticker)
    }
}
