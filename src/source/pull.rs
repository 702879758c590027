//! One poll of a source: what is asked for, and what the source adds to its answer.

use core::time::Duration;
use std::time::SystemTime;

/// One poll of a [`Source`](crate::Source): what the stream asks for, and what the source adds to its answer.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::stream::{Limit, Pull};
///
/// let mut pull = Pull::new(Limit::new(64 * 1024, 16));
/// assert_eq!(pull.limit().messages, 16);
/// assert!(pull.registers() && !pull.yields());
///
/// pull.wake_after(Duration::from_secs(1));
/// assert_eq!(pull.wakes_after(), Some(Duration::from_secs(1)));
/// ```
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent question or answer"
)]
pub struct Pull {
    limit: Limit,
    registers: bool,
    yields: bool,
    asks_idle: bool,
    is_leaving: bool,
    is_batch: bool,
    has_more: bool,
    is_closing: bool,
    is_dated: bool,
    /// In nanoseconds; `u64::MAX` stands for none. Cheaper than an `Option<Duration>`.
    returns_within: u64,
    idle: Option<Duration>,
    wake: Option<Wake>,
}

/// When a stream that has nothing to take must be polled again.
#[derive(Clone, Copy, Debug)]
struct Wake {
    after: Duration,
    /// The same by the source's own clock.
    deadline: Option<SystemTime>,
}

/// What the stream asks for.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::stream::{Limit, Pull};
///
/// let pull = || Pull::new(Limit::new(64 * 1024, 16));
/// assert_eq!(pull().limit(), Limit::new(64 * 1024, 16));
/// assert!(pull().registers() && !pull().by_hand().registers());
/// assert!(pull().yielding().yields());
/// assert!(pull().asking_idle().asks_idle());
/// assert!(pull().batched().is_batch());
/// assert!(pull().leaving().is_leaving());
///
/// let second = Duration::from_secs(1);
/// assert_eq!(pull().returning_within(second).returns_within(), Some(second));
/// ```
impl Pull {
    /// Creates a poll for at most `limit`, by a task that waits if nothing is ready.
    #[must_use]
    pub fn new(limit: Limit) -> Self {
        Self {
            limit,
            registers: true,
            yields: false,
            asks_idle: false,
            is_leaving: false,
            is_batch: false,
            has_more: false,
            is_closing: false,
            is_dated: false,
            returns_within: u64::MAX,
            idle: None,
            wake: None,
        }
    }

    /// The same, by a caller that polls by hand: the source registers no waker, and does not rely
    /// on another poll.
    #[must_use]
    pub fn by_hand(self) -> Self {
        Self {
            registers: false,
            ..self
        }
    }

    /// The same, by a stream within the gap of its [pacing](crate::Pacing::spaced): other consumers
    /// go first.
    #[must_use]
    pub fn yielding(mut self) -> Self {
        self.yield_to_others();
        self
    }

    pub(crate) fn yield_to_others(&mut self) {
        self.yields = true;
    }

    /// The same, by a stream that needs to know how long it has been [idle](Self::idle_for).
    #[must_use]
    pub fn asking_idle(self) -> Self {
        Self {
            asks_idle: true,
            ..self
        }
    }

    /// The same, by a stream on a [grid](crate::Pacing::every): the limit of messages applies to
    /// the whole burst, not to each of its chunks.
    #[must_use]
    pub fn batched(self) -> Self {
        Self {
            is_batch: true,
            ..self
        }
    }

    /// The same, by a stream that ends now because of its [age](crate::EventStream::max_age): the
    /// source returns only what it has already taken from elsewhere and would otherwise lose.
    #[must_use]
    pub fn leaving(self) -> Self {
        Self {
            is_leaving: true,
            ..self
        }
    }

    /// The same, by a stream that takes what is [ready](crate::Source::poll_ready) within `time`.
    /// If it has not returned a second later, other consumers may take it.
    #[must_use]
    pub fn returning_within(mut self, time: Duration) -> Self {
        self.return_within(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        self
    }

    /// The same as [`returning_within`](Self::returning_within), in place and in nanoseconds.
    #[inline]
    pub(crate) fn return_within(&mut self, nanos: u64) {
        self.returns_within = nanos;
    }

    /// The most that the stream takes.
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Whether the source registers the task's waker if nothing is ready.
    #[must_use]
    pub fn registers(&self) -> bool {
        self.registers
    }

    /// Whether other consumers go first.
    #[must_use]
    pub fn yields(&self) -> bool {
        self.yields
    }

    /// Whether the limit of messages applies to a whole burst.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.is_batch
    }

    /// Whether the stream ends now.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// The time within which the stream returns for what is ready.
    #[must_use]
    pub fn returns_within(&self) -> Option<Duration> {
        let is_stated = self.returns_within != u64::MAX;
        is_stated.then(|| Duration::from_nanos(self.returns_within))
    }

    /// Whether the stream needs to know how long it has been idle.
    #[must_use]
    pub fn asks_idle(&self) -> bool {
        self.asks_idle
    }
}

/// What the source answers.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use sse_queue::stream::{Limit, Pull};
///
/// let pull = || Pull::new(Limit::new(64 * 1024, 16));
/// let second = Duration::from_secs(1);
///
/// let mut waits = pull();
/// waits.wake_after(second);
/// assert_eq!(waits.wakes_after(), Some(second));
///
/// let mut waits = pull();
/// waits.wake_at(SystemTime::UNIX_EPOCH + second, SystemTime::UNIX_EPOCH);
/// assert_eq!(waits.wakes_after(), Some(second));
/// assert_eq!(waits.deadline(), Some(SystemTime::UNIX_EPOCH + second));
///
/// let mut chunk = pull();
/// chunk.more_follows();
/// chunk.closing();
/// chunk.dated();
/// chunk.idle_for(second);
/// assert!(chunk.has_more() && chunk.is_closing() && chunk.is_dated());
/// assert_eq!(chunk.idle(), Some(second));
/// ```
impl Pull {
    /// Nothing is due, and the stream must be polled again after that time even if it is not woken.
    pub fn wake_after(&mut self, after: Duration) {
        self.wake = Some(Wake {
            after,
            deadline: None,
        });
    }

    /// The same, for a deadline by the source's own clock, which is at `now`.
    ///
    /// If the ticker is faster than that clock, it ticks too early. The stream then waits a little
    /// longer each time, as long as the source names the same deadline. It polls at least every 30
    /// s, so that a jump of the source's clock is noticed.
    pub fn wake_at(&mut self, deadline: SystemTime, now: SystemTime) {
        self.wake = Some(Wake {
            after: deadline.duration_since(now).unwrap_or_default(),
            deadline: Some(deadline),
        });
    }

    /// The deadline by the source's own clock, if there is one.
    #[must_use]
    pub fn deadline(&self) -> Option<SystemTime> {
        self.wake?.deadline
    }

    /// How long until the stream must be polled again.
    #[must_use]
    pub fn wakes_after(&self) -> Option<Duration> {
        Some(self.wake?.after)
    }

    /// The chunk is not its whole burst: the rest is sent without waiting for a gap or tick.
    pub fn more_follows(&mut self) {
        self.has_more = true;
    }

    /// Whether more of the burst follows.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// The source is closing: what it still returns is sent without pacing.
    pub fn closing(&mut self) {
        self.is_closing = true;
    }

    /// Whether the source is closing.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// The source remembers when this chunk was published, and reports it when it is
    /// [asked](Self::asking_idle), so that the stream need not read its ticker for each chunk.
    pub fn dated(&mut self) {
        self.is_dated = true;
    }

    /// Whether the source remembers when the chunk was published.
    #[must_use]
    pub fn is_dated(&self) -> bool {
        self.is_dated
    }

    /// How long ago the last [dated](Self::dated) chunk that this stream took was published.
    pub fn idle_for(&mut self, idle: Duration) {
        self.idle = Some(idle);
    }

    /// Whether the source reports how long the stream has been idle, or when to poll again.
    pub(crate) fn says_when(&self) -> bool {
        self.idle.is_some() || self.wake.is_some()
    }

    /// How long ago the last dated chunk was published, if the source reports it.
    #[must_use]
    pub fn idle(&self) -> Option<Duration> {
        self.idle
    }
}

/// The most that a [`Source`](crate::Source) may return in one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// The maximum size of a chunk, in bytes. A single frame may be larger; it is returned alone.
    pub bytes: usize,
    /// The maximum number of messages in a chunk.
    pub messages: usize,
}

impl Limit {
    /// A limit of `bytes` and `messages` for one chunk.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::stream::Limit;
    ///
    /// let limit = Limit::new(64 * 1024, 16);
    /// assert_eq!((limit.bytes, limit.messages), (65_536, 16));
    /// ```
    #[must_use]
    pub fn new(bytes: usize, messages: usize) -> Self {
        Self { bytes, messages }
    }
}
