//! Tests of fake time.

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

/// Polls its ticker within the wake-up, records the time of each tick and arms again.
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
fn a_jump_moves_only_wall_clock_time_and_wakes_no_task() {
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
fn a_task_that_arms_again_during_an_advance_is_woken_again() {
    let clock = FakeClock::new();
    let task = Inline::start(&clock, SECOND);
    clock.advance(secs(5));
    assert_eq!(task.ticks(), [1, 2, 3, 4, 5].map(secs));
    assert_eq!(clock.wakes(), 5);
}

// 0 --- 2 - 3 - 4 --- 6 - 7
//       a   b   a    ab
#[test]
fn the_clock_stops_at_every_deadline_in_between() {
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
fn a_tick_that_is_not_due_wakes_no_task() {
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
fn a_tick_that_was_never_polled_counts_no_wake() {
    let clock = FakeClock::new();
    let mut ticker = clock.ticker();
    arm(&mut ticker, SECOND);
    clock.advance(secs(2));
    assert_eq!(clock.wakes(), 0);
    assert!(poll(&mut ticker));
    assert!(!poll(&mut ticker));
}

#[test]
fn arming_for_zero_time_is_ready_at_once() {
    let clock = FakeClock::new();
    let mut ticker = clock.ticker();
    arm(&mut ticker, Duration::ZERO);
    assert_eq!(clock.next_deadline(), Some(Duration::ZERO));
    assert!(poll(&mut ticker));
    assert_eq!(clock.next_deadline(), None);
}

#[test]
fn advancing_from_deadline_to_deadline_ends() {
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
fn time_stops_at_the_latest_value() {
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
fn a_dropped_ticker_drops_its_waker() {
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

/// Is ready with the time of each tick of its own ticker, but keeps no waker.
struct Forgetful(FakeTicker);

impl futures_core::Stream for Forgetful {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<()>> {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(&mut self.0).poll_tick(&mut cx).map(Some)
    }
}

#[test]
fn a_run_polls_no_stream_that_was_not_woken() {
    let clock = FakeClock::new();
    let mut stream = Forgetful(clock.ticker());
    arm(&mut stream.0, SECOND);
    assert_eq!(clock.run(&mut stream, secs(5)), []);
    assert_eq!(clock.elapsed(), secs(5));
}

#[test]
fn a_run_ends_with_time_itself() {
    let clock = FakeClock::new();
    clock.advance(SECOND);
    let mut stream = Forgetful(clock.ticker());
    assert_eq!(clock.run(&mut stream, Duration::MAX), []);
    assert_eq!(clock.elapsed(), Duration::MAX);
}
