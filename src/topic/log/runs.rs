//! A set of numbers as runs of neighbours.

use std::collections::BTreeMap;

/// Numbers, stored as runs: the start of each and the number after its last. No operation walks
/// more than a path of the tree.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// All but the last.
    ends: BTreeMap<u64, u64>,
    /// The one at which most streams are.
    last: Option<Run>,
}

/// Consecutive numbers, from `start` to before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Runs {
    /// The number of runs.
    pub(super) fn count(&self) -> usize {
        self.ends
            .len()
            .saturating_add(usize::from(self.last.is_some()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// Adds a number above all others.
    pub(super) fn push(&mut self, number: u64) {
        let end = number.saturating_add(1);
        match &mut self.last {
            Some(last) if last.end == number => last.end = end,
            last => {
                let before = last.replace(Run { start: number, end });
                self.ends.extend(before.map(|run| (run.start, run.end)));
            }
        }
    }

    pub(super) fn remove(&mut self, number: u64) {
        let Some(run) = self.at(number) else {
            return;
        };
        let before = Run { end: number, ..run };
        let after = Run {
            start: number.saturating_add(1),
            ..run
        };
        if self.last == Some(run) {
            self.last = None;
        } else {
            self.ends.remove(&run.start);
        }
        for part in [before, after] {
            if part.start < part.end {
                self.ends.insert(part.start, part.end);
            }
        }
        if self.last.is_none() {
            let last = self.ends.pop_last();
            self.last = last.map(|(start, end)| Run { start, end });
        }
    }

    /// The first run of numbers from `number` on.
    #[inline]
    pub(super) fn from(&self, number: u64) -> Option<Run> {
        let last = self.last.filter(|last| number < last.end)?;
        if number >= last.start {
            let start = number;
            return Some(Run { start, ..last });
        }
        if let Some(run) = self.at(number) {
            let start = number;
            return Some(Run { start, ..run });
        }
        let next = self.ends.range(number..).next();
        Some(next.map_or(last, |(start, end)| Run {
            start: *start,
            end: *end,
        }))
    }

    /// The last run of numbers before `number`.
    pub(super) fn before(&self, number: u64) -> Option<Run> {
        let last = self.last?;
        if last.start < number {
            let end = last.end.min(number);
            return Some(Run { end, ..last });
        }
        let (start, end) = self.ends.range(..number).next_back()?;
        Some(Run {
            start: *start,
            end: (*end).min(number),
        })
    }

    /// The run that holds this number.
    fn at(&self, number: u64) -> Option<Run> {
        if let Some(last) = self.last
            && last.start <= number
        {
            return (number < last.end).then_some(last);
        }
        let (start, end) = self.ends.range(..=number).next_back()?;
        (number < *end).then_some(Run {
            start: *start,
            end: *end,
        })
    }
}
