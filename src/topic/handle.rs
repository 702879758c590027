//! The handle of a topic.

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::group::Hold;
use super::resume::{Resumption, Start};
use super::shared::Shared;
use super::state::State;
use super::status::TopicStats;
use crate::message::LastEventId;

/// Broadcast: each stream sees each message, in the same order, from a log of bounded length.
///
/// A `Topic` is a handle; its clones are the same topic. A message is encoded once, and all streams
/// share its bytes. A stream is a position in the log: nothing is queued for it, so a slow stream
/// costs the others nothing, and nothing is lost or repeated between replayed and live messages.
///
/// # Ids and resuming
///
/// A message gets the id `EPOCH-SEQ` as it enters the log. A scheduled message gets `EPOCH-dSEQ`
/// when it is published, and an event may bring its own id. A client that reconnects with any of
/// these ids continues after it: see [`Start::After`]. [`Resumption`] says whether it continues
/// exactly, before the response is made; a gap is never silent.
///
/// A message that is published again, from [`take_remaining`](Self::take_remaining) or a queue of
/// the same epoch, keeps its id, and numbers continue after the highest.
///
/// # Bounds
///
/// The log keeps at most [`history`](super::TopicBuilder::history) messages,
/// [`history_bytes`](super::TopicBuilder::history_bytes) and, if set, nothing older than
/// [`history_age`](super::TopicBuilder::history_age). [`Lag`](super::Lag) decides what happens to a stream
/// that falls behind.
///
/// # Tags and keys
///
/// A message can have a [tag](crate::Message::tag), and a stream can want
/// [only some tags](crate::EventStream::only). A message with a [key](crate::Message::key) supersedes
/// the older one with the same key. See the [crate page](crate#tags-and-keys). For separate topics
/// that are found by key, see [`Topics`](crate::Topics).
///
/// # Crowds
///
/// The cost of a call does not depend on how many streams there are. [`publish`](Self::publish) and
/// [`close`](Self::close) wake at most 64 streams; each stream that is polled wakes the next 64. If
/// none of the woken streams is polled, the others wait for the next poll of any stream or the next
/// call, but at most one second if a stream began to wait in between.
///
/// # Time
///
/// Scheduled messages enter the log when they are due. One waiting stream arms its ticker for that
/// time, and another one for a second later, so a stream that is not polled delays the others by at
/// most a second. [`drive`](Self::drive) takes that role from the streams. Messages that expire or
/// age leave the log with the next call or poll that reads the clock, or with a driver.
///
/// A message that is scheduled or expires does not slow down the others: a stream that keeps up
/// reads no clock for messages that do not expire.
///
/// # End
///
/// [`close`](Self::close) and [`abort`](Self::abort) end all streams. When the last handle is
/// dropped, nothing can be published any more: streams end once they have read everything,
/// including scheduled messages, unless those are never due. A stream of a topic that has ended
/// replays what it asks for, then ends.
///
/// # Examples
///
/// ```
/// use sse_queue::topic::Start;
/// use sse_queue::{FakeClock, Topic};
///
/// let clock = FakeClock::new();
/// let topic = Topic::builder().clock(clock.clone()).epoch("e")?.build();
/// let mut one = topic.stream(Start::Now, clock.ticker())?.without_first_comment();
/// topic.publish("hello")?;
/// let mut two = topic.stream(Start::Oldest, clock.ticker())?.without_first_comment();
/// assert_eq!(one.next_ready().unwrap(), "id: e-1\ndata: hello\n\n");
/// assert_eq!(two.next_ready().unwrap(), "id: e-1\ndata: hello\n\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Topic {
    handle: Arc<Handle>,
}

impl Topic {
    pub(super) fn with(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        let handle = Arc::new(Handle { shared, hold: None });
        Self { handle }
    }

    /// A handle of a registry's topic. Its drop does not close the topic, but makes it idle.
    pub(super) fn held(hold: Hold) -> Self {
        let handle = Handle {
            shared: Arc::clone(hold.root().shared()),
            hold: Some(hold),
        };
        Self {
            handle: Arc::new(handle),
        }
    }

    /// The epoch in the ids that this topic assigns: `EPOCH-SEQ` and `EPOCH-dSEQ`.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topic;
    ///
    /// let topic = Topic::builder().epoch("monday1")?.build();
    /// assert_eq!(topic.epoch(), "monday1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn epoch(&self) -> &str {
        self.shared().epoch().as_str()
    }

    /// The position after the newest message, as the id of a client that has seen everything.
    ///
    /// To send a state and then its changes, change the state before you publish the change. Then
    /// take this position first and a snapshot of the state second, hand out both, and stream from
    /// the position. Changes between the two are repeated, and none is missed. The id is always of
    /// the form `EPOCH-SEQ`, even if the newest event brought its own id, or nothing has been
    /// published yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::{Resumption, Start};
    /// use sse_queue::{FakeClock, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// topic.publish("part of the snapshot")?;
    /// let position = topic.last_id();
    /// assert_eq!(position.as_str(), Some("e-1"));
    ///
    /// topic.publish("later")?;
    /// let stream = topic.stream(Start::After(position), FakeClock::new().ticker())?;
    /// assert_eq!(stream.resumption(), Resumption::Exact);
    /// let mut stream = stream.without_first_comment();
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-2\ndata: later\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn last_id(&self) -> LastEventId {
        self.shared().position(State::next_number)
    }

    /// How a client with this id would continue if it reconnected now, without opening a stream.
    ///
    /// It changes no counter. To continue, call [`resume`](Self::resume), whose stream has the
    /// outcome at that moment.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::{GapCause, Resumption};
    /// use sse_queue::{LastEventId, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// topic.publish("x")?;
    /// assert_eq!(topic.resumption_of(&LastEventId::new("e-1")), Resumption::Exact);
    /// let gap = Resumption::Gap { missed: None, cause: GapCause::ForeignEpoch };
    /// assert_eq!(topic.resumption_of(&LastEventId::new("old-1")), gap);
    /// assert_eq!(topic.stats().gaps, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn resumption_of(&self, id: &LastEventId) -> Resumption {
        let start = Start::After(id.clone());
        self.shared().with(|state, _| state.resumption_of(&start))
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
    /// # Ok::<(), sse_queue::topic::PublishError>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> TopicStats {
        self.shared().with(|state, step| state.stats(step.now))
    }

    #[inline]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
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

/// A caller's panic leaves the topic in a valid state.
impl UnwindSafe for Topic {}

/// A caller's panic leaves the topic in a valid state.
impl RefUnwindSafe for Topic {}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").finish_non_exhaustive()
    }
}

/// What all handles share and streams do not: its drop tells the topic that the last handle is
/// gone.
struct Handle {
    shared: Arc<Shared>,
    /// In a handle that came from a registry, which has the handle that closes the topic.
    hold: Option<Hold>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.hold.is_none() {
            self.shared.with(State::drop_handles);
        }
    }
}
