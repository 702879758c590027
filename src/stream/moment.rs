//! A point of the ticker's time.

use core::time::Duration;

/// A point of the ticker's time, in nanoseconds: half the size of an `Option<Duration>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    pub(crate) const ZERO: Self = Self(0);
    /// Later than every other moment: 584 years after the ticker's origin.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    pub(crate) fn new(elapsed: Duration) -> Self {
        Self(nanos(elapsed))
    }

    pub(crate) fn plus(self, after: Duration) -> Self {
        Self(self.0.saturating_add(nanos(after)))
    }

    pub(crate) fn minus(self, before: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(before)))
    }

    /// Later by the time between zero and `span`.
    #[inline]
    pub(crate) fn later_by(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// Nearer to zero by that many thousandths; never stays never.
    pub(crate) fn shortened_by(self, thousandths: u8) -> Self {
        if self == Self::NEVER {
            return self;
        }
        let less = (self.0 / 1000).saturating_mul(thousandths.into());
        Self(self.0.saturating_sub(less))
    }

    /// In nanoseconds after zero.
    #[inline]
    pub(crate) fn nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
