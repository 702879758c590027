//! How messages with application-supplied ids ended.
//!
//! Pure: no lock, no clock.

use core::hash::BuildHasher;
use std::collections::{BTreeMap, VecDeque};
use std::hash::RandomState;
use std::sync::Arc;

use super::End;

/// How many of the last application-supplied ids are remembered.
pub(super) const REMEMBERED: usize = 65_536;
/// The bound on their bytes: as many ids of 64 bytes fit.
pub(super) const MAX_BYTES: usize = REMEMBERED * (64 + OVERHEAD);
/// What an id costs in addition to its text.
const OVERHEAD: usize = 96;

/// The ends of the last messages with ids of their own.
///
/// By the hash of the id: a hash table would move all entries at once when it grows, and a tree of
/// ids compares texts at each step. If two ids share a hash, the earlier one is forgotten.
#[derive(Debug, Default)]
pub(super) struct OwnIds {
    ends: BTreeMap<u64, Ended>,
    /// The hashes, earliest first.
    hashes: VecDeque<u64>,
    hasher: RandomState,
    bytes: usize,
}

#[derive(Debug)]
struct Ended {
    id: Arc<str>,
    end: End,
    seq: u64,
}

impl OwnIds {
    /// How the newest message with this id ended, and its number.
    pub(super) fn get(&self, id: &str) -> Option<(End, u64)> {
        if self.ends.is_empty() {
            return None;
        }
        let ended = self.ends.get(&self.hasher.hash_one(id))?;
        (*ended.id == *id).then_some((ended.end, ended.seq))
    }

    /// Records how a message ended. An id that is known already keeps its age.
    pub(super) fn add(&mut self, id: &Arc<str>, seq: u64, end: End) {
        let hash = self.hasher.hash_one(&**id);
        let ended = Ended {
            id: Arc::clone(id),
            end,
            seq,
        };
        self.bytes = self.bytes.saturating_add(cost(id));
        let before = self.ends.insert(hash, ended);
        if let Some(before) = &before {
            self.bytes = self.bytes.saturating_sub(cost(&before.id));
        }
        // An id has at most 1 KiB, so these are few.
        while (self.ends.len() > REMEMBERED || self.bytes > MAX_BYTES)
            && let Some(earliest) = self.hashes.pop_front()
            && let Some(ended) = self.ends.remove(&earliest)
        {
            self.bytes = self.bytes.saturating_sub(cost(&ended.id));
        }
        if before.is_none() {
            self.hashes.push_back(hash);
        }
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn len_and_bytes(&self) -> (usize, usize) {
        assert_eq!(self.ends.len(), self.hashes.len());
        (self.ends.len(), self.bytes)
    }
}

fn cost(id: &str) -> usize {
    id.len().saturating_add(OVERHEAD)
}
