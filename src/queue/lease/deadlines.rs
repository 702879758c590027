//! In which order leases end.

use std::collections::{BTreeSet, VecDeque};

use crate::time::Deadline;

/// When a lease ends, with the number of its message.
pub(super) type End = (Deadline, u64);

/// The ends of all leases, first and last.
///
/// All leases last equally long, so they end in the order in which they began: those stand in a
/// ring, and cost the same however many there are. Those that were extended stand in a tree.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// Ascending. Some are over; the first never is.
    ring: VecDeque<End>,
    /// About how many of `ring` are over.
    over: usize,
    extended: BTreeSet<End>,
}

impl Ends {
    /// Puts an end in its place; returns whether that is in the ring.
    pub(super) fn insert(&mut self, end: End) -> bool {
        let is_last = self.ring.back().is_none_or(|(last, _)| *last <= end.0);
        if is_last {
            self.ring.push_back(end);
        } else {
            self.extended.insert(end);
        }
        is_last
    }

    /// Puts an end in its place that is likely to be later than those of leases to come; that is
    /// never in the ring.
    pub(super) fn insert_extended(&mut self, end: End) -> bool {
        self.extended.insert(end);
        false
    }

    /// The first to come.
    pub(super) fn first(&self) -> Option<End> {
        let ring = self.ring.front();
        ring.into_iter().chain(self.extended.first()).min().copied()
    }

    /// Takes an end out. `is_on` tells of one in the ring whether its lease is still on; of this
    /// one it is not.
    pub(super) fn remove(&mut self, end: End, in_ring: bool, is_on: impl Fn(End) -> bool) {
        if !in_ring {
            self.extended.remove(&end);
            return;
        }
        if self.ring.front() == Some(&end) {
            self.ring.pop_front();
        } else {
            self.over = self.over.saturating_add(1);
        }
        while let Some(first) = self.ring.front()
            && !is_on(*first)
        {
            self.ring.pop_front();
            self.over = self.over.saturating_sub(1);
        }
        if self.over > self.ring.len() / 2 && self.over > 64 {
            self.ring.retain(|end| is_on(*end));
            self.over = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::collections::BTreeMap;
    use std::time::SystemTime;

    use super::*;

    fn at(secs: u64) -> Deadline {
        Deadline::At(SystemTime::UNIX_EPOCH + Duration::from_secs(secs))
    }

    /// The ends, and what a plain map makes of them.
    #[derive(Default)]
    struct Both {
        ends: Ends,
        on: BTreeMap<u64, (Deadline, bool)>,
    }

    impl Both {
        fn insert(&mut self, until: u64, seq: u64) {
            let in_ring = self.ends.insert((at(until), seq));
            self.on.insert(seq, (at(until), in_ring));
        }

        fn remove(&mut self, seq: u64) {
            let (until, in_ring) = self.on.remove(&seq).unwrap();
            let on = &self.on;
            self.ends.remove((until, seq), in_ring, |(until, seq)| {
                on.get(&seq) == Some(&(until, true))
            });
        }

        fn is_right(&self) {
            let all = self.on.iter().map(|(seq, (until, _))| (*until, *seq));
            assert_eq!(
                self.ends.first().map(|end| end.0),
                all.min().map(|end| end.0)
            );
        }
    }

    #[test]
    fn the_first_is_first_whatever_is_removed() {
        let mut both = Both::default();
        for step in 0..5_000_u64 {
            both.insert(step / 3, step);
            if step % 7 == 0 {
                let seq = step * 31 % (step + 1);
                if let Some((until, in_ring)) = both.on.remove(&seq) {
                    both.ends
                        .insert_extended((until.plus(Duration::from_secs(50)), seq));
                    let later = until.plus(Duration::from_secs(50));
                    both.on.insert(seq, (later, false));
                    let on = &both.on;
                    both.ends.remove((until, seq), in_ring, |(until, seq)| {
                        on.get(&seq) == Some(&(until, true))
                    });
                }
            }
            let seq = step * 17 % (step + 1);
            if both.on.contains_key(&seq) {
                both.remove(seq);
            }
            both.is_right();
        }
        let all: Vec<_> = both.on.keys().copied().collect();
        for seq in all {
            both.remove(seq);
            both.is_right();
        }
        assert!(both.ends.ring.is_empty() && both.ends.extended.is_empty());
    }

    /// Given back and handed out again at the same moment.
    #[test]
    fn two_ends_that_are_the_same_hide_nothing() {
        let mut both = Both::default();
        both.insert(1, 0);
        for _ in 0..500 {
            both.insert(1, 7);
            both.remove(7);
        }
        both.insert(1, 7);
        both.insert(2, 8);
        both.remove(0);
        both.remove(7);
        both.is_right();
        assert_eq!(both.ends.first(), Some((at(2), 8)));
    }

    #[test]
    fn what_is_over_does_not_pile_up_behind_a_first_that_stays() {
        let mut both = Both::default();
        both.insert(0, 0);
        for seq in 1..100_000 {
            both.insert(seq, seq);
            both.remove(seq);
        }
        assert!(both.ends.ring.len() < 200, "{}", both.ends.ring.len());
    }
}
