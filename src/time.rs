//! The two times: what the world's clock says, and how much has elapsed.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::time::SystemTime;

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
