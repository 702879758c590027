//! A set of numbers that mostly come in order.
//!
//! Pure: no lock, no clock.

use std::collections::BTreeMap;

/// So many ranges are remembered; beyond that, the lowest numbers are forgotten.
const MOST_RANGES: usize = 65_536;

/// Numbers, kept as ranges: those that come in order cost nothing.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    /// The first number of each range, and its last.
    ranges: BTreeMap<u64, u64>,
}

impl Ranges {
    pub(crate) fn contains(&self, number: u64) -> bool {
        let range = self.ranges.range(..=number).next_back();
        range.is_some_and(|(_, last)| number <= *last)
    }

    pub(crate) fn insert(&mut self, number: u64) {
        if self.contains(number) {
            return;
        }
        let mut first = number;
        if let Some((before, last)) = self.ranges.range(..number).next_back()
            && last.checked_add(1) == Some(number)
        {
            first = *before;
        }
        let behind = number.checked_add(1);
        let last = behind.and_then(|behind| self.ranges.remove(&behind));
        self.ranges.insert(first, last.unwrap_or(number));
        if self.ranges.len() > MOST_RANGES {
            self.ranges.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_in_any_order_are_a_set() {
        let mut ranges = Ranges::default();
        let mut model = HashSet::new();
        for step in 0..500_u64 {
            let number = step.wrapping_mul(7919) % 211;
            ranges.insert(number);
            model.insert(number);
            for number in 0..=211 {
                assert_eq!(ranges.contains(number), model.contains(&number), "{number}");
            }
        }
        assert_eq!(ranges.ranges.len(), 1);
        ranges.insert(u64::MAX);
        assert!(ranges.contains(u64::MAX));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut ranges = Ranges::default();
        for number in 0..100_000 {
            ranges.insert(number * 2);
        }
        assert_eq!(ranges.ranges.len(), MOST_RANGES);
        assert!(ranges.contains(199_998) && !ranges.contains(0));
    }
}
