//! The armed deadlines, and the wakers that wait for them.

use core::cmp::Reverse;
use core::mem;
use core::task::{Poll, Waker};
use core::time::Duration;
use std::collections::{BinaryHeap, HashMap};

/// So few dead arms are not worth clearing out.
const DEAD_ARMS: usize = 32;

/// The deadlines of any number of tickers, on one time line.
///
/// Time comes in as an argument, and wakers go out by value: the caller wakes and drops them when
/// its lock is free. Where a waker comes in, the caller has cloned it before it took the lock.
///
/// ```text
///           arm               deadline passes
///   Idle ---------> Armed ------------------------> Fired
///     ^               |  (pop_due, or a poll sees it)  |
///     |    disarm     |                                |
///     +---------------+---------- poll, disarm --------+
/// ```
#[derive(Default)]
pub(crate) struct Timers {
    tickers: HashMap<u64, Ticking>,
    /// Every live arm, and dead ones that were replaced or taken back: looking for them in the
    /// middle would cost more than to skip them at the top. The top is always live, so that
    /// `next_deadline` is exact.
    arms: BinaryHeap<Reverse<Arm>>,
    last_id: u64,
    last_arm: u64,
}

#[derive(Default)]
struct Ticking {
    tick: Tick,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Tick {
    #[default]
    Idle,
    Armed(Arm),
    /// Its deadline has passed and its waker is gone; the next poll is ready, even one that has
    /// read the time before that.
    Fired,
}

/// Ordered by deadline, then by the order of arming.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Arm {
    deadline: Duration,
    number: u64,
    ticker: u64,
}

impl Timers {
    /// A new ticker, idle.
    pub(crate) fn insert(&mut self) -> u64 {
        self.last_id = self.last_id.wrapping_add(1);
        self.tickers.insert(self.last_id, Ticking::default());
        self.last_id
    }

    /// Takes a ticker out. The waker is the caller's to drop, outside its lock.
    #[must_use]
    pub(crate) fn remove(&mut self, id: u64) -> Option<Waker> {
        let ticking = self.tickers.remove(&id)?;
        self.skip_dead();
        ticking.waker
    }

    /// When `after` from `now` is. `None` is never: too far to count, or `Duration::MAX`.
    pub(crate) fn deadline(now: Duration, after: Duration) -> Option<Duration> {
        now.checked_add(after)
            .filter(|deadline| *deadline < Duration::MAX)
    }

    /// Arms a ticker, in place of the arm before. Its waker stays.
    pub(crate) fn arm(&mut self, id: u64, deadline: Duration) {
        let Some(ticking) = self.tickers.get_mut(&id) else {
            return;
        };
        self.last_arm = self.last_arm.wrapping_add(1);
        let arm = Arm {
            deadline,
            number: self.last_arm,
            ticker: id,
        };
        ticking.tick = Tick::Armed(arm);
        self.arms.push(Reverse(arm));
        self.skip_dead();
        self.clear_dead();
    }

    /// Disarms a ticker. The waker is the caller's to drop, outside its lock.
    #[must_use]
    pub(crate) fn disarm(&mut self, id: u64) -> Option<Waker> {
        let ticking = self.tickers.get_mut(&id)?;
        ticking.tick = Tick::Idle;
        let waker = ticking.waker.take();
        self.skip_dead();
        waker
    }

    /// Ready once per arm that is due at `now`, or that has been popped; else it keeps `waker`.
    ///
    /// What is left in `waker`, and what comes with `Ready`, is the caller's to drop, outside its
    /// lock. An idle ticker keeps no waker: it would hold a task that nothing here will ever wake.
    pub(crate) fn poll(
        &mut self,
        id: u64,
        now: Duration,
        waker: &mut Option<Waker>,
    ) -> Poll<Option<Waker>> {
        let Some(ticking) = self.tickers.get_mut(&id) else {
            return Poll::Pending;
        };
        match ticking.tick {
            Tick::Idle => Poll::Pending,
            Tick::Armed(arm) if now < arm.deadline => {
                mem::swap(&mut ticking.waker, waker);
                Poll::Pending
            }
            Tick::Armed(_) | Tick::Fired => {
                ticking.tick = Tick::Idle;
                let old = ticking.waker.take();
                self.skip_dead();
                Poll::Ready(old)
            }
        }
    }

    /// The earliest deadline that is armed and has not been popped.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.arms.peek().map(|Reverse(arm)| arm.deadline)
    }

    /// Fires what is due at `now`, earliest first, and puts the wakers into `due`.
    pub(crate) fn pop_due(&mut self, now: Duration, due: &mut Vec<Waker>) {
        while self.next_deadline().is_some_and(|next| next <= now) {
            let Some(Reverse(arm)) = self.arms.pop() else {
                return;
            };
            if let Some(ticking) = self.tickers.get_mut(&arm.ticker) {
                ticking.tick = Tick::Fired;
                due.extend(ticking.waker.take());
            }
            self.skip_dead();
        }
    }

    /// Brings a live arm to the top again.
    fn skip_dead(&mut self) {
        while let Some(Reverse(arm)) = self.arms.peek()
            && !is_live(&self.tickers, *arm)
        {
            self.arms.pop();
        }
    }

    /// Bounds the dead arms by the number of tickers. A pass costs what it removes, or less.
    fn clear_dead(&mut self) {
        let most = self.tickers.len().saturating_mul(2);
        if self.arms.len() > most.saturating_add(DEAD_ARMS) {
            let tickers = &self.tickers;
            self.arms.retain(|Reverse(arm)| is_live(tickers, *arm));
        }
    }
}

fn is_live(tickers: &HashMap<u64, Ticking>, arm: Arm) -> bool {
    tickers
        .get(&arm.ticker)
        .is_some_and(|ticking| ticking.tick == Tick::Armed(arm))
}

#[cfg(test)]
mod tests {
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

    fn poll(timers: &mut Timers, id: u64, now: Duration) -> bool {
        timers
            .poll(id, now, &mut Some(Waker::noop().clone()))
            .is_ready()
    }

    fn pop(timers: &mut Timers, now: Duration) -> Vec<Waker> {
        let mut due = Vec::new();
        timers.pop_due(now, &mut due);
        due
    }

    #[test]
    fn an_arm_is_ready_once() {
        let mut timers = Timers::default();
        let id = timers.insert();
        timers.arm(id, secs(5));
        assert!(!poll(&mut timers, id, secs(4)));
        assert!(poll(&mut timers, id, secs(5)));
        assert!(!poll(&mut timers, id, secs(6)));
    }

    #[test]
    fn a_poll_with_an_old_reading_still_sees_what_has_fired() {
        let mut timers = Timers::default();
        let id = timers.insert();
        timers.arm(id, secs(5));
        assert!(pop(&mut timers, secs(5)).is_empty(), "nobody waits yet");
        assert!(poll(&mut timers, id, secs(4)));
        assert!(!poll(&mut timers, id, secs(9)));
    }

    #[test]
    fn what_is_due_comes_out_once_and_earliest_first() {
        let mut timers = Timers::default();
        let counts: Vec<_> = (0..4).map(|_| Arc::new(Count::default())).collect();
        for (count, at) in counts.iter().zip([3, 1, 9, 1]) {
            let id = timers.insert();
            timers.arm(id, secs(at));
            let waker = Waker::from(Arc::clone(count));
            assert!(timers.poll(id, secs(0), &mut Some(waker)).is_pending());
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
    fn a_new_arm_takes_the_place_of_the_old_one() {
        let mut timers = Timers::default();
        let id = timers.insert();
        timers.arm(id, secs(1));
        timers.arm(id, secs(5));
        assert_eq!(timers.next_deadline(), Some(secs(5)));
        pop(&mut timers, secs(4));
        assert!(!poll(&mut timers, id, secs(4)));
        assert!(poll(&mut timers, id, secs(5)));
    }

    #[test]
    fn arming_again_keeps_the_waker() {
        let mut timers = Timers::default();
        let id = timers.insert();
        timers.arm(id, secs(5));
        assert!(!poll(&mut timers, id, secs(0)));
        timers.arm(id, secs(2));
        assert_eq!(pop(&mut timers, secs(2)).len(), 1);
    }

    #[test]
    fn arming_again_takes_back_what_has_fired() {
        let mut timers = Timers::default();
        let id = timers.insert();
        timers.arm(id, secs(1));
        pop(&mut timers, secs(1));
        timers.arm(id, secs(5));
        assert!(!poll(&mut timers, id, secs(1)));
    }

    #[test]
    fn a_disarmed_ticker_never_fires() {
        let mut timers = Timers::default();
        let id = timers.insert();
        timers.arm(id, secs(1));
        assert!(!poll(&mut timers, id, secs(0)));
        assert!(timers.disarm(id).is_some());
        assert_eq!(timers.next_deadline(), None);
        assert!(pop(&mut timers, secs(2)).is_empty());
        assert!(!poll(&mut timers, id, secs(2)));
    }

    #[test]
    fn disarming_takes_back_what_has_fired() {
        let mut timers = Timers::default();
        let id = timers.insert();
        timers.arm(id, secs(1));
        pop(&mut timers, secs(1));
        assert!(timers.disarm(id).is_none());
        assert!(!poll(&mut timers, id, secs(2)));
    }

    #[test]
    fn a_removed_ticker_leaves_nothing_behind() {
        let mut timers = Timers::default();
        let id = timers.insert();
        timers.arm(id, secs(1));
        assert!(!poll(&mut timers, id, secs(0)));
        assert!(timers.remove(id).is_some());
        assert!(timers.remove(id).is_none());
        assert!(timers.tickers.is_empty());
        assert!(timers.arms.is_empty());
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
    fn an_idle_ticker_gives_the_waker_back() {
        let count = Arc::new(Count::default());
        let mut timers = Timers::default();
        let id = timers.insert();
        let mut waker = Some(Waker::from(Arc::clone(&count)));
        assert!(timers.poll(id, secs(0), &mut waker).is_pending());
        assert!(waker.is_some());

        timers.arm(id, secs(1));
        assert!(timers.poll(id, secs(0), &mut waker).is_pending());
        assert!(waker.is_none());
        waker = Some(Waker::from(Arc::clone(&count)));
        assert!(timers.poll(id, secs(1), &mut waker).is_ready());
        drop(waker);
        assert_eq!(Arc::strong_count(&count), 1, "nothing holds the task");
    }

    #[test]
    fn dead_arms_do_not_pile_up() {
        let mut timers = Timers::default();
        let (early, late) = (timers.insert(), timers.insert());
        timers.arm(early, secs(0));
        for round in 0..10_000 {
            timers.arm(late, secs(10_000_u64.saturating_add(round)));
        }
        assert!(timers.arms.len() <= DEAD_ARMS + 4);
        pop(&mut timers, secs(0));
        assert_eq!(timers.next_deadline(), Some(secs(19_999)));
    }

    #[test]
    fn random_operations_agree_with_a_naive_list() {
        let mut timers = Timers::default();
        let ids: Vec<_> = (0..8).map(|_| timers.insert()).collect();
        // Per ticker: the deadline, and whether it still waits to be popped.
        let mut naive: Vec<Option<(Duration, bool)>> = vec![None; ids.len()];
        let (mut random, mut now) = (1_u64, 0_u64);
        for _ in 0..20_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let which = usize::try_from(random >> 40).unwrap() % ids.len();
            let (id, mine) = (ids[which], &mut naive[which]);
            match (random >> 8) % 5 {
                0 | 1 => {
                    let deadline = secs(now + (random >> 16) % 20);
                    timers.arm(id, deadline);
                    *mine = Some((deadline, true));
                }
                2 => {
                    drop(timers.disarm(id));
                    *mine = None;
                }
                3 => {
                    let ready = mine.is_some_and(|(at, waits)| !waits || at <= secs(now));
                    assert_eq!(poll(&mut timers, id, secs(now)), ready);
                    if ready {
                        *mine = None;
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
}
