//! The end of a queue, and its timekeeper.

use core::future::Future;

use super::driver::{Driver, Goal};
use super::handle::Queue;
use crate::closed::Closed;
use crate::time::Ticker;

/// Closing.
impl Queue {
    /// Ends the queue: pushes are refused, and streams deliver what was due at the time of the
    /// call, without pacing, then their farewell, then end.
    ///
    /// Messages that are not due yet remain for [`take_remaining`](Self::take_remaining). A stream
    /// that is not polled cannot end: [`abort`](Self::abort), then drop its connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let mut stream = queue.stream(clock.ticker())?.without_first_comment();
    /// queue.push("last")?;
    /// queue.close();
    /// assert!(queue.push("too late").is_err());
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: last\n\n");
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.shared().with(|state, step| state.close(step.now));
    }

    /// Ends the queue at once: like [`close`](Self::close), but streams deliver only their
    /// farewell.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::new();
    /// let mut stream = queue.stream(clock.ticker())?.without_first_comment();
    /// queue.push("unsent")?;
    /// queue.abort();
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// assert_eq!(queue.take_remaining().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort(&self) {
        self.shared().with(|state, step| {
            state.close(step.now);
            state.abort();
        });
    }

    /// Whether the queue was closed or aborted.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::new();
    /// assert!(!queue.is_closed());
    /// queue.close();
    /// assert!(queue.is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared().state.lock().is_closed()
    }

    /// Waits until closing has begun: until [`close`](Self::close) or [`abort`](Self::abort) is
    /// called, or the last handle is dropped.
    ///
    /// The future holds no handle to the queue.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::new();
    /// let mut closed = pin!(queue.closed());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(closed.as_mut().poll(&mut cx).is_pending());
    /// queue.close();
    /// assert!(closed.as_mut().poll(&mut cx).is_ready());
    /// ```
    pub fn closed(&self) -> impl Future<Output = ()> + use<> {
        Closed::new(self.shared())
    }

    /// Waits until closing has [begun](Self::closed), all streams have been dropped, and all
    /// messages in flight have been confirmed or returned.
    ///
    /// A framework drops a stream once its response has ended. A stream that has ended, but is kept,
    /// still counts.
    ///
    /// While it is awaited it is the queue's timekeeper, like [`drive`](Self::drive). It holds no
    /// handle to the queue. A stream whose client does not read never ends: abort the queue after a
    /// while, then drop the connection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30));
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// let mut stream = queue.stream(clock.ticker())?.without_first_comment();
    /// let job = queue.push("job")?;
    /// stream.next_ready();
    /// queue.close();
    ///
    /// let mut ended = pin!(queue.ended(clock.ticker()));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(ended.as_mut().poll(&mut cx).is_pending());
    /// drop(stream);
    /// assert!(ended.as_mut().poll(&mut cx).is_pending(), "the job is in flight");
    /// queue.ack(job.id())?;
    /// assert!(ended.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ended<T: Ticker>(&self, ticker: T) -> impl Future<Output = ()> + use<T> {
        Driver::new(self.shared(), Goal::Ended, ticker)
    }

    /// Keeps the queue's time, whichever streams are polled: due times, the ends of leases, and
    /// expiry while producers wait.
    ///
    /// Without a driver, waiting streams are the timekeepers; without either, nothing happens as
    /// time passes, and the next call sees what is due. With several drivers, each keeps the time.
    ///
    /// The future completes when nothing is in flight, and one of these is true:
    ///
    /// * the queue is [closed](Self::close), and what was due then has left,
    /// * the queue is [aborted](Self::abort),
    /// * all handles are dropped, and either no message is left that will be due, or no stream is
    ///   left that could take one.
    ///
    /// The future holds no handle to the queue, and is the driver from its first poll until it is
    /// dropped.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, streams are the timekeepers again.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// let mut driver = pin!(queue.drive(clock.ticker()));
    /// let mut letters = pin!(queue.dead_letters());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// queue.push("job")?;
    /// queue.next_ready();
    /// assert!(letters.as_mut().poll(&mut cx).is_pending());
    /// clock.advance(Duration::from_secs(30));
    /// assert!(driver.as_mut().poll(&mut cx).is_pending());
    /// assert!(letters.as_mut().poll(&mut cx).is_ready());
    /// queue.close();
    /// assert!(driver.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    pub fn drive<T: Ticker>(&self, ticker: T) -> impl Future<Output = ()> + use<T> {
        Driver::new(self.shared(), Goal::Done, ticker)
    }
}
