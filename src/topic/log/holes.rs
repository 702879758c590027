//! How messages leave a log: from its start, or early from the middle.

use crate::topic::log::block::Block;
use crate::topic::log::{Log, MOST_AT_ONCE, cost, shrink};

/// Two neighbouring blocks with at most this many messages each are joined.
const SPARSE: usize = MOST_AT_ONCE / 2;

impl Log {
    pub(super) fn evict_oldest(&mut self) {
        let number = self.oldest;
        let Some(front) = self.blocks.front() else {
            return;
        };
        self.evicted = number;
        if let Some(len) = front.plain_len(number) {
            let id = self.own_ids.pass(number);
            self.len = self.len.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(cost(len, id));
            self.oldest = number.saturating_add(1);
        } else {
            self.note_gone(0, number);
            self.own_ids.pass(number);
            self.pass_oldest(number.saturating_add(1));
        }
    }

    /// Removes the message of this block that expires first. Returns whether messages were moved
    /// for it.
    pub(super) fn expire(&mut self, first: u64) -> bool {
        let index = self.block_at(first).unwrap_or_default();
        let block = self.blocks.get(index);
        let Some((block, (slot, _))) = block.and_then(|it| Some((it, it.expiry()?))) else {
            return false;
        };
        let number = block.number(slot);
        self.note_gone(index, number);
        self.own_ids.outlive(number);
        if number == self.oldest {
            self.pass_oldest(number);
            return false;
        }
        let is_last = index.saturating_add(1) == self.blocks.len();
        let Some(block) = self.blocks.get_mut(index) else {
            return false;
        };
        block.set_gone(slot);
        let (count, bytes) = block.kept(self.oldest);
        if count == 0 {
            self.drop_block(index);
            return false;
        }
        let half_is_gone = count <= block.count() / 2 || bytes <= block.len() / 2;
        if half_is_gone && !(is_last && self.is_open) {
            self.fill_holes(index);
            return true;
        }
        false
    }

    /// Updates counters and times for a message that leaves.
    fn note_gone(&mut self, index: usize, number: u64) {
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
        self.len = self.len.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(cost(len, id));
    }

    /// Moves the start of the log to the next message that is kept. Numbers from `unmissed` to there
    /// count as no gap.
    fn pass_oldest(&mut self, unmissed: u64) {
        let next = self.oldest.saturating_add(1);
        self.oldest = loop {
            let Some(front) = self.blocks.front() else {
                break self.next;
            };
            match front.kept_from(next) {
                Some(kept) => break kept,
                None => self.drop_block(0),
            }
        };
        let front = self.blocks.front();
        self.oldest_came = front.and_then(|front| front.came(front.slot(self.oldest)).time());
        self.gaps.record(unmissed, self.oldest);
    }

    fn drop_block(&mut self, index: usize) {
        if self.is_open && index.saturating_add(1) == self.blocks.len() {
            self.tail.clear();
            self.is_open = false;
        }
        self.blocks.remove(index);
        shrink(&mut self.blocks);
    }

    /// Ends the open block.
    pub(super) fn close_block(&mut self) {
        if !core::mem::replace(&mut self.is_open, false) {
            return;
        }
        if let Some(block) = self.blocks.back_mut() {
            self.tail.close(block);
            if block.has_holes() && block.kept(self.oldest).0 <= block.count() / 2 {
                self.fill_holes(self.blocks.len().saturating_sub(1));
            }
        }
    }

    /// Rewrites a block without its holes, joined with a neighbour if both have few messages.
    pub(super) fn fill_holes(&mut self, index: usize) {
        if index.saturating_add(1) == self.blocks.len() && self.is_open {
            self.is_open = false;
            if let Some(block) = self.blocks.back_mut() {
                self.tail.close(block);
            }
        }
        let after = index.saturating_add(1);
        let before = index.saturating_sub(1);
        if before < index && self.fit_together(before, index) && self.rewrite(before, after) {
            return;
        }
        let is_closed = after.saturating_add(1) < self.blocks.len() || !self.is_open;
        if is_closed
            && self.fit_together(index, after)
            && self.rewrite(index, after.saturating_add(1))
        {
            return;
        }
        self.rewrite(index, after);
    }

    fn fit_together(&self, one: usize, other: usize) -> bool {
        let kept = |index| Some(self.blocks.get(index)?.kept(self.oldest));
        let (Some((one, bytes)), Some((other, more))) = (kept(one), kept(other)) else {
            return false;
        };
        one <= SPARSE && other <= SPARSE && bytes.saturating_add(more) <= self.block_bytes
    }

    /// Replaces these closed blocks with one that has no holes.
    fn rewrite(&mut self, from: usize, to: usize) -> bool {
        let blocks = || self.blocks.range(from..to);
        let Some(whole) = Block::gather(blocks(), self.oldest) else {
            return false;
        };
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
