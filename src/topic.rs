//! Broadcast: each stream has a cursor of its own into one shared log.

mod builder;
mod cursor;
mod driver;
mod drivers;
mod effects;
mod gap_event;
mod listeners;
mod log;
mod publish;
mod resume;
mod shared;
mod state;
mod status;
mod store;
mod subscription;
mod timekeepers;
mod wait_set;

use core::fmt;
use std::sync::Arc;

use crate::message::Message;
use crate::message::id::Id;
use crate::message::remaining::Remaining;
use crate::source::TooManyStreams;
use crate::time::Ticker;

pub use builder::TopicBuilder;
pub use driver::TopicDriver;
pub use publish::{PublishError, Published};
pub use resume::{GapCause, Lag, Resumption, Start};
pub use status::TopicStats;
pub use subscription::TopicSubscription;

use shared::Shared;
use state::State;

/// Broadcast: each stream sees each message, in the same order, from a log of bounded length.
///
/// A `Topic` is a handle; its clones are the same topic. A message is encoded once and its bytes
/// are shared by all streams. A stream is a position in the log: nothing is queued for it, so a slow
/// one costs the others nothing, and there is no seam between replay and live.
///
/// # Ids and resuming
///
/// A message gets the id `EPOCH-SEQ` as it enters the log. A scheduled message gets `EPOCH-dSEQ` when
/// it is published, and an event may bring an id of its own. A client that comes back with any of
/// them continues after it: see [`Start::After`]. Whether it continues exactly is known before the
/// response is made, see [`Resumption`], and a gap is never silent.
///
/// A message that comes back, from [`take_remaining`](Self::take_remaining) or a queue of the same
/// epoch, keeps its id, and numbers continue after the highest.
///
/// # Bounds
///
/// The log keeps at most [`history`](TopicBuilder::history) messages,
/// [`history_bytes`](TopicBuilder::history_bytes) and, if set, nothing older than
/// [`history_age`](TopicBuilder::history_age). [`Lag`] decides what happens to a stream that falls
/// behind.
///
/// # Crowds
///
/// No call pays for a crowd. [`publish`](Self::publish) and [`close`](Self::close) wake at most 64
/// streams; each stream that is polled wakes the next 64. If none of the streams that were woken is
/// polled, the others wait for the next poll of any stream or the next call, and for at most a second
/// if a stream had begun to wait meanwhile.
///
/// # Time
///
/// Scheduled messages enter the log when they are due. A stream that waits arms its ticker for that,
/// and another one for a second later: a stream that is not polled delays the others by no more than
/// that. [`drive`](Self::drive) takes that role from the streams. Messages that expire or age leave
/// the log with the next call or poll that reads the clock, or with a driver.
///
/// A message with a time costs the others nothing: a stream that keeps up reads no clock for messages
/// that do not expire.
///
/// # End
///
/// [`close`](Self::close) and [`abort`](Self::abort) end all streams. When the last handle is
/// dropped nobody can publish any more: streams end once they have read everything, including
/// scheduled messages, unless those are never due.
///
/// # Examples
///
/// ```
/// use sse_queue::{FakeClock, Start, Topic};
///
/// let clock = FakeClock::new();
/// let topic = Topic::builder().clock(clock.clone()).epoch("e")?.build();
/// let mut one = topic.stream(Start::Now, clock.ticker())?.first_bytes(false);
/// topic.publish("hello")?;
/// let mut two = topic.stream(Start::Oldest, clock.ticker())?.first_bytes(false);
/// assert_eq!(one.next_ready().unwrap(), "id: e-1\ndata: hello\n\n");
/// assert_eq!(two.next_ready().unwrap(), "id: e-1\ndata: hello\n\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Topic {
    handle: Arc<Handle>,
}

impl Topic {
    /// A topic with the default bounds and the system's clock.
    ///
    /// # Panics
    ///
    /// On `wasm32-unknown-unknown`, where std has no clock; a [builder](Self::builder) with a clock
    /// of your own works there.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topic;
    ///
    /// assert_eq!(Topic::new().stats().streams, 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Settings for a new topic.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topic;
    ///
    /// let topic = Topic::builder().history(1).build();
    /// topic.publish("a")?;
    /// topic.publish("b")?;
    /// assert_eq!(topic.stats().retained, 1);
    /// # Ok::<(), sse_queue::PublishError>(())
    /// ```
    pub fn builder() -> TopicBuilder {
        TopicBuilder::new()
    }

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
    /// let published = topic.publish("x")?;
    /// assert_eq!((published.id(), published.streams(), published.retained()), ("e-1", 0, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish(&self, message: impl Into<Message>) -> Result<Published, PublishError> {
        let mut message = message.into();
        // The frame is searched for its id outside the lock.
        let own_id: Option<Arc<str>> = message.event().event_id().map(Arc::from);
        if let Some(id) = &own_id {
            if let Some(refuse) = self.handle.shared.refuses(id, message.is_returned()) {
                return Err(refuse(message));
            }
        } else if message.event().has_data && message.is_scheduled() {
            // The id is written under the lock; the space for its line is made here.
            let line = self.handle.shared.epoch().longest_line();
            message.event_mut().reserve_front(line);
        }
        self.handle.shared.publish(message, own_id)
    }

    /// Takes back a message that is not due yet, the newest if several have this id; returns whether
    /// there was one.
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
    /// # Ok::<(), sse_queue::PublishError>(())
    /// ```
    #[must_use = "it may have entered the log already"]
    pub fn cancel(&self, id: &str) -> bool {
        self.handle
            .shared
            .with(|state, step| state.cancel(id, step))
    }

    /// Ends the topic: publishing is refused, and streams give what was due at the time of the call,
    /// without pacing, then their farewell, then end.
    ///
    /// Messages that are not due yet stay for [`take_remaining`](Self::take_remaining). A stream that
    /// is not polled cannot end: [`abort`](Self::abort), and then close its connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Start, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// let ticker = FakeClock::new().ticker();
    /// let mut stream = topic.stream(Start::Now, ticker)?.first_bytes(false);
    /// topic.publish("last")?;
    /// topic.close();
    /// assert!(topic.publish("too late").is_err());
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: last\n\n");
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.handle.shared.with(State::close);
    }

    /// Ends the topic at once: like [`close`](Self::close), but streams give only their farewell.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Start, Topic};
    ///
    /// let topic = Topic::new();
    /// let ticker = FakeClock::new().ticker();
    /// let mut stream = topic.stream(Start::Now, ticker)?.first_bytes(false);
    /// topic.publish("unsent")?;
    /// topic.abort();
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort(&self) {
        self.handle.shared.with(State::abort);
    }

    /// Whether the topic was closed or aborted.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topic;
    ///
    /// let topic = Topic::new();
    /// topic.close();
    /// assert!(topic.is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.handle.shared.lock().is_closed()
    }

    /// Takes out the scheduled messages, in order of their due times.
    ///
    /// Each can be published again, and keeps its id.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Message, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// topic.publish(Message::from("x").after(Duration::from_secs(60)))?;
    /// topic.close();
    /// let remaining = topic.take_remaining();
    /// assert_eq!(remaining[0].frame(), "id: e-d1\ndata: x\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "the messages are gone from the topic"]
    pub fn take_remaining(&self) -> Vec<Remaining> {
        let all = self.handle.shared.with(|state, _| state.take_scheduled());
        all.map(|(key, expires, message)| {
            Remaining::new(message.frame, Id::own(message.id), key.due, expires, 0)
        })
        .collect()
    }

    /// The topic's counters.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topic;
    ///
    /// let topic = Topic::new();
    /// topic.publish("x")?;
    /// assert_eq!((topic.stats().published, topic.stats().retained), (1, 1));
    /// # Ok::<(), sse_queue::PublishError>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> TopicStats {
        self.handle.shared.with(|state, step| state.stats(step.now))
    }

    /// Joins the topic, for an [`EventStream`](crate::EventStream) with settings of your own
    /// making. [`Topic::stream`] does both.
    ///
    /// # Errors
    ///
    /// [`TooManyStreams`] if the topic's cap on streams is reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{Resumption, Start, Topic};
    ///
    /// let topic = Topic::builder().max_streams(1).build();
    /// let subscription = topic.subscribe(Start::Now)?;
    /// assert_eq!(subscription.resumption(), Resumption::Fresh);
    /// assert!(topic.subscribe(Start::Now).is_err());
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a start is made for one stream"
    )]
    pub fn subscribe(&self, start: Start) -> Result<TopicSubscription, TooManyStreams> {
        TopicSubscription::new(&self.handle.shared, &start)
    }

    /// A future that keeps the time of the topic, whichever of its streams are polled.
    ///
    /// Without a driver, streams take that role: one that waits arms its ticker for the next message
    /// that falls due, and another one for a second later. With a driver no stream does. Messages
    /// enter the log when they are due, those that expire or age leave it then, and a crowd that
    /// waits is woken to the last stream, even while no stream is polled and nobody calls the topic.
    ///
    /// The future completes when the topic was closed, or its last handle dropped, and nothing is
    /// left to do. It holds no handle. It is the driver from its first poll until it is dropped.
    ///
    /// # Cancel safety
    ///
    /// When it is dropped, streams keep the time again. Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Message, Topic};
    ///
    /// let clock = FakeClock::new();
    /// let topic = Topic::builder().clock(clock.clone()).build();
    /// let mut driver = pin!(topic.drive(clock.ticker()));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(driver.as_mut().poll(&mut cx).is_pending());
    ///
    /// topic.publish(Message::from("x").after(Duration::from_secs(5)))?;
    /// assert!(driver.as_mut().poll(&mut cx).is_pending());
    /// assert_eq!(clock.next_deadline(), Some(Duration::from_secs(5)));
    ///
    /// topic.close();
    /// assert!(driver.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), sse_queue::PublishError>(())
    /// ```
    pub fn drive<T: Ticker>(&self, ticker: T) -> TopicDriver<T> {
        TopicDriver::new(Arc::clone(&self.handle.shared), ticker)
    }
}

impl Default for Topic {
    fn default() -> Self {
        Self::new()
    }
}

/// Changes a reference count: no lock, no clock.
impl Clone for Topic {
    fn clone(&self) -> Self {
        Self {
            handle: Arc::clone(&self.handle),
        }
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").finish_non_exhaustive()
    }
}

/// What all handles share, and streams do not: its drop says that the last handle is gone.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.with(State::drop_handles);
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
