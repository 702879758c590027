use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::time::Instant;

use pin_project_lite::pin_project;
use sse_queue::Ticker;
use tokio::time::{self, Sleep};

/// A ticker that reads the real time and is due when that has come, but wakes nobody: the least
/// that time can cost.
#[derive(Debug)]
pub struct Reading {
    origin: Instant,
    due: Option<Duration>,
}

impl Reading {
    /// A ticker that is not armed.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
            due: None,
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

    fn arm(mut self: Pin<&mut Self>, after: Option<Duration>) {
        self.due = after.map(|after| self.now().saturating_add(after));
    }

    fn poll_tick(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let now = self.now();
        match self.due.take_if(|due| *due <= now) {
            Some(_) => Poll::Ready(()),
            None => Poll::Pending,
        }
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
