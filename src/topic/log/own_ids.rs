//! Ids that events bring with them, and the numbers of their messages.
//!
//! Ids are kept in segments of consecutive messages, each with a small table of its own, and leave
//! with their segment. So no step moves more than the table of one segment, however many ids there
//! are, and forgetting costs nothing.

use core::hash::BuildHasher;
use std::collections::VecDeque;
use std::hash::RandomState;

use crate::topic::log::segment::{Segment, Size};
use crate::topic::log::{make_way, shrink, to_u64};

/// What an id adds to the bytes that are bounded, besides its length.
pub(super) const OVERHEAD: u64 = 64;
/// The most ids of a segment. Fewer make an unknown id slower to find, more make a table slower
/// to grow.
const MOST_IDS: u64 = 16 * 1024;
const FEWEST_IDS: u64 = 8;
const FEWEST_BYTES: u64 = 600;
/// Ids of messages that left early are remembered up to this size at least.
const FEWEST_DEAD: Size = Size {
    ids: 64,
    bytes: 2048,
};
/// How many segments on each side are joined with one that is rewritten.
const BESIDE: usize = 2;

#[derive(Debug)]
pub(super) struct OwnIds {
    segments: VecDeque<Segment>,
    /// A random number that no producer knows.
    seed: u64,
    /// The bounds of a segment.
    most_ids: u64,
    most_bytes: u64,
    /// Ids whose messages left early, and the bounds of these.
    dead: Size,
    most_dead: Size,
}

/// What an id of this length adds to the bytes that are bounded.
pub(super) fn cost(len: usize) -> u64 {
    to_u64(len).saturating_add(OVERHEAD)
}

impl OwnIds {
    /// For a log of so many messages and bytes.
    pub(super) fn new(messages: u64, bytes: u64) -> Self {
        Self {
            segments: VecDeque::new(),
            seed: RandomState::new().hash_one(0),
            most_ids: (messages / 16).clamp(FEWEST_IDS, MOST_IDS),
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
            let size = segment.size();
            size.ids < most_ids
                && size.bytes.saturating_add(to_u64(id.len())) <= most_bytes
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

    /// What the id of this message adds; 0 if it has none.
    pub(super) fn cost(&self, number: u64) -> u64 {
        let found = self.locate(number).and_then(|(index, entry)| {
            let segment = self.segments.get(index)?;
            Some(cost(segment.text(entry).len()))
        });
        found.unwrap_or_default()
    }

    /// Notes that the message with this number left early. Its id stays known; as many such ids
    /// are remembered as the log may hold messages.
    pub(super) fn outlive(&mut self, number: u64) {
        let Some((index, entry)) = self.locate(number) else {
            return;
        };
        if let Some(segment) = self.segments.get_mut(index) {
            let bytes = cost(segment.text(entry).len());
            segment.set_dead(entry);
            self.dead.add(1, bytes);
        }
        while self.dead.ids > self.most_dead.ids || self.dead.bytes > self.most_dead.bytes {
            self.forget_dead();
        }
    }

    /// Drops segments that end before this number. Returns what the id of its message adds.
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
        if whole.size().ids > 0 {
            self.segments.insert(from, whole);
        }
        shrink(&mut self.segments);
    }

    /// Whether the living ids of these segments fill at most half a segment.
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
        whole.ids <= self.most_ids / 2
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

/// Hashes by one multiplication for every eight bytes, since this happens under the lock for each
/// message. A producer that finds collisions turns the table of one segment into a list, no more.
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

/// Mixes both halves of a product.
fn fold(word: u64) -> u64 {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15;

    let product = u128::from(word).wrapping_mul(ODD);
    let half = |product: u128| u64::try_from(product & u128::from(u64::MAX)).unwrap_or_default();
    half(product) ^ half(product >> 64)
}
