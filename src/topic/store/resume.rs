//! Where a stream starts, and what a returning client missed.

use crate::message::LastEventId;
use crate::message::id::Read as ReadId;
use crate::topic::log::Wanted;
use crate::topic::resume::{GapCause, Resumption, Start};
use crate::topic::store::Store;

/// How many messages a client missed, if that is known, and why.
type Missed = (Option<u64>, GapCause);

impl Store {
    /// The position where a stream starts, and whether it resumed, if it wants all messages or only
    /// these.
    pub(crate) fn position(&self, start: &Start, wanted: Option<&[Wanted]>) -> (u64, Resumption) {
        let next = self.log.next();
        let oldest = self.log.oldest();
        match start {
            // The caller moves it back.
            Start::Now | Start::Last(_) => (next, Resumption::Fresh),
            Start::Oldest => (oldest, Resumption::Fresh),
            Start::After(id) if id.as_str() == Some("") => (next, Resumption::Fresh),
            Start::After(id) => match self.resume(id, wanted) {
                Ok(position) => (position, Resumption::Exact),
                Err((missed, cause)) => (oldest, Resumption::Gap { missed, cause }),
            },
        }
    }

    /// The position after the message with this id, or how many messages were missed and why.
    fn resume(&self, id: &LastEventId, wanted: Option<&[Wanted]>) -> Result<u64, Missed> {
        let Some(id) = id.as_str() else {
            return Err((None, GapCause::Malformed));
        };
        if let Some(number) = self.log.number_of(id) {
            return Ok(number.saturating_add(1));
        }
        if let Some(number) = wanted.and_then(|_| self.log.last_number_of(id)) {
            return self.resume_after(number, wanted);
        }
        match self.epoch.read(id) {
            ReadId::Numbered(number) if number >= self.log.next() => Err((None, GapCause::Future)),
            ReadId::Numbered(_) if self.schedule.newest(id).is_some() => {
                Err((None, GapCause::Future))
            }
            // The message may have come back under another number, and been evicted.
            ReadId::Numbered(number)
                if (1..=self.highest_moved).contains(&number) && !self.log.is_numbered(number) =>
            {
                Err((None, GapCause::Evicted))
            }
            ReadId::Numbered(number) => self.resume_after(number, wanted),
            // No client has seen a message that is still scheduled.
            ReadId::Delayed(number)
                if number == 0
                    || number >= self.schedule.next_number()
                    || self.schedule.newest(id).is_some() =>
            {
                Err((None, GapCause::Future))
            }
            ReadId::Delayed(_) => Err((None, GapCause::Evicted)),
            ReadId::Foreign => Err((None, GapCause::ForeignEpoch)),
            ReadId::Other => Err((None, GapCause::Unknown)),
        }
    }

    /// The position after a number that was used in this epoch.
    fn resume_after(&self, number: u64, wanted: Option<&[Wanted]>) -> Result<u64, Missed> {
        let position = number.saturating_add(1);
        if position < self.first {
            // Which messages there were before this topic's first is not known.
            return Err((None, GapCause::Evicted));
        }
        let missed = wanted.map_or_else(
            || self.log.missed(position),
            |wanted| self.log.missed_wanted(position, wanted.iter().copied()),
        );
        match missed {
            Some(0) => Ok(position),
            missed => Err((missed, GapCause::Evicted)),
        }
    }
}
