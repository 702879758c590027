//! Tests of what is remembered, against a plain map.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[test]
fn every_order_of_acks_is_remembered_for_the_stated_number() {
    for step in [1_u64, 7_919, 524_287] {
        let mut history = AckHistory::default();
        for n in 0..REMEMBERED {
            let seq = 1_024 + n * step % REMEMBERED;
            if !seq.is_multiple_of(3) {
                history.add(seq, None, End::Confirmed);
            }
        }
        for seq in 1_024..1_024 + REMEMBERED {
            let expected = (!seq.is_multiple_of(3)).then_some(End::Confirmed);
            assert_eq!(history.number(seq), expected, "{seq}");
        }
    }
}

#[test]
fn what_is_all_confirmed_takes_no_memory_of_its_own() {
    let mut history = AckHistory::default();
    for seq in (0..4 * REMEMBERED).rev() {
        history.add(seq, None, End::Confirmed);
    }
    for seq in 0..4 * REMEMBERED {
        history.add(seq, None, End::Confirmed);
    }
    let mixed = |block: &&Block| matches!(block, Block::Mixed(_));
    assert_eq!(history.blocks.values().filter(mixed).count(), 0);
    assert_eq!(history.blocks.len() as u64, MAX_BLOCKS);
    assert_eq!(history.number(4 * REMEMBERED - 1), Some(End::Confirmed));
    assert_eq!(history.number(0), None, "long ago");
}

#[test]
fn stale_and_confirmed_are_told_apart_and_confirmed_lasts() {
    let mut history = AckHistory::default();
    history.add(5, None, End::Stale);
    assert_eq!(history.number(5), Some(End::Stale));
    assert_eq!(history.number(6), None);
    history.add(5, None, End::Confirmed);
    history.add(5, None, End::Stale);
    assert_eq!(history.number(5), Some(End::Confirmed));
}

#[test]
fn numbers_that_jump_leave_no_gap_to_fill() {
    let mut history = AckHistory::default();
    history.add(1, None, End::Confirmed);
    history.add(1 << 48, None, End::Confirmed);
    assert_eq!(history.blocks.len(), 1);
    assert_eq!(history.number(1 << 48), Some(End::Confirmed));
    assert_eq!(history.number(1), None);
}

#[test]
fn a_jump_of_numbers_frees_64_blocks_in_a_call_and_forgets_the_rest_in_time() {
    let mut history = AckHistory::default();
    for block in 0..MAX_BLOCKS {
        history.add(block * BLOCK, None, End::Stale);
    }
    let all = history.blocks.len();
    for jump in 1..100_u64 {
        let before = history.blocks.len();
        history.add(jump << 40, None, End::Confirmed);
        assert!(before + 1 - history.blocks.len() <= 64);
        assert_eq!(history.number(jump << 40), Some(End::Confirmed));
    }
    assert_eq!((all as u64, history.blocks.len()), (MAX_BLOCKS, 1));
}

#[test]
fn remembered_ids_are_bounded_by_number_and_bytes() {
    let mut history = AckHistory::default();
    let memory = allocation_counter::measure(|| {
        for n in 0..2 * own_ids::REMEMBERED {
            history.add(1, Some(&Arc::from(format!("{n:0>64}"))), End::Confirmed);
        }
    });
    assert_eq!(history.own.len_and_bytes().0, own_ids::REMEMBERED);
    let bytes = usize::try_from(memory.bytes_current).unwrap();
    assert!(bytes <= own_ids::MAX_BYTES, "{bytes} bytes");
    let newest = format!("{:0>64}", 2 * own_ids::REMEMBERED - 1);
    assert_eq!(history.own(&newest), Some((End::Confirmed, 1)));
    assert_eq!(history.own(&format!("{:0>64}", 0)), None);
    for n in 0..20_000 {
        history.add(2, Some(&Arc::from(format!("{n:0>1000}"))), End::Stale);
    }
    let (len, bytes) = history.own.len_and_bytes();
    assert!(bytes <= own_ids::MAX_BYTES && len < 20_000);
}

#[test]
fn the_newest_message_with_an_id_is_the_one_remembered() {
    let mut history = AckHistory::default();
    let id = Arc::from("order-7");
    history.add(1, Some(&id), End::Stale);
    history.add(9, Some(&id), End::Confirmed);
    assert_eq!(history.own("order-7"), Some((End::Confirmed, 9)));
    assert_eq!(history.own.len_and_bytes(), (1, "order-7".len() + 96));
}

proptest! {
    /// Among numbers that do not reach further than is remembered, everything is; others may be.
    #[test]
    fn the_history_agrees_with_a_plain_map(
        steps in vec((prop_oneof![0..3_000_u64, 1_040_000..1_050_000_u64, any::<u64>()], any::<bool>()), 1..300)
    ) {
        let (mut history, mut oracle) = (AckHistory::default(), BTreeMap::new());
        let mut highest = 0;
        for (seq, is_confirmed) in steps {
            let end = if is_confirmed { End::Confirmed } else { End::Stale };
            highest = seq.max(highest);
            history.add(seq, None, end);
            if highest - seq < REMEMBERED - BLOCK {
                let ended = oracle.entry(seq).or_insert(end);
                if is_confirmed {
                    *ended = end;
                }
            }
            for (seq, end) in &oracle {
                let remembered = history.number(*seq);
                if highest - seq < REMEMBERED - BLOCK {
                    assert_eq!(remembered, Some(*end));
                } else {
                    assert!(remembered.is_none_or(|remembered| remembered == *end));
                }
            }
            assert!(history.blocks.len() as u64 <= 2 * MAX_BLOCKS);
        }
    }
}
