use core::fmt;
use core::hash::BuildHasher;
use core::time::Duration;
use std::hash::RandomState;

use bytes::Bytes;
use thiserror::Error;

use super::EventStream;
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
    period: Option<Duration>,
    event: Option<Event>,
}

impl KeepAlive {
    /// A comment line after each `period` without a byte. It has no blank line behind it, because
    /// clients in wide use make an empty event of that.
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
    batch: usize,
    max_chunk: usize,
    max_messages: Option<usize>,
    keep_alive: Option<Duration>,
    retry: Option<Duration>,
    first_bytes: bool,
    rare: Option<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    keep_alive: Option<Bytes>,
    farewell: Option<Bytes>,
    max_age: Option<Duration>,
    seed: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch: 1,
            max_chunk: 64 * 1024,
            max_messages: None,
            keep_alive: KeepAlive::default().period,
            retry: None,
            first_bytes: true,
            rare: None,
        }
    }
}

impl Settings {
    pub(super) fn limit(&self, is_ticked: bool, usual: usize) -> Limit {
        let messages = if is_ticked {
            self.batch
        } else {
            self.max_messages.unwrap_or(usual)
        };
        Limit::new(self.max_chunk, messages)
    }

    /// What goes out first.
    pub(super) fn opening(&self) -> Option<Bytes> {
        let retry = self
            .retry
            .map(|retry| Event::reconnection_time(retry).encode());
        self.first_bytes.then(|| retry.unwrap_or(COMMENT))
    }

    pub(super) fn quiet_until(&self, quiet_since: Duration) -> Option<Duration> {
        quiet_since.checked_add(self.keep_alive?)
    }

    /// Whether no sign of life is ever due.
    pub(super) fn keeps_quiet(&self) -> bool {
        self.keep_alive.is_none()
    }

    pub(super) fn sign_of_life(&self) -> Bytes {
        let event = self.rare.as_ref().and_then(|rare| rare.keep_alive.clone());
        event.unwrap_or(COMMENT)
    }

    pub(super) fn take_farewell(&mut self) -> Option<Bytes> {
        self.rare.as_mut()?.farewell.take()
    }

    /// After how long the stream ends: 80 to 100 % of what was set.
    pub(super) fn age(&mut self) -> Option<Duration> {
        let rare = self.rare.as_mut()?;
        let age = rare.max_age?;
        let seed = rare.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        rare.seed = Some(seed);
        let thousandths = u32::try_from(mix(seed) % 201).unwrap_or_default();
        let less = thousandth(age).saturating_mul(thousandths);
        Some(age.saturating_sub(less))
    }

    /// A reconnection time around the one that is set: 50 to 150 % of it.
    pub(super) fn come_back(&self) -> Bytes {
        let retry = self.retry.unwrap_or(USUAL_RETRY);
        let seed = self.rare.as_ref().and_then(|rare| rare.seed);
        let thousandths = u32::try_from(mix(!seed.unwrap_or_default()) % 1001).unwrap_or_default();
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
            .field("max_chunk", &self.max_chunk)
            .field("keep_alive", &self.keep_alive)
            .field("retry", &self.retry)
            .field("first_bytes", &self.first_bytes)
            .finish_non_exhaustive()
    }
}

fn thousandth(time: Duration) -> Duration {
    time.checked_div(1000).unwrap_or_default()
}

/// One step of `SplitMix64` (Steele, Lea, Flood 2014): enough to spread clients.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl<S: Source, T: Ticker> EventStream<S, T> {
    /// Puts at least `gap` between two chunks. What comes after a quiet time goes at once; all that
    /// comes within the gap goes in one chunk behind it, up to
    /// [`max_chunk`](Self::max_chunk) and [`max_messages`](Self::max_messages).
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
    pub fn spaced(mut self, gap: Duration) -> Self {
        self.pace = Pace::new(Pacing::Spaced(gap));
        self
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
    pub fn every(mut self, period: Duration) -> Self {
        self.pace = Pace::new(Pacing::Every(period));
        self
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
        self.settings.max_chunk = bytes;
        self
    }

    /// The most messages in one chunk: 16 unless set, and at least 1. So one of several consumers
    /// does not grab the whole backlog.
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
        self.settings.max_messages = Some(messages.max(1));
        self
    }

    /// What goes out while nothing else does: a comment line after 15 s unless set.
    ///
    /// It never goes out while data flows.
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
        self.settings.keep_alive = keep_alive.period;
        if keep_alive.event.is_some() || self.settings.rare.is_some() {
            self.settings.rare().keep_alive = keep_alive.event.map(Event::encode);
        }
        self
    }

    /// Whether the first poll yields bytes at once, so that the response's head is flushed and the
    /// page's `onopen` fires: the `retry` line if one is set, else a comment. It does unless
    /// switched off.
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

    /// The client's reconnection time, in whole milliseconds. It goes out with the first bytes.
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
    /// Messages that are due stay in the queue for others, or for the client's next stream.
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

    /// The seed of what is random in [`max_age`](Self::max_age): for tests.
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
        self.settings.rare().seed = Some(seed);
        self
    }

    /// An event that goes out when the source has ended, before the stream does.
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
}
