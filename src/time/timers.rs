//! Armed deadlines, and the wakers of the tasks that wait for them.
//!
//! Pure: no lock, no clock.

use core::mem;
use core::task::{Poll, Waker};
use core::time::Duration;
use std::collections::BTreeMap;

/// The deadlines of any number of tickers.
///
/// Wakers are passed and returned by value: the caller clones them before it takes its lock, and
/// wakes and drops them after it has released it. A ticker that is not armed takes no memory here.
///
/// Each ticker keeps its [`Arm`]. If the arm is not found here, it has fired.
///
/// ```text
///           arm                       pop_due
///   idle ---------> armed: found here ---------> fired: not found
///     ^               |                             |
///     +---------------+---- poll (ready), disarm ---+
/// ```
#[derive(Default)]
pub(crate) struct Timers {
    /// A tree rather than a heap, since entries are removed from the middle: it has no dead
    /// entries, and its memory follows the number of entries without occasional large copies.
    arms: BTreeMap<Arm, Option<Waker>>,
    last_number: u64,
}

/// One arming of a ticker, ordered by deadline and then by the order of arming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arm {
    deadline: Duration,
    number: u64,
}

impl Arm {
    pub(crate) fn deadline(self) -> Duration {
        self.deadline
    }
}

impl Timers {
    /// The deadline `after` from `now`; `None`, which is never, if it overflows or is
    /// `Duration::MAX`.
    pub(crate) fn deadline(now: Duration, after: Duration) -> Option<Duration> {
        now.checked_add(after)
            .filter(|deadline| *deadline < Duration::MAX)
    }

    /// Arms a ticker instead of `old`. Returns the arm, and whether it has a waker, which it takes
    /// over from `old` unless that has fired.
    pub(crate) fn arm(&mut self, old: Option<Arm>, deadline: Duration) -> (Arm, bool) {
        let waker = old.and_then(|old| self.disarm(old));
        let has_waker = waker.is_some();
        self.last_number = self.last_number.wrapping_add(1);
        let arm = Arm {
            deadline,
            number: self.last_number,
        };
        self.arms.insert(arm, waker);
        (arm, has_waker)
    }

    /// Removes an arm. The caller drops the waker outside its lock.
    #[must_use]
    pub(crate) fn disarm(&mut self, arm: Arm) -> Option<Waker> {
        self.arms.remove(&arm).flatten()
    }

    /// Returns `Ready`, and removes the arm, if it has fired or is due at `now`. Otherwise stores
    /// `waker`.
    ///
    /// The caller drops what is left in `waker`, and the waker in `Ready`, outside its lock. An arm
    /// that has fired is ready even if `now` was read before that.
    pub(crate) fn poll(
        &mut self,
        arm: Arm,
        now: Duration,
        waker: &mut Option<Waker>,
    ) -> Poll<Option<Waker>> {
        if arm.deadline <= now {
            return Poll::Ready(self.disarm(arm));
        }
        match self.arms.get_mut(&arm) {
            Some(stored) => {
                mem::swap(stored, waker);
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }

    /// The earliest deadline that has not fired.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.arms.first_key_value().map(|(arm, _)| arm.deadline)
    }

    /// Fires at most `max` arms that are due at `now`, earliest first, and moves their wakers to
    /// `due`.
    pub(crate) fn pop_due(&mut self, now: Duration, max: usize, due: &mut Vec<Waker>) {
        for _ in 0..max {
            match self.arms.first_entry() {
                Some(first) if first.key().deadline <= now => due.extend(first.remove()),
                _ => return,
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
