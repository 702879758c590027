//! Slots of streams that wait, a bit each, and their wakers.
//!
//! Pure: no lock.

use core::task::Waker;

use super::Batch;

/// The slots of a block, a bit each.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) wakers: Vec<Option<Waker>>,
    /// A stream has this slot.
    pub(super) used: u64,
    /// It waits for the next message.
    pub(super) waiting: u64,
    /// Of those that wait: it registered while it had a chunk to send, which can take long.
    pub(super) busy: u64,
    /// It waits for the end alone.
    pub(super) parked: u64,
    /// It is to be woken.
    pub(super) pending: u64,
    /// The wakers are in a batch.
    pub(super) is_out: bool,
    /// The slot's waker in that batch is stale: the slot has got another one since, or none.
    pub(super) stale: u64,
}

/// The wakers of a block.
#[derive(Debug)]
pub(super) struct OutBlock {
    /// None if they do not come back.
    pub(super) index: Option<usize>,
    pub(super) wakers: Vec<Option<Waker>>,
    /// Those that are woken.
    pub(super) woken: u64,
}

impl Block {
    #[inline]
    pub(super) fn holds(&self, at: usize) -> bool {
        matches!(self.wakers.get(at), Some(Some(_)))
    }

    /// These are to be woken; returns how many of them were not yet.
    pub(super) fn pend(&mut self, woken: u64) -> usize {
        let new = woken & !self.pending;
        self.pending |= woken;
        self.waiting &= !woken;
        self.busy &= !woken;
        self.parked &= !woken;
        ones(new)
    }

    /// The slot's waker that is out must not come back.
    pub(super) fn leave(&mut self, bit: u64) {
        if self.is_out {
            self.stale |= bit;
        }
    }

    /// Takes out the wakers of those that are pending; returns how many are to be woken.
    pub(super) fn take_out(&mut self, index: usize, keeps: bool, batch: &mut Batch) -> usize {
        let woken = core::mem::take(&mut self.pending);
        if !self.is_out {
            self.is_out = keeps;
            batch.blocks.push(OutBlock {
                index: keeps.then_some(index),
                wakers: core::mem::take(&mut self.wakers),
                woken,
            });
            return ones(woken);
        }
        // Some have waited again while theirs are out. For the others, the batch that holds theirs is
        // followed by another one.
        let mut count = 0_usize;
        for at in bits(woken) {
            match self.wakers.get_mut(at).and_then(Option::take) {
                Some(waker) => {
                    batch.singles.push(waker);
                    count = count.saturating_add(1);
                }
                None => self.pending |= 1 << at,
            }
        }
        count
    }

    /// Takes the wakers back, except those that are stale.
    pub(super) fn put_back(&mut self, mut wakers: Vec<Option<Waker>>, stale: &mut Vec<Waker>) {
        self.is_out = false;
        for at in bits(core::mem::take(&mut self.stale)) {
            stale.extend(wakers.get_mut(at).and_then(Option::take));
        }
        if self.wakers.is_empty() {
            self.wakers = wakers;
            return;
        }
        // Some have waited again meanwhile, or for the first time.
        let len = self.wakers.len().max(wakers.len());
        self.wakers.resize_with(len, || None);
        for (own, back) in self.wakers.iter_mut().zip(wakers) {
            if own.is_none() {
                *own = back;
            } else {
                stale.extend(back);
            }
        }
    }
}

pub(super) fn ones(bits: u64) -> usize {
    usize::try_from(bits.count_ones()).unwrap_or_default()
}

/// The indices of the bits that are set.
pub(super) fn bits(mut bits: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let at = usize::try_from(bits.trailing_zeros()).unwrap_or_default();
        let is_set = bits != 0;
        bits &= bits.wrapping_sub(1);
        is_set.then_some(at)
    })
}

/// The lowest bits that are set, so many at most.
pub(super) fn lowest_bits(bits: u64, most: usize) -> u64 {
    if ones(bits) <= most {
        return bits;
    }
    let mut rest = bits;
    for _ in 0..most {
        rest &= rest.wrapping_sub(1);
    }
    bits & !rest
}
