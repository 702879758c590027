//! What keeps due messages in a queue: a pause, and a rate.
//!
//! Pure: no lock, no clock; `now` is an argument.

use std::time::SystemTime;

use super::rate::Rate;
use crate::time::Deadline;

/// What a message must pass to leave. A queue without a rate that was never paused has none.
#[derive(Debug, Default)]
pub(super) struct Gate {
    rate: Option<Rate>,
    is_paused: bool,
    /// A client that is owed messages waits for the end of the pause.
    owes: bool,
    /// The end of a pause is being announced to all streams, because such clients waited.
    announces: bool,
}

impl Gate {
    pub(super) fn with_rate(rate: Rate) -> Self {
        Self {
            rate: Some(rate),
            ..Self::default()
        }
    }

    pub(super) fn pause(&mut self) {
        self.is_paused = true;
        // Those that were not woken yet wait on.
        self.owes |= core::mem::take(&mut self.announces);
    }

    /// Ends the pause; returns whether that must be announced to all streams.
    pub(super) fn unpause(&mut self) -> bool {
        self.is_paused = false;
        let owes = core::mem::take(&mut self.owes);
        self.announces |= owes;
        owes
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(super) fn announces(&self) -> bool {
        self.announces
    }

    /// The end of the pause was announced to all streams.
    pub(super) fn end_announcing(&mut self) {
        self.announces = false;
    }

    /// A client that is owed messages waits. Returns when it may poll again, if time decides that.
    pub(super) fn wait_owed(&mut self, now: SystemTime) -> Deadline {
        self.owes |= self.is_paused;
        self.opens(now).unwrap_or(Deadline::Never)
    }

    /// How many messages may pass. Those without an id pass a rate without being counted.
    pub(super) fn left(&self, now: SystemTime) -> usize {
        if self.is_paused {
            return 0;
        }
        self.rate.map_or(usize::MAX, |rate| rate.left(now))
    }

    /// Whether a message may pass. `has_id`: it has one on the wire.
    pub(super) fn lets_pass(&self, has_id: bool, now: SystemTime) -> bool {
        !self.is_paused && (!has_id || self.left(now) > 0)
    }

    /// When the next message may pass, if none may now; never, if time does not decide that.
    pub(super) fn opens(&self, now: SystemTime) -> Option<Deadline> {
        if self.is_paused {
            return Some(Deadline::Never);
        }
        self.rate?.opens(now)
    }

    /// Counts a message that leaves with its id.
    pub(super) fn take(&mut self, now: SystemTime) {
        if let Some(rate) = &mut self.rate {
            rate.take(now);
        }
    }
}
