//! Settings for a new topic.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use super::group::Member;
use super::handle::Topic;
use super::log::{Retention, to_u64};
use super::shared::Shared;
use super::store::Bounds;
use crate::message::id::{Epoch, EpochError, HIGHEST_GIVEN};
use crate::time::Clock;
use crate::time::system::SystemClock;

/// Making a topic.
impl Topic {
    /// A topic with the default bounds and the system's clock.
    ///
    /// # Panics
    ///
    /// On `wasm32-unknown-unknown`, where std has no clock. A [builder](Self::builder) with a clock
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
    /// # Ok::<(), sse_queue::topic::PublishError>(())
    /// ```
    pub fn builder() -> TopicBuilder {
        TopicBuilder::new()
    }
}

impl Default for Topic {
    fn default() -> Self {
        Self::new()
    }
}

/// Settings for a new [`Topic`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::{FakeClock, Topic};
///
/// let topic = Topic::builder()
///     .history(10_000)
///     .history_bytes(64 * 1024 * 1024)
///     .history_age(Duration::from_secs(3600))
///     .max_streams(500)
///     .clock(FakeClock::new())
///     .build();
/// assert_eq!(topic.stats().retained, 0);
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct TopicBuilder {
    bounds: Bounds,
    clock: Option<Arc<dyn Clock>>,
    epoch: Option<Epoch>,
    first: u64,
}

impl TopicBuilder {
    pub(crate) fn new() -> Self {
        Self {
            bounds: Bounds {
                retention: Retention {
                    messages: 65_536,
                    bytes: 256 * 1024 * 1024,
                    age: None,
                },
                scheduled: 65_536,
                streams: 100_000,
            },
            clock: None,
            epoch: None,
            first: 1,
        }
    }

    /// The maximum number of messages in the history: 65 536 by default, and at least 1.
    ///
    /// Streams can replay them, and a slow stream can fall behind by as many.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::Topic;
    /// let topic = Topic::builder().history(2).build();
    /// for data in ["a", "b", "c"] {
    ///     topic.publish(data)?;
    /// }
    /// assert_eq!(topic.stats().retained, 2);
    /// # Ok::<(), sse_queue::topic::PublishError>(())
    /// ```
    pub fn history(mut self, messages: usize) -> Self {
        self.bounds.retention.messages = to_u64(messages.max(1));
        self
    }

    /// The maximum memory of the history, in bytes: 256 MiB by default. Scheduled messages have a
    /// separate budget of the same size.
    ///
    /// A message counts its frame plus 16 bytes; one that was scheduled, or whose event brought an
    /// id, also counts the length of its id plus 64 bytes; so do a [tag](crate::Message::tag) and a
    /// [key](crate::Message::key). A tag counts 192 bytes more while the history has messages with
    /// it, and messages without a tag that follow one another count 32 bytes more together, from the
    /// first tag or filter of the topic on. A message that exceeds the bound by itself is refused as
    /// [too large](crate::topic::PublishError::TooLarge). The history holds at most 1.25 times this
    /// bound plus 4 KB of memory; 8 KB if messages expire, age, or have tags or keys.
    ///
    /// Memory is freed in blocks of up to 256 messages or 64 KiB, and at most an eighth of this
    /// bound. A stream can hold one block while its client reads it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::topic::PublishError;
    /// # use sse_queue::Topic;
    /// let topic = Topic::builder().history_bytes(64).build();
    /// assert!(matches!(topic.publish("x".repeat(64)), Err(PublishError::TooLarge(_))));
    /// ```
    pub fn history_bytes(mut self, bytes: usize) -> Self {
        self.bounds.retention.bytes = to_u64(bytes);
        self
    }

    /// The maximum age of messages in the history: unlimited by default.
    ///
    /// Older messages leave with the next call or poll that reads the clock, or with a
    /// [driver](crate::Topic::drive). A stream that was woken for a message gets it even if it
    /// polls a little later than that, unless something else was published in between.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sse_queue::{FakeClock, Topic};
    /// let clock = FakeClock::new();
    /// let topic = Topic::builder().clock(clock.clone());
    /// let topic = topic.history_age(Duration::from_secs(60)).build();
    /// topic.publish("x")?;
    /// clock.advance(Duration::from_secs(61));
    /// assert_eq!(topic.stats().retained, 0);
    /// # Ok::<(), sse_queue::topic::PublishError>(())
    /// ```
    pub fn history_age(mut self, age: Duration) -> Self {
        self.bounds.retention.age = Some(age);
        self
    }

    /// The maximum number of scheduled messages: 65 536 by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sse_queue::topic::PublishError;
    /// # use sse_queue::{Message, Topic};
    /// let topic = Topic::builder().max_scheduled(0).build();
    /// let later = Message::from("x").after(Duration::from_secs(1));
    /// assert!(matches!(topic.publish(later), Err(PublishError::Full(_))));
    /// ```
    pub fn max_scheduled(mut self, messages: usize) -> Self {
        self.bounds.scheduled = messages;
        self
    }

    /// The maximum number of streams open at once: 100 000 by default.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::topic::Start;
    /// # use sse_queue::{FakeClock, Topic};
    /// let topic = Topic::builder().max_streams(0).build();
    /// assert!(topic.stream(Start::Now, FakeClock::new().ticker()).is_err());
    /// ```
    pub fn max_streams(mut self, streams: usize) -> Self {
        self.bounds.streams = streams;
        self
    }

    /// The clock for due times, expiry and age: a [`SystemClock`] by default.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::{FakeClock, Topic};
    /// let topic = Topic::builder().clock(FakeClock::new()).build();
    /// assert!(!topic.is_closed());
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The first part of the ids: by default one that no other topic has, even after a restart, so
    /// that an id from before a restart is known to be foreign.
    ///
    /// A fixed epoch is for tests, or for a topic that continues another one's log. It must not be
    /// used again for a log that starts empty, unless the [first number](Self::first_number) of
    /// that log follows the last one.
    ///
    /// # Errors
    ///
    /// [`EpochError`] if `epoch` is not 1 to 16 characters of `a-z` and `0-9`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::Topic;
    /// let topic = Topic::builder().epoch("test")?.build();
    /// assert_eq!(topic.publish("x")?.id(), "test-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn epoch(mut self, epoch: &str) -> Result<Self, EpochError> {
        self.epoch = Some(Epoch::new(epoch)?);
        Ok(self)
    }

    /// The number of the first message: 1 by default, and at most 2^48.
    ///
    /// A topic that replaces another one with the same epoch, after a restart for example, begins
    /// after the last number of that one. A client that has seen the last message then continues
    /// exactly; any other client gets a gap event.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::topic::{GapCause, Resumption};
    /// # use sse_queue::{LastEventId, Topic};
    /// let topic = Topic::builder().epoch("e")?.first_number(8).build();
    /// assert_eq!(topic.resumption_of(&LastEventId::new("e-7")), Resumption::Exact);
    /// let gap = Resumption::Gap { missed: None, cause: GapCause::Evicted };
    /// assert_eq!(topic.resumption_of(&LastEventId::new("e-6")), gap);
    /// assert_eq!(topic.publish("x")?.id(), "e-8");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first_number(mut self, number: u64) -> Self {
        self.first = number.clamp(1, HIGHEST_GIVEN);
        self
    }

    /// Makes the topic.
    ///
    /// # Panics
    ///
    /// On `wasm32-unknown-unknown` if no clock is set: std has none there.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::Topic;
    /// assert!(!Topic::builder().build().is_closed());
    /// ```
    #[must_use]
    pub fn build(self) -> Topic {
        Topic::with(self.build_shared())
    }

    fn build_shared(self) -> Shared {
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let epoch = self.epoch.unwrap_or_else(|| Epoch::unique(clock.now()));
        Shared::new(clock, epoch, self.bounds, self.first)
    }

    /// Makes a topic of a registry.
    pub(super) fn build_member(mut self, epoch: Epoch, member: Member) -> Topic {
        self.epoch = Some(epoch);
        Topic::with(self.build_shared().into_member(member))
    }

    /// The clock of a registry, for its topics.
    pub(crate) fn shared_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }
}

impl fmt::Debug for TopicBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicBuilder")
            .field("bounds", &self.bounds)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
