//! The handle of a registry of topics.

use core::borrow::Borrow;
use core::fmt;
use core::hash::Hash;
use core::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::error::TooManyTopics;
use super::shared::Shared;
use super::stats::TopicsStats;
use crate::message::{LastEventId, Message, Receipt};
use crate::topic::{Evict, PublishError, Topic};

/// Topics by key: each is created when its key is first used, and evicted when nobody uses it any
/// more.
///
/// It is for rooms, documents or runs of an agent: anything that has a topic of its own. If one
/// connection must follow several of them, use [tags](crate#topics-by-key) in one topic instead. A
/// `Topics` is a handle; its clones are the same registry. `K` is the key, and the methods take any
/// borrowed form of it, as those of a `HashMap` do.
///
/// # The life of a topic
///
/// [`topic`](Self::topic) finds the topic of a key, or makes it. A topic is *used* as long as there
/// is a handle or a [filter](crate::topic::Filter) of it, or an open stream; it is never evicted
/// then, so a key never has two topics. A topic that is not used is *idle*. It is evicted, with all
/// its messages, when it has been
/// idle for [`keep`](crate::topics::TopicsBuilder::keep): clients that come back before that find it
/// as it was. A topic outside a registry begins to end when its last handle is dropped; a topic in
/// one does not, and its streams go on.
///
/// A topic that was [closed](Topic::close) is kept as long for clients that come back, and is found
/// closed until then. Finding it again does not prolong that beyond twice the time, whereas any other
/// topic's time starts again after each use.
///
/// The time counts from the first call of the registry after the last handle and stream are gone.
/// Each call evicts at most 64 of the topics whose time is over. [`drive`](Self::drive) does that
/// while there are no calls.
///
/// # Bounds
///
/// There are at most [`max_topics`](crate::topics::TopicsBuilder::max_topics). At that bound, the
/// topic that has been idle for longest is evicted for a new one, before its time is over; if none
/// is idle, there is no new one.
///
/// The messages of all topics have at most
/// [`max_bytes`](crate::topics::TopicsBuilder::max_bytes). Beyond it, each call of the registry
/// and each publication evicts idle topics; if that is not enough, a publication evicts the oldest
/// messages of its own topic. Streams that have not read them get a gap, as ever. A topic's newest
/// message stays, so the topics may exceed the bound by as much as one message each.
///
/// # Ids
///
/// The epoch in a topic's ids consists of ten characters that stand for its key, and six that
/// differ each time the topic is created. So [`key_of`](Self::key_of) finds the key of an id, and a
/// client that comes back after its topic was evicted gets a [gap](crate::topic::Resumption::Gap).
///
/// # Caller's code
///
/// A key is hashed, compared, cloned and dropped outside all locks; so is what
/// [`TopicsBuilder::topic`](crate::topics::TopicsBuilder::topic) calls. The key's `Hash` should
/// tell different keys apart: each further key with the same hash takes the lock once more.
///
/// # End
///
/// [`close`](Self::close) and [`abort`](Self::abort) end all topics. When the last handle of the
/// registry is dropped, its topics go on like any others, as long as they have handles and streams.
///
/// # Examples
///
/// A registry of an agent's runs:
///
/// ```
/// use sse_queue::topic::Start;
/// use sse_queue::{FakeClock, LastEventId, Topics};
///
/// let clock = FakeClock::new();
/// let runs = Topics::<String>::new();
///
/// // The agent keeps the handle while it publishes, and closes the topic at the end.
/// let run = runs.topic("run-7")?;
/// let first = run.publish("Hello")?;
/// run.publish(", world")?;
/// run.close();
/// drop(run);
///
/// // The handler of a request, from a client that is new or comes back.
/// let last = Some(LastEventId::new(first.id()));
/// let run = runs.get("run-7").expect("it is kept for a while");
/// let mut stream = run.resume(last, Start::Oldest, clock.ticker())?.without_first_comment();
/// assert!(stream.next_ready().unwrap().ends_with(b"data: , world\n\n"));
/// assert_eq!(stream.next_ready(), None);
///
/// // Optional: it would be evicted later.
/// drop((run, stream));
/// assert!(runs.forget("run-7"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Topics<K> {
    handle: Arc<Handle<K>>,
}

impl<K: Send + Sync + 'static> Topics<K> {
    pub(super) fn with(shared: Shared<K>) -> Self {
        let shared = Arc::new(shared);
        let registry = Arc::clone(&shared) as Arc<dyn Evict>;
        shared.group().set_registry(Arc::downgrade(&registry));
        let handle = Arc::new(Handle { shared });
        Self { handle }
    }
}

impl<K> Topics<K> {
    #[inline]
    pub(super) fn shared(&self) -> &Arc<Shared<K>> {
        &self.handle.shared
    }

    /// The topic of this key, which is created if there is none.
    ///
    /// Keep the handle while you publish to the topic: publishing costs less than finding. After the
    /// registry was [closed](Self::close), a new topic is closed, too.
    ///
    /// # Errors
    ///
    /// [`TooManyTopics`] if there are [`max_topics`](crate::topics::TopicsBuilder::max_topics) and
    /// none is idle.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topics;
    ///
    /// let rooms = Topics::<u64>::new();
    /// let room = rooms.topic(&7)?;
    /// assert_eq!(rooms.topic(&7)?.epoch(), room.epoch());
    /// assert_ne!(rooms.topic(&8)?.epoch(), room.epoch());
    /// # Ok::<(), sse_queue::topics::TooManyTopics>(())
    /// ```
    pub fn topic<Q>(&self, key: &Q) -> Result<Topic, TooManyTopics>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.shared().find_or_make(key)
    }

    /// The topic of this key, if there is one. It creates none.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topics;
    ///
    /// let rooms = Topics::<String>::new();
    /// assert!(rooms.get("lobby").is_none());
    /// let lobby = rooms.topic("lobby")?;
    /// assert_eq!(rooms.get("lobby").unwrap().epoch(), lobby.epoch());
    /// # Ok::<(), sse_queue::topics::TooManyTopics>(())
    /// ```
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> Option<Topic>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.shared().find(key)
    }

    /// Publishes a message to the topic of this key, if there is one.
    ///
    /// `None` if there is none: no stream is open then, so the message is dropped, and no topic is
    /// created for it. If clients that come later should find it in the history, publish to the
    /// [`topic`](Self::topic) instead, which creates one.
    ///
    /// # Errors
    ///
    /// The same as those of [`Topic::publish`].
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topics;
    ///
    /// let rooms = Topics::<String>::new();
    /// assert_eq!(rooms.publish("lobby", "to nobody")?, None);
    /// assert!(rooms.is_empty());
    ///
    /// let history = rooms.topic("lobby")?;
    /// assert!(rooms.publish("lobby", "to all who come")?.is_some());
    /// assert_eq!(history.stats().retained, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish<Q>(
        &self,
        key: &Q,
        message: impl Into<Message>,
    ) -> Result<Option<Receipt>, PublishError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let topic = self.get(key);
        topic.map(|topic| topic.publish(message)).transpose()
    }

    /// The key of the topic that assigned this id, while the key has a topic.
    ///
    /// That topic may be newer than the one that assigned the id; resuming it is then a gap. `None`
    /// for an id of another form, such as one that came with an event.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{LastEventId, Topics};
    ///
    /// let runs = Topics::<String>::new();
    /// let run = runs.topic("run-7")?;
    /// let receipt = run.publish("x")?;
    /// let last = LastEventId::new(receipt.id());
    /// assert_eq!(runs.key_of(&last).as_deref(), Some("run-7"));
    /// assert_eq!(runs.key_of(&LastEventId::new("order-42")), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn key_of(&self, id: &LastEventId) -> Option<K>
    where
        K: Clone,
    {
        self.shared().key_of(id.epoch()?)
    }

    /// Evicts the topic of this key now instead of later, if it is idle; returns whether it did.
    ///
    /// `false` if the key has no topic, or if a handle, a filter or a stream of it is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topics;
    ///
    /// let runs = Topics::<String>::new();
    /// let run = runs.topic("run-7")?;
    /// assert!(!runs.forget("run-7"), "it is used");
    /// drop(run);
    /// assert!(runs.forget("run-7"));
    /// assert!(runs.get("run-7").is_none());
    /// # Ok::<(), sse_queue::topics::TooManyTopics>(())
    /// ```
    pub fn forget<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.shared().forget(key)
    }

    /// The number of topics, used or idle.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topics;
    ///
    /// let rooms = Topics::<u64>::new();
    /// rooms.topic(&7)?;
    /// assert_eq!(rooms.len(), 1);
    /// # Ok::<(), sse_queue::topics::TooManyTopics>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared().len()
    }

    /// Whether there is no topic.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topics;
    ///
    /// assert!(Topics::<u64>::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The registry's counters.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topics;
    ///
    /// let rooms = Topics::<u64>::new();
    /// let room = rooms.topic(&7)?;
    /// room.publish("x")?;
    /// drop(rooms.topic(&8)?);
    /// let stats = rooms.stats();
    /// assert_eq!((stats.topics, stats.idle), (2, 1));
    /// assert_eq!(stats.bytes, room.stats().bytes);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> TopicsStats {
        self.shared().stats()
    }
}

/// Changes a reference count: no lock, no clock.
impl<K> Clone for Topics<K> {
    fn clone(&self) -> Self {
        Self {
            handle: Arc::clone(&self.handle),
        }
    }
}

/// A caller's panic leaves the registry in a valid state.
impl<K> UnwindSafe for Topics<K> {}

/// A caller's panic leaves the registry in a valid state.
impl<K> RefUnwindSafe for Topics<K> {}

impl<K> fmt::Debug for Topics<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics").finish_non_exhaustive()
    }
}

/// What all handles share and futures do not: its drop lets the topics go.
struct Handle<K> {
    shared: Arc<Shared<K>>,
}

impl<K> Drop for Handle<K> {
    fn drop(&mut self) {
        self.shared.release_all();
    }
}
