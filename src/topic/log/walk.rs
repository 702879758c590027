//! Walking along the wanted messages of a log, without reading them.

use super::runs::Run;
use super::select::with_untagged;
use super::tags::{TagId, Tags, UNTAGGED};
use super::{Log, MAX_PER_STEP, Wanted, to_u64, to_usize};

impl Log {
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
    pub(crate) fn end_of(&mut self, position: u64, count: usize, wanted: &[Wanted]) -> u64 {
        let mut selection = self.select(position, wanted.iter().copied());
        let (mut end, mut left) = (position, count);
        for _ in 0..rounds(wanted) {
            let run = self.next_neighbours(&mut selection);
            let Some(run) = run.filter(|_| left > 0) else {
                break;
            };
            let len = to_usize(run.end.saturating_sub(run.start)).min(left);
            left = left.saturating_sub(len);
            end = run.start.saturating_add(to_u64(len));
        }
        end
    }

    /// The last run of a wanted tag before `number`.
    fn wanted_run_before(&self, number: u64, wanted: &[Wanted]) -> Option<Run> {
        let runs = with_untagged(wanted.iter().copied()).filter_map(|Wanted { tag, since }| {
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

/// How many runs one step visits at most: fewer if each has to be found among many tags.
fn rounds(wanted: &[Wanted]) -> usize {
    const MAX_LOOKUPS: usize = 4096;

    let tags = wanted.len().saturating_add(1);
    let runs = MAX_LOOKUPS.checked_div(tags).unwrap_or_default();
    runs.clamp(1, MAX_PER_STEP)
}
