//! How messages that have left the queue ended, as far as that is remembered.
//!
//! Pure: no lock, no clock.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// How many of the last numbers are remembered, whatever the order in which they were confirmed.
pub(super) const REMEMBERED: u64 = 1 << 20;
/// How many of the last application-supplied ids are remembered, and their most bytes.
pub(super) const REMEMBERED_OWN: usize = 65_536;
const OWN_BYTES: usize = 4 * 1024 * 1024;
/// What an application-supplied id costs beside its text.
const OWN_OVERHEAD: usize = 64;

const BLOCK: u64 = 1024;
const BLOCK_BITS: u16 = 1024;
const WORDS: usize = 16;
const MOST_BLOCKS: u64 = REMEMBERED / BLOCK;

/// How a message ended that was in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Confirmed,
    /// In another way than by an ack.
    Stale,
}

/// The ends of the last messages.
///
/// Two bits for each number, in blocks. A block whose numbers are all confirmed, or none of which
/// has ended, takes no memory of its own.
#[derive(Debug, Default)]
pub(super) struct AckHistory {
    blocks: VecDeque<Block>,
    /// The number of the first block.
    first: u64,
    own: HashMap<Arc<str>, (End, u64)>,
    own_in_order: VecDeque<Arc<str>>,
    own_bytes: usize,
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
    /// Remembers how a message ended, by its id where that is not its number.
    pub(super) fn add(&mut self, seq: u64, own_id: Option<&Arc<str>>, end: End) {
        match own_id {
            None => self.add_number(seq, end),
            Some(id) => self.add_own(id, seq, end),
        }
    }

    /// How the message with this number ended, if it went by its number.
    pub(super) fn number(&self, seq: u64) -> Option<End> {
        let index = (seq / BLOCK).checked_sub(self.first)?;
        match self.blocks.get(usize::try_from(index).ok()?)? {
            Block::Empty => None,
            Block::Confirmed => Some(End::Confirmed),
            Block::Mixed(bits) => bits.get(seq),
        }
    }

    /// How the newest message with this application-supplied id ended, and its number.
    pub(super) fn own(&self, id: &str) -> Option<(End, u64)> {
        self.own.get(id).copied()
    }

    fn add_number(&mut self, seq: u64, end: End) {
        let number = seq / BLOCK;
        if self.blocks.is_empty() {
            self.first = number;
        }
        let Some(mut index) = number.checked_sub(self.first) else {
            return self.add_below(number, seq, end);
        };
        if index >= MOST_BLOCKS.saturating_mul(2) {
            // Numbers have jumped: the earlier ones are out of reach.
            self.blocks.clear();
            self.first = number;
            index = 0;
        }
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        while self.blocks.len() <= at {
            self.blocks.push_back(Block::Empty);
        }
        if let Some(block) = self.blocks.get_mut(at) {
            block.add(seq, end);
        }
        while u64::try_from(self.blocks.len()).unwrap_or(u64::MAX) > MOST_BLOCKS {
            self.blocks.pop_front();
            self.first = self.first.saturating_add(1);
        }
    }

    /// Remembers a number below the first block, if that is within reach of the last.
    fn add_below(&mut self, number: u64, seq: u64, end: End) {
        let len = u64::try_from(self.blocks.len()).unwrap_or(u64::MAX);
        let more = self.first.saturating_sub(number);
        if len.saturating_add(more) > MOST_BLOCKS {
            return;
        }
        for _ in 0..more {
            self.blocks.push_front(Block::Empty);
        }
        self.first = number;
        if let Some(block) = self.blocks.front_mut() {
            block.add(seq, end);
        }
    }

    fn add_own(&mut self, id: &Arc<str>, seq: u64, end: End) {
        let cost = |id: &Arc<str>| id.len().saturating_add(OWN_OVERHEAD);
        if self.own.insert(Arc::clone(id), (end, seq)).is_none() {
            self.own_in_order.push_back(Arc::clone(id));
            self.own_bytes = self.own_bytes.saturating_add(cost(id));
        }
        while self.own.len() > REMEMBERED_OWN || self.own_bytes > OWN_BYTES {
            let Some(oldest) = self.own_in_order.pop_front() else {
                return;
            };
            self.own.remove(&oldest);
            self.own_bytes = self.own_bytes.saturating_sub(cost(&oldest));
        }
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

    /// What was confirmed stays so.
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

/// The word of a number within its block, and its bit there.
fn bit_of(seq: u64) -> (usize, u64) {
    let at = seq % BLOCK;
    (usize::try_from(at / 64).unwrap_or_default(), 1 << (at % 64))
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn every_order_of_acks_is_remembered_for_the_stated_number() {
        for step in [1_u64, 7_919, 524_287] {
            let mut history = AckHistory::default();
            for n in 0..REMEMBERED {
                let seq = 1_024 + n * step % REMEMBERED;
                if !seq.is_multiple_of(3) {
                    history.add(seq, None, End::Confirmed);
                }
            }
            for seq in 1_024..1_024 + REMEMBERED {
                let expected = (!seq.is_multiple_of(3)).then_some(End::Confirmed);
                assert_eq!(history.number(seq), expected, "{seq}");
            }
        }
    }

    #[test]
    fn what_is_all_confirmed_takes_no_memory_of_its_own() {
        let mut history = AckHistory::default();
        for seq in (0..4 * REMEMBERED).rev() {
            history.add(seq, None, End::Confirmed);
        }
        for seq in 0..4 * REMEMBERED {
            history.add(seq, None, End::Confirmed);
        }
        let mixed = |block: &&Block| matches!(block, Block::Mixed(_));
        assert_eq!(history.blocks.iter().filter(mixed).count(), 0);
        assert_eq!(history.blocks.len() as u64, MOST_BLOCKS);
        assert_eq!(history.number(4 * REMEMBERED - 1), Some(End::Confirmed));
        assert_eq!(history.number(0), None, "long ago");
    }

    #[test]
    fn stale_and_confirmed_are_told_apart_and_confirmed_lasts() {
        let mut history = AckHistory::default();
        history.add(5, None, End::Stale);
        assert_eq!(history.number(5), Some(End::Stale));
        assert_eq!(history.number(6), None);
        history.add(5, None, End::Confirmed);
        history.add(5, None, End::Stale);
        assert_eq!(history.number(5), Some(End::Confirmed));
    }

    #[test]
    fn numbers_that_jump_leave_no_gap_to_fill() {
        let mut history = AckHistory::default();
        history.add(1, None, End::Confirmed);
        history.add(1 << 48, None, End::Confirmed);
        assert_eq!(history.blocks.len(), 1);
        assert_eq!(history.number(1 << 48), Some(End::Confirmed));
        assert_eq!(history.number(1), None);
    }

    #[test]
    fn remembered_ids_are_bounded_by_number_and_bytes() {
        let mut history = AckHistory::default();
        for n in 0..2 * REMEMBERED_OWN {
            history.add(1, Some(&Arc::from(n.to_string())), End::Confirmed);
        }
        assert!(history.own.len() <= REMEMBERED_OWN);
        assert_eq!(history.own("131071"), Some((End::Confirmed, 1)));
        assert_eq!(history.own("0"), None);
        for n in 0..10_000 {
            history.add(2, Some(&Arc::from(format!("{n:0>1000}"))), End::Stale);
        }
        assert!(history.own_bytes <= OWN_BYTES);
        assert_eq!(history.own_in_order.len(), history.own.len());
    }
}
