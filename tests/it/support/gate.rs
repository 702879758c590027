//! When a queue with a rate may hand out, or one that is paused: a plain list of what has left.

use std::time::Duration;

/// A pause, and a rate. Times count from any common moment.
#[derive(Debug, Default)]
pub struct Gate {
    /// So many messages, in each period of so long.
    pub rate: Option<(usize, Duration)>,
    pub is_paused: bool,
    /// When each message has left since the grid began; the first began it.
    left: Vec<Duration>,
}

impl Gate {
    pub fn of(rate: Option<(usize, Duration)>) -> Self {
        Self {
            rate,
            ..Self::default()
        }
    }

    pub fn is_open(&self, now: Duration) -> bool {
        let in_this = self.left.iter();
        let in_this = in_this.filter(|left| self.period(**left) == self.period(now));
        let is_spent = self.rate.is_some_and(|(rate, _)| in_this.count() >= rate);
        !self.is_paused && !is_spent
    }

    #[track_caller]
    pub fn take(&mut self, now: Duration) {
        assert!(self.is_open(now), "nothing may leave");
        let last = self.left.last().map(|last| self.period(*last));
        if last.is_some_and(|last| self.period(now) > last + 1) {
            // After a quiet period.
            self.left.clear();
        }
        self.left.push(now);
    }

    fn period(&self, time: Duration) -> u128 {
        let (Some(first), Some((_, period))) = (self.left.first(), self.rate) else {
            return 0;
        };
        time.saturating_sub(*first).as_nanos() / period.as_nanos()
    }
}
