//! The waiting streams by slot: their wakers, and which of them are pending, that is, still to be
//! woken.
//!
//! Pure: no lock. The caller wakes and drops the wakers that are returned.
//!
//! An announcement marks all waiting streams as pending at once, with a few operations on bits.
//! They are woken in batches:
//!
//! ```text
//!            announce            next_batch           give_back
//!  waiting ------------> pending -----------> (out) ------------> its waker is back
//!     ^                     |                   |
//!     +------ register -----+----- register ----+   with a clone of the waker while it is out
//! ```
//!
//! A batch takes all wakers of a block at once, by moving their list. If a stream becomes pending
//! while its waker is out, the thread that gives the block back wakes it.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "counts of slots and blocks that are in memory"
)]

mod block;

use core::task::Waker;

use block::{Block, OutBlock, bits, lowest_bits, ones};

use crate::wake::wake_by_ref;

/// The maximum number of streams that one step wakes. Loom models have few streams.
pub(super) const MAX_WAKES: usize = if cfg!(loom) { 1 } else { 64 };
/// The maximum number of empty blocks that one step drops.
const MAX_DROPPED: usize = 256;
/// Slots in a block, at most the bits of a word.
const SLOTS: usize = MAX_WAKES;
const LAST_SLOT: usize = SLOTS - 1;
const FULL: u64 = if SLOTS == 64 { u64::MAX } else { 1 };

/// Slots for streams, each with a waker.
#[derive(Debug, Default)]
pub(super) struct WaitSet {
    blocks: Vec<Block>,
    /// All blocks before this index are full.
    first_free: usize,
    /// If false, no stream waits for the next message.
    has_waiting: bool,
    /// How many open streams have no filter.
    unfiltered: usize,
    /// The number of pending slots.
    pending: usize,
    /// The index of the block that the next batch begins with, so that each gets its turn.
    next: usize,
    /// Blocks in which single streams were marked as pending, so that they are found at once.
    marked: Vec<usize>,
    /// An empty list for the next batch.
    spare: Vec<OutBlock>,
}

/// Wakers that are out: to be woken, and then [given back](WaitSet::give_back).
#[derive(Debug, Default)]
pub(super) struct Batch {
    blocks: Vec<OutBlock>,
    /// Wakers that are not put back.
    singles: Vec<Waker>,
}

/// How soon a stream that registers can be polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Registration {
    /// The stream has nothing to send.
    Idle,
    /// The stream registers while it has a chunk to send, so it may be busy for a while.
    Early,
}

impl WaitSet {
    /// Assigns the lowest free slot.
    pub(super) fn open(&mut self) -> usize {
        let from = self.first_free.min(self.blocks.len());
        let blocks = self.blocks.iter().skip(from);
        let found = blocks.take_while(|block| block.used == FULL).count();
        self.first_free = from + found;
        if self.first_free == self.blocks.len() {
            self.blocks.push(Block::default());
        }
        let Some(block) = self.blocks.get_mut(self.first_free) else {
            return usize::MAX;
        };
        let at = block.used.trailing_ones();
        block.used |= 1_u64.checked_shl(at).unwrap_or_default();
        self.unfiltered += 1;
        let at = usize::try_from(at).unwrap_or_default();
        self.first_free * SLOTS + at
    }

    /// Frees a slot; returns its waker.
    pub(super) fn close(&mut self, slot: usize) -> Option<Waker> {
        let waker = self.take_waker(slot);
        let (index, _, bit) = split(slot);
        if let Some(block) = self.blocks.get_mut(index) {
            block.used &= !bit;
            self.unfiltered -= usize::from(block.filtered & bit == 0);
            block.filtered &= !bit;
            if block.used == 0 {
                block.wakers = Vec::new();
            }
        }
        self.first_free = self.first_free.min(index);
        self.shrink();
        waker
    }

    /// Whether the slot has a waker that is not out.
    pub(super) fn has_waker(&self, slot: usize) -> bool {
        let (index, at, _) = split(slot);
        let block = self.blocks.get(index);
        block.is_some_and(|block| block.has_waker(at))
    }

    /// Puts a waker into a slot; returns the displaced one.
    pub(super) fn put(&mut self, slot: usize, waker: Waker) -> Option<Waker> {
        let (index, at, bit) = split(slot);
        let Some(block) = self.blocks.get_mut(index) else {
            return Some(waker);
        };
        if block.wakers.len() <= at {
            block.wakers.resize_with(at + 1, || None);
        }
        block.mark_stale(bit);
        block.wakers.get_mut(at)?.replace(waker)
    }

    /// Registers a stream for the next message, or for the next that its filter wants. False if the
    /// slot [has no waker](Self::has_waker).
    #[inline]
    pub(super) fn register(&mut self, slot: usize, how: Registration) -> bool {
        let (index, at, bit) = split(slot);
        let block = self
            .blocks
            .get_mut(index)
            .filter(|block| block.has_waker(at));
        let Some(block) = block else {
            return false;
        };
        self.has_waiting = true;
        block.waiting |= bit;
        block.parked &= !bit;
        match how {
            Registration::Idle => block.busy &= !bit,
            Registration::Early => block.busy |= bit,
        }
        if block.pending & bit != 0 {
            block.pending &= !bit;
            self.pending -= 1;
        }
        true
    }

    /// Registers a stream for the end of the topic only.
    pub(super) fn park(&mut self, slot: usize) {
        self.pause(slot);
        let (index, at, bit) = split(slot);
        if let Some(block) = self
            .blocks
            .get_mut(index)
            .filter(|block| block.has_waker(at))
        {
            block.parked |= bit;
        }
    }

    /// Notes that a stream has a filter: it does not wait for every message.
    pub(super) fn set_filtered(&mut self, slot: usize) {
        let (index, _, bit) = split(slot);
        if let Some(block) = self.blocks.get_mut(index) {
            self.unfiltered -= usize::from(block.filtered & bit == 0);
            block.filtered |= bit;
        }
    }

    /// Deregisters a stream but keeps its waker, since it may register again.
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
            self.pending -= 1;
        }
    }

    /// Deregisters a stream and returns its waker.
    pub(super) fn take_waker(&mut self, slot: usize) -> Option<Waker> {
        self.pause(slot);
        let (index, at, bit) = split(slot);
        let block = self.blocks.get_mut(index)?;
        block.mark_stale(bit);
        block.wakers.get_mut(at)?.take()
    }

    /// Whether any stream may be waiting for the next message.
    #[inline]
    pub(super) fn has_waiting(&self) -> bool {
        self.has_waiting
    }

    /// Marks all waiting streams as pending; returns whether there are any.
    pub(super) fn announce(&mut self) -> bool {
        core::mem::take(&mut self.has_waiting) && self.announce_to(|block| block.waiting)
    }

    /// Marks all waiting streams without a filter as pending; returns whether there are any.
    pub(super) fn announce_unfiltered(&mut self) -> bool {
        self.unfiltered > 0 && self.announce_to(|block| block.waiting & !block.filtered)
    }

    /// Marks all waiting and parked streams as pending; returns whether there are any.
    pub(super) fn announce_end(&mut self) -> bool {
        self.announce_to(|block| block.waiting | block.parked)
    }

    fn announce_to(&mut self, which: impl Fn(&Block) -> u64) -> bool {
        self.shrink();
        let mut found = 0;
        for block in &mut self.blocks {
            let woken = which(block);
            found |= woken;
            self.pending += block.mark_pending(woken);
        }
        found != 0
    }

    /// Marks one stream as pending if it waits; returns whether it does.
    pub(super) fn notify(&mut self, slot: usize) -> bool {
        let (index, _, bit) = split(slot);
        let Some(block) = self.blocks.get_mut(index) else {
            return false;
        };
        let woken = block.waiting & bit;
        self.pending += block.mark_pending(woken);
        woken != 0
    }

    /// Marks one stream as pending if it waits, and remembers its block for the next batch. Returns
    /// whether it waits.
    pub(super) fn mark(&mut self, slot: usize) -> bool {
        let is_waiting = self.notify(slot);
        if is_waiting {
            self.marked.push(slot / SLOTS);
        }
        is_waiting
    }

    /// How many more pending streams fit into one batch.
    pub(super) fn batch_left(&self) -> usize {
        MAX_WAKES.saturating_sub(self.pending)
    }

    /// Marks up to `count` idle streams as pending or, if there are none, up to `max_busy` busy
    /// ones. Returns whether there are any.
    pub(super) fn notify_some(&mut self, count: usize, max_busy: usize, except: &[usize]) -> bool {
        let idle = |block: &Block| block.waiting & !block.busy;
        let busy = |block: &Block| block.waiting & block.busy;
        self.notify_among(count, except, idle)
            || (max_busy > 0 && self.notify_among(max_busy, except, busy))
    }

    fn notify_among(
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
            let added = block.mark_pending(woken);
            left -= added;
            self.pending += added;
        }
        left < count
    }

    /// Whether any streams are pending.
    #[inline]
    pub(super) fn has_pending(&self) -> bool {
        self.pending > 0
    }

    /// Whether more streams are pending than fit into one batch.
    pub(super) fn exceeds_batch(&self) -> bool {
        self.pending > MAX_WAKES
    }

    /// Takes the wakers of the next pending streams out. `is_last` if the streams end, so that
    /// their wakers are not put back.
    pub(super) fn next_batch(&mut self, is_last: bool) -> Batch {
        let mut batch = Batch {
            blocks: core::mem::take(&mut self.spare),
            singles: Vec::new(),
        };
        let mut left = MAX_WAKES;
        while let Some(index) = self.marked.last().copied() {
            let Some(taken) = self.take_block(index, left, is_last, &mut batch) else {
                break;
            };
            left -= taken;
            self.marked.pop();
        }
        for _ in 0..=self.blocks.len() {
            if left == 0 || self.pending == 0 {
                break;
            }
            if self.next >= self.blocks.len() {
                self.next = 0;
            }
            let Some(taken) = self.take_block(self.next, left, is_last, &mut batch) else {
                break;
            };
            left -= taken;
            self.next += 1;
        }
        batch
    }

    /// Takes the wakers of a block's pending streams out; returns how many streams that wakes.
    /// `None` if those are more than `max`, since a block is not split between batches.
    fn take_block(
        &mut self,
        index: usize,
        max: usize,
        is_last: bool,
        batch: &mut Batch,
    ) -> Option<usize> {
        let Some(block) = self.blocks.get_mut(index) else {
            return Some(0);
        };
        let count = ones(block.pending);
        if count == 0 {
            return Some(0);
        }
        if count > max {
            return None;
        }
        let taken = block.take_out(index, is_last, batch);
        self.pending -= taken;
        Some(taken)
    }

    /// Puts wakers back into their slots; the caller drops those that are left in the batch.
    /// Returns whether the caller must take the next batch, because streams became pending whose
    /// wakers it had.
    pub(super) fn give_back(&mut self, batch: &mut Batch) -> bool {
        let mut has_more = false;
        while let Some(out) = batch.blocks.pop() {
            let index = out.index.unwrap_or(usize::MAX);
            match self.blocks.get_mut(index) {
                Some(block) => {
                    block.put_back(out.wakers, &mut batch.singles);
                    if block.pending != 0 {
                        has_more = true;
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
        has_more
    }

    /// Frees memory that is left from a larger number of streams.
    fn shrink(&mut self) {
        let is_empty = |block: &Block| block.used == 0 && !block.is_out;
        for _ in 0..MAX_DROPPED {
            if !self.blocks.last().is_some_and(is_empty) {
                break;
            }
            self.blocks.pop();
        }
        if self.blocks.len() < self.blocks.capacity() / 8 {
            self.blocks.shrink_to(self.blocks.len() * 2);
        }
    }
}

impl Batch {
    /// Wakes all streams of the batch.
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

/// The index of a slot's block, the slot's index in the block, and its bit.
#[inline]
fn split(slot: usize) -> (usize, usize, u64) {
    let at = slot & LAST_SLOT;
    (slot / SLOTS, at, 1 << at)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
