//! A segment: the ids of consecutive messages, with a hash table of its own.

use crate::topic::log::{size, to_u64};

/// What an id counts towards the bound in bytes, in addition to its length.
pub(super) const OVERHEAD: u64 = 64;

const MIN_TABLE_LEN: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) ids: u64,
    pub(super) bytes: u64,
}

#[derive(Debug)]
pub(super) struct Segment {
    /// The number of the first message.
    pub(super) first: u64,
    entries: Vec<Entry>,
    texts: Vec<u8>,
    /// Maps each id, by its hash, to its newest entry: the entry's index plus one, or 0 for a free
    /// slot. At least half of the slots are free.
    table: Vec<u16>,
    /// The ids of expired messages.
    pub(super) dead: Size,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    /// The message's number as an offset from the segment's first.
    offset: u32,
    /// Where the id ends in `texts`.
    end: u32,
    is_dead: bool,
}

impl Size {
    pub(super) fn add(&mut self, ids: u64, bytes: u64) {
        self.ids = self.ids.saturating_add(ids);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub(super) fn subtract(&mut self, other: Self) {
        self.ids = self.ids.saturating_sub(other.ids);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

impl Segment {
    pub(super) fn new(first: u64) -> Self {
        Self {
            first,
            entries: Vec::new(),
            texts: Vec::new(),
            table: Vec::new(),
            dead: Size::default(),
        }
    }

    pub(super) fn last(&self) -> u64 {
        let last = self.entries.last();
        last.map_or(self.first, |last| self.number(last))
    }

    fn number(&self, entry: &Entry) -> u64 {
        self.first.saturating_add(u64::from(entry.offset))
    }

    pub(super) fn entry(&self, number: u64) -> Option<usize> {
        let offset = u32::try_from(number.checked_sub(self.first)?).ok()?;
        let matches = |index: &usize| {
            let entry = self.entries.get(*index);
            entry.is_some_and(|entry| entry.offset == offset)
        };
        // Usually either all messages have ids of their own, or none.
        let guess = usize::try_from(offset).ok().filter(matches);
        let search = || {
            let found = self
                .entries
                .binary_search_by_key(&offset, |entry| entry.offset);
            found.ok()
        };
        guess.or_else(search)
    }

    pub(super) fn text(&self, index: usize) -> &[u8] {
        let end = |index: usize| self.entries.get(index).map_or(0, |entry| size(entry.end));
        let start = index.checked_sub(1).map_or(0, end);
        self.texts.get(start..end(index)).unwrap_or_default()
    }

    pub(super) fn insert(&mut self, id: &[u8], number: u64, hash: u32) {
        let index = self.entries.len();
        self.texts.extend_from_slice(id);
        let offset = number.saturating_sub(self.first);
        self.entries.push(Entry {
            hash,
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            end: u32::try_from(self.texts.len()).unwrap_or(u32::MAX),
            is_dead: false,
        });
        if self.entries.len().saturating_mul(2) > self.table.len() {
            self.grow();
        } else {
            let slot = self.slot(hash, id);
            self.enter(slot, index);
        }
    }

    fn grow(&mut self) {
        let len = self.table.len().saturating_mul(2).max(MIN_TABLE_LEN);
        self.table = vec![0; len];
        for index in 0..self.entries.len() {
            let hash = self.entries.get(index).map_or(0, |entry| entry.hash);
            let slot = self.slot(hash, self.text(index));
            self.enter(slot, index);
        }
    }

    /// Writes an entry into a slot, over an older one with the same id.
    fn enter(&mut self, slot: usize, index: usize) {
        let entry = u16::try_from(index.saturating_add(1)).unwrap_or_default();
        if let Some(slot) = self.table.get_mut(slot) {
            *slot = entry;
        }
    }

    /// The slot that has this id, or that would get it.
    fn slot(&self, hash: u32, id: &[u8]) -> usize {
        let mask = self.table.len().saturating_sub(1);
        let mut slot = size(hash) & mask;
        // This ends, since half of the slots are free.
        while let Some(index) = self.index_at(slot) {
            let matches = self.entries.get(index).is_some_and(|it| it.hash == hash);
            if matches && self.text(index) == id {
                break;
            }
            slot = slot.saturating_add(1) & mask;
        }
        slot
    }

    fn index_at(&self, slot: usize) -> Option<usize> {
        usize::from(*self.table.get(slot)?).checked_sub(1)
    }

    pub(super) fn find(&self, id: &[u8], hash: u32) -> Option<u64> {
        let index = self.index_at(self.slot(hash, id))?;
        self.entries.get(index).map(|entry| self.number(entry))
    }

    pub(super) fn size(&self) -> Size {
        let ids = to_u64(self.entries.len());
        let bytes = to_u64(self.texts.len()).saturating_add(ids.saturating_mul(OVERHEAD));
        Size { ids, bytes }
    }

    /// Without the dead ids.
    pub(super) fn live(&self) -> Size {
        let mut size = self.size();
        size.subtract(self.dead);
        size
    }

    pub(super) fn mark_dead(&mut self, index: usize) {
        let bytes = to_u64(self.text(index).len()).saturating_add(OVERHEAD);
        if let Some(entry) = self.entries.get_mut(index) {
            entry.is_dead = true;
            self.dead.add(1, bytes);
        }
    }

    /// Copies the live ids of these segments into a new one.
    pub(super) fn gather(segments: &[Self]) -> Self {
        let mut whole = Self::new(segments.first().map_or(0, |segment| segment.first));
        for segment in segments {
            for (index, entry) in segment.entries.iter().enumerate() {
                if !entry.is_dead {
                    whole.insert(segment.text(index), segment.number(entry), entry.hash);
                }
            }
        }
        whole.shrink();
        whole
    }

    /// Allocates as much as another segment has in use.
    pub(super) fn reserve_like(&mut self, other: &Self) {
        self.entries = Vec::with_capacity(other.entries.len());
        self.texts = Vec::with_capacity(other.texts.len());
        self.table = vec![0; other.table.len()];
    }

    pub(super) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        self.texts.shrink_to_fit();
    }
}
