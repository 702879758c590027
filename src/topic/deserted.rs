//! Waiting until a topic has had no stream for a while.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;

use pin_project_lite::pin_project;

use super::handle::Topic;
use super::presence::{Occupancy, Seat};
use super::shared::Shared;
use crate::time::{Ticker, poll_again_after};

impl Topic {
    /// Waits until no stream of the topic has been open for `grace`.
    ///
    /// The time counts by the ticker, from the first poll or from when the last stream was dropped.
    /// A stream that opens meanwhile restarts it. A service can thus stop working for a topic that
    /// no client reads, while clients that reconnect within the grace find it as it was. The future
    /// also completes when closing has [begun](Self::closed) and no stream is left.
    ///
    /// The future holds no handle to the topic. A stream may open after it has completed: a service
    /// that then ends the topic should [`close`](Self::close) it.
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
    /// use std::time::Duration;
    /// use sse_queue::topic::Start;
    /// use sse_queue::{FakeClock, Topic};
    ///
    /// let clock = FakeClock::new();
    /// let topic = Topic::new();
    /// let stream = topic.stream(Start::Now, clock.ticker())?;
    /// let mut deserted = pin!(topic.deserted(Duration::from_secs(30), clock.ticker()));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// clock.advance(Duration::from_secs(60));
    /// assert!(deserted.as_mut().poll(&mut cx).is_pending(), "a stream is open");
    ///
    /// drop(stream);
    /// assert!(deserted.as_mut().poll(&mut cx).is_pending());
    /// clock.advance(Duration::from_secs(30));
    /// assert!(deserted.as_mut().poll(&mut cx).is_ready());
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    pub fn deserted<T: Ticker>(
        &self,
        grace: Duration,
        ticker: T,
    ) -> impl Future<Output = ()> + use<T> {
        Deserted {
            watch: Watch {
                shared: Arc::clone(self.shared()),
                seat: Seat::default(),
            },
            grace,
            since: None,
            ticker,
        }
    }
}

pin_project! {
    /// The future of [`Topic::deserted`].
    #[must_use = "futures do nothing unless polled"]
    struct Deserted<T> {
        watch: Watch,
        grace: Duration,
        since: Option<Since>,
        #[pin]
        ticker: T,
    }
}

/// Since when no stream has been open.
#[derive(Clone, Copy)]
struct Since {
    /// How many had been opened by then.
    opened: u64,
    time: Duration,
}

impl<T: Ticker> Future for Deserted<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            let left = match this.watch.poll(cx) {
                Occupancy::Occupied => {
                    *this.since = None;
                    None
                }
                Occupancy::Deserted(opened) => {
                    let now = this.ticker.now();
                    let since = this.since.filter(|since| since.opened == opened);
                    let since = since.unwrap_or(Since { opened, time: now });
                    *this.since = Some(since);
                    Some(this.grace.saturating_sub(now.saturating_sub(since.time)))
                }
                Occupancy::Ended => Some(Duration::ZERO),
            };
            if left == Some(Duration::ZERO) {
                this.watch.leave();
                this.ticker.arm(None);
                return Poll::Ready(());
            }
            if poll_again_after(this.ticker.as_mut(), left, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// The future's entry in the topic, until this is dropped.
struct Watch {
    shared: Arc<Shared>,
    seat: Seat,
}

impl Watch {
    fn poll(&mut self, cx: &Context<'_>) -> Occupancy {
        let Self { shared, seat } = self;
        let waker = cx.waker().clone();
        let (occupancy, displaced) =
            shared.with_lazy_clock(|state, step| state.poll_occupancy(seat, waker, step));
        drop(displaced);
        occupancy
    }

    fn leave(&mut self) {
        let Self { shared, seat } = self;
        if seat.is_taken() {
            let displaced = shared.with_lazy_clock(|state, _| state.leave_presence(seat));
            drop(displaced);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.leave();
    }
}
