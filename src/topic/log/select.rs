//! Reading only some tags of a log.
//!
//! What is read costs a step each; what lies between costs nothing, since each tag lists its own
//! messages. Neighbours are one slice; other messages are copied, at most 64 at once.

use core::cmp::Reverse;
use core::mem;
use std::collections::BinaryHeap;

use bytes::{Bytes, BytesMut};

use super::runs::Run;
use super::tags::{TagId, Tags, UNTAGGED};
use super::{Log, MAX_PER_STEP, Read, Wanted, to_usize};
use crate::source::Limit;
use crate::time::Deadline;

/// What lies before a stream: the next run of each tag that it wants, the lowest first.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    next: BinaryHeap<Reverse<(Run, TagId)>>,
}

/// The newest message, and the one before it with the same tag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newest {
    number: u64,
    tag: TagId,
    previous: u64,
}

impl Newest {
    pub(crate) fn end(self) -> u64 {
        self.number.saturating_add(1)
    }
}

impl Selection {
    /// The number of the next message.
    pub(crate) fn first(&self) -> Option<u64> {
        self.next.peek().map(|Reverse((run, _))| run.start)
    }
}

impl Log {
    /// What there is from `position` on of these tags and of messages without one.
    pub(crate) fn select(
        &mut self,
        position: u64,
        wanted: impl Iterator<Item = Wanted>,
    ) -> Selection {
        let spare = self.labels.as_mut().map(|index| &mut index.spare);
        let mut next = spare.map(mem::take).unwrap_or_default().into_vec();
        next.clear();
        next.extend(with_untagged(wanted).filter_map(|Wanted { tag, since }| {
            let run = self.run_from(tag, position.max(since))?;
            Some(Reverse((run, tag)))
        }));
        let next = BinaryHeap::from(next);
        Selection { next }
    }

    /// Keeps the memory of a selection for the next one.
    pub(crate) fn recycle(&mut self, selection: Selection) {
        if let Some(index) = &mut self.labels {
            index.spare = selection.next;
        }
    }

    /// The number of the first message from `position` on that has a wanted tag, or none.
    pub(crate) fn first_wanted(&self, position: u64, wanted: &[Wanted]) -> Option<u64> {
        let wanted = wanted.iter().copied();
        let runs = with_untagged(wanted).filter_map(|Wanted { tag, since }| {
            let run = self.run_from(tag, position.max(since))?;
            Some(run.start)
        });
        runs.min()
    }

    /// Like [`read`](Self::read), but only what is selected, before the number `before`. The
    /// position moves past the last message, and the selection is what lies after it.
    pub(crate) fn read_selected(
        &mut self,
        selection: &mut Selection,
        position: &mut u64,
        before: u64,
        limit: Limit,
    ) -> Option<Read> {
        let mut chunk = Parts::default();
        while let Some(run) = self.next_neighbours(selection) {
            let end = run.end.min(before);
            let at = self.read_neighbours(Run { end, ..run }, limit, &mut chunk);
            *position = at.max(*position);
            if at < run.end {
                // What is left is only asked for where it begins.
                let start = at.max(run.start);
                selection
                    .next
                    .push(Reverse((Run { start, ..run }, UNTAGGED)));
                break;
            }
        }
        chunk.into_read()
    }

    /// Adds neighbours to the chunk, as far as they fit; returns the number after the last.
    fn read_neighbours(&mut self, run: Run, limit: Limit, chunk: &mut Parts) -> u64 {
        let mut at = run.start;
        while at < run.end {
            let left = chunk.capacity_left(limit);
            let mut end = at;
            let read = Some(left)
                .filter(|left| left.messages > 0)
                .and_then(|left| self.read_run(&mut end, run.end, left));
            match read {
                Some(read) if chunk.first.is_none() || read.chunk.len() <= left.bytes => {
                    chunk.push(read);
                    at = end;
                }
                _ => return at,
            }
        }
        at
    }

    /// The newest message, if it is listed by its tag.
    pub(crate) fn newest(&self) -> Option<Newest> {
        let number = self.next.checked_sub(1)?;
        let (tag, previous) = self.tags()?.newest_with_previous(number)?;
        Some(Newest {
            number,
            tag,
            previous,
        })
    }

    /// Whether a stream that has read all that it wanted before `seen` wants the newest message, and
    /// nothing before that.
    pub(crate) fn wants_only(
        &self,
        newest: Newest,
        seen: u64,
        wanted: impl Iterator<Item = Wanted>,
    ) -> bool {
        let Some(tags) = self.tags().filter(|_| newest.number >= seen) else {
            return false;
        };
        let mut is_wanted = false;
        for Wanted { tag, since } in with_untagged(wanted) {
            let is_its_tag = tag == newest.tag;
            is_wanted |= is_its_tag && newest.number >= since;
            let before = if is_its_tag {
                newest.previous
            } else {
                tags.newest(tag)
            };
            if before >= seen {
                return false;
            }
        }
        is_wanted
    }

    /// How many messages with a wanted tag, or none, were evicted between `position` and the oldest
    /// one; `None` if that is no longer known.
    pub(crate) fn missed_wanted(
        &self,
        position: u64,
        wanted: impl Iterator<Item = Wanted>,
    ) -> Option<u64> {
        if position >= self.oldest {
            return Some(0);
        }
        let Some(tags) = self.tags() else {
            return self.missed(position);
        };
        let from = tags.from();
        let mut missed = 0_u64;
        if position < from {
            // Those before `from` have no tag.
            let all = self.missed(position)?;
            missed = all.saturating_sub(self.missed(from)?);
        }
        for Wanted { tag, since } in with_untagged(wanted) {
            let of_tag = tags.evicted_from(tag, position.max(since).max(from))?;
            missed = missed.saturating_add(of_tag);
        }
        Some(missed)
    }

    /// Takes the lowest run, and those that follow it without a number between, at most 64.
    pub(super) fn next_neighbours(&self, selection: &mut Selection) -> Option<Run> {
        let mut whole: Option<Run> = None;
        for _ in 0..MAX_PER_STEP {
            let Some(Reverse((run, tag))) = selection.next.peek().copied() else {
                break;
            };
            match &mut whole {
                None => whole = Some(run),
                Some(whole) if whole.end == run.start => whole.end = run.end,
                Some(_) => break,
            }
            selection.next.pop();
            let next = self.run_from(tag, run.end);
            selection.next.extend(next.map(|run| Reverse((run, tag))));
        }
        whole
    }

    /// The first run of a tag from `number` on. Messages before the first tagged one are listed
    /// nowhere: their run is a part of their block, and may have holes.
    fn run_from(&self, tag: TagId, number: u64) -> Option<Run> {
        let number = number.max(self.oldest);
        let tags = self.tags();
        // Without a list, no message has a tag.
        let from = tags.map_or(u64::MAX, Tags::from);
        if tag != UNTAGGED || number >= from {
            return tags?.run_from(tag, number);
        }
        let mut start = number;
        let index = self.locate_and_move(&mut start);
        let block = index.and_then(|index| self.blocks.get(index));
        let start = block.and_then(|block| block.first_retained(start));
        match (start, block) {
            (Some(start), Some(block)) if start < from => Some(Run {
                start,
                end: block.end().min(from),
            }),
            _ => tags?.run_from(tag, from),
        }
    }
}

/// The parts of a chunk.
#[derive(Default)]
struct Parts {
    first: Option<Bytes>,
    others: Vec<Bytes>,
    bytes: usize,
    messages: u64,
    expires: Option<Deadline>,
}

impl Parts {
    /// How much more fits. Several parts are copied, so they have few messages.
    fn capacity_left(&self, limit: Limit) -> Limit {
        let taken = to_usize(self.messages);
        let max = if self.first.is_none() {
            limit.messages
        } else {
            limit.messages.min(MAX_PER_STEP)
        };
        Limit::new(
            limit.bytes.saturating_sub(self.bytes),
            max.saturating_sub(taken),
        )
    }

    fn push(&mut self, read: Read) {
        self.bytes = self.bytes.saturating_add(read.chunk.len());
        self.messages = self.messages.saturating_add(read.messages);
        let expires = self.expires.unwrap_or(Deadline::Never);
        self.expires = Some(expires.min(read.expires));
        if self.first.is_none() {
            self.first = Some(read.chunk);
        } else {
            self.others.push(read.chunk);
        }
    }

    /// The whole chunk; a single part is shared.
    fn into_read(self) -> Option<Read> {
        let mut chunk = self.first?;
        if !self.others.is_empty() {
            let mut whole = BytesMut::with_capacity(self.bytes);
            whole.extend_from_slice(&chunk);
            for part in self.others {
                whole.extend_from_slice(&part);
            }
            chunk = whole.freeze();
        }
        Some(Read {
            chunk,
            messages: self.messages,
            expires: self.expires.unwrap_or(Deadline::Never),
        })
    }
}

/// The wanted tags, and that of messages without one.
pub(super) fn with_untagged(wanted: impl Iterator<Item = Wanted>) -> impl Iterator<Item = Wanted> {
    let untagged = Wanted {
        tag: UNTAGGED,
        since: 0,
    };
    core::iter::once(untagged).chain(wanted)
}
