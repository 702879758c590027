//! Competing consumers: each message goes to exactly one stream, the earliest due first.

mod builder;
mod push;
mod state;
mod subscription;

use core::fmt;
use core::time::Duration;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::chunk::Chunk;
use crate::id::{Epoch, Id};
use crate::message::Message;
use crate::remaining::Remaining;
use crate::source::{Limit, TooManyStreams};
use crate::sync::Mutex;
use crate::time::Clock;

pub use builder::{Overflow, QueueBuilder};
pub use push::{PushError, PushWhenReady, Receipt};
pub use subscription::QueueSubscription;

use state::{Effects, State, Taken};

/// Competing consumers: each message goes to exactly one stream, the earliest due first.
///
/// A `Queue` is a handle; its clones are the same queue. Any number of threads may push, any number
/// of streams may compete. Messages leave in the order of their due times; those that fall due at
/// the same time leave in the order in which they came, across all producers. Nothing leaves before
/// it is due, or once it has expired.
///
/// # Bounds
///
/// A queue holds at most [`capacity`](QueueBuilder::capacity) messages and
/// [`capacity_bytes`](QueueBuilder::capacity_bytes) of frames. What a push does beyond that is the
/// queue's [`Overflow`].
///
/// # End
///
/// [`close`](Self::close) and [`abort`](Self::abort) end all streams. When the last handle is
/// dropped nobody can push any more: streams end once all messages have left, also those that are
/// not due yet, if they ever fall due.
///
/// # Examples
///
/// ```
/// use sse_queue::{FakeClock, Queue};
///
/// let clock = FakeClock::new();
/// let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
/// let mut stream = queue.stream(clock.ticker())?.first_bytes(false);
///
/// queue.push("hello")?;
/// queue.push("world")?;
/// assert_eq!(stream.try_next().unwrap(), "id: e-1\ndata: hello\n\nid: e-2\ndata: world\n\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Queue {
    shared: Arc<Shared>,
}

impl Queue {
    /// A queue with the default bounds and the system's clock.
    ///
    /// # Panics
    ///
    /// On `wasm32-unknown-unknown`, where std has no clock; a [builder](Self::builder) with a clock
    /// of your own works there.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Queue;
    ///
    /// assert_eq!(Queue::new().stats().depth, 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Settings for a new queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{Overflow, Queue};
    ///
    /// let queue = Queue::builder().capacity(1).overflow(Overflow::DropOldest).build();
    /// queue.push("a")?;
    /// queue.push("b")?;
    /// assert_eq!((queue.stats().depth, queue.stats().dropped), (1, 1));
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    pub fn builder() -> QueueBuilder {
        QueueBuilder::new()
    }

    /// Puts a message into the queue and wakes a stream for it, if one waits and it is due.
    ///
    /// The message is encoded before the queue is locked; its id alone is put in under the lock. An
    /// event without an id of its own gets the id `EPOCH-SEQ`.
    ///
    /// # Errors
    ///
    /// [`PushError`], which hands the message back: if the queue is full (or others wait for room
    /// in [`push_when_ready`](Self::push_when_ready)), if the message is larger than the queue, or
    /// if the queue is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{PushError, Queue};
    ///
    /// let queue = Queue::builder().capacity(1).epoch("e")?.build();
    /// assert_eq!(queue.push("a")?.id(), "e-1");
    /// match queue.push("b") {
    ///     Err(PushError::Full(message)) => assert_eq!(message, "b".into()),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push(&self, message: impl Into<Message>) -> Result<Receipt, PushError> {
        self.shared.push(message.into())
    }

    /// Puts a message into the queue as soon as there is room.
    ///
    /// Those who wait get room in the order in which they were first polled, and
    /// [`push`](Self::push) does not overtake them.
    ///
    /// # Errors
    ///
    /// As for [`push`](Self::push), but never that the queue is full.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped before it is ready has pushed nothing and leaves its place in line
    /// to the next.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::builder().capacity(1).build();
    /// queue.push("a")?;
    /// let mut push = pin!(queue.push_when_ready("b"));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(push.as_mut().poll(&mut cx).is_pending());
    /// queue.try_next();
    /// assert!(push.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    pub fn push_when_ready(&self, message: impl Into<Message>) -> PushWhenReady {
        PushWhenReady::new(self.clone(), message.into())
    }

    /// Takes the next message that is due, as one frame, without a stream or an executor.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{Event, Queue};
    ///
    /// let queue = Queue::new();
    /// assert_eq!(queue.try_next(), None);
    /// queue.push(Event::new("a").id("7")?)?;
    /// assert_eq!(queue.try_next().unwrap(), "id: 7\ndata: a\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "the message is gone from the queue"]
    pub fn try_next(&self) -> Option<Bytes> {
        let one = Limit::new(usize::MAX, 1);
        let mut chunk = Chunk::default();
        while let Taken::Again = self
            .shared
            .with(|state, now, effects| state.take(&mut chunk, now, one, effects))
        {}
        chunk.join()
    }

    /// Takes a message back that has not been handed out yet; returns whether there was one.
    ///
    /// Of several messages with the same id of their own, this is the newest.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Message, Queue};
    ///
    /// let queue = Queue::new();
    /// let receipt = queue.push(Message::from("x").after(Duration::from_secs(60)))?;
    /// assert!(queue.cancel(receipt.id()));
    /// assert!(!queue.cancel(receipt.id()));
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    #[must_use = "it may have been handed out already"]
    pub fn cancel(&self, id: &str) -> bool {
        self.shared
            .with(|state, _, effects| state.cancel(id, effects))
    }

    /// Ends the queue: pushes are refused, streams give what was due at this moment, without
    /// pacing, then their farewell, then end.
    ///
    /// What is not due yet stays for [`take_remaining`](Self::take_remaining). A stream that nobody
    /// polls cannot end: [`abort`](Self::abort), and then close the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let mut stream = queue.stream(clock.ticker())?.first_bytes(false);
    /// queue.push("last")?;
    /// queue.close();
    /// assert!(queue.push("too late").is_err());
    /// assert_eq!(stream.try_next().unwrap(), "id: e-1\ndata: last\n\n");
    /// assert_eq!(stream.try_next(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.shared.with(|state, now, _| state.close(now));
    }

    /// Ends the queue at once: as [`close`](Self::close), but streams give nothing more, except
    /// their farewell.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::new();
    /// let mut stream = queue.stream(clock.ticker())?.first_bytes(false);
    /// queue.push("unsent")?;
    /// queue.abort();
    /// assert_eq!(stream.try_next(), None);
    /// assert!(stream.is_terminated());
    /// assert_eq!(queue.take_remaining().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort(&self) {
        self.shared.with(|state, now, _| {
            state.close(now);
            state.abort();
        });
    }

    /// Whether the queue was closed or aborted.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::new();
    /// assert!(!queue.is_closed());
    /// queue.close();
    /// assert!(queue.is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.state.lock().is_closed()
    }

    /// Takes out whatever was not delivered and has not expired, in order, due or not.
    ///
    /// Each can be pushed again, here or elsewhere.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Message, Queue};
    ///
    /// let (old, new) = (Queue::new(), Queue::new());
    /// let id = old.push(Message::from("x").after(Duration::from_secs(60)))?.id().to_owned();
    /// old.close();
    /// for message in old.take_remaining() {
    ///     assert_eq!(message.id(), id);
    ///     new.push(message)?;
    /// }
    /// assert_eq!(new.stats().depth, 1);
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    #[must_use = "the messages are gone from the queue"]
    pub fn take_remaining(&self) -> Vec<Remaining> {
        self.shared.purge();
        let mut store = self.shared.with(|state, _, _| state.take_all());
        let epoch = self.shared.epoch;
        let taken = core::iter::from_fn(|| store.pop());
        taken
            .map(|(key, expires, item)| {
                let id = item.own_id.map_or_else(|| epoch.id(key.seq), Id::own);
                Remaining::new(item.frame, id, key.due, expires)
            })
            .collect()
    }

    /// The queue's counters.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::new();
    /// queue.push("a")?;
    /// queue.push("b")?;
    /// queue.try_next();
    /// let stats = queue.stats();
    /// assert_eq!((stats.pushed, stats.delivered, stats.depth), (2, 1, 1));
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        self.shared.purge();
        self.shared.with(|state, now, _| state.stats(now))
    }

    /// Joins the competing consumers, for an [`EventStream`](crate::EventStream) with settings of
    /// your own making. [`Queue::stream`] does both.
    ///
    /// # Errors
    ///
    /// [`TooManyStreams`] if the queue's cap on streams is reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{EventStream, FakeClock, Queue};
    ///
    /// let queue = Queue::builder().max_streams(1).build();
    /// let stream = EventStream::new(queue.subscribe()?, FakeClock::new().ticker());
    /// assert!(queue.subscribe().is_err());
    /// drop(stream);
    /// assert!(queue.subscribe().is_ok());
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    pub fn subscribe(&self) -> Result<QueueSubscription, TooManyStreams> {
        QueueSubscription::new(&self.shared)
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Queue {
    fn clone(&self) -> Self {
        self.shared.with(|state, _, _| state.add_handle());
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.with(|state, _, _| state.remove_handle());
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// What handles and streams share.
struct Shared {
    clock: Arc<dyn Clock>,
    epoch: Epoch,
    state: Mutex<State>,
}

impl Shared {
    /// Works on the state, then brings it to rest; wakes and drops outside the lock.
    fn with<R>(&self, work: impl FnOnce(&mut State, SystemTime, &mut Effects) -> R) -> R {
        let now = self.clock.now();
        let mut effects = Effects::default();
        let result = {
            let mut state = self.state.lock();
            let now = state.time(now);
            let result = work(&mut state, now, &mut effects);
            state.settle(now, &mut effects);
            result
        };
        effects.run();
        result
    }

    /// Lets go of whatever has expired, a bounded number in one hold of the lock.
    fn purge(&self) {
        while self.with(State::purge) {}
    }
}

/// A queue's counters at one moment.
///
/// `pushed` is the sum of `delivered`, `dropped`, `expired`, `withdrawn` and `depth`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Messages that were accepted.
    pub pushed: u64,
    /// Messages that were handed to a stream or to [`Queue::try_next`].
    pub delivered: u64,
    /// Messages that [`Overflow::DropOldest`] dropped.
    pub dropped: u64,
    /// Messages that expired before anybody took them.
    pub expired: u64,
    /// Messages taken back by [`Queue::cancel`] or [`Queue::take_remaining`].
    pub withdrawn: u64,
    /// Messages in the queue, due or not.
    pub depth: usize,
    /// Bytes of their frames.
    pub bytes: usize,
    /// Streams open.
    pub streams: usize,
    /// How long the message that is to go next has been due.
    pub oldest_age: Option<Duration>,
}
