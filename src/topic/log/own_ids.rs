//! Ids that events bring with them, and the numbers of their messages.
//!
//! Ids are kept in segments of consecutive messages, each with a small table of its own, and leave
//! with their segment. So no step moves more than one segment's table, however many ids there are,
//! and an id that is forgotten costs nothing.

use core::hash::BuildHasher;
use std::collections::VecDeque;
use std::hash::RandomState;

use crate::topic::log::{make_way, shrink, size, to_u64, to_usize};

/// What an id counts beside its bytes.
pub(super) const OVERHEAD: u64 = 64;
/// The most ids of a segment. Fewer make an unknown id slower to look for, more make a table
/// slower to grow.
const MOST_IDS: usize = 16 * 1024;
const FEWEST_IDS: usize = 8;
const FEWEST_BYTES: u64 = 600;
/// So much is remembered of messages that have left, however little the log may hold.
const FEWEST_DEAD: Size = Size {
    ids: 64,
    bytes: 2048,
};
/// How many segments on each side are joined with one that is written anew.
const BESIDE: usize = 2;
const SMALLEST_TABLE: usize = 8;

#[derive(Debug)]
pub(super) struct OwnIds {
    segments: VecDeque<Segment>,
    /// What no producer knows.
    seed: u64,
    /// The bounds of a segment.
    most_ids: usize,
    most_bytes: u64,
    /// Ids whose messages have left before their turn, and the bounds of these.
    dead: Size,
    most_dead: Size,
}

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    ids: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Segment {
    /// The number of the first message.
    first: u64,
    entries: Vec<Entry>,
    texts: Vec<u8>,
    /// By hash, the newest entry of each id: one more than its index, or 0. At most half of it is
    /// taken.
    table: Vec<u16>,
    dead: Size,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    /// The message's number, from the segment's first.
    offset: u32,
    /// Where the id ends in `texts`.
    end: u32,
    is_dead: bool,
}

/// What an id of this length counts.
pub(super) fn cost(len: usize) -> u64 {
    to_u64(len).saturating_add(OVERHEAD)
}

impl OwnIds {
    /// For a log of so many messages and bytes.
    pub(super) fn new(messages: u64, bytes: u64) -> Self {
        Self {
            segments: VecDeque::new(),
            seed: RandomState::new().hash_one(0),
            most_ids: to_usize(messages / 16).clamp(FEWEST_IDS, MOST_IDS),
            most_bytes: (bytes / 32).max(FEWEST_BYTES),
            dead: Size::default(),
            most_dead: Size {
                ids: messages.max(FEWEST_DEAD.ids),
                bytes: (bytes / 16).max(FEWEST_DEAD.bytes),
            },
        }
    }

    pub(super) fn insert(&mut self, id: &str, number: u64) {
        let (most_ids, most_bytes) = (self.most_ids, self.most_bytes);
        let takes = |segment: &Segment| {
            let bytes = to_u64(segment.texts.len().saturating_add(id.len()));
            let count = segment.entries.len();
            count < most_ids
                && bytes.saturating_add(to_u64(count).saturating_mul(OVERHEAD)) <= most_bytes
                && u32::try_from(number.saturating_sub(segment.first)).is_ok()
        };
        let hash = hash(self.seed, id.as_bytes());
        if !self.segments.back().is_some_and(takes) {
            let mut new = Segment::new(number);
            if let Some(full) = self.segments.back_mut() {
                full.shrink();
                new.expect_as_many_as(full);
            }
            make_way(&mut self.segments);
            self.segments.push_back(new);
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.insert(id.as_bytes(), number, hash);
        }
    }

    /// The newest message with this id.
    pub(super) fn find(&self, id: &str) -> Option<u64> {
        if self.segments.is_empty() {
            return None;
        }
        let hash = hash(self.seed, id.as_bytes());
        let mut newest_first = self.segments.iter().rev();
        newest_first.find_map(|segment| segment.find(id.as_bytes(), hash))
    }

    /// What the id of this message counts; 0 if it has none.
    pub(super) fn cost(&self, number: u64) -> u64 {
        let found = self.locate(number).and_then(|(index, entry)| {
            let segment = self.segments.get(index)?;
            Some(cost(segment.text(entry).len()))
        });
        found.unwrap_or_default()
    }

    /// The message of this id has left before its turn. The id stays known, as many such as the
    /// log holds messages.
    pub(super) fn outlive(&mut self, number: u64) {
        let Some((index, entry)) = self.locate(number) else {
            return;
        };
        if let Some(segment) = self.segments.get_mut(index) {
            let bytes = cost(segment.text(entry).len());
            if let Some(entry) = segment.entries.get_mut(entry) {
                entry.is_dead = true;
            }
            segment.dead.add(1, bytes);
            self.dead.add(1, bytes);
        }
        while self.dead.ids > self.most_dead.ids || self.dead.bytes > self.most_dead.bytes {
            self.forget_dead();
        }
    }

    /// Nothing before this number is looked for any more. Returns what the id of its message
    /// counts.
    #[inline]
    pub(super) fn pass(&mut self, number: u64) -> u64 {
        while let Some(front) = self.segments.front() {
            if front.last() >= number {
                let entry = front.entry(number);
                return entry.map_or(0, |entry| cost(front.text(entry).len()));
            }
            let dead = front.dead;
            self.dead.subtract(dead);
            self.segments.pop_front();
            shrink(&mut self.segments);
        }
        0
    }

    /// Forgets the dead ids of the segment that has the most, and joins it with those beside it if
    /// they have few.
    fn forget_dead(&mut self) {
        let by_dead = |(_, segment): &(usize, &Segment)| segment.dead.ids;
        let most = self.segments.iter().enumerate().max_by_key(by_dead);
        let Some((index, _)) = most.filter(|(_, segment)| segment.dead.ids > 0) else {
            self.dead = Size::default();
            return;
        };
        let (mut from, mut to) = (index, index.saturating_add(1));
        for _ in 0..BESIDE {
            if let Some(before) = from.checked_sub(1)
                && self.fit_together(before, to)
            {
                from = before;
            }
            if self.fit_together(from, to.saturating_add(1)) {
                to = to.saturating_add(1);
            }
        }
        let segments: Vec<Segment> = self.segments.drain(from..to).collect();
        for segment in &segments {
            self.dead.subtract(segment.dead);
        }
        let whole = Segment::gather(&segments);
        if !whole.entries.is_empty() {
            self.segments.insert(from, whole);
        }
        shrink(&mut self.segments);
    }

    /// Whether what is alive of these segments fits one, with as much to come.
    fn fit_together(&self, from: usize, to: usize) -> bool {
        if to > self.segments.len() {
            return false;
        }
        let mut whole = Size::default();
        for segment in self.segments.range(from..to) {
            let alive = segment.alive();
            whole.add(alive.ids, alive.bytes);
        }
        let ends = (
            self.segments.get(from),
            self.segments.get(to.saturating_sub(1)),
        );
        let is_near = |first: &Segment, last: &Segment| {
            u32::try_from(last.last().saturating_sub(first.first)).is_ok()
        };
        whole.ids <= to_u64(self.most_ids / 2)
            && whole.bytes <= self.most_bytes
            && matches!(ends, (Some(first), Some(last)) if is_near(first, last))
    }

    /// The segment and the entry of a message.
    fn locate(&self, number: u64) -> Option<(usize, usize)> {
        let after = self
            .segments
            .partition_point(|segment| segment.first <= number);
        let index = after.checked_sub(1)?;
        let entry = self.segments.get(index)?.entry(number)?;
        Some((index, entry))
    }
}

impl Size {
    fn add(&mut self, ids: u64, bytes: u64) {
        self.ids = self.ids.saturating_add(ids);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn subtract(&mut self, other: Self) {
        self.ids = self.ids.saturating_sub(other.ids);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

impl Segment {
    fn new(first: u64) -> Self {
        Self {
            first,
            entries: Vec::new(),
            texts: Vec::new(),
            table: Vec::new(),
            dead: Size::default(),
        }
    }

    fn last(&self) -> u64 {
        let last = self.entries.last();
        last.map_or(self.first, |last| self.number(last))
    }

    fn number(&self, entry: &Entry) -> u64 {
        self.first.saturating_add(u64::from(entry.offset))
    }

    fn entry(&self, number: u64) -> Option<usize> {
        let offset = u32::try_from(number.checked_sub(self.first)?).ok()?;
        let is_it = |index: &usize| {
            let entry = self.entries.get(*index);
            entry.is_some_and(|entry| entry.offset == offset)
        };
        // Mostly all messages have ids of their own, or none.
        let guess = usize::try_from(offset).ok().filter(is_it);
        let search = || {
            let found = self
                .entries
                .binary_search_by_key(&offset, |entry| entry.offset);
            found.ok()
        };
        guess.or_else(search)
    }

    fn text(&self, index: usize) -> &[u8] {
        let end = |index: usize| self.entries.get(index).map_or(0, |entry| size(entry.end));
        let start = index.checked_sub(1).map_or(0, end);
        self.texts.get(start..end(index)).unwrap_or_default()
    }

    fn insert(&mut self, id: &[u8], number: u64, hash: u32) {
        let index = self.entries.len();
        self.texts.extend_from_slice(id);
        let offset = number.saturating_sub(self.first);
        self.entries.push(Entry {
            hash,
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            end: u32::try_from(self.texts.len()).unwrap_or(u32::MAX),
            is_dead: false,
        });
        if self.entries.len().saturating_mul(2) > self.table.len() {
            self.grow();
        } else {
            let slot = self.slot(hash, id);
            self.enter(slot, index);
        }
    }

    fn grow(&mut self) {
        let len = self.table.len().saturating_mul(2).max(SMALLEST_TABLE);
        self.table = vec![0; len];
        for index in 0..self.entries.len() {
            let hash = self.entries.get(index).map_or(0, |entry| entry.hash);
            let slot = self.slot(hash, self.text(index));
            self.enter(slot, index);
        }
    }

    /// Writes an entry into the table, over an older one with the same id.
    fn enter(&mut self, slot: usize, index: usize) {
        let place = u16::try_from(index.saturating_add(1)).unwrap_or_default();
        if let Some(slot) = self.table.get_mut(slot) {
            *slot = place;
        }
    }

    /// Where this id is in the table, or where it would be.
    fn slot(&self, hash: u32, id: &[u8]) -> usize {
        let mask = self.table.len().saturating_sub(1);
        let mut slot = size(hash) & mask;
        // Half of the table is free.
        while let Some(index) = self.index_at(slot) {
            let is_it = self.entries.get(index).is_some_and(|it| it.hash == hash);
            if is_it && self.text(index) == id {
                break;
            }
            slot = slot.saturating_add(1) & mask;
        }
        slot
    }

    fn index_at(&self, slot: usize) -> Option<usize> {
        usize::from(*self.table.get(slot)?).checked_sub(1)
    }

    fn find(&self, id: &[u8], hash: u32) -> Option<u64> {
        let index = self.index_at(self.slot(hash, id))?;
        self.entries.get(index).map(|entry| self.number(entry))
    }

    /// What it keeps without its dead ids.
    fn alive(&self) -> Size {
        let ids = to_u64(self.entries.len());
        let bytes = to_u64(self.texts.len()).saturating_add(ids.saturating_mul(OVERHEAD));
        let mut size = Size { ids, bytes };
        size.subtract(self.dead);
        size
    }

    /// All that these have, without their dead ids.
    fn gather(segments: &[Self]) -> Self {
        let mut whole = Self::new(segments.first().map_or(0, |segment| segment.first));
        for segment in segments {
            for (index, entry) in segment.entries.iter().enumerate() {
                if !entry.is_dead {
                    whole.insert(segment.text(index), segment.number(entry), entry.hash);
                }
            }
        }
        whole.shrink();
        whole
    }

    /// Allocates for as many ids as another has.
    fn expect_as_many_as(&mut self, other: &Self) {
        self.entries = Vec::with_capacity(other.entries.len());
        self.texts = Vec::with_capacity(other.texts.len());
        self.table = vec![0; other.table.len()];
    }

    fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        self.texts.shrink_to_fit();
    }
}

/// A multiplication for every eight bytes: this is done under the lock, for each message. A producer
/// that finds collisions makes a list of one segment's table, and no more.
fn hash(seed: u64, id: &[u8]) -> u32 {
    let word = |bytes: &[u8]| {
        let shift = |word: u64, byte: &u8| (word << 8) | u64::from(*byte);
        bytes.iter().fold(0, shift)
    };
    let (words, rest) = id.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let state = words.fold(seed, |state, word| fold(state ^ word));
    let state = fold(state ^ word(rest) ^ to_u64(id.len()).rotate_right(8));
    u32::try_from(state >> 32).unwrap_or_default()
}

/// Both halves of a product.
fn fold(word: u64) -> u64 {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15;

    let product = u128::from(word).wrapping_mul(ODD);
    let half = |product: u128| u64::try_from(product & u128::from(u64::MAX)).unwrap_or_default();
    half(product) ^ half(product >> 64)
}
