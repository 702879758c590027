//! A point in wall-clock time, or never.

use core::time::Duration;
use std::time::SystemTime;

/// A point in wall-clock time, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    At(SystemTime),
    Never,
}

impl Deadline {
    /// The deadline that is later by `time`; never, if that overflows.
    pub(crate) fn plus(self, time: Duration) -> Self {
        match self {
            Self::At(at) => at.checked_add(time).map_or(Self::Never, Self::At),
            Self::Never => Self::Never,
        }
    }

    /// Whether the deadline is now or earlier.
    pub(crate) fn has_come(self, now: SystemTime) -> bool {
        self <= Self::At(now)
    }

    pub(crate) fn time(self) -> Option<SystemTime> {
        match self {
            Self::At(at) => Some(at),
            Self::Never => None,
        }
    }

    /// The time until the deadline; zero if it has come.
    pub(crate) fn after(self, now: SystemTime) -> Option<Duration> {
        Some(self.time()?.duration_since(now).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_after_every_time() {
        assert!(
            Deadline::At(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::MAX / 4))
                < Deadline::Never
        );
        assert!(!Deadline::Never.has_come(SystemTime::UNIX_EPOCH));
        assert!(Deadline::At(SystemTime::UNIX_EPOCH).has_come(SystemTime::UNIX_EPOCH));
    }
}
