//! A time for each message of a block, in eight bytes each.

use core::time::Duration;
use std::time::SystemTime;

use crate::time::Deadline;

/// The offset of a message without a time.
const NEVER: i64 = i64::MAX;

/// Times by slot. This takes no memory until a message of the block has a time.
#[derive(Debug, Default)]
pub(super) struct Times {
    base: Option<SystemTime>,
    /// Nanoseconds from the base.
    offsets: Vec<i64>,
    /// The first slot with the earliest time.
    earliest: usize,
    /// The latest offset so far.
    latest: i64,
    /// Whether any time is earlier than one before it. Usually all messages have the same time to
    /// live, and then the next slot has the next time.
    is_mixed: bool,
}

impl Times {
    pub(super) fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Whether a time is within 292 years of the base, so that its offset fits.
    pub(super) fn accepts(&self, time: Deadline) -> bool {
        match (self.base, time) {
            (Some(base), Deadline::At(time)) => offset(base, time).is_some(),
            _ => true,
        }
    }

    /// Sets the time of a slot after all slots that have one.
    pub(super) fn push(&mut self, slot: usize, time: Deadline) {
        let Deadline::At(time) = time else {
            return;
        };
        let base = *self.base.get_or_insert(time);
        if self.offsets.len() < slot {
            self.offsets.resize(slot, NEVER);
        }
        let offset = offset(base, time).unwrap_or(NEVER);
        let earliest = self.offsets.get(self.earliest);
        if earliest.is_none_or(|earliest| offset < *earliest) {
            self.earliest = self.offsets.len();
        }
        self.is_mixed |= !self.offsets.is_empty() && offset < self.latest;
        self.latest = self.latest.max(offset);
        self.offsets.push(offset);
    }

    pub(super) fn at(&self, slot: usize) -> Deadline {
        let offset = self.offsets.get(slot).copied();
        offset.map_or(Deadline::Never, |offset| self.time(offset))
    }

    /// Removes the time of a slot.
    pub(super) fn clear(&mut self, slot: usize) {
        let Some(offset) = self.offsets.get_mut(slot) else {
            return;
        };
        *offset = NEVER;
        if slot == self.earliest {
            let from = if self.is_mixed { 0 } else { slot };
            let rest = self.offsets.get(from..).unwrap_or_default();
            let next = if self.is_mixed {
                earliest_slot(rest)
            } else {
                rest.iter().position(|offset| *offset != NEVER)
            };
            self.earliest = from.saturating_add(next.unwrap_or_default());
        }
    }

    /// The first slot with the earliest time, and that time.
    pub(super) fn earliest(&self) -> Option<(usize, SystemTime)> {
        let offset = self.offsets.get(self.earliest)?;
        Some((self.earliest, self.time(*offset).time()?))
    }

    /// The earliest time of these slots.
    pub(super) fn earliest_of(&self, from: usize, to: usize) -> Deadline {
        if self.earliest >= from && self.earliest < to {
            return self.at(self.earliest);
        }
        let slots = self.offsets.get(from..to.min(self.offsets.len()));
        let slot = slots
            .and_then(earliest_slot)
            .map(|slot| from.saturating_add(slot));
        slot.map_or(Deadline::Never, |slot| self.at(slot))
    }

    pub(super) fn shrink(&mut self) {
        self.offsets.shrink_to_fit();
    }

    fn time(&self, offset: i64) -> Deadline {
        let Some(base) = self.base.filter(|_| offset != NEVER) else {
            return Deadline::Never;
        };
        let by = Duration::from_nanos(offset.unsigned_abs());
        let time = if offset < 0 {
            base.checked_sub(by)
        } else {
            base.checked_add(by)
        };
        time.map_or(Deadline::Never, Deadline::At)
    }
}

/// The first slot with the earliest time.
fn earliest_slot(offsets: &[i64]) -> Option<usize> {
    let mut earliest = None;
    let mut lowest = NEVER;
    for (slot, offset) in offsets.iter().enumerate() {
        if *offset < lowest {
            (earliest, lowest) = (Some(slot), *offset);
        }
    }
    earliest
}

/// Nanoseconds from `base` to `time`, if they fit and are not [`NEVER`].
fn offset(base: SystemTime, time: SystemTime) -> Option<i64> {
    let nanos = |span: Duration| i64::try_from(span.as_nanos()).ok();
    let offset = match time.duration_since(base) {
        Ok(since) => nanos(since),
        Err(until) => nanos(until.duration())?.checked_neg(),
    };
    offset.filter(|offset| *offset != NEVER)
}
