//! Tests of the map by number, against the tree of the standard library.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// A number this far above the highest one.
    Append(u64),
    Insert(u64),
    /// One of the numbers that have a value.
    Remove(usize),
    PopFirst,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Append(1)),
        2 => (1..100_u64).prop_map(Step::Append),
        1 => (1..1_u64 << 40).prop_map(Step::Append),
        1 => Just(Step::Append(1 << 48)),
        3 => (0..200_u64).prop_map(Step::Insert),
        6 => any::<usize>().prop_map(Step::Remove),
        2 => Just(Step::PopFirst),
    ];
    vec(step, 1..400)
}

/// Checks the invariants after each step.
fn assert_sound(map: &SeqMap<String>, oracle: &BTreeMap<u64, String>) {
    assert_eq!(map.len(), oracle.len());
    assert_eq!(map.is_empty(), oracle.is_empty());
    let first = oracle
        .first_key_value()
        .map(|(number, text)| (*number, text));
    assert_eq!(map.first(), first);
    let (front, back) = (&map.front, &map.back);
    assert!(!front.1.is_empty() || map.middle.is_empty());
    let numbers = map.middle.keys().copied();
    let first = (!front.1.is_empty()).then_some(front.0);
    let numbers: Vec<_> = first.into_iter().chain(numbers).chain([back.0]).collect();
    assert!(
        first.is_none() || numbers.is_sorted_by(|one, next| one < next),
        "{numbers:?}"
    );
    for block in map.middle.values().chain([&front.1, &back.1]) {
        assert_eq!(block.present.count_ones() as usize, block.values.len());
        assert!(block.values.capacity() <= BLOCK_LEN);
    }
    for block in map.middle.values() {
        let (len, capacity) = (block.values.len(), block.values.capacity());
        assert!(len > 0 && capacity <= 2 * len, "{len} in {capacity}");
    }
}

/// Reading on from any number, and from between the numbers.
fn assert_iterates(map: &SeqMap<String>, oracle: &BTreeMap<u64, String>) {
    let numbers = oracle.keys().flat_map(|number| [*number, number + 1]);
    for from in numbers.chain([0, 77]).take(200) {
        let expected = oracle.range(from..).map(|(number, text)| (*number, text));
        assert!(map.iter_from(from).eq(expected), "from {from}");
    }
}

/// The total capacity of the blocks.
fn capacity(map: &SeqMap<u64>) -> usize {
    let blocks = map.middle.values().chain([&map.front.1, &map.back.1]);
    let values = blocks.map(|block| &block.values).chain([&map.spare]);
    values.map(VecDeque::capacity).sum()
}

proptest! {
    #[test]
    fn the_map_agrees_with_a_tree_whatever_the_numbers_and_the_order(steps in steps()) {
        let (mut map, mut oracle) = (SeqMap::default(), BTreeMap::new());
        let mut highest = 0_u64;
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Append(by) => {
                    highest = highest.saturating_add(by);
                    let before = oracle.insert(highest, at.to_string());
                    assert_eq!(map.insert(highest, at.to_string()), before);
                }
                Step::Insert(number) => {
                    highest = highest.max(number);
                    let before = oracle.insert(number, at.to_string());
                    assert_eq!(map.insert(number, at.to_string()), before);
                }
                Step::Remove(which) => {
                    let which = which.checked_rem(oracle.len()).unwrap_or_default();
                    let number = oracle.keys().nth(which).copied().unwrap_or(7);
                    assert_eq!(map.get(number), oracle.get(&number));
                    assert_eq!(map.remove(number), oracle.remove(&number));
                    assert_eq!(map.remove(number), None);
                    assert_eq!(map.get(number), None);
                    assert_eq!(map.get_mut(number), None);
                }
                Step::PopFirst => assert_eq!(map.pop_first(), oracle.pop_first()),
            }
            assert_sound(&map, &oracle);
        }
        assert_iterates(&map, &oracle);
        assert!(map.into_entries().eq(oracle));
    }
}

#[test]
fn a_value_can_be_changed_in_its_slot() {
    let mut map = SeqMap::default();
    for number in 0..100 {
        map.insert(number * 3, number);
    }
    *map.get_mut(33).unwrap() = 7;
    assert_eq!((map.get(33), map.get(36)), (Some(&7), Some(&12)));
    assert_eq!(map.get_mut(34), None);
}

#[test]
fn the_highest_numbers_fit() {
    let mut map = SeqMap::default();
    map.insert(u64::MAX, 'b');
    map.insert(0, 'a');
    assert_eq!(map.first(), Some((0, &'a')));
    let all: Vec<_> = map.into_entries().collect();
    assert_eq!(all, [(0, 'a'), (u64::MAX, 'b')]);
}

#[test]
fn capacity_shrinks_with_the_values_in_any_order_of_removal() {
    const COUNT: u64 = 100_000;

    for step in [1, 7_919, COUNT - 1] {
        let mut map = SeqMap::default();
        for number in 0..COUNT {
            map.insert(number, number);
        }
        assert!(capacity(&map) < map.len() + BLOCK_LEN);
        for at in 1..=COUNT {
            map.remove(at * step % COUNT);
            if at % 997 == 0 || at == COUNT {
                assert!(capacity(&map) <= 2 * map.len() + 3 * BLOCK_LEN);
            }
        }
        assert!(map.is_empty() && capacity(&map) <= BLOCK_LEN / 4);
    }
}

#[test]
fn numbers_that_are_far_apart_take_capacity_for_one_value_each() {
    let mut map = SeqMap::default();
    for number in 0..1_000 {
        map.insert(number << 40, number);
        // Many more are added and removed in between.
        for more in 1..20 {
            map.insert((number << 40) + more, number);
        }
        for more in 1..20 {
            map.remove((number << 40) + more);
        }
    }
    assert_eq!(map.len(), 1_000);
    assert!(capacity(&map) < 1_000 + 2 * BLOCK_LEN, "{}", capacity(&map));
}

#[test]
fn a_map_with_one_value_at_a_time_keeps_its_block() {
    let mut map = SeqMap::default();
    for number in 0..1_000 {
        map.insert(number, number);
        assert_eq!(map.pop_first(), Some((number, number)));
        assert_eq!(capacity(&map), 1);
    }
}
