//! Messages side by side: where each ends, and the allocations that hold their bytes.

use std::time::SystemTime;

use bytes::{Bytes, BytesMut};

use crate::source::Limit;
use crate::time::Deadline;
use crate::topic::log::pieces::Pieces;
use crate::topic::log::times::Times;
use crate::topic::log::{MOST_AT_ONCE, cost, size, to_u64, to_usize};

/// Messages in the order of their numbers.
#[derive(Debug)]
pub(super) struct Block {
    /// The number of the first message.
    first: u64,
    /// Where each message ends, from the start of the block.
    ends: Vec<u32>,
    /// The allocations, one after the other; what follows them is still in the log's tail.
    pieces: Pieces,
    /// What plain messages with consecutive numbers do not need.
    extra: Option<Box<Extra>>,
}

#[derive(Debug, Default)]
struct Extra {
    /// The numbers, counted from that of the first message, if they are not consecutive.
    numbers: Vec<u32>,
    /// When each message came, if that bounds what is kept.
    came: Times,
    expires: Times,
    /// One bit for each message that left early. A block with messages that may leave early has at
    /// most 64.
    gone: u64,
}

/// What a block notes of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) len: usize,
    /// Never, if no age bounds the log.
    pub(super) came: Deadline,
    pub(super) expires: Deadline,
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

    /// How many messages it has, including those that are gone.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of all of them.
    pub(super) fn len(&self) -> usize {
        self.ends.last().map_or(0, |end| size(*end))
    }

    /// Whether the entry fits what the block can note; its size is the log's concern.
    #[inline]
    pub(super) fn accepts(&self, entry: &Entry) -> bool {
        let is_near = u32::try_from(entry.number.saturating_sub(self.first)).is_ok();
        let accepts =
            |extra: &Extra| extra.came.accepts(entry.came) && extra.expires.accepts(entry.expires);
        is_near && self.extra.as_deref().is_none_or(accepts)
    }

    /// Whether messages may leave early.
    pub(super) fn may_have_holes(&self) -> bool {
        self.extra
            .as_ref()
            .is_some_and(|extra| !extra.expires.is_empty())
    }

    #[inline]
    pub(super) fn push(&mut self, entry: &Entry) {
        let slot = self.ends.len();
        let has_no_time = matches!(
            (entry.came, entry.expires),
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
        extra.came.push(slot, entry.came);
        extra.expires.push(slot, entry.expires);
    }

    /// Gives back what was allocated for more messages.
    pub(super) fn shrink(&mut self) {
        self.ends.shrink_to_fit();
        self.pieces.shrink();
        if let Some(extra) = &mut self.extra {
            extra.numbers.shrink_to_fit();
            extra.came.shrink();
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

    /// The first message that has this number or a later one.
    pub(super) fn slot(&self, number: u64) -> usize {
        let offset = number.saturating_sub(self.first);
        match &self.extra {
            Some(extra) if !extra.numbers.is_empty() => extra
                .numbers
                .partition_point(|before| u64::from(*before) < offset),
            _ => to_usize(offset).min(self.count()),
        }
    }

    /// The number of the first message from `number` on that is not gone.
    pub(super) fn kept_from(&self, number: u64) -> Option<u64> {
        let (from, count) = (self.slot(number), self.count());
        if !self.has_holes() {
            return (from < count).then(|| self.number(from));
        }
        let slot = (from..count).find(|slot| !self.is_gone(*slot))?;
        Some(self.number(slot))
    }

    /// Whether it has nothing but consecutive messages without times.
    #[cfg(all(test, not(loom)))]
    pub(super) fn is_plain(&self) -> bool {
        self.extra.is_none()
    }

    /// The length of the message with this number, if nothing is special about it and another
    /// follows it in the block.
    #[inline]
    pub(super) fn plain_len(&self, number: u64) -> Option<usize> {
        let slot = to_usize(number.checked_sub(self.first)?);
        let is_followed = self.extra.is_none() && slot.saturating_add(1) < self.ends.len();
        is_followed.then(|| self.len_of(slot))
    }

    pub(super) fn has_holes(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.gone != 0)
    }

    /// The bytes of the messages that left early, counted as when they were kept.
    pub(super) fn holes(&self) -> u64 {
        if !self.has_holes() {
            return 0;
        }
        let gone = (0..self.count()).filter(|slot| self.is_gone(*slot));
        gone.fold(0, |bytes, slot| {
            cost(self.len_of(slot), 0).saturating_add(bytes)
        })
    }

    fn is_gone(&self, slot: usize) -> bool {
        self.extra
            .as_ref()
            .is_some_and(|extra| extra.gone & bit(slot) != 0)
    }

    pub(super) fn set_gone(&mut self, slot: usize) {
        if let Some(extra) = &mut self.extra {
            extra.gone |= bit(slot);
            extra.expires.clear(slot);
        }
    }

    /// The messages from `number` on that are not gone: how many, and their bytes.
    pub(super) fn kept(&self, number: u64) -> (usize, usize) {
        let kept = (self.slot(number)..self.count()).filter(|slot| !self.is_gone(*slot));
        kept.fold((0, 0), |(count, bytes), slot| {
            let bytes = self.len_of(slot).saturating_add(bytes);
            (count.saturating_add(1), bytes)
        })
    }

    pub(super) fn came(&self, slot: usize) -> Deadline {
        let extra = self.extra.as_ref();
        extra.map_or(Deadline::Never, |extra| extra.came.at(slot))
    }

    /// The earliest expiry, and the slot that has it.
    #[inline]
    pub(super) fn expiry(&self) -> Option<(usize, SystemTime)> {
        self.extra.as_ref()?.expires.earliest()
    }

    /// The earliest expiry of these messages.
    #[inline]
    pub(super) fn expiry_of(&self, from: usize, to: usize) -> Deadline {
        let extra = self.extra.as_ref();
        extra.map_or(Deadline::Never, |extra| extra.expires.earliest_of(from, to))
    }

    /// Takes the expiry from a message.
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

    /// How many messages end at this byte or before.
    fn slot_at(&self, byte: usize) -> usize {
        self.ends.partition_point(|end| size(*end) <= byte)
    }

    /// How far a chunk from `from` on may go: at least one message.
    pub(super) fn within(&self, from: usize, limit: Limit) -> usize {
        let most = from.saturating_add(limit.messages).min(self.ends.len());
        let last_byte = self.start_of(from).saturating_add(limit.bytes);
        // Mostly all of it fits.
        if self.start_of(most) <= last_byte {
            return most.max(from.saturating_add(1));
        }
        self.slot_at(last_byte)
            .min(most)
            .max(from.saturating_add(1))
    }

    /// The bytes that are in pieces.
    pub(super) fn frozen(&self) -> usize {
        self.pieces.end()
    }

    pub(super) fn pieces(&self) -> usize {
        self.pieces.count()
    }

    pub(super) fn push_piece(&mut self, bytes: Bytes) {
        self.pieces.push(bytes);
    }

    /// Copies these pieces into one.
    pub(super) fn merge(&mut self, from: usize, to: usize) {
        self.pieces.merge(from, to);
    }

    /// The messages and bytes of the pieces from this one on.
    pub(super) fn since_piece(&self, index: usize) -> (usize, usize) {
        let (start, end) = (self.pieces.start(index), self.pieces.end());
        let messages = self.slot_at(end).saturating_sub(self.slot_at(start));
        (messages, end.saturating_sub(start))
    }

    /// The messages from `from` on, to `to` or to the end of a piece, and where they end.
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

    /// Copies what these blocks still have from `number` on into a new one without holes: at most
    /// 64 messages. `None` if nothing is left, or if one block cannot note all of it.
    pub(super) fn gather<'a>(blocks: impl Iterator<Item = &'a Self>, number: u64) -> Option<Self> {
        let mut whole: Option<(Self, BytesMut)> = None;
        for block in blocks {
            let from = block.slot(number);
            let kept = (from..block.count()).filter(|slot| !block.is_gone(*slot));
            for slot in kept {
                let (into, bytes) = whole.get_or_insert_with(|| {
                    let new = Self::new(block.number(slot), MOST_AT_ONCE);
                    (new, BytesMut::new())
                });
                let entry = Entry {
                    number: block.number(slot),
                    len: block.len_of(slot),
                    came: block.came(slot),
                    expires: block.expires(slot),
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
