//! Reading only some tags of a log.
//!
//! What is read costs a step each; what lies between costs nothing, since each tag lists its own
//! messages. Neighbours are one slice; other messages are copied, at most 64 at once.

use core::cmp::Reverse;
use std::collections::BinaryHeap;

use bytes::{Bytes, BytesMut};

use super::runs::Run;
use super::tags::{TagId, Tags, UNTAGGED};
use super::{Log, MAX_PER_STEP, Read, Wanted, to_u64, to_usize};
use crate::source::Limit;
use crate::time::Deadline;

/// The first runs of each wanted tag, the lowest first.
type Heap = BinaryHeap<Reverse<(Run, TagId, u64)>>;

impl Log {
    /// The number of the first message from `position` on that has a wanted tag, or none.
    pub(crate) fn first_wanted(&self, position: u64, wanted: &[Wanted]) -> Option<u64> {
        let runs = with_untagged(wanted).filter_map(|Wanted { tag, since }| {
            let run = self.run_from(tag, position.max(since))?;
            Some(run.start)
        });
        runs.min()
    }

    /// Like [`read`](Self::read), but only messages before the number `before` that have a wanted tag,
    /// or none. The position moves past the last of them.
    pub(crate) fn read_wanted(
        &mut self,
        position: &mut u64,
        before: u64,
        limit: Limit,
        wanted: &[Wanted],
    ) -> Option<Read> {
        let mut heap = self.heap(*position, wanted);
        let mut parts: Vec<Bytes> = Vec::new();
        let mut whole = Read {
            chunk: Bytes::new(),
            messages: 0,
            expires: Deadline::Never,
        };
        let mut bytes = 0_usize;
        'chunk: while let Some(run) = self.pop_neighbours(&mut heap) {
            let (mut at, last) = (run.start, run.end.min(before));
            if at >= last {
                break;
            }
            while at < last {
                let messages = limit.messages.saturating_sub(to_usize(whole.messages));
                let messages = if parts.is_empty() {
                    messages
                } else {
                    messages.min(MAX_PER_STEP.saturating_sub(to_usize(whole.messages)))
                };
                let left = Limit::new(limit.bytes.saturating_sub(bytes), messages);
                if messages == 0 {
                    break 'chunk;
                }
                let mut end = at;
                let Some(read) = self.read_run(&mut end, last, left) else {
                    break;
                };
                if !parts.is_empty() && read.chunk.len() > left.bytes {
                    break 'chunk;
                }
                at = end;
                *position = end;
                bytes = bytes.saturating_add(read.chunk.len());
                whole.messages = whole.messages.saturating_add(read.messages);
                whole.expires = whole.expires.min(read.expires);
                parts.push(read.chunk);
            }
        }
        whole.chunk = concat(parts, bytes)?;
        Some(whole)
    }

    /// How many messages with a wanted tag, or none, were evicted between `position` and the oldest
    /// one; `None` if that is no longer known.
    pub(crate) fn missed_wanted(&self, position: u64, wanted: &[Wanted]) -> Option<u64> {
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

    /// Moves `position` down past `count` messages with a wanted tag, or none, as far as there are
    /// any; past all messages if `wanted` is `None`. Returns whether the caller must go on, since one
    /// step visits only so many runs.
    pub(crate) fn walk_back(
        &self,
        position: &mut u64,
        count: &mut usize,
        wanted: Option<&[Wanted]>,
    ) -> bool {
        for _ in 0..rounds(wanted.unwrap_or_default()) {
            if *count == 0 {
                return false;
            }
            let last = wanted.map_or_else(
                || self.any_run_before(*position),
                |wanted| self.wanted_run_before(*position, wanted),
            );
            let Some(last) = last else {
                return false;
            };
            // Another tag may have messages between those of this run, but none above it.
            let len = to_usize(last.end.saturating_sub(last.start));
            let taken = len.min(*count);
            *count = count.saturating_sub(taken);
            *position = last.end.saturating_sub(to_u64(taken));
        }
        true
    }

    /// The number after the first `count` messages from `position` on that have a wanted tag, or
    /// none; after fewer of them if there are many.
    pub(crate) fn end_of(&self, position: u64, count: usize, wanted: &[Wanted]) -> u64 {
        let mut heap = self.heap(position, wanted);
        let (mut end, mut left) = (position, count);
        for _ in 0..rounds(wanted) {
            let Some(run) = self.pop_neighbours(&mut heap).filter(|_| left > 0) else {
                break;
            };
            let len = to_usize(run.end.saturating_sub(run.start)).min(left);
            left = left.saturating_sub(len);
            end = run.start.saturating_add(to_u64(len));
        }
        end
    }

    fn heap(&self, position: u64, wanted: &[Wanted]) -> Heap {
        let runs = with_untagged(wanted).filter_map(|Wanted { tag, since }| {
            let run = self.run_from(tag, position.max(since))?;
            Some(Reverse((run, tag, run.end)))
        });
        runs.collect()
    }

    /// Takes the lowest run, and those that follow it without a number between, at most 64.
    fn pop_neighbours(&self, heap: &mut Heap) -> Option<Run> {
        let mut whole: Option<Run> = None;
        for _ in 0..MAX_PER_STEP {
            let Some(Reverse((run, tag, end))) = heap.peek().copied() else {
                break;
            };
            match &mut whole {
                None => whole = Some(run),
                Some(whole) if whole.end == run.start => whole.end = run.end,
                Some(_) => break,
            }
            heap.pop();
            let next = self.run_from(tag, end);
            heap.extend(next.map(|run| Reverse((run, tag, run.end))));
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

    /// The last run of a wanted tag before `number`.
    fn wanted_run_before(&self, number: u64, wanted: &[Wanted]) -> Option<Run> {
        let runs = with_untagged(wanted).filter_map(|Wanted { tag, since }| {
            let run = self.run_before(tag, number)?;
            let start = run.start.max(since);
            (start < run.end).then_some(Run { start, ..run })
        });
        runs.max_by_key(|run| run.end)
    }

    /// The last run of a tag before `number`.
    fn run_before(&self, tag: TagId, number: u64) -> Option<Run> {
        let tags = self.tags();
        let listed = tags.and_then(|tags| tags.run_before(tag, number));
        if tag != UNTAGGED || listed.is_some() {
            return listed;
        }
        let from = tags.map_or(u64::MAX, Tags::from);
        self.any_run_before(number.min(from))
    }

    /// The last run of messages before `number`, whatever their tags; it is a part of a block.
    fn any_run_before(&self, number: u64) -> Option<Run> {
        let mut index = self.block_at(number.checked_sub(1)?)?;
        loop {
            let run = self.blocks.get(index)?.last_run_before(number, self.oldest);
            if run.is_some() {
                return run;
            }
            index = index.checked_sub(1)?;
        }
    }
}

/// The wanted tags, and that of messages without one.
fn with_untagged(wanted: &[Wanted]) -> impl Iterator<Item = Wanted> {
    let untagged = Wanted {
        tag: UNTAGGED,
        since: 0,
    };
    core::iter::once(untagged).chain(wanted.iter().copied())
}

/// How many runs one step visits at most: fewer if each has to be found among many tags.
fn rounds(wanted: &[Wanted]) -> usize {
    const MAX_LOOKUPS: usize = 4096;

    let tags = wanted.len().saturating_add(1);
    let runs = MAX_LOOKUPS.checked_div(tags).unwrap_or_default();
    runs.clamp(1, MAX_PER_STEP)
}

/// One chunk of all parts, `None` if there are none. A single part is shared.
fn concat(mut parts: Vec<Bytes>, len: usize) -> Option<Bytes> {
    if parts.len() <= 1 {
        return parts.pop();
    }
    let mut whole = BytesMut::with_capacity(len);
    for part in parts {
        whole.extend_from_slice(&part);
    }
    Some(whole.freeze())
}
