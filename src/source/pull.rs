//! One poll of a source: the question, and what the source adds to its answer.

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
    /// In nanoseconds, so that it costs little to say; the largest number stands for none.
    returns_within: u64,
    idle: Option<Duration>,
    wake: Option<Wake>,
}

/// When a stream must be polled again that has nothing to take.
#[derive(Clone, Copy, Debug)]
struct Wake {
    after: Duration,
    /// The same by the source's own clock.
    deadline: Option<SystemTime>,
}

/// What the stream asks for.
impl Pull {
    /// A poll that asks for as much as `limit`, by a task that waits if there is nothing.
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

    /// The same by a caller that polls by hand: the source keeps no waker, and counts on no later
    /// poll.
    #[must_use]
    pub fn by_hand(self) -> Self {
        Self {
            registers: false,
            ..self
        }
    }

    /// The same by a stream that can take only later, within a gap of its
    /// [pacing](crate::Pacing::spaced): others come first.
    #[must_use]
    pub fn yielding(mut self) -> Self {
        self.yield_to_others();
        self
    }

    pub(crate) fn yield_to_others(&mut self) {
        self.yields = true;
    }

    /// The same by a stream that wants to know for how long it has been [idle](Self::idle_for).
    #[must_use]
    pub fn asking_idle(self) -> Self {
        Self {
            asks_idle: true,
            ..self
        }
    }

    /// The same by a stream on a [grid](crate::Pacing::every): the limit of messages holds for
    /// the whole burst, not for each of its chunks.
    #[must_use]
    pub fn batched(self) -> Self {
        Self {
            is_batch: true,
            ..self
        }
    }

    /// The same by a stream that ends now, by its [age](crate::EventStream::max_age): the source
    /// gives only what it has already taken from elsewhere and would otherwise lose.
    #[must_use]
    pub fn leaving(self) -> Self {
        Self {
            is_leaving: true,
            ..self
        }
    }

    /// The same by a stream that takes what is [ready](crate::Source::poll_ready) at a time of its own,
    /// at most so much later. If it has not come back a second after that, it may have been forgotten,
    /// and what it was to take is for others.
    #[must_use]
    pub fn returning_within(mut self, time: Duration) -> Self {
        self.return_within(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        self
    }

    /// [Returning](Self::returning_within), in place, within so many nanoseconds.
    #[inline]
    pub(crate) fn return_within(&mut self, nanos: u64) {
        self.returns_within = nanos;
    }

    /// How much the stream takes at most.
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Whether a source that has nothing keeps the task's waker.
    #[must_use]
    pub fn registers(&self) -> bool {
        self.registers
    }

    /// Whether other consumers come first.
    #[must_use]
    pub fn yields(&self) -> bool {
        self.yields
    }

    /// Whether the limit of messages holds for a whole burst.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.is_batch
    }

    /// Whether the stream ends now.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// Within which time the stream comes back for what is ready.
    #[must_use]
    pub fn returns_within(&self) -> Option<Duration> {
        let is_stated = self.returns_within != u64::MAX;
        is_stated.then(|| Duration::from_nanos(self.returns_within))
    }

    /// Whether the stream wants to know for how long it has been idle.
    #[must_use]
    pub fn asks_idle(&self) -> bool {
        self.asks_idle
    }
}

/// What the source answers.
impl Pull {
    /// Nothing is due, and this stream must be polled again after that time without being woken.
    pub fn wake_after(&mut self, after: Duration) {
        self.wake = Some(Wake {
            after,
            deadline: None,
        });
    }

    /// The same for a deadline by the source's own clock, which now says `now`.
    ///
    /// A ticker that is faster than that clock ticks too early: the stream then waits a little
    /// longer each time, as long as the source names the same deadline. It polls at least every
    /// 30 s, so that a jump of the source's clock is noticed.
    pub fn wake_at(&mut self, deadline: SystemTime, now: SystemTime) {
        self.wake = Some(Wake {
            after: deadline.duration_since(now).unwrap_or_default(),
            deadline: Some(deadline),
        });
    }

    /// The deadline by the source's own clock, if the source named one.
    #[must_use]
    pub fn deadline(&self) -> Option<SystemTime> {
        self.wake?.deadline
    }

    /// After how long the stream must be polled again.
    #[must_use]
    pub fn wakes_after(&self) -> Option<Duration> {
        Some(self.wake?.after)
    }

    /// The chunk is not all that was due when its burst began: what follows belongs to it, and goes
    /// without waiting for a gap or tick.
    pub fn more_follows(&mut self) {
        self.has_more = true;
    }

    /// Whether the burst goes on.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// The source is closing: what it still gives goes out without pacing.
    pub fn closing(&mut self) {
        self.is_closing = true;
    }

    /// Whether the source is closing.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// The source remembers when this chunk came, and says so when it is
    /// [asked](Self::asking_idle): the stream need not read its ticker for each chunk.
    pub fn dated(&mut self) {
        self.is_dated = true;
    }

    /// Whether the source remembers when the chunk came.
    #[must_use]
    pub fn is_dated(&self) -> bool {
        self.is_dated
    }

    /// How long ago the last [dated](Self::dated) chunk came: the one that this stream took, not a
    /// later one that it did not get, since a keep-alive follows its last byte.
    pub fn idle_for(&mut self, idle: Duration) {
        self.idle = Some(idle);
    }

    /// Whether the source says how long the stream has been idle, or when to poll again.
    pub(crate) fn says_when(&self) -> bool {
        self.idle.is_some() || self.wake.is_some()
    }

    /// How long ago the last dated chunk came, if the stream [asked](Self::asking_idle) and the
    /// source knows.
    #[must_use]
    pub fn idle(&self) -> Option<Duration> {
        self.idle
    }
}

/// How much a [`Source`](crate::Source) may give in one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// The largest chunk, in bytes. A single frame may be larger; it goes alone.
    pub bytes: usize,
    /// The most messages in one chunk.
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
