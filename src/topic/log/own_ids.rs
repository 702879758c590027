//! Application-supplied ids, and the numbers of their messages.
//!
//! Ids are stored in segments of consecutive messages, each with a small hash table of its own, and
//! are dropped with their segment. So no step moves more than the table of one segment, however
//! many ids there are.

use core::hash::BuildHasher;
use std::collections::VecDeque;
use std::hash::RandomState;

use crate::topic::log::segment::{OVERHEAD, Segment, Size};
use crate::topic::log::{reserve_one, shrink, to_u64};
/// The bounds of a segment. Smaller segments make an unknown id slower to look up, larger ones make
/// a table slower to grow.
const MAX_IDS: u64 = 16 * 1024;
const MIN_IDS: u64 = 8;
const MIN_BYTES: u64 = 600;
/// Ids of expired messages are remembered at least up to this size.
const MIN_DEAD: Size = Size {
    ids: 64,
    bytes: 2048,
};
/// How many segments on each side may be joined with one that is rewritten.
const NEIGHBOURS: usize = 2;

#[derive(Debug)]
pub(super) struct OwnIds {
    segments: VecDeque<Segment>,
    /// Random, so that no producer can choose ids whose hashes collide.
    seed: u64,
    /// The bounds of a segment.
    max_ids: u64,
    max_bytes: u64,
    /// The ids of expired messages, which are dead, and their bounds.
    dead: Size,
    max_dead: Size,
}

/// What an id of this length counts towards the bound in bytes.
pub(super) fn cost(len: usize) -> u64 {
    to_u64(len).saturating_add(OVERHEAD)
}

impl OwnIds {
    /// For a log that is bounded to `messages` and `bytes`.
    pub(super) fn new(messages: u64, bytes: u64) -> Self {
        Self {
            segments: VecDeque::new(),
            seed: RandomState::new().hash_one(0),
            max_ids: (messages / 16).clamp(MIN_IDS, MAX_IDS),
            max_bytes: (bytes / 32).max(MIN_BYTES),
            dead: Size::default(),
            max_dead: Size {
                ids: messages.max(MIN_DEAD.ids),
                bytes: (bytes / 16).max(MIN_DEAD.bytes),
            },
        }
    }

    pub(super) fn insert(&mut self, id: &str, number: u64) {
        let (max_ids, max_bytes) = (self.max_ids, self.max_bytes);
        let has_capacity = |segment: &Segment| {
            let size = segment.size();
            size.ids < max_ids
                && size.bytes.saturating_add(to_u64(id.len())) <= max_bytes
                && u32::try_from(number.saturating_sub(segment.first)).is_ok()
        };
        let hash = hash(self.seed, id.as_bytes());
        if !self.segments.back().is_some_and(has_capacity) {
            let mut new = Segment::new(number);
            if let Some(full) = self.segments.back_mut() {
                full.shrink();
                new.reserve_like(full);
            }
            reserve_one(&mut self.segments);
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

    /// What the id of this message counts towards the bound; 0 if it has none of its own.
    pub(super) fn cost(&self, number: u64) -> u64 {
        let found = self.locate(number).and_then(|(index, entry)| {
            let segment = self.segments.get(index)?;
            Some(cost(segment.text(entry).len()))
        });
        found.unwrap_or_default()
    }

    /// Records that the message with this number has expired. Its id stays known: as many dead ids
    /// are remembered as the log may retain messages.
    pub(super) fn mark_dead(&mut self, number: u64) {
        let Some((index, entry)) = self.locate(number) else {
            return;
        };
        if let Some(segment) = self.segments.get_mut(index) {
            let bytes = cost(segment.text(entry).len());
            segment.mark_dead(entry);
            self.dead.add(1, bytes);
        }
        while self.dead.ids > self.max_dead.ids || self.dead.bytes > self.max_dead.bytes {
            self.forget_dead();
        }
    }

    /// Drops segments that end before this number. Returns the [cost](Self::cost) of its message's
    /// id.
    #[inline]
    pub(super) fn advance(&mut self, number: u64) -> u64 {
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

    /// Forgets the dead ids of the segment with the most of them, and joins it with its neighbours
    /// if these have few ids.
    fn forget_dead(&mut self) {
        let by_dead = |(_, segment): &(usize, &Segment)| segment.dead.ids;
        let worst = self.segments.iter().enumerate().max_by_key(by_dead);
        let Some((index, _)) = worst.filter(|(_, segment)| segment.dead.ids > 0) else {
            self.dead = Size::default();
            return;
        };
        let (mut from, mut to) = (index, index.saturating_add(1));
        for _ in 0..NEIGHBOURS {
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

    /// Whether the live ids of these segments fill at most half a segment.
    fn fit_together(&self, from: usize, to: usize) -> bool {
        if to > self.segments.len() {
            return false;
        }
        let mut whole = Size::default();
        for segment in self.segments.range(from..to) {
            let live = segment.live();
            whole.add(live.ids, live.bytes);
        }
        let ends = (
            self.segments.get(from),
            self.segments.get(to.saturating_sub(1)),
        );
        let is_near = |first: &Segment, last: &Segment| {
            u32::try_from(last.last().saturating_sub(first.first)).is_ok()
        };
        whole.ids <= self.max_ids / 2
            && whole.bytes <= self.max_bytes
            && matches!(ends, (Some(first), Some(last)) if is_near(first, last))
    }

    /// The index of a message's segment, and the index of its entry there.
    fn locate(&self, number: u64) -> Option<(usize, usize)> {
        let after = self
            .segments
            .partition_point(|segment| segment.first <= number);
        let index = after.checked_sub(1)?;
        let entry = self.segments.get(index)?.entry(number)?;
        Some((index, entry))
    }
}

/// Hashes with one multiplication for every eight bytes, because this runs under the lock for each
/// message. A producer that finds collisions can only turn the table of one segment into a list.
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

/// Multiplies, and combines both halves of the product.
fn fold(word: u64) -> u64 {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15;

    let product = u128::from(word).wrapping_mul(ODD);
    let half = |product: u128| u64::try_from(product & u128::from(u64::MAX)).unwrap_or_default();
    half(product) ^ half(product >> 64)
}
