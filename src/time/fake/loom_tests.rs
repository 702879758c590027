//! Loom models of threads that share a fake clock.

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

/// Arms and polls in this thread while another thread advances past the deadline.
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
