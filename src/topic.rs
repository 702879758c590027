//! Broadcast: each stream has a cursor of its own into one shared log.

mod builder;
mod log;
mod publish;
mod resume;
mod state;
mod subscription;

use core::fmt;
use core::time::Duration;
use std::sync::Arc;
use std::time::SystemTime;

use crate::message::id::{Epoch, Id};
use crate::message::remaining::Remaining;
use crate::message::{LastEventId, Message};
use crate::source::TooManyStreams;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use crate::time::Clock;

pub use builder::TopicBuilder;
pub use publish::{PublishError, Published};
pub use resume::{GapCause, Lag, Resumption, Start};
pub use subscription::TopicSubscription;

use crate::message::id::Read;
use state::{Effects, State};

/// Broadcast: each stream sees each message, in the same order, from a log of bounded length.
///
/// A `Topic` is a handle; its clones are the same topic. A message is encoded once and its bytes
/// are shared by all streams. A stream is a place in the log: nothing is queued for it, so a slow
/// one costs the others nothing, and there is no seam between replay and live.
///
/// # Ids and resuming
///
/// A message gets the id `EPOCH-SEQ` as it enters the log, one that is scheduled gets `EPOCH-dSEQ`
/// at once; or an event brings an id of its own. A client that comes back with any of them goes on
/// after it: see [`Start::After`]. Whether it does so exactly is known before the response is made,
/// see [`Resumption`], and a gap is never silent.
///
/// # Bounds
///
/// The log keeps at most [`history`](TopicBuilder::history) messages,
/// [`history_bytes`](TopicBuilder::history_bytes) and, if set, nothing older than
/// [`history_age`](TopicBuilder::history_age). What that means for a stream that falls behind says
/// [`Lag`].
///
/// # End
///
/// [`close`](Self::close) and [`abort`](Self::abort) end all streams. When the last handle is
/// dropped nobody can publish any more: streams end once they have read all, also what is not due
/// yet, if it ever falls due.
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
    /// It never waits, and never fails for a slow stream. One that is not due yet enters the log
    /// when it is, before whatever is done next with the topic.
    ///
    /// # Errors
    ///
    /// [`PublishError`], which hands the message back: if the topic is closed, if the message is
    /// larger than the history, if too many wait to fall due, or if its own id has the form of
    /// those that topics give.
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
        if let Some(id) = message.event().event_id() {
            if let Some(refuse) = self.handle.shared.refuses(id, message.is_returned()) {
                return Err(refuse(message));
            }
        } else if message.event().has_data && message.is_scheduled() {
            // The id is written under the lock; the space for its line is made here.
            let line = self.handle.shared.epoch.longest_line();
            message.event_mut().reserve_front(line);
        }
        if message.is_timed() {
            let publish = |state: &mut State, now, effects: &mut Effects| {
                state.publish(message, now, effects)
            };
            return self.handle.shared.with(publish);
        }
        self.handle
            .shared
            .look(|state, now, effects| state.publish(message, now, effects))
    }

    /// Takes a message back that is not due yet, the newest where several have this id; returns
    /// whether there was one.
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
            .with(|state, _, effects| state.cancel(id, effects))
    }

    /// Ends the topic: publishing is refused, streams give what was due at this moment, without
    /// pacing, then their farewell, then end.
    ///
    /// What is not due yet stays for [`take_remaining`](Self::take_remaining). A stream that nobody
    /// polls cannot end: [`abort`](Self::abort), and then close the connection.
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
        self.handle.shared.with(|state, _, _| state.close());
    }

    /// Ends the topic at once: as [`close`](Self::close), but streams give nothing more, except
    /// their farewell.
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
        self.handle.shared.with(|state, _, _| state.abort());
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
        self.handle.shared.state.lock().is_closed()
    }

    /// Takes out whatever has not entered the log yet, in order of the due times.
    ///
    /// Each can be published again, elsewhere, if its id is its event's own; a queue takes all.
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
        let mut store = self
            .handle
            .shared
            .with(|state, _, _| state.take_scheduled());
        core::iter::from_fn(|| store.pop())
            .map(|(key, expires, message)| {
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
        self.handle.shared.with(|state, now, _| state.stats(now))
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
    pub fn subscribe(&self, start: Start) -> Result<TopicSubscription, TooManyStreams> {
        TopicSubscription::new(&self.handle.shared, start)
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

/// The highest number that a message may bring back: numbers go on after it, and must not run out.
const HIGHEST_RETURNED: u64 = 1 << 48;

/// What all handles share, and streams do not: its drop says that the last handle is gone.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.with(|state, _, _| state.drop_handles());
    }
}

/// What handles and streams share.
struct Shared {
    clock: Arc<dyn Clock>,
    epoch: Epoch,
    state: Mutex<State>,
    /// How often waiting streams have been woken; it changes under the lock. A stream that finds it
    /// unchanged since it began to wait need not take the lock to know that nothing has come. No
    /// other memory hangs on it, and a stream that was woken sees the count of that.
    calls: AtomicU64,
    /// When they were woken to read the last time, in nanoseconds since the topic began. A stream
    /// asks long after, and only to know for how long it has been quiet.
    told_at: AtomicU64,
    began: SystemTime,
}

impl Shared {
    /// Why an event may not bring this id, if so.
    fn refuses(&self, id: &str, is_returned: bool) -> Option<fn(Message) -> PublishError> {
        if id.is_empty() {
            return Some(PublishError::EmptyId);
        }
        if id.len() > LastEventId::MAX_LEN {
            return Some(PublishError::IdTooLong);
        }
        match self.epoch.read(id) {
            // A message that waited here, or in a topic of the same epoch, keeps its id.
            Read::Delayed(number) if is_returned && number <= HIGHEST_RETURNED => None,
            Read::Numbered(_) | Read::Delayed(_) => Some(PublishError::ReservedId),
            Read::Foreign | Read::Other => None,
        }
    }

    /// Works on a state that is up to the time, then wakes and drops outside the lock.
    ///
    /// What falls due or is evicted may be much: the lock is let go of in between.
    fn with<R>(&self, work: impl FnOnce(&mut State, SystemTime, &mut Effects) -> R) -> R {
        self.step(Some(self.clock.now()), work)
    }

    /// As [`with`](Self::with), for a look at the log: it reads the clock only where time plays a
    /// part. In most topics it does not, and reading it would cost more than all the rest.
    fn look<R>(&self, work: impl FnOnce(&mut State, SystemTime, &mut Effects) -> R) -> R {
        self.step(None, work)
    }

    fn step<R>(
        &self,
        mut now: Option<SystemTime>,
        work: impl FnOnce(&mut State, SystemTime, &mut Effects) -> R,
    ) -> R {
        loop {
            let mut effects = Effects::default();
            let mut state = self.state.lock();
            if now.is_none() && state.is_timed() {
                drop(state);
                now = Some(self.clock.now());
                continue;
            }
            let now = state.time(now);
            if state.catch_up(now, &mut effects) {
                self.finish(state, &mut effects);
                continue;
            }
            let result = work(&mut state, now, &mut effects);
            self.finish(state, &mut effects);
            return result;
        }
    }

    /// How long ago waiting streams were woken to read the last time.
    fn since_told(&self) -> Duration {
        let since = self
            .age()
            .saturating_sub(self.told_at.load(Ordering::Relaxed));
        Duration::from_nanos(since)
    }

    fn age(&self) -> u64 {
        let age = self.clock.now().duration_since(self.began);
        u64::try_from(age.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Lets go of the lock, then wakes and drops.
    fn finish(&self, mut state: MutexGuard<'_, State>, effects: &mut Effects) {
        state.settle(effects);
        if effects.wakes_streams() {
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
        drop(state);
        if effects.has_news {
            // Two publishers may come here in the other order.
            self.told_at.fetch_max(self.age(), Ordering::Relaxed);
        }
        if let Some(list) = effects.run() {
            let old = self.state.lock().give_back(list);
            drop(old);
        }
    }
}

/// A topic's counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicStats {
    /// Messages that were accepted.
    pub published: u64,
    /// Messages that were read, summed over all streams.
    pub delivered: u64,
    /// Scheduled messages that had expired when they fell due.
    pub expired: u64,
    /// Scheduled messages taken back by [`Topic::cancel`] or [`Topic::take_remaining`].
    pub withdrawn: u64,
    /// How often a stream fell behind what is kept.
    pub lagged: u64,
    /// How many streams began with a gap.
    pub gaps: u64,
    /// Messages that are kept.
    pub retained: u64,
    /// The bytes that they take of [`history_bytes`](TopicBuilder::history_bytes).
    pub bytes: u64,
    /// Messages that wait to fall due.
    pub scheduled: usize,
    /// How long until the next of them does.
    pub next_due: Option<Duration>,
    /// Streams open.
    pub streams: usize,
}
