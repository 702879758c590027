//! When a stream may take: at once, a gap after the last burst, or on a grid.
//!
//! Pure: `now` is an argument. All times are those of the stream's ticker.

use core::num::NonZeroU64;
use core::time::Duration;

use super::moment::Moment;

/// When a stream may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Immediate,
    Spaced(Duration),
    Every(Duration),
}

/// How a stream is paced, and how far it has come.
///
/// | `opens` | an immediate stream | a spaced one | one on a grid |
/// |---|---|---|---|
/// | zero | takes | takes: nothing went before, or the burst goes on | takes: the burst goes on |
/// | a moment | | takes from the end of its gap on | takes from that tick on |
/// | never | | asks: it has just sent | asks: nothing was due |
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    opens: Moment,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Immediate,
    Spaced(Gap),
    Every(Grid),
}

/// A gap between two bursts.
#[derive(Clone, Copy, Debug)]
struct Gap {
    length: Moment,
    /// Nothing goes before.
    until: Moment,
}

/// A grid of ticks.
#[derive(Clone, Copy, Debug)]
struct Grid {
    period: NonZeroU64,
    /// When the stream was first polled.
    origin: Moment,
    /// Ticks up to here are used.
    used: Moment,
}

impl Pace {
    pub(crate) fn new(pacing: When) -> Self {
        let kind = match pacing {
            When::Spaced(gap) if !gap.is_zero() => Kind::Spaced(Gap {
                length: Moment::new(gap),
                until: Moment::ZERO,
            }),
            When::Every(period) => {
                let nanos = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
                NonZeroU64::new(nanos).map_or(Kind::Immediate, |period| {
                    Kind::Every(Grid {
                        period,
                        origin: Moment::ZERO,
                        used: Moment::ZERO,
                    })
                })
            }
            When::Immediate | When::Spaced(_) => Kind::Immediate,
        };
        let opens = match kind {
            Kind::Immediate | Kind::Spaced(_) => Moment::ZERO,
            Kind::Every(_) => Moment::NEVER,
        };
        Self { opens, kind }
    }

    #[inline]
    pub(crate) fn is_immediate(&self) -> bool {
        matches!(self.kind, Kind::Immediate)
    }

    #[inline]
    pub(crate) fn is_ticked(&self) -> bool {
        matches!(self.kind, Kind::Every(_))
    }

    #[inline]
    pub(crate) fn is_spaced(&self) -> bool {
        matches!(self.kind, Kind::Spaced(_))
    }

    /// A message that is ready is taken within so many nanoseconds.
    #[inline]
    pub(crate) fn period(&self) -> u64 {
        match &self.kind {
            Kind::Immediate => 0,
            Kind::Spaced(gap) => gap.length.nanos(),
            Kind::Every(grid) => grid.period.get(),
        }
    }

    /// Begins the grid. Its first tick is a period later.
    pub(crate) fn open(&mut self, now: Moment) {
        if let Kind::Every(grid) = &mut self.kind {
            (grid.origin, grid.used) = (now, now);
        }
    }

    /// Whether the stream may take; if not, it asks whether something is due, and
    /// [`next_slot`](Self::next_slot) or [`rest`](Self::rest) follows. The time is read only where
    /// it matters.
    #[inline]
    pub(crate) fn is_open(&self, now: impl FnOnce() -> Moment) -> bool {
        self.opens == Moment::ZERO || (self.opens != Moment::NEVER && self.opens <= now())
    }

    /// Something is due at `due`, and nothing before: returns when to take it.
    pub(crate) fn next_slot(&mut self, due: Moment) -> Moment {
        match &self.kind {
            Kind::Immediate => due,
            Kind::Spaced(gap) => {
                self.opens = gap.until;
                gap.until.max(due)
            }
            Kind::Every(grid) => {
                self.opens = grid.tick_at_or_after(due);
                self.opens
            }
        }
    }

    /// Nothing is due. A burst of which the rest has expired ended with its last chunk.
    #[inline]
    pub(crate) fn rest(&mut self) {
        match &self.kind {
            Kind::Immediate => {}
            Kind::Spaced(gap) => self.opens = gap.until,
            Kind::Every(_) => self.opens = Moment::NEVER,
        }
    }

    /// A chunk went out, and more of its burst follows or does not.
    #[inline]
    pub(crate) fn sent(&mut self, now: Moment, more_follows: bool) {
        match &mut self.kind {
            Kind::Immediate => return,
            Kind::Spaced(gap) => gap.until = now.later_by(gap.length),
            Kind::Every(grid) => grid.used = now,
        }
        self.opens = if more_follows {
            Moment::ZERO
        } else {
            Moment::NEVER
        };
    }
}

impl Grid {
    /// The first tick that is not used yet, at `time` or after it. Ticks that were missed are
    /// skipped, never made up.
    ///
    /// ```text
    /// origin      +1          +2          +3
    ///   |-----------|-----------|-----------|
    ///                    a  b        c          taken at a: b waits for +2, c for +3
    /// ```
    fn tick_at_or_after(&self, time: Moment) -> Moment {
        let since = |time: Moment| {
            let since = time.since(self.origin).as_nanos();
            u64::try_from(since).unwrap_or(u64::MAX)
        };
        let used = (since(self.used) / self.period).saturating_add(1);
        let tick = since(time).div_ceil(self.period.get()).max(used);
        let after = Duration::from_nanos(tick.saturating_mul(self.period.get()));
        self.origin.plus(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn at(millis: u64) -> Moment {
        Moment::new(ms(millis))
    }

    fn opened(pacing: When) -> Pace {
        let mut pace = Pace::new(pacing);
        pace.open(at(500));
        pace
    }

    #[test]
    fn the_first_tick_is_one_period_after_the_first_poll() {
        let mut pace = opened(When::Every(ms(1000)));
        assert!(!pace.is_open(|| at(500)));
        assert_eq!(pace.next_slot(at(500)), at(1500));
        assert!(!pace.is_open(|| at(1499)));
        assert!(pace.is_open(|| at(1500)));
    }

    #[test]
    fn missed_ticks_are_skipped_and_the_grid_stays() {
        let mut pace = opened(When::Every(ms(1000)));
        pace.next_slot(at(700));
        pace.sent(at(4700), false);
        assert_eq!(pace.next_slot(at(4700)), at(5500));
        pace.sent(at(5500), false);
        assert_eq!(pace.next_slot(at(5500)), at(6500));
    }

    #[test]
    fn what_falls_due_at_a_tick_goes_with_it() {
        let mut pace = opened(When::Every(ms(1000)));
        assert_eq!(pace.next_slot(at(2500)), at(2500));
        let mut pace = opened(When::Every(ms(1000)));
        assert_eq!(pace.next_slot(at(2501)), at(3500));
        assert!(!pace.is_open(|| at(3000)), "something else may come");
        assert!(pace.is_open(|| at(3500)));
    }

    #[test]
    fn a_gap_lies_between_two_bursts_but_not_within_one() {
        let mut pace = opened(When::Spaced(ms(20)));
        assert!(pace.is_open(|| at(500)));
        pace.sent(at(600), true);
        assert!(pace.is_open(|| at(600)));
        pace.sent(at(600), false);
        assert!(!pace.is_open(|| panic!("reads the time")));
        assert_eq!(pace.next_slot(at(619)), at(620));
        assert!(!pace.is_open(|| at(619)));
        assert!(pace.is_open(|| at(620)));
    }

    #[test]
    fn zero_is_immediate_and_the_longest_is_never() {
        for pacing in [When::Spaced(ms(0)), When::Every(ms(0))] {
            assert!(opened(pacing).is_immediate());
        }
        let mut pace = opened(When::Every(Duration::MAX));
        assert_eq!(pace.next_slot(at(700)), Moment::NEVER);
        let mut pace = opened(When::Spaced(Duration::MAX));
        pace.sent(at(600), false);
        assert_eq!(pace.next_slot(at(700)), Moment::NEVER);
    }
}
