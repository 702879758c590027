//! When a stream may send: the setting.

use core::time::Duration;

use super::pace::When;

/// When an [`EventStream`](crate::EventStream) may send.
///
/// A stream is [immediate](Self::immediate) by default; set its pacing with
/// [`EventStream::pacing`](crate::EventStream::pacing). In each kind of pacing,
/// [`batch`](Self::batch) limits how many messages are sent at once. When the source closes, what
/// is left is sent without pacing.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::{FakeClock, Pacing, Queue};
///
/// let clock = FakeClock::new();
/// let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
/// let pacing = Pacing::every(Duration::from_secs(1)).batch(2);
/// let mut stream = queue.stream(clock.ticker())?.without_first_comment().pacing(pacing);
/// for data in ["a", "b", "c"] {
///     queue.push(data)?;
/// }
/// assert_eq!(stream.next_ready(), None);
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\nid: e-2\ndata: b\n\n");
/// assert_eq!(stream.next_ready(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a pacing does nothing until a stream is set to it"]
pub struct Pacing {
    when: When,
    batch: Option<usize>,
}

impl Pacing {
    /// Everything that is due is sent at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Pacing;
    ///
    /// assert_eq!(Pacing::immediate(), Pacing::default());
    /// ```
    pub const fn immediate() -> Self {
        Self::new(When::Immediate)
    }

    /// Leaves at least `gap` between two bursts. Zero is [immediate](Self::immediate).
    ///
    /// A message that arrives after a quiet period is sent at once. Messages that arrive within the
    /// gap after a burst are sent together when the gap ends: everything that is due then, in as
    /// many chunks as [`max_chunk_bytes`](crate::EventStream::max_chunk_bytes) and
    /// [`batch`](Self::batch) require. No timer is armed while nothing arrives.
    ///
    /// This makes a high rate cheap: all events in a write share its cost.
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
    /// use sse_queue::Pacing;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let pacing = Pacing::spaced(Duration::from_millis(20));
    /// let mut stream = queue.stream(clock.ticker())?.without_first_comment().pacing(pacing);
    /// queue.push("a")?;
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\n");
    /// queue.push("b")?;
    /// queue.push("c")?;
    /// assert_eq!(stream.next_ready(), None);
    /// clock.advance(Duration::from_millis(20));
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-2\ndata: b\n\nid: e-3\ndata: c\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn spaced(gap: Duration) -> Self {
        Self::new(When::Spaced(gap))
    }

    /// Sends one [batch](Self::batch) at each tick of a grid. Zero is [immediate](Self::immediate).
    ///
    /// The grid starts when the stream is first polled; the first tick is one period later, as with
    /// JavaScript's `setInterval`. Ticks that were missed are skipped, never made up in a burst. A
    /// stream for which nothing is due is not woken by its grid. A message may wait for the tick of
    /// the stream that was woken for it, even if another stream has an earlier tick.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::Pacing;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let pacing = Pacing::every(Duration::from_secs(1));
    /// let mut stream = queue.stream(clock.ticker())?.without_first_comment().pacing(pacing);
    /// queue.push("a")?;
    /// assert_eq!(stream.next_ready(), None);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn every(period: Duration) -> Self {
        Self::new(When::Every(period))
    }

    /// The maximum number of messages sent at once: in one chunk, or at one tick of a grid. At
    /// least 1.
    ///
    /// By default it is 1 on a grid, and otherwise what the [source](crate::Source::max_messages)
    /// says: 16 for a queue, so that one of several consumers does not take the whole backlog, and
    /// no limit for others.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Pacing;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let pacing = Pacing::immediate().batch(1);
    /// let mut stream = queue.stream(clock.ticker())?.without_first_comment().pacing(pacing);
    /// queue.push("a")?;
    /// queue.push("b")?;
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\n");
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-2\ndata: b\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn batch(mut self, messages: usize) -> Self {
        self.batch = Some(if messages == 0 { 1 } else { messages });
        self
    }

    const fn new(when: When) -> Self {
        Self { when, batch: None }
    }

    pub(super) fn when(self) -> When {
        self.when
    }

    /// The most messages at once, over a source that gives at most `max_messages` by itself.
    pub(super) fn max_messages(self, max_messages: usize) -> usize {
        let usual = match self.when {
            When::Every(period) if !period.is_zero() => 1,
            _ => max_messages,
        };
        self.batch.unwrap_or(usual)
    }
}

/// [Immediate](Self::immediate).
impl Default for Pacing {
    fn default() -> Self {
        Self::immediate()
    }
}
