//! What can be set on a stream.

use core::fmt;
use core::hash::{BuildHasher, Hasher};
use core::time::Duration;
use std::hash::RandomState;

use bytes::Bytes;
use thiserror::Error;

use super::EventStream;
use super::idle::mix;
use crate::event::Event;
use crate::source::{Limit, Source};
use crate::stream::pacing::{Pace, Pacing};
use crate::time::Ticker;

/// What browsers use by themselves lies around three seconds.
const USUAL_RETRY: Duration = Duration::from_secs(3);

/// How a stream shows that it is alive while nothing is to be sent.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::{FakeClock, KeepAlive, Queue};
///
/// let clock = FakeClock::new();
/// let queue = Queue::new();
/// let period = Duration::from_secs(30);
/// let mut stream = queue.stream(clock.ticker())?.keep_alive(KeepAlive::every(period));
/// assert_eq!(stream.next_ready().unwrap(), ":\n", "the first bytes");
/// clock.advance(period);
/// assert_eq!(stream.next_ready().unwrap(), ":\n");
/// # Ok::<(), sse_queue::TooManyStreams>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    pub(super) period: Option<Duration>,
    event: Option<Event>,
}

impl KeepAlive {
    /// A comment line after each `period` without a byte. No blank line follows it, because some
    /// widely used clients would dispatch an empty event for that.
    ///
    /// Zero and `Duration::MAX` switch it off.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::KeepAlive;
    ///
    /// assert_eq!(KeepAlive::every(Duration::ZERO), KeepAlive::off());
    /// ```
    #[must_use]
    pub fn every(period: Duration) -> Self {
        let is_on = period != Duration::ZERO && period != Duration::MAX;
        Self {
            period: is_on.then_some(period),
            event: None,
        }
    }

    /// No keep-alive. A departed client then is noticed when the next message is sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, KeepAlive, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let mut stream = Queue::new().stream(clock.ticker())?.keep_alive(KeepAlive::off());
    /// stream.next_ready();
    /// assert_eq!(clock.next_deadline(), None);
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    #[must_use]
    pub fn off() -> Self {
        Self {
            period: None,
            event: None,
        }
    }

    /// An event after each `period` without a byte, for pages whose scripts must see it.
    ///
    /// # Errors
    ///
    /// [`KeepAliveError`] if the event has an id: it would move the point from which a client
    /// resumes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Event, FakeClock, KeepAlive, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::new();
    /// let keep_alive = KeepAlive::event(Duration::from_secs(5), Event::new("").name("ping")?)?;
    /// let mut stream = queue.stream(clock.ticker())?.keep_alive(keep_alive);
    /// stream.next_ready();
    /// clock.advance(Duration::from_secs(5));
    /// assert_eq!(stream.next_ready().unwrap(), "event: ping\ndata: \n\n");
    ///
    /// let with_id = Event::new("").id("7")?;
    /// assert!(KeepAlive::event(Duration::from_secs(5), with_id).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn event(period: Duration, event: Event) -> Result<Self, KeepAliveError> {
        if event.event_id().is_some() {
            return Err(KeepAliveError);
        }
        Ok(Self {
            event: Some(event),
            ..Self::every(period)
        })
    }
}

/// A comment line after 15 seconds without a byte.
impl Default for KeepAlive {
    fn default() -> Self {
        Self::every(Duration::from_secs(15))
    }
}

/// A keep-alive event must not have an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("keep-alive event has an id")]
#[non_exhaustive]
pub struct KeepAliveError;

/// What can be set on a stream; rare settings are kept apart, since there is one of these for each
/// connection.
pub(super) struct Settings {
    /// What the stream asks for: on a grid as many messages as the batch has, else the most.
    limit: Limit,
    batch: usize,
    max_messages: usize,
    seed: u64,
    retry: Option<Duration>,
    first_bytes: bool,
    rare: Option<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    keep_alive: Option<Bytes>,
    farewell: Option<Bytes>,
    max_age: Option<Duration>,
}

impl Settings {
    /// Those of a stream that nobody sets up, from a source that gives so many messages in a chunk.
    pub(super) fn new(max_messages: usize) -> Self {
        Self {
            limit: Limit::new(64 * 1024, max_messages),
            batch: 1,
            max_messages,
            seed: RandomState::new().build_hasher().finish(),
            retry: None,
            first_bytes: true,
            rare: None,
        }
    }

    pub(super) fn limit(&self) -> Limit {
        self.limit
    }

    fn count_for(&mut self, pace: &Pace) {
        self.limit.messages = if pace.is_ticked() {
            self.batch
        } else {
            self.max_messages
        };
    }

    /// What goes out first: the `retry` line if one is set, else a comment.
    pub(super) fn opening(&self) -> Option<Bytes> {
        let retry = self
            .retry
            .map(|retry| Event::reconnection_time(retry).encode());
        retry.or_else(|| self.first_bytes.then_some(COMMENT))
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn keep_alive_frame(&self) -> Bytes {
        let event = self.rare.as_ref().and_then(|rare| rare.keep_alive.clone());
        event.unwrap_or(COMMENT)
    }

    pub(super) fn take_farewell(&mut self) -> Option<Bytes> {
        self.rare.as_mut()?.farewell.take()
    }

    /// After how long the stream ends: 80 to 100 % of what was set.
    pub(super) fn age(&self) -> Option<Duration> {
        let age = self.rare.as_ref()?.max_age?;
        let thousandths = u32::try_from(mix(self.seed) % 201).unwrap_or_default();
        let less = thousandth(age).saturating_mul(thousandths);
        Some(age.saturating_sub(less))
    }

    /// A reconnection time around the one that is set: 50 to 150 % of it.
    pub(super) fn spread_retry(&self) -> Bytes {
        let retry = self.retry.unwrap_or(USUAL_RETRY);
        let thousandths = u32::try_from(mix(!self.seed) % 1001).unwrap_or_default();
        let more = thousandth(retry).saturating_mul(thousandths.saturating_add(500));
        Event::reconnection_time(more).encode()
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

const COMMENT: Bytes = Bytes::from_static(b":\n");

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("limit", &self.limit)
            .field("retry", &self.retry)
            .field("first_bytes", &self.first_bytes)
            .finish_non_exhaustive()
    }
}

fn thousandth(time: Duration) -> Duration {
    time.checked_div(1000).unwrap_or_default()
}

impl<S: Source, T: Ticker> EventStream<S, T> {
    /// Puts at least `gap` between two bursts.
    ///
    /// A message that arrives after a quiet period goes at once. What arrives within the gap after
    /// a burst goes together at its end: all that is due then, in as many chunks as
    /// [`max_chunk`](Self::max_chunk) and [`max_messages`](Self::max_messages) require. No timer is
    /// armed while nothing arrives.
    ///
    /// This is what makes full rate cheap: the cost of a write is shared by all events in it.
    ///
    /// ```text
    /// pushed    a b    c         d
    /// sent      a  |-gap-|bc|-gap-|d
    /// ```
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let stream = queue.stream(clock.ticker())?.first_bytes(false);
    /// let mut stream = stream.spaced(Duration::from_millis(20));
    /// queue.push("a")?;
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\n");
    /// queue.push("b")?;
    /// queue.push("c")?;
    /// assert_eq!(stream.next_ready(), None);
    /// clock.advance(Duration::from_millis(20));
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-2\ndata: b\n\nid: e-3\ndata: c\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spaced(self, gap: Duration) -> Self {
        self.paced(Pacing::Spaced(gap))
    }

    /// Delivers on a grid: at most one [batch](Self::batch) at each tick.
    ///
    /// The grid starts when the stream is first polled; the first tick is one period later. Ticks
    /// that were missed are skipped, never made up in a burst. A stream for which nothing is due is
    /// not woken by its grid. A message may wait for the tick of the stream that was woken for it.
    ///
    /// A zero period delivers at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let stream = queue.stream(clock.ticker())?.first_bytes(false);
    /// let mut stream = stream.every(Duration::from_secs(1));
    /// queue.push("a")?;
    /// assert_eq!(stream.next_ready(), None);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn every(self, period: Duration) -> Self {
        self.paced(Pacing::Every(period))
    }

    /// The most messages at one tick of [`every`](Self::every): 1 unless set, and at least 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let stream = queue.stream(clock.ticker())?.first_bytes(false);
    /// let mut stream = stream.every(Duration::from_secs(1)).batch(2);
    /// for data in ["a", "b", "c"] {
    ///     queue.push(data)?;
    /// }
    /// assert_eq!(stream.next_ready(), None);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\nid: e-2\ndata: b\n\n");
    /// assert_eq!(stream.next_ready(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn batch(mut self, messages: usize) -> Self {
        self.settings.batch = messages.max(1);
        self.settings.count_for(&self.pace);
        self
    }

    /// The largest chunk, in bytes: 64 KiB unless set. A larger frame goes alone.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let mut stream = queue.stream(clock.ticker())?.first_bytes(false).max_chunk(40);
    /// for data in ["a", "b", "c"] {
    ///     queue.push(data)?;
    /// }
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\nid: e-2\ndata: b\n\n");
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-3\ndata: c\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_chunk(mut self, bytes: usize) -> Self {
        self.settings.limit.bytes = bytes;
        self
    }

    /// The most messages in one chunk: what the [source](Source::max_messages) says unless set, and
    /// at least 1. A queue says 16, so that one of several consumers does not grab the backlog.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let mut stream = queue.stream(clock.ticker())?.first_bytes(false).max_messages(1);
    /// queue.push("a")?;
    /// queue.push("b")?;
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\n");
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-2\ndata: b\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_messages(mut self, messages: usize) -> Self {
        self.settings.max_messages = messages.max(1);
        self.settings.count_for(&self.pace);
        self
    }

    /// What goes out while nothing else does: a comment line after 15 s unless set.
    ///
    /// Each period is shortened at random by up to a tenth, so that a crowd of streams does not
    /// fall into step. A keep-alive never goes out while data flows.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::KeepAlive;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::new();
    /// let keep_alive = KeepAlive::every(Duration::from_secs(5));
    /// let mut stream = queue.stream(clock.ticker())?.keep_alive(keep_alive);
    /// stream.next_ready();
    /// clock.advance(Duration::from_secs(4));
    /// assert_eq!(stream.next_ready(), None);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(stream.next_ready().unwrap(), ":\n");
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    pub fn keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.idle.set_period(keep_alive.period);
        if keep_alive.event.is_some() || self.settings.rare.is_some() {
            self.settings.rare().keep_alive = keep_alive.event.map(Event::encode);
        }
        self
    }

    /// Whether the first poll yields bytes at once: it does unless switched off.
    ///
    /// They flush the response's head, so that the page's `onopen` fires: the `retry` line if one
    /// is set, else a comment. A `retry` line goes out even if this is switched off.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::new();
    /// assert_eq!(queue.stream(clock.ticker())?.next_ready().unwrap(), ":\n");
    /// assert_eq!(queue.stream(clock.ticker())?.first_bytes(false).next_ready(), None);
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    pub fn first_bytes(mut self, first_bytes: bool) -> Self {
        self.settings.first_bytes = first_bytes;
        self
    }

    /// The client's reconnection time, in whole milliseconds. It goes out with the first poll.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::new();
    /// let mut stream = queue.stream(clock.ticker())?.retry(Duration::from_secs(10));
    /// assert_eq!(stream.next_ready().unwrap(), "retry: 10000\n");
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    pub fn retry(mut self, retry: Duration) -> Self {
        self.settings.retry = Some(retry);
        self
    }

    /// Ends the stream by itself after 80 to 100 % of `age`, with a reconnection time of 50 to
    /// 150 % of the one that is set (or of 3 s), so that clients spread when they come back.
    ///
    /// Messages that are due stay in the queue for others, or for the client's next stream; only
    /// what the source had already taken from elsewhere goes out first. No
    /// [farewell](Self::farewell) follows.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::new();
    /// let stream = queue.stream(clock.ticker())?.first_bytes(false).seed(7);
    /// let mut stream = stream.max_age(Duration::from_secs(10));
    /// assert_eq!(stream.next_ready(), None);
    /// clock.advance(Duration::from_secs(10));
    /// assert!(stream.next_ready().unwrap().starts_with(b"retry: "));
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    pub fn max_age(mut self, age: Duration) -> Self {
        self.settings.rare().max_age = Some(age);
        self
    }

    /// The seed of what is random in [`max_age`](Self::max_age) and
    /// [`keep_alive`](Self::keep_alive): for tests.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let queue = Queue::new();
    /// let end = |seed| {
    ///     let clock = FakeClock::new();
    ///     let stream = queue.stream(clock.ticker())?.first_bytes(false).seed(seed);
    ///     let mut stream = stream.max_age(Duration::from_secs(10));
    ///     stream.next_ready();
    ///     Ok::<_, sse_queue::TooManyStreams>(clock.next_deadline())
    /// };
    /// assert_eq!(end(7)?, end(7)?);
    /// assert_ne!(end(7)?, end(8)?);
    /// # Ok::<(), sse_queue::TooManyStreams>(())
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// An event that goes out when the source has ended, before the stream does.
    ///
    /// A stream that ends by its [age](Self::max_age) sends none: its client comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Event;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::new();
    /// let stream = queue.stream(clock.ticker())?.first_bytes(false);
    /// let mut stream = stream.farewell(Event::new("").name("bye")?);
    /// queue.close();
    /// assert_eq!(stream.next_ready().unwrap(), "event: bye\ndata: \n\n");
    /// assert_eq!(stream.next_ready(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn farewell(mut self, event: Event) -> Self {
        self.settings.rare().farewell = Some(event.encode());
        self
    }

    fn paced(mut self, pacing: Pacing) -> Self {
        self.pace = Pace::new(pacing);
        self.settings.count_for(&self.pace);
        self
    }
}
