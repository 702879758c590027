//! A set of numbers as runs of neighbours.

use std::collections::BTreeMap;

/// Numbers, stored as runs: the start of each and the number after its last. No operation walks
/// more than a path of the tree.
#[derive(Debug, Default)]
pub(super) struct Runs {
    ends: BTreeMap<u64, u64>,
}

/// Consecutive numbers, from `start` to before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Runs {
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a number above all others.
    pub(super) fn push(&mut self, number: u64) {
        let end = number.saturating_add(1);
        if let Some(mut last) = self.ends.last_entry()
            && *last.get() == number
        {
            *last.get_mut() = end;
            return;
        }
        self.ends.insert(number, end);
    }

    pub(super) fn remove(&mut self, number: u64) {
        let Some(run) = self.at(number) else {
            return;
        };
        let after = number.saturating_add(1);
        if run.start == number {
            self.ends.remove(&run.start);
        } else {
            self.ends.insert(run.start, number);
        }
        if after < run.end {
            self.ends.insert(after, run.end);
        }
    }

    /// The first run of numbers from `number` on.
    pub(super) fn from(&self, number: u64) -> Option<Run> {
        if let Some(run) = self.at(number) {
            let start = number;
            return Some(Run { start, ..run });
        }
        let (start, end) = self.ends.range(number..).next()?;
        Some(Run {
            start: *start,
            end: *end,
        })
    }

    /// The last run of numbers before `number`.
    pub(super) fn before(&self, number: u64) -> Option<Run> {
        let (start, end) = self.ends.range(..number).next_back()?;
        Some(Run {
            start: *start,
            end: (*end).min(number),
        })
    }

    /// The run that holds this number.
    fn at(&self, number: u64) -> Option<Run> {
        let (start, end) = self.ends.range(..=number).next_back()?;
        (number < *end).then_some(Run {
            start: *start,
            end: *end,
        })
    }
}
