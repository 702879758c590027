//! A time for each message of a block, in eight bytes each.

use core::time::Duration;
use std::time::SystemTime;

use crate::time::Deadline;

/// The offset of a message without a time.
const NEVER: i64 = i64::MAX;

/// Times by slot. Messages without a time cost nothing until one of the block has one.
#[derive(Debug, Default)]
pub(super) struct Times {
    base: Option<SystemTime>,
    /// Nanoseconds from the base.
    offsets: Vec<i64>,
}

impl Times {
    pub(super) fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Whether a time is close enough to those before it: within 292 years.
    pub(super) fn accepts(&self, time: Deadline) -> bool {
        match (self.base, time) {
            (Some(base), Deadline::At(time)) => offset(base, time).is_some(),
            _ => true,
        }
    }

    /// Sets the time of a slot after all that have one.
    pub(super) fn push(&mut self, slot: usize, time: Deadline) {
        let Deadline::At(time) = time else {
            return;
        };
        let base = *self.base.get_or_insert(time);
        if self.offsets.len() < slot {
            self.offsets.resize(slot, NEVER);
        }
        self.offsets.push(offset(base, time).unwrap_or(NEVER));
    }

    pub(super) fn at(&self, slot: usize) -> Deadline {
        let offset = self.offsets.get(slot).copied();
        offset.map_or(Deadline::Never, |offset| self.time(offset))
    }

    /// Takes the time from a slot.
    pub(super) fn clear(&mut self, slot: usize) {
        if let Some(offset) = self.offsets.get_mut(slot) {
            *offset = NEVER;
        }
    }

    /// The earliest time of these slots, and the first slot that has it.
    pub(super) fn earliest(&self, from: usize, to: usize) -> Option<(usize, SystemTime)> {
        let to = to.min(self.offsets.len());
        let offsets = self.offsets.get(from..to)?;
        let least = *offsets.iter().min()?;
        let slot = offsets.iter().position(|offset| *offset == least)?;
        let time = self.time(least).time()?;
        Some((from.saturating_add(slot), time))
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

/// Nanoseconds from `base` to `time`, if these fit and are not [`NEVER`].
fn offset(base: SystemTime, time: SystemTime) -> Option<i64> {
    let nanos = |span: Duration| i64::try_from(span.as_nanos()).ok();
    let offset = match time.duration_since(base) {
        Ok(since) => nanos(since),
        Err(until) => nanos(until.duration())?.checked_neg(),
    };
    offset.filter(|offset| *offset != NEVER)
}
