//! Which streams want which tags, and which of them have yet to be marked as pending.
//!
//! Pure: no lock, no clock.
//!
//! A message with a tag is announced to the filters that have the tag, and by them to their streams,
//! some in each step: see [`Filters::next_slots`].

use core::ops::Bound;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::log::{TagId, Wanted};
use crate::seq_map::SeqMap;

/// The maximum number of tags of a filter, since each is looked up with each read.
pub(super) const MAX_TAGS: usize = 1024;

/// The filters of a topic and their streams.
#[derive(Debug, Default)]
pub(super) struct Filters {
    /// By id. Not a list: that would keep its memory when filters are dropped.
    all: SeqMap<Filter>,
    /// The id of the next filter. None is used twice.
    next_id: u64,
    by_tag: BTreeMap<TagId, Announced>,
    /// Tags with messages that have yet to be announced to some streams.
    marks: VecDeque<Mark>,
    /// Incremented each time that a tag is added.
    version: u64,
}

#[derive(Debug, Default)]
struct Filter {
    tags: BTreeMap<TagId, Added>,
    /// The slots of its streams.
    streams: BTreeSet<usize>,
}

/// When a filter got a tag.
#[derive(Clone, Copy, Debug)]
struct Added {
    /// The number of the next message at that moment.
    since: u64,
    version: u64,
}

/// The filters that have a tag.
#[derive(Debug, Default)]
struct Announced {
    filters: BTreeSet<u64>,
    /// A mark of this tag stands in line that has not begun.
    is_queued: bool,
}

/// How far a tag's messages have been announced: to all streams up to this filter, or only up to a
/// slot of it.
#[derive(Debug)]
struct Mark {
    tag: TagId,
    after: Option<(u64, Option<usize>)>,
}

impl Filters {
    pub(super) fn open(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        self.all.insert(id, Filter::default());
        id
    }

    /// Forgets a filter without tags and streams.
    pub(super) fn close(&mut self, id: u64) {
        self.all.remove(id);
    }

    pub(super) fn len(&self, id: u64) -> usize {
        self.get(id).map_or(0, |filter| filter.tags.len())
    }

    pub(super) fn contains(&self, id: u64, tag: TagId) -> bool {
        let filter = self.get(id);
        filter.is_some_and(|filter| filter.tags.contains_key(&tag))
    }

    pub(super) fn tags(&self, id: u64) -> impl Iterator<Item = TagId> {
        let filter = self.get(id).into_iter();
        filter.flat_map(|filter| filter.tags.keys().copied())
    }

    /// Adds a tag that the filter does not have.
    pub(super) fn insert(&mut self, id: u64, tag: TagId, since: u64) {
        self.version = self.version.saturating_add(1);
        let version = self.version;
        let Some(filter) = self.all.get_mut(id) else {
            return;
        };
        filter.tags.insert(tag, Added { since, version });
        self.by_tag.entry(tag).or_default().filters.insert(id);
    }

    /// Removes a tag; returns whether the filter had it.
    pub(super) fn remove(&mut self, id: u64, tag: TagId) -> bool {
        let filter = self.all.get_mut(id);
        let is_removed = filter.is_some_and(|filter| filter.tags.remove(&tag).is_some());
        if let Some(announced) = self.by_tag.get_mut(&tag) {
            announced.filters.remove(&id);
            if announced.filters.is_empty() {
                self.by_tag.remove(&tag);
            }
        }
        is_removed
    }

    /// Adds a stream. Returns the version of its tags: those added later begin later.
    pub(super) fn attach(&mut self, id: u64, slot: usize) -> u64 {
        if let Some(filter) = self.all.get_mut(id) {
            filter.streams.insert(slot);
        }
        self.version
    }

    pub(super) fn detach(&mut self, id: u64, slot: usize) {
        if let Some(filter) = self.all.get_mut(id) {
            filter.streams.remove(&slot);
        }
    }

    /// What a stream wants that was attached at this version.
    pub(super) fn wanted(&self, id: u64, version: u64) -> impl Iterator<Item = Wanted> {
        let filter = self.get(id).into_iter();
        let tags = filter.flat_map(|filter| &filter.tags);
        tags.map(move |(tag, added)| Wanted {
            tag: *tag,
            since: if added.version <= version {
                0
            } else {
                added.since
            },
        })
    }

    /// Begins to announce a message with this tag; returns whether any filter has the tag.
    pub(super) fn announce(&mut self, tag: TagId) -> bool {
        let Some(announced) = self.by_tag.get_mut(&tag) else {
            return false;
        };
        if !core::mem::replace(&mut announced.is_queued, true) {
            self.marks.push_back(Mark { tag, after: None });
        }
        true
    }

    pub(super) fn has_marks(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Visits the slots of the next streams to which a message must be announced, at most `max` of
    /// one filter; there may be more while there [are marks](Self::has_marks).
    pub(super) fn next_slots(&mut self, max: usize, mut each: impl FnMut(usize)) {
        let Some(mark) = self.marks.front_mut() else {
            return;
        };
        let announced = self.by_tag.get_mut(&mark.tag);
        let Some(announced) = announced else {
            // No filter has the tag any more.
            self.marks.pop_front();
            return;
        };
        if mark.after.is_none() {
            announced.is_queued = false;
        }
        // Goes on within its filter, or with the next.
        let (from, after) = match mark.after {
            Some((id, None)) => (Bound::Excluded(id), None),
            Some((id, after)) => (Bound::Included(id), after),
            None => (Bound::Unbounded, None),
        };
        let Some(id) = announced
            .filters
            .range((from, Bound::Unbounded))
            .next()
            .copied()
        else {
            self.marks.pop_front();
            return;
        };
        let is_same = mark.after.is_some_and(|(same, _)| same == id);
        let after = after
            .filter(|_| is_same)
            .map_or(Bound::Unbounded, Bound::Excluded);
        let filter = self.all.get(id);
        let streams = filter.map(|filter| filter.streams.range((after, Bound::Unbounded)));
        let mut last = None;
        let mut visited = 0_usize;
        for slot in streams.into_iter().flatten().take(max) {
            each(*slot);
            last = Some(*slot);
            visited = visited.saturating_add(1);
        }
        let is_done = visited < max;
        mark.after = Some((id, last.filter(|_| !is_done)));
        if is_done && announced.filters.last() == Some(&id) {
            self.marks.pop_front();
        }
    }

    fn get(&self, id: u64) -> Option<&Filter> {
        self.all.get(id)
    }
}
