//! The messages that a topic retains, as bytes that all streams share.
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
//! Most messages are evicted in the order in which they entered. One that expires leaves a hole. A
//! block with holes is rewritten when it is read, when half of it has been removed, or when it has
//! the most holes and the log takes more than an eighth beyond its bound.

mod append;
mod block;
mod gaps;
mod holes;
mod keys;
mod labels;
mod own_ids;
mod pieces;
mod read;
mod runs;
mod segment;
mod select;
mod tags;
mod tail;
mod times;
mod walk;

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};
use std::time::SystemTime;

use crate::budget::Share;
use crate::time::Deadline;
use block::Block;
use gaps::Gaps;
use holes::Holes;
use labels::LabelIndex;
use own_ids::OwnIds;
use tail::Tail;

pub(crate) use read::Read;
pub(crate) use select::Newest;
pub(crate) use tags::{TagId, Wanted};

/// The maximum number of messages that one step copies or evicts, and that a block holds if any of
/// them can expire.
pub(crate) const MAX_PER_STEP: usize = 64;
/// The maximum number of messages in a block. Bursts are read block by block, so larger blocks
/// split fewer of them.
const MAX_BLOCK_MESSAGES: usize = 256;
const MAX_BLOCK_BYTES: u64 = 64 * 1024;
/// A list of up to this many items grows by one at a time, so that a small history takes little
/// memory.
const SMALL_LIST: usize = 16;
/// What each message counts towards the bound in bytes, in addition to its frame.
const OVERHEAD: u64 = 16;
/// No clock is coarser than this.
const CLOCK_STEP: Duration = Duration::from_micros(1);

/// How much a log retains.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) age: Option<Duration>,
}

/// The latest frames in the order of their numbers, within bounds.
#[derive(Debug)]
pub(crate) struct Log {
    retention: Retention,
    /// The bounds of a block.
    block_messages: usize,
    block_bytes: usize,
    /// In the order of their numbers; none is empty.
    blocks: VecDeque<Block>,
    /// Whether the last block accepts more messages.
    is_open: bool,
    /// The bytes of the last block that are not in its pieces.
    tail: Tail,
    /// The mean length of a message in the last block that was closed.
    mean_len: usize,
    /// The number of the oldest retained message, or the next number if there is none.
    oldest: u64,
    /// When it entered, if the log is bounded by age.
    oldest_entered: Option<SystemTime>,
    /// The number of the next message.
    next: u64,
    /// The number of the last message that was evicted before it expired. None after it was
    /// evicted.
    evicted: u64,
    /// The number of retained messages, and the bytes that count towards the bound.
    len: u64,
    bytes: u64,
    gaps: Gaps,
    /// The earliest expiry of each block, and the block's first number.
    by_expiry: BTreeSet<(SystemTime, u64)>,
    holes: Holes,
    own_ids: OwnIds,
    /// `None` until a message has a tag or a key, or a stream has a filter.
    labels: Option<Box<LabelIndex>>,
    /// What `bytes` counts towards the budget of a registry.
    pub(super) share: Share,
}

impl Log {
    pub(crate) fn new(retention: Retention) -> Self {
        // A block is freed as a whole and allocated ahead of its messages, so its size bounds both
        // the memory that is evicted but not freed, and the memory that is allocated but not
        // written.
        let messages = to_usize(retention.messages.div_ceil(4));
        let bytes = to_usize((retention.bytes / 8).min(MAX_BLOCK_BYTES));
        Self {
            retention,
            block_messages: messages.clamp(1, MAX_BLOCK_MESSAGES),
            block_bytes: bytes,
            blocks: VecDeque::new(),
            is_open: false,
            tail: Tail::default(),
            mean_len: 0,
            oldest: 1,
            oldest_entered: None,
            next: 1,
            evicted: 0,
            len: 0,
            bytes: 0,
            gaps: Gaps::new(retention.bytes),
            by_expiry: BTreeSet::new(),
            holes: Holes::default(),
            own_ids: OwnIds::new(retention.messages, retention.bytes),
            labels: None,
            share: Share::default(),
        }
    }

    /// The number of the oldest retained message.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The number that the next message gets.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The number of retained messages.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Whether every number from the oldest on is that of a retained message.
    pub(crate) fn is_dense(&self) -> bool {
        self.next.saturating_sub(self.oldest) == self.len
    }

    /// The bytes that count towards the bound: the retained frames, 16 for each message, and for
    /// each application-supplied id, tag and key its length and 64.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether a message with a frame of this length and this id of its own fits into an empty log,
    /// if its labels cost this much.
    pub(crate) fn fits(&self, frame: usize, own_id: Option<&str>, labels: u64) -> bool {
        let id = own_id.map_or(0, |id| own_ids::cost(id.len()));
        let cost = cost(frame, id).saturating_add(labels);
        u32::try_from(frame).is_ok() && cost <= self.retention.bytes && self.share.fits(cost)
    }

    /// Whether any of the messages expires or ages.
    #[inline]
    pub(crate) fn is_timed(&self) -> bool {
        self.retention.age.is_some() || !self.by_expiry.is_empty()
    }

    /// When [`trim`](Self::trim) next has work because time has passed.
    pub(crate) fn next_change(&self) -> Deadline {
        let expiry = self.by_expiry.first().map(|(time, _)| *time);
        let age = self.retention.age.zip(self.oldest_entered);
        // After the age has passed, not exactly at it: clocks are no finer than this.
        let ages = age.and_then(|(age, entered)| entered.checked_add(age)?.checked_add(CLOCK_STEP));
        let first = expiry.into_iter().chain(ages).min();
        first.map_or(Deadline::Never, Deadline::At)
    }

    /// How many messages from `position` up to the oldest one were evicted before they expired;
    /// `None` if that is no longer known.
    pub(crate) fn missed(&self, position: u64) -> Option<u64> {
        self.gaps.missed(position, self.oldest)
    }

    /// The newest message with this id of its own, if what follows it is all retained.
    pub(crate) fn number_of(&self, own_id: &str) -> Option<u64> {
        let number = self.own_ids.find(own_id)?;
        (number >= self.evicted).then_some(number)
    }

    /// The newest message with this id of its own, as long as its id is remembered.
    pub(crate) fn last_number_of(&self, own_id: &str) -> Option<u64> {
        self.own_ids.find(own_id)
    }

    /// Whether the message with this number is retained and its id is that number.
    pub(crate) fn is_numbered(&self, number: u64) -> bool {
        let index = (number >= self.oldest).then(|| self.block_at(number));
        let block = index.flatten().and_then(|index| self.blocks.get(index));
        block.is_some_and(|block| block.first_retained(number) == Some(number))
            && self.own_ids.cost(number) == 0
    }

    /// Sets the number of the next message. The numbers in between are never used.
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

    /// Removes expired messages, evicts messages beyond the bounds, and fills holes. A call removes
    /// at most 64 messages and copies at most 64. Returns whether there may be more to do.
    pub(crate) fn trim(&mut self, now: SystemTime) -> bool {
        let is_within = self.len <= self.retention.messages && self.bytes <= self.retention.bytes;
        if is_within && !self.is_timed() && !self.has_too_many_holes() {
            return false;
        }
        let has_more = self.trim_step(now);
        self.share.record(self.bytes);
        has_more
    }

    /// Evicts the oldest messages, up to 64 of them and never the newest, while the budget of all
    /// logs is exceeded.
    #[inline]
    pub(crate) fn evict_for_budget(&mut self) {
        if !self.share.is_unlimited() {
            self.evict_for_limit();
        }
    }

    #[inline(never)]
    fn evict_for_limit(&mut self) {
        self.share.record(self.bytes);
        for _ in 0..MAX_PER_STEP {
            if self.len <= 1 || !self.share.is_exceeded() {
                return;
            }
            self.evict_oldest();
            self.share.record(self.bytes);
        }
    }

    fn trim_step(&mut self, now: SystemTime) -> bool {
        for _ in 0..MAX_PER_STEP {
            let first = self.by_expiry.first().copied();
            if let Some((time, block)) = first
                && time <= now
                // What came first is applied first, however late this call: it may have aged
                // before.
                && !self.is_oldest_too_old(time)
            {
                if self.expire(block) {
                    return true;
                }
            } else if self.len > self.retention.messages
                || self.bytes > self.retention.bytes
                || self.is_oldest_too_old(now)
            {
                self.evict_oldest();
            } else {
                return self.has_too_many_holes() && self.fill_most_holes();
            }
        }
        true
    }

    fn is_oldest_too_old(&self, now: SystemTime) -> bool {
        let Some(age) = self.retention.age else {
            return false;
        };
        self.oldest_entered
            .and_then(|entered| now.duration_since(entered).ok())
            .is_some_and(|since| since > age)
    }
}

/// What a message counts towards the bound in bytes; `id_cost` is the share of its own id.
fn cost(frame: usize, id_cost: u64) -> u64 {
    to_u64(frame)
        .saturating_add(OVERHEAD)
        .saturating_add(id_cost)
}

/// Makes sure that one more item fits.
fn reserve_one<T>(list: &mut VecDeque<T>) {
    if list.len() < SMALL_LIST && list.len() == list.capacity() {
        list.reserve_exact(1);
    }
}

/// Frees capacity that is left from a larger history.
fn shrink<T>(list: &mut VecDeque<T>) {
    let capacity = list.capacity();
    if capacity > SMALL_LIST && list.len() < capacity / 4 {
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
