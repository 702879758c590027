//! Tests of the timers, by hand and against a plain model.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn arm(timers: &mut Timers, at: u64) -> Arm {
    timers.arm(None, secs(at)).0
}

fn poll(timers: &mut Timers, arm: Arm, now: Duration) -> bool {
    timers
        .poll(arm, now, &mut Some(Waker::noop().clone()))
        .is_ready()
}

fn pop(timers: &mut Timers, now: Duration) -> Vec<Waker> {
    let mut due = Vec::new();
    timers.pop_due(now, usize::MAX, &mut due);
    due
}

#[test]
fn an_arm_is_ready_when_due() {
    let mut timers = Timers::default();
    let arm = arm(&mut timers, 5);
    assert!(!poll(&mut timers, arm, secs(4)));
    assert!(poll(&mut timers, arm, secs(5)));
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn an_arm_that_has_fired_is_ready_even_for_an_older_reading_of_the_time() {
    let mut timers = Timers::default();
    let arm = arm(&mut timers, 5);
    assert!(pop(&mut timers, secs(5)).is_empty(), "no task waits yet");
    assert!(poll(&mut timers, arm, secs(4)));
}

#[test]
fn due_arms_fire_once_and_earliest_first() {
    let mut timers = Timers::default();
    let counts: Vec<_> = (0..4).map(|_| Arc::new(Count::default())).collect();
    for (count, at) in counts.iter().zip([3, 1, 9, 1]) {
        let arm = arm(&mut timers, at);
        let waker = Waker::from(Arc::clone(count));
        assert!(timers.poll(arm, secs(0), &mut Some(waker)).is_pending());
    }
    let due = pop(&mut timers, secs(3));
    let order: Vec<_> = due
        .iter()
        .map(|waker| {
            counts
                .iter()
                .position(|count| waker.will_wake(&Waker::from(Arc::clone(count))))
        })
        .collect();
    assert_eq!(order, [Some(1), Some(3), Some(0)]);
    assert!(pop(&mut timers, secs(3)).is_empty());
    assert_eq!(timers.next_deadline(), Some(secs(9)));
}

#[test]
fn a_pop_fires_at_most_the_given_number_of_arms() {
    let mut timers = Timers::default();
    let arms: Vec<_> = (0..10).map(|at| arm(&mut timers, at)).collect();
    for arm in &arms[1..] {
        assert!(!poll(&mut timers, *arm, secs(0)));
    }
    let mut due = Vec::new();
    timers.pop_due(secs(9), 4, &mut due);
    assert_eq!((due.len(), timers.next_deadline()), (3, Some(secs(4))));
    timers.pop_due(secs(9), 6, &mut due);
    assert_eq!((due.len(), timers.next_deadline()), (9, None));
}

#[test]
fn a_new_arm_replaces_the_old_one() {
    let mut timers = Timers::default();
    let old = arm(&mut timers, 1);
    let (new, _) = timers.arm(Some(old), secs(5));
    assert_eq!(timers.next_deadline(), Some(secs(5)));
    assert!(pop(&mut timers, secs(4)).is_empty());
    assert!(!poll(&mut timers, new, secs(4)));
    assert!(poll(&mut timers, new, secs(5)));
}

#[test]
fn arming_again_keeps_the_waker_until_it_has_fired() {
    let mut timers = Timers::default();
    let first = arm(&mut timers, 5);
    assert!(!poll(&mut timers, first, secs(0)));
    let (second, keeps_waker) = timers.arm(Some(first), secs(2));
    assert!(keeps_waker);
    assert_eq!(pop(&mut timers, secs(2)).len(), 1);
    let (third, keeps_waker) = timers.arm(Some(second), secs(5));
    assert!(!keeps_waker);
    assert!(!poll(&mut timers, third, secs(2)), "no longer fired");
}

#[test]
fn a_disarmed_ticker_leaves_nothing() {
    let mut timers = Timers::default();
    let arm = arm(&mut timers, 1);
    assert!(!poll(&mut timers, arm, secs(0)));
    assert!(timers.disarm(arm).is_some());
    assert!(timers.disarm(arm).is_none());
    assert_eq!(timers.next_deadline(), None);
    assert!(pop(&mut timers, secs(2)).is_empty());
}

#[test]
fn the_longest_duration_means_never() {
    let ever = Duration::MAX;
    assert_eq!(Timers::deadline(secs(1), ever), None);
    assert_eq!(Timers::deadline(secs(0), ever), None);
    assert_eq!(Timers::deadline(ever, secs(0)), None);
    assert_eq!(Timers::deadline(secs(1), secs(2)), Some(secs(3)));
}

#[test]
fn a_ready_poll_gives_back_both_wakers() {
    let count = Arc::new(Count::default());
    let mut timers = Timers::default();
    let arm = arm(&mut timers, 1);
    let mut waker = Some(Waker::from(Arc::clone(&count)));
    assert!(timers.poll(arm, secs(0), &mut waker).is_pending());
    assert!(waker.is_none());
    waker = Some(Waker::from(Arc::clone(&count)));
    assert!(timers.poll(arm, secs(1), &mut waker).is_ready());
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 1, "nothing holds the task");
}

#[test]
fn random_operations_agree_with_a_naive_list() {
    let mut timers = Timers::default();
    let mut arms = [None; 8];
    // Per ticker: the deadline, and whether it has yet to be popped.
    let mut naive: [Option<(Duration, bool)>; 8] = [None; 8];
    let (mut random, mut now) = (1_u64, 0_u64);
    for _ in 0..20_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let which = usize::try_from(random >> 40).unwrap() % arms.len();
        let (arm, mine) = (&mut arms[which], &mut naive[which]);
        match (random >> 8) % 5 {
            0 | 1 => {
                let deadline = secs(now + (random >> 16) % 20);
                *arm = Some(timers.arm(*arm, deadline).0);
                *mine = Some((deadline, true));
            }
            2 => {
                drop(arm.take().and_then(|arm| timers.disarm(arm)));
                *mine = None;
            }
            3 => {
                let ready = mine.is_some_and(|(at, waits)| !waits || at <= secs(now));
                let is_ready = arm.is_some_and(|arm| poll(&mut timers, arm, secs(now)));
                assert_eq!(is_ready, ready);
                if ready {
                    (*arm, *mine) = (None, None);
                }
            }
            _ => {
                now += (random >> 16) % 4;
                pop(&mut timers, secs(now));
                for (at, waits) in naive.iter_mut().flatten() {
                    *waits &= *at > secs(now);
                }
            }
        }
        let armed = naive.iter().flatten().filter(|(_, waits)| *waits);
        assert_eq!(timers.next_deadline(), armed.map(|(at, _)| *at).min());
    }
}
