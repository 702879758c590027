//! Reading a log: block by block, as slices that all streams share.

use bytes::Bytes;

use crate::source::Limit;
use crate::time::Deadline;
use crate::topic::log::block::Block;
use crate::topic::log::{Log, to_u64, to_usize};

/// One chunk of whole frames.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) chunk: Bytes,
    pub(crate) messages: u64,
    /// When the first of these messages expires.
    pub(crate) expires: Deadline,
}

impl Log {
    /// Reads a chunk at `position`, at most to the end of a block, and moves the position past it.
    /// `None` if no message that it moved past is retained.
    ///
    /// The position must not be before the oldest message, and no message may have expired:
    /// [`trim`](Self::trim) first.
    pub(crate) fn read(&mut self, position: &mut u64, limit: Limit) -> Option<Read> {
        let mut index = self.locate_and_move(position)?;
        if self.blocks.get(index)?.has_holes() {
            self.fill_holes(index);
            index = self.locate_and_move(position)?;
        }
        let block = self.blocks.get(index)?;
        let from = block.slot(*position);
        let to = block.chunk_end(from, limit);
        self.slice(index, from, to, position)
    }

    /// Reads a chunk of neighbours before `end`, up to a hole or the end of a block, and moves the
    /// position past it. `None` if there are none.
    pub(super) fn read_run(&mut self, position: &mut u64, end: u64, limit: Limit) -> Option<Read> {
        let index = self.locate_and_move(position)?;
        let block = self.blocks.get(index)?;
        let from = block.slot(block.first_retained(*position)?);
        let to = block.chunk_end(from, limit).min(block.slot(end));
        let to = block.hole_in(from, to).unwrap_or(to);
        if from >= to {
            return None;
        }
        self.slice(index, from, to, position)
    }

    /// The messages of a block from slot `from` to `to`, or only to the end of a piece. Moves the
    /// position past the last.
    #[inline]
    fn slice(&mut self, index: usize, from: usize, to: usize, position: &mut u64) -> Option<Read> {
        let is_last = index.saturating_add(1) == self.blocks.len();
        let block = self.blocks.get_mut(index)?;
        let (chunk, to) = if is_last && self.is_open {
            self.tail.read(block, from, to)
        } else {
            block.slice(from, to)
        };
        let (expires, count) = (block.expiry_of(from, to), block.count());
        *position = if to < count {
            block.number(to)
        } else {
            let following = self.blocks.get(index.saturating_add(1));
            following.map_or(self.next, Block::first)
        };
        Some(Read {
            chunk,
            messages: to_u64(to.saturating_sub(from)),
            expires,
        })
    }

    /// The index of the block to read. If no message from `position` to the end of its block is
    /// retained, the position moves to the next block.
    pub(super) fn locate_and_move(&self, position: &mut u64) -> Option<usize> {
        let index = self.block_at(*position);
        let block = index.and_then(|index| self.blocks.get(index));
        let has_message = |block: &Block| {
            let is_near = *position < block.end();
            is_near && (!block.has_holes() || block.first_retained(*position).is_some())
        };
        if block.is_some_and(has_message) {
            return index;
        }
        if *position >= self.next {
            return None;
        }
        let index = index.map_or(0, |index| index.saturating_add(1));
        let first = self.blocks.get(index).map(Block::first);
        *position = first.unwrap_or(self.next);
        first.map(|_| index)
    }

    /// Whether any message from `position` on is retained.
    pub(crate) fn retains_from(&self, position: u64) -> bool {
        let first = self.block_at(position).unwrap_or(0);
        let mut blocks = self.blocks.iter().skip(first);
        position < self.next && blocks.any(|block| block.first_retained(position).is_some())
    }

    /// The index of the block that holds this position, if all blocks before it are full.
    fn guess_block(&self, position: u64) -> Option<usize> {
        let first = self.blocks.front()?.first();
        let distance = to_usize(position.checked_sub(first)?);
        let guess = distance.checked_div(self.block_messages)?;
        let is_after = |index| Some(self.blocks.get(index)?.first() <= position);
        let next = guess.checked_add(1)?;
        (is_after(guess)? && !is_after(next)?).then_some(guess)
    }

    /// The index of the last block that starts at or before this position.
    pub(super) fn block_at(&self, position: u64) -> Option<usize> {
        if position >= self.next {
            return None;
        }
        // Most streams are at the end, or were before the last burst.
        let last = self.blocks.len().checked_sub(1)?;
        for near in [last, last.saturating_sub(1)] {
            if self.blocks.get(near)?.first() <= position {
                return Some(near);
            }
        }
        if let Some(guess) = self.guess_block(position) {
            return Some(guess);
        }
        let after = self
            .blocks
            .partition_point(|block| block.first() <= position);
        after.checked_sub(1)
    }
}
