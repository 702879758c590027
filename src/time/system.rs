//! The machine's wall clock, made never to decrease.

use core::time::Duration;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::sync::{AtomicU64, Ordering};
use crate::time::{Clock, saturating_add};

/// How far ahead the wall clock may be before a [`SystemClock`] follows it.
const TOLERANCE: Duration = Duration::from_millis(10);

/// The system's wall clock, made never to decrease.
///
/// It is an [`Instant`] that is anchored to the [`SystemTime`] when it was created. If the wall
/// clock is more than 10 ms ahead, because the machine was suspended or the clock was set, this
/// clock follows in a single step. It never follows the wall clock backwards: after such a
/// correction it continues at the pace of the `Instant`, ahead of the wall clock, until the wall
/// clock has caught up or the process ends.
///
/// Clones share the anchor: on any thread, none of them returns an earlier time than another one
/// has returned before.
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
    /// Creates a clock that shows the system's time.
    ///
    /// # Panics
    ///
    /// On `wasm32-unknown-unknown`, where the standard library has no clock. Implement [`Clock`]
    /// with the host's clock there.
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
        // The order matters: if the thread is suspended in between, the wall clock seems to be
        // behind, which does no harm. In the other order it would seem to be ahead, and the clock
        // would follow.
        let wall = SystemTime::now();
        self.anchor.read(self.started.elapsed(), wall)
    }
}

/// Ties elapsed time to wall-clock time. Both readings are arguments.
#[derive(Debug)]
struct Anchor {
    origin: SystemTime,
    /// How far ahead of `origin` plus elapsed time the wall clock has been, in nanoseconds.
    ///
    /// This and elapsed time only grow, so their sum never decreases. `Relaxed` suffices: no other
    /// data is published through it, and a later load never sees an older value.
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

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
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
            "the wall clock moved forwards, but is still behind"
        );
    }

    #[test]
    fn a_late_reading_does_not_undo_a_jump() {
        let anchor = Anchor::new(EPOCH);
        let shown = anchor.read(secs(2), EPOCH + secs(3600));
        let late = anchor.read(secs(1), EPOCH + secs(1));
        assert_eq!(late, EPOCH + secs(3599));
        assert!(anchor.read(secs(2), EPOCH + secs(1)) >= shown);
    }

    #[test]
    fn the_clock_never_decreases_whatever_the_wall_clock_does() {
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
    fn an_extreme_wall_clock_does_not_panic() {
        let anchor = Anchor::new(EPOCH);
        let latest = saturating_add(EPOCH, Duration::MAX);
        let shown = anchor.read(secs(1), latest);
        assert!(shown > EPOCH + secs(1));
        assert!(anchor.read(Duration::MAX, latest) >= shown);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

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
