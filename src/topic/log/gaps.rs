//! The numbers before the oldest message that do not count as missed, because their messages expired
//! or because they were never used.

use std::collections::VecDeque;

/// The bounds of [`Gaps::max_runs`].
const MIN_RUNS: u64 = 64;
const MAX_RUNS: u64 = 1024;
/// One run may be remembered for this many bytes of the log's bound, so that all runs together take
/// at most a 32nd of it.
const BYTES_PER_RUN: u64 = 1024;

/// Runs of numbers that do not count as missed. A log without expiry has none.
#[derive(Debug)]
pub(super) struct Gaps {
    runs: VecDeque<Run>,
    max_runs: usize,
    /// The count of numbers in all runs so far, including forgotten ones.
    total: u64,
    /// Runs before this number have been forgotten.
    floor: u64,
}

#[derive(Debug)]
struct Run {
    start: u64,
    end: u64,
    /// The count of numbers in all runs before this one.
    before: u64,
}

impl Gaps {
    /// For a log that is bounded to `bytes`.
    pub(super) fn new(bytes: u64) -> Self {
        let max_runs = (bytes / BYTES_PER_RUN).clamp(MIN_RUNS, MAX_RUNS);
        Self {
            runs: VecDeque::new(),
            max_runs: usize::try_from(max_runs).unwrap_or(usize::MAX),
            total: 0,
            floor: 0,
        }
    }

    /// Records the numbers in `start..end` as not missed. Calls come in ascending order.
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
        if self.runs.len() >= self.max_runs
            && let Some(run) = self.runs.pop_front()
        {
            self.floor = run.end;
        }
        self.runs.push_back(Run { start, end, before });
    }

    /// How many messages in `position..oldest` were missed, if that is still known.
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
