//! The settings of a stream.

use core::time::Duration;

use super::event_stream::EventStream;
use super::keep_alive::KeepAlive;
use super::moment::Moment;
use super::pace::Pace;
use super::pacing::Pacing;
use super::phase::Phase;
use crate::event::Event;
use crate::source::Source;
use crate::time::Ticker;

impl<S: Source, T: Ticker> EventStream<S, T> {
    /// When the stream may send: by default, [immediately](Pacing::immediate).
    ///
    /// After the first poll, the new pacing begins with this call: a [grid](Pacing::every) starts
    /// now, with its first tick a period later, and a [gap](Pacing::spaced) follows the next burst,
    /// but not the last one before the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::Pacing;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let stream = queue.stream(clock.ticker())?.without_first_comment();
    /// let mut stream = stream.pacing(Pacing::spaced(Duration::from_millis(20)));
    /// queue.push("a")?;
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\n");
    /// queue.push("b")?;
    /// assert_eq!(stream.next_ready(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pacing(mut self, pacing: Pacing) -> Self {
        self.pace = Pace::new(pacing.when());
        if self.phase != Phase::New {
            self.pace.open(Moment::new(self.ticker.now()));
        }
        self.settings.limit.messages = pacing.max_messages(self.source.max_messages());
        self
    }

    /// The maximum size of a chunk, in bytes: 64 KiB by default. A larger frame is sent alone.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let mut stream = queue.stream(clock.ticker())?.without_first_comment().max_chunk_bytes(40);
    /// for data in ["a", "b", "c"] {
    ///     queue.push(data)?;
    /// }
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\nid: e-2\ndata: b\n\n");
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-3\ndata: c\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_chunk_bytes(mut self, bytes: usize) -> Self {
        self.settings.limit.bytes = bytes;
        self
    }

    /// What is sent while nothing else is: by default, a comment line after 15 s.
    ///
    /// Each period is shortened at random by up to a tenth, so that a crowd of streams does not
    /// fall into step. No keep-alive is sent while data flows.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::stream::KeepAlive;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::new();
    /// let keep_alive = KeepAlive::comment(Duration::from_secs(5));
    /// let mut stream = queue.stream(clock.ticker())?.keep_alive(keep_alive);
    /// stream.next_ready();
    /// clock.advance(Duration::from_secs(4));
    /// assert_eq!(stream.next_ready(), None);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(stream.next_ready().unwrap(), ":\n");
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    pub fn keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.idle.set_period(keep_alive.period);
        self.settings.set_keep_alive(keep_alive);
        self
    }

    /// Sends no comment with the first poll.
    ///
    /// The first poll yields one chunk at once, which flushes the response's head, so that the
    /// page's `onopen` fires: the [`retry`](Self::retry) line if one is set, the event that reports
    /// a gap if a topic's stream begins with one, and the [greetings](Self::greeting); if there is
    /// none of these, a comment. This method omits that comment, mostly for tests.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::new();
    /// assert_eq!(queue.stream(clock.ticker())?.next_ready().unwrap(), ":\n");
    /// let mut stream = queue.stream(clock.ticker())?.without_first_comment();
    /// assert_eq!(stream.next_ready(), None);
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    pub fn without_first_comment(mut self) -> Self {
        self.settings.has_first_comment = false;
        self
    }

    /// Adds an event that is sent with the first poll, before any message. Further calls add
    /// further events.
    ///
    /// If a topic's stream begins with a gap, the greetings follow the event that reports it. An
    /// event with an id changes the position from which the client resumes; give it one only if the
    /// source can resume from there. For a topic's stream, see
    /// [`greeting_with_position`](Self::greeting_with_position).
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Event;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::builder().epoch("e")?.build();
    /// queue.push("a")?;
    /// let stream = queue.stream(clock.ticker())?;
    /// let mut stream = stream.greeting(Event::new("alice").name("user")?);
    /// assert_eq!(stream.next_ready().unwrap(), "event: user\ndata: alice\n\n");
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: a\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn greeting(mut self, event: Event) -> Self {
        self.settings.greet(event);
        self
    }

    /// The client's reconnection time, in whole milliseconds. It is sent with the first poll.
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
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    pub fn retry(mut self, retry: Duration) -> Self {
        self.settings.retry = Some(retry);
        self
    }

    /// Ends the stream by itself after 80 to 100 % of `age`, with a reconnection time of 50 to 150
    /// % of the one that is set (or of 3 s), so that clients do not all reconnect at once.
    ///
    /// Due messages stay in the queue for others, or for the client's next stream; only what the
    /// source has already taken from elsewhere is sent. No [farewell](Self::farewell) follows.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::new();
    /// let stream = queue.stream(clock.ticker())?.without_first_comment().seed(7);
    /// let mut stream = stream.max_age(Duration::from_secs(10));
    /// assert_eq!(stream.next_ready(), None);
    /// clock.advance(Duration::from_secs(10));
    /// assert!(stream.next_ready().unwrap().starts_with(b"retry: "));
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    pub fn max_age(mut self, age: Duration) -> Self {
        self.settings.rare().max_age = Some(age);
        self
    }

    /// The seed of all randomness in [`max_age`](Self::max_age) and
    /// [`keep_alive`](Self::keep_alive), for tests.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let queue = Queue::new();
    /// let end = |seed| {
    ///     let clock = FakeClock::new();
    ///     let stream = queue.stream(clock.ticker())?.without_first_comment().seed(seed);
    ///     let mut stream = stream.max_age(Duration::from_secs(10));
    ///     stream.next_ready();
    ///     Ok::<_, sse_queue::stream::TooManyStreams>(clock.next_deadline())
    /// };
    /// assert_eq!(end(7)?, end(7)?);
    /// assert_ne!(end(7)?, end(8)?);
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// An event that is sent when the source has ended, or a [handle](Self::end_handle) has ended
    /// the stream, before the stream does.
    ///
    /// A stream that ends because of its [age](Self::max_age) sends none, because its client should
    /// reconnect.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Event;
    /// # use sse_queue::{FakeClock, Queue};
    /// # let clock = FakeClock::new();
    /// # let queue = Queue::new();
    /// let stream = queue.stream(clock.ticker())?.without_first_comment();
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
