//! A block of slots: the wakers of up to 64 streams, and a bit for each property of a slot.
//!
//! Pure: no lock.

use core::task::Waker;

use super::Batch;

/// Up to 64 slots. Each field of bits has a bit for each slot.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) wakers: Vec<Option<Waker>>,
    /// An open stream has this slot.
    pub(super) used: u64,
    /// The stream waits for the next message.
    pub(super) waiting: u64,
    /// The stream has a filter: it does not wait for every message.
    pub(super) filtered: u64,
    /// The stream waits, but registered while it had a chunk to send, which can take long.
    pub(super) busy: u64,
    /// The stream waits only for the end of the topic.
    pub(super) parked: u64,
    /// The stream is still to be woken.
    pub(super) pending: u64,
    /// The wakers are out, in a batch.
    pub(super) is_out: bool,
    /// The slot's waker in that batch must not be put back, since the slot has another one now, or
    /// none.
    pub(super) stale: u64,
}

/// The wakers of a block in a batch.
#[derive(Debug)]
pub(super) struct OutBlock {
    /// The index of the block; `None` if the wakers are not put back.
    pub(super) index: Option<usize>,
    pub(super) wakers: Vec<Option<Waker>>,
    /// The slots that are woken.
    pub(super) woken: u64,
}

impl Block {
    /// Whether the slot has a waker that is not out.
    #[inline]
    pub(super) fn has_waker(&self, at: usize) -> bool {
        matches!(self.wakers.get(at), Some(Some(_)))
    }

    /// Marks these slots as pending; returns how many were not yet.
    pub(super) fn mark_pending(&mut self, slots: u64) -> usize {
        let new = slots & !self.pending;
        self.pending |= slots;
        self.waiting &= !slots;
        self.busy &= !slots;
        self.parked &= !slots;
        ones(new)
    }

    /// Makes sure that the slot's waker is not put back if it is out.
    pub(super) fn mark_stale(&mut self, bit: u64) {
        if self.is_out {
            self.stale |= bit;
        }
    }

    /// Moves the wakers of pending streams into the batch; returns how many streams it wakes.
    pub(super) fn take_out(&mut self, index: usize, is_last: bool, batch: &mut Batch) -> usize {
        let woken = core::mem::take(&mut self.pending);
        if !self.is_out {
            self.is_out = !is_last;
            batch.blocks.push(OutBlock {
                index: (!is_last).then_some(index),
                wakers: core::mem::take(&mut self.wakers),
                woken,
            });
            return ones(woken);
        }
        // Some streams have registered again, with a new clone, while their wakers are out. The
        // others stay pending until the batch that holds their wakers is given back.
        let mut count = 0_usize;
        for at in bits(woken) {
            match self.wakers.get_mut(at).and_then(Option::take) {
                Some(waker) => {
                    batch.singles.push(waker);
                    count += 1;
                }
                None => self.pending |= 1 << at,
            }
        }
        count
    }

    /// Puts the wakers back into their slots, except stale ones.
    pub(super) fn put_back(&mut self, mut wakers: Vec<Option<Waker>>, stale: &mut Vec<Waker>) {
        self.is_out = false;
        for at in bits(core::mem::take(&mut self.stale)) {
            stale.extend(wakers.get_mut(at).and_then(Option::take));
        }
        if self.wakers.is_empty() {
            self.wakers = wakers;
            return;
        }
        // Some streams have put other wakers into their slots meanwhile.
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

/// The number of bits that are set.
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

/// At most `max` of the bits that are set, the lowest ones.
pub(super) fn lowest_bits(bits: u64, max: usize) -> u64 {
    if ones(bits) <= max {
        return bits;
    }
    let mut rest = bits;
    for _ in 0..max {
        rest &= rest.wrapping_sub(1);
    }
    bits & !rest
}
