//! For how long no byte has gone out, and when a keep-alive is due.

use core::time::Duration;

use super::moment::Moment;

/// When the last byte went out, and after how long a keep-alive follows it.
#[derive(Debug)]
pub(super) struct Idle {
    /// When the last byte went out, or a moment before that.
    since: Moment,
    /// How long after that a keep-alive is due: the period, shortened.
    length: Moment,
    /// The period; [`Moment::NEVER`] if there is none.
    period: Moment,
    /// How many periods have been drawn.
    draws: u32,
    last: Last,
}

/// What is known of the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// It went out at `since`.
    Known,
    /// It went out before this poll: to read the ticker for each chunk would cost too much.
    Undated,
    /// The source remembers when, and answers when the keep-alive seems due.
    Deferred,
}

impl Idle {
    pub(super) fn new(period: Option<Duration>) -> Self {
        Self {
            since: Moment::ZERO,
            length: Moment::NEVER,
            period: period.map_or(Moment::NEVER, Moment::new),
            draws: 0,
            last: Last::Known,
        }
    }

    pub(super) fn set_period(&mut self, period: Option<Duration>) {
        self.period = period.map_or(Moment::NEVER, Moment::new);
    }

    /// Bytes other than a source's went out at `now`: the next period begins, shortened by up to a
    /// tenth, so that a crowd of streams does not fall into step.
    pub(super) fn restart(&mut self, now: Moment, seed: u64) {
        self.draws = self.draws.wrapping_add(1);
        let random = mix(seed.wrapping_add(u64::from(self.draws) << 32));
        let thousandths = u8::try_from(random % 101).unwrap_or_default();
        self.length = self.period.shortened_by(thousandths);
        self.count_from(now);
    }

    /// A chunk went out, at `now` if that is known; else the source may remember when it came.
    #[inline]
    pub(super) fn sent(&mut self, now: Option<Moment>, is_dated: bool) {
        match now {
            Some(now) => self.count_from(now),
            // Without a bound of its own, a stream reads its ticker first.
            None if is_dated && self.last != Last::Undated => self.last = Last::Deferred,
            None => self.last = Last::Undated,
        }
    }

    /// Whether the source must say when the last byte went out.
    #[inline]
    pub(super) fn is_deferred(&self) -> bool {
        self.last == Last::Deferred
    }

    /// The source's answer. It may count by another clock: the last byte went out neither before
    /// the last one that is dated, nor after now.
    pub(super) fn answer(&mut self, idle: Duration, now: Moment) {
        self.count_from(now.minus(idle).max(self.since));
    }

    /// A moment before which no keep-alive is due, if that is known without reading the ticker.
    #[inline]
    pub(super) fn earliest(&self) -> Option<Moment> {
        if self.last == Last::Undated && self.length != Moment::NEVER {
            return None;
        }
        Some(self.since.later_by(self.length))
    }

    /// When a keep-alive is due, as far as is known at `now`.
    pub(super) fn due(&mut self, now: Moment) -> Moment {
        if self.last == Last::Undated {
            self.count_from(now);
        }
        self.since.later_by(self.length)
    }

    #[inline]
    fn count_from(&mut self, since: Moment) {
        self.since = since;
        self.last = Last::Known;
    }
}

/// One step of `SplitMix64` (Steele, Lea, Flood 2014): enough to spread clients.
pub(super) fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Moment {
        Moment::new(Duration::from_secs(secs))
    }

    fn unshortened() -> Idle {
        Idle {
            length: at(10),
            ..Idle::new(Some(Duration::from_secs(10)))
        }
    }

    #[test]
    fn each_period_is_shortened_by_at_most_a_tenth_and_they_differ() {
        let mut idle = Idle::new(Some(Duration::from_secs(10)));
        let mut ends = Vec::new();
        for _ in 0..200 {
            idle.restart(Moment::ZERO, 7);
            let due = idle.due(Moment::ZERO);
            assert!(at(9) <= due && due <= at(10), "{due:?}");
            ends.push(due);
        }
        ends.sort_unstable();
        ends.dedup();
        assert!(ends.len() > 60);
    }

    #[test]
    fn the_sources_answer_lies_between_the_last_date_and_now() {
        for (idle, since) in [(0, 30), (5, 25), (100, 10)] {
            let mut own = unshortened();
            own.sent(Some(at(10)), false);
            own.sent(None, true);
            assert!(own.is_deferred());
            own.answer(Duration::from_secs(idle), at(30));
            assert_eq!(own.due(at(30)), at(since + 10));
        }
    }

    #[test]
    fn an_undated_chunk_counts_from_the_next_poll_that_reads_the_ticker() {
        let mut idle = unshortened();
        idle.sent(None, false);
        assert_eq!(idle.earliest(), None);
        assert_eq!(idle.due(at(3)), at(13));
        assert_eq!(idle.earliest(), Some(at(13)));
    }
}
