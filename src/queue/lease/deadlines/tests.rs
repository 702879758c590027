//! Tests of the order of ends, against a plain map.

use core::time::Duration;
use std::collections::BTreeMap;
use std::time::SystemTime;

use super::*;

fn at(secs: u64) -> Deadline {
    Deadline::At(SystemTime::UNIX_EPOCH + Duration::from_secs(secs))
}

/// The ends, and a plain map with the same ends, by the number of the message.
#[derive(Default)]
struct Both {
    ends: Ends,
    leases: BTreeMap<u64, (Deadline, Option<Slot>)>,
}

impl Both {
    fn insert(&mut self, until: u64, seq: u64) {
        let slot = self.ends.insert((at(until), seq));
        self.leases.insert(seq, (at(until), slot));
    }

    fn remove(&mut self, seq: u64) {
        let (until, slot) = self.leases.remove(&seq).unwrap();
        self.ends.remove((until, seq), slot);
    }

    fn extend(&mut self, seq: u64, by: u64) {
        let (until, slot) = self.leases[&seq];
        let later = until.plus(Duration::from_secs(by));
        self.ends.remove((until, seq), slot);
        let slot = self.ends.insert_extended((later, seq));
        self.leases.insert(seq, (later, slot));
    }

    fn assert_agree(&self) {
        let all = self.leases.values().map(|(until, _)| *until);
        assert_eq!(self.ends.first().map(|end| end.0), all.min());
        let first = self.ends.first();
        assert!(first.is_none_or(|(until, seq)| self.leases[&seq].0 == until));
    }
}

#[test]
fn the_first_is_first_whatever_is_removed_or_extended() {
    let mut both = Both::default();
    for step in 0..5_000_u64 {
        both.insert(step / 3, step);
        let seq = step * 31 % (step + 1);
        if step % 7 == 0 && both.leases.contains_key(&seq) {
            both.extend(seq, 50);
        }
        let seq = step * 17 % (step + 1);
        if both.leases.contains_key(&seq) {
            both.remove(seq);
        }
        both.assert_agree();
    }
    let all: Vec<_> = both.leases.keys().copied().collect();
    for seq in all {
        both.remove(seq);
        both.assert_agree();
    }
    assert!(both.ends.in_order.is_empty() && both.ends.extended.is_empty());
}

/// Given back and handed out again at the same moment.
#[test]
fn two_ends_of_the_same_message_at_the_same_time_hide_nothing() {
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
    both.assert_agree();
    assert_eq!(both.ends.first(), Some((at(2), 8)));
}

#[test]
fn what_was_removed_leaves_nothing_after_a_first_that_stays() {
    let mut both = Both::default();
    both.insert(0, 0);
    for seq in 1..100_000 {
        both.insert(seq, seq);
        both.remove(seq);
    }
    assert_eq!(both.ends.in_order.len(), 1);
}

#[test]
fn a_lease_that_ends_before_the_latest_is_still_in_order() {
    let mut both = Both::default();
    both.insert(9, 0);
    both.insert(5, 1);
    assert_eq!(both.ends.first(), Some((at(5), 1)));
    both.remove(0);
    both.insert(7, 2);
    both.assert_agree();
    both.remove(1);
    assert_eq!(both.ends.first(), Some((at(7), 2)));
    assert!(both.leases[&2].1.is_some(), "none was left that ends later");
}
