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
use crate::time::timers::Timers;
use crate::time::{Clock, Ticker, saturating_add};

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
        let id = timer.schedule.lock().timers.insert();
        Self {
            timer,
            id,
            armed: false,
        }
    }

    fn arm_at(&mut self, now: Duration, after: Option<Duration>) {
        match after.and_then(|after| Timers::deadline(now, after)) {
            Some(deadline) => {
                self.armed = true;
                self.timer.arm(self.id, deadline);
            }
            None if self.armed => {
                self.armed = false;
                self.timer.disarm(self.id);
            }
            None => {}
        }
    }

    fn poll_at(&mut self, now: Duration, cx: &mut Context<'_>) -> Poll<()> {
        if !self.armed {
            return Poll::Pending;
        }
        let mut waker = Some(cx.waker().clone());
        let tick = {
            let mut schedule = self.timer.schedule.lock();
            schedule.timers.poll(self.id, now, &mut waker)
        };
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
        let old = self.timer.schedule.lock().timers.remove(self.id);
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
    schedule: Mutex<Schedule>,
    thread: OnceLock<Thread>,
}

#[derive(Default)]
struct Schedule {
    timers: Timers,
    next_look: Look,
}

/// When the thread will look at the timers without being called.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
enum Look {
    /// It is on its way: starting, or busy with waking. An arm need not call it.
    #[default]
    Soon,
    /// It sleeps until then.
    At(Duration),
    /// It sleeps until it is called.
    Never,
}

impl Timer {
    fn arm(&self, id: u64, deadline: Duration) {
        if self.schedule.lock().arm(id, deadline)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    fn disarm(&self, id: u64) {
        let old = self.schedule.lock().timers.disarm(id);
        drop(old);
    }

    /// Fires what is due at `now` and wakes it, outside the lock. Says when to look again.
    ///
    /// Soon, if anything was woken: a waker may have taken a while, and may have used up the
    /// thread's unpark token by parking itself.
    fn fire(&self, now: Duration, due: &mut Vec<Waker>) -> Look {
        let look = self.schedule.lock().fire(now, due);
        due.drain(..).for_each(wake);
        look
    }

    /// The thread's life. An arm between the look and the park leaves the unpark token, so that
    /// the park returns at once.
    fn run(&self) {
        let mut due = Vec::new();
        loop {
            let now = now();
            match self.fire(now, &mut due) {
                Look::Soon => {}
                Look::At(next) => thread::park_timeout(next.saturating_sub(now)),
                Look::Never => thread::park(),
            }
        }
    }
}

impl Schedule {
    /// True if the thread must be called, as it would sleep past the deadline.
    fn arm(&mut self, id: u64, deadline: Duration) -> bool {
        self.timers.arm(id, deadline);
        let sleeps_past = match self.next_look {
            Look::Soon => false,
            Look::At(next) => deadline < next,
            Look::Never => true,
        };
        if sleeps_past {
            self.next_look = Look::Soon;
        }
        sleeps_past
    }

    fn fire(&mut self, now: Duration, due: &mut Vec<Waker>) -> Look {
        self.timers.pop_due(now, due);
        self.next_look = match self.timers.next_deadline() {
            _ if !due.is_empty() => Look::Soon,
            Some(next) => Look::At(next),
            None => Look::Never,
        };
        self.next_look
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
    // Before any ticker can arm.
    timer.thread.get_or_init(|| thread);
    *started = Some(Arc::clone(&timer));
    Ok(timer)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::{self, Sender};
    use std::task::Wake;

    use super::*;

    const EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Count {
        fn get(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(ticker: &mut ThreadTicker, now: Duration, waker: &Arc<Count>) -> bool {
        let waker = Waker::from(Arc::clone(waker));
        ticker
            .poll_at(now, &mut Context::from_waker(&waker))
            .is_ready()
    }

    fn fire(timer: &Timer, now: Duration) -> Look {
        timer.fire(now, &mut Vec::new())
    }

    #[test]
    fn the_clock_runs_on_elapsed_time() {
        let anchor = Anchor::new(EPOCH);
        assert_eq!(anchor.read(secs(3), EPOCH + secs(3)), EPOCH + secs(3));
        assert_eq!(
            anchor.read(secs(4), EPOCH + secs(4) + TOLERANCE),
            EPOCH + secs(4)
        );
    }

    #[test]
    fn the_clock_follows_the_wall_forwards() {
        let anchor = Anchor::new(EPOCH);
        let jumped = EPOCH + secs(3600);
        assert_eq!(anchor.read(secs(1), jumped), jumped);
        assert_eq!(anchor.read(secs(2), jumped + secs(1)), jumped + secs(1));
        let more = jumped + secs(2) + TOLERANCE + Duration::from_nanos(1);
        assert_eq!(anchor.read(secs(3), more), more);
    }

    #[test]
    fn the_clock_does_not_follow_the_wall_back() {
        let anchor = Anchor::new(EPOCH + secs(3600));
        assert_eq!(anchor.read(secs(1), EPOCH), EPOCH + secs(3601));
        assert_eq!(
            anchor.read(secs(2), EPOCH + secs(3000)),
            EPOCH + secs(3602),
            "forwards, but still behind"
        );
    }

    #[test]
    fn a_reading_that_comes_late_undoes_no_jump() {
        let anchor = Anchor::new(EPOCH);
        let shown = anchor.read(secs(2), EPOCH + secs(3600));
        let late = anchor.read(secs(1), EPOCH + secs(1));
        assert_eq!(late, EPOCH + secs(3599));
        assert!(anchor.read(secs(2), EPOCH + secs(1)) >= shown);
    }

    #[test]
    fn the_clock_never_decreases_whatever_the_wall_does() {
        let anchor = Anchor::new(EPOCH + secs(1_000_000));
        let (mut random, mut shown) = (1_u64, EPOCH);
        for elapsed in 0..10_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let time = anchor.read(
                Duration::from_millis(elapsed),
                EPOCH + secs(random % 2_000_000),
            );
            assert!(time >= shown);
            shown = time;
        }
    }

    #[test]
    fn a_wall_clock_beyond_all_reason_is_survived() {
        let anchor = Anchor::new(EPOCH);
        let latest = saturating_add(EPOCH, Duration::MAX);
        let shown = anchor.read(secs(1), latest);
        assert!(shown > EPOCH + secs(1));
        assert!(anchor.read(Duration::MAX, latest) >= shown);
    }

    #[test]
    fn a_tick_is_woken_when_due_and_ready_once() {
        let timer = Arc::new(Timer::default());
        let mut ticker = ThreadTicker::on(Arc::clone(&timer));
        let count = Arc::new(Count::default());
        ticker.arm_at(secs(1), Some(secs(4)));
        assert!(!poll(&mut ticker, secs(1), &count));
        assert_eq!(fire(&timer, secs(4)), Look::At(secs(5)));
        assert_eq!(count.get(), 0);
        assert_eq!(fire(&timer, secs(5)), Look::Soon);
        assert_eq!(fire(&timer, secs(5)), Look::Never);
        assert_eq!(count.get(), 1);
        assert!(poll(&mut ticker, secs(5), &count));
        assert!(!poll(&mut ticker, secs(9), &count));
    }

    #[test]
    fn a_tick_need_not_wait_for_the_thread() {
        let timer = Arc::new(Timer::default());
        let mut ticker = ThreadTicker::on(Arc::clone(&timer));
        let count = Arc::new(Count::default());
        ticker.arm_at(secs(1), Some(Duration::ZERO));
        assert!(poll(&mut ticker, secs(1), &count));
        assert_eq!(fire(&timer, secs(1)), Look::Never);
    }

    #[test]
    fn a_disarmed_ticker_leaves_the_thread_asleep() {
        let timer = Arc::new(Timer::default());
        let mut ticker = ThreadTicker::on(Arc::clone(&timer));
        let count = Arc::new(Count::default());
        for never in [None, Some(Duration::MAX)] {
            ticker.arm_at(secs(1), Some(secs(4)));
            assert!(!poll(&mut ticker, secs(1), &count));
            ticker.arm_at(secs(1), never);
            assert_eq!(Arc::strong_count(&count), 1, "nothing holds the task");
            assert_eq!(fire(&timer, secs(5)), Look::Never);
            assert!(!poll(&mut ticker, secs(5), &count));
        }
    }

    #[test]
    fn a_dropped_ticker_leaves_nothing_behind() {
        let timer = Arc::new(Timer::default());
        let mut ticker = ThreadTicker::on(Arc::clone(&timer));
        let count = Arc::new(Count::default());
        ticker.arm_at(secs(1), Some(secs(4)));
        assert!(!poll(&mut ticker, secs(1), &count));
        drop(ticker);
        assert_eq!(Arc::strong_count(&count), 1, "nothing holds the task");
        assert_eq!(fire(&timer, secs(9)), Look::Never);
        assert_eq!(count.get(), 0);
    }

    #[test]
    fn only_an_arm_that_the_thread_would_miss_calls_it() {
        let mut schedule = Schedule::default();
        let id = schedule.timers.insert();
        assert!(!schedule.arm(id, secs(9)), "the thread has yet to look");
        schedule.fire(secs(0), &mut Vec::new());
        assert!(!schedule.arm(id, secs(9)));
        assert!(!schedule.arm(id, secs(10)));
        assert!(schedule.arm(id, secs(8)));
        assert!(!schedule.arm(id, secs(7)), "the thread has been called");
        assert!(schedule.timers.disarm(id).is_none());
        schedule.fire(secs(0), &mut Vec::new());
        assert!(schedule.arm(id, secs(1000)), "it would sleep for ever");
    }

    #[test]
    fn a_waker_that_panics_does_the_others_no_harm() {
        /// Panics when woken, and once more when what it panicked with is dropped.
        struct Bomb;

        impl Wake for Bomb {
            fn wake(self: Arc<Self>) {
                panic::resume_unwind(Box::new(Self));
            }
        }

        impl Drop for Bomb {
            fn drop(&mut self) {
                assert!(thread::panicking(), "dropped by whoever caught it");
            }
        }

        let timer = Arc::new(Timer::default());
        let mut bad = ThreadTicker::on(Arc::clone(&timer));
        let mut good = ThreadTicker::on(Arc::clone(&timer));
        let count = Arc::new(Count::default());
        bad.arm_at(secs(0), Some(secs(1)));
        good.arm_at(secs(0), Some(secs(1)));
        let bomb = Waker::from(Arc::new(Bomb));
        let pending = bad.poll_at(secs(0), &mut Context::from_waker(&bomb));
        mem::forget(bomb);
        assert!(pending.is_pending());
        assert!(!poll(&mut good, secs(0), &count));
        assert_eq!(fire(&timer, secs(1)), Look::Soon);
        assert_eq!(count.get(), 1);
    }

    #[test]
    fn a_waker_may_use_its_timer() {
        struct Reentrant(Arc<Timer>);

        impl Wake for Reentrant {
            fn wake(self: Arc<Self>) {
                drop(ThreadTicker::on(Arc::clone(&self.0)));
            }
        }

        impl Drop for Reentrant {
            fn drop(&mut self) {
                drop(ThreadTicker::on(Arc::clone(&self.0)));
            }
        }

        let timer = Arc::new(Timer::default());
        let waker = || Waker::from(Arc::new(Reentrant(Arc::clone(&timer))));
        let mut ticker = ThreadTicker::on(Arc::clone(&timer));
        let mut wait = |now| {
            ticker.arm_at(now, Some(secs(1)));
            assert!(
                ticker
                    .poll_at(now, &mut Context::from_waker(&waker()))
                    .is_pending()
            );
        };
        wait(secs(0));
        assert_eq!(fire(&timer, secs(1)), Look::Soon);
        wait(secs(1));
        wait(secs(1));
        drop(ticker);
    }

    #[test]
    fn the_thread_is_started_once_and_tried_again_after_an_error() {
        let started = Started::new(None);
        let refused = start_once(&started, |_| Err(io::Error::other("no more threads")));
        assert_eq!(refused.err().unwrap().to_string(), "no more threads");
        let first = start_once(&started, |_| Ok(thread::current())).unwrap();
        let second = start_once(&started, |_| panic!("it is running")).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert!(first.thread.get().is_some());
    }

    #[test]
    fn the_thread_fires_what_was_armed_while_it_slept() {
        struct Report(Sender<()>);

        impl Wake for Report {
            fn wake(self: Arc<Self>) {
                self.0.send(()).unwrap();
            }
        }

        let (sender, reports) = mpsc::channel();
        let waker = Waker::from(Arc::new(Report(sender)));
        let mut ticker = ThreadTicker::new().unwrap();
        for _ in 0..3 {
            // Whether the thread sleeps by now or not, and whether it or the poll is first.
            Pin::new(&mut ticker).arm(Some(Duration::from_millis(1)));
            while Pin::new(&mut ticker)
                .poll_tick(&mut Context::from_waker(&waker))
                .is_pending()
            {
                reports.recv().unwrap();
            }
        }
    }

    #[test]
    fn debug_tells_whether_the_ticker_is_armed() {
        let mut ticker = ThreadTicker::on(Arc::default());
        ticker.arm_at(secs(0), Some(secs(1)));
        assert_eq!(format!("{ticker:?}"), "ThreadTicker { armed: true, .. }");
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[derive(Default)]
    struct Flag(AtomicBool);

    impl Flag {
        fn get(&self) -> bool {
            self.0.load(std::sync::atomic::Ordering::SeqCst)
        }
    }

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, std::sync::atomic::Ordering::SeqCst);
        }
    }

    /// The poll has read the time before the deadline, the thread after it.
    #[test]
    fn a_poll_while_the_thread_fires_loses_no_wake() {
        loom::model(|| {
            let timer = Arc::new(Timer::default());
            let flag = Arc::new(Flag::default());
            let waker = Waker::from(Arc::clone(&flag));
            let mut cx = Context::from_waker(&waker);
            let mut ticker = ThreadTicker::on(Arc::clone(&timer));
            ticker.arm_at(Duration::ZERO, Some(SECOND));
            let thread = loom::thread::spawn({
                let timer = Arc::clone(&timer);
                move || timer.fire(SECOND, &mut Vec::new())
            });
            let ready = ticker.poll_at(Duration::ZERO, &mut cx).is_ready();
            thread.join().unwrap();
            assert!(ready != flag.get(), "ready {ready}, woken {}", flag.get());
            let again = ticker.poll_at(SECOND, &mut cx).is_ready();
            assert!(again != ready, "once per arming");
        });
    }

    #[test]
    fn an_arm_while_the_thread_goes_to_sleep_is_not_slept_past() {
        loom::model(|| {
            let timer = Arc::new(Timer::default());
            let (id, other) = {
                let mut schedule = timer.schedule.lock();
                (schedule.timers.insert(), schedule.timers.insert())
            };
            timer.arm(other, SECOND * 3);
            let thread = loom::thread::spawn({
                let timer = Arc::clone(&timer);
                move || {
                    timer.fire(SECOND, &mut Vec::new());
                    timer.fire(SECOND, &mut Vec::new())
                }
            });
            let called = timer.schedule.lock().arm(id, SECOND * 2);
            let look = thread.join().unwrap();
            assert!(called || look == Look::At(SECOND * 2), "sleeps: {look:?}");
        });
    }

    #[test]
    fn two_threads_that_fire_wake_once() {
        loom::model(|| {
            let timer = Arc::new(Timer::default());
            let flag = Arc::new(Flag::default());
            let waker = Waker::from(Arc::clone(&flag));
            let mut ticker = ThreadTicker::on(Arc::clone(&timer));
            ticker.arm_at(Duration::ZERO, Some(SECOND));
            let polled = ticker.poll_at(Duration::ZERO, &mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            let thread = loom::thread::spawn({
                let timer = Arc::clone(&timer);
                move || timer.fire(SECOND, &mut Vec::new())
            });
            let mine = timer.fire(SECOND, &mut Vec::new());
            let theirs = thread.join().unwrap();
            assert!(flag.get());
            assert!((mine == Look::Soon) != (theirs == Look::Soon));
        });
    }

    #[test]
    fn a_reading_after_another_is_never_earlier() {
        loom::model(|| {
            let anchor = Arc::new(Anchor::new(SystemTime::UNIX_EPOCH));
            let read = |anchor: &Anchor, ahead: u32| {
                let time = SystemTime::UNIX_EPOCH;
                anchor.read(Duration::ZERO, time + SECOND * ahead)
            };
            let thread = loom::thread::spawn({
                let anchor = Arc::clone(&anchor);
                move || read(&anchor, 2)
            });
            let first = read(&anchor, 1);
            let second = read(&anchor, 0);
            assert!(second >= first);
            let theirs = thread.join().unwrap();
            assert!(read(&anchor, 0) >= theirs.max(second));
        });
    }
}
