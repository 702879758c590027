//! The numbers of evicted messages, to be counted from any of them on.

use std::collections::VecDeque;

use super::super::runs::Run;
use super::super::{MAX_PER_STEP, reserve_one, to_u64};

/// Ascending numbers as runs, each with the count of numbers in all runs before it.
#[derive(Debug, Default)]
pub(super) struct Counts {
    runs: VecDeque<(Run, u64)>,
    /// The count of all numbers so far, including forgotten ones.
    total: u64,
}

impl Counts {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(super) fn runs(&self) -> u64 {
        to_u64(self.runs.len())
    }

    /// The number after the first run.
    pub(super) fn first_end(&self) -> u64 {
        self.runs.front().map_or(0, |(run, _)| run.end)
    }

    /// Adds a number above all others.
    pub(super) fn push(&mut self, number: u64) {
        let end = number.saturating_add(1);
        match self.runs.back_mut() {
            Some((last, _)) if last.end == number => last.end = end,
            _ => {
                reserve_one(&mut self.runs);
                self.runs
                    .push_back((Run { start: number, end }, self.total));
            }
        }
        self.total = self.total.saturating_add(1);
    }

    /// Forgets runs that end before this number, up to 64 of them.
    pub(super) fn forget_before(&mut self, number: u64) {
        for _ in 0..MAX_PER_STEP {
            if self.runs.front().is_none_or(|(run, _)| run.end > number) {
                return;
            }
            self.runs.pop_front();
        }
    }

    /// How many of the numbers are not below this one, which is not below a forgotten one.
    pub(super) fn from(&self, number: u64) -> u64 {
        let index = self.runs.partition_point(|(run, _)| run.end <= number);
        let before = self.runs.get(index).map_or(self.total, |(run, before)| {
            before.saturating_add(number.saturating_sub(run.start))
        });
        self.total.saturating_sub(before)
    }
}
