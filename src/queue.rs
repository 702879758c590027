//! Competing consumers: each message goes to exactly one stream, the earliest due first.

mod ack_history;
mod backlog;
mod bounds;
mod builder;
mod consumers;
mod dead_letter;
mod delivery;
mod drain;
mod driver;
mod item;
mod lease;
mod push;
mod receipt;
mod state;
mod stats;
mod step;
mod subscription;
mod turns;
mod wait_queue;

use core::fmt;
use core::hint::black_box;
use core::task::Context;
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;

use crate::message::LastEventId;
use crate::message::Message;
use crate::message::id::Epoch;
use crate::message::remaining::Remaining;
use crate::ordered::Key;
use crate::source::TooManyStreams;
use crate::source::chunk::Chunk;
use crate::sync::MutexGuard;
use crate::time::{Clock, Ticker};

pub use bounds::Overflow;
pub use builder::QueueBuilder;
pub use dead_letter::{AckError, DeadLetter};
pub use drain::{DeadLetters, Drain};
pub use driver::QueueDriver;
pub use lease::{Confirm, Lease, Reason};
pub use push::PushWhenReady;
pub use receipt::{PushError, Receipt};
pub use stats::QueueStats;
pub use subscription::QueueSubscription;

use delivery::AllLent;
use state::{State, Turn};
use step::{Caller, MOST_AT_ONCE, NeedsClone, Step};
use turns::Turns;

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
/// [`capacity_bytes`](QueueBuilder::capacity_bytes) of memory. What a push does beyond that is the
/// queue's [`Overflow`].
///
/// # Liveness
///
/// A message that is due wakes the stream that has waited longest, and further ones only for what
/// that stream may not take. A stream that was woken but does not poll, in a `select!` whose other
/// branch is busy, holds up the others for 1 s at most.
///
/// As time passes messages fall due, leases end, and what expires makes room for producers. Up to two
/// of the streams that wait see to that: the one is woken for the next deadline, the other a second
/// later, in case the first does not poll. They are the last to be woken for a message. A push that
/// wakes a stream wakes one of them as well, unless it was awake within the last second. One that takes
/// a message and does not come back within a second is replaced. If both are
/// busy at the same time, the next call or poll sees what is due. Where that is too late, a
/// [driver](Self::drive) keeps the time instead of them.
///
/// No call pays for a crowd: one hold of the queue's lock moves at most 64 messages and wakes at most
/// 64 tasks; the streams that were woken wake the rest.
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
/// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: hello\n\nid: e-2\ndata: world\n\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Queue {
    handle: Arc<Handle>,
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
    /// [`PushError`], which hands the message back: if the queue is full (or others wait for capacity
    /// in [`push_when_ready`](Self::push_when_ready)), if the message is larger than the queue, if
    /// its id cannot be used, or if the queue is closed.
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
        self.handle.shared.push(message.into())
    }

    /// Puts a message into the queue as soon as there is room.
    ///
    /// Those who wait get room in the order in which they were first polled, and
    /// [`push`](Self::push) does not overtake them: it is refused as long as one waits, even one that
    /// is not polled. What expires makes room as soon as a stream that waits or a
    /// [driver](Self::drive) sees it, or by a [ticker](PushWhenReady::ticker) of the future's own.
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
    /// queue.next_ready();
    /// assert!(push.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    pub fn push_when_ready(&self, message: impl Into<Message>) -> PushWhenReady {
        PushWhenReady::new(self.clone(), message.into())
    }

    /// Takes the next message that is due, as one frame, without a stream or an executor.
    ///
    /// One call lets go of at most 1024 messages that have expired: if more than that come before the
    /// next message, it returns `None`, and later calls go on.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{Event, Queue};
    ///
    /// let queue = Queue::new();
    /// assert_eq!(queue.next_ready(), None);
    /// queue.push(Event::new("a").id("7")?)?;
    /// assert_eq!(queue.next_ready().unwrap(), "id: 7\ndata: a\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "the message is gone from the queue"]
    pub fn next_ready(&self) -> Option<Bytes> {
        let mut chunk = Chunk::default();
        let shared = &self.handle.shared;
        for _ in 0..MOST_HOLDS {
            if !shared.with(|state, step| state.next_ready(&mut chunk, step)) {
                break;
            }
        }
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
        self.handle
            .shared
            .with_caught_up(|state, step| state.cancel(id, step))
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
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: last\n\n");
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.handle.shared.with(|state, step| state.close(step.now));
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
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// assert_eq!(queue.take_remaining().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort(&self) {
        self.handle.shared.with(|state, step| {
            state.close(step.now);
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
        self.handle.shared.state.lock().is_closed()
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
        let shared = &self.handle.shared;
        let (mut all, lent) = shared.with(|state, _| state.take_all());
        let now = shared.clock.now();
        if let Some(AllLent { leases, dead, .. }) = lent {
            let dead = dead.into_iter().map(|(lent, _)| lent);
            for mut lent in leases.into_lent().chain(dead) {
                lent.item.attempts = lent.attempts;
                let (due, seq) = (lent.due, lent.seq);
                all.insert((Key { due, seq }, lent.expires, lent.item));
            }
        }
        let mut all = core::iter::from_fn(|| all.pop());
        let mut remaining = Vec::new();
        loop {
            let some: Vec<_> = all.by_ref().take(MOST_AT_ONCE).collect();
            if some.is_empty() {
                return remaining;
            }
            let (expired, some): (Vec<_>, Vec<_>) = some
                .into_iter()
                .partition(|(_, expires, _)| expires.has_come(now));
            shared.with(|state, _| {
                state.recount_expired(&expired);
                state.forget_all(&some);
            });
            let epoch = shared.epoch;
            let some = some.into_iter();
            remaining.extend(some.map(|(key, expires, item)| item.remaining(epoch, key, expires)));
        }
    }

    /// Confirms a message that was handed out: its client is done with it.
    ///
    /// An ack may be repeated, whatever the order of the acks, as long as the number of the message is
    /// among the last 1 048 576. Of messages with an application-supplied id the last 65 536
    /// that have ended are remembered, as long as their ids, with 96 bytes for each, take at most
    /// 10 MiB.
    ///
    /// # Errors
    ///
    /// [`AckError`] if the message is not in flight any more, or never was; also in a queue that
    /// delivers at most once, where nothing ever is.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{AckError, Lease, Queue};
    ///
    /// let lease = Lease::new(Duration::from_secs(30));
    /// let queue = Queue::builder().at_least_once(lease).build();
    /// let receipt = queue.push("job")?;
    /// queue.next_ready();
    /// queue.ack(receipt.id())?;
    /// queue.ack(receipt.id())?;
    /// assert_eq!(queue.stats().confirmed, 1);
    /// assert_eq!(queue.ack("nonsense"), Err(AckError::Unknown));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ack(&self, id: &str) -> Result<(), AckError> {
        self.handle.shared.with(|state, step| state.ack(id, step))
    }

    /// Gives a message back that was handed out: it stands where it stood, or is due `delay` from
    /// now unless that is zero. After its last attempt it goes to the dead letters.
    ///
    /// # Errors
    ///
    /// [`AckError`] if the message is not in flight any more, or never was.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30));
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// let receipt = queue.push("job")?;
    /// let first = queue.next_ready();
    /// queue.nack(receipt.id(), Duration::from_secs(1))?;
    /// assert_eq!(queue.next_ready(), None);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(queue.next_ready(), first);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nack(&self, id: &str, delay: Duration) -> Result<(), AckError> {
        self.handle
            .shared
            .with(|state, step| state.nack(id, delay, step))
    }

    /// Makes the lease of a message that was handed out end later, by `by`.
    ///
    /// It then outlives the [grace](Lease::grace) of a stream that is dropped.
    ///
    /// # Errors
    ///
    /// [`AckError`] if the message is not in flight any more, or never was.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30));
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// let receipt = queue.push("job")?;
    /// queue.next_ready();
    /// queue.extend_lease(receipt.id(), Duration::from_secs(30))?;
    /// clock.advance(Duration::from_secs(59));
    /// assert_eq!(queue.ack(receipt.id()), Ok(()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extend_lease(&self, id: &str, by: Duration) -> Result<(), AckError> {
        self.handle
            .shared
            .with(|state, step| state.extend(id, by, step))
    }

    /// Takes the messages out that were handed out as often as they may be, the oldest first.
    ///
    /// Until they are taken they count against the queue's bounds.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue, Reason};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// queue.push("job")?;
    /// queue.next_ready();
    /// clock.advance(Duration::from_secs(30));
    /// let letters = queue.take_dead_letters();
    /// assert_eq!((letters[0].attempts(), letters[0].reason()), (1, Reason::LeaseEnded));
    /// assert!(queue.take_dead_letters().is_empty());
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    #[must_use = "the messages are gone from the queue"]
    pub fn take_dead_letters(&self) -> Vec<DeadLetter> {
        let shared = &self.handle.shared;
        let mut letters = Vec::new();
        loop {
            let some = shared.with_caught_up(|state, _| state.take_dead(MOST_AT_ONCE));
            if some.is_empty() {
                return letters;
            }
            letters.extend(some.into_iter().map(|(mut lent, reason)| {
                lent.item.attempts = lent.attempts;
                let (due, seq) = (lent.due, lent.seq);
                let key = Key { due, seq };
                let remaining = lent.item.remaining(shared.epoch, key, lent.expires);
                DeadLetter::new(remaining, reason)
            }));
        }
    }

    /// Waits for messages that were handed out as often as they may be, and takes them, the oldest
    /// first.
    ///
    /// The list is empty once the queue is closed, what was due then has left, and nothing is in flight:
    /// nothing dies any more. In a queue that delivers at most once it is empty at once. That leases end is seen by the streams
    /// that wait, or a [driver](Self::drive).
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped before it is ready has taken nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Poll, Waker};
    /// use std::time::Duration;
    /// use sse_queue::{Lease, Queue};
    ///
    /// let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// let queue = Queue::builder().at_least_once(lease).build();
    /// let mut letters = pin!(queue.dead_letters());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(letters.as_mut().poll(&mut cx).is_pending());
    /// let receipt = queue.push("job")?;
    /// queue.next_ready();
    /// queue.nack(receipt.id(), Duration::ZERO)?;
    /// let Poll::Ready(letters) = letters.as_mut().poll(&mut cx) else { panic!() };
    /// assert_eq!(letters[0].id(), receipt.id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(self.clone())
    }

    /// Keeps the queue's time, whichever streams are polled: due times, the ends of leases, and what
    /// expires while producers wait.
    ///
    /// Without a driver, the streams that wait do that; with neither, nothing happens as time passes,
    /// and the next call sees what is due. The future completes once the queue is closed, what was due
    /// then has left, and nothing is in flight. With several drivers, each keeps the time.
    ///
    /// # Cancel safety
    ///
    /// A driver that is dropped leaves the time to the streams.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// let mut driver = pin!(queue.drive(clock.ticker()));
    /// let mut letters = pin!(queue.dead_letters());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// queue.push("job")?;
    /// queue.next_ready();
    /// assert!(letters.as_mut().poll(&mut cx).is_pending());
    /// clock.advance(Duration::from_secs(30));
    /// assert!(driver.as_mut().poll(&mut cx).is_pending());
    /// assert!(letters.as_mut().poll(&mut cx).is_ready());
    /// queue.close();
    /// assert!(driver.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    pub fn drive<T: Ticker>(&self, ticker: T) -> QueueDriver<T> {
        QueueDriver::new(&self.handle.shared, ticker)
    }

    /// Waits until nothing is in flight: whatever was handed out is confirmed, or its lease has
    /// ended.
    ///
    /// Behind [`close`](Self::close) this lets clients confirm what they have.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30));
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// let receipt = queue.push("job")?;
    /// queue.next_ready();
    /// queue.close();
    /// let mut drain = pin!(queue.drain(clock.ticker()));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(drain.as_mut().poll(&mut cx).is_pending());
    /// queue.ack(receipt.id())?;
    /// assert!(drain.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain<T: Ticker>(&self, ticker: T) -> Drain<T> {
        Drain::new(self.clone(), ticker)
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
    /// queue.next_ready();
    /// let stats = queue.stats();
    /// assert_eq!((stats.pushed, stats.delivered, stats.depth), (2, 1, 1));
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        let shared = &self.handle.shared;
        shared.with_caught_up(|state, step| state.stats(step.now))
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
        QueueSubscription::new(&self.handle.shared)
    }

    /// Joins the competing consumers for a client that saw `id` last.
    ///
    /// In a queue that [delivers at least once](QueueBuilder::at_least_once) the new stream takes over
    /// what the client has in flight. What it has seen stays leased to it, or is confirmed with
    /// [`Confirm::ByResume`]; what it has not seen is sent again first. Coming back twice with the
    /// same id, or with one that has been acked meanwhile, is the same as coming back once. No lease
    /// is extended. In other queues an id means nothing.
    ///
    /// A client is identified by the id that it saw last: one in flight on its stream, or of those
    /// that have left that stream (by [`ack`](Self::ack), [`nack`](Self::nack) or the end of the
    /// lease) the one that was handed out last. An id that was handed out to more than one client
    /// takes nothing over.
    ///
    /// Ids can be guessed: pass on the id of a client that you have authenticated. Of two streams
    /// that claim the same id the later one takes over.
    ///
    /// # Errors
    ///
    /// [`TooManyStreams`] if the queue's cap on streams is reached; nothing is taken over then.
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
    /// let mut stream = queue.stream(clock.ticker())?.first_bytes(false);
    /// queue.push("seen")?;
    /// queue.push("lost on the way")?;
    /// stream.next_ready();
    /// drop(stream);
    ///
    /// let stream = queue.stream_after(&LastEventId::new("e-1"), clock.ticker())?;
    /// let again = stream.first_bytes(false).next_ready().unwrap();
    /// assert_eq!(again, "id: e-2\ndata: lost on the way\n\n");
    /// assert_eq!((queue.stats().in_flight, queue.stats().confirmed), (2, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe_after(&self, id: &LastEventId) -> Result<QueueSubscription, TooManyStreams> {
        QueueSubscription::after(&self.handle.shared, id)
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}

/// Changes a reference count: no lock, no clock.
impl Clone for Queue {
    fn clone(&self) -> Self {
        Self {
            handle: Arc::clone(&self.handle),
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// What all handles share, and streams do not: its drop says that the last handle is gone.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.with(|state, _| state.drop_handles());
    }
}

/// A jump of the wall clock is noticed within this time.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// In so many holds of the lock a call catches up with the time at most.
const MOST_HOLDS: usize = 16;

/// What handles and streams share.
struct Shared {
    clock: Arc<dyn Clock>,
    epoch: Epoch,
    drops_oldest: bool,
    state: Turns<State>,
}

impl Shared {
    /// Works on the state, then brings it to rest; wakes and drops outside the lock.
    fn with<R>(&self, work: impl FnOnce(&mut State, &mut Step) -> R) -> R {
        self.hold(1, work)
    }

    /// The same, after what has become due as time passed: so much of it that no call takes long.
    fn with_caught_up<R>(&self, work: impl FnOnce(&mut State, &mut Step) -> R) -> R {
        self.hold(MOST_HOLDS, work)
    }

    /// Catches up with the time in at most so many holds of the lock, and works in the last one.
    fn hold<R>(&self, most: usize, work: impl FnOnce(&mut State, &mut Step) -> R) -> R {
        let now = self.clock.now();
        let mut left = most;
        loop {
            let mut state = self.state.lock();
            let mut step = Step::new(state.time(now));
            let is_behind = state.catch_up(&mut step);
            left = left.saturating_sub(1);
            if is_behind && left > 0 {
                self.leave(state, step);
                continue;
            }
            let result = work(&mut state, &mut step);
            state.settle(&mut step);
            let ended = state.count_moved(if is_behind { MOST_AT_ONCE } else { 1 });
            drop(state);
            step.effects.run();
            if let Some(turn) = ended {
                self.end_turn(turn);
            }
            return result;
        }
    }

    /// Ends a hold of the lock that has only caught up.
    #[inline(never)]
    fn leave(&self, mut state: MutexGuard<'_, State>, mut step: Step) {
        state.settle(&mut step);
        let ended = state.count_moved(MOST_AT_ONCE);
        drop(state);
        step.effects.run();
        if let Some(turn) = ended {
            self.end_turn(turn);
        }
    }

    #[inline(never)]
    fn end_turn(&self, turn: Turn) {
        self.state.end_turn();
        if turn == Turn::OfCrowd {
            join_free_chunks();
        }
    }

    /// Works on the state for a task that may have to wait. Its waker is cloned outside the lock, and
    /// only if it has to: then the work is done once more.
    fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        work: impl FnMut(&mut State, &mut Step, &mut Caller<'_>) -> Result<R, NeedsClone>,
    ) -> R {
        self.poll_as(Caller::new(cx.waker()), work)
    }

    /// The same for a caller that may have cloned its waker already.
    fn poll_as<R>(
        &self,
        mut caller: Caller<'_>,
        mut work: impl FnMut(&mut State, &mut Step, &mut Caller<'_>) -> Result<R, NeedsClone>,
    ) -> R {
        loop {
            match self.with_caught_up(|state, step| work(state, step, &mut caller)) {
                Ok(result) => return result,
                Err(NeedsClone) => caller.clone_waker(),
            }
        }
    }
}

/// Lets glibc's allocator join the small chunks that are free.
///
/// It keeps them apart until a large request comes, or until others make a large one as they are
/// freed, and then joins all of them at once. After a million small messages that were acked at
/// random, that took 400 ms, under the lock. With one such request in each turn it takes about one
/// millisecond at a time, outside the lock. Other allocators lose nothing but the request.
fn join_free_chunks() {
    /// Its caches serve no request of this size.
    const LARGE: usize = 2048;

    drop(black_box(Vec::<u8>::with_capacity(LARGE)));
}
