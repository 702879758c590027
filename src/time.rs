//! The two times: what the world's clock says, and how much has elapsed.

mod deadline;
mod fake;
pub(crate) mod system;
pub(crate) mod timers;

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::time::SystemTime;

pub(crate) use deadline::Deadline;
pub use fake::{FakeClock, FakeTicker};
pub use system::{SystemClock, ThreadTicker};

/// The longest wait that a [`Ticker`] is armed for; longer ones are armed again.
pub(crate) const LONGEST_ARM: Duration = Duration::from_secs(24 * 60 * 60);

/// What time is it in the world: stamps, due times and expiry.
///
/// A queue holds its clock as `Arc<dyn Clock>`, so no public type has a clock parameter. The
/// default is [`SystemClock`](crate::SystemClock); tests use [`FakeClock`](crate::FakeClock).
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use sse_queue::{Clock, FakeClock};
///
/// /// A clock that is an hour behind another one.
/// struct Behind<C>(C);
///
/// impl<C: Clock> Clock for Behind<C> {
///     fn now(&self) -> SystemTime {
///         self.0.now() - Duration::from_secs(3600)
///     }
/// }
///
/// let clock = FakeClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(7200));
/// assert_eq!(Behind(clock).now(), SystemTime::UNIX_EPOCH + Duration::from_secs(3600));
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The time in the world. It never decreases.
    fn now(&self) -> SystemTime;
}

/// Elapsed time, and a wake-up after some of it: pacing, keep-alive, due messages.
///
/// Each stream owns one. [`ThreadTicker`](crate::ThreadTicker) works under any executor or none;
/// [`FakeClock::ticker`](crate::FakeClock::ticker) makes those for tests. A ticker on a runtime's
/// own timer is a few lines; the crate's examples have one for tokio.
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
    /// Time since an origin of the ticker's own. It never decreases.
    fn now(&self) -> Duration;

    /// Arms the tick for `after` from now, in place of the one armed before; `None` disarms.
    ///
    /// Callers arm for at most a day and arm longer waits again. The caller polls after it has
    /// armed.
    fn arm(self: Pin<&mut Self>, after: Option<Duration>);

    /// Ready once per arming, when it is due. Pending while none is armed.
    fn poll_tick(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;
}

/// The sum, or the latest time there is.
pub(crate) fn saturating_add(time: SystemTime, after: Duration) -> SystemTime {
    if let Some(sum) = time.checked_add(after) {
        return sum;
    }
    // `SystemTime` does not name its latest value, so walk up to it: what is left to go is always
    // less than `step`, which is halved, rounded up, until it is one nanosecond.
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
