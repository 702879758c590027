//! The streams that wait, by slot: their wakers, and which of them are yet to be woken.
//!
//! Pure: no lock; wakers are handed out, to be woken and dropped by the caller.
//!
//! A crowd is announced to at once, by a few words of bits, and woken in batches:
//!
//! ```text
//!            announce            next_batch           give_back
//!  waiting ------------> pending -----------> (out) ------------> its waker is back
//!     ^                     |                   |
//!     +------- wait --------+------- wait ------+   with a clone of the waker while it is out
//! ```
//!
//! The wakers of a block go out all together, by a pointer. A stream that is announced to while its
//! waker is out is woken by the one that gives the block back.

mod block;

use core::task::Waker;

use block::{Block, OutBlock, bits, lowest_bits, ones};

use crate::wake::wake_by_ref;

/// The most streams that are woken in one step. Under loom a crowd is small.
pub(super) const MOST_WAKES: usize = if cfg!(loom) { 1 } else { 64 };
/// The most empty blocks that are dropped in one step.
const MOST_DROPPED: usize = 256;
/// Slots in a block, at most the bits of a word.
const SLOTS: usize = MOST_WAKES;
const LAST_SLOT: usize = SLOTS - 1;
const FULL: u64 = if SLOTS == 64 { u64::MAX } else { 1 };

/// Slots for streams, each with a waker.
#[derive(Debug, Default)]
pub(super) struct WaitSet {
    blocks: Vec<Block>,
    /// All blocks before this one are full.
    lowest: usize,
    /// Some may wait for the next message.
    has_waiting: bool,
    /// How many slots are pending.
    pending: usize,
    /// The block that the next batch begins with: each gets its turn.
    next: usize,
    /// An empty list, kept for the next batch.
    spare: Vec<OutBlock>,
}

/// Wakers taken out, to be woken and [given back](WaitSet::give_back).
#[derive(Debug, Default)]
pub(super) struct Batch {
    blocks: Vec<OutBlock>,
    /// Wakers that do not come back.
    singles: Vec<Waker>,
}

/// Whether a waiting stream has done with what it was given before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// It has nothing to do.
    Idly,
    /// It registers while it has a chunk to send.
    Ahead,
}

impl WaitSet {
    /// Gives out the lowest free slot.
    pub(super) fn open(&mut self) -> usize {
        let from = self.lowest.min(self.blocks.len());
        let blocks = self.blocks.iter().skip(from);
        let found = blocks.take_while(|block| block.used == FULL).count();
        self.lowest = from.saturating_add(found);
        if self.lowest == self.blocks.len() {
            self.blocks.push(Block::default());
        }
        let Some(block) = self.blocks.get_mut(self.lowest) else {
            return usize::MAX;
        };
        let at = block.used.trailing_ones();
        block.used |= 1_u64.checked_shl(at).unwrap_or_default();
        let at = usize::try_from(at).unwrap_or_default();
        self.lowest.saturating_mul(SLOTS).saturating_add(at)
    }

    /// Takes a slot back; returns its waker.
    pub(super) fn close(&mut self, slot: usize) -> Option<Waker> {
        let waker = self.forget(slot);
        let (index, _, bit) = split(slot);
        if let Some(block) = self.blocks.get_mut(index) {
            block.used &= !bit;
            if block.used == 0 {
                block.wakers = Vec::new();
            }
        }
        self.lowest = self.lowest.min(index);
        self.shrink();
        waker
    }

    /// Whether the slot's waker is here.
    pub(super) fn holds(&self, slot: usize) -> bool {
        let (index, at, _) = split(slot);
        let block = self.blocks.get(index);
        block.is_some_and(|block| block.holds(at))
    }

    /// Puts a waker into a slot; returns the one that it had.
    pub(super) fn put(&mut self, slot: usize, waker: Waker) -> Option<Waker> {
        let (index, at, bit) = split(slot);
        let Some(block) = self.blocks.get_mut(index) else {
            return Some(waker);
        };
        if block.wakers.len() <= at {
            block.wakers.resize_with(at.saturating_add(1), || None);
        }
        block.leave(bit);
        block.wakers.get_mut(at)?.replace(waker)
    }

    /// Waits for the next message, if the slot's waker is here.
    #[inline]
    pub(super) fn wait(&mut self, slot: usize, how: Waits) -> bool {
        let (index, at, bit) = split(slot);
        let block = self.blocks.get_mut(index).filter(|block| block.holds(at));
        let Some(block) = block else {
            return false;
        };
        self.has_waiting = true;
        block.waiting |= bit;
        block.parked &= !bit;
        match how {
            Waits::Idly => block.busy &= !bit,
            Waits::Ahead => block.busy |= bit,
        }
        if block.pending & bit != 0 {
            block.pending &= !bit;
            self.pending = self.pending.saturating_sub(1);
        }
        true
    }

    /// Waits for the end alone.
    pub(super) fn park(&mut self, slot: usize) {
        self.pause(slot);
        let (index, at, bit) = split(slot);
        if let Some(block) = self.blocks.get_mut(index).filter(|block| block.holds(at)) {
            block.parked |= bit;
        }
    }

    /// Waits no more, but may come back: its waker is kept.
    pub(super) fn pause(&mut self, slot: usize) {
        let (index, _, bit) = split(slot);
        let Some(block) = self.blocks.get_mut(index) else {
            return;
        };
        block.waiting &= !bit;
        block.busy &= !bit;
        block.parked &= !bit;
        if block.pending & bit != 0 {
            block.pending &= !bit;
            self.pending = self.pending.saturating_sub(1);
        }
    }

    /// Waits no more; returns its waker.
    pub(super) fn forget(&mut self, slot: usize) -> Option<Waker> {
        self.pause(slot);
        let (index, at, bit) = split(slot);
        let block = self.blocks.get_mut(index)?;
        block.leave(bit);
        block.wakers.get_mut(at)?.take()
    }

    /// Whether some may wait for the next message.
    #[inline]
    pub(super) fn has_waiting(&self) -> bool {
        self.has_waiting
    }

    /// All that wait are to be woken; returns whether any do.
    pub(super) fn announce(&mut self) -> bool {
        core::mem::take(&mut self.has_waiting) && self.pend(|block| block.waiting)
    }

    /// All that wait or park are to be woken.
    pub(super) fn announce_end(&mut self) -> bool {
        self.pend(|block| block.waiting | block.parked)
    }

    fn pend(&mut self, which: impl Fn(&Block) -> u64) -> bool {
        self.shrink();
        let mut found = 0;
        for block in &mut self.blocks {
            let woken = which(block);
            found |= woken;
            self.pending = self.pending.saturating_add(block.pend(woken));
        }
        found != 0
    }

    /// The stream in this slot is to be woken, if it waits.
    pub(super) fn nudge(&mut self, slot: usize) -> bool {
        let (index, _, bit) = split(slot);
        let Some(block) = self.blocks.get_mut(index) else {
            return false;
        };
        let woken = block.waiting & bit;
        self.pending = self.pending.saturating_add(block.pend(woken));
        woken != 0
    }

    /// So many streams that wait are to be woken: those that wait idly or, if there are none and
    /// `most_busy` is not zero, so many of the others. Returns whether there are any.
    pub(super) fn nudge_some(&mut self, count: usize, most_busy: usize, except: &[usize]) -> bool {
        let idle = |block: &Block| block.waiting & !block.busy;
        let busy = |block: &Block| block.waiting & block.busy;
        self.nudge_those(count, except, idle)
            || (most_busy > 0 && self.nudge_those(most_busy, except, busy))
    }

    fn nudge_those(
        &mut self,
        count: usize,
        except: &[usize],
        which: impl Fn(&Block) -> u64,
    ) -> bool {
        let mut left = count;
        for (index, block) in self.blocks.iter_mut().enumerate() {
            if left == 0 {
                break;
            }
            let mut bits = which(block);
            for slot in except {
                let (other, _, bit) = split(*slot);
                bits &= if other == index { !bit } else { u64::MAX };
            }
            let woken = lowest_bits(bits, left);
            let added = block.pend(woken);
            left = left.saturating_sub(added);
            self.pending = self.pending.saturating_add(added);
        }
        left < count
    }

    /// Whether some are yet to be woken.
    #[inline]
    pub(super) fn has_pending(&self) -> bool {
        self.pending > 0
    }

    /// Whether more are yet to be woken than fit into a batch.
    pub(super) fn has_crowd(&self) -> bool {
        self.pending > MOST_WAKES
    }

    /// Takes the next wakers out. If they are kept, their slots get them back; else it is the end.
    pub(super) fn next_batch(&mut self, keeps: bool) -> Batch {
        let mut batch = Batch {
            blocks: core::mem::take(&mut self.spare),
            singles: Vec::new(),
        };
        let mut left = MOST_WAKES;
        for _ in 0..=self.blocks.len() {
            if left == 0 || self.pending == 0 {
                break;
            }
            if self.next >= self.blocks.len() {
                self.next = 0;
            }
            let Some(block) = self.blocks.get_mut(self.next) else {
                break;
            };
            let count = ones(block.pending);
            if count > left {
                // It goes out whole, with the next batch.
                break;
            }
            if count > 0 {
                let taken = block.take_out(self.next, keeps, &mut batch);
                left = left.saturating_sub(taken);
                self.pending = self.pending.saturating_sub(taken);
            }
            self.next = self.next.saturating_add(1);
        }
        batch
    }

    /// Puts wakers back into their slots. What is left in the batch is to be dropped. Returns whether
    /// the caller must take the next batch: only it could wake some that were announced meanwhile.
    pub(super) fn give_back(&mut self, batch: &mut Batch) -> bool {
        let mut is_more = false;
        while let Some(out) = batch.blocks.pop() {
            let index = out.index.unwrap_or(usize::MAX);
            match self.blocks.get_mut(index) {
                Some(block) => {
                    block.put_back(out.wakers, &mut batch.singles);
                    if block.pending != 0 {
                        is_more = true;
                        self.next = index;
                    }
                }
                None => batch.singles.extend(out.wakers.into_iter().flatten()),
            }
        }
        if self.spare.capacity() < batch.blocks.capacity() {
            self.spare = core::mem::take(&mut batch.blocks);
        }
        self.shrink();
        is_more
    }

    /// Gives back what a crowd has left.
    fn shrink(&mut self) {
        let is_empty = |block: &Block| block.used == 0 && !block.is_out;
        for _ in 0..MOST_DROPPED {
            if !self.blocks.last().is_some_and(is_empty) {
                break;
            }
            self.blocks.pop();
        }
        if self.blocks.len() < self.blocks.capacity() / 8 {
            self.blocks.shrink_to(self.blocks.len().saturating_mul(2));
        }
    }
}

impl Batch {
    /// Wakes all.
    pub(super) fn wake(&self) {
        for out in &self.blocks {
            for at in bits(out.woken) {
                if let Some(Some(waker)) = out.wakers.get(at) {
                    wake_by_ref(waker);
                }
            }
        }
        self.singles.iter().for_each(wake_by_ref);
    }
}

/// The block of a slot, its index there, and its bit.
#[inline]
fn split(slot: usize) -> (usize, usize, u64) {
    let at = slot & LAST_SLOT;
    (slot / SLOTS, at, 1 << at)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
