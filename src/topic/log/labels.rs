//! What a log knows of tags and keys. A log without either has none of it.

use core::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::SystemTime;

use super::Log;
use super::keys::Keys;
use super::runs::Run;
use super::tags::{TagId, Tags, UNTAGGED};
use crate::message::Labels;
use crate::time::Deadline;

/// Which message has which tag and key.
#[derive(Debug, Default)]
pub(super) struct LabelIndex {
    keys: Keys,
    /// How many messages a newer one with the same key has superseded.
    superseded: u64,
    /// Since the first tag or filter.
    pub(super) tags: Option<Tags>,
    /// The memory of the next [selection](super::select::Selection).
    pub(super) spare: BinaryHeap<Reverse<(Run, TagId)>>,
}

impl Log {
    /// Appends a message that may have a tag and a key; returns its number. An older message with
    /// the same key leaves the log.
    #[inline]
    pub(crate) fn append_any(
        &mut self,
        parts: [&[u8]; 2],
        own_id: Option<Arc<str>>,
        labels: Option<&Labels>,
        expires: Deadline,
        now: SystemTime,
    ) -> u64 {
        if labels.is_none() && self.labels.is_none() {
            self.append(parts, own_id, expires, now)
        } else {
            self.append_labelled(parts, own_id, labels, expires, now)
        }
    }

    #[cold]
    fn append_labelled(
        &mut self,
        parts: [&[u8]; 2],
        own_id: Option<Arc<str>>,
        labels: Option<&Labels>,
        expires: Deadline,
        now: SystemTime,
    ) -> u64 {
        let Labels { tag, key } = labels.cloned().unwrap_or_default();
        let cost = labels.map_or(0, Labels::cost);
        let number = self.append_entry(parts, own_id, expires, now, key.is_some());
        self.bytes = self.bytes.saturating_add(cost);
        if tag.is_some() {
            self.index_tags(number);
        }
        let index = self.labels.get_or_insert_default();
        if let Some(tags) = &mut index.tags {
            self.bytes = self.bytes.saturating_add(tags.push(tag, number));
        }
        let superseded = key.and_then(|key| index.keys.insert(key, number));
        if let Some(older) = superseded {
            index.superseded = index.superseded.saturating_add(1);
            self.remove(older);
        }
        self.count_runs();
        number
    }

    /// How many messages a newer one with the same key has superseded.
    pub(crate) fn superseded(&self) -> u64 {
        self.labels.as_ref().map_or(0, |index| index.superseded)
    }

    /// Begins to list messages by tag, from this number on.
    pub(super) fn index_tags(&mut self, from: u64) -> &mut Tags {
        let (messages, bytes) = (self.retention.messages, self.retention.bytes);
        let index = self.labels.get_or_insert_default();
        index
            .tags
            .get_or_insert_with(|| Tags::new(messages, bytes, from))
    }

    /// What the labels of this retained message count towards the bound in bytes.
    #[inline]
    pub(super) fn label_cost(&self, number: u64) -> u64 {
        let Some(index) = &self.labels else {
            return 0;
        };
        let tag = index.tags.as_ref().and_then(|tags| tags.name_of(number));
        let labels = [tag, index.keys.get(number)].into_iter().flatten();
        labels.fold(0, |sum, label| Labels::cost_of(label).saturating_add(sum))
    }

    /// Forgets the labels of a message that is evicted.
    #[inline]
    pub(super) fn evict_labels(&mut self, number: u64) {
        if let Some(index) = &mut self.labels {
            index.keys.remove(number);
            if let Some(tags) = &mut index.tags {
                self.bytes = self.bytes.saturating_sub(tags.evict(number));
            }
            self.count_runs();
        }
    }

    /// Forgets the labels of a message that expired or was superseded.
    #[inline]
    pub(super) fn remove_labels(&mut self, number: u64) {
        if let Some(index) = &mut self.labels {
            index.keys.remove(number);
            if let Some(tags) = &mut index.tags {
                self.bytes = self.bytes.saturating_sub(tags.remove(number));
            }
            self.count_runs();
        }
    }

    /// Counts the runs of messages without a tag towards the bound in bytes.
    fn count_runs(&mut self) {
        if let Some(tags) = self.tags_mut() {
            let [before, now] = tags.recount_runs();
            self.bytes = self.bytes.saturating_sub(before).saturating_add(now);
        }
    }

    /// Makes sure that messages are listed by tag from now on.
    pub(crate) fn list_by_tag(&mut self) {
        self.index_tags(self.next);
    }

    /// The id of this tag, which a filter gets.
    pub(crate) fn retain_tag(&mut self, name: Arc<str>) -> TagId {
        self.index_tags(self.next).retain(name)
    }

    /// A filter has this tag no longer.
    pub(crate) fn release_tag(&mut self, tag: TagId) {
        if let Some(tags) = self.tags_mut() {
            tags.release(tag);
        }
    }

    pub(crate) fn find_tag(&self, name: &str) -> Option<TagId> {
        self.tags()?.find(name)
    }

    pub(crate) fn tag_name(&self, tag: TagId) -> Option<&Arc<str>> {
        self.tags()?.name(tag)
    }

    /// Whether messages are listed by tag.
    #[inline]
    pub(crate) fn is_tagged(&self) -> bool {
        self.tags().is_some()
    }

    /// Visits the tags of the messages that were appended since the last call; `None` for those
    /// without one.
    pub(crate) fn take_fresh_tags(&mut self, mut each: impl FnMut(Option<TagId>)) {
        let Some(tags) = self.tags_mut() else {
            return;
        };
        for tag in tags.drain_fresh() {
            each((tag != UNTAGGED).then_some(tag));
        }
    }

    fn tags_mut(&mut self) -> Option<&mut Tags> {
        self.labels.as_mut()?.tags.as_mut()
    }

    #[inline]
    pub(super) fn tags(&self) -> Option<&Tags> {
        self.labels.as_ref()?.tags.as_ref()
    }
}
