//! Real time, on nothing but the standard library.

use core::fmt;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, LazyLock, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Instant, SystemTime};

use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::time::{Clock, Ticker, saturating_add};
use crate::timers::Timers;

/// How far the wall clock may be ahead before a [`SystemClock`] follows it.
const TOLERANCE: Duration = Duration::from_millis(10);

/// The world's time as the machine knows it, made never to decrease.
///
/// It runs on an [`Instant`] that is anchored to the [`SystemTime`] of when it was made. When the
/// wall clock is found more than 10 ms ahead, because the machine was suspended or the clock was
/// set, the clock follows it, in one step. It never follows the wall clock back: after a
/// correction backwards it runs on at the pace of the `Instant`, ahead of the wall clock, until the
/// process ends or the wall clock has caught up.
///
/// Clones share the anchor: none of them, on any thread, falls behind what another has shown.
///
/// # Examples
///
/// ```
/// use sse_queue::{Clock, SystemClock};
///
/// let clock = SystemClock::new();
/// let first = clock.now();
/// let second = std::thread::spawn({
///     let clock = clock.clone();
///     move || clock.now()
/// });
/// assert!(second.join().unwrap() >= first);
/// ```
#[derive(Clone, Debug)]
pub struct SystemClock {
    started: Instant,
    anchor: Arc<Anchor>,
}

impl SystemClock {
    /// A clock that shows the system's time.
    ///
    /// # Panics
    ///
    /// On `wasm32-unknown-unknown`, where the standard library has no clock. Implement [`Clock`] on
    /// the host's there.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use sse_queue::{Clock, SystemClock};
    ///
    /// assert!(SystemClock::new().now() > SystemTime::UNIX_EPOCH);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            anchor: Arc::new(Anchor::new(SystemTime::now())),
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        // In this order: a thread that is held up in between sees the wall clock late, which does
        // no harm. The other way round it would see it ahead, and follow it for nothing.
        let wall = SystemTime::now();
        self.anchor.read(self.started.elapsed(), wall)
    }
}

/// Ties elapsed time to the world's. Both readings come in as arguments.
#[derive(Debug)]
struct Anchor {
    origin: SystemTime,
    /// How far the wall clock has been seen ahead of `origin` plus elapsed time, in nanoseconds.
    /// It only grows, as elapsed time does, so their sum never decreases. No other memory hangs on
    /// it: that a later load sees no older value, which `Relaxed` gives, is enough.
    ahead: AtomicU64,
}

impl Anchor {
    fn new(origin: SystemTime) -> Self {
        Self {
            origin,
            ahead: AtomicU64::new(0),
        }
    }

    fn read(&self, elapsed: Duration, wall: SystemTime) -> SystemTime {
        let steady = saturating_add(self.origin, elapsed);
        let ahead = Duration::from_nanos(self.ahead.load(Ordering::Relaxed));
        let known = saturating_add(steady, ahead);
        if wall
            .duration_since(known)
            .is_ok_and(|more| more > TOLERANCE)
        {
            let ahead = wall.duration_since(steady).unwrap_or_default().as_nanos();
            let ahead = u64::try_from(ahead).unwrap_or(u64::MAX);
            let ahead = self.ahead.fetch_max(ahead, Ordering::Relaxed).max(ahead);
            return saturating_add(steady, Duration::from_nanos(ahead));
        }
        known
    }
}

/// A ticker that works under any executor, or none.
///
/// All tickers of the process share one thread, which is started with the first and sleeps without
/// a timeout while none is armed. It does not survive a `fork`. Wakers are called on that thread: a
/// waker should only mark its task as woken, as all executors' do. One that panics does the
/// others no harm.
///
/// Where a runtime has a timer of its own, a [`Ticker`] on that saves the hop between threads.
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
    id: u64,
    /// Whether a poll can be ready at all: if not, it costs no lock.
    armed: bool,
}

impl ThreadTicker {
    /// A ticker on the process's timer thread, which the first call starts.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started; a later call tries again. Always so on
    /// `wasm32-unknown-unknown`, which has no threads. No other call of a ticker can fail or
    /// panic.
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
        let id = timer.timers.lock().insert();
        Self {
            id,
            timer,
            armed: false,
        }
    }

    fn arm_at(&mut self, now: Duration, after: Option<Duration>) {
        let deadline = after.and_then(|after| Timers::deadline(now, after));
        let disarms_again = deadline.is_none() && !self.armed;
        self.armed = deadline.is_some();
        if !disarms_again {
            self.timer.arm(self.id, deadline);
        }
    }

    fn poll_at(&mut self, now: Duration, cx: &mut Context<'_>) -> Poll<()> {
        if !self.armed {
            return Poll::Pending;
        }
        let mut waker = Some(cx.waker().clone());
        let tick = self.timer.timers.lock().poll(self.id, now, &mut waker);
        self.armed = tick.is_pending();
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
        self.get_mut().poll_at(now(), cx)
    }
}

impl Drop for ThreadTicker {
    fn drop(&mut self) {
        let old = self.timer.timers.lock().remove(self.id);
        drop(old);
    }
}

impl fmt::Debug for ThreadTicker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadTicker")
            .field("armed", &self.armed)
            .finish_non_exhaustive()
    }
}

/// What the tickers and their thread share. Time comes in as an argument, so that tests can play
/// the thread.
#[derive(Default)]
struct Timer {
    timers: Mutex<Timers>,
    thread: OnceLock<Thread>,
}

impl Timer {
    fn arm(&self, id: u64, deadline: Option<Duration>) {
        let Some(deadline) = deadline else {
            let old = self.timers.lock().disarm(id);
            drop(old);
            return;
        };
        let is_earliest = self.timers.lock().arm(id, deadline);
        if is_earliest && let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Fires what is due at `now` and wakes it, outside the lock. Says how long until the next look.
    ///
    /// No time, if anything was woken: a waker may have taken a while, and may have used up the
    /// thread's unpark token by parking itself.
    fn fire(&self, now: Duration, due: &mut Vec<Waker>) -> Option<Duration> {
        let next = {
            let mut timers = self.timers.lock();
            timers.pop_due(now, due);
            timers.next_deadline()
        };
        if due.is_empty() {
            return next.map(|next| next.saturating_sub(now));
        }
        due.drain(..).for_each(wake);
        Some(Duration::ZERO)
    }

    /// The thread's life. An arm between the look and the park leaves the unpark token, so that
    /// the park returns at once.
    fn run(&self) {
        let mut due = Vec::new();
        loop {
            match self.fire(now(), &mut due) {
                Some(Duration::ZERO) => {}
                Some(wait) => thread::park_timeout(wait),
                None => thread::park(),
            }
        }
    }
}

/// Wakes, and survives it if the waker panics.
fn wake(waker: Waker) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        // Its destructor is a stranger's code too, and may panic again.
        mem::forget(payload);
    }
}

/// The time of all thread tickers.
fn now() -> Duration {
    // Read first by a ticker, or the thread: where there are no threads, never, as `Instant` may
    // be missing there as well.
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    ORIGIN.elapsed()
}

/// The timer of the process, with its thread. Where the thread cannot be started there is none yet.
fn process_timer() -> io::Result<Arc<Timer>> {
    // Not the mutex of `sync`: loom's cannot live in a static, and no model starts the thread.
    static TIMER: std::sync::Mutex<Option<Arc<Timer>>> = std::sync::Mutex::new(None);

    let mut running = TIMER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(timer) = &*running {
        return Ok(Arc::clone(timer));
    }
    let timer = start(|timer| {
        thread::Builder::new()
            .name("sse-queue-timer".into())
            .spawn(move || timer.run())
            .map(|handle| handle.thread().clone())
    })?;
    *running = Some(Arc::clone(&timer));
    Ok(timer)
}

/// Makes a timer and gives it to `spawn`. The thread is known before any ticker can arm.
fn start(spawn: impl FnOnce(Arc<Timer>) -> io::Result<Thread>) -> io::Result<Arc<Timer>> {
    let timer = Arc::new(Timer::default());
    let thread = spawn(Arc::clone(&timer))?;
    timer.thread.get_or_init(|| thread);
    Ok(timer)
}
