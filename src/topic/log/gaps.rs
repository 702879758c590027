//! Which numbers before the oldest message were never missed: expired, or never given.

use std::collections::VecDeque;

/// The most runs that are remembered, and the fewest that any log may remember.
const MOST_RUNS: u64 = 1024;
const FEWEST_RUNS: u64 = 64;
/// A run is remembered for so many bytes of the log's bound: all runs take at most a 32nd of it.
const BYTES_A_RUN: u64 = 1024;

/// Runs of numbers that count as no gap. A log without expiry has none.
#[derive(Debug)]
pub(super) struct Gaps {
    runs: VecDeque<Run>,
    most: usize,
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
    /// For a log that is bounded to so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let most = (bytes / BYTES_A_RUN).clamp(FEWEST_RUNS, MOST_RUNS);
        Self {
            runs: VecDeque::new(),
            most: usize::try_from(most).unwrap_or(usize::MAX),
            total: 0,
            floor: 0,
        }
    }

    /// Records the numbers from `start` to before `end`, in ascending order.
    #[inline]
    pub(super) fn record(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let before = self.total;
        self.total = before.saturating_add(end.saturating_sub(start));
        if let Some(last) = self.runs.back_mut()
            && last.end == start
        {
            last.end = end;
            return;
        }
        if self.runs.len() >= self.most
            && let Some(run) = self.runs.pop_front()
        {
            self.floor = run.end;
        }
        self.runs.push_back(Run { start, end, before });
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
