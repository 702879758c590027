//! How messages that have left a queue ended, as far as that is remembered.
//!
//! Pure: no lock, no clock.

mod own_ids;

use std::collections::BTreeMap;
use std::sync::Arc;

use own_ids::OwnIds;

/// How many of the last numbers are remembered, in whatever order they were confirmed.
pub(super) const REMEMBERED: u64 = 1 << 20;
/// How many blocks one call forgets at most.
const MAX_FORGOTTEN: usize = 64;

const BLOCK: u64 = 1024;
const BLOCK_BITS: u16 = 1024;
const WORDS: usize = 16;
const MAX_BLOCKS: u64 = REMEMBERED / BLOCK;

/// How a message that was in flight ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Confirmed,
    /// Not by an ack.
    Stale,
}

/// The ends of the last messages.
///
/// Two bits for each number, in blocks. A block takes no memory of its own if all of its numbers
/// are confirmed, or none has ended. A call adds one number and forgets a bounded number of blocks,
/// even if numbers jump.
#[derive(Debug, Default)]
pub(super) struct AckHistory {
    /// By number. For some calls after numbers have jumped, more than promised.
    blocks: BTreeMap<u64, Block>,
    /// The highest number of a block so far.
    highest: u64,
    own: OwnIds,
}

#[derive(Debug, Default)]
enum Block {
    #[default]
    Empty,
    Confirmed,
    Mixed(Box<Bits>),
}

#[derive(Clone, Copy, Debug, Default)]
struct Bits {
    confirmed: [u64; WORDS],
    stale: [u64; WORDS],
    confirmed_count: u16,
}

impl AckHistory {
    /// Records how a message ended, by its id if it has one of its own.
    pub(super) fn add(&mut self, seq: u64, own_id: Option<&Arc<str>>, end: End) {
        match own_id {
            None => self.add_number(seq, end),
            Some(id) => self.own.add(id, seq, end),
        }
    }

    /// How the message with this number ended, if it was known by its number.
    pub(super) fn number(&self, seq: u64) -> Option<End> {
        match self.blocks.get(&(seq / BLOCK))? {
            Block::Empty => None,
            Block::Confirmed => Some(End::Confirmed),
            Block::Mixed(bits) => bits.get(seq),
        }
    }

    /// How the newest message with this application-supplied id ended, and its number.
    pub(super) fn own(&self, id: &str) -> Option<(End, u64)> {
        self.own.get(id)
    }

    fn add_number(&mut self, seq: u64, end: End) {
        let number = seq / BLOCK;
        self.highest = self.highest.max(number);
        if self.is_in_reach(number) {
            self.blocks.entry(number).or_default().add(seq, end);
        }
        for _ in 0..MAX_FORGOTTEN {
            let first = self.blocks.first_key_value();
            if first.is_none_or(|(first, _)| self.is_in_reach(*first)) {
                return;
            }
            self.blocks.pop_first();
        }
    }

    fn is_in_reach(&self, block: u64) -> bool {
        self.highest.saturating_sub(block) < MAX_BLOCKS
    }
}

impl Block {
    fn add(&mut self, seq: u64, end: End) {
        let mut bits = match core::mem::take(self) {
            Self::Empty => Box::default(),
            Self::Confirmed => Box::new(Bits {
                confirmed: [u64::MAX; WORDS],
                stale: [0; WORDS],
                confirmed_count: BLOCK_BITS,
            }),
            Self::Mixed(bits) => bits,
        };
        bits.add(seq, end);
        *self = if bits.confirmed_count == BLOCK_BITS {
            Self::Confirmed
        } else {
            Self::Mixed(bits)
        };
    }
}

impl Bits {
    fn get(&self, seq: u64) -> Option<End> {
        let (word, bit) = bit_of(seq);
        let is_in = |words: &[u64; WORDS]| words.get(word).is_some_and(|word| word & bit != 0);
        if is_in(&self.confirmed) {
            return Some(End::Confirmed);
        }
        is_in(&self.stale).then_some(End::Stale)
    }

    /// A confirmed number stays confirmed.
    fn add(&mut self, seq: u64, end: End) {
        let (word, bit) = bit_of(seq);
        let words = match end {
            End::Confirmed => &mut self.confirmed,
            End::Stale => &mut self.stale,
        };
        let Some(word) = words.get_mut(word) else {
            return;
        };
        if end == End::Confirmed && *word & bit == 0 {
            self.confirmed_count = self.confirmed_count.saturating_add(1);
        }
        *word |= bit;
    }
}

/// The word of a number within its block, and its bit in it.
fn bit_of(seq: u64) -> (usize, u64) {
    let at = seq % BLOCK;
    (usize::try_from(at / 64).unwrap_or_default(), 1 << (at % 64))
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
