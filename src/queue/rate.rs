//! How many messages may leave a queue in each period.
//!
//! Pure: no lock, no clock; `now` is an argument.
//!
//! ```text
//! period     |----|----|         |----|      a grid, which begins again after a quiet period
//! 2 messages  aa   b              cc
//! ```

use core::time::Duration;
use std::time::SystemTime;

use crate::time::Deadline;

/// A limit on the messages that leave in each period of a grid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    messages: usize,
    period: Duration,
    /// When the current period began, or the last one: a period begins with a message.
    began: Option<SystemTime>,
    /// How many messages have left since then.
    taken: usize,
}

impl Rate {
    /// At most `messages` per `period`; `None` if that is no limit.
    pub(super) fn new(messages: usize, period: Duration) -> Option<Self> {
        (!period.is_zero()).then_some(Self {
            messages: messages.max(1),
            period,
            began: None,
            taken: 0,
        })
    }

    /// How many more messages may leave at `now`.
    pub(super) fn left(&self, now: SystemTime) -> usize {
        if self.has_ended(now) {
            return self.messages;
        }
        self.messages.saturating_sub(self.taken)
    }

    /// When the next period begins, if nothing is left of this one.
    pub(super) fn opens(&self, now: SystemTime) -> Option<Deadline> {
        (self.left(now) == 0).then(|| self.ends())
    }

    /// Counts a message that leaves.
    pub(super) fn take(&mut self, now: SystemTime) {
        if self.has_ended(now) {
            // The grid goes on, unless a whole period passed without a message.
            let next = self.ends().time();
            let is_quiet = self.ends().plus(self.period).has_come(now);
            self.began = next.filter(|_| !is_quiet).or(Some(now));
            self.taken = 0;
        }
        self.taken = self.taken.saturating_add(1);
    }

    /// Whether the current period is over, or none has begun.
    fn has_ended(&self, now: SystemTime) -> bool {
        self.began.is_none() || self.ends().has_come(now)
    }

    fn ends(&self) -> Deadline {
        let began = self.began.map_or(Deadline::Never, Deadline::At);
        began.plus(self.period)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
    }

    fn rate(messages: usize, secs: u64) -> Rate {
        Rate::new(messages, Duration::from_secs(secs)).unwrap()
    }

    #[test]
    fn the_grid_begins_with_a_message_and_goes_on_while_none_is_quiet() {
        let mut rate = rate(2, 10);
        rate.take(at(3));
        rate.take(at(12));
        assert_eq!(rate.opens(at(12)), Some(Deadline::At(at(13))));
        assert_eq!(rate.left(at(13)), 2);
        rate.take(at(19));
        rate.take(at(19));
        assert_eq!(rate.opens(at(22)), Some(Deadline::At(at(23))));
    }

    #[test]
    fn the_grid_begins_again_after_a_quiet_period() {
        let mut rate = rate(1, 10);
        rate.take(at(3));
        rate.take(at(23));
        assert_eq!(rate.opens(at(24)), Some(Deadline::At(at(33))));
    }

    #[test]
    fn a_jump_of_many_periods_releases_one() {
        let mut rate = rate(2, 10);
        rate.take(at(0));
        assert_eq!(rate.left(at(1_000)), 2);
        rate.take(at(1_000));
        assert_eq!(rate.left(at(1_000)), 1);
    }

    #[test]
    fn no_period_is_no_limit_and_no_messages_are_one() {
        assert!(Rate::new(1, Duration::ZERO).is_none());
        assert_eq!(rate(0, 1).left(at(0)), 1);
    }

    #[test]
    fn a_period_beyond_the_end_of_time_never_ends() {
        let mut rate = Rate::new(1, Duration::MAX).unwrap();
        rate.take(at(0));
        assert_eq!(rate.opens(at(1_000_000)), Some(Deadline::Never));
    }
}
