//! A ticker on a timer thread, which needs only the standard library.

mod timer;

use core::fmt;
use core::num::NonZeroUsize;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;
use std::sync::{Arc, PoisonError};
use std::thread::{self, Thread};

use crate::sync::MutexGuard;
use crate::time::Ticker;
use crate::time::timers::{Arm, Timers};
use timer::{Timer, now};

/// A ticker that works with any executor, or without one.
///
/// All tickers of the process share one timer thread. [`new`](Self::new) starts it if it is not
/// running yet, and may fail. A clone is a new ticker on the same thread, not armed, and cannot
/// fail. So create one when the program starts, and clone it for each stream.
///
/// The thread sleeps without a timeout while no ticker is armed, and does not survive a `fork`. It
/// calls the wakers, so a waker should only mark its task as woken, as those of all executors do. A
/// waker that panics does not affect the others. However many tickers are due at once, a call on
/// another ticker waits for at most 64 of them.
///
/// A [`Ticker`] on the timer of a runtime avoids the switch between threads.
///
/// # Examples
///
/// ```
/// use std::pin::pin;
/// use std::sync::Arc;
/// use std::task::{Context, Wake};
/// use std::thread::{self, Thread};
/// use std::time::Duration;
/// use sse_queue::{ThreadTicker, Ticker};
///
/// /// The smallest executor: a thread that sleeps until it is woken.
/// struct Sleeper(Thread);
///
/// impl Wake for Sleeper {
///     fn wake(self: Arc<Self>) {
///         self.0.unpark();
///     }
/// }
///
/// let mut ticker = pin!(ThreadTicker::new()?);
/// let waker = Arc::new(Sleeper(thread::current())).into();
/// let mut cx = Context::from_waker(&waker);
///
/// let start = ticker.now();
/// ticker.as_mut().arm(Some(Duration::from_millis(1)));
/// while ticker.as_mut().poll_tick(&mut cx).is_pending() {
///     thread::park();
/// }
/// assert!(ticker.now() - start >= Duration::from_millis(1));
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub struct ThreadTicker {
    timer: Arc<Timer>,
    shard: usize,
    /// The current arm, until its tick has been returned. Without one, no call takes a lock.
    arm: Option<Arm>,
    /// The waker that the timers have stored for `arm`, unless it has fired.
    stored: Option<WakerId>,
}

impl ThreadTicker {
    /// Creates a ticker on the timer thread of the process, which the first call starts.
    ///
    /// # Errors
    ///
    /// The thread cannot be started. A later call tries again. This always fails on
    /// `wasm32-unknown-unknown`, which has no threads. No other operation of a ticker fails or
    /// panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    /// use sse_queue::{ThreadTicker, Ticker};
    ///
    /// let mut ticker = pin!(ThreadTicker::new()?);
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(ticker.as_mut().poll_tick(&mut cx).is_pending(), "nothing is armed");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> io::Result<Self> {
        Ok(Self::on(process_timer()?))
    }

    fn on(timer: Arc<Timer>) -> Self {
        let shard = timer.assign_shard();
        Self {
            timer,
            shard,
            arm: None,
            stored: None,
        }
    }

    fn timers(&self) -> MutexGuard<'_, Timers> {
        self.timer.timers(self.shard)
    }

    fn arm_at(&mut self, now: Duration, after: Option<Duration>) {
        let Some(deadline) = after.and_then(|after| Timers::deadline(now, after)) else {
            return self.disarm();
        };
        let (arm, has_waker) = self.timers().arm(self.arm, deadline);
        self.arm = Some(arm);
        if !has_waker {
            self.stored = None;
        }
        self.timer.wake_by(deadline);
    }

    fn disarm(&mut self) {
        self.stored = None;
        if let Some(arm) = self.arm.take() {
            let waker = self.timers().disarm(arm);
            drop(waker);
        }
    }

    /// Takes no lock and reads no time if the timers have this waker and the thread has not fired
    /// the deadline yet: it will wake this waker when it does.
    fn poll_at(&mut self, now: impl FnOnce() -> Duration, cx: &mut Context<'_>) -> Poll<()> {
        let Some(arm) = self.arm else {
            return Poll::Pending;
        };
        let id = Some(WakerId::of(cx.waker()));
        if self.stored == id && !self.timer.may_have_fired(arm.deadline()) {
            return Poll::Pending;
        }
        let (now, mut waker) = (now(), Some(cx.waker().clone()));
        let tick = self.timers().poll(arm, now, &mut waker);
        if tick.is_ready() {
            (self.arm, self.stored) = (None, None);
        } else {
            self.stored = id;
        }
        tick.map(drop)
    }
}

impl Ticker for ThreadTicker {
    fn now(&self) -> Duration {
        now()
    }

    fn arm(self: Pin<&mut Self>, after: Option<Duration>) {
        self.get_mut().arm_at(now(), after);
    }

    fn poll_tick(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.get_mut().poll_at(now, cx)
    }
}

/// A clone is a new ticker on the same thread. It is not armed.
///
/// # Examples
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Waker};
/// use std::time::Duration;
/// use sse_queue::{ThreadTicker, Ticker};
///
/// let mut ticker = ThreadTicker::new()?;
/// Pin::new(&mut ticker).arm(Some(Duration::ZERO));
/// let mut clone = ticker.clone();
///
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(Pin::new(&mut ticker).poll_tick(&mut cx).is_ready());
/// assert!(Pin::new(&mut clone).poll_tick(&mut cx).is_pending());
/// # Ok::<(), std::io::Error>(())
/// ```
impl Clone for ThreadTicker {
    fn clone(&self) -> Self {
        Self::on(Arc::clone(&self.timer))
    }
}

impl Drop for ThreadTicker {
    fn drop(&mut self) {
        self.disarm();
    }
}

impl fmt::Debug for ThreadTicker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadTicker")
            .field("armed", &self.arm.is_some())
            .finish_non_exhaustive()
    }
}

/// Identifies the waker that the timers have stored, as `Waker::will_wake` does.
///
/// While it is stored, no other waker has the same addresses. A clone in the ticker would serve
/// too, but it costs two atomic operations for each arming, and a ticker that is part of its own
/// task would keep that task alive.
#[derive(Clone, Copy, PartialEq, Eq)]
struct WakerId {
    data: usize,
    vtable: NonZeroUsize,
}

impl WakerId {
    fn of(waker: &Waker) -> Self {
        Self {
            data: waker.data().addr(),
            vtable: NonNull::from(waker.vtable()).addr(),
        }
    }
}

/// The timer of the process. The first call starts its thread.
fn process_timer() -> io::Result<Arc<Timer>> {
    static PROCESS: Started = Started::new(None);

    start_once(&PROCESS, |timer| {
        thread::Builder::new()
            .name("sse-queue-timer".into())
            .spawn(move || timer.run())
            .map(|handle| handle.thread().clone())
    })
}

/// Not the mutex of `sync`: loom's cannot be in a static, and no model starts the thread.
type Started = std::sync::Mutex<Option<Arc<Timer>>>;

/// Returns the timer that has been started, or starts one. If `spawn` fails, the next call tries
/// again.
fn start_once(
    started: &Started,
    spawn: impl FnOnce(Arc<Timer>) -> io::Result<Thread>,
) -> io::Result<Arc<Timer>> {
    let mut started = started.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(timer) = &*started {
        return Ok(Arc::clone(timer));
    }
    let timer = Arc::new(Timer::default());
    let thread = spawn(Arc::clone(&timer))?;
    // Before any ticker can be armed.
    timer.thread.get_or_init(|| thread);
    *started = Some(Arc::clone(&timer));
    Ok(timer)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
