//! A set of tags that a stream wants, and that can change while the stream is open.

use core::fmt;
use std::sync::Arc;

use thiserror::Error;

use super::filters::MAX_TAGS;
use super::handle::Topic;
use super::resume::{Resumption, Start};
use super::shared::Shared;
use super::state::Full;
use crate::message::LastEventId;

/// How many tags are removed in one hold of the lock.
const MAX_PER_HOLD: usize = 64;

/// A set of tags that streams want: see [`EventStream::only`](crate::EventStream::only).
///
/// A `Filter` is a handle; its clones are the same set. The set can change while streams are open,
/// and several streams can share it. It belongs to the topic that made it with
/// [`Topic::filter`](crate::Topic::filter). A stream keeps its filter, so the handle is needed only
/// to change the set.
///
/// A stream with a filter gets the messages whose [tag](crate::Message::tag) is in the set, and
/// those without a tag, in the order of the log. An empty set leaves those without a tag. Other
/// messages cost the stream nothing: it is not woken for them, and does not step over them when it
/// reads. A gap counts only messages that the stream wants; if none of those was evicted, it resumes
/// exactly.
///
/// # Changing the set
///
/// The tags that a filter has when a stream gets it apply from where the stream begins. A tag that
/// is added later applies to messages that are published after that. Once a tag is removed, the
/// stream gets no more messages with it, not even those that were published before; adding the tag
/// again does not bring them back.
///
/// # Examples
///
/// A client joins and leaves rooms on one connection:
///
/// ```
/// use sse_queue::topic::Start;
/// use sse_queue::{FakeClock, Message, Topic};
///
/// let topic = Topic::builder().epoch("e")?.build();
/// let rooms = topic.filter(["lobby"])?;
/// let stream = topic.stream(Start::Now, FakeClock::new().ticker())?.only(&rooms);
/// let mut stream = stream.without_first_comment();
/// let say = |room: &str, text: &str| topic.publish(Message::from(text).tag(room));
///
/// say("garden", "unheard")?;
/// rooms.insert("garden")?;
/// say("garden", "hello")?;
/// assert_eq!(stream.next_ready().unwrap(), "id: e-2\ndata: hello\n\n");
///
/// rooms.remove("garden");
/// say("garden", "unheard")?;
/// say("lobby", "hi")?;
/// assert_eq!(stream.next_ready().unwrap(), "id: e-4\ndata: hi\n\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Filter {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    id: u64,
}

/// Why a tag was refused: the filter has [`Filter::MAX_TAGS`] others.
///
/// # Examples
///
/// ```
/// use sse_queue::Topic;
///
/// let tags = (0..2000).map(|number| format!("room {number}"));
/// let error = Topic::new().filter(tags).unwrap_err();
/// assert_eq!(error.to_string(), "filter has all 1024 tags that it may have");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("filter has all {limit} tags that it may have")]
#[non_exhaustive]
pub struct TooManyTags {
    /// The maximum.
    pub limit: usize,
}

impl Topic {
    /// Makes a filter for streams of this topic that want messages with these tags, and those
    /// without a tag.
    ///
    /// # Errors
    ///
    /// [`TooManyTags`] for more than [`Filter::MAX_TAGS`] different tags.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::Start;
    /// use sse_queue::{FakeClock, Message, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// for (tag, text) in [("red", "a"), ("blue", "b"), ("red", "c")] {
    ///     topic.publish(Message::from(text).tag(tag))?;
    /// }
    /// let red = topic.filter(["red"])?;
    /// let stream = topic.stream(Start::Last(1), FakeClock::new().ticker())?.only(&red);
    /// assert_eq!(stream.without_first_comment().next_ready().unwrap(), "id: e-3\ndata: c\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter<T: Into<Arc<str>>>(
        &self,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<Filter, TooManyTags> {
        let shared = Arc::clone(self.shared());
        let id = shared.with_lazy_clock(|state, _| state.open_filter());
        if let Some(member) = shared.member() {
            member.enter();
        }
        let filter = Filter {
            inner: Arc::new(Inner { shared, id }),
        };
        for tag in tags {
            filter.insert(tag)?;
        }
        Ok(filter)
    }
}

impl Filter {
    /// The maximum number of tags: 1024. The cost of a read grows with the number of tags.
    pub const MAX_TAGS: usize = MAX_TAGS;

    /// Adds a tag; returns whether it is new.
    ///
    /// For streams that have the filter already, it applies to what is published from now on.
    ///
    /// # Errors
    ///
    /// [`TooManyTags`] if the filter has [`MAX_TAGS`](Self::MAX_TAGS) others.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topic;
    ///
    /// let filter = Topic::new().filter(["red"])?;
    /// assert!(filter.insert("blue")?);
    /// assert!(!filter.insert("red")?);
    /// # Ok::<(), sse_queue::topic::TooManyTags>(())
    /// ```
    pub fn insert(&self, tag: impl Into<Arc<str>>) -> Result<bool, TooManyTags> {
        let Inner { shared, id } = &*self.inner;
        let tag = tag.into();
        let inserted = shared.with_lazy_clock(|state, _| state.insert_tag(*id, &tag));
        inserted.map_err(|Full| TooManyTags { limit: MAX_TAGS })
    }

    /// Removes a tag; returns whether the filter had it.
    ///
    /// Streams get no more messages with it, not even those that were published before.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topic;
    ///
    /// let filter = Topic::new().filter(["red"])?;
    /// assert!(filter.remove("red"));
    /// assert!(!filter.remove("red"));
    /// # Ok::<(), sse_queue::topic::TooManyTags>(())
    /// ```
    #[expect(
        clippy::must_use_candidate,
        reason = "it is called for its effect, as on a set"
    )]
    pub fn remove(&self, tag: &str) -> bool {
        let Inner { shared, id } = &*self.inner;
        shared.with_lazy_clock(|state, _| state.remove_tag(*id, tag))
    }

    /// Whether the filter has this tag.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topic;
    ///
    /// let filter = Topic::new().filter(["red"])?;
    /// assert!(filter.contains("red") && !filter.contains("blue"));
    /// # Ok::<(), sse_queue::topic::TooManyTags>(())
    /// ```
    #[must_use]
    pub fn contains(&self, tag: &str) -> bool {
        let Inner { shared, id } = &*self.inner;
        shared.with_lazy_clock(|state, _| state.has_tag(*id, tag))
    }

    /// The tags, in the order of [`str`].
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topic;
    ///
    /// let filter = Topic::new().filter(["red", "blue"])?;
    /// assert_eq!(filter.tags().map(|tag| tag.to_string()).collect::<Vec<_>>(), ["blue", "red"]);
    /// # Ok::<(), sse_queue::topic::TooManyTags>(())
    /// ```
    #[must_use = "iterators do nothing unless advanced"]
    pub fn tags(&self) -> impl ExactSizeIterator<Item = Arc<str>> + use<> {
        let Inner { shared, id } = &*self.inner;
        let mut tags = shared.with_lazy_clock(|state, _| state.tags_of(*id));
        tags.sort_unstable();
        tags.into_iter()
    }

    /// How a client with this id would continue if it reconnected now with this filter.
    ///
    /// It opens no stream. Without a filter, it is
    /// [`Topic::resumption_of`](crate::Topic::resumption_of).
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::Resumption;
    /// use sse_queue::{LastEventId, Message, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// topic.publish(Message::from("a").tag("red"))?;
    /// topic.publish(Message::from("b").tag("blue"))?;
    /// topic.close();
    /// let seen = LastEventId::new("e-1");
    /// assert_eq!(topic.resumption_of(&seen), Resumption::Exact);
    /// assert_eq!(topic.filter(["red"])?.resumption_of(&seen), Resumption::Complete);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn resumption_of(&self, id: &LastEventId) -> Resumption {
        let Inner { shared, id: filter } = &*self.inner;
        let start = Start::After(id.clone());
        shared.with(|state, _| state.resumption_of_filter(*filter, &start))
    }

    pub(super) fn id(&self) -> u64 {
        self.inner.id
    }

    /// Whether it belongs to this topic.
    pub(super) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.inner.shared, shared)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Self { shared, id } = self;
        while shared.with_lazy_clock(|state, _| state.close_filter(*id, MAX_PER_HOLD)) {}
        if let Some(member) = shared.member() {
            member.leave();
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").finish_non_exhaustive()
    }
}
