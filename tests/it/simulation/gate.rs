//! When a queue may hand out: a plain list of what has left.

use std::time::{Duration, SystemTime};

use crate::support::ms;

/// The period of queues with a rate.
pub const PERIOD: Duration = ms(900);

/// A pause, and a rate.
#[derive(Debug, Default)]
pub struct Gate {
    pub rate: Option<usize>,
    pub is_paused: bool,
    /// What has left since the grid began, the first at its beginning.
    left: Vec<SystemTime>,
}

impl Gate {
    pub fn is_open(&self, now: SystemTime) -> bool {
        let in_this = self.left.iter();
        let in_this = in_this.filter(|left| self.period(**left) == self.period(now));
        let is_spent = self.rate.is_some_and(|rate| in_this.count() >= rate);
        !self.is_paused && !is_spent
    }

    pub fn take(&mut self, now: SystemTime) {
        assert!(self.is_open(now), "nothing may leave");
        let last = self.left.last().map(|last| self.period(*last));
        if last.is_some_and(|last| self.period(now) > last + 1) {
            // After a quiet period.
            self.left.clear();
        }
        self.left.push(now);
    }

    fn period(&self, time: SystemTime) -> u128 {
        let since = self.left.first().map(|first| time.duration_since(*first));
        since.map_or(0, |since| since.unwrap().as_nanos() / PERIOD.as_nanos())
    }
}
