//! The messages of a topic: those in its log, and those that are scheduled.
//!
//! Pure: no lock, no clock.

mod id_line;
mod publish;
mod resume;
mod schedule;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::effects::{Effects, Step};
use crate::budget::{Budget, Share};
use crate::message::id::Epoch;
use crate::source::Limit;
use crate::time::Deadline;
use crate::topic::log::{Log, Newest, Read, Retention, TagId};
use schedule::Schedule;

pub(super) use schedule::AllScheduled;

/// The bounds of a topic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) retention: Retention,
    /// The maximum number of scheduled messages.
    pub(super) scheduled: usize,
    /// The maximum number of open streams.
    pub(super) streams: usize,
}

/// The log and the scheduled messages. Before each step, messages that have fallen due enter the
/// log, and messages beyond the bounds are evicted.
#[derive(Debug)]
pub(super) struct Store {
    bounds: Bounds,
    epoch: Epoch,
    /// The topic's first number. Messages with lower ones were published before the topic was
    /// built.
    first: u64,
    log: Log,
    /// When the newest message entered the log.
    newest_at: SystemTime,
    schedule: Schedule,
    /// The highest number in the id of a message that came back and got another number.
    highest_moved: u64,
    cached: Option<CachedChunk>,
    /// A message, cached for streams with a filter that keep up. Valid while it is the newest.
    newest: Option<Box<(Newest, Bytes)>>,
}

/// The newest messages as one chunk, cached for streams that keep up. Valid until the next message
/// enters or expires.
#[derive(Debug)]
pub(super) struct CachedChunk {
    /// The position of streams that can take it.
    pub(super) from: u64,
    pub(super) messages: u64,
    pub(super) chunk: Bytes,
    /// When the first of these messages expires.
    pub(super) expires: Deadline,
}

/// The outcome of [`Store::enter_first`] for the first scheduled message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    NotDue,
    Entered,
    Expired,
}

impl Store {
    pub(super) fn new(bounds: Bounds, epoch: Epoch, first: u64, now: SystemTime) -> Self {
        let mut log = Log::new(bounds.retention);
        log.skip_to(first);
        Self {
            bounds,
            epoch,
            first,
            log,
            newest_at: now,
            schedule: Schedule::default(),
            highest_moved: 0,
            cached: None,
            newest: None,
        }
    }

    /// Counts the messages towards the budget of a registry.
    pub(super) fn share_budget(&mut self, budget: &Arc<Budget>) {
        self.log.share = Share::of(Arc::clone(budget));
        self.schedule.share = Share::of(Arc::clone(budget));
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn max_streams(&self) -> usize {
        self.bounds.streams
    }

    pub(super) fn scheduled(&self) -> usize {
        self.schedule.len()
    }

    pub(super) fn newest_at(&self) -> SystemTime {
        self.newest_at
    }

    /// Whether time alone can change anything: a message is scheduled, can expire or ages.
    pub(super) fn is_timed(&self) -> bool {
        self.schedule.len() > 0 || self.log.is_timed()
    }

    /// When the next message falls due.
    #[inline]
    pub(super) fn next_due(&self) -> Deadline {
        self.schedule.next_due()
    }

    /// When time next changes anything: a message falls due, expires or ages.
    pub(super) fn next_change(&self) -> Deadline {
        self.next_due().min(self.log.next_change())
    }

    /// Moves the first scheduled message into the log if it is due, or drops it if it has expired
    /// too.
    pub(super) fn enter_first(&mut self, step: &mut Step) -> First {
        if !self.next_due().has_come(step.now) {
            return First::NotDue;
        }
        let Some((key, expires, message)) = self.schedule.pop() else {
            return First::NotDue;
        };
        let has_expired = expires.has_come(step.now);
        if !has_expired {
            let id = Some(message.id);
            let frame = [&b""[..], &message.frame];
            // It ages from when it was due, however late this step is.
            let entered = key.due.time().unwrap_or(step.now);
            self.log
                .append_any(frame, id, message.labels.as_deref(), expires, entered);
            self.log.evict_for_budget();
            self.newest_at = step.now;
            self.cached = None;
        }
        step.effects.drop_frame(message.frame);
        if has_expired {
            First::Expired
        } else {
            First::Entered
        }
    }

    /// Removes expired messages and evicts those beyond the bounds, a bounded number in each call.
    /// Returns whether there may be more.
    pub(super) fn trim(&mut self, now: SystemTime) -> bool {
        let has_more = self.log.trim(now);
        let oldest = self.log.oldest();
        if self
            .cached
            .as_ref()
            .is_some_and(|cached| cached.from < oldest)
        {
            self.cached = None;
        }
        has_more
    }

    /// Cancels a scheduled message; returns whether there was one.
    pub(super) fn cancel(&mut self, id: &str, effects: &mut Effects) -> bool {
        let message = self.schedule.remove_newest(id);
        let is_found = message.is_some();
        if let Some(message) = message {
            effects.drop_frame(message.frame);
        }
        is_found
    }

    pub(super) fn take_scheduled(&mut self) -> AllScheduled {
        self.schedule.take()
    }

    /// Reads a chunk at `position`, and moves the position past it.
    pub(super) fn read(&mut self, position: &mut u64, limit: Limit) -> Option<Read> {
        self.log.read(position, limit)
    }

    /// The log, for reads that select.
    pub(super) fn log_mut(&mut self) -> &mut Log {
        &mut self.log
    }

    /// Makes sure that messages are listed by tag from now on.
    pub(super) fn list_by_tag(&mut self) {
        self.log.list_by_tag();
    }

    /// The id of a tag that a filter gets.
    pub(super) fn retain_tag(&mut self, name: Arc<str>) -> TagId {
        self.log.retain_tag(name)
    }

    /// A filter has this tag no longer.
    pub(super) fn release_tag(&mut self, tag: TagId) {
        self.log.release_tag(tag);
    }

    /// Visits the tags of the messages that entered the log since the last call; `None` for those
    /// without one.
    pub(super) fn take_fresh_tags(&mut self, each: impl FnMut(Option<TagId>)) {
        self.log.take_fresh_tags(each);
    }

    /// Caches a chunk that ends with the newest message. A shorter chunk replaces a longer one,
    /// since most streams are up to date.
    pub(super) fn cache_chunk(&mut self, from: u64, to: u64, read: &Read) {
        // With a hole, the numbers do not give the number of messages.
        let is_whole = read.messages == to.saturating_sub(from);
        let is_longer = |cached: &CachedChunk| from <= cached.from;
        if is_whole && to == self.log.next() && !self.cached.as_ref().is_some_and(is_longer) {
            self.cached = Some(CachedChunk {
                from,
                messages: read.messages,
                chunk: read.chunk.clone(),
                expires: read.expires,
            });
        }
    }

    /// Caches a chunk with the newest message alone, if that does not expire.
    pub(super) fn cache_newest(&mut self, read: &Read) {
        if read.expires == Deadline::Never {
            let newest = self.log.newest();
            self.newest = newest.map(|newest| Box::new((newest, read.chunk.clone())));
        }
    }

    #[inline]
    pub(super) fn newest(&self) -> Option<&(Newest, Bytes)> {
        let newest = self.newest.as_deref()?;
        let is_newest = newest.0.end() == self.log.next();
        // It may have aged.
        (is_newest && self.log.oldest() < newest.0.end()).then_some(newest)
    }

    #[inline]
    pub(super) fn cached(&self) -> Option<&CachedChunk> {
        self.cached.as_ref()
    }

    /// Drops the cached chunk, so that the next poll of each stream reads the state and sees the
    /// end.
    pub(super) fn drop_cached(&mut self, effects: &mut Effects) {
        self.newest = None;
        if let Some(cached) = self.cached.take() {
            effects.drop_frame(cached.chunk);
        }
    }
}
