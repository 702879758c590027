use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::time::Instant;

use pin_project_lite::pin_project;
use sse_queue::Ticker;
use tokio::time::{self, Sleep};

/// A ticker that reads the real time but never ticks: the minimum that time costs. The ticker of a
/// runtime ticks because its timer says so, not because a poll has read the time.
#[derive(Debug)]
pub struct Reading {
    origin: Instant,
}

impl Reading {
    /// A ticker that is not armed.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Default for Reading {
    fn default() -> Self {
        Self::new()
    }
}

impl Ticker for Reading {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn arm(self: Pin<&mut Self>, _: Option<Duration>) {}

    fn poll_tick(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

pin_project! {
    /// A ticker on tokio's timer.
    #[derive(Debug)]
    pub struct TokioTicker {
        #[pin]
        sleep: Sleep,
        origin: time::Instant,
        is_armed: bool,
    }
}

impl TokioTicker {
    /// A ticker on the timer of the runtime that this is called in.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sleep: time::sleep(Duration::ZERO),
            origin: time::Instant::now(),
            is_armed: false,
        }
    }
}

impl Default for TokioTicker {
    fn default() -> Self {
        Self::new()
    }
}

impl Ticker for TokioTicker {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn arm(self: Pin<&mut Self>, after: Option<Duration>) {
        let this = self.project();
        *this.is_armed = after.is_some();
        if let Some(after) = after {
            this.sleep.reset(time::Instant::now() + after);
        }
    }

    fn poll_tick(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if !*this.is_armed {
            return Poll::Pending;
        }
        let tick = this.sleep.poll(cx);
        *this.is_armed = tick.is_pending();
        tick
    }
}
