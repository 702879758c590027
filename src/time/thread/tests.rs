//! Tests of the thread ticker and its timer. They act as the thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::task::Wake;
use std::thread;

use super::timer::{MAX_PER_LOCK, NextWake, SHARDS};
use super::*;

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
        .poll_at(|| now, &mut Context::from_waker(&waker))
        .is_ready()
}

fn fire(timer: &Timer, now: Duration) -> NextWake {
    timer.fire(now, &mut Vec::new())
}

#[test]
fn a_tick_is_woken_when_due_and_ready_once() {
    let timer = Arc::new(Timer::default());
    let mut ticker = ThreadTicker::on(Arc::clone(&timer));
    let count = Arc::new(Count::default());
    ticker.arm_at(secs(1), Some(secs(4)));
    assert!(!poll(&mut ticker, secs(1), &count));
    assert_eq!(fire(&timer, secs(4)), NextWake::At(secs(5)));
    assert_eq!(count.get(), 0);
    assert_eq!(fire(&timer, secs(5)), NextWake::Now);
    assert_eq!(fire(&timer, secs(5)), NextWake::Never);
    assert_eq!(count.get(), 1);
    assert!(poll(&mut ticker, secs(5), &count));
    assert!(!poll(&mut ticker, secs(9), &count));
}

#[test]
fn a_due_tick_is_ready_before_the_thread_fires_it() {
    let timer = Arc::new(Timer::default());
    let mut ticker = ThreadTicker::on(Arc::clone(&timer));
    let count = Arc::new(Count::default());
    ticker.arm_at(secs(1), Some(Duration::ZERO));
    assert!(poll(&mut ticker, secs(1), &count));
    assert_eq!(fire(&timer, secs(1)), NextWake::Never);
}

#[test]
fn a_disarmed_ticker_does_not_wake_the_thread() {
    let timer = Arc::new(Timer::default());
    let mut ticker = ThreadTicker::on(Arc::clone(&timer));
    let count = Arc::new(Count::default());
    for never in [None, Some(Duration::MAX)] {
        ticker.arm_at(secs(1), Some(secs(4)));
        assert!(!poll(&mut ticker, secs(1), &count));
        ticker.arm_at(secs(1), never);
        assert_eq!(Arc::strong_count(&count), 1, "nothing holds the task");
        assert_eq!(fire(&timer, secs(5)), NextWake::Never);
        assert!(!poll(&mut ticker, secs(5), &count));
    }
}

#[test]
fn a_dropped_ticker_is_removed_from_the_timers() {
    let timer = Arc::new(Timer::default());
    let mut ticker = ThreadTicker::on(Arc::clone(&timer));
    let count = Arc::new(Count::default());
    ticker.arm_at(secs(1), Some(secs(4)));
    assert!(!poll(&mut ticker, secs(1), &count));
    drop(ticker);
    assert_eq!(Arc::strong_count(&count), 1, "nothing holds the task");
    assert_eq!(fire(&timer, secs(9)), NextWake::Never);
    assert_eq!(count.get(), 0);
}

#[test]
fn only_an_arm_that_the_thread_would_miss_unparks_it() {
    let timer = Timer::default();
    assert!(!timer.bring_forward(secs(9)), "the thread is starting");
    timer.timers(0).arm(None, secs(9));
    assert_eq!(fire(&timer, secs(0)), NextWake::At(secs(9)));
    assert!(!timer.bring_forward(secs(9)));
    assert!(!timer.bring_forward(secs(10)), "in any shard");
    assert!(timer.bring_forward(secs(8)));
    assert!(
        !timer.bring_forward(secs(8)),
        "the thread has been unparked"
    );
    assert!(timer.bring_forward(secs(7)));

    let timer = Timer::default();
    assert_eq!(fire(&timer, secs(0)), NextWake::Never);
    assert!(timer.bring_forward(secs(1000)), "it would sleep for ever");
}

#[test]
fn an_arm_while_the_thread_visits_the_shards_is_not_slept_past() {
    struct ArmsAnother(Arc<Timer>);

    impl Wake for ArmsAnother {
        fn wake(self: Arc<Self>) {
            // In the shard that the thread has just visited, so it has not seen this deadline.
            self.0.timers(0).arm(None, secs(2));
            assert!(self.0.bring_forward(secs(2)));
        }
    }

    let timer = Arc::new(Timer::default());
    let mut ticker = ThreadTicker::on(Arc::clone(&timer));
    ticker.arm_at(secs(0), Some(secs(1)));
    let waker = Waker::from(Arc::new(ArmsAnother(Arc::clone(&timer))));
    let polled = ticker.poll_at(|| secs(0), &mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    assert_eq!(fire(&timer, secs(1)), NextWake::Now);
    assert_eq!(fire(&timer, secs(1)), NextWake::At(secs(2)));
}

#[test]
fn a_round_fires_64_of_each_shard_at_most() {
    let timer = Arc::new(Timer::default());
    let count = Arc::new(Count::default());
    let mut tickers: Vec<_> = (0..1000 * SHARDS)
        .map(|_| ThreadTicker::on(Arc::clone(&timer)))
        .collect();
    for ticker in &mut tickers {
        ticker.arm_at(secs(0), Some(secs(1)));
        assert!(!poll(ticker, secs(0), &count));
    }
    let mut rounds = 0;
    while fire(&timer, secs(1)) == NextWake::Now {
        rounds += 1;
        let max = rounds * MAX_PER_LOCK * SHARDS;
        assert_eq!(count.get(), tickers.len().min(max));
    }
    assert_eq!(count.get(), tickers.len());
}

#[test]
fn many_ticks_in_one_shard_do_not_delay_another_shard() {
    let timer = Arc::new(Timer::default());
    let count = Arc::new(Count::default());
    let mut tickers: Vec<_> = (0..1000 * SHARDS)
        .map(|_| ThreadTicker::on(Arc::clone(&timer)))
        .collect();
    for ticker in tickers.iter_mut().filter(|ticker| ticker.shard == 0) {
        ticker.arm_at(secs(0), Some(secs(1)));
        assert!(!poll(ticker, secs(0), &count));
    }
    let other = tickers.iter_mut().find(|ticker| ticker.shard == 1).unwrap();
    let mine = Arc::new(Count::default());
    other.arm_at(secs(0), Some(secs(1)));
    assert!(!poll(other, secs(0), &mine));
    fire(&timer, secs(1));
    assert_eq!((mine.get(), count.get()), (1, MAX_PER_LOCK));
}

#[test]
fn a_poll_with_the_stored_waker_reads_no_time_and_takes_no_lock() {
    let timer = Arc::new(Timer::default());
    let mut ticker = ThreadTicker::on(Arc::clone(&timer));
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut cx = Context::from_waker(&waker);
    ticker.arm_at(secs(0), Some(secs(1)));
    assert!(ticker.poll_at(|| secs(0), &mut cx).is_pending());
    assert_eq!(Arc::strong_count(&count), 3, "one clone, in the timers");

    let lock = timer.shards[ticker.shard].0.lock();
    let polled = ticker.poll_at(|| panic!("reads the time"), &mut cx);
    assert!(polled.is_pending());
    drop(lock);

    ticker.arm_at(secs(0), Some(secs(2)));
    let polled = ticker.poll_at(|| panic!("armed again"), &mut cx);
    assert!(polled.is_pending());

    fire(&timer, secs(2));
    assert_eq!(count.get(), 1);
    assert!(ticker.poll_at(|| secs(2), &mut cx).is_ready());
}

#[test]
fn another_waker_replaces_the_stored_one() {
    let timer = Arc::new(Timer::default());
    let mut ticker = ThreadTicker::on(Arc::clone(&timer));
    let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
    ticker.arm_at(secs(0), Some(secs(1)));
    assert!(!poll(&mut ticker, secs(0), &first));
    assert!(!poll(&mut ticker, secs(0), &second));
    assert_eq!(Arc::strong_count(&first), 1, "nothing holds the first task");
    fire(&timer, secs(1));
    assert_eq!((first.get(), second.get()), (0, 1));
}

#[test]
fn a_poll_stores_the_waker_again_after_the_previous_arm_has_fired() {
    let timer = Arc::new(Timer::default());
    let mut ticker = ThreadTicker::on(Arc::clone(&timer));
    let count = Arc::new(Count::default());
    ticker.arm_at(secs(0), Some(secs(1)));
    assert!(!poll(&mut ticker, secs(0), &count));
    fire(&timer, secs(1));
    ticker.arm_at(secs(1), Some(secs(4)));
    assert!(!poll(&mut ticker, secs(1), &count), "no longer fired");
    fire(&timer, secs(5));
    assert_eq!(count.get(), 2);
    assert!(poll(&mut ticker, secs(5), &count));
}

#[test]
fn a_clone_is_a_new_ticker_on_another_shard() {
    let timer = Arc::new(Timer::default());
    let mut ticker = ThreadTicker::on(Arc::clone(&timer));
    ticker.arm_at(secs(0), Some(secs(1)));
    let mut clone = ticker.clone();
    assert_ne!(clone.shard, ticker.shard);
    let count = Arc::new(Count::default());
    assert!(!poll(&mut clone, secs(9), &count));
    assert!(poll(&mut ticker, secs(9), &count));
}

#[test]
fn a_waker_that_panics_does_not_affect_the_others() {
    /// Panics when woken, with a payload that panics when dropped.
    struct Bomb;

    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new(Self));
        }
    }

    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(thread::panicking(), "dropped by the code that caught it");
        }
    }

    let timer = Arc::new(Timer::default());
    let mut bad = ThreadTicker::on(Arc::clone(&timer));
    let mut good = ThreadTicker::on(Arc::clone(&timer));
    let count = Arc::new(Count::default());
    bad.arm_at(secs(0), Some(secs(1)));
    good.arm_at(secs(0), Some(secs(1)));
    let bomb = Waker::from(Arc::new(Bomb));
    let pending = bad.poll_at(|| secs(0), &mut Context::from_waker(&bomb));
    core::mem::forget(bomb);
    assert!(pending.is_pending());
    assert!(!poll(&mut good, secs(0), &count));
    assert_eq!(fire(&timer, secs(1)), NextWake::Now);
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
                .poll_at(|| now, &mut Context::from_waker(&waker()))
                .is_pending()
        );
    };
    wait(secs(0));
    assert_eq!(fire(&timer, secs(1)), NextWake::Now);
    wait(secs(1));
    wait(secs(1));
    drop(ticker);
}

#[test]
fn the_thread_is_started_once_and_retried_after_an_error() {
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
        // Whether or not the thread sleeps by now, and whether it or the poll comes first.
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
