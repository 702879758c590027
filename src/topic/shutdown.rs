//! The end of a topic, and its timekeeper.

use core::future::Future;

use super::driver::{Driver, Goal};
use super::handle::Topic;
use super::state::State;
use crate::closed::Closed;
use crate::message::id::Id;
use crate::message::remaining::Remaining;
use crate::time::Ticker;

/// Closing.
impl Topic {
    /// Ends the topic: publishing is refused, and streams deliver what was due at the time of the
    /// call, without pacing, then their farewell, then end.
    ///
    /// Messages that are not due yet remain for [`take_remaining`](Self::take_remaining). A stream
    /// that is not polled cannot end: [`abort`](Self::abort), then drop its connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::Start;
    /// use sse_queue::{FakeClock, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// let ticker = FakeClock::new().ticker();
    /// let mut stream = topic.stream(Start::Now, ticker)?.without_first_comment();
    /// topic.publish("last")?;
    /// topic.close();
    /// assert!(topic.publish("too late").is_err());
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: last\n\n");
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.shared().with(State::close);
        self.record_end();
    }

    /// Ends the topic at once: like [`close`](Self::close), but streams deliver only their
    /// farewell.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::topic::Start;
    /// use sse_queue::{FakeClock, Topic};
    ///
    /// let topic = Topic::new();
    /// let ticker = FakeClock::new().ticker();
    /// let mut stream = topic.stream(Start::Now, ticker)?.without_first_comment();
    /// topic.publish("unsent")?;
    /// topic.abort();
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort(&self) {
        self.shared().with(State::abort);
        self.record_end();
    }

    /// Lets the registry see the end without the topic's lock.
    fn record_end(&self) {
        if let Some(member) = self.shared().member() {
            member.record_end();
        }
    }

    /// Whether the topic was closed or aborted.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Topic;
    ///
    /// let topic = Topic::new();
    /// topic.close();
    /// assert!(topic.is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared().lock().is_closed()
    }

    /// Waits until closing has begun: until [`close`](Self::close) or [`abort`](Self::abort) is
    /// called, or the last handle is dropped.
    ///
    /// The future holds no handle to the topic.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing in the topic.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use sse_queue::Topic;
    ///
    /// let topic = Topic::new();
    /// let mut closed = pin!(topic.closed());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(closed.as_mut().poll(&mut cx).is_pending());
    /// topic.close();
    /// assert!(closed.as_mut().poll(&mut cx).is_ready());
    /// ```
    pub fn closed(&self) -> impl Future<Output = ()> + use<> {
        Closed::new(self.shared())
    }

    /// Waits until closing has [begun](Self::closed) and all streams have been dropped.
    ///
    /// A framework drops a stream once its response has ended. A stream that has ended, but is kept,
    /// still counts.
    ///
    /// While it is awaited it is the topic's timekeeper, like [`drive`](Self::drive). It holds no
    /// handle to the topic. A stream whose client does not read never ends: abort the topic after a
    /// while, then drop the connection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing in the topic.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use sse_queue::topic::Start;
    /// use sse_queue::{FakeClock, Topic};
    ///
    /// let clock = FakeClock::new();
    /// let topic = Topic::new();
    /// let stream = topic.stream(Start::Now, clock.ticker())?;
    /// topic.close();
    ///
    /// let mut ended = pin!(topic.ended(clock.ticker()));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(ended.as_mut().poll(&mut cx).is_pending());
    /// drop(stream);
    /// assert!(ended.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    pub fn ended<T: Ticker>(&self, ticker: T) -> impl Future<Output = ()> + use<T> {
        Driver::new(self.shared(), Goal::Ended, ticker)
    }

    /// Keeps the topic's time, whichever streams are polled.
    ///
    /// Without a driver, waiting streams are the timekeepers. With a driver, messages enter the log
    /// when they are due and leave it when they expire or age, and all streams of a crowd are
    /// woken, even while no stream is polled and no method of the topic is called.
    ///
    /// The future completes when all streams have been woken for the end: after
    /// [`close`](Self::close) or [`abort`](Self::abort), or once all handles are dropped and no
    /// scheduled message will be due any more. It holds no handle to the topic, and is the driver
    /// from its first poll until it is dropped.
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
    /// use sse_queue::{FakeClock, Message, Topic};
    ///
    /// let clock = FakeClock::new();
    /// let topic = Topic::builder().clock(clock.clone()).build();
    /// let mut driver = pin!(topic.drive(clock.ticker()));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(driver.as_mut().poll(&mut cx).is_pending());
    ///
    /// topic.publish(Message::from("x").after(Duration::from_secs(5)))?;
    /// assert!(driver.as_mut().poll(&mut cx).is_pending());
    /// assert_eq!(clock.next_deadline(), Some(Duration::from_secs(5)));
    ///
    /// topic.close();
    /// assert!(driver.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), sse_queue::topic::PublishError>(())
    /// ```
    pub fn drive<T: Ticker>(&self, ticker: T) -> impl Future<Output = ()> + use<T> {
        Driver::new(self.shared(), Goal::Done, ticker)
    }

    /// Takes the scheduled messages, in order of their due times.
    ///
    /// Each can be published again, and keeps its id.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Message, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// topic.publish(Message::from("x").after(Duration::from_secs(60)))?;
    /// topic.close();
    /// let remaining = topic.take_remaining();
    /// assert_eq!(remaining[0].frame(), "id: e-d1\ndata: x\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "the messages are gone from the topic"]
    pub fn take_remaining(&self) -> Vec<Remaining> {
        let all = self.shared().with(|state, _| state.take_scheduled());
        all.map(|(key, expires, message)| {
            let id = Id::own(message.id);
            Remaining::new(message.frame, id, key.due, expires, 0).labelled(message.labels)
        })
        .collect()
    }
}
