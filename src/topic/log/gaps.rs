//! Which numbers before the oldest message were never missed: expired, or never given.

use std::collections::VecDeque;

/// The most runs that are remembered.
const MOST_RUNS: usize = 1024;

/// Runs of numbers that count as no gap. A log without expiry has none.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    runs: VecDeque<Run>,
    /// Numbers in all runs there ever were.
    total: u64,
    /// Before this number nothing is known any more.
    floor: u64,
}

#[derive(Debug)]
struct Run {
    start: u64,
    end: u64,
    /// Numbers in the runs before this one.
    before: u64,
}

impl Gaps {
    /// Records the numbers from `start` to before `end`, in ascending order of the calls.
    pub(super) fn record(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let before = self.total;
        self.total = before.saturating_add(end.saturating_sub(start));
        match self.runs.back_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => self.runs.push_back(Run { start, end, before }),
        }
        if self.runs.len() > MOST_RUNS
            && let Some(run) = self.runs.pop_front()
        {
            self.floor = run.end;
        }
    }

    /// How many messages from `position` to before `oldest` were missed, if that is still known.
    pub(super) fn missed(&self, position: u64, oldest: u64) -> Option<u64> {
        if position >= oldest {
            return Some(0);
        }
        if position < self.floor {
            return None;
        }
        let index = self.runs.partition_point(|run| run.end <= position);
        let before = self.runs.get(index).map_or(self.total, |run| {
            let within = position.saturating_sub(run.start);
            run.before.saturating_add(within)
        });
        let uncounted = self.total.saturating_sub(before);
        Some(oldest.saturating_sub(position).saturating_sub(uncounted))
    }
}
