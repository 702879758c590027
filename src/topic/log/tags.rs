//! The retained messages of each tag, and how many of each were evicted.
//!
//! ```text
//!              floor            oldest                next
//! forgotten      |  evicted       |  retained           |
//! the last of    |  counted by    |  runs of numbers    |
//! each tag       |  tag           |  by tag             |
//! ```

mod counts;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::runs::{Run, Runs};
use super::to_u64;
use crate::message::Labels;
use crate::seq_map::SeqMap;
use counts::Counts;

/// The tag of messages that have none. All streams want it.
pub(crate) const UNTAGGED: TagId = TagId(0);
/// A log that retains few messages counts at least so many evicted ones, if its bytes allow it.
const MIN_EVICTED: u64 = 64;
/// What one evicted message takes at most, with its tag, so that all take at most a 32nd of the log's
/// bound.
const EVICTED_SIZE: u64 = 512;

/// A tag while it is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TagId(u64);

/// A tag that a stream wants, and the number of the message from which it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) tag: TagId,
    pub(crate) since: u64,
}

/// Which retained message has which tag. Messages before [`from`](Self::from) have none, and are
/// not listed.
#[derive(Debug)]
pub(super) struct Tags {
    from: u64,
    ids: BTreeMap<Arc<str>, TagId>,
    /// By id. The first is of messages without a tag. Not a list: that would keep its memory when
    /// tags are dropped, and move all of them when it grows.
    slots: SeqMap<Box<Tag>>,
    /// The id of the next tag. None is used twice.
    next_id: u64,
    /// The tag of each tagged message from the floor on.
    by_number: SeqMap<TagId>,
    /// Evicted messages from this number on are counted.
    floor: u64,
    /// How many of the tagged messages in `by_number` were evicted, and how many may be.
    evicted: u64,
    max_evicted: u64,
    /// The last message before the floor that was evicted, of all tags that were dropped.
    dropped: u64,
    /// What the runs of messages without a tag count towards the log's bound.
    runs_size: u64,
    /// The tags of the messages that were appended since this was taken.
    fresh: Vec<TagId>,
}

#[derive(Debug)]
struct Tag {
    name: Arc<str>,
    retained: Runs,
    /// The newest message and the one before, retained or not.
    newest: [u64; 2],
    /// `None` while none is counted: most tags have few messages, and there may be many tags.
    evicted: Option<Box<Counts>>,
    /// The number of the last message that was evicted before it expired or was superseded.
    last_evicted: u64,
    /// How many filters have it.
    filters: usize,
}

impl Tag {
    fn new(name: Arc<str>, last_evicted: u64) -> Self {
        Self {
            name,
            retained: Runs::default(),
            newest: [0; 2],
            evicted: None,
            last_evicted,
            filters: 0,
        }
    }

    fn forget_before(&mut self, number: u64) {
        if let Some(evicted) = &mut self.evicted {
            evicted.forget_before(number);
        }
        if self.evicted.as_ref().is_some_and(|it| it.is_empty()) {
            self.evicted = None;
        }
    }
}

impl Tags {
    /// For a log that is bounded to `messages` and `bytes`, and whose next message has the number
    /// `from`.
    pub(super) fn new(messages: u64, bytes: u64, from: u64) -> Self {
        let mut slots = SeqMap::default();
        slots.insert(UNTAGGED.0, Box::new(Tag::new(Arc::from(""), 0)));
        Self {
            from,
            ids: BTreeMap::new(),
            slots,
            next_id: 1,
            by_number: SeqMap::default(),
            floor: from,
            evicted: 0,
            max_evicted: (bytes / 32 / EVICTED_SIZE).min(messages.max(MIN_EVICTED)),
            dropped: 0,
            runs_size: 0,
            fresh: Vec::new(),
        }
    }

    /// The number from which on messages are listed.
    pub(super) fn from(&self) -> u64 {
        self.from
    }

    /// Records a message above all others. Returns what its tag counts if it is in use from now on.
    pub(super) fn push(&mut self, tag: Option<Arc<str>>, number: u64) -> u64 {
        let id = tag.map_or(UNTAGGED, |tag| self.id_or_new(tag));
        if id != UNTAGGED {
            self.by_number.insert(number, id);
        }
        let mut is_new = false;
        if let Some(tag) = self.tag_mut(id) {
            is_new = tag.retained.is_empty();
            tag.retained.push(number);
            tag.newest = [number, tag.newest[0]];
        }
        if self.fresh.last() != Some(&id) {
            self.fresh.push(id);
        }
        size_of(id, is_new)
    }

    /// The tags of the messages that were appended since the last call.
    pub(super) fn drain_fresh(&mut self) -> impl Iterator<Item = TagId> {
        self.fresh.drain(..)
    }

    /// The tag of this message, if it is known to have one.
    pub(super) fn name_of(&self, number: u64) -> Option<&str> {
        let id = self.by_number.get(number)?;
        self.tag(*id).map(|tag| tag.name.as_ref())
    }

    /// The tag of a listed message, and that tag's message before it, if it is the tag's newest.
    pub(super) fn newest_with_previous(&self, number: u64) -> Option<(TagId, u64)> {
        if number < self.from {
            return None;
        }
        let id = self.by_number.get(number).copied().unwrap_or(UNTAGGED);
        let [newest, previous] = self.tag(id)?.newest;
        (newest == number).then_some((id, previous))
    }

    /// The newest message of this tag, retained or not; 0 if there was none.
    #[inline]
    pub(super) fn newest(&self, id: TagId) -> u64 {
        self.tag(id).map_or(0, |tag| tag.newest[0])
    }

    /// What the runs of messages without a tag counted so far, and what they count now. Tagged and
    /// superseded messages between them make them many.
    pub(super) fn recount_runs(&mut self) -> [u64; 2] {
        let untagged = self.tag(UNTAGGED);
        let runs = untagged.map_or(0, |tag| tag.retained.count());
        let now = to_u64(runs).saturating_mul(Labels::RUN);
        [core::mem::replace(&mut self.runs_size, now), now]
    }

    /// Records that a message was evicted before it expired or was superseded. Returns what its tag
    /// counted if it is no longer in use.
    pub(super) fn evict(&mut self, number: u64) -> u64 {
        if number < self.from {
            return 0;
        }
        let id = self.by_number.get(number).copied().unwrap_or(UNTAGGED);
        let mut is_last = false;
        if let Some(tag) = self.tag_mut(id) {
            tag.retained.remove(number);
            tag.evicted.get_or_insert_default().push(number);
            tag.last_evicted = number;
            is_last = tag.retained.is_empty();
        }
        if id == UNTAGGED {
            self.bound_runs();
            return 0;
        }
        self.evicted = self.evicted.saturating_add(1);
        while self.evicted > self.max_evicted {
            self.forget_evicted();
        }
        size_of(id, is_last)
    }

    /// Records that a message expired or was superseded: nobody misses it. Returns what its tag
    /// counted if it is no longer in use.
    pub(super) fn remove(&mut self, number: u64) -> u64 {
        if number < self.from {
            return 0;
        }
        let id = self.by_number.remove(number).unwrap_or(UNTAGGED);
        let mut is_last = false;
        if let Some(tag) = self.tag_mut(id) {
            tag.retained.remove(number);
            is_last = tag.retained.is_empty();
        }
        self.drop_unused(id);
        size_of(id, is_last)
    }

    /// Bounds the runs of evicted messages without a tag. What was superseded or expired between
    /// them is not counted, so they can be more than the evicted messages that have one.
    fn bound_runs(&mut self) {
        // Each call adds at most one run.
        for _ in 0..2 {
            let untagged = self.tag(UNTAGGED).and_then(|tag| tag.evicted.as_ref());
            let Some(first) = untagged.filter(|it| it.runs() > self.max_evicted) else {
                return;
            };
            let end = first.first_end();
            if self
                .by_number
                .first()
                .is_some_and(|(number, _)| number < end)
            {
                self.forget_evicted();
            } else {
                self.floor = self.floor.max(end);
                if let Some(untagged) = self.tag_mut(UNTAGGED) {
                    untagged.forget_before(end);
                }
            }
        }
    }

    /// Forgets the first evicted message that has a tag, which raises the floor.
    fn forget_evicted(&mut self) {
        let Some((number, id)) = self.by_number.pop_first() else {
            self.evicted = 0;
            return;
        };
        self.evicted = self.evicted.saturating_sub(1);
        self.floor = number.saturating_add(1);
        let floor = self.floor;
        for id in [id, UNTAGGED] {
            if let Some(tag) = self.tag_mut(id) {
                tag.forget_before(floor);
            }
        }
        self.drop_unused(id);
    }

    /// The id of a tag that a filter gets.
    pub(super) fn retain(&mut self, name: Arc<str>) -> TagId {
        let id = self.id_or_new(name);
        if let Some(tag) = self.tag_mut(id) {
            tag.filters = tag.filters.saturating_add(1);
        }
        id
    }

    /// The id of a tag that has messages or filters.
    pub(super) fn find(&self, name: &str) -> Option<TagId> {
        self.ids.get(name).copied()
    }

    pub(super) fn name(&self, id: TagId) -> Option<&Arc<str>> {
        self.tag(id).map(|tag| &tag.name)
    }

    /// A filter has this tag no longer.
    pub(super) fn release(&mut self, id: TagId) {
        if let Some(tag) = self.tag_mut(id) {
            tag.filters = tag.filters.saturating_sub(1);
        }
        self.drop_unused(id);
    }

    /// The first run of this tag from `number` on.
    pub(super) fn run_from(&self, id: TagId, number: u64) -> Option<Run> {
        self.tag(id)?.retained.from(number)
    }

    /// The last run of this tag before `number`.
    pub(super) fn run_before(&self, id: TagId, number: u64) -> Option<Run> {
        self.tag(id)?.retained.before(number)
    }

    /// How many messages of this tag from `number` on were evicted, if that is still known.
    /// Messages before [`from`](Self::from) are not counted.
    pub(super) fn evicted_from(&self, id: TagId, number: u64) -> Option<u64> {
        let tag = self.tag(id)?;
        if tag.last_evicted < number {
            return Some(0);
        }
        let count = || tag.evicted.as_ref().map_or(0, |it| it.from(number));
        (number >= self.floor).then(count)
    }

    fn id_or_new(&mut self, name: Arc<str>) -> TagId {
        if let Some(id) = self.ids.get(&name) {
            return *id;
        }
        // It may have been dropped before.
        let tag = Tag::new(Arc::clone(&name), self.dropped);
        let id = TagId(self.next_id);
        self.next_id = self.next_id.saturating_add(1);
        self.slots.insert(id.0, Box::new(tag));
        self.ids.insert(name, id);
        id
    }

    /// Drops a tag that has no message, retained or counted, and no filter.
    fn drop_unused(&mut self, id: TagId) {
        let is_used =
            |tag: &Tag| tag.filters > 0 || !tag.retained.is_empty() || tag.evicted.is_some();
        if id == UNTAGGED || self.tag(id).is_none_or(is_used) {
            return;
        }
        if let Some(tag) = self.slots.remove(id.0) {
            self.dropped = self.dropped.max(tag.last_evicted);
            self.ids.remove(&tag.name);
        }
    }

    fn tag(&self, id: TagId) -> Option<&Tag> {
        self.slots.get(id.0).map(AsRef::as_ref)
    }

    fn tag_mut(&mut self, id: TagId) -> Option<&mut Tag> {
        self.slots.get_mut(id.0).map(AsMut::as_mut)
    }
}

/// What this tag counts, if it does.
fn size_of(id: TagId, counts: bool) -> u64 {
    if counts && id != UNTAGGED {
        Labels::TAG
    } else {
        0
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn counts_stay_right_if_others_are_superseded_between_evicted_messages() {
        let mut tags = Tags::new(1_000, 1 << 20, 1);
        let mut evicted = Vec::new();
        for step in 0..5_000 {
            let number = step * 3 + 1;
            tags.push(None, number);
            tags.push(Some(Arc::from("key")), number + 1);
            tags.push((step % 7 == 0).then(|| Arc::from("red")), number + 2);
            tags.remove(number + 1);
            tags.evict(number);
            tags.evict(number + 2);
            evicted.push(number);
            evicted.extend((step % 7 != 0).then_some(number + 2));
            assert!(
                tags.floor <= number
                    && tags.slots.get(0).unwrap().evicted.as_ref().unwrap().runs() <= 1_024
            );
            for from in [tags.floor, number - number / 10, number + 1] {
                let known = tags.evicted_from(UNTAGGED, from);
                let right = evicted.iter().rev().take_while(|it| **it >= from).count();
                assert!(known.is_none_or(|known| known == right.try_into().unwrap()));
                assert!(known.is_some() || from < tags.floor);
            }
        }
    }
}
