//! Time from tokio: a clock and a ticker that share tokio's time base, even while it is paused.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "a program does not run for so long that these times overflow"
)]

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use sse_queue::{Clock, Ticker};
use tokio::time::{Instant, Sleep, sleep_until};

/// Wall-clock time, counted on tokio's clock from the moment at which this clock was made.
#[derive(Debug)]
pub(crate) struct TokioClock {
    start: Instant,
    world: SystemTime,
}

impl TokioClock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            world: SystemTime::now(),
        }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> SystemTime {
        self.world + self.start.elapsed()
    }
}

/// Elapsed time and wake-ups from tokio's timer. It must be polled within a runtime.
#[derive(Debug)]
pub(crate) struct TokioTicker {
    start: Instant,
    /// `None` while nothing is armed: a timer without a use would still wake the task.
    armed: Option<Pin<Box<Sleep>>>,
}

impl TokioTicker {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            armed: None,
        }
    }
}

impl Ticker for TokioTicker {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn arm(mut self: Pin<&mut Self>, after: Option<Duration>) {
        let due = after.map(|after| Instant::now() + after);
        match (&mut self.armed, due) {
            (Some(sleep), Some(due)) => sleep.as_mut().reset(due),
            (armed, due) => *armed = due.map(|due| Box::pin(sleep_until(due))),
        }
    }

    fn poll_tick(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sleep) = &mut self.armed else {
            return Poll::Pending;
        };
        ready!(sleep.as_mut().poll(cx));
        self.armed = None;
        Poll::Ready(())
    }
}
