//! A map by number that never moves more than a block of neighbours.
//!
//! Pure: no lock, no clock.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "bits of a block, and counters of what is in memory"
)]

use std::collections::{BTreeMap, VecDeque};

/// How many neighbouring numbers share a block.
const BLOCK: u64 = 32;
/// The most values of a block.
const BLOCK_LEN: usize = 32;

/// A map by number, for numbers that mostly ascend and are removed in any order.
///
/// Up to 32 neighbours share a block, and the blocks are the leaves of a tree. No operation moves more
/// than a block and a path of the tree, however large the map is and however far apart the numbers
/// are. A hash table is a little faster on average, but moves everything at once when it grows, and
/// a ring keeps slots for what was removed.
///
/// Memory follows the number of values: the values of a block take at most twice their own size,
/// except in the block with the highest numbers, which is kept for those to come.
#[derive(Debug)]
pub(crate) struct SeqMap<T> {
    /// By the number divided by 32. None is empty, except that the last may be.
    blocks: BTreeMap<u64, Block<T>>,
    len: usize,
}

#[derive(Debug)]
struct Block<T> {
    /// One bit for each number that has a value.
    present: u32,
    /// In the order of their numbers.
    values: VecDeque<T>,
}

impl<T> Default for SeqMap<T> {
    fn default() -> Self {
        Self {
            blocks: BTreeMap::new(),
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
        let block = self.blocks.get(&(number / BLOCK))?;
        block.values.get(block.index(number)?)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let block = self.blocks.get_mut(&(number / BLOCK))?;
        let index = block.index(number)?;
        block.values.get_mut(index)
    }

    /// The value with the lowest number.
    pub(crate) fn first(&self) -> Option<(u64, &T)> {
        let (block_number, block) = self.blocks.first_key_value()?;
        let value = block.values.front()?;
        Some((block.first_number(*block_number), value))
    }

    /// Inserts a value; returns the one that had this number before.
    pub(crate) fn insert(&mut self, number: u64, value: T) -> Option<T> {
        let block_number = number / BLOCK;
        let block = match self.blocks.last_entry() {
            Some(last) if *last.key() == block_number => last.into_mut(),
            Some(last) if *last.key() > block_number => {
                self.blocks.entry(block_number).or_default()
            }
            _ => self.open(block_number),
        };
        let before = block.insert(number, value);
        self.len += usize::from(before.is_none());
        before
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        let block_number = number / BLOCK;
        let block = self.blocks.get_mut(&block_number)?;
        let value = block.remove(number)?;
        self.len -= 1;
        if block.is_half_empty() {
            self.tidy(block_number);
        }
        Some(value)
    }

    /// Removes the value with the lowest number.
    pub(crate) fn pop_first(&mut self) -> Option<(u64, T)> {
        let is_last = self.blocks.len() == 1;
        let mut first = self.blocks.first_entry()?;
        let block_number = *first.key();
        let block = first.get_mut();
        let number = block.first_number(block_number);
        let value = block.values.pop_front()?;
        block.present &= block.present - 1;
        self.len -= 1;
        if block.values.is_empty() && !is_last {
            first.remove();
        } else if !is_last {
            block.fit();
        }
        Some((number, value))
    }

    /// All values with their numbers, in order.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let blocks = self.blocks.iter();
        blocks.flat_map(|(block_number, block)| {
            numbers(*block_number, block.present).zip(&block.values)
        })
    }

    /// All values with their numbers, in order. Frees each block as it goes on to the next.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (u64, T)> {
        let blocks = self.blocks.into_iter();
        blocks.flat_map(|(block_number, block)| {
            numbers(block_number, block.present).zip(block.values)
        })
    }

    /// Adds a block above all others.
    fn open(&mut self, block_number: u64) -> &mut Block<T> {
        let mut block = Block::default();
        if let Some(mut last) = self.blocks.last_entry() {
            if last.get().values.is_empty() {
                block = last.remove();
            } else {
                // It is likely to hold as many as the one before it.
                block.values.reserve_exact(last.get().values.len());
                last.get_mut().fit();
            }
        }
        self.blocks.entry(block_number).or_insert(block)
    }

    /// Frees what a block does not need any more, unless it is the last.
    fn tidy(&mut self, block_number: u64) {
        let last = self.blocks.last_key_value();
        if last.is_some_and(|(last, _)| *last == block_number) {
            return;
        }
        if let Some(block) = self.blocks.get_mut(&block_number) {
            if block.values.is_empty() {
                self.blocks.remove(&block_number);
            } else {
                block.fit();
            }
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

    /// How many values have a lower number than that of the bit.
    fn index_of(&self, bit: u32) -> usize {
        let below = self.present & (bit - 1);
        usize::try_from(below.count_ones()).unwrap_or(BLOCK_LEN)
    }

    fn first_number(&self, block_number: u64) -> u64 {
        block_number * BLOCK + u64::from(self.present.trailing_zeros()) % BLOCK
    }

    fn insert(&mut self, number: u64, value: T) -> Option<T> {
        let bit = bit(number);
        let index = self.index_of(bit);
        if self.present & bit != 0 {
            let before = self.values.get_mut(index)?;
            return Some(core::mem::replace(before, value));
        }
        let len = self.values.len();
        if len == self.values.capacity() {
            self.values.reserve_exact(len.clamp(1, BLOCK_LEN - len));
        }
        self.present |= bit;
        self.values.insert(index, value);
        None
    }

    fn remove(&mut self, number: u64) -> Option<T> {
        let value = self.values.remove(self.index(number)?)?;
        self.present &= !bit(number);
        Some(value)
    }

    fn is_half_empty(&self) -> bool {
        self.values.len() <= self.values.capacity() / 2
    }

    fn fit(&mut self) {
        if self.is_half_empty() {
            self.values.shrink_to_fit();
        }
    }
}

fn bit(number: u64) -> u32 {
    1 << (number % BLOCK)
}

/// The numbers of a block that have a value.
fn numbers(block_number: u64, present: u32) -> impl Iterator<Item = u64> {
    let bits = (0..BLOCK).filter(move |number| present & bit(*number) != 0);
    bits.map(move |number| block_number * BLOCK + number)
}

#[cfg(test)]
#[cfg(not(loom))]
// Spelled out, because benchmarks include this file by its path.
#[path = "seq_map/tests.rs"]
mod tests;
