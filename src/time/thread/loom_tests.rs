//! Loom models of tickers that race with their thread.

use std::sync::atomic::AtomicBool;
use std::task::Wake;

use super::timer::{NextWake, SHARDS};
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

/// The poll reads a time before the deadline, the thread a time after it.
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
        let ready = ticker.poll_at(|| Duration::ZERO, &mut cx).is_ready();
        thread.join().unwrap();
        assert!(ready != flag.get(), "ready {ready}, woken {}", flag.get());
        let again = ticker.poll_at(|| SECOND, &mut cx).is_ready();
        assert!(again != ready, "once per arming");
    });
}

/// Arms in the shard that the thread visits first or last; the other has a later deadline.
fn arm_while_the_thread_goes_to_sleep(shard: usize) {
    let timer = Arc::new(Timer::default());
    timer.timers(0).arm(None, SECOND * 3);
    let thread = loom::thread::spawn({
        let timer = Arc::clone(&timer);
        move || {
            timer.fire(SECOND, &mut Vec::new());
            timer.fire(SECOND, &mut Vec::new())
        }
    });
    timer.timers(shard).arm(None, SECOND * 2);
    let unparks = timer.bring_forward(SECOND * 2);
    let next = thread.join().unwrap();
    assert!(
        unparks || next == NextWake::At(SECOND * 2),
        "sleeps: {next:?}"
    );
}

#[test]
fn an_arm_while_the_thread_goes_to_sleep_is_not_slept_past() {
    for shard in 0..SHARDS {
        loom::model(move || arm_while_the_thread_goes_to_sleep(shard));
    }
}

/// The second ticker that brings the wake-up forward may rely on the first to unpark the thread.
#[test]
fn two_arms_while_the_thread_goes_to_sleep_are_not_slept_past() {
    loom::model(|| {
        let timer = Arc::new(Timer::default());
        let arm = |timer: &Timer, shard, deadline| {
            timer.timers(shard).arm(None, deadline);
            timer.bring_forward(deadline)
        };
        let thread = loom::thread::spawn({
            let timer = Arc::clone(&timer);
            move || timer.fire(Duration::ZERO, &mut Vec::new())
        });
        let other = loom::thread::spawn({
            let timer = Arc::clone(&timer);
            move || arm(&timer, 0, SECOND)
        });
        let mut unparks = arm(&timer, 1, SECOND * 2);
        unparks |= other.join().unwrap();
        let next = thread.join().unwrap();
        assert!(unparks || next == NextWake::At(SECOND), "sleeps: {next:?}");
    });
}

/// A poll whose waker is stored neither locks nor reads the time.
#[test]
fn a_poll_with_the_stored_waker_loses_no_wake() {
    loom::model(|| {
        let timer = Arc::new(Timer::default());
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        let mut ticker = ThreadTicker::on(Arc::clone(&timer));
        ticker.arm_at(Duration::ZERO, Some(SECOND));
        assert!(ticker.poll_at(|| Duration::ZERO, &mut cx).is_pending());
        let thread = loom::thread::spawn({
            let timer = Arc::clone(&timer);
            move || timer.fire(SECOND, &mut Vec::new())
        });
        let was_woken = flag.get();
        let ready = ticker.poll_at(|| Duration::ZERO, &mut cx).is_ready();
        assert!(ready || !was_woken, "a poll after the wake is ready");
        thread.join().unwrap();
        assert!(ready || flag.get());
        let again = ticker.poll_at(|| SECOND, &mut cx).is_ready();
        assert!(again != ready, "once per arming");
    });
}

/// A poll while another waker is stored, as when a stream moves to another task.
#[test]
fn a_poll_with_a_new_waker_while_the_thread_fires_loses_no_wake() {
    loom::model(|| {
        let timer = Arc::new(Timer::default());
        let (old, new) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
        let mut ticker = ThreadTicker::on(Arc::clone(&timer));
        ticker.arm_at(Duration::ZERO, Some(SECOND));
        let mut poll = |flag: &Arc<Flag>| {
            let waker = Waker::from(Arc::clone(flag));
            let mut cx = Context::from_waker(&waker);
            ticker.poll_at(|| Duration::ZERO, &mut cx).is_ready()
        };
        assert!(!poll(&old));
        let thread = loom::thread::spawn({
            let timer = Arc::clone(&timer);
            move || timer.fire(SECOND, &mut Vec::new())
        });
        let ready = poll(&new);
        thread.join().unwrap();
        assert!(ready != new.get(), "ready {ready}, woken {}", new.get());
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
        let polled = ticker.poll_at(|| Duration::ZERO, &mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        let thread = loom::thread::spawn({
            let timer = Arc::clone(&timer);
            move || timer.fire(SECOND, &mut Vec::new())
        });
        let mine = timer.fire(SECOND, &mut Vec::new());
        let theirs = thread.join().unwrap();
        assert!(flag.get());
        assert!((mine == NextWake::Now) != (theirs == NextWake::Now));
    });
}
