//! A map by number, no operation of which moves more than a block of neighbours.
//!
//! Pure: no lock, no clock.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "bits of a block, and counters of what is in memory"
)]

use core::iter;
use std::collections::{BTreeMap, VecDeque};

/// How many neighbouring numbers share a block.
const BLOCK: u64 = 64;
/// The maximum number of values in a block.
const BLOCK_LEN: usize = 64;

/// A map by number, for numbers that mostly ascend and are removed in any order.
///
/// Up to 64 neighbours share a block. The first and the last block are stored directly, so that the
/// cost of appending and of removing the first value does not depend on the size of the map; the
/// others are in a tree. No operation moves more than a block and a path of the tree, however far
/// apart the numbers are. A hash table moves everything at once when it grows, and a ring keeps
/// slots for removed values.
///
/// Memory follows the number of values: those of a block in the tree take at most twice their own
/// size. The last block keeps its memory for the next numbers, or a quarter of it when it is empty.
#[derive(Debug)]
pub(crate) struct SeqMap<T> {
    /// The first block and its number. It is empty only if the tree is empty.
    front: (u64, Block<T>),
    /// The blocks between the first and the last, by number. None is empty.
    middle: BTreeMap<u64, Block<T>>,
    /// The last block and its number. It may be empty, and it may be the only one.
    back: (u64, Block<T>),
    /// The memory of a block that has become empty, for the next one. Empty if the tree is.
    spare: VecDeque<T>,
    len: usize,
}

/// The values whose number divided by 64 is the number of the block.
#[derive(Debug)]
struct Block<T> {
    /// A bit for each number that has a value.
    present: u64,
    /// In the order of their numbers.
    values: VecDeque<T>,
}

impl<T> Default for SeqMap<T> {
    fn default() -> Self {
        Self {
            front: (0, Block::default()),
            middle: BTreeMap::new(),
            back: (0, Block::default()),
            spare: VecDeque::new(),
            len: 0,
        }
    }
}

impl<T> SeqMap<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        let block = match number / BLOCK {
            at if at == self.back.0 => &self.back.1,
            at if at == self.front.0 => &self.front.1,
            at => self.middle.get(&at)?,
        };
        block.values.get(block.index(number)?)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let block = match number / BLOCK {
            at if at == self.back.0 => &mut self.back.1,
            at if at == self.front.0 => &mut self.front.1,
            at => self.middle.get_mut(&at)?,
        };
        let index = block.index(number)?;
        block.values.get_mut(index)
    }

    /// The value with the lowest number.
    pub(crate) fn first(&self) -> Option<(u64, &T)> {
        let (at, block) = if self.front.1.is_empty() {
            &self.back
        } else {
            &self.front
        };
        Some((block.first_number(*at), block.values.front()?))
    }

    /// Inserts a value; returns the previous value with this number.
    pub(crate) fn insert(&mut self, number: u64, value: T) -> Option<T> {
        let at = number / BLOCK;
        let before = self.block_for(at).insert(number, value);
        self.len += usize::from(before.is_none());
        before
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        let at = number / BLOCK;
        let value = if at == self.back.0 {
            let value = self.back.1.remove(number)?;
            self.shrink_empty_back();
            value
        } else if at == self.front.0 {
            let value = self.front.1.remove(number)?;
            self.refill_front();
            value
        } else {
            let block = self.middle.get_mut(&at)?;
            let value = block.remove(number)?;
            if block.is_empty() {
                self.middle.remove(&at);
            } else {
                block.shrink();
            }
            value
        };
        self.len -= 1;
        Some(value)
    }

    /// Removes the value with the lowest number.
    pub(crate) fn pop_first(&mut self) -> Option<(u64, T)> {
        let first = if self.front.1.is_empty() {
            let first = self.back.1.pop_first(self.back.0)?;
            self.shrink_empty_back();
            first
        } else {
            let first = self.front.1.pop_first(self.front.0)?;
            self.refill_front();
            first
        };
        self.len -= 1;
        Some(first)
    }

    /// The values from a number on, with their numbers, in order.
    ///
    /// To reach the first of them, it skips at most a block.
    pub(crate) fn iter_from(&self, first: u64) -> impl Iterator<Item = (u64, &T)> {
        let middle = self.middle.range(first / BLOCK..);
        let middle = middle.map(|(at, block)| (*at, block));
        let [front, back] = [&self.front, &self.back].map(|(at, block)| (*at, block));
        let blocks = iter::once(front).chain(middle).chain(iter::once(back));
        let blocks = blocks.filter(move |(at, _)| *at >= first / BLOCK);
        let all = blocks.flat_map(|(at, block)| numbers(at, block.present).zip(&block.values));
        all.skip_while(move |(number, _)| *number < first)
    }

    /// All values with their numbers, in order. Each block is freed before the next one is read.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (u64, T)> {
        let [front, back] = [self.front, self.back].map(iter::once);
        let blocks = front.chain(self.middle).chain(back);
        blocks.flat_map(|(at, block)| numbers(at, block.present).zip(block.values))
    }

    /// The block with this number, which is created if it is missing.
    fn block_for(&mut self, at: u64) -> &mut Block<T> {
        if at > self.back.0 {
            self.open_back(at);
        }
        if at == self.back.0 {
            return &mut self.back.1;
        }
        if self.front.1.is_empty() {
            self.front.0 = at;
        } else if at < self.front.0 {
            let before = core::mem::replace(&mut self.front, (at, Block::default()));
            self.put_in_middle(before);
        }
        if at == self.front.0 {
            return &mut self.front.1;
        }
        self.middle.entry(at).or_default()
    }

    /// Opens a block after all others.
    fn open_back(&mut self, at: u64) {
        if self.back.1.is_empty() {
            self.back.0 = at;
            return;
        }
        let mut values = core::mem::take(&mut self.spare);
        // The block is likely to get as many values as the one before it.
        values.reserve_exact(self.back.1.values.capacity());
        let block = Block { present: 0, values };
        let mut before = core::mem::replace(&mut self.back, (at, block));
        if self.front.1.is_empty() {
            before.1.shrink();
            self.front = before;
        } else {
            self.put_in_middle(before);
        }
    }

    fn put_in_middle(&mut self, (at, mut block): (u64, Block<T>)) {
        block.shrink();
        self.middle.insert(at, block);
    }

    /// An empty map keeps the memory of a quarter of a block.
    fn shrink_empty_back(&mut self) {
        let values = &mut self.back.1.values;
        if values.is_empty() && values.capacity() > BLOCK_LEN / 4 {
            values.shrink_to(BLOCK_LEN / 4);
        }
    }

    /// Replaces the first block with the first one of the tree, if it is empty.
    fn refill_front(&mut self) {
        if self.front.1.is_empty() {
            let next = self.middle.pop_first();
            let has_more = next.is_some();
            let before = core::mem::replace(&mut self.front, next.unwrap_or_default());
            self.spare = if has_more {
                before.1.values
            } else {
                VecDeque::new()
            };
        }
    }
}

impl<T> Default for Block<T> {
    fn default() -> Self {
        Self {
            present: 0,
            values: VecDeque::new(),
        }
    }
}

impl<T> Block<T> {
    /// The index of the value with this number, if there is one.
    fn index(&self, number: u64) -> Option<usize> {
        let bit = bit(number);
        (self.present & bit != 0).then(|| self.index_of(bit))
    }

    /// The number of values with a lower number than that of the bit.
    fn index_of(&self, bit: u64) -> usize {
        let below = self.present & (bit - 1);
        usize::try_from(below.count_ones()).unwrap_or(BLOCK_LEN)
    }

    fn is_empty(&self) -> bool {
        self.present == 0
    }

    /// The lowest number that has a value, if this is the block `at`. Any number if the block is
    /// empty.
    fn first_number(&self, at: u64) -> u64 {
        at * BLOCK + u64::from(self.present.trailing_zeros()) % BLOCK
    }

    fn pop_first(&mut self, at: u64) -> Option<(u64, T)> {
        let value = self.values.pop_front()?;
        let number = self.first_number(at);
        self.present &= self.present - 1;
        Some((number, value))
    }

    fn insert(&mut self, number: u64, value: T) -> Option<T> {
        let bit = bit(number);
        if self.present & bit != 0 {
            let index = self.index_of(bit);
            let before = self.values.get_mut(index)?;
            return Some(core::mem::replace(before, value));
        }
        let len = self.values.len();
        if len == self.values.capacity() {
            self.values.reserve_exact(len.clamp(1, BLOCK_LEN - len));
        }
        if self.present < bit {
            self.values.push_back(value);
        } else {
            self.values.insert(self.index_of(bit), value);
        }
        self.present |= bit;
        None
    }

    fn remove(&mut self, number: u64) -> Option<T> {
        let bit = bit(number);
        if self.present & bit == 0 {
            return None;
        }
        let index = self.index_of(bit);
        self.present &= !bit;
        if index == 0 {
            self.values.pop_front()
        } else {
            self.values.remove(index)
        }
    }

    /// Frees spare memory if it is at least half of all.
    fn shrink(&mut self) {
        if self.values.len() <= self.values.capacity() / 2 {
            self.values.shrink_to_fit();
        }
    }
}

/// The bit of a number in its block.
fn bit(number: u64) -> u64 {
    1 << (number % BLOCK)
}

/// The numbers that have a value in the block `at`.
fn numbers(at: u64, present: u64) -> impl Iterator<Item = u64> {
    let bits = (0..BLOCK).filter(move |number| present & bit(*number) != 0);
    bits.map(move |number| at * BLOCK + number)
}

#[cfg(test)]
#[cfg(not(loom))]
// Spelled out, because benchmarks include this file by its path.
#[path = "seq_map/tests.rs"]
mod tests;
