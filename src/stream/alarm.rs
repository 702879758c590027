//! What a stream's ticker is armed for.

use core::pin::Pin;
use core::task::{Context, Poll};

use super::moment::Moment;
use crate::time::{MAX_ARM, Ticker};

/// What the ticker is armed for: [`Moment::NEVER`] if for nothing.
#[derive(Debug)]
pub(super) struct Alarm(Moment);

impl Alarm {
    pub(super) fn new() -> Self {
        Self(Moment::NEVER)
    }

    #[inline]
    pub(super) fn is_armed(&self) -> bool {
        self.0 != Moment::NEVER
    }

    /// Whether the ticker needs no arming for `next`: an earlier tick arms again, so that a chunk
    /// costs no arming.
    #[inline]
    pub(super) fn covers(&self, next: Moment) -> bool {
        if next == Moment::NEVER {
            return !self.is_armed();
        }
        self.0 <= next
    }

    /// Whether its time has come, though the ticker has not been polled since.
    #[inline]
    pub(super) fn is_past(&self, now: Moment) -> bool {
        self.0 <= now
    }

    /// Arms for `next`, unless the tick that is armed covers it.
    pub(super) fn set<T: Ticker>(&mut self, ticker: Pin<&mut T>, next: Moment, now: Moment) {
        if next == Moment::NEVER {
            self.disarm(ticker);
        } else if self.is_past(now) || !self.covers(next) {
            let after = next.since(now).min(MAX_ARM);
            self.0 = now.plus(after);
            ticker.arm(Some(after));
        }
    }

    pub(super) fn disarm<T: Ticker>(&mut self, ticker: Pin<&mut T>) {
        if core::mem::replace(&mut self.0, Moment::NEVER) != Moment::NEVER {
            ticker.arm(None);
        }
    }

    /// Ready when the tick has come that is armed.
    #[inline]
    pub(super) fn poll<T: Ticker>(
        &mut self,
        ticker: Pin<&mut T>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if !self.is_armed() {
            return Poll::Pending;
        }
        let tick = ticker.poll_tick(cx);
        if tick.is_ready() {
            self.0 = Moment::NEVER;
        }
        tick
    }

    /// Whether its time has come, for a caller that leaves no waker with the ticker.
    pub(super) fn has_come(&mut self, now: Moment) -> bool {
        let has_come = self.is_past(now);
        if has_come {
            self.0 = Moment::NEVER;
        }
        has_come
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::FakeClock;
    use core::time::Duration;

    #[test]
    fn an_earlier_tick_stays_armed_and_a_later_one_gives_way() {
        let at = |secs| Moment::new(Duration::from_secs(secs));
        let clock = FakeClock::new();
        let mut ticker = clock.ticker();
        let mut alarm = Alarm::new();
        for (next, armed) in [(15, 15), (20, 15), (5, 5)] {
            alarm.set(Pin::new(&mut ticker), at(next), Moment::ZERO);
            assert_eq!(clock.next_deadline(), Some(Duration::from_secs(armed)));
        }
        alarm.set(Pin::new(&mut ticker), Moment::NEVER, Moment::ZERO);
        assert_eq!(clock.next_deadline(), None);
        assert!(alarm.covers(Moment::NEVER) && !alarm.covers(at(1)));
    }
}
