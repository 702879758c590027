//! The end of all topics of a registry, and its timekeeper.

use core::future::Future;

use super::driver::Driver;
use super::handle::Topics;
use crate::time::Ticker;
use crate::topic::{Phase, Stage};

/// Closing.
impl<K> Topics<K> {
    /// [Closes](crate::Topic::close) all topics, including those that are created later.
    ///
    /// Its cost grows with the number of topics. It releases the registry's lock after every 64.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topics;
    ///
    /// let rooms = Topics::<u64>::new();
    /// let room = rooms.topic(&7)?;
    /// rooms.close();
    /// assert!(room.is_closed());
    /// assert!(rooms.topic(&8)?.is_closed());
    /// # Ok::<(), sse_queue::topics::TooManyTopics>(())
    /// ```
    pub fn close(&self) {
        self.shared().end(Phase::Closed);
    }

    /// [Aborts](crate::Topic::abort) all topics, including those that are created later.
    ///
    /// Its cost grows with the number of topics. It releases the registry's lock after every 64.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::Start;
    /// use sse_queue::{FakeClock, Topics};
    ///
    /// let rooms = Topics::<u64>::new();
    /// let room = rooms.topic(&7)?;
    /// let ticker = FakeClock::new().ticker();
    /// let mut stream = room.stream(Start::Now, ticker)?.without_first_comment();
    /// room.publish("unsent")?;
    /// rooms.abort();
    /// assert_eq!(stream.next_ready(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort(&self) {
        self.shared().end(Phase::Aborted);
    }

    /// Waits until all topics have been closed and all their streams have been dropped.
    ///
    /// Dropping the last handle of the registry counts as closing it here. A stream whose client
    /// does not read never ends: abort after a while, then drop the connection. While the future is
    /// awaited, it evicts topics, like [`drive`](Self::drive). It holds no handle of the registry.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing in the registry.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use sse_queue::topic::Start;
    /// use sse_queue::{FakeClock, Topics};
    ///
    /// let clock = FakeClock::new();
    /// let rooms = Topics::<u64>::new();
    /// let stream = rooms.topic(&7)?.stream(Start::Now, clock.ticker())?;
    /// rooms.close();
    ///
    /// let mut ended = pin!(rooms.ended(clock.ticker()));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(ended.as_mut().poll(&mut cx).is_pending());
    /// drop(stream);
    /// assert!(ended.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ended<T: Ticker>(&self, ticker: T) -> impl Future<Output = ()> + use<K, T> {
        Driver::new(self.shared(), Stage::Ended, ticker)
    }

    /// A future that evicts topics when their time is over, even if the registry is not called.
    ///
    /// Without it, only calls of the registry evict topics. It notices within 30 s, or [`keep`] if
    /// that is shorter, that a topic is idle. It does not keep the time of the topics themselves:
    /// scheduled messages and those that expire need a stream, or
    /// [`Topic::drive`](crate::Topic::drive).
    ///
    /// The future completes when the registry is closed or aborted, or its last handle is dropped.
    /// It holds no handle itself.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing in the registry.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Topics};
    ///
    /// let clock = FakeClock::new();
    /// let keep = Duration::from_secs(60);
    /// let rooms = Topics::builder().keep(keep).clock(clock.clone()).build();
    /// let room = rooms.topic(&7)?;
    /// room.publish("x")?;
    /// let mut driver = pin!(rooms.drive(clock.ticker()));
    /// let mut cx = Context::from_waker(Waker::noop());
    ///
    /// drop(room);
    /// assert!(driver.as_mut().poll(&mut cx).is_pending());
    /// assert_eq!(clock.next_deadline(), Some(Duration::from_secs(30)));
    /// clock.advance(Duration::from_secs(60));
    /// assert!(driver.as_mut().poll(&mut cx).is_pending());
    /// assert_eq!(rooms.stats().evicted, 1);
    ///
    /// rooms.close();
    /// assert!(driver.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`keep`]: crate::topics::TopicsBuilder::keep
    pub fn drive<T: Ticker>(&self, ticker: T) -> impl Future<Output = ()> + use<K, T> {
        Driver::new(self.shared(), Stage::Closed, ticker)
    }
}
