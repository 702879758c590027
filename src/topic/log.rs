//! The messages that a topic keeps, as bytes that all streams share.
//!
//! Pure: no lock, no clock.
//!
//! ```text
//! number     17 18 19 20 21 22 23 24 25 26
//!           |       block       |   block, open   |
//! pieces    [------][--][------] [----][--]
//!                                          ^ still a BytesMut: the first reader freezes it
//!              ^ oldest                        ^ next
//! ```

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use core::time::Duration;

use crate::source::Limit;
use crate::time::Deadline;

/// The most messages of a block. Bursts are read block by block: larger ones are cut less often.
pub(crate) const BLOCK_MESSAGES: usize = 256;
/// The most messages that are copied or evicted in one step.
pub(crate) const MOST_AT_ONCE: usize = 64;
const LARGEST_BLOCK: usize = 64 * 1024;
const SMALLEST_BLOCK: usize = 1024;
/// So many pieces in a row are worth a copy to the streams that are behind.
const MANY_PIECES: usize = 4;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) age: Option<Duration>,
}

/// Frames in the order of their numbers, a bounded number of the last ones.
#[derive(Debug)]
pub(crate) struct Log {
    retention: Retention,
    /// Without gaps; only the last is written to.
    blocks: VecDeque<Block>,
    /// The tail of the last block, not frozen yet.
    open: BytesMut,
    /// The number of the oldest message that is kept.
    oldest: u64,
    /// The number of the message that comes next.
    next: u64,
    /// Bytes appended up to the oldest message, and in all.
    evicted_bytes: u64,
    appended_bytes: u64,
    /// Messages that expire, by number.
    expiring: BTreeMap<u64, SystemTime>,
    /// Ids that are not the number: each one's newest message, and each message's id.
    own_ids: HashMap<Arc<str>, u64>,
    own_ids_by_number: BTreeMap<u64, Arc<str>>,
}

/// Messages that were written into one allocation.
#[derive(Debug)]
struct Block {
    /// The number of the first message.
    first: u64,
    /// Where each message ends, from the start of the block.
    ends: Vec<usize>,
    /// When each message came, if that bounds what is kept.
    came: Vec<SystemTime>,
    /// What was frozen, with where it starts: one behind the other, from the start of the block.
    pieces: Vec<(usize, Bytes)>,
    frozen: usize,
}

impl Log {
    pub(crate) fn new(retention: Retention) -> Self {
        Self {
            retention,
            blocks: VecDeque::new(),
            open: BytesMut::new(),
            oldest: 1,
            next: 1,
            evicted_bytes: 0,
            appended_bytes: 0,
            expiring: BTreeMap::new(),
            own_ids: HashMap::new(),
            own_ids_by_number: BTreeMap::new(),
        }
    }

    /// The number of the oldest message that is kept.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The number that the next message gets.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// How many messages are kept.
    pub(crate) fn len(&self) -> u64 {
        self.next.saturating_sub(self.oldest)
    }

    /// The bytes of the frames that are kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.appended_bytes.saturating_sub(self.evicted_bytes)
    }

    /// Whether any of the messages expires or ages.
    pub(crate) fn is_timed(&self) -> bool {
        self.retention.age.is_some() || !self.expiring.is_empty()
    }

    /// Appends a frame, in two parts; returns its number.
    pub(crate) fn append(
        &mut self,
        parts: [&[u8]; 2],
        own_id: Option<Arc<str>>,
        expires: Deadline,
        now: SystemTime,
    ) -> u64 {
        let number = self.next;
        let len = parts[0].len().saturating_add(parts[1].len());
        let has_place = self
            .blocks
            .back()
            .is_some_and(|block| block.ends.len() < BLOCK_MESSAGES);
        if !has_place || self.open.capacity() < self.open.len().saturating_add(len) {
            self.open_block(len);
        }
        for part in parts {
            self.open.extend_from_slice(part);
        }
        if let Some(block) = self.blocks.back_mut() {
            block.ends.push(block.len().saturating_add(len));
            if self.retention.age.is_some() {
                block.came.push(now);
            }
        }
        if let Deadline::At(time) = expires {
            self.expiring.insert(number, time);
        }
        if let Some(id) = own_id {
            self.own_ids.insert(Arc::clone(&id), number);
            self.own_ids_by_number.insert(number, id);
        }
        self.next = number.saturating_add(1);
        self.appended_bytes = self.appended_bytes.saturating_add(to_u64(len));
        number
    }

    /// Lets go of what is beyond the bounds, some messages in one step; returns whether there may
    /// be more.
    pub(crate) fn evict(&mut self, now: SystemTime) -> bool {
        for _ in 0..MOST_AT_ONCE {
            let too_many = self.len() > self.retention.messages;
            let too_large = self.bytes() > self.retention.bytes;
            if !(too_many || too_large || self.oldest_is_too_old(now)) {
                return false;
            }
            self.evict_oldest();
        }
        true
    }

    /// The newest message with this id of its own, also the last that was evicted.
    pub(crate) fn number_of(&self, own_id: &str) -> Option<u64> {
        self.own_ids.get(own_id).copied()
    }

    /// Reads from `position` on, at most to the end of a block, and moves it. `None` if all that
    /// was passed had expired, or nothing is there.
    ///
    /// The position is not left of the oldest message.
    pub(crate) fn read(
        &mut self,
        position: &mut u64,
        limit: Limit,
        now: SystemTime,
    ) -> Option<Bytes> {
        let index = self.block_of(*position)?;
        let is_last = index.saturating_add(1) == self.blocks.len();
        let block = self.blocks.get_mut(index)?;
        if is_last && !self.open.is_empty() {
            block.freeze(&mut self.open);
        }
        let from = to_usize(position.saturating_sub(block.first));
        let to = block.within(from, limit);
        let (first, last) = (*position, block.number(to));

        let expired = |(number, time): (&u64, &SystemTime)| (*time <= now).then_some(*number);
        let mut expired = self
            .expiring
            .range(first..last)
            .filter_map(expired)
            .peekable();
        if expired.peek().is_none() {
            let (slice, to) = block.slice(from, to);
            *position = block.number(to);
            return Some(slice);
        }
        let to = to.min(from.saturating_add(MOST_AT_ONCE));
        let (start, end) = (block.start_of(from), block.start_of(to));
        *position = block.number(to);
        let mut kept = BytesMut::with_capacity(end.saturating_sub(start));
        for place in from..to {
            if expired.next_if_eq(&block.number(place)).is_none() {
                block.copy(
                    block.start_of(place),
                    block.start_of(place.saturating_add(1)),
                    &mut kept,
                );
            }
        }
        (!kept.is_empty()).then(|| kept.freeze())
    }

    fn open_block(&mut self, len: usize) {
        let (mut capacity, mut messages) = (SMALLEST_BLOCK, 0);
        if let Some(block) = self.blocks.back_mut() {
            block.freeze(&mut self.open);
            // As much as the last block would have taken with all its messages.
            let mean = block
                .frozen
                .checked_div(block.ends.len())
                .unwrap_or_default();
            capacity = mean.saturating_add(mean / 8).saturating_mul(BLOCK_MESSAGES);
            messages = block.ends.len();
        }
        let capacity = capacity.clamp(SMALLEST_BLOCK, LARGEST_BLOCK).max(len);
        self.open = BytesMut::with_capacity(capacity);
        self.blocks.push_back(Block {
            first: self.next,
            ends: Vec::with_capacity(messages),
            came: Vec::new(),
            pieces: Vec::new(),
            frozen: 0,
        });
    }

    fn oldest_is_too_old(&self, now: SystemTime) -> bool {
        let (Some(age), Some(block)) = (self.retention.age, self.blocks.front()) else {
            return false;
        };
        let place = to_usize(self.oldest.saturating_sub(block.first));
        let came = block.came.get(place);
        came.and_then(|came| now.duration_since(*came).ok())
            .is_some_and(|since| since > age)
    }

    fn evict_oldest(&mut self) {
        let Some(block) = self.blocks.front() else {
            return;
        };
        let place = to_usize(self.oldest.saturating_sub(block.first));
        let len = block
            .start_of(place.saturating_add(1))
            .saturating_sub(block.start_of(place));
        self.evicted_bytes = self.evicted_bytes.saturating_add(to_u64(len));
        self.expiring.remove(&self.oldest);
        // The id just left of the oldest message is still exact, so it outlives its message by one.
        let before = self.oldest.saturating_sub(1);
        if let Some(id) = self.own_ids_by_number.remove(&before)
            && self.own_ids.get(&id) == Some(&before)
        {
            self.own_ids.remove(&id);
        }
        let is_last_of_block = place.saturating_add(1) >= block.ends.len();
        self.oldest = self.oldest.saturating_add(1);
        if is_last_of_block {
            self.blocks.pop_front();
            if self.blocks.is_empty() {
                self.open = BytesMut::new();
            }
        }
    }

    fn block_of(&self, position: u64) -> Option<usize> {
        if position >= self.next {
            return None;
        }
        // Most streams are at the end, or were before the last burst.
        let last = self.blocks.len().checked_sub(1)?;
        for near in [last, last.saturating_sub(1)] {
            if self.blocks.get(near)?.first <= position {
                return Some(near);
            }
        }
        let behind = self.blocks.partition_point(|block| block.first <= position);
        behind.checked_sub(1)
    }
}

impl Block {
    fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or_default()
    }

    fn number(&self, place: usize) -> u64 {
        self.first.saturating_add(to_u64(place))
    }

    /// Where the message at `place` starts.
    fn start_of(&self, place: usize) -> usize {
        let before = place
            .checked_sub(1)
            .and_then(|before| self.ends.get(before));
        before.copied().unwrap_or_default()
    }

    /// How far a chunk from `from` on may go: at least one message.
    fn within(&self, from: usize, limit: Limit) -> usize {
        let most = from.saturating_add(limit.messages).min(self.ends.len());
        let last_byte = self.start_of(from).saturating_add(limit.bytes);
        // Mostly all of it fits.
        if self.start_of(most) <= last_byte {
            return most.max(from.saturating_add(1));
        }
        let fits = self.ends.partition_point(|end| *end <= last_byte);
        fits.min(most).max(from.saturating_add(1))
    }

    fn freeze(&mut self, open: &mut BytesMut) {
        if !open.is_empty() {
            let piece = open.split().freeze();
            let start = self.frozen;
            self.frozen = start.saturating_add(piece.len());
            self.pieces.push((start, piece));
        }
    }

    /// The messages from the place `from` on, to `to` or to the end of a piece, and where they end.
    fn slice(&mut self, from: usize, to: usize) -> (Bytes, usize) {
        let (start, end) = (self.start_of(from), self.start_of(to));
        let mut place = self.piece_of(start);
        let last = self.piece_of(end.saturating_sub(1));
        if last.saturating_sub(place) >= MANY_PIECES {
            self.merge(place);
            place = self.piece_of(start);
        }
        let Some((piece_start, piece)) = self.pieces.get(place) else {
            return (Bytes::new(), to);
        };
        let piece_end = piece_start.saturating_add(piece.len());
        let within = |byte: usize| byte.min(piece_end).saturating_sub(*piece_start);
        let slice = piece.slice(within(start)..within(end));
        if end <= piece_end {
            return (slice, to);
        }
        (slice, self.place_of(piece_end))
    }

    /// How many messages end at this byte or before.
    fn place_of(&self, byte: usize) -> usize {
        self.ends.partition_point(|end| *end <= byte)
    }

    fn piece_of(&self, byte: usize) -> usize {
        let behind = match self.pieces.last() {
            Some((start, _)) if *start <= byte => self.pieces.len(),
            _ => self.pieces.partition_point(|(start, _)| *start <= byte),
        };
        behind.saturating_sub(1)
    }

    /// Copies small pieces from this one on into one, so that whoever is behind shares larger
    /// slices: at most as many messages as may be moved at once.
    fn merge(&mut self, place: usize) {
        let Some((start, _)) = self.pieces.get(place) else {
            return;
        };
        let start = *start;
        let first = self.place_of(start);
        let most = self.start_of(first.saturating_add(MOST_AT_ONCE).min(self.ends.len()));
        let fits = |(start, piece): &(usize, Bytes)| start.saturating_add(piece.len()) <= most;
        let next = self.pieces.partition_point(fits);
        if next.saturating_sub(place) <= MANY_PIECES {
            return;
        }
        let mut whole = BytesMut::with_capacity(most.saturating_sub(start));
        for (_, piece) in self.pieces.iter().take(next).skip(place) {
            whole.extend_from_slice(piece);
        }
        let whole = core::iter::once((start, whole.freeze()));
        self.pieces.splice(place..next, whole);
    }

    fn copy(&self, start: usize, end: usize, into: &mut BytesMut) {
        let place = self.piece_of(start);
        if let Some((piece_start, piece)) = self.pieces.get(place) {
            let range = start.saturating_sub(*piece_start)..end.saturating_sub(*piece_start);
            into.extend_from_slice(piece.get(range).unwrap_or_default());
        }
    }
}

fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
