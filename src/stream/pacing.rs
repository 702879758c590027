//! When a stream may take: at once, a gap after the last burst, or on a grid.
//!
//! Pure: `now` is an argument. All times are those of the stream's ticker.

use core::num::NonZeroU64;
use core::time::Duration;

use super::moment::Moment;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pacing {
    Immediate,
    Spaced(Duration),
    Every(Duration),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    Immediate,
    Spaced(Gap),
    Every(Grid),
}

/// A gap between two bursts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    length: Duration,
    /// Nothing goes before.
    until: Moment,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The last chunk was not all of its burst.
    Burst,
    /// The last poll sent the end of a burst: the next one is within the gap, or makes no haste.
    JustSent,
    Waiting,
}

/// A grid of ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    period: NonZeroU64,
    /// When the stream was first polled.
    origin: Moment,
    /// Ticks up to here are used.
    used: Moment,
    /// The tick at which this stream takes.
    tick: Moment,
    in_burst: bool,
}

impl Pace {
    pub(crate) fn new(pacing: Pacing) -> Self {
        match pacing {
            Pacing::Spaced(gap) if !gap.is_zero() => Self::Spaced(Gap {
                length: gap,
                until: Moment::ZERO,
                stage: Stage::Waiting,
            }),
            Pacing::Every(period) => {
                let nanos = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
                NonZeroU64::new(nanos).map_or(Self::Immediate, |period| {
                    Self::Every(Grid {
                        period,
                        origin: Moment::ZERO,
                        used: Moment::ZERO,
                        tick: Moment::NEVER,
                        in_burst: false,
                    })
                })
            }
            Pacing::Immediate | Pacing::Spaced(_) => Self::Immediate,
        }
    }

    #[inline]
    pub(crate) fn is_immediate(&self) -> bool {
        matches!(self, Self::Immediate)
    }

    #[inline]
    pub(crate) fn is_ticked(&self) -> bool {
        matches!(self, Self::Every(_))
    }

    #[inline]
    pub(crate) fn is_spaced(&self) -> bool {
        matches!(self, Self::Spaced(_))
    }

    /// Begins the grid. Its first tick is a period later.
    pub(crate) fn open(&mut self, now: Moment) {
        if let Self::Every(grid) = self {
            (grid.origin, grid.used) = (now, now);
        }
    }

    /// Whether the stream may take; if not, it asks whether something is due, and
    /// [`next_slot`](Self::next_slot) or [`rest`](Self::rest) follows. The time is read only where
    /// it matters.
    #[inline]
    pub(crate) fn is_open(&self, now: impl FnOnce() -> Moment) -> bool {
        match self {
            Self::Immediate => true,
            Self::Spaced(gap) => match gap.stage {
                Stage::Burst => true,
                Stage::JustSent => false,
                Stage::Waiting => gap.until <= now(),
            },
            Self::Every(grid) => grid.in_burst || grid.tick <= now(),
        }
    }

    /// Something is due at `due`, and nothing before: returns when to take it.
    pub(crate) fn next_slot(&mut self, due: Moment) -> Moment {
        match self {
            Self::Immediate => due,
            Self::Spaced(gap) => {
                gap.stage = Stage::Waiting;
                gap.until.max(due)
            }
            Self::Every(grid) => {
                grid.tick = grid.tick_at_or_after(due);
                grid.tick
            }
        }
    }

    /// Nothing is due. A burst of which the rest has expired ended with its last chunk.
    #[inline]
    pub(crate) fn rest(&mut self) {
        match self {
            Self::Immediate => {}
            Self::Spaced(gap) => gap.stage = Stage::Waiting,
            Self::Every(grid) => (grid.tick, grid.in_burst) = (Moment::NEVER, false),
        }
    }

    /// A chunk went out, and more of its burst follows or does not.
    pub(crate) fn sent(&mut self, now: Moment, more_follows: bool) {
        match self {
            Self::Immediate => {}
            Self::Spaced(gap) => {
                gap.until = now.plus(gap.length);
                gap.stage = if more_follows {
                    Stage::Burst
                } else {
                    Stage::JustSent
                };
            }
            Self::Every(grid) => {
                (grid.used, grid.tick, grid.in_burst) = (now, Moment::NEVER, more_follows);
            }
        }
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

    fn opened(pacing: Pacing) -> Pace {
        let mut pace = Pace::new(pacing);
        pace.open(at(500));
        pace
    }

    #[test]
    fn the_first_tick_is_one_period_after_the_first_poll() {
        let mut pace = opened(Pacing::Every(ms(1000)));
        assert!(!pace.is_open(|| at(500)));
        assert_eq!(pace.next_slot(at(500)), at(1500));
        assert!(!pace.is_open(|| at(1499)));
        assert!(pace.is_open(|| at(1500)));
    }

    #[test]
    fn missed_ticks_are_skipped_and_the_grid_stays() {
        let mut pace = opened(Pacing::Every(ms(1000)));
        pace.next_slot(at(700));
        pace.sent(at(4700), false);
        assert_eq!(pace.next_slot(at(4700)), at(5500));
        pace.sent(at(5500), false);
        assert_eq!(pace.next_slot(at(5500)), at(6500));
    }

    #[test]
    fn what_falls_due_at_a_tick_goes_with_it() {
        let mut pace = opened(Pacing::Every(ms(1000)));
        assert_eq!(pace.next_slot(at(2500)), at(2500));
        let mut pace = opened(Pacing::Every(ms(1000)));
        assert_eq!(pace.next_slot(at(2501)), at(3500));
        assert!(!pace.is_open(|| at(3000)), "something else may come");
        assert!(pace.is_open(|| at(3500)));
    }

    #[test]
    fn a_gap_lies_between_two_bursts_but_not_within_one() {
        let mut pace = opened(Pacing::Spaced(ms(20)));
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
        for pacing in [Pacing::Spaced(ms(0)), Pacing::Every(ms(0))] {
            assert!(opened(pacing).is_immediate());
        }
        let mut pace = opened(Pacing::Every(Duration::MAX));
        assert_eq!(pace.next_slot(at(700)), Moment::NEVER);
        let mut pace = opened(Pacing::Spaced(Duration::MAX));
        pace.sent(at(600), false);
        assert_eq!(pace.next_slot(at(700)), Moment::NEVER);
    }
}
