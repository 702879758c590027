//! The two kinds of time: wall-clock time and elapsed time.

mod deadline;
mod fake;
mod rearm;
pub(crate) mod system;
mod thread;
mod timers;

use core::ops::DerefMut;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;
use std::time::SystemTime;

pub(crate) use deadline::Deadline;
pub use fake::{FakeClock, FakeTicker};
pub(crate) use rearm::poll_again_after;
pub use system::SystemClock;
pub use thread::ThreadTicker;

/// The maximum time that a stream arms its [`Ticker`] for. For a longer wait it arms again.
pub(crate) const MAX_ARM: Duration = Duration::from_secs(24 * 60 * 60);

/// Wall-clock time, for due times, expiry and timestamps.
///
/// A queue or topic stores its clock as `Arc<dyn Clock>`, so that no public type has a type
/// parameter for it. The default is [`SystemClock`]; tests use
/// [`FakeClock`]. `Arc<C>` and `&'static C` implement `Clock` if `C` does.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use sse_queue::{Clock, FakeClock};
///
/// /// A clock that is an hour behind another one.
/// struct HourLate<C>(C);
///
/// impl<C: Clock> Clock for HourLate<C> {
///     fn now(&self) -> SystemTime {
///         self.0.now() - Duration::from_secs(3600)
///     }
/// }
///
/// let clock = FakeClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(7200));
/// assert_eq!(HourLate(clock).now(), SystemTime::UNIX_EPOCH + Duration::from_secs(3600));
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Returns the current wall-clock time. It never decreases.
    fn now(&self) -> SystemTime;
}

/// Elapsed time, and a timer on it, for pacing, keep-alive and due messages.
///
/// Each stream owns a ticker. [`ThreadTicker`] works with any executor, or without one;
/// [`FakeClock::ticker`] returns tickers for tests. References to tickers and boxed tickers are
/// also tickers, so a handler that must work with both can take a `Pin<Box<dyn Ticker + Send>>`.
///
/// # Using the timer of a runtime
///
/// A ticker can use a runtime's timer, here tokio's. It follows tokio's time even while that is
/// paused. A clone, if a handler needs one, has the same `start` and no `sleep`.
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Poll, ready};
/// use std::time::Duration;
/// use sse_queue::Ticker;
/// use tokio::time::{Instant, Sleep, sleep_until};
///
/// struct TokioTicker {
///     start: Instant,
///     sleep: Option<Pin<Box<Sleep>>>,
/// }
///
/// impl Ticker for TokioTicker {
///     fn now(&self) -> Duration {
///         self.start.elapsed()
///     }
///
///     fn arm(mut self: Pin<&mut Self>, after: Option<Duration>) {
///         let due = after.map(|after| Instant::now() + after);
///         match (&mut self.sleep, due) {
///             (Some(sleep), Some(due)) => sleep.as_mut().reset(due),
///             (sleep, due) => *sleep = due.map(|due| Box::pin(sleep_until(due))),
///         }
///     }
///
///     fn poll_tick(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
///         let Some(sleep) = &mut self.sleep else {
///             return Poll::Pending;
///         };
///         ready!(sleep.as_mut().poll(cx));
///         self.sleep = None;
///         Poll::Ready(())
///     }
/// }
///
/// # let mut runtime = tokio::runtime::Builder::new_current_thread();
/// # runtime.enable_time().start_paused(true).build()?.block_on(async {
/// let mut ticker = TokioTicker { start: Instant::now(), sleep: None };
/// Pin::new(&mut ticker).arm(Some(Duration::from_secs(15)));
/// std::future::poll_fn(|cx| Pin::new(&mut ticker).poll_tick(cx)).await;
/// assert!(ticker.now() >= Duration::from_secs(15));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Examples
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Waker};
/// use std::time::Duration;
/// use sse_queue::{FakeClock, Ticker};
///
/// let clock = FakeClock::new();
/// let mut ticker = clock.ticker();
/// let mut cx = Context::from_waker(Waker::noop());
///
/// Pin::new(&mut ticker).arm(Some(Duration::from_secs(1)));
/// assert!(Pin::new(&mut ticker).poll_tick(&mut cx).is_pending());
/// clock.advance(Duration::from_secs(1));
/// assert!(Pin::new(&mut ticker).poll_tick(&mut cx).is_ready());
/// assert!(Pin::new(&mut ticker).poll_tick(&mut cx).is_pending(), "once per arming");
/// ```
pub trait Ticker {
    /// Returns the time since an origin that the ticker chooses. It never decreases.
    fn now(&self) -> Duration;

    /// Arms the ticker for `after` from now, which replaces the previous tick; `None` disarms it.
    ///
    /// Streams arm for at most a day at once, and again for the rest of a longer wait. They always
    /// poll after arming.
    fn arm(self: Pin<&mut Self>, after: Option<Duration>);

    /// Returns `Ready` once per arming, when the tick is due. Pending while the ticker is not
    /// armed.
    ///
    /// If this returns `Pending`, the waker of the latest poll is woken when the tick is due.
    fn poll_tick(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> SystemTime {
        (**self).now()
    }
}

impl<C: Clock + ?Sized> Clock for &'static C {
    fn now(&self) -> SystemTime {
        (**self).now()
    }
}

macro_rules! delegate_ticker {
    ($pointer:ty) => {
        impl<T: Ticker + Unpin + ?Sized> Ticker for $pointer {
            fn now(&self) -> Duration {
                (**self).now()
            }

            fn arm(mut self: Pin<&mut Self>, after: Option<Duration>) {
                Pin::new(&mut **self).arm(after);
            }

            fn poll_tick(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
                Pin::new(&mut **self).poll_tick(cx)
            }
        }
    };
}

delegate_ticker!(&mut T);
delegate_ticker!(Box<T>);

impl<P: DerefMut<Target: Ticker>> Ticker for Pin<P> {
    fn now(&self) -> Duration {
        (**self).now()
    }

    fn arm(self: Pin<&mut Self>, after: Option<Duration>) {
        self.as_deref_mut().arm(after);
    }

    fn poll_tick(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.as_deref_mut().poll_tick(cx)
    }
}

/// The sum, or the latest time that `SystemTime` can represent.
pub(crate) fn saturating_add(time: SystemTime, after: Duration) -> SystemTime {
    if let Some(sum) = time.checked_add(after) {
        return sum;
    }
    // `SystemTime` has no constant for its latest value, so approach it: the remaining distance is
    // always less than `step`, which is halved, rounded up, until it is one nanosecond.
    let (mut latest, mut step) = (time, after);
    while step > Duration::from_nanos(1) {
        step = step.saturating_sub(step.checked_div(2).unwrap_or_default());
        latest = latest.checked_add(step).unwrap_or(latest);
    }
    latest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arms any ticker and polls it until the tick.
    fn assert_ticks(clock: &FakeClock, mut ticker: impl Ticker + Unpin) {
        let mut cx = Context::from_waker(core::task::Waker::noop());
        let start = ticker.now();
        Pin::new(&mut ticker).arm(Some(Duration::from_secs(1)));
        assert!(Pin::new(&mut ticker).poll_tick(&mut cx).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(Pin::new(&mut ticker).poll_tick(&mut cx).is_ready());
        assert_eq!(ticker.now(), start + Duration::from_secs(1));
    }

    #[test]
    fn references_and_boxes_of_tickers_are_tickers() {
        let clock = FakeClock::new();
        assert_ticks(&clock, clock.ticker());
        assert_ticks(&clock, Box::new(clock.ticker()));
        assert_ticks(&clock, Box::pin(clock.ticker()));
        let mut ticker = clock.ticker();
        assert_ticks(&clock, Pin::new(&mut ticker));
        assert_ticks(&clock, &mut ticker as &mut (dyn Ticker + Unpin));
        let dynamic: Box<dyn Ticker + Send + Unpin> = Box::new(clock.ticker());
        assert_ticks(&clock, dynamic);
        let dynamic: Pin<Box<dyn Ticker + Send>> = Box::pin(clock.ticker());
        assert_ticks(&clock, dynamic);
    }

    #[test]
    fn shared_clocks_are_clocks() {
        fn now(clock: impl Clock) -> SystemTime {
            clock.now()
        }

        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
        let clock = FakeClock::at(time);
        assert_eq!(now(Arc::new(clock.clone())), time);
        assert_eq!(now(Arc::new(clock.clone()) as Arc<dyn Clock>), time);
        let leaked: &'static FakeClock = Box::leak(Box::new(clock));
        assert_eq!(now(leaked), time);
        assert_eq!(now(leaked as &'static dyn Clock), time);
    }

    #[test]
    fn a_sum_that_overflows_is_the_latest_time() {
        let latest = saturating_add(SystemTime::UNIX_EPOCH, Duration::MAX);
        // The smallest step of every platform's clock is at most 100 ns.
        assert_eq!(latest.checked_add(Duration::from_nanos(100)), None);
        assert_eq!(saturating_add(latest, Duration::from_secs(1)), latest);
        assert_eq!(
            saturating_add(
                latest.checked_sub(Duration::from_secs(7)).unwrap(),
                Duration::MAX
            ),
            latest
        );
    }

    #[test]
    fn a_sum_that_fits_is_exact() {
        let (epoch, second) = (SystemTime::UNIX_EPOCH, Duration::from_secs(1));
        assert_eq!(saturating_add(epoch, second), epoch + second);
    }
}
