//! The streams with a filter: what each wants, and how it reads that.

use std::sync::Arc;

use bytes::Bytes;

use crate::source::Limit;
use crate::topic::cursor::{Ask, Cursor, Filtered, Taken};
use crate::topic::filters::MAX_TAGS;
use crate::topic::log::{TagId, Wanted, to_u64};
use crate::topic::resume::{Resumption, Start};
use crate::topic::state::State;
use crate::topic::status::count;

/// A filter cannot have more tags.
pub(crate) struct Full;

impl State {
    pub(crate) fn open_filter(&mut self) -> u64 {
        // A filter without tags, too, must hear of messages without one.
        self.store.list_by_tag();
        self.listeners.filters_mut().open()
    }

    /// Adds a tag to a filter; returns whether it is new.
    pub(crate) fn insert_tag(&mut self, filter: u64, name: &Arc<str>) -> Result<bool, Full> {
        let filters = self.listeners.filters_mut();
        let tag = self.store.log().find_tag(name);
        if tag.is_some_and(|tag| filters.contains(filter, tag)) {
            return Ok(false);
        }
        if filters.len(filter) >= MAX_TAGS {
            return Err(Full);
        }
        let since = self.store.log().next();
        let tag = self.store.retain_tag(Arc::clone(name));
        filters.insert(filter, tag, since);
        Ok(true)
    }

    /// Removes a tag from a filter; returns whether it had the tag.
    pub(crate) fn remove_tag(&mut self, filter: u64, name: &str) -> bool {
        let tag = self.store.log().find_tag(name);
        tag.is_some_and(|tag| self.release_tag(filter, tag))
    }

    pub(crate) fn has_tag(&self, filter: u64, name: &str) -> bool {
        let tag = self.store.log().find_tag(name);
        let filters = self.listeners.filters();
        tag.zip(filters)
            .is_some_and(|(tag, filters)| filters.contains(filter, tag))
    }

    /// The tags of a filter.
    pub(crate) fn tags_of(&self, filter: u64) -> Vec<Arc<str>> {
        let log = self.store.log();
        let tags = self.listeners.filters().into_iter();
        let names = tags
            .flat_map(|filters| filters.tags(filter))
            .filter_map(|tag| log.tag_name(tag).cloned());
        names.collect()
    }

    /// Removes some tags of a filter that no stream has, and then the filter. Returns whether the
    /// caller must go on.
    pub(crate) fn close_filter(&mut self, filter: u64, max: usize) -> bool {
        let filters = self.listeners.filters_mut();
        let tags: Vec<TagId> = filters.tags(filter).take(max).collect();
        for tag in &tags {
            self.release_tag(filter, *tag);
        }
        if !tags.is_empty() {
            return true;
        }
        self.listeners.filters_mut().close(filter);
        false
    }

    fn release_tag(&mut self, filter: u64, tag: TagId) -> bool {
        let is_removed = self.listeners.filters_mut().remove(filter, tag);
        if is_removed {
            self.store.release_tag(tag);
        }
        is_removed
    }

    /// Gives a stream a filter, which applies from the stream's position.
    pub(crate) fn attach(&mut self, cursor: &mut Cursor, filter: u64) {
        let filters = self.listeners.filters_mut();
        if let Some(before) = cursor.filter.take() {
            filters.detach(before.id, cursor.slot);
        }
        let version = filters.attach(filter, cursor.slot);
        let filtered = Filtered {
            id: filter,
            version,
            is_behind: false,
            seen: 0,
        };
        cursor.filter = Some(Box::new(filtered));
        self.listeners.set_filtered(cursor.slot);
        // It may have waited for every message.
        self.listeners.pause(cursor.slot);
    }

    /// Moves a stream that has read nothing to where its start is among the messages that it wants,
    /// and returns how it resumes.
    pub(crate) fn restart(
        &mut self,
        cursor: &mut Cursor,
        start: &Start,
        before: Resumption,
    ) -> Resumption {
        let wanted = self.wanted(cursor);
        let (position, resumption) = self.position(start, Some(&wanted));
        cursor.position = position;
        cursor.end_burst();
        let gaps = &mut self.status.counters.gaps;
        let is_gap = |resumption| matches!(resumption, Resumption::Gap { .. });
        match (is_gap(before), is_gap(resumption)) {
            (true, false) => *gaps = gaps.saturating_sub(1),
            (false, true) => count(gaps, 1),
            _ => {}
        }
        resumption
    }

    /// Moves a stream that has read nothing down past `count` messages that it wants, as far as there
    /// are any. Returns whether the caller must go on.
    pub(crate) fn walk_back(&self, cursor: &mut Cursor, count: &mut usize) -> bool {
        let wanted = cursor.filter.as_ref().map(|_| self.wanted(cursor));
        let log = self.store.log();
        let position = &mut cursor.position;
        if wanted.is_none() && log.is_dense() {
            *position = position.saturating_sub(to_u64(*count)).max(log.oldest());
            cursor.end_burst();
            return false;
        }
        let has_more = log.walk_back(position, count, wanted.as_deref());
        cursor.end_burst();
        has_more
    }

    /// How a client with this id would continue now with a filter.
    pub(crate) fn resumption_of_filter(&self, filter: u64, start: &Start) -> Resumption {
        let filters = self.listeners.filters();
        // A stream that is opened now wants all its tags from where it begins.
        let wanted = filters.map_or_else(Vec::new, |filters| {
            filters.wanted(filter, u64::MAX).collect()
        });
        self.position(start, Some(&wanted)).1
    }

    /// The tags that a stream wants.
    fn wanted(&self, cursor: &Cursor) -> Vec<Wanted> {
        let filtered = cursor.filter.as_ref().zip(self.listeners.filters());
        filtered.map_or_else(Vec::new, |(filtered, filters)| {
            filters.wanted(filtered.id, filtered.version).collect()
        })
    }

    /// Whether a message is there that a stream with a filter wants, or it missed one.
    #[cold]
    pub(super) fn has_wanted(&self, cursor: &Cursor) -> bool {
        let log = self.store.log();
        let wanted = self.wanted(cursor);
        log.first_wanted(cursor.position, &wanted).is_some()
            || log.missed_wanted(cursor.position, wanted.into_iter()) != Some(0)
    }

    /// Whether a stream that has just read a chunk has more to take, including its end.
    pub(super) fn is_due_after_read(&self, cursor: &Cursor) -> bool {
        match &cursor.filter {
            None => self.is_due(cursor),
            Some(filtered) => filtered.is_behind || self.status.is_aborted() || self.is_over(),
        }
    }

    /// Reads what a stream with a filter wants.
    #[cold]
    pub(super) fn read_wanted(
        &mut self,
        cursor: &mut Cursor,
        filtered: Filtered,
        ask: Ask,
    ) -> Taken {
        let (log, filters) = (self.store.log_mut(), self.listeners.filters());
        let filters = filters.into_iter();
        let wanted = || {
            let filters = filters.clone();
            filters.flat_map(|filters| filters.wanted(filtered.id, filtered.version))
        };
        let lag = log.missed_wanted(cursor.position, wanted());
        if lag != Some(0) {
            cursor.position = cursor.position.max(log.oldest());
            count(&mut self.status.counters.lagged, 1);
            return Taken::Lagged(lag);
        }
        let mut selection = log.select(cursor.position, wanted());
        let Some(first) = selection.first() else {
            log.recycle(selection);
            cursor.note_seen(log.next());
            return if self.is_over() {
                Taken::End
            } else {
                Taken::Nothing
            };
        };
        if first >= cursor.target() {
            cursor.begin_burst(if ask.is_batch {
                let wanted: Vec<Wanted> = wanted().collect();
                log.end_of(first, ask.limit.messages.max(1), &wanted)
            } else {
                log.next()
            });
        }
        let (target, limit) = (cursor.target(), ask.limit);
        let limit = Limit::new(limit.bytes, limit.messages.max(1));
        let read = log.read_selected(&mut selection, &mut cursor.position, target, limit);
        let next = selection.first();
        log.recycle(selection);
        if next.is_none_or(|next| next >= target) {
            cursor.end_burst();
        }
        let end = log.next();
        if let Some(filtered) = &mut cursor.filter {
            filtered.is_behind = next.is_some();
        }
        if next.is_none() {
            cursor.note_seen(end);
        }
        let Some(read) = read else {
            return Taken::Again;
        };
        count(&mut self.status.counters.delivered, read.messages);
        cursor.chunk_entered_at = self.store.newest_at();
        let is_newest = read.messages == 1 && first.saturating_add(1) == end;
        if is_newest && !self.is_over() {
            self.store.cache_newest(&read);
        }
        Taken::Chunk(read.chunk)
    }

    /// Like [`take_cached`](Self::take_cached), for a stream with a filter: the newest message, if
    /// that is all that it wants.
    pub(crate) fn take_newest(&mut self, cursor: &mut Cursor, limit: Limit) -> Option<Bytes> {
        let filtered = cursor.filter.as_deref()?;
        let (newest, chunk) = self.store.newest()?;
        let log = self.store.log();
        let is_all = {
            let filters = self.listeners.filters()?;
            let wanted = filters.wanted(filtered.id, filtered.version);
            !cursor.is_in_burst() && log.wants_only(*newest, filtered.seen, wanted)
        };
        let has_role = cursor.may_be_armed && self.listeners.has_role(cursor.slot);
        if !is_all
            || has_role
            || chunk.len() > limit.bytes
            || !self.listeners.has_timekeeper(self.store.next_due())
            || !self.listeners.register_early(cursor.slot)
        {
            return None;
        }
        let (chunk, end) = (chunk.clone(), log.next());
        cursor.position = end;
        cursor.end_burst();
        cursor.note_seen(end);
        cursor.chunk_entered_at = self.store.newest_at();
        count(&mut self.status.counters.delivered, 1);
        Some(chunk)
    }
}
