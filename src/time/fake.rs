//! Time for tests: one handle controls a clock and all tickers on it.

mod run;

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::Arc;
use std::time::SystemTime;

use crate::sync::{Mutex, MutexGuard};
use crate::time::timers::{Arm, Timers};
use crate::time::{Clock, Ticker, saturating_add};

/// A clock that stands still until a test advances it, and then wakes what falls due.
///
/// Clones are handles to the same time, and [`ticker`](Self::ticker) returns tickers that run on
/// it, so the clock of a queue and the tickers of its streams always agree. Tests never wait in
/// real time.
///
/// Times that would overflow stay at the latest that their type can represent.
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
    wall: SystemTime,
    /// Since the clock was created. It only moves together with `wall`, which can also jump alone.
    elapsed: Duration,
    wakes: u64,
    timers: Timers,
}

impl FakeClock {
    /// Creates a clock that starts at [`SystemTime::UNIX_EPOCH`].
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

    /// Creates a clock that starts at `time`.
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
                wall: time,
                elapsed: Duration::ZERO,
                wakes: 0,
                timers: Timers::default(),
            })),
        }
    }

    /// Returns a ticker that runs on this clock's elapsed time.
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
        FakeTicker {
            clock: self.clone(),
            arm: None,
        }
    }

    /// Advances wall-clock time and elapsed time together by `by`.
    ///
    /// The clock stops at each deadline in between and wakes what is due there, earliest first. If
    /// a waker polls its task, the task sees the time of its deadline, and can arm ticks that are
    /// due within the same call. If a waker only marks its task as woken, the test must poll it
    /// after the call; to see each tick at its time, use
    /// [`advance_to_next`](Self::advance_to_next).
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

    /// Returns the time until the next deadline; `None` if no ticker is armed.
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

    /// Advances to the next deadline and returns how far that was. `None`, without advancing, if no
    /// ticker is armed.
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
        reason = "often called only for its effect"
    )]
    pub fn advance_to_next(&self) -> Option<Duration> {
        let by = self.next_deadline()?;
        self.advance(by);
        Some(by)
    }

    /// Moves only wall-clock time forwards, as a correction of the wall clock does.
    ///
    /// Nothing is woken, because tickers run on elapsed time.
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
        state.wall = saturating_add(state.wall, by);
    }

    /// Returns how far the clock has been advanced in total, which is the time of its tickers.
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

    /// Returns the number of wake-ups that the clock has caused, so that a test can check that an
    /// idle stream causes none.
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
        self.state().wall
    }
}

impl fmt::Debug for FakeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wall, elapsed) = {
            let state = self.state();
            (state.wall, state.elapsed)
        };
        f.debug_struct("FakeClock")
            .field("now", &wall)
            .field("elapsed", &elapsed)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Advances to the next deadline, at most by `left`, and fires what is due there. Returns how
    /// much of `left` remains.
    ///
    /// This counts down a distance instead of aiming for a time, so that two threads that advance
    /// at the same time move the clock by the sum.
    fn step(&mut self, left: Duration, due: &mut Vec<Waker>) -> Duration {
        let by = self.until_next().map_or(left, |until| until.min(left));
        self.elapsed = self.elapsed.saturating_add(by);
        self.wall = saturating_add(self.wall, by);
        self.timers.pop_due(self.elapsed, usize::MAX, due);
        let woken = u64::try_from(due.len()).unwrap_or(u64::MAX);
        self.wakes = self.wakes.saturating_add(woken);
        left.saturating_sub(by)
    }

    fn until_next(&self) -> Option<Duration> {
        let deadline = self.timers.next_deadline()?;
        Some(deadline.saturating_sub(self.elapsed))
    }
}

/// A ticker on a [`FakeClock`], returned by [`FakeClock::ticker`].
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
    /// The current arm, until its tick has been returned.
    arm: Option<Arm>,
}

impl Ticker for FakeTicker {
    fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    fn arm(self: Pin<&mut Self>, after: Option<Duration>) {
        let this = self.get_mut();
        let displaced = {
            let mut state = this.clock.state();
            match after.and_then(|after| Timers::deadline(state.elapsed, after)) {
                Some(deadline) => {
                    this.arm = Some(state.timers.arm(this.arm, deadline).0);
                    None
                }
                None => this.arm.take().and_then(|arm| state.timers.disarm(arm)),
            }
        };
        drop(displaced);
    }

    fn poll_tick(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(arm) = this.arm else {
            return Poll::Pending;
        };
        let mut waker = Some(cx.waker().clone());
        let tick = {
            let mut state = this.clock.state();
            let now = state.elapsed;
            state.timers.poll(arm, now, &mut waker)
        };
        if tick.is_ready() {
            this.arm = None;
        }
        tick.map(drop)
    }
}

/// A clone is a new ticker on the same clock. It is not armed.
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
/// Pin::new(&mut ticker).arm(Some(Duration::from_secs(5)));
/// let clone = ticker.clone();
/// drop(ticker);
/// assert_eq!(clock.next_deadline(), None, "the clone is not armed");
/// # drop(clone);
/// ```
impl Clone for FakeTicker {
    fn clone(&self) -> Self {
        self.clock.ticker()
    }
}

impl Drop for FakeTicker {
    fn drop(&mut self) {
        if let Some(arm) = self.arm {
            let waker = self.clock.state().timers.disarm(arm);
            drop(waker);
        }
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
#[cfg(not(loom))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
