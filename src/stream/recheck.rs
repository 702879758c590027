//! When to poll a source again that has nothing due.

use core::time::Duration;
use std::time::SystemTime;

use super::moment::Moment;

/// The longest time for which a ticker is armed for a source's deadline, so that a jump of the wall
/// clock is noticed.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The deadline of a source, and how many times it was still ahead when the ticker said that it had
/// come.
///
/// Clock and ticker may differ: a tick can come before its message is due. The next one is then at
/// least a millisecond later, and twice that each time, up to about a second: late, never spinning.
/// A deadline that another stream dealt with gives way to the next, and causes no pause.
#[derive(Debug)]
pub(super) struct Recheck {
    deadline: Option<SystemTime>,
    /// The deadline by the ticker; [`Moment::NEVER`] if there is none.
    due: Moment,
    /// How many times it came too early.
    early: u8,
}

impl Recheck {
    pub(super) fn new() -> Self {
        Self {
            deadline: None,
            due: Moment::NEVER,
            early: 0,
        }
    }

    #[inline]
    pub(super) fn reset(&mut self) {
        self.due = Moment::NEVER;
    }

    /// Converts the source's `deadline`, which is `after` from `now`, to the ticker's time.
    pub(super) fn due(
        &mut self,
        after: Duration,
        deadline: Option<SystemTime>,
        now: Moment,
    ) -> Moment {
        // A source that names none may mean another one if it is far away.
        let is_same = self.due != Moment::NEVER
            && self.deadline == deadline
            && (deadline.is_some() || after < Duration::from_millis(1 << self.early));
        if !is_same {
            self.early = 0;
        } else if self.due <= now {
            self.early = self.early.saturating_add(1).min(11);
        }
        let least = match self.early.checked_sub(1) {
            Some(doublings) => Duration::from_millis(1 << doublings),
            None => Duration::ZERO,
        };
        self.deadline = deadline;
        self.due = now.plus(after.max(least));
        self.due
    }

    /// When to poll again: at the deadline that is `due`, or sooner if it is far away.
    pub(super) fn poll_at(due: Moment, now: Moment) -> Moment {
        if due == Moment::NEVER {
            return due;
        }
        due.min(now.plus(MAX_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(millis: u64) -> Moment {
        Moment::new(Duration::from_millis(millis))
    }

    #[test]
    fn the_same_deadline_that_came_too_early_is_put_off_for_twice_as_long_each_time() {
        let mut recheck = Recheck::new();
        let deadline = Some(SystemTime::UNIX_EPOCH);
        let mut now = at(0);
        for pause in [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024] {
            let due = recheck.due(Duration::ZERO, deadline, now);
            assert_eq!(due.since(now), pause * MS);
            now = due;
        }
    }

    #[test]
    fn another_deadline_is_never_put_off() {
        let mut recheck = Recheck::new();
        for n in 0..100 {
            let deadline = Some(SystemTime::UNIX_EPOCH + n * MS);
            let due = recheck.due(MS, deadline, at(n.into()));
            assert_eq!(due, at(u64::from(n) + 1));
        }
    }

    #[test]
    fn a_far_deadline_is_checked_every_30_seconds() {
        assert_eq!(Recheck::poll_at(at(3_600_000), at(5)), at(30_005));
        assert_eq!(Recheck::poll_at(at(29_000), at(5)), at(29_000));
        assert_eq!(Recheck::poll_at(Moment::NEVER, at(5)), Moment::NEVER);
    }
}
