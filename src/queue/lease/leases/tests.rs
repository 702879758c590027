//! Tests of leases, against what a plain map makes of them.

#![allow(
    clippy::indexing_slicing,
    reason = "a test that panics fails, as it should"
)]

use core::num::NonZeroU64;
use core::time::Duration;
use std::collections::BTreeSet;
use std::time::SystemTime;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn at(secs: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A lease of 10 s, of three messages at the most.
fn leases() -> Leases<u64> {
    Leases::new(Lease::new(secs(10)).max_in_flight(3).max_attempts(2))
}

fn lent(seq: u64, expires: Option<u64>) -> Lent<u64> {
    Lent {
        seq,
        due: Deadline::At(at(0)),
        expires: expires.map_or(Deadline::Never, |expires| Deadline::At(at(expires))),
        attempts: 0,
        client: Client::NONE,
        item: seq,
    }
}

/// Some messages, handed to stream 1 at 0 s.
fn held(seqs: &[u64]) -> (Leases<u64>, HolderId) {
    let mut leases = leases();
    let holder = leases.holder_of(1, None);
    for seq in seqs {
        leases.lend(lent(*seq, None), Some(holder), at(0));
    }
    (leases, holder)
}

fn list(leases: &Leases<u64>, holder: HolderId) -> Vec<u64> {
    let mut next = leases
        .holders
        .get(holder.get())
        .and_then(|holder| holder.first);
    let mut list = Vec::new();
    while let Some(seq) = next {
        list.push(seq);
        next = leases.flights.get(seq).unwrap().next();
    }
    list
}

/// What ends by `now`, with the reason.
fn ended(leases: &mut Leases<u64>, now: u64) -> Vec<(u64, DeadLetterReason)> {
    let ends = core::iter::from_fn(|| leases.end_due(at(now)));
    ends.map(|ended| (ended.lent.seq, ended.reason)).collect()
}

#[test]
fn a_lease_extended_by_nothing_twice_never_ended() {
    let (mut leases, _) = held(&[1]);
    for _ in 0..3 {
        assert!(leases.extend(1, Duration::ZERO));
    }
    assert_eq!(leases.next_end(), Some(Deadline::At(at(10))));
    assert_eq!(ended(&mut leases, 10), [(1, DeadLetterReason::LeaseEnded)]);
}

#[test]
fn what_is_lent_ends_when_its_lease_does_in_that_order() {
    let mut leases = leases();
    for (seq, now) in [(3, 0), (1, 1), (2, 2)] {
        leases.lend(lent(seq, None), None, at(now));
    }
    assert!(leases.extend(3, secs(5)));
    assert!(!leases.extend(4, secs(5)));
    assert!(ended(&mut leases, 10).is_empty());
    let all = [1, 2, 3].map(|seq| (seq, DeadLetterReason::LeaseEnded));
    assert_eq!(ended(&mut leases, 12), all[..2]);
    assert_eq!(leases.next_end(), Some(Deadline::At(at(15))));
    assert_eq!(ended(&mut leases, 15), all[2..]);
    assert_eq!((leases.len(), leases.next_end()), (0, None));
}

#[test]
fn attempts_count_what_is_lent() {
    let mut leases = leases();
    leases.lend(lent(1, None), None, at(0));
    let (once, _) = leases.end(1).unwrap();
    assert_eq!(once.attempts, 1);
    leases.lend(once, None, at(0));
    assert_eq!(leases.end(1).unwrap().0.attempts, 2);
    assert!(leases.end(1).is_none());
}

#[test]
fn a_holder_has_room_for_so_many_and_gets_it_back() {
    let (mut leases, holder) = held(&[1, 2, 3]);
    assert_eq!(leases.capacity(holder), 0);
    assert_eq!(leases.end(2).unwrap().1, Some(holder));
    assert_eq!(leases.capacity(holder), 1);
    assert_eq!(list(&leases, holder), [1, 3]);
}

#[test]
fn an_orphan_ends_with_the_grace_its_lease_or_its_expiry() {
    let (mut leases, holder) = held(&[1, 2]);
    leases.lend(lent(3, Some(4)), Some(holder), at(0));
    leases.extend(1, secs(90));
    assert!(ended(&mut leases, 4).is_empty(), "not orphaned yet");
    leases.orphan(holder, 1, Some(Deadline::At(at(20))));
    assert_eq!(ended(&mut leases, 4), [(3, DeadLetterReason::Dropped)]);
    assert_eq!(ended(&mut leases, 10), [(2, DeadLetterReason::LeaseEnded)]);
    assert_eq!(ended(&mut leases, 99), [], "it was extended");
    assert!(leases.holders.is_empty() && leases.graces.is_empty());
    assert_eq!(ended(&mut leases, 100), [(1, DeadLetterReason::LeaseEnded)]);
}

#[test]
fn the_last_that_has_left_still_names_its_client() {
    let (mut leases, holder) = held(&[1, 2, 3]);
    leases.end(1);
    for _ in 0..2 {
        assert_eq!(leases.take_over(1, 7), Some(TakenOver { holder, order: 1 }));
        assert_eq!(leases.owed(holder), Some((2, &2)));
        leases.lend_owed(holder, at(0));
    }
    leases.end(3);
    assert_eq!(leases.take_over(1, 7), None, "it has seen more since");
    assert_eq!(leases.take_over(3, 7), Some(TakenOver { holder, order: 3 }));
    assert_eq!(leases.owed(holder), None);
    leases.lend(lent(4, None), Some(holder), at(0));
    leases.take_over(3, 7);
    assert_eq!(leases.owed(holder), Some((4, &4)));
}

#[test]
fn what_was_handed_to_several_clients_names_none() {
    let (mut leases, holder) = held(&[1, 2]);
    let (back, _) = leases.end(2).unwrap();
    let other = leases.holder_of(2, None);
    leases.lend(back, Some(other), at(0));
    assert_eq!(leases.take_over(2, 7), None);
    leases.end(2);
    assert_eq!(leases.take_over(2, 7), None);
    let order = 1;
    assert_eq!(leases.take_over(1, 7), Some(TakenOver { holder, order }));
}

#[test]
fn who_takes_over_ends_the_grace_and_is_owed_the_rest() {
    let (mut leases, holder) = held(&[1, 2]);
    leases.lend(lent(3, Some(9)), Some(holder), at(0));
    leases.orphan(holder, 1, Some(Deadline::At(at(5))));
    let order = 2;
    assert_eq!(leases.take_over(2, 7), Some(TakenOver { holder, order }));
    assert_eq!(leases.next_end(), Some(Deadline::At(at(10))));
    assert_eq!(leases.seen(holder, order), Some(1));
    leases.end(1);
    leases.end(2);
    assert_eq!(leases.holder_of(7, Some(holder)), holder);
    assert_ne!(
        leases.holder_of(1, Some(holder)),
        holder,
        "it has lost them"
    );
    assert_eq!(leases.owed(holder), Some((3, &3)));
    leases.lend_owed(holder, at(6));
    assert_eq!(leases.owed(holder), None);
    assert_eq!(ended(&mut leases, 15), []);
    assert_eq!(ended(&mut leases, 16), [(3, DeadLetterReason::LeaseEnded)]);
}

#[test]
fn what_has_expired_or_was_tried_often_enough_is_spent() {
    let (mut leases, holder) = held(&[1]);
    leases.lend(lent(2, Some(5)), Some(holder), at(0));
    assert!(!leases.is_spent(1, at(9)) && !leases.is_spent(2, at(4)));
    assert!(leases.is_spent(2, at(5)));
    leases.take_over(1, 2);
    leases.lend_owed(holder, at(1));
    assert!(!leases.is_spent(1, at(1)) && leases.is_spent(2, at(1)));
}

#[test]
fn a_stream_that_lost_what_it_held_orphans_nothing() {
    let (mut leases, holder) = held(&[1]);
    leases.take_over(1, 2);
    leases.orphan(holder, 1, Some(Deadline::At(at(0))));
    assert!(ended(&mut leases, 9).is_empty());
    leases.orphan(holder, 2, Some(Deadline::At(at(9))));
    assert_eq!(ended(&mut leases, 9), [(1, DeadLetterReason::Dropped)]);
}

#[test]
fn what_is_renewed_knows_nobody_of_before() {
    let (mut leases, holder) = held(&[2, 1]);
    let old = leases.renew();
    assert_eq!(old.into_lent().count(), 2);
    assert_eq!((leases.len(), leases.next_end()), (0, None));
    assert_ne!(leases.holder_of(1, Some(holder)), holder);
}

#[test]
fn one_step_takes_64_extended_leases_from_a_holder_whose_grace_is_over() {
    const MANY: u64 = 200;
    let terms = Lease::new(secs(10)).max_in_flight(usize::MAX);
    let mut leases = Leases::new(terms);
    let holder = leases.holder_of(1, None);
    for seq in 1..=MANY {
        leases.lend(lent(seq, None), Some(holder), at(0));
        leases.extend(seq, secs(90));
    }
    leases.orphan(holder, 1, Some(Deadline::At(at(5))));
    let mut held = list(&leases, holder).len();
    while leases.next_end() == Some(Deadline::At(at(5))) {
        assert!(leases.end_due(at(5)).is_none(), "they were extended");
        let left = list(&leases, holder).len();
        assert!(held - left <= 64);
        held = left;
    }
    assert_eq!((held, leases.len()), (0, 200));
    assert_eq!(leases.next_end(), Some(Deadline::At(at(100))));
    assert_consistent(&leases, 5);
}

/// A stream that holds very many is dropped and comes back: nothing is done for each message.
#[test]
fn one_expiry_stands_for_all_that_a_dropped_stream_holds() {
    let mut leases = Leases::new(Lease::new(secs(5_000)).max_in_flight(usize::MAX));
    let holder = leases.holder_of(1, None);
    for seq in 1..=1_000 {
        leases.lend(lent(seq, Some(2_000 - seq)), Some(holder), at(0));
    }
    leases.orphan(holder, 1, None);
    assert_eq!(leases.expiries.len(), 1);
    assert_eq!(leases.next_end(), Some(Deadline::At(at(1_000))));
    assert!(leases.take_over(1_000, 2).is_some());
    assert_eq!(leases.expiries.len(), 0);
    leases.orphan(holder, 2, None);
    assert_eq!(
        ended(&mut leases, 1_001),
        [1_000, 999].map(|seq| (seq, DeadLetterReason::Dropped))
    );
    assert_eq!(leases.next_end(), Some(Deadline::At(at(1_002))));
}

#[derive(Clone, Debug)]
enum Step {
    Lend(Option<u64>, u64),
    End(usize),
    Extend(usize, u64),
    Orphan(u64, Option<u64>),
    TakeOver(usize),
    LendOwed(u64),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (proptest::option::weighted(0.9, 0..4_u64), 0..20_u64)
            .prop_map(|(stream, lasts)| Step::Lend(stream, lasts)),
        4 => any::<usize>().prop_map(Step::End),
        2 => (any::<usize>(), 0..9_u64).prop_map(|(at, by)| Step::Extend(at, by)),
        3 => (0..4_u64, proptest::option::of(0..9_u64))
            .prop_map(|(stream, grace)| Step::Orphan(stream, grace)),
        3 => any::<usize>().prop_map(Step::TakeOver),
        3 => (0..4_u64).prop_map(Step::LendOwed),
        3 => (0..5_u64).prop_map(Step::Pass),
    ];
    vec(step, 1..200)
}

fn assert_consistent(leases: &Leases<u64>, now: u64) {
    let flight = |seq: u64| leases.flights.get(seq).unwrap();
    let mut listed = 0;
    let (mut graces, mut expiries) = (BTreeSet::new(), BTreeSet::new());
    for (id, holder) in leases.holders.iter_from(0) {
        let id = HolderId::new(id).unwrap();
        let forwards = list(leases, id);
        let mut backwards = Vec::new();
        let mut previous = holder.last;
        while let Some(seq) = previous {
            backwards.push(seq);
            previous = flight(seq).previous.map(NonZeroU64::get);
        }
        backwards.reverse();
        assert_eq!(forwards, backwards);
        assert_eq!(forwards.len(), holder.count);
        assert!(holder.count > 0 || holder.stream.is_some(), "left behind");
        assert!(holder.owed.is_none_or(|owed| forwards.contains(&owed)));
        graces.extend(holder.grace.map(|grace| (grace, id)));
        let mut expiring = BTreeSet::new();
        for seq in &forwards {
            let flight = flight(*seq);
            assert_eq!(flight.holder, Some(id));
            if flight.expires != Deadline::Never {
                expiring.insert((flight.expires, *seq));
            }
        }
        assert_eq!(holder.expiries, expiring);
        if let Some((first, _)) = expiring.first().filter(|_| holder.stream.is_none()) {
            expiries.insert((*first, id));
        }
        if let Some((_, order)) = holder.departed {
            let after = |seq: &&u64| flight(**seq).order > order;
            assert_eq!(holder.after_departed, forwards.iter().find(after).copied());
        }
        listed += forwards.len();
    }
    for (seq, id) in leases.departed.iter_from(0) {
        let departed = leases.holders.get(id.get()).unwrap().departed;
        assert!(departed.is_some_and(|(departed, _)| departed == seq));
    }
    let flights = leases.flights.iter_from(0);
    let nobodys = flights
        .filter(|(_, flight)| flight.holder.is_none())
        .count();
    assert_eq!(listed + nobodys, leases.flights.len());
    assert_eq!(leases.graces, graces);
    assert_eq!(leases.expiries, expiries);
    let ends = leases.flights.iter_from(0).map(|(_, flight)| flight.until);
    assert_eq!(leases.ends.first().map(|end| end.0), ends.min());
    assert!(
        leases.next_end().is_none_or(|end| !end.has_come(at(now))),
        "overdue"
    );
}

proptest! {
    #[test]
    fn lists_ends_and_graces_agree_with_what_is_in_flight(steps in steps()) {
        let mut leases = leases();
        let (mut now, mut last) = (0, 0);
        let mut holders = [None; 4];
        for step in steps {
            let any = |leases: &Leases<u64>, at: usize| {
                let at = at.checked_rem(leases.len())?;
                leases.flights.iter_from(0).nth(at).map(|(seq, _)| seq)
            };
            match step {
                Step::Lend(stream, lasts) => {
                    last += 1;
                    let holder = stream.map(|stream| {
                        let holder = &mut holders[usize::try_from(stream).unwrap()];
                        *holder.insert(leases.holder_of(stream, *holder))
                    });
                    let expires = lasts.checked_sub(9).map(|lasts| now + lasts);
                    leases.lend(lent(last, expires), holder, at(now));
                }
                Step::End(at) => {
                    let seq = any(&leases, at);
                    assert_eq!(seq.and_then(|seq| leases.end(seq)).map(|end| end.0.seq), seq);
                }
                Step::Extend(at, by) => {
                    any(&leases, at).map(|seq| leases.extend(seq, secs(by)));
                }
                Step::Orphan(stream, grace) => {
                    let grace = grace.map(|grace| Deadline::At(at(now + grace)));
                    if let Some(holder) = holders[usize::try_from(stream).unwrap()].take() {
                        leases.orphan(holder, stream, grace);
                    }
                }
                Step::TakeOver(at) => {
                    if let Some(seq) = any(&leases, at)
                        && let Some(TakenOver { holder, order }) = leases.take_over(seq, 3)
                    {
                        if let Some(before) = holders[3].filter(|before| *before != holder) {
                            leases.orphan(before, 3, None);
                        }
                        holders[3] = Some(holder);
                        while let Some(seen) = leases.seen(holder, order) {
                            leases.end(seen);
                        }
                    }
                }
                Step::LendOwed(stream) => {
                    if let Some(holder) = holders[usize::try_from(stream).unwrap()] {
                        leases.lend_owed(holder, at(now));
                    }
                }
                Step::Pass(by) => now += by,
            }
            while leases.end_due(at(now)).is_some() {}
            assert_consistent(&leases, now);
        }
    }
}
