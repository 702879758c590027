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

mod gaps;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use core::time::Duration;

use crate::source::Limit;
use crate::time::Deadline;
use gaps::Gaps;

/// The most messages of a block. Bursts are read block by block: larger ones are cut less often.
pub(crate) const BLOCK_MESSAGES: usize = 256;
/// The most messages that are copied or evicted in one step.
pub(crate) const MOST_AT_ONCE: usize = 64;
const LARGEST_BLOCK: usize = 64 * 1024;
/// A frame larger than this gets a block of its own size.
const LARGE_FRAME: usize = 16 * 1024;
const SMALLEST_BLOCK: usize = 1024;
/// No clock is coarser than this.
const CLOCK_STEP: Duration = Duration::from_micros(1);
/// So many pieces in a row are worth a copy to the streams that are behind.
const MANY_PIECES: usize = 4;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) age: Option<Duration>,
}

/// One chunk of whole frames.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) chunk: Bytes,
    pub(crate) messages: u64,
    /// When the first of them expires.
    pub(crate) expires: Deadline,
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
    /// Messages that are kept, and the bytes of their frames.
    len: u64,
    bytes: u64,
    /// Whether the last block still takes messages.
    is_open: bool,
    /// Removed from the middle: their numbers, until the oldest message has passed them or their
    /// block is dropped.
    gone: BTreeSet<u64>,
    gaps: Gaps,
    by_expiry: BTreeSet<(SystemTime, u64)>,
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
    /// How many of its messages have expired.
    gone: usize,
}

impl Log {
    pub(crate) fn new(retention: Retention) -> Self {
        Self {
            retention,
            blocks: VecDeque::new(),
            open: BytesMut::new(),
            oldest: 1,
            next: 1,
            len: 0,
            bytes: 0,
            is_open: false,
            gone: BTreeSet::new(),
            gaps: Gaps::default(),
            by_expiry: BTreeSet::new(),
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
        self.len
    }

    /// The bytes of the frames that are kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether any of the messages expires or ages.
    pub(crate) fn is_timed(&self) -> bool {
        self.retention.age.is_some() || !self.expiring.is_empty()
    }

    /// When [`trim`](Self::trim) next has something to do only because time passes.
    pub(crate) fn next_change(&self) -> Deadline {
        let expiry = self.by_expiry.first().map(|(time, _)| *time);
        let age = self.retention.age.zip(self.oldest_came());
        // Beyond the age, not at it: a clock may be no finer than this.
        let ages = age.and_then(|(age, came)| came.checked_add(age)?.checked_add(CLOCK_STEP));
        let first = expiry.into_iter().chain(ages).min();
        first.map_or(Deadline::Never, Deadline::At)
    }

    /// How many messages from `position` to before the oldest were evicted without having
    /// expired; `None` where that is not remembered any more.
    pub(crate) fn missed(&self, position: u64) -> Option<u64> {
        self.gaps.missed(position, self.oldest)
    }

    /// Gives the next message this number; those between were never given.
    pub(crate) fn skip_to(&mut self, number: u64) {
        if number <= self.next {
            return;
        }
        if let Some(block) = self.blocks.back_mut() {
            block.freeze(&mut self.open);
        }
        self.is_open = false;
        if self.blocks.is_empty() {
            self.gaps.record(self.oldest, number);
            self.oldest = number;
        }
        self.next = number;
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
            .is_some_and(|block| block.ends.len() < self.block_messages());
        if !self.is_open
            || !has_place
            || len > LARGE_FRAME
            || self.open.capacity() < self.open.len().saturating_add(len)
        {
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
            self.by_expiry.insert((time, number));
        }
        if let Some(id) = own_id {
            self.own_ids.insert(Arc::clone(&id), number);
            self.own_ids_by_number.insert(number, id);
        }
        self.next = number.saturating_add(1);
        self.len = self.len.saturating_add(1);
        self.bytes = self.bytes.saturating_add(to_u64(len));
        number
    }

    /// Evicts what is beyond the bounds and removes what has expired, at most 64 messages a call;
    /// returns whether there may be more.
    pub(crate) fn trim(&mut self, now: SystemTime) -> bool {
        for _ in 0..MOST_AT_ONCE {
            let first = self.by_expiry.first().copied();
            if let Some((time, number)) = first
                && time <= now
                // In the order of time, however late the call: age may have evicted it before.
                && !self.oldest_is_too_old(time)
            {
                self.expire(time, number);
            } else if !self.gone.is_empty() && self.gone.remove(&self.oldest) {
                let oldest = self.oldest;
                self.gaps.record(oldest, oldest.saturating_add(1));
                self.pass_oldest();
            } else if self.len > self.retention.messages
                || self.bytes > self.retention.bytes
                || self.oldest_is_too_old(now)
            {
                self.evict_oldest();
            } else {
                return false;
            }
        }
        true
    }

    /// The newest message with this id of its own, also the last that was evicted.
    pub(crate) fn number_of(&self, own_id: &str) -> Option<u64> {
        let number = self.own_ids.get(own_id).copied()?;
        (number.saturating_add(1) >= self.oldest).then_some(number)
    }

    /// Reads from `position` on, at most to the end of a block, and moves it. `None` if nothing
    /// that was passed is kept. Nothing in the log may have expired: [`trim`](Self::trim) first.
    ///
    /// The position is not before the oldest message.
    pub(crate) fn read(&mut self, position: &mut u64, limit: Limit) -> Option<Read> {
        let index = self.index_and_move(position)?;
        let is_last = index.saturating_add(1) == self.blocks.len();
        let block = self.blocks.get_mut(index)?;
        if is_last && !self.open.is_empty() {
            block.freeze(&mut self.open);
        }
        let from = to_usize(position.saturating_sub(block.first));
        let to = block.within(from, limit);
        let (first, last) = (*position, block.number(to));
        let mut gone = self.gone.range(first..last).copied().peekable();
        let (chunk, messages) = if gone.peek().is_none() {
            let (slice, to) = block.slice(from, to);
            *position = block.number(to);
            (slice, to.saturating_sub(from))
        } else {
            let to = to.min(from.saturating_add(MOST_AT_ONCE));
            let (start, end) = (block.start_of(from), block.start_of(to));
            *position = block.number(to);
            let mut kept = BytesMut::with_capacity(end.saturating_sub(start));
            let mut messages = 0_usize;
            for slot in from..to {
                if gone.next_if_eq(&block.number(slot)).is_none() {
                    messages = messages.saturating_add(1);
                    let end = block.start_of(slot.saturating_add(1));
                    block.copy(block.start_of(slot), end, &mut kept);
                }
            }
            (kept.freeze(), messages)
        };
        (messages > 0).then(|| Read {
            chunk,
            messages: to_u64(messages),
            expires: self.first_expiry(first, *position),
        })
    }

    /// When the first of the messages from `first` to before `end` expires.
    fn first_expiry(&self, first: u64, end: u64) -> Deadline {
        if self.expiring.is_empty() {
            return Deadline::Never;
        }
        let times = self.expiring.range(first..end).map(|(_, time)| *time);
        times.min().map_or(Deadline::Never, Deadline::At)
    }

    /// Whether the message with this number is kept, under that number as its id.
    pub(crate) fn is_numbered(&self, number: u64) -> bool {
        let is_kept = (self.oldest..self.next).contains(&number)
            && !self.gone.contains(&number)
            && !self.own_ids_by_number.contains_key(&number);
        let block = self.block_of(number).filter(|_| is_kept);
        let block = block.and_then(|index| self.blocks.get(index));
        block.is_some_and(|block| number < block.number(block.ends.len()))
    }

    /// The block that is read at a position, which moves over numbers that no block has.
    fn index_and_move(&self, position: &mut u64) -> Option<usize> {
        let index = self.block_of(*position);
        let block = index.and_then(|index| self.blocks.get(index));
        if block.is_some_and(|block| *position < block.number(block.ends.len())) {
            return index;
        }
        if *position >= self.next {
            return None;
        }
        let index = index.map_or(0, |index| index.saturating_add(1));
        let first = self.blocks.get(index).map(|block| block.first);
        *position = first.unwrap_or(self.next);
        first.map(|_| index)
    }

    /// The most messages of a block: a quarter of what is kept.
    fn block_messages(&self) -> usize {
        let quarter = to_usize(self.retention.messages.div_ceil(4));
        quarter.clamp(1, BLOCK_MESSAGES)
    }

    fn expire(&mut self, time: SystemTime, number: u64) {
        self.by_expiry.remove(&(time, number));
        self.expiring.remove(&number);
        let Some(index) = self.block_of(number) else {
            return;
        };
        let is_last = index.saturating_add(1) == self.blocks.len();
        let Some(block) = self.blocks.get_mut(index) else {
            return;
        };
        let len = block.len_of(number);
        block.gone = block.gone.saturating_add(1);
        let is_empty = block.gone >= block.ends.len();
        self.len = self.len.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(to_u64(len));
        self.gone.insert(number);
        // The first block is left as its messages are passed.
        if is_empty && !is_last && index > 0 {
            self.drop_block(index);
        }
    }

    /// Drops a block of which nothing is kept, from the middle of the log.
    fn drop_block(&mut self, index: usize) {
        let Some(block) = self.blocks.remove(index) else {
            return;
        };
        for number in block.first..block.number(block.ends.len()) {
            self.gone.remove(&number);
            // An id outlives its message until that is passed, but not without a bound.
            let ids = to_u64(self.own_ids_by_number.len());
            if ids
                > self
                    .retention
                    .messages
                    .saturating_add(to_u64(BLOCK_MESSAGES))
            {
                self.forget_id(number);
            }
        }
    }

    fn forget_id(&mut self, number: u64) {
        if let Some(id) = self.own_ids_by_number.remove(&number)
            && self.own_ids.get(&id) == Some(&number)
        {
            self.own_ids.remove(&id);
        }
    }

    fn open_block(&mut self, len: usize) {
        let most_messages = self.block_messages();
        let (mut capacity, mut messages) = (SMALLEST_BLOCK, 0);
        if let Some(block) = self.blocks.back_mut() {
            block.freeze(&mut self.open);
            // As much as the last block would have taken with all its messages.
            let mean = block
                .frozen
                .checked_div(block.ends.len())
                .unwrap_or_default();
            capacity = mean.saturating_add(mean / 8).saturating_mul(most_messages);
            messages = block.ends.len();
        }
        let bytes = to_usize(self.retention.bytes / 4);
        let few = len.saturating_mul(self.block_messages());
        let most = LARGEST_BLOCK
            .min(bytes)
            .min(few.max(SMALLEST_BLOCK.min(few)));
        let capacity = if len > LARGE_FRAME {
            len
        } else {
            capacity.max(SMALLEST_BLOCK).min(most).max(len)
        };
        self.is_open = true;
        let last = self.blocks.len().saturating_sub(1);
        let is_empty = |block: &Block| last > 0 && block.gone >= block.ends.len();
        if self.blocks.back().is_some_and(is_empty) {
            self.drop_block(last);
        }
        self.open = BytesMut::with_capacity(capacity);
        self.blocks.push_back(Block {
            first: self.next,
            ends: Vec::with_capacity(messages),
            came: Vec::new(),
            pieces: Vec::new(),
            frozen: 0,
            gone: 0,
        });
    }

    fn oldest_came(&self) -> Option<SystemTime> {
        let block = self.blocks.front()?;
        let slot = to_usize(self.oldest.saturating_sub(block.first));
        block.came.get(slot).copied()
    }

    fn oldest_is_too_old(&self, now: SystemTime) -> bool {
        let Some(age) = self.retention.age else {
            return false;
        };
        let came = self.oldest_came();
        came.and_then(|came| now.duration_since(came).ok())
            .is_some_and(|since| since > age)
    }

    fn evict_oldest(&mut self) {
        let Some(block) = self.blocks.front() else {
            return;
        };
        let len = block.len_of(self.oldest);
        self.len = self.len.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(to_u64(len));
        if let Some(time) = self.expiring.remove(&self.oldest) {
            self.by_expiry.remove(&(time, self.oldest));
        }
        self.pass_oldest();
    }

    /// Moves the start of the log over its oldest message.
    fn pass_oldest(&mut self) {
        // The id just before the oldest message is still exact, so it outlives its message by one.
        for _ in 0..MOST_AT_ONCE {
            let first = self.own_ids_by_number.first_key_value();
            let Some(number) = first.map(|(number, _)| *number) else {
                break;
            };
            if number >= self.oldest {
                break;
            }
            self.forget_id(number);
        }
        self.oldest = self.oldest.saturating_add(1);
        let Some(block) = self.blocks.front() else {
            return;
        };
        if self.oldest < block.number(block.ends.len()) {
            return;
        }
        self.blocks.pop_front();
        if self.blocks.is_empty() {
            self.open = BytesMut::new();
            self.is_open = false;
        }
        let first = self.blocks.front().map_or(self.next, |block| block.first);
        self.gaps.record(self.oldest, first);
        self.oldest = first;
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

    fn len_of(&self, number: u64) -> usize {
        let slot = to_usize(number.saturating_sub(self.first));
        let end = self.start_of(slot.saturating_add(1));
        end.saturating_sub(self.start_of(slot))
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
