//! Tests of the order, against a plain tree.

use core::time::Duration;
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn at(secs: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
}

fn key(due: u64, seq: u64) -> Key {
    let due = Deadline::At(at(due));
    Key { due, seq }
}

fn drain(store: &mut Ordered<u64>) -> Vec<u64> {
    core::iter::from_fn(|| store.pop().map(|(_, _, item)| item)).collect()
}

#[test]
fn the_order_is_due_time_then_arrival() {
    let mut store = Ordered::default();
    for (seq, due) in [(0, 5), (1, 9), (2, 5), (3, 1), (4, 7), (5, 7)] {
        store.insert(key(due, seq), Deadline::Never, seq, at(6));
    }
    assert_eq!(store.len(), 6);
    assert_eq!(drain(&mut store), [3, 0, 2, 4, 5, 1]);
    assert_eq!(store.len(), 0);
}

#[test]
fn a_message_that_is_inserted_again_has_its_former_position() {
    let mut store = Ordered::default();
    for seq in 0..4 {
        store.insert(key(1, seq), Deadline::Never, seq, at(1));
    }
    let (first, expires, item) = store.pop().unwrap();
    store.insert(first, expires, item, at(2));
    assert_eq!(drain(&mut store), [0, 1, 2, 3]);
}

#[test]
fn removal_works_in_both_parts_and_only_once() {
    let mut store = Ordered::default();
    for seq in 0..10 {
        let due = if seq % 2 == 0 { 1 } else { 50 };
        store.insert(key(due, seq), Deadline::Never, seq, at(1));
    }
    for seq in [0, 4, 5, 9] {
        assert_eq!(store.remove(seq).map(|(_, _, item)| item), Some(seq));
        assert!(store.remove(seq).is_none());
    }
    assert_eq!(store.len(), 6);
    assert!(!store.count_to(at(1)));
    assert_eq!(store.due(), 3);
    assert!(!store.count_to(at(50)));
    assert_eq!(store.due(), 6);
    assert_eq!(store.next_due(at(49)), Some(Deadline::At(at(50))));
    assert_eq!(store.next_due(at(50)), None);
    assert_eq!(drain(&mut store), [2, 6, 8, 1, 3, 7]);
}

#[test]
fn due_messages_are_counted_in_bounded_steps_whatever_is_added_or_removed() {
    let mut store = Ordered::default();
    for seq in 0..1_000 {
        store.insert(key(10 + seq % 7, seq), Deadline::Never, seq, at(1));
    }
    let mut steps = 1;
    while store.count_to(at(12)) {
        steps += 1;
    }
    assert!(steps >= 6, "{steps}");
    assert_eq!(store.due(), 429);
    store.remove(0);
    store.pop();
    assert_eq!(store.due(), 427);
    store.insert(key(11, 5_000), Deadline::Never, 5_000, at(12));
    assert_eq!(store.due(), 428, "one that comes back is counted at once");
    while store.count_to(at(99)) {}
    assert_eq!((store.due(), store.len()), (999, 999));
}

/// The memory of each message in bytes, in addition to the 64 of its item. Messages arrive at 1 s
/// and are scheduled if they fall due later. Afterwards all but every `keeps`-th are removed.
fn overhead(due: fn(u64) -> u64, expires: bool, keeps: u64) -> usize {
    const COUNT: u64 = 32_768;

    let mut store = Ordered::default();
    let memory = allocation_counter::measure(|| {
        for seq in 0..COUNT {
            let due = due(seq);
            let expires = if expires {
                Deadline::At(at(due + 60))
            } else {
                Deadline::Never
            };
            store.insert(key(due, seq), expires, [0_u64; 8], at(1));
        }
        for seq in (0..COUNT).filter(|seq| !seq.is_multiple_of(keeps)) {
            assert!(store.remove(seq).is_some());
        }
    });
    usize::try_from(memory.bytes_current).unwrap() / store.len() - 64
}

#[test]
fn a_message_takes_the_documented_memory_in_addition_to_its_item() {
    let due = |_| 1;
    let in_order = |seq| 2 + seq;
    let shuffled = |seq| 2 + seq * 7_919 % 32_768;
    for (stated, due, expires, keeps) in [
        (35, due as fn(u64) -> u64, false, 1),
        (85, due, true, 1),
        (85, in_order, false, 1),
        (135, in_order, true, 1),
        (85, shuffled, false, 1),
        (130, shuffled, true, 1),
        // Half of the neighbours have been removed, and nearly all.
        (40, due, false, 2),
        (80, shuffled, false, 2),
        (140, due, false, 100),
        (185, shuffled, false, 100),
    ] {
        let overhead = overhead(due, expires, keeps);
        let is_tight = overhead <= stated && overhead + 10 >= stated;
        assert!(is_tight, "{overhead} bytes, not {stated}");
    }
}

#[test]
fn an_empty_store_keeps_the_memory_of_half_a_block() {
    let mut store = Ordered::default();
    let memory = allocation_counter::measure(|| {
        for seq in 0..100_000 {
            let due = 1 + seq % 2;
            store.insert(key(due, seq), Deadline::At(at(9)), [0_u64; 8], at(1));
        }
        while store.pop().is_some() {}
    });
    // A quarter of a block for due messages, one for scheduled ones, and a node of each tree.
    let kept = usize::try_from(memory.bytes_current).unwrap();
    assert!(
        kept <= 16 * 2 * size_of::<Entry<[u64; 8]>>() + 2_000,
        "{kept} bytes"
    );
}

#[derive(Clone, Debug)]
enum Step {
    /// The numbers between this one and the last, the time until it is due, and its lifetime.
    Insert(u64, u64, Option<u64>),
    Pop,
    /// A message that was popped is inserted again.
    Return(usize),
    Remove(usize),
    Expire,
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let gap = prop_oneof![8 => Just(0_u64), 2 => 0..90_u64, 1 => 0..1_u64 << 48];
    let ahead = prop_oneof![3 => Just(0_u64), 2 => 0..20_u64];
    let lasts = proptest::option::weighted(0.3, 0..20_u64);
    let step = prop_oneof![
        8 => (gap, ahead, lasts).prop_map(|(gap, ahead, lasts)| Step::Insert(gap, ahead, lasts)),
        3 => Just(Step::Pop),
        2 => any::<usize>().prop_map(Step::Return),
        3 => any::<usize>().prop_map(Step::Remove),
        2 => Just(Step::Expire),
        2 => (0..5_u64).prop_map(Step::Pass),
    ];
    vec(step, 1..300)
}

type Oracle = BTreeMap<Key, (Deadline, u64)>;

fn assert_agree(store: &mut Ordered<u64>, oracle: &Oracle, now: SystemTime) {
    assert_eq!(store.len(), oracle.len());
    let head = store
        .head()
        .map(|(key, expires, item)| (key, (expires, *item)));
    let first = oracle.first_key_value();
    assert_eq!(head, first.map(|(key, value)| (*key, *value)));
    while store.count_to(now) {}
    let is_due = |key: &&Key| key.due.has_come(now);
    assert_eq!(store.due(), oracle.keys().filter(is_due).count());
    let next = oracle.keys().find(|key| !key.due.has_come(now));
    assert_eq!(store.next_due(now), next.map(|key| key.due));
    let expiries = oracle.values().map(|(expires, _)| *expires);
    assert_eq!(
        store.next_expiry(),
        expiries.min().unwrap_or(Deadline::Never)
    );
    let (due, scheduled): (Vec<Key>, Vec<Key>) =
        oracle.keys().partition(|key| key.due.has_come(now));
    assert_eq!(
        read_by_three(|from| keys(store.due_from(from, now)), store),
        due
    );
    let read = read_by_three(|from| keys(store.scheduled_from(from, now)), store);
    assert_eq!(read, scheduled);
}

fn keys<'a>(read: impl Iterator<Item = walk::Read<'a, u64>>) -> Vec<Key> {
    read.map(|(key, ..)| key).take(3).collect()
}

/// Reads to the end in parts.
fn read_by_three(read: impl Fn(walk::Position) -> Vec<Key>, store: &Ordered<u64>) -> Vec<Key> {
    let (mut all, mut position) = (Vec::new(), walk::Position::default());
    loop {
        let some = read(position);
        for key in &some {
            store.pass(&mut position, *key);
        }
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

proptest! {
    #[test]
    fn the_store_agrees_with_a_plain_tree(steps in steps()) {
        let (mut store, mut oracle, mut out) = (Ordered::default(), Oracle::new(), Vec::new());
        let (mut now, mut seq) = (100, 0_u64);
        for step in steps {
            match step {
                Step::Insert(gap, ahead, lasts) => {
                    seq += 1 + gap;
                    let key = key(now + ahead, seq);
                    let expires = lasts.map_or(Deadline::Never, |lasts| {
                        Deadline::At(at(now + ahead + lasts))
                    });
                    store.insert(key, expires, seq, at(now));
                    oracle.insert(key, (expires, seq));
                }
                Step::Pop => {
                    let popped = store.pop();
                    let first = oracle.pop_first();
                    let first = first.map(|(key, (expires, item))| (key, expires, item));
                    assert_eq!(popped, first);
                    out.extend(popped);
                }
                Step::Return(which) => {
                    if let Some(which) = which.checked_rem(out.len()) {
                        let (key, expires, item) = out.swap_remove(which);
                        store.insert(key, expires, item, at(now));
                        oracle.insert(key, (expires, item));
                    }
                }
                Step::Remove(which) => {
                    let which = which.checked_rem(oracle.len()).unwrap_or_default();
                    let Some((key, value)) = oracle.iter().nth(which) else {
                        continue;
                    };
                    let (key, (expires, item)) = (*key, *value);
                    oracle.remove(&key);
                    assert_eq!(store.get(key.seq), Some(&item));
                    assert_eq!(store.remove(key.seq), Some((key, expires, item)));
                    assert_eq!(store.get(key.seq), None);
                    assert_eq!(store.remove(key.seq), None);
                }
                Step::Expire => {
                    while let Some((key, item)) = store.pop_expired(at(now)) {
                        let (expires, expected) = oracle.remove(&key).unwrap();
                        assert!(expires.has_come(at(now)) && item == expected);
                    }
                    assert!(oracle.values().all(|(expires, _)| !expires.has_come(at(now))));
                }
                Step::Pass(secs) => now += secs,
            }
            assert_agree(&mut store, &oracle, at(now));
        }
    }
}

#[test]
fn removal_frees_memory_even_if_the_first_message_stays() {
    let mut store = Ordered::default();
    store.insert(key(1, 0), Deadline::Never, 0, at(1));
    for seq in 1..100_000 {
        store.insert(key(1, seq), Deadline::Never, seq, at(1));
        assert_eq!(store.remove(seq).map(|(.., item)| item), Some(seq));
    }
    assert_eq!(store.len(), 1);
    assert_eq!(drain(&mut store), [0]);
}

#[test]
fn removal_in_any_order_keeps_the_rest_in_order() {
    let mut store = Ordered::default();
    for seq in 0..10_000 {
        store.insert(key(1, seq), Deadline::Never, seq, at(1));
    }
    for step in 0..10_000_u64 {
        let seq = step * 7_919 % 10_000;
        if seq % 3 > 0 {
            assert!(store.remove(seq).is_some());
            assert!(store.get(seq).is_none());
        }
    }
    let left: Vec<_> = (0..10_000).filter(|seq| seq % 3 == 0).collect();
    assert_eq!(drain(&mut store), left);
    assert_eq!(store.len(), 0);
}

#[test]
fn expired_messages_are_removed_from_any_position() {
    let mut store = Ordered::default();
    for (seq, due, expires) in [(0, 1, 9), (1, 1, 3), (2, 50, 2), (3, 1, 3)] {
        store.insert(key(due, seq), Deadline::At(at(expires)), seq, at(1));
    }
    assert!(store.pop_expired(at(1)).is_none());
    let expired = core::iter::from_fn(|| store.pop_expired(at(3)).map(|(_, item)| item));
    assert_eq!(expired.collect::<Vec<_>>(), [2, 1, 3]);
    assert_eq!(drain(&mut store), [0]);
    assert!(store.pop_expired(at(99)).is_none(), "taken is not expired");
}
