//! Appending to a log: into the open block, or into a new one.

use std::sync::Arc;
use std::time::SystemTime;

use crate::time::Deadline;
use crate::topic::log::block::{Block, Entry};
use crate::topic::log::{Log, MAX_PER_STEP, cost, own_ids, reserve_one};

impl Log {
    /// Appends a frame that [fits](Self::fits), in two parts; returns its number.
    pub(crate) fn append(
        &mut self,
        parts: [&[u8]; 2],
        own_id: Option<Arc<str>>,
        expires: Deadline,
        now: SystemTime,
    ) -> u64 {
        self.append_entry(parts, own_id, expires, now, false)
    }

    /// Appends a frame that may be [removed](Self::remove) from between others if it is keyed.
    #[inline]
    pub(super) fn append_entry(
        &mut self,
        parts: [&[u8]; 2],
        own_id: Option<Arc<str>>,
        expires: Deadline,
        now: SystemTime,
        is_keyed: bool,
    ) -> u64 {
        let entered = self
            .retention
            .age
            .map_or(Deadline::Never, |_| Deadline::At(now));
        let entry = Entry {
            number: self.next,
            len: parts[0].len().saturating_add(parts[1].len()),
            entered,
            expires,
            is_keyed,
        };
        if !self.has_open_block_for(&entry) {
            self.open_block(&entry);
        }
        self.write(&entry, parts);
        let id = own_id.map_or(0, |id| {
            self.own_ids.insert(&id, entry.number);
            own_ids::cost(id.len())
        });
        if self.len == 0 {
            self.oldest_entered = entered.time();
        }
        self.next = entry.number.saturating_add(1);
        self.len = self.len.saturating_add(1);
        self.bytes = self.bytes.saturating_add(cost(entry.len, id));
        entry.number
    }

    /// Writes a frame into the open block.
    fn write(&mut self, entry: &Entry, parts: [&[u8]; 2]) {
        let Some(block) = self.blocks.back_mut() else {
            return;
        };
        if !self.tail.has_capacity(entry.len) {
            let max = max_messages(self.block_messages, block, entry);
            let left = max.saturating_sub(block.count());
            let bytes = block.len().saturating_add(entry.len);
            let mean = bytes.checked_div(block.count().saturating_add(1));
            let expected = left.saturating_mul(self.mean_len.max(mean.unwrap_or_default()));
            let expected = expected.saturating_add(expected / 32);
            let max = self.block_bytes.saturating_sub(block.len());
            self.tail.reserve(block, entry.len, expected.min(max));
        }
        self.tail.write(parts);
        let before = block.expiry().map(|(_, time)| time);
        block.push(entry);
        if let Deadline::At(time) = entry.expires
            && before.is_none_or(|before| time < before)
        {
            let first = block.first();
            before.map(|before| self.by_expiry.remove(&(before, first)));
            self.by_expiry.insert((time, first));
        }
    }

    /// Whether the open block accepts this message.
    fn has_open_block_for(&self, entry: &Entry) -> bool {
        let Some(block) = self.blocks.back().filter(|_| self.is_open) else {
            return false;
        };
        block.count() < max_messages(self.block_messages, block, entry)
            && block.len().saturating_add(entry.len) <= self.block_bytes
            && block.accepts(entry)
    }

    fn open_block(&mut self, entry: &Entry) {
        let mut messages = 0;
        if let Some(block) = self.blocks.back() {
            messages = block.count();
            self.mean_len = block.len().checked_div(messages).unwrap_or_default();
        }
        self.close_block();
        reserve_one(&mut self.blocks);
        self.blocks.push_back(Block::new(entry.number, messages));
        self.tail.start();
        self.is_open = true;
    }
}

/// The maximum number of messages in a block that includes this one.
#[inline]
fn max_messages(max: usize, block: &Block, entry: &Entry) -> usize {
    if entry.is_keyed || entry.expires != Deadline::Never || block.may_have_holes() {
        max.min(MAX_PER_STEP)
    } else {
        max
    }
}
