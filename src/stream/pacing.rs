//! When a stream may take: at once, a gap after the last chunk, or on a grid.
//!
//! Pure: `now` is an argument. All times are those of the stream's ticker.

use core::num::NonZeroU128;
use core::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pacing {
    Immediate,
    Spaced(Duration),
    Every(Duration),
}

/// What the pace allows at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Take.
    Open,
    /// Nothing can go before that time: there is no use in being woken.
    Shut(Duration),
    /// Ask whether something is due; if so, [`Pace::look`] says when to take.
    Ask,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pacing: Pacing,
    /// The origin of the grid: when the stream was first polled.
    origin: Duration,
    /// Spaced: nothing goes before. On a grid: ticks up to here are used.
    after: Duration,
    /// On a grid: the tick at which this stream takes.
    tick: Option<Duration>,
}

impl Pace {
    pub(crate) fn new(pacing: Pacing) -> Self {
        let pacing = match pacing {
            Pacing::Spaced(Duration::ZERO) | Pacing::Every(Duration::ZERO) => Pacing::Immediate,
            pacing => pacing,
        };
        Self {
            pacing,
            origin: Duration::ZERO,
            after: Duration::ZERO,
            tick: None,
        }
    }

    #[inline]
    pub(crate) fn is_immediate(&self) -> bool {
        self.pacing == Pacing::Immediate
    }

    #[inline]
    pub(crate) fn is_ticked(&self) -> bool {
        matches!(self.pacing, Pacing::Every(_))
    }

    /// Begins the grid. Its first tick is a period later.
    pub(crate) fn open(&mut self, now: Duration) {
        self.origin = now;
        self.after = now;
    }

    pub(crate) fn gate(&self, now: Duration) -> Gate {
        match (self.pacing, self.tick) {
            (Pacing::Spaced(_), _) if now < self.after => Gate::Shut(self.after),
            (Pacing::Immediate | Pacing::Spaced(_), _) => Gate::Open,
            (Pacing::Every(_), Some(tick)) if tick <= now => Gate::Open,
            (Pacing::Every(_), _) => Gate::Ask,
        }
    }

    /// Something is due at `due`, and nothing before: returns when to take it.
    pub(crate) fn look(&mut self, due: Duration) -> Duration {
        if !self.is_ticked() {
            return due;
        }
        let tick = self.tick_at_or_after(due);
        self.tick = Some(tick);
        tick
    }

    /// Nothing is due, and nothing will be without a wake-up.
    #[inline]
    pub(crate) fn rest(&mut self) {
        self.tick = None;
    }

    /// A chunk went out.
    pub(crate) fn taken(&mut self, now: Duration) {
        self.rest();
        match self.pacing {
            Pacing::Immediate => {}
            Pacing::Spaced(gap) => self.after = now.saturating_add(gap),
            Pacing::Every(_) => self.after = now,
        }
    }

    /// The first tick that is not used yet, at `time` or behind it. Ticks that were missed are
    /// skipped, never made up.
    ///
    /// ```text
    /// origin      +1          +2          +3
    ///   |-----------|-----------|-----------|
    ///                    a  b        c          taken at a: b waits for +2, c for +3
    /// ```
    fn tick_at_or_after(&self, time: Duration) -> Duration {
        let Pacing::Every(period) = self.pacing else {
            return time;
        };
        let Some(nanos) = NonZeroU128::new(period.as_nanos()) else {
            return time;
        };
        let since = |time: Duration| time.saturating_sub(self.origin).as_nanos();
        let used = (since(self.after) / nanos).saturating_add(1);
        let tick = since(time).div_ceil(nanos.get()).max(used);
        self.origin
            .saturating_add(from_nanos(tick.saturating_mul(nanos.get())))
    }
}

fn from_nanos(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let rest = u32::try_from(nanos % SECOND).unwrap_or_default();
    u64::try_from(nanos / SECOND).map_or(Duration::MAX, |secs| Duration::new(secs, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn opened(pacing: Pacing) -> Pace {
        let mut pace = Pace::new(pacing);
        pace.open(ms(500));
        pace
    }

    #[test]
    fn the_first_tick_is_one_period_after_the_first_poll() {
        let mut pace = opened(Pacing::Every(ms(1000)));
        assert_eq!(pace.gate(ms(500)), Gate::Ask);
        assert_eq!(pace.look(ms(500)), ms(1500));
        assert_eq!(pace.gate(ms(1499)), Gate::Ask);
        assert_eq!(pace.gate(ms(1500)), Gate::Open);
    }

    #[test]
    fn missed_ticks_are_skipped_and_the_grid_stays() {
        let mut pace = opened(Pacing::Every(ms(1000)));
        pace.look(ms(700));
        pace.taken(ms(4700));
        assert_eq!(pace.look(ms(4700)), ms(5500));
        pace.taken(ms(5500));
        assert_eq!(pace.look(ms(5500)), ms(6500));
    }

    #[test]
    fn what_falls_due_at_a_tick_goes_with_it() {
        let mut pace = opened(Pacing::Every(ms(1000)));
        assert_eq!(pace.look(ms(2500)), ms(2500));
        let mut pace = opened(Pacing::Every(ms(1000)));
        assert_eq!(pace.look(ms(2501)), ms(3500));
        assert_eq!(pace.gate(ms(3000)), Gate::Ask, "something else may come");
        assert_eq!(pace.gate(ms(3500)), Gate::Open);
    }

    #[test]
    fn a_gap_lies_between_two_chunks() {
        let mut pace = opened(Pacing::Spaced(ms(20)));
        assert_eq!(pace.gate(ms(500)), Gate::Open);
        pace.taken(ms(600));
        assert_eq!(pace.gate(ms(619)), Gate::Shut(ms(620)));
        assert_eq!(pace.gate(ms(620)), Gate::Open);
    }

    #[test]
    fn zero_is_immediate_and_the_longest_is_never() {
        for pacing in [Pacing::Spaced(ms(0)), Pacing::Every(ms(0))] {
            assert_eq!(opened(pacing).gate(ms(500)), Gate::Open);
        }
        let mut pace = opened(Pacing::Every(Duration::MAX));
        assert_eq!(pace.look(ms(700)), Duration::MAX);
        let mut pace = opened(Pacing::Spaced(Duration::MAX));
        pace.taken(ms(600));
        assert_eq!(pace.gate(ms(700)), Gate::Shut(Duration::MAX));
    }
}
