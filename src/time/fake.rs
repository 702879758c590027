//! Time for tests: one handle moves the clock and every ticker.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::Arc;
use std::time::SystemTime;

use crate::sync::{Mutex, MutexGuard};
use crate::time::timers::Timers;
use crate::time::{Clock, Ticker, saturating_add};

/// A clock that stands still until a test moves it, and wakes what falls due on the way.
///
/// Clones are handles to the same time, and [`ticker`](Self::ticker) mints tickers that run on it,
/// so that the clock of a queue and the tickers of its streams never disagree. Nothing waits for
/// real: a test of an hour takes as long as what happens in that hour.
///
/// Time beyond what the types can hold stays at the latest that they can.
///
/// # Examples
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Waker};
/// use std::time::{Duration, SystemTime};
/// use sse_queue::{Clock, FakeClock, Ticker};
///
/// let clock = FakeClock::new();
/// let mut ticker = clock.ticker();
/// let mut cx = Context::from_waker(Waker::noop());
///
/// Pin::new(&mut ticker).arm(Some(Duration::from_secs(3600)));
/// assert!(Pin::new(&mut ticker).poll_tick(&mut cx).is_pending());
///
/// assert_eq!(clock.advance_to_next(), Some(Duration::from_secs(3600)));
/// assert!(Pin::new(&mut ticker).poll_tick(&mut cx).is_ready());
/// assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(3600));
/// ```
#[derive(Clone)]
pub struct FakeClock {
    shared: Arc<Mutex<State>>,
}

struct State {
    world: SystemTime,
    /// Since the clock was made. It moves only together with `world`; `world` also jumps alone.
    elapsed: Duration,
    wakes: u64,
    timers: Timers,
}

impl FakeClock {
    /// A clock that stands at [`SystemTime::UNIX_EPOCH`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use sse_queue::{Clock, FakeClock};
    ///
    /// assert_eq!(FakeClock::new().now(), SystemTime::UNIX_EPOCH);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::at(SystemTime::UNIX_EPOCH)
    }

    /// A clock that stands at `time`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use sse_queue::{Clock, FakeClock};
    ///
    /// let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    /// assert_eq!(FakeClock::at(time).now(), time);
    /// ```
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        Self {
            shared: Arc::new(Mutex::new(State {
                world: time,
                elapsed: Duration::ZERO,
                wakes: 0,
                timers: Timers::default(),
            })),
        }
    }

    /// A ticker that runs on this clock's elapsed time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Ticker};
    ///
    /// let clock = FakeClock::new();
    /// let ticker = clock.ticker();
    /// clock.advance(Duration::from_secs(2));
    /// assert_eq!(ticker.now(), Duration::from_secs(2));
    /// ```
    pub fn ticker(&self) -> FakeTicker {
        let id = self.state().timers.insert();
        let clock = self.clone();
        FakeTicker { clock, id }
    }

    /// Moves the world's time and the elapsed time by `by`, together.
    ///
    /// The clock stops at each deadline on its way and wakes what is due there, earliest first. A
    /// task that is polled by its waker sees the time of its deadline, and what it arms within the
    /// rest of the way is served too. A task that is merely marked as woken is the test's to poll,
    /// after the call; to see each tick at its time, take [`advance_to_next`](Self::advance_to_next).
    ///
    /// ```text
    /// advance(5 s)   0 ----- 2 ----- 4 -- 5
    ///                        |       |
    ///                 wake, arm(2)  wake, arm(2): due at 6, not yet
    /// ```
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use sse_queue::{Clock, FakeClock};
    ///
    /// let clock = FakeClock::new();
    /// clock.advance(Duration::from_secs(5));
    /// assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(5));
    /// assert_eq!(clock.elapsed(), Duration::from_secs(5));
    /// ```
    pub fn advance(&self, by: Duration) {
        let (mut left, mut due) = (by, Vec::new());
        loop {
            left = self.state().step(left, &mut due);
            due.drain(..).for_each(Waker::wake);
            if left.is_zero() {
                return;
            }
        }
    }

    /// How long until the next deadline that is armed; `None` if none is.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Ticker};
    ///
    /// let clock = FakeClock::new();
    /// assert_eq!(clock.next_deadline(), None);
    ///
    /// let mut ticker = clock.ticker();
    /// Pin::new(&mut ticker).arm(Some(Duration::from_secs(15)));
    /// clock.advance(Duration::from_secs(10));
    /// assert_eq!(clock.next_deadline(), Some(Duration::from_secs(5)));
    /// ```
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.state().until_next()
    }

    /// Advances to the next deadline that is armed and says how far that was; `None`, and no move,
    /// if none is.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Ticker};
    ///
    /// let clock = FakeClock::new();
    /// let mut ticker = clock.ticker();
    /// Pin::new(&mut ticker).arm(Some(Duration::from_secs(15)));
    ///
    /// assert_eq!(clock.advance_to_next(), Some(Duration::from_secs(15)));
    /// assert_eq!(clock.advance_to_next(), None);
    /// assert_eq!(clock.elapsed(), Duration::from_secs(15));
    /// ```
    #[expect(
        clippy::must_use_candidate,
        reason = "called for its effect; how far it went is often known"
    )]
    pub fn advance_to_next(&self) -> Option<Duration> {
        let by = self.next_deadline()?;
        self.advance(by);
        Some(by)
    }

    /// Moves the world's time alone, forwards, as a correction of the wall clock does.
    ///
    /// Nothing is woken: tickers run on elapsed time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use sse_queue::{Clock, FakeClock};
    ///
    /// let clock = FakeClock::new();
    /// clock.jump(Duration::from_secs(3600));
    /// assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(3600));
    /// assert_eq!(clock.elapsed(), Duration::ZERO);
    /// ```
    pub fn jump(&self, by: Duration) {
        let mut state = self.state();
        state.world = saturating_add(state.world, by);
    }

    /// How much time has been advanced since the clock was made: the time of its tickers.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::FakeClock;
    ///
    /// let clock = FakeClock::new();
    /// clock.advance(Duration::from_millis(1500));
    /// assert_eq!(clock.elapsed(), Duration::from_millis(1500));
    /// ```
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.state().elapsed
    }

    /// How many wake-ups the clock has caused: what an idle stream should not do, a test can count.
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
    /// Pin::new(&mut ticker).arm(Some(Duration::from_secs(1)));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(Pin::new(&mut ticker).poll_tick(&mut cx).is_pending());
    ///
    /// clock.advance(Duration::from_secs(3600));
    /// assert_eq!(clock.wakes(), 1);
    /// ```
    #[must_use]
    pub fn wakes(&self) -> u64 {
        self.state().wakes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for FakeClock {
    fn now(&self) -> SystemTime {
        self.state().world
    }
}

impl fmt::Debug for FakeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (world, elapsed) = {
            let state = self.state();
            (state.world, state.elapsed)
        };
        f.debug_struct("FakeClock")
            .field("now", &world)
            .field("elapsed", &elapsed)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Moves to the next deadline, at most by `left`, and fires what is due there. What is left of
    /// the way comes back.
    ///
    /// The way is counted down, not aimed at a time, so that two threads that advance at once move
    /// the clock by the sum.
    fn step(&mut self, left: Duration, due: &mut Vec<Waker>) -> Duration {
        let by = self.until_next().map_or(left, |until| until.min(left));
        self.elapsed = self.elapsed.saturating_add(by);
        self.world = saturating_add(self.world, by);
        self.timers.pop_due(self.elapsed, due);
        let woken = u64::try_from(due.len()).unwrap_or(u64::MAX);
        self.wakes = self.wakes.saturating_add(woken);
        left.saturating_sub(by)
    }

    fn until_next(&self) -> Option<Duration> {
        let deadline = self.timers.next_deadline()?;
        Some(deadline.saturating_sub(self.elapsed))
    }
}

/// A ticker on a [`FakeClock`], minted by [`FakeClock::ticker`].
///
/// # Examples
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Waker};
/// use std::time::Duration;
/// use sse_queue::{FakeClock, FakeTicker, Ticker};
///
/// let clock = FakeClock::new();
/// let mut ticker: FakeTicker = clock.ticker();
/// let mut cx = Context::from_waker(Waker::noop());
///
/// Pin::new(&mut ticker).arm(Some(Duration::from_secs(1)));
/// Pin::new(&mut ticker).arm(None);
/// clock.advance(Duration::from_secs(1));
/// assert!(Pin::new(&mut ticker).poll_tick(&mut cx).is_pending(), "disarmed");
/// ```
#[must_use]
pub struct FakeTicker {
    clock: FakeClock,
    id: u64,
}

impl Ticker for FakeTicker {
    fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    fn arm(self: Pin<&mut Self>, after: Option<Duration>) {
        let old = {
            let mut state = self.clock.state();
            match after.and_then(|after| Timers::deadline(state.elapsed, after)) {
                Some(deadline) => {
                    state.timers.arm(self.id, deadline);
                    None
                }
                None => state.timers.disarm(self.id),
            }
        };
        drop(old);
    }

    fn poll_tick(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut waker = Some(cx.waker().clone());
        let tick = {
            let mut state = self.clock.state();
            let now = state.elapsed;
            state.timers.poll(self.id, now, &mut waker)
        };
        tick.map(drop)
    }
}

impl Drop for FakeTicker {
    fn drop(&mut self) {
        let old = self.clock.state().timers.remove(self.id);
        drop(old);
    }
}

impl fmt::Debug for FakeTicker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeTicker")
            .field("now", &self.clock.elapsed())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex as StdMutex, PoisonError};
    use std::task::Wake;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn arm(ticker: &mut FakeTicker, after: Duration) {
        Pin::new(ticker).arm(Some(after));
    }

    fn poll(ticker: &mut FakeTicker) -> bool {
        poll_with(ticker, Waker::noop())
    }

    fn poll_with(ticker: &mut FakeTicker, waker: &Waker) -> bool {
        Pin::new(ticker)
            .poll_tick(&mut Context::from_waker(waker))
            .is_ready()
    }

    /// Polls its ticker within the wake-up, notes the time of each tick and arms again.
    struct Inline {
        ticker: StdMutex<FakeTicker>,
        period: Duration,
        ticks: StdMutex<Vec<Duration>>,
    }

    impl Inline {
        fn start(clock: &FakeClock, period: Duration) -> Arc<Self> {
            let mut ticker = clock.ticker();
            arm(&mut ticker, period);
            let task = Arc::new(Self {
                ticker: StdMutex::new(ticker),
                period,
                ticks: StdMutex::default(),
            });
            Arc::clone(&task).wake();
            task
        }

        fn ticks(&self) -> Vec<Duration> {
            self.ticks
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        }
    }

    impl Wake for Inline {
        fn wake(self: Arc<Self>) {
            let waker = Waker::from(Arc::clone(&self));
            let mut ticker = self.ticker.lock().unwrap();
            while poll_with(&mut ticker, &waker) {
                self.ticks.lock().unwrap().push(ticker.now());
                arm(&mut ticker, self.period);
            }
        }
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn advancing_moves_both_times_together() {
        let start = SystemTime::UNIX_EPOCH + secs(100);
        let clock = FakeClock::at(start);
        let ticker = clock.ticker();
        clock.advance(secs(7));
        assert_eq!(clock.now(), start + secs(7));
        assert_eq!(ticker.now(), secs(7));
    }

    #[test]
    fn a_jump_moves_the_world_alone_and_wakes_nobody() {
        let clock = FakeClock::new();
        let mut ticker = clock.ticker();
        arm(&mut ticker, SECOND);
        assert!(!poll(&mut ticker));
        clock.jump(secs(3600));
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + secs(3600));
        assert_eq!(ticker.now(), Duration::ZERO);
        assert_eq!(clock.wakes(), 0);
        assert!(!poll(&mut ticker));
    }

    #[test]
    fn clones_are_handles_to_the_same_time() {
        let clock = FakeClock::new();
        clock.clone().advance(SECOND);
        assert_eq!(clock.elapsed(), SECOND);
    }

    // 0 --- 1 --- 2 --- 3 --- 4 --- 5
    //       t     t     t     t     t
    #[test]
    fn a_task_that_arms_again_within_the_span_is_served_too() {
        let clock = FakeClock::new();
        let task = Inline::start(&clock, SECOND);
        clock.advance(secs(5));
        assert_eq!(task.ticks(), [1, 2, 3, 4, 5].map(secs));
        assert_eq!(clock.wakes(), 5);
    }

    // 0 --- 2 - 3 - 4 --- 6 - 7
    //       a   b   a    ab
    #[test]
    fn the_clock_stops_at_every_deadline_on_its_way() {
        let clock = FakeClock::new();
        let (a, b) = (
            Inline::start(&clock, secs(2)),
            Inline::start(&clock, secs(3)),
        );
        clock.advance(secs(7));
        assert_eq!(a.ticks(), [2, 4, 6].map(secs));
        assert_eq!(b.ticks(), [3, 6].map(secs));
        assert_eq!(clock.elapsed(), secs(7));
        assert_eq!(clock.next_deadline(), Some(SECOND));
    }

    #[test]
    fn advancing_in_parts_and_at_once_is_the_same() {
        let (whole, parts) = (FakeClock::new(), FakeClock::new());
        let (a, b) = (
            Inline::start(&whole, secs(3)),
            Inline::start(&parts, secs(3)),
        );
        whole.advance(secs(100));
        (0..100).for_each(|_| parts.advance(SECOND));
        assert_eq!(a.ticks(), b.ticks());
        assert_eq!(whole.wakes(), parts.wakes());
    }

    #[test]
    fn what_is_not_due_is_not_woken() {
        let clock = FakeClock::new();
        let count = Arc::new(Count::default());
        let mut ticker = clock.ticker();
        arm(&mut ticker, secs(2));
        assert!(!poll_with(&mut ticker, &Waker::from(Arc::clone(&count))));
        clock.advance(SECOND);
        assert_eq!((count.0.load(Ordering::Relaxed), clock.wakes()), (0, 0));
        clock.advance(SECOND);
        assert_eq!((count.0.load(Ordering::Relaxed), clock.wakes()), (1, 1));
    }

    #[test]
    fn a_tick_that_nobody_polled_for_counts_no_wake() {
        let clock = FakeClock::new();
        let mut ticker = clock.ticker();
        arm(&mut ticker, SECOND);
        clock.advance(secs(2));
        assert_eq!(clock.wakes(), 0);
        assert!(poll(&mut ticker));
        assert!(!poll(&mut ticker));
    }

    #[test]
    fn arming_for_no_time_is_ready_at_once() {
        let clock = FakeClock::new();
        let mut ticker = clock.ticker();
        arm(&mut ticker, Duration::ZERO);
        assert_eq!(clock.next_deadline(), Some(Duration::ZERO));
        assert!(poll(&mut ticker));
        assert_eq!(clock.next_deadline(), None);
    }

    #[test]
    fn walking_from_deadline_to_deadline_comes_to_an_end() {
        let clock = FakeClock::new();
        let mut tickers: Vec<_> = (0..3).map(|_| clock.ticker()).collect();
        for (ticker, after) in tickers.iter_mut().zip([5, 0, 5]) {
            arm(ticker, secs(after));
        }
        let way: Vec<_> = core::iter::from_fn(|| clock.advance_to_next()).collect();
        assert_eq!(way, [0, 5].map(secs));
    }

    #[test]
    fn the_longest_wait_is_never() {
        let clock = FakeClock::new();
        let mut ticker = clock.ticker();
        arm(&mut ticker, Duration::MAX);
        assert_eq!(clock.next_deadline(), None);
        clock.advance(Duration::MAX);
        assert!(!poll(&mut ticker));
    }

    #[test]
    fn time_stays_at_the_latest_there_is() {
        let clock = FakeClock::new();
        clock.advance(Duration::MAX);
        let latest = clock.now();
        clock.advance(Duration::MAX);
        clock.jump(Duration::MAX);
        assert_eq!(clock.elapsed(), Duration::MAX);
        assert_eq!(clock.now(), latest);
        let mut ticker = clock.ticker();
        arm(&mut ticker, SECOND);
        assert!(!poll(&mut ticker));
    }

    #[test]
    fn a_dropped_ticker_holds_no_task() {
        let clock = FakeClock::new();
        let count = Arc::new(Count::default());
        let mut ticker = clock.ticker();
        arm(&mut ticker, SECOND);
        assert!(!poll_with(&mut ticker, &Waker::from(Arc::clone(&count))));
        drop(ticker);
        assert_eq!(Arc::strong_count(&count), 1);
        assert_eq!(clock.next_deadline(), None);
    }

    #[test]
    fn a_waker_may_use_the_clock() {
        struct Reentrant(FakeClock);

        impl Wake for Reentrant {
            fn wake(self: Arc<Self>) {
                self.0.advance(SECOND);
            }
        }

        impl Drop for Reentrant {
            fn drop(&mut self) {
                self.0.jump(SECOND);
            }
        }

        let clock = FakeClock::new();
        let mut ticker = clock.ticker();
        let waker = || Waker::from(Arc::new(Reentrant(clock.clone())));
        arm(&mut ticker, secs(2));
        assert!(!poll_with(&mut ticker, &waker()));
        assert!(!poll_with(&mut ticker, &waker()), "drops the first");
        clock.advance(secs(2));
        assert_eq!(clock.elapsed(), secs(3), "the sum of both");
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + secs(5));

        arm(&mut ticker, secs(2));
        assert!(!poll_with(&mut ticker, &waker()));
        Pin::new(&mut ticker).arm(None);
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + secs(6));
    }

    #[test]
    fn debug_shows_the_time() {
        let clock = FakeClock::new();
        clock.advance(SECOND);
        assert!(format!("{clock:?}").contains("elapsed: 1s"));
        assert_eq!(
            format!("{:?}", clock.ticker()),
            "FakeTicker { now: 1s, .. }"
        );
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[derive(Default)]
    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// Arms and polls in this thread while another one advances over the deadline.
    fn race(arm_first: bool) {
        loom::model(move || {
            let clock = FakeClock::new();
            let flag = Arc::new(Flag::default());
            let waker = Waker::from(Arc::clone(&flag));
            let mut cx = Context::from_waker(&waker);
            let mut ticker = clock.ticker();
            if arm_first {
                Pin::new(&mut ticker).arm(Some(SECOND));
            }
            let other = loom::thread::spawn({
                let clock = clock.clone();
                move || clock.advance(SECOND)
            });
            if !arm_first {
                Pin::new(&mut ticker).arm(Some(SECOND));
            }
            let ready = Pin::new(&mut ticker).poll_tick(&mut cx).is_ready();
            other.join().unwrap();
            if clock.next_deadline().is_some() {
                assert!(!ready && !flag.0.load(Ordering::SeqCst), "too early");
                assert!(!arm_first, "the deadline has passed");
                clock.advance(SECOND);
            }
            let woken = flag.0.load(Ordering::SeqCst);
            assert!(ready != woken, "ready {ready}, woken {woken}");
            let again = Pin::new(&mut ticker).poll_tick(&mut cx).is_ready();
            assert!(again != ready, "once per arming");
        });
    }

    #[test]
    fn a_poll_while_the_clock_advances_loses_no_wake() {
        race(true);
    }

    #[test]
    fn an_arm_while_the_clock_advances_loses_no_wake() {
        race(false);
    }

    #[test]
    fn two_threads_that_advance_move_the_clock_by_the_sum() {
        loom::model(|| {
            let clock = FakeClock::new();
            let mut ticker = clock.ticker();
            Pin::new(&mut ticker).arm(Some(SECOND));
            let other = loom::thread::spawn({
                let clock = clock.clone();
                move || clock.advance(SECOND)
            });
            clock.advance(SECOND);
            other.join().unwrap();
            assert_eq!(clock.elapsed(), SECOND * 2);
            assert_eq!(clock.next_deadline(), None);
        });
    }
}
