//! Blocks of consecutive messages: where each message ends, and the allocations that hold the
//! bytes.

use std::time::SystemTime;

use bytes::{Bytes, BytesMut};

use crate::source::Limit;
use crate::time::Deadline;
use crate::topic::log::pieces::Pieces;
use crate::topic::log::runs::Run;
use crate::topic::log::times::Times;
use crate::topic::log::{MAX_PER_STEP, cost, size, to_u64, to_usize};

/// Consecutive messages in the order of their numbers. A slot is the index of a message in its
/// block.
#[derive(Debug)]
pub(super) struct Block {
    /// The number of the first message.
    first: u64,
    /// Where each message ends, from the start of the block.
    ends: Vec<u32>,
    /// The allocations in order. The bytes after them are still in the log's tail.
    pieces: Pieces,
    /// `None` while the numbers are consecutive and no message has a time.
    extra: Option<Box<Extra>>,
}

#[derive(Debug, Default)]
struct Extra {
    /// Each message's number as an offset from the first. Empty if the numbers are consecutive.
    numbers: Vec<u32>,
    /// When each message entered, if the log is bounded by age.
    entered: Times,
    expires: Times,
    /// A bit for each message that expired or was superseded. A block with messages that can has at
    /// most 64.
    removed: u64,
    /// Whether any message can be superseded.
    is_keyed: bool,
}

/// What a block stores for a message besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) len: usize,
    /// [`Deadline::Never`] if the log is not bounded by age.
    pub(super) entered: Deadline,
    pub(super) expires: Deadline,
    /// A newer message may supersede it.
    pub(super) is_keyed: bool,
}

impl Block {
    pub(super) fn new(first: u64, messages: usize) -> Self {
        Self {
            first,
            ends: Vec::with_capacity(messages),
            pieces: Pieces::default(),
            extra: None,
        }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The number of messages, including those that were removed.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// The total length of these messages in bytes.
    pub(super) fn len(&self) -> usize {
        self.ends.last().map_or(0, |end| size(*end))
    }

    /// Whether the entry's number and times can be stored. The log bounds the size.
    #[inline]
    pub(super) fn accepts(&self, entry: &Entry) -> bool {
        let is_near = u32::try_from(entry.number.saturating_sub(self.first)).is_ok();
        let accepts = |extra: &Extra| {
            extra.entered.accepts(entry.entered) && extra.expires.accepts(entry.expires)
        };
        is_near && self.extra.as_deref().is_none_or(accepts)
    }

    /// Whether any message can expire or be superseded, which leaves a hole.
    pub(super) fn may_have_holes(&self) -> bool {
        self.extra
            .as_ref()
            .is_some_and(|extra| extra.is_keyed || !extra.expires.is_empty())
    }

    #[inline]
    pub(super) fn push(&mut self, entry: &Entry) {
        let slot = self.ends.len();
        let has_no_time = !entry.is_keyed
            && matches!(
                (entry.entered, entry.expires),
                (Deadline::Never, Deadline::Never)
            );
        let is_next = entry.number.saturating_sub(self.first) == to_u64(slot);
        if !(has_no_time && is_next && self.extra.is_none()) {
            self.push_extra(entry, slot);
        }
        let end = self.len().saturating_add(entry.len);
        self.ends.push(u32::try_from(end).unwrap_or(u32::MAX));
    }

    fn push_extra(&mut self, entry: &Entry, slot: usize) {
        let offset = entry.number.saturating_sub(self.first);
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        let extra = self.extra.get_or_insert_default();
        if !extra.numbers.is_empty() || size(offset) != slot {
            if extra.numbers.is_empty() {
                let before = u32::try_from(slot).unwrap_or(u32::MAX);
                extra.numbers.extend(0..before);
            }
            extra.numbers.push(offset);
        }
        extra.entered.push(slot, entry.entered);
        extra.expires.push(slot, entry.expires);
        extra.is_keyed |= entry.is_keyed;
    }

    /// Frees the capacity for more messages.
    pub(super) fn shrink(&mut self) {
        self.ends.shrink_to_fit();
        self.pieces.shrink();
        if let Some(extra) = &mut self.extra {
            extra.numbers.shrink_to_fit();
            extra.entered.shrink();
            extra.expires.shrink();
        }
    }

    /// The number of the message at `slot`, or the one after the last.
    pub(super) fn number(&self, slot: usize) -> u64 {
        let numbers = self.extra.as_ref().map(|extra| &extra.numbers);
        let Some(numbers) = numbers.filter(|numbers| !numbers.is_empty()) else {
            return self.first.saturating_add(to_u64(slot));
        };
        let offset = numbers.get(slot).map(|offset| u64::from(*offset));
        let end = || {
            numbers
                .last()
                .map(|last| u64::from(*last).saturating_add(1))
        };
        self.first
            .saturating_add(offset.or_else(end).unwrap_or_default())
    }

    /// The number after its last.
    pub(super) fn end(&self) -> u64 {
        self.number(self.count())
    }

    /// The slot of the first message with this number or a higher one.
    pub(super) fn slot(&self, number: u64) -> usize {
        let offset = number.saturating_sub(self.first);
        match &self.extra {
            Some(extra) if !extra.numbers.is_empty() => extra
                .numbers
                .partition_point(|before| u64::from(*before) < offset),
            _ => to_usize(offset).min(self.count()),
        }
    }

    /// The number of the first retained message from `number` on.
    pub(super) fn first_retained(&self, number: u64) -> Option<u64> {
        let (from, count) = (self.slot(number), self.count());
        if !self.has_holes() {
            return (from < count).then(|| self.number(from));
        }
        let slot = (from..count).find(|slot| !self.is_removed(*slot))?;
        Some(self.number(slot))
    }

    /// The slot of the first removed message in `from..to`.
    pub(super) fn hole_in(&self, from: usize, to: usize) -> Option<usize> {
        if !self.has_holes() {
            return None;
        }
        (from..to).find(|slot| self.is_removed(*slot))
    }

    /// The last retained messages before `number` whose numbers are consecutive, as far as that is
    /// easily known; none of them is before `oldest`.
    pub(super) fn last_run_before(&self, number: u64, oldest: u64) -> Option<Run> {
        let (from, to) = (self.slot(oldest), self.slot(number));
        if self.extra.is_none() {
            let (start, end) = (self.number(from), self.number(to));
            return (start < end).then_some(Run { start, end });
        }
        let slot = (from..to).rev().find(|slot| !self.is_removed(*slot))?;
        let start = self.number(slot);
        let end = start.saturating_add(1);
        Some(Run { start, end })
    }

    /// Whether the numbers are consecutive and no message has a time.
    #[cfg(all(test, not(loom)))]
    pub(super) fn is_plain(&self) -> bool {
        self.extra.is_none()
    }

    /// The length of the message with this number, if the block is plain and has a next message.
    #[inline]
    pub(super) fn plain_len(&self, number: u64) -> Option<usize> {
        let slot = to_usize(number.checked_sub(self.first)?);
        let is_followed = self.extra.is_none() && slot.saturating_add(1) < self.ends.len();
        is_followed.then(|| self.len_of(slot))
    }

    pub(super) fn has_holes(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.removed != 0)
    }

    /// What the removed messages counted towards the bound.
    pub(super) fn holes(&self) -> u64 {
        if !self.has_holes() {
            return 0;
        }
        let removed = (0..self.count()).filter(|slot| self.is_removed(*slot));
        removed.fold(0, |bytes, slot| {
            cost(self.len_of(slot), 0).saturating_add(bytes)
        })
    }

    fn is_keyed(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.is_keyed)
    }

    fn is_removed(&self, slot: usize) -> bool {
        self.extra
            .as_ref()
            .is_some_and(|extra| extra.removed & bit(slot) != 0)
    }

    pub(super) fn mark_removed(&mut self, slot: usize) {
        if let Some(extra) = &mut self.extra {
            extra.removed |= bit(slot);
            extra.expires.clear(slot);
        }
    }

    /// The number of retained messages from `number` on, and their bytes.
    pub(super) fn retained(&self, number: u64) -> (usize, usize) {
        let retained = (self.slot(number)..self.count()).filter(|slot| !self.is_removed(*slot));
        retained.fold((0, 0), |(count, bytes), slot| {
            let bytes = self.len_of(slot).saturating_add(bytes);
            (count.saturating_add(1), bytes)
        })
    }

    pub(super) fn entered(&self, slot: usize) -> Deadline {
        let extra = self.extra.as_ref();
        extra.map_or(Deadline::Never, |extra| extra.entered.at(slot))
    }

    /// The slot of the message that expires first, and when.
    #[inline]
    pub(super) fn expiry(&self) -> Option<(usize, SystemTime)> {
        self.extra.as_ref()?.expires.earliest()
    }

    /// When the first of these messages expires.
    #[inline]
    pub(super) fn expiry_of(&self, from: usize, to: usize) -> Deadline {
        let extra = self.extra.as_ref();
        extra.map_or(Deadline::Never, |extra| extra.expires.earliest_of(from, to))
    }

    /// Removes a message's expiry.
    pub(super) fn clear_expiry(&mut self, slot: usize) {
        if let Some(extra) = &mut self.extra {
            extra.expires.clear(slot);
        }
    }

    pub(super) fn len_of(&self, slot: usize) -> usize {
        let end = self.start_of(slot.saturating_add(1));
        end.saturating_sub(self.start_of(slot))
    }

    /// Where the message at `slot` starts.
    pub(super) fn start_of(&self, slot: usize) -> usize {
        let before = slot.checked_sub(1).and_then(|before| self.ends.get(before));
        before.map_or(0, |end| size(*end))
    }

    /// The number of messages that end at or before this byte.
    fn slot_at(&self, byte: usize) -> usize {
        self.ends.partition_point(|end| size(*end) <= byte)
    }

    /// The end of a chunk that starts at `from` and is within the limit. It has at least one
    /// message.
    pub(super) fn chunk_end(&self, from: usize, limit: Limit) -> usize {
        let end = from.saturating_add(limit.messages).min(self.ends.len());
        let last_byte = self.start_of(from).saturating_add(limit.bytes);
        // Usually all of it fits.
        if self.start_of(end) <= last_byte {
            return end.max(from.saturating_add(1));
        }
        self.slot_at(last_byte).min(end).max(from.saturating_add(1))
    }

    /// How many bytes are in pieces.
    pub(super) fn frozen(&self) -> usize {
        self.pieces.end()
    }

    pub(super) fn pieces(&self) -> usize {
        self.pieces.count()
    }

    pub(super) fn push_piece(&mut self, bytes: Bytes) {
        self.pieces.push(bytes);
    }

    /// Copies these pieces into a single one.
    pub(super) fn merge(&mut self, from: usize, to: usize) {
        self.pieces.merge(from, to);
    }

    /// The number of messages and bytes in this piece and those after it.
    pub(super) fn since_piece(&self, index: usize) -> (usize, usize) {
        let (start, end) = (self.pieces.start(index), self.pieces.end());
        let messages = self.slot_at(end).saturating_sub(self.slot_at(start));
        (messages, end.saturating_sub(start))
    }

    /// The messages from `from` to `to`, or only to the end of their piece, and the slot after the
    /// last.
    pub(super) fn slice(&self, from: usize, to: usize) -> (Bytes, usize) {
        let (start, end) = (self.start_of(from), self.start_of(to));
        let slice = self.pieces.slice(start, end);
        let sliced = start.saturating_add(slice.len());
        let to = if sliced < end {
            self.slot_at(sliced)
        } else {
            to
        };
        (slice, to)
    }

    /// Copies the retained messages of these blocks from `number` on into a new block without
    /// holes.
    ///
    /// There are at most 64. `None` if there are none, or if a single block cannot store their
    /// numbers and times.
    pub(super) fn gather<'a>(blocks: impl Iterator<Item = &'a Self>, number: u64) -> Option<Self> {
        let mut whole: Option<(Self, BytesMut)> = None;
        for block in blocks {
            let from = block.slot(number);
            let retained = (from..block.count()).filter(|slot| !block.is_removed(*slot));
            for slot in retained {
                let (into, bytes) = whole.get_or_insert_with(|| {
                    let new = Self::new(block.number(slot), MAX_PER_STEP);
                    (new, BytesMut::new())
                });
                let entry = Entry {
                    number: block.number(slot),
                    len: block.len_of(slot),
                    entered: block.entered(slot),
                    expires: block.expires(slot),
                    is_keyed: block.is_keyed(),
                };
                if !into.accepts(&entry) {
                    return None;
                }
                into.push(&entry);
                let (slice, _) = block.slice(slot, slot.saturating_add(1));
                bytes.extend_from_slice(&slice);
            }
        }
        let (mut block, bytes) = whole?;
        block.push_piece(Bytes::from(Vec::from(bytes).into_boxed_slice()));
        block.shrink();
        Some(block)
    }

    fn expires(&self, slot: usize) -> Deadline {
        let extra = self.extra.as_ref();
        extra.map_or(Deadline::Never, |extra| extra.expires.at(slot))
    }
}

fn bit(slot: usize) -> u64 {
    let shift = u32::try_from(slot).unwrap_or(u32::MAX);
    1_u64.checked_shl(shift).unwrap_or_default()
}
