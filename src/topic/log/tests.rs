//! Tests of the log.

mod model;

use bytes::Bytes;

use super::*;
use crate::source::Limit;

const ALL: Limit = Limit {
    bytes: usize::MAX,
    messages: usize::MAX,
};
const KEEP_ALL: Retention = Retention {
    messages: u64::MAX,
    bytes: u64::MAX,
    age: None,
};

fn at(secs: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
}

fn keep(messages: u64) -> Log {
    Log::new(Retention {
        messages,
        ..KEEP_ALL
    })
}

/// Appends frames of `len` bytes. If `is_live`, each is read at once.
fn filled(messages: u64, len: usize, is_live: bool) -> Log {
    let mut log = Log::new(KEEP_ALL);
    for _ in 0..messages {
        let mut number = log.append([b"", &vec![b'x'; len]], None, Deadline::Never, at(0));
        if is_live {
            log.read(&mut number, ALL).unwrap();
        }
    }
    log
}

fn chunks(log: &mut Log, mut position: u64, limit: Limit) -> Vec<Bytes> {
    core::iter::from_fn(|| Some(log.read(&mut position, limit)?.chunk)).collect()
}

#[test]
fn two_readers_at_one_position_share_the_bytes() {
    let mut log = filled(10, 20, false);
    let [one, two] = [(); 2].map(|()| chunks(&mut log, 4, ALL));
    assert_eq!((one.len(), one[0].len()), (1, 7 * 20));
    assert_eq!(one[0].as_ptr(), two[0].as_ptr());
}

#[test]
fn readers_at_different_positions_share_the_bytes() {
    let mut log = filled(10, 20, false);
    let earlier = chunks(&mut log, 1, ALL).remove(0);
    let later = chunks(&mut log, 3, ALL).remove(0);
    assert_eq!(earlier[40..].as_ptr(), later.as_ptr());
}

#[test]
fn a_reader_that_lags_gets_few_chunks_even_if_another_keeps_up() {
    let mut log = filled(1_000, 150, true);
    let chunks = chunks(&mut log, 1, ALL);
    assert!(chunks.len() <= 20, "{} chunks", chunks.len());
    assert_eq!(chunks.iter().map(Bytes::len).sum::<usize>(), 150_000);
}

#[test]
fn pieces_merged_for_one_reader_are_shared_by_the_next() {
    let mut log = filled(64, 16, true);
    let [one, two] = [(); 2].map(|()| chunks(&mut log, 1, ALL));
    assert_eq!(one.len(), 1);
    assert_eq!(one[0].as_ptr(), two[0].as_ptr());
}

#[test]
fn a_block_whose_messages_were_read_one_by_one_is_one_chunk() {
    let mut log = filled(900, 100, true);
    let lens: Vec<_> = chunks(&mut log, 1, ALL).iter().map(Bytes::len).collect();
    assert!(lens.len() <= 8, "{lens:?}");
    assert!(lens.contains(&25_600), "{lens:?}");
}

/// Reads of a few KiB each freeze the buffer.
#[test]
fn one_merge_copies_at_most_64_messages() {
    let mut log = Log::new(KEEP_ALL);
    for number in 0..256 {
        log.append([b"", &[b'x'; 100]], None, Deadline::Never, at(0));
        if number % 25 == 24 {
            log.read(&mut { number - 23 }, ALL).unwrap();
        }
    }
    let lens: Vec<_> = chunks(&mut log, 1, ALL).iter().map(Bytes::len).collect();
    assert!(lens.iter().all(|len| *len <= 64 * 100), "{lens:?}");
    assert!(lens.len() <= 8, "{lens:?}");
}

#[test]
fn a_block_ends_after_256_messages_or_64_kib() {
    let log = filled(10_000, 1, false);
    assert!(log.blocks.iter().all(|block| block.count() <= 256));
    let log = filled(500, 3_000, false);
    assert!(log.blocks.iter().all(|block| block.len() <= 64 * 1024));
    assert!(log.blocks.len() < 50, "{} blocks", log.blocks.len());
}

#[test]
fn a_message_larger_than_a_block_has_a_block_of_its_own() {
    let mut log = filled(3, 10, false);
    log.append([b"id", &vec![b'y'; 100_000]], None, Deadline::Never, at(0));
    log.append([b"", b"z"], None, Deadline::Never, at(0));
    let lens = log.blocks.iter().map(Block::len);
    assert_eq!(lens.collect::<Vec<_>>(), [30, 100_002, 1]);
}

#[test]
fn one_step_evicts_at_most_64_messages() {
    let mut log = keep(1);
    for _ in 0..200 {
        log.append([b"", b"x"], None, Deadline::Never, at(0));
    }
    let steps: Vec<_> = [(); 4].map(|()| (log.trim(at(0)), log.len())).into();
    assert_eq!(steps, [(true, 136), (true, 72), (true, 8), (false, 1)]);
    assert_eq!((log.oldest(), log.next(), log.bytes()), (200, 201, 1 + 16));
}

#[test]
fn evicted_messages_are_freed_with_their_block() {
    let mut log = keep(10);
    for _ in 0..100_000 {
        log.append([b"", &[b'x'; 100]], None, Deadline::Never, at(0));
        log.trim(at(0));
    }
    // A block has three messages: a quarter of the history.
    assert!(log.blocks.len() <= 5, "{} blocks", log.blocks.len());
    let held: usize = log.blocks.iter().map(Block::len).sum();
    assert!(held <= 1_300, "{held} bytes for 1000");
}

#[test]
fn numbers_go_on_in_a_log_that_has_become_empty() {
    let age = Some(Duration::from_secs(1));
    let mut log = Log::new(Retention { age, ..KEEP_ALL });
    log.append([b"", b"x"], None, Deadline::Never, at(0));
    assert!(!log.trim(at(1)), "at the age, not beyond it");
    assert_eq!(log.len(), 1);
    log.trim(at(2));
    assert_eq!((log.len(), log.bytes(), log.oldest()), (0, 0, 2));
    let mut number = log.append([b"", b"y"], None, Deadline::Never, at(2));
    assert_eq!(number, 2);
    assert_eq!(log.read(&mut number, ALL).unwrap().chunk, "y");
}

#[test]
fn positions_beyond_the_end_read_nothing_and_do_not_overflow() {
    let mut log = filled(3, 10, false);
    for beyond in [4, 5, u64::MAX - 1, u64::MAX] {
        let mut position = beyond;
        assert!(log.read(&mut position, ALL).is_none());
        assert_eq!(position, beyond);
    }
    let nothing = Limit {
        bytes: 0,
        messages: 0,
    };
    assert_eq!(chunks(&mut log, 1, nothing).len(), 3, "at least one each");
}

#[test]
fn expired_messages_are_skipped_without_a_chunk() {
    let mut log = Log::new(KEEP_ALL);
    for (frame, expires) in [(b"a", 5), (b"b", 9), (b"c", 5)] {
        log.append([b"", frame], None, Deadline::At(at(expires)), at(0));
    }
    let read = |log: &mut Log, now| {
        assert!(!log.trim(at(now)));
        let mut position = log.oldest();
        let chunk = log.read(&mut position, ALL).map(|read| read.chunk);
        (chunk, position, log.len())
    };
    assert_eq!(log.next_change(), Deadline::At(at(5)));
    assert_eq!(read(&mut log, 4), (Some("abc".into()), 4, 3));
    assert_eq!(read(&mut log, 5), (Some("b".into()), 4, 1));
    assert_eq!(log.next_change(), Deadline::At(at(9)));
    assert_eq!(read(&mut log, 9), (None, 4, 0));
    assert_eq!(log.bytes(), 0);
    assert_eq!([1, 2, 4].map(|from| log.missed(from)), [Some(0); 3]);
}

#[test]
fn skipped_numbers_are_neither_missed_nor_retained() {
    let mut log = keep(1);
    log.append([b"", b"a"], None, Deadline::Never, at(0));
    log.skip_to(1_000_000);
    log.append([b"", b"b"], None, Deadline::Never, at(0));
    let mut position = 2;
    assert_eq!(log.read(&mut position, ALL).unwrap().chunk, "b");
    assert_eq!((position, log.len()), (1_000_001, 2));
    log.trim(at(0));
    assert_eq!(log.oldest(), 1_000_000);
    assert_eq!([1, 2].map(|from| log.missed(from)), [Some(1), Some(0)]);
}

#[test]
fn expired_blocks_in_the_middle_are_freed() {
    let mut log = Log::new(KEEP_ALL);
    log.append([b"", b"x"], None, Deadline::Never, at(0));
    for second in 0..10_000 {
        log.append(
            [b"", &[b'x'; 100]],
            Some("id".into()),
            Deadline::At(at(second + 1)),
            at(second),
        );
        while log.trim(at(second + 1)) {}
    }
    assert!(log.blocks.len() <= 3, "{} blocks", log.blocks.len());
    assert_eq!((log.len(), log.oldest()), (1, 1));
}

#[test]
fn an_id_outlives_its_message_by_one_and_no_more() {
    let mut log = keep(2);
    for id in ["a", "b", "a", "b", "c"] {
        log.append([b"", b"x"], Some(id.into()), Deadline::At(at(9)), at(0));
        log.trim(at(0));
    }
    assert_eq!([log.number_of("b"), log.number_of("c")], [Some(4), Some(5)]);
    assert_eq!(
        log.number_of("a"),
        Some(3),
        "what follows it is all retained"
    );
    log.append([b"", b"x"], None, Deadline::Never, at(0));
    log.trim(at(0));
    assert_eq!(log.number_of("a"), None);
}

#[test]
fn a_gap_before_each_number_needs_no_block() {
    let mut log = Log::new(KEEP_ALL);
    for number in 1..=1_000 {
        log.skip_to(2 * number);
        log.append([b"", &[b'x'; 20]], None, Deadline::Never, at(0));
    }
    assert!(log.blocks.len() <= 4, "{} blocks", log.blocks.len());
    // Half of the numbers before 1 001 were used.
    let lens = chunks(&mut log, 1_001, ALL)
        .iter()
        .map(Bytes::len)
        .sum::<usize>();
    assert_eq!(lens, 500 * 20);
    assert_eq!(log.missed(1), Some(0));
}

#[test]
fn a_plain_message_takes_no_memory_for_times_ids_or_holes() {
    let log = filled(1_000, 20, true);
    assert!(log.blocks.iter().all(Block::is_plain));
    assert!(size_of::<Block>() <= 72, "{}", size_of::<Block>());
    assert!(!log.is_timed() && log.next_change() == Deadline::Never);
}

#[test]
fn the_next_change_is_the_first_expiry_or_age() {
    let age = Some(Duration::from_secs(10));
    let mut log = Log::new(Retention { age, ..KEEP_ALL });
    log.append([b"", b"a"], None, Deadline::Never, at(1));
    log.append([b"", b"b"], None, Deadline::At(at(5)), at(2));
    assert_eq!(log.next_change(), Deadline::At(at(5)));
    log.trim(at(5));
    let beyond = Deadline::At(at(11) + CLOCK_STEP);
    assert_eq!(log.next_change(), beyond);
    log.trim(at(12));
    assert_eq!((log.len(), log.next_change()), (0, Deadline::Never));
}

#[test]
fn as_many_ids_of_expired_messages_stay_known_as_the_log_retains_messages() {
    let mut log = keep(100);
    log.append([b"", b"x"], Some("kept".into()), Deadline::Never, at(0));
    for number in 0..1_000_u64 {
        let expires = Deadline::At(at(number + 1));
        let id = Some(format!("{number}").into());
        log.append([b"", b"x"], id, expires, at(number));
        while log.trim(at(number + 1)) {}
    }
    assert_eq!(log.number_of("kept"), Some(1));
    let is_known = |number: &u64| log.number_of(&number.to_string()) == Some(number + 2);
    let known: Vec<_> = (0..1_000).filter(is_known).collect();
    assert!((50..=100).contains(&known.len()), "{}", known.len());
    assert_eq!(known.last(), Some(&999));
}

#[test]
fn blocks_with_many_holes_are_joined() {
    let mut log = Log::new(KEEP_ALL);
    for number in 0..64 * 64_u64 {
        let stays = number % 64 == 0;
        let expires = if stays {
            Deadline::Never
        } else {
            Deadline::At(at(1))
        };
        log.append([b"", &number.to_be_bytes()], None, expires, at(0));
    }
    while log.trim(at(1)) {}
    assert_eq!(log.len(), 64);
    assert!(log.blocks.len() <= 4, "{} blocks", log.blocks.len());
    let bytes: Vec<_> = chunks(&mut log, 1, ALL).concat();
    let expected: Vec<_> = (0..64).flat_map(|it| (it * 64_u64).to_be_bytes()).collect();
    assert_eq!(bytes, expected);
}

#[test]
fn a_frame_fits_only_with_its_overhead() {
    let log = Log::new(Retention {
        bytes: 200,
        ..KEEP_ALL
    });
    assert!(log.fits(184, None, 0) && !log.fits(185, None, 0));
    assert!(log.fits(117, Some("own"), 0) && !log.fits(118, Some("own"), 0));
    assert!(!Log::new(KEEP_ALL).fits(usize::MAX, None, 0));
}
