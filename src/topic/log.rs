//! The messages that a topic keeps, as bytes that all streams share.
//!
//! Pure: no lock, no clock.
//!
//! ```text
//! number     17 18 19 20 21 22 23 24 25 26
//!           |       block       |   block, open   |
//! bytes      [piece][  piece   ] [piece][ tail .. ]
//!              ^ oldest                        ^ next
//! ```
//!
//! Most messages leave in the order in which they came. One that expires leaves a hole. A block with
//! holes is rewritten when it is read, when half of it is gone, or when it has the most holes and the
//! log holds more than an eighth beyond its bound.

mod block;
mod gaps;
mod holes;
mod own_ids;
mod pieces;
mod read;
mod segment;
mod tail;
mod times;

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use crate::time::Deadline;
use block::{Block, Entry};
use gaps::Gaps;
use holes::Holes;
use own_ids::OwnIds;
pub(crate) use read::Read;
use tail::Tail;

/// The most messages that are copied or evicted in one step, and the most in a block of which some
/// may leave early.
pub(crate) const MOST_AT_ONCE: usize = 64;
/// The most messages of a block. Bursts are read block by block: larger ones are cut less often.
const BLOCK_MESSAGES: usize = 256;
const LARGEST_BLOCK: u64 = 64 * 1024;
/// A list of so few items grows one by one, so that a small history holds little.
const FEW: usize = 16;
/// What a message adds to the bytes that are bounded, besides its frame.
const OVERHEAD: u64 = 16;
/// No clock is coarser than this.
const CLOCK_STEP: Duration = Duration::from_micros(1);

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
    /// The bounds of a block.
    block_messages: usize,
    block_bytes: usize,
    /// In the order of their numbers; none is empty.
    blocks: VecDeque<Block>,
    /// Whether the last block still takes messages.
    is_open: bool,
    /// The bytes of the last block that are not in its pieces.
    tail: Tail,
    /// The bytes of a message, as the last blocks had them.
    mean: usize,
    /// The number of the oldest message that is kept, or of the next.
    oldest: u64,
    /// When it came, if age bounds what is kept.
    oldest_came: Option<SystemTime>,
    /// The number of the message that comes next.
    next: u64,
    /// The last message that was evicted without having expired. What follows it is all kept.
    evicted: u64,
    /// Messages that are kept, and the bytes that are bounded.
    len: u64,
    bytes: u64,
    gaps: Gaps,
    /// The earliest expiry of each block, and the block's first number.
    by_expiry: BTreeSet<(SystemTime, u64)>,
    holes: Holes,
    own_ids: OwnIds,
}

impl Log {
    pub(crate) fn new(retention: Retention) -> Self {
        // What is evicted but not freed yet, and what is allocated but not written yet, are each
        // less than a block.
        let messages = to_usize(retention.messages.div_ceil(4));
        let bytes = to_usize((retention.bytes / 8).min(LARGEST_BLOCK));
        Self {
            retention,
            block_messages: messages.clamp(1, BLOCK_MESSAGES),
            block_bytes: bytes,
            blocks: VecDeque::new(),
            is_open: false,
            tail: Tail::default(),
            mean: 0,
            oldest: 1,
            oldest_came: None,
            next: 1,
            evicted: 0,
            len: 0,
            bytes: 0,
            gaps: Gaps::new(retention.bytes),
            by_expiry: BTreeSet::new(),
            holes: Holes::default(),
            own_ids: OwnIds::new(retention.messages, retention.bytes),
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

    /// The bytes that are bounded: the frames that are kept, 16 for each message, and for an own id
    /// its length and 64.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether a message with a frame of this length and this own id can be kept at all.
    pub(crate) fn fits(&self, frame: usize, own_id: Option<&str>) -> bool {
        let id = own_id.map_or(0, |id| own_ids::cost(id.len()));
        u32::try_from(frame).is_ok() && cost(frame, id) <= self.retention.bytes
    }

    /// Whether any of the messages expires or ages.
    #[inline]
    pub(crate) fn is_timed(&self) -> bool {
        self.retention.age.is_some() || !self.by_expiry.is_empty()
    }

    /// When [`trim`](Self::trim) next has something to do only because time passes.
    pub(crate) fn next_change(&self) -> Deadline {
        let expiry = self.by_expiry.first().map(|(time, _)| *time);
        let age = self.retention.age.zip(self.oldest_came);
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

    /// The newest message with this id of its own, if what follows it is all kept.
    pub(crate) fn number_of(&self, own_id: &str) -> Option<u64> {
        let number = self.own_ids.find(own_id)?;
        (number >= self.evicted).then_some(number)
    }

    /// Whether the message with this number is kept, under that number as its id.
    pub(crate) fn is_numbered(&self, number: u64) -> bool {
        let index = (number >= self.oldest).then(|| self.block_at(number));
        let block = index.flatten().and_then(|index| self.blocks.get(index));
        block.is_some_and(|block| block.kept_from(number) == Some(number))
            && self.own_ids.cost(number) == 0
    }

    /// Gives the next message this number; those between were never given.
    pub(crate) fn skip_to(&mut self, number: u64) {
        if number <= self.next {
            return;
        }
        if self.blocks.is_empty() {
            self.gaps.record(self.oldest, number);
            self.oldest = number;
        }
        self.next = number;
    }

    /// Appends a frame that [fits](Self::fits), in two parts; returns its number.
    pub(crate) fn append(
        &mut self,
        parts: [&[u8]; 2],
        own_id: Option<Arc<str>>,
        expires: Deadline,
        now: SystemTime,
    ) -> u64 {
        let came = self
            .retention
            .age
            .map_or(Deadline::Never, |_| Deadline::At(now));
        let entry = Entry {
            number: self.next,
            len: parts[0].len().saturating_add(parts[1].len()),
            came,
            expires,
        };
        if !self.takes(&entry) {
            self.open_block(&entry);
        }
        if let Some(block) = self.blocks.back_mut() {
            if !self.tail.has_capacity(entry.len) {
                let most = most_messages(self.block_messages, block, &entry);
                let left = most.saturating_sub(block.count());
                let bytes = block.len().saturating_add(entry.len);
                let mean = bytes.checked_div(block.count().saturating_add(1));
                let usual = left.saturating_mul(self.mean.max(mean.unwrap_or_default()));
                let usual = usual.saturating_add(usual / 32);
                let most = self.block_bytes.saturating_sub(block.len());
                self.tail.reserve(block, entry.len, usual.min(most));
            }
            self.tail.write(parts);
            let before = block.expiry().map(|(_, time)| time);
            block.push(&entry);
            if let Deadline::At(time) = expires
                && before.is_none_or(|before| time < before)
            {
                let first = block.first();
                before.map(|before| self.by_expiry.remove(&(before, first)));
                self.by_expiry.insert((time, first));
            }
        }
        let id = own_id.map_or(0, |id| {
            self.own_ids.insert(&id, entry.number);
            own_ids::cost(id.len())
        });
        if self.len == 0 {
            self.oldest_came = came.time();
        }
        self.next = entry.number.saturating_add(1);
        self.len = self.len.saturating_add(1);
        self.bytes = self.bytes.saturating_add(cost(entry.len, id));
        entry.number
    }

    /// Whether the open block takes one more.
    fn takes(&self, entry: &Entry) -> bool {
        let Some(block) = self.blocks.back().filter(|_| self.is_open) else {
            return false;
        };
        block.count() < most_messages(self.block_messages, block, entry)
            && block.len().saturating_add(entry.len) <= self.block_bytes
            && block.accepts(entry)
    }

    fn open_block(&mut self, entry: &Entry) {
        let mut messages = 0;
        if let Some(block) = self.blocks.back() {
            messages = block.count();
            self.mean = block.len().checked_div(messages).unwrap_or_default();
        }
        self.close_block();
        make_way(&mut self.blocks);
        self.blocks.push_back(Block::new(entry.number, messages));
        self.tail.start();
        self.is_open = true;
    }

    /// Evicts what is beyond the bounds, removes what has expired, and fills holes: at most
    /// 64 messages leave and 64 are copied in a call. Returns whether there may be more.
    pub(crate) fn trim(&mut self, now: SystemTime) -> bool {
        let is_within = self.len <= self.retention.messages && self.bytes <= self.retention.bytes;
        if is_within && !self.is_timed() && !self.has_too_many_holes() {
            return false;
        }
        self.trim_some(now)
    }

    fn trim_some(&mut self, now: SystemTime) -> bool {
        for _ in 0..MOST_AT_ONCE {
            let first = self.by_expiry.first().copied();
            if let Some((time, block)) = first
                && time <= now
                // In the order of time, however late the call: age may have evicted it before.
                && !self.oldest_is_too_old(time)
            {
                if self.expire(block) {
                    return true;
                }
            } else if self.len > self.retention.messages
                || self.bytes > self.retention.bytes
                || self.oldest_is_too_old(now)
            {
                self.evict_oldest();
            } else {
                return self.has_too_many_holes() && self.fill_most_holes();
            }
        }
        true
    }

    fn oldest_is_too_old(&self, now: SystemTime) -> bool {
        let Some(age) = self.retention.age else {
            return false;
        };
        self.oldest_came
            .and_then(|came| now.duration_since(came).ok())
            .is_some_and(|since| since > age)
    }
}

/// The most messages of a block once it has this one.
#[inline]
fn most_messages(usual: usize, block: &Block, entry: &Entry) -> usize {
    if entry.expires != Deadline::Never || block.may_have_holes() {
        usual.min(MOST_AT_ONCE)
    } else {
        usual
    }
}

/// What a message adds to the bytes that are bounded; `id` is its own id's share.
fn cost(frame: usize, id: u64) -> u64 {
    to_u64(frame).saturating_add(OVERHEAD).saturating_add(id)
}

/// Allocates for one more, if need be.
fn make_way<T>(list: &mut VecDeque<T>) {
    if list.len() < FEW && list.len() == list.capacity() {
        list.reserve_exact(1);
    }
}

/// Frees capacity that a larger history has left.
fn shrink<T>(list: &mut VecDeque<T>) {
    let capacity = list.capacity();
    if capacity > FEW && list.len() < capacity / 4 {
        list.shrink_to(capacity / 2);
    }
}

fn size(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

pub(super) fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

pub(super) fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
