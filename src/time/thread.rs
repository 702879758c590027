//! A ticker on a thread of its own: elapsed time from nothing but the standard library.

use core::fmt;
use core::mem;
use core::num::NonZeroUsize;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, LazyLock, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Instant;

use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use crate::time::Ticker;
use crate::time::timers::{Arm, Timers};

/// Number of locks that the tickers share. Two show loom all that there is to see.
const SHARDS: usize = if cfg!(loom) { 2 } else { 16 };

/// Most ticks that are fired in one hold of a lock.
const MOST_AT_ONCE: usize = 64;

/// The time of the next wake-up where there is none.
const NEVER: u64 = u64::MAX;

/// A ticker that works under any executor, or none.
///
/// All tickers of the process share one thread. [`new`](Self::new) starts it if it does not run
/// yet, and may fail; a clone is a new ticker, not armed, on the same thread, and cannot fail. So
/// make one when the program starts, and clone it for each stream.
///
/// The thread sleeps without a timeout while no ticker is armed, and does not survive a `fork`. It
/// calls the wakers: a waker should only mark its task as woken, as those of all executors do. One
/// that panics does the others no harm. However many tickers are due at once, no call of another
/// ticker waits for more than 64 of them.
///
/// A [`Ticker`] on the timer of a runtime saves the hop between threads.
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
    /// The arm that has not been ready yet. Without one, no call takes a lock.
    arm: Option<Arm>,
    /// The waker that the timers keep for `arm`, unless it has fired.
    kept: Option<WakerId>,
}

impl ThreadTicker {
    /// Creates a ticker on the process's timer thread, which the first call starts.
    ///
    /// # Errors
    ///
    /// The thread cannot be started; a later call tries again. This is always so on
    /// `wasm32-unknown-unknown`, which has no threads. No other operation of a ticker can fail or
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
        let shard = timer.assign_shard();
        Self {
            timer,
            shard,
            arm: None,
            kept: None,
        }
    }

    fn timers(&self) -> MutexGuard<'_, Timers> {
        self.timer.timers(self.shard)
    }

    fn arm_at(&mut self, now: Duration, after: Option<Duration>) {
        let Some(deadline) = after.and_then(|after| Timers::deadline(now, after)) else {
            return self.disarm();
        };
        let (arm, keeps_waker) = self.timers().arm(self.arm, deadline);
        self.arm = Some(arm);
        if !keeps_waker {
            self.kept = None;
        }
        if self.timer.bring_forward(deadline)
            && let Some(thread) = self.timer.thread.get()
        {
            thread.unpark();
        }
    }

    fn disarm(&mut self) {
        self.kept = None;
        if let Some(arm) = self.arm.take() {
            let old = self.timers().disarm(arm);
            drop(old);
        }
    }

    /// Takes no lock and reads no time if the waker is the one that is kept and the thread has not
    /// yet fired what was due at the deadline: it will wake this waker when it has.
    fn poll_at(&mut self, now: impl FnOnce() -> Duration, cx: &mut Context<'_>) -> Poll<()> {
        let Some(arm) = self.arm else {
            return Poll::Pending;
        };
        let id = Some(WakerId::of(cx.waker()));
        if self.kept == id && !self.timer.may_have_fired(arm.deadline()) {
            return Poll::Pending;
        }
        let (now, mut waker) = (now(), Some(cx.waker().clone()));
        let tick = self.timers().poll(arm, now, &mut waker);
        if tick.is_ready() {
            (self.arm, self.kept) = (None, None);
        } else {
            self.kept = id;
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

/// Which waker the timers keep, compared as `Waker::will_wake` does.
///
/// While they keep it, its addresses belong to no other waker. A clone in the ticker would say the
/// same, but it costs two atomic operations for each arming, and a ticker that is part of its own
/// task would hold that task.
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

/// What the tickers and their thread share. Time comes in as an argument, so that tests can play
/// the thread.
struct Timer {
    shards: [Shard; SHARDS],
    /// Number of tickers that there have been: they take the shards in turn.
    tickers: AtomicU64,
    /// When the thread wakes up by itself, in nanoseconds.
    ///
    /// The thread sets it to [`NEVER`] before it visits the shards, and lowers it to the earliest
    /// deadline after that; whoever lowers it otherwise unparks the thread. So a deadline that is
    /// armed behind the thread's back, in a shard that it has just left, is not slept past. The
    /// order of the shard's lock is all that this needs, so `Relaxed` is enough.
    wakes_at: AtomicU64,
    /// The latest time for which the thread has begun to fire, in nanoseconds. A waker that is
    /// called happens after the store that made it due, and the poll after that sees this value.
    fired_until: AtomicU64,
    thread: OnceLock<Thread>,
}

/// A cache line of its own for each lock.
#[derive(Default)]
#[repr(align(64))]
struct Shard(Mutex<Timers>);

/// When the thread has to fire again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextWake {
    /// At once: it has called wakers, which may have taken a while.
    Now,
    At(Duration),
    /// When it is unparked.
    Never,
}

impl Default for Timer {
    fn default() -> Self {
        Self {
            shards: Default::default(),
            tickers: AtomicU64::new(0),
            // As if the thread were about to wake up: it is still starting.
            wakes_at: AtomicU64::new(0),
            fired_until: AtomicU64::new(0),
            thread: OnceLock::new(),
        }
    }
}

impl Timer {
    fn assign_shard(&self) -> usize {
        let number = self.tickers.fetch_add(1, Ordering::Relaxed);
        let shard = number.checked_rem(SHARDS as u64).unwrap_or_default();
        usize::try_from(shard).unwrap_or_default()
    }

    fn timers(&self, shard: usize) -> MutexGuard<'_, Timers> {
        let [first, ..] = &self.shards;
        self.shards.get(shard).unwrap_or(first).0.lock()
    }

    /// Notes that a deadline has been armed. True if the thread must be unparked, as it would
    /// otherwise sleep past it.
    fn bring_forward(&self, deadline: Duration) -> bool {
        let deadline = nanos(deadline);
        // Most deadlines are later than the thread's next wake-up, and only read.
        deadline < self.wakes_at.load(Ordering::Relaxed)
            && deadline < self.wakes_at.fetch_min(deadline, Ordering::Relaxed)
    }

    /// False if what is due at `deadline` has certainly not been fired.
    fn may_have_fired(&self, deadline: Duration) -> bool {
        nanos(deadline) <= self.fired_until.load(Ordering::Relaxed)
    }

    /// Goes round the shards once, fires up to 64 of what is due at `now` in each, and calls the
    /// wakers outside the lock.
    fn fire(&self, now: Duration, due: &mut Vec<Waker>) -> NextWake {
        self.wakes_at.store(NEVER, Ordering::Relaxed);
        self.fired_until.fetch_max(nanos(now), Ordering::Relaxed);
        let (mut next, mut has_woken) = (NEVER, false);
        for shard in &self.shards {
            let deadline = {
                let mut timers = shard.0.lock();
                timers.pop_due(now, MOST_AT_ONCE, due);
                timers.next_deadline()
            };
            next = next.min(deadline.map_or(NEVER, nanos));
            has_woken |= !due.is_empty();
            due.drain(..).for_each(wake);
        }
        let next = self.wakes_at.fetch_min(next, Ordering::Relaxed).min(next);
        match next {
            // A waker may also have used up the thread's unpark token by parking the thread.
            _ if has_woken => NextWake::Now,
            NEVER => NextWake::Never,
            next => NextWake::At(Duration::from_nanos(next)),
        }
    }

    /// The thread's life. An arm between `fire` and the park leaves the unpark token, so that the
    /// park returns at once.
    fn run(&self) {
        let mut due = Vec::new();
        loop {
            let now = now();
            match self.fire(now, &mut due) {
                NextWake::Now => {}
                NextWake::At(next) => thread::park_timeout(next.saturating_sub(now)),
                NextWake::Never => thread::park(),
            }
        }
    }
}

/// Wakes, and survives it if the waker panics.
fn wake(waker: Waker) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        // Its destructor is the caller's code too, and may panic again.
        mem::forget(payload);
    }
}

/// As many nanoseconds, or the most that there are: 584 years.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The time of all thread tickers.
fn now() -> Duration {
    // Read first by a ticker or the thread: never where there are no threads, as `Instant` may be
    // missing there as well.
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    ORIGIN.elapsed()
}

/// The timer of the process, with its thread, which the first call starts.
fn process_timer() -> io::Result<Arc<Timer>> {
    static PROCESS: Started = Started::new(None);

    start_once(&PROCESS, |timer| {
        thread::Builder::new()
            .name("sse-queue-timer".into())
            .spawn(move || timer.run())
            .map(|handle| handle.thread().clone())
    })
}

/// Not the mutex of `sync`: loom's cannot live in a static, and no model starts the thread.
type Started = std::sync::Mutex<Option<Arc<Timer>>>;

/// The timer that has been started, or a new one. If `spawn` fails, the next call tries again.
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
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
