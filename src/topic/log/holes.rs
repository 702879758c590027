//! How messages leave a log: evicted at its start, or expired or superseded anywhere, which leaves a
//! hole.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "counts of what is in memory; numbers, which a client can choose, saturate"
)]

use crate::topic::log::block::Block;
use crate::topic::log::{Log, MAX_PER_STEP, cost, shrink, to_u64};

/// The memory of expired messages in all closed blocks.
#[derive(Debug, Default)]
pub(super) struct Holes {
    pub(super) bytes: u64,
    /// Where [`Log::fill_most_holes`] continues.
    compare_from: u64,
}

impl Log {
    pub(super) fn evict_oldest(&mut self) {
        let number = self.oldest;
        let Some(front) = self.blocks.front() else {
            return;
        };
        self.evicted = number;
        if let Some(len) = front.plain_len(number) {
            let id = self.own_ids.advance(number);
            self.len -= 1;
            self.bytes -= cost(len, id) + self.label_cost(number);
            self.evict_labels(number);
            self.oldest = number.saturating_add(1);
        } else {
            self.account_removal(0, number);
            self.evict_labels(number);
            self.own_ids.advance(number);
            self.advance_oldest(number.saturating_add(1));
        }
    }

    /// Removes the message that expires first in the block that starts at `first`. Returns whether
    /// messages were copied.
    pub(super) fn expire(&mut self, first: u64) -> bool {
        let index = self.block_at(first).unwrap_or_default();
        let block = self.blocks.get(index);
        let Some((block, (slot, _))) = block.and_then(|it| Some((it, it.expiry()?))) else {
            return false;
        };
        let number = block.number(slot);
        self.remove_at(index, number)
    }

    /// Removes a retained message that a newer one supersedes.
    pub(super) fn remove(&mut self, number: u64) {
        if let Some(index) = self.block_at(number) {
            self.remove_at(index, number);
        }
    }

    /// Removes a message that nobody misses. Returns whether messages were copied.
    fn remove_at(&mut self, index: usize, number: u64) -> bool {
        self.account_removal(index, number);
        self.remove_labels(number);
        self.own_ids.mark_dead(number);
        if number == self.oldest {
            self.advance_oldest(number);
            return false;
        }
        let is_last = index + 1 == self.blocks.len();
        let is_closed = !(is_last && self.is_open);
        let Some(block) = self.blocks.get_mut(index) else {
            return false;
        };
        let slot = block.slot(number);
        block.mark_removed(slot);
        if is_closed {
            let hole = cost(block.len_of(slot), 0);
            self.holes.bytes += hole;
        }
        let (count, bytes) = block.retained(self.oldest);
        if count == 0 {
            self.drop_block(index);
            return false;
        }
        let is_half_removed = count <= block.count() / 2 || bytes <= block.len() / 2;
        if is_half_removed && is_closed {
            self.fill_holes(index);
            return true;
        }
        false
    }

    /// Whether the log takes more than an eighth beyond its bound. Holes, and evicted messages
    /// whose block is not freed yet, share this eighth.
    #[inline]
    pub(super) fn has_too_many_holes(&self) -> bool {
        if self.holes.bytes == 0 {
            return false;
        }
        let front = self.blocks.front();
        let evicted = front.map_or(0, |front| front.start_of(front.slot(self.oldest)));
        let held = self.bytes.saturating_add(self.holes.bytes);
        let bound = self.retention.bytes;
        held.saturating_add(to_u64(evicted)) > bound.saturating_add(bound / 8)
    }

    /// Rewrites the block with the most holes among the next 64. Returns whether there may be more.
    pub(super) fn fill_most_holes(&mut self) -> bool {
        let first = self.block_at(self.holes.compare_from).unwrap_or_default();
        let closed = self.blocks.len() - usize::from(self.is_open);
        let end = (first + MAX_PER_STEP).min(closed);
        let next = self.blocks.get(end).filter(|_| end < closed);
        self.holes.compare_from = next.map_or(0, Block::first);
        let holes = |index: &usize| self.blocks.get(*index).map_or(0, Block::holes);
        let worst = (first..end).max_by_key(holes);
        match worst.filter(|index| holes(index) > 0) {
            Some(index) => self.fill_holes(index),
            None => true,
        }
    }

    /// Updates counters and times for a message that is removed.
    fn account_removal(&mut self, index: usize, number: u64) {
        let Some(block) = self.blocks.get_mut(index) else {
            return;
        };
        let slot = block.slot(number);
        let len = block.len_of(slot);
        if block.may_have_holes() {
            let first = block.first();
            let before = block.expiry();
            block.clear_expiry(slot);
            let after = block.expiry();
            if before != after {
                before.map(|(_, time)| self.by_expiry.remove(&(time, first)));
                self.by_expiry.extend(after.map(|(_, time)| (time, first)));
            }
        }
        let id = self.own_ids.cost(number);
        self.len -= 1;
        self.bytes -= cost(len, id) + self.label_cost(number);
    }

    /// Moves the start of the log to the next retained message. The numbers from `unmissed` up to
    /// it do not count as missed.
    fn advance_oldest(&mut self, unmissed: u64) {
        let next = self.oldest.saturating_add(1);
        self.oldest = loop {
            let Some(front) = self.blocks.front() else {
                break self.next;
            };
            match front.first_retained(next) {
                Some(number) => break number,
                None => self.drop_block(0),
            }
        };
        let front = self.blocks.front();
        self.oldest_entered = front.and_then(|front| front.entered(front.slot(self.oldest)).time());
        self.gaps.record(unmissed, self.oldest);
    }

    fn drop_block(&mut self, index: usize) {
        let is_open = self.is_open && index + 1 == self.blocks.len();
        if let Some(block) = self.blocks.remove(index)
            && !is_open
        {
            self.holes.bytes -= block.holes();
        }
        if is_open {
            self.tail.clear();
            self.is_open = false;
        }
        shrink(&mut self.blocks);
    }

    /// Closes the open block.
    pub(super) fn close_block(&mut self) {
        if !core::mem::replace(&mut self.is_open, false) {
            return;
        }
        if let Some(block) = self.blocks.back_mut() {
            self.tail.close(block);
            self.holes.bytes += block.holes();
            if block.has_holes() && block.retained(self.oldest).0 <= block.count() / 2 {
                self.fill_holes(self.blocks.len() - 1);
            }
        }
    }

    /// Rewrites a block without its holes, joined with a neighbour if both fit into one block.
    pub(super) fn fill_holes(&mut self, index: usize) -> bool {
        if index + 1 == self.blocks.len() && self.is_open {
            self.is_open = false;
            if let Some(block) = self.blocks.back_mut() {
                self.tail.close(block);
                self.holes.bytes += block.holes();
            }
        }
        let after = index + 1;
        let before = index.saturating_sub(1);
        if before < index && self.fit_together(before, index) && self.rewrite(before, after) {
            return true;
        }
        let is_closed = after + 1 < self.blocks.len() || !self.is_open;
        if is_closed && self.fit_together(index, after) && self.rewrite(index, after + 1) {
            return true;
        }
        self.rewrite(index, after)
    }

    fn fit_together(&self, one: usize, other: usize) -> bool {
        let retained = |index| Some(self.blocks.get(index)?.retained(self.oldest));
        let (Some((one, bytes)), Some((other, more))) = (retained(one), retained(other)) else {
            return false;
        };
        one + other <= MAX_PER_STEP && bytes + more <= self.block_bytes
    }

    /// Replaces these closed blocks with a single one without holes.
    fn rewrite(&mut self, from: usize, to: usize) -> bool {
        let blocks = || self.blocks.range(from..to);
        let Some(whole) = Block::gather(blocks(), self.oldest) else {
            return false;
        };
        let filled = blocks().map(Block::holes).fold(0, u64::saturating_add);
        self.holes.bytes -= filled;
        let key = |block: &Block| Some((block.expiry()?.1, block.first()));
        for key in blocks().filter_map(key) {
            self.by_expiry.remove(&key);
        }
        self.by_expiry.extend(key(&whole));
        self.blocks.drain(from..to);
        self.blocks.insert(from, whole);
        true
    }
}
