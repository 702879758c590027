//! The methods that set a stream up.

use core::time::Duration;

use super::pacing::{Pace, Pacing};
use super::{EventStream, KeepAlive};
use crate::event::Event;
use crate::source::Source;
use crate::time::Ticker;

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
        self.settings.set_keep_alive(keep_alive);
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
