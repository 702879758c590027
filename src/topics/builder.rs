//! Settings for a new registry of topics.

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use std::sync::Arc;

use super::handle::Topics;
use super::shared::{Settings, Shared};
use crate::time::Clock;
use crate::time::system::SystemClock;
use crate::topic::TopicBuilder;

/// Making a registry.
impl<K: Send + Sync + 'static> Topics<K> {
    /// A registry with the default bounds and the system's clock.
    ///
    /// # Panics
    ///
    /// On `wasm32-unknown-unknown`, where std has no clock. A [builder](Self::builder) with a clock
    /// of your own works there.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topics;
    ///
    /// assert!(Topics::<String>::new().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }
}

impl<K> Topics<K> {
    /// Settings for a new registry.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topics;
    ///
    /// let rooms: Topics<String> = Topics::builder().max_topics(1).build();
    /// let lobby = rooms.topic("lobby")?;
    /// assert!(rooms.topic("kitchen").is_err());
    /// # Ok::<(), sse_queue::topics::TooManyTopics>(())
    /// ```
    pub fn builder() -> TopicsBuilder<K> {
        TopicsBuilder::new()
    }
}

impl<K: Send + Sync + 'static> Default for Topics<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// Settings for a new [`Topics`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::{FakeClock, Topics};
///
/// let runs: Topics<u64> = Topics::builder()
///     .topic(|topic| topic.history(10_000).max_streams(100))
///     .max_topics(1_000)
///     .max_bytes(64 * 1024 * 1024)
///     .keep(Duration::from_secs(600))
///     .clock(FakeClock::new())
///     .build();
/// assert!(runs.is_empty());
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct TopicsBuilder<K> {
    settings: Box<Settings>,
    max_topics: usize,
    max_bytes: usize,
    keep: Duration,
    clock: Option<Arc<dyn Clock>>,
    /// The builder has no key, whatever a key can do.
    key: PhantomData<fn() -> K>,
}

impl<K> TopicsBuilder<K> {
    fn new() -> Self {
        Self {
            settings: Box::new(|topic| topic),
            max_topics: 65_536,
            max_bytes: 256 * 1024 * 1024,
            keep: Duration::from_secs(5 * 60),
            clock: None,
            key: PhantomData,
        }
    }

    /// How each topic is built: `settings` gets a builder with the defaults, and returns it changed.
    ///
    /// It is called for each new topic, outside all locks. The topic has the registry's clock unless
    /// `settings` sets another. The registry always chooses the epoch, even if `settings` sets one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::Topics;
    /// let rooms = Topics::builder().topic(|topic| topic.history(1)).build();
    /// let room = rooms.topic(&7)?;
    /// room.publish("a")?;
    /// room.publish("b")?;
    /// assert_eq!(room.stats().retained, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn topic(
        mut self,
        settings: impl Fn(TopicBuilder) -> TopicBuilder + Send + Sync + 'static,
    ) -> Self {
        self.settings = Box::new(settings);
        self
    }

    /// The maximum number of topics, used and idle: 65 536 unless set.
    ///
    /// At this number, a new topic takes the place of the one that has been idle for longest.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::Topics;
    /// let rooms = Topics::builder().max_topics(1).build();
    /// let one = rooms.topic(&1)?;
    /// assert!(rooms.topic(&2).is_err());
    /// drop(one);
    /// assert!(rooms.topic(&2).is_ok());
    /// # Ok::<(), sse_queue::topics::TooManyTopics>(())
    /// ```
    pub fn max_topics(mut self, topics: usize) -> Self {
        self.max_topics = topics;
        self
    }

    /// The maximum memory of the messages of all topics, in bytes: 256 MiB unless set.
    ///
    /// Messages count as they do towards [`TopicBuilder::history_bytes`], which bounds each topic
    /// as well; scheduled ones count the length of their frame. Beyond the bound, each call of the
    /// registry and each publication evicts up to 64 idle topics. If that is not enough, a
    /// publication evicts the oldest messages of its own topic, up to 64 but not the newest, and no
    /// message can be scheduled. So the topics may exceed the bound by as much as one message each.
    /// A message that exceeds it by itself is
    /// [too large](crate::topic::PublishError::TooLarge).
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::Topics;
    /// let rooms = Topics::builder().max_bytes(1_000).build();
    /// let (one, two) = (rooms.topic(&1)?, rooms.topic(&2)?);
    /// for _ in 0..10 {
    ///     one.publish("x".repeat(50))?;
    ///     two.publish("x".repeat(50))?;
    /// }
    /// assert!(rooms.stats().bytes <= 1_000);
    /// assert!(one.stats().retained < 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How long a topic without handles and streams is kept: 5 minutes unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sse_queue::{FakeClock, Topics};
    /// let clock = FakeClock::new();
    /// let rooms = Topics::builder().keep(Duration::from_secs(60)).clock(clock.clone()).build();
    /// drop(rooms.topic(&7)?);
    /// assert_eq!(rooms.len(), 1);
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(rooms.len(), 0);
    /// # Ok::<(), sse_queue::topics::TooManyTopics>(())
    /// ```
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// The clock of the registry and of its topics: a [`SystemClock`] unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sse_queue::{FakeClock, Message, Topics};
    /// let clock = FakeClock::new();
    /// let rooms = Topics::builder().clock(clock.clone()).build();
    /// let room = rooms.topic(&7)?;
    /// room.publish(Message::from("x").after(Duration::from_secs(1)))?;
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(room.stats().retained, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }
}

impl<K: Send + Sync + 'static> TopicsBuilder<K> {
    /// Makes the registry.
    ///
    /// # Panics
    ///
    /// On `wasm32-unknown-unknown` if no clock is set: std has none there.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::Topics;
    /// let rooms: Topics<u64> = Topics::builder().build();
    /// assert!(rooms.is_empty());
    /// ```
    #[must_use]
    pub fn build(self) -> Topics<K> {
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let limits = (self.max_topics, self.max_bytes, self.keep);
        Topics::with(Shared::new(clock, self.settings, limits))
    }
}

impl<K> fmt::Debug for TopicsBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicsBuilder")
            .field("max_topics", &self.max_topics)
            .field("max_bytes", &self.max_bytes)
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}
