//! Tests of the log, against a plain list of frames.

use proptest::prelude::*;

use super::*;

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

/// Appends frames of `len` bytes, each read at once by somebody if `is_live`.
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
fn a_reader_at_another_position_shares_them_too() {
    let mut log = filled(10, 20, false);
    let behind = chunks(&mut log, 1, ALL).remove(0);
    let ahead = chunks(&mut log, 3, ALL).remove(0);
    assert_eq!(behind[40..].as_ptr(), ahead.as_ptr());
}

#[test]
fn a_reader_far_behind_one_that_keeps_up_reads_few_chunks() {
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
fn one_merge_copies_at_most_64_messages() {
    let mut log = filled(256, 4, true);
    let lens: Vec<_> = chunks(&mut log, 1, ALL).iter().map(Bytes::len).collect();
    assert_eq!(lens, [64 * 4; 4]);
}

#[test]
fn a_block_ends_after_256_messages_or_64_kib() {
    let log = filled(10_000, 1, false);
    assert!(log.blocks.iter().all(|block| block.ends.len() <= 256));
    let log = filled(500, 3_000, false);
    assert!(log.blocks.iter().all(|block| block.len() <= 64 * 1024));
    assert!(log.blocks.len() < 50, "{} blocks", log.blocks.len());
}

#[test]
fn a_message_larger_than_a_block_has_one_of_its_own() {
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
    assert_eq!((log.oldest(), log.next(), log.bytes()), (200, 201, 1));
}

#[test]
fn what_is_evicted_is_freed_with_its_block() {
    let mut log = keep(10);
    for _ in 0..100_000 {
        log.append([b"", &[b'x'; 100]], None, Deadline::Never, at(0));
        log.trim(at(0));
    }
    // A block has three messages: a quarter of what is kept.
    assert!(log.blocks.len() <= 5, "{} blocks", log.blocks.len());
    let held: usize = log.blocks.iter().map(Block::len).sum();
    assert!(held <= 1_300, "{held} bytes for 1000");
}

#[test]
fn an_empty_log_that_had_messages_goes_on_counting() {
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
fn positions_beyond_the_end_have_nothing_and_do_not_overflow() {
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
    assert_eq!(chunks(&mut log, 1, nothing).len(), 3, "one at least");
}

#[test]
fn what_has_expired_is_passed_over_without_a_chunk() {
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
fn numbers_that_were_skipped_are_neither_missed_nor_held() {
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
fn expired_blocks_in_the_middle_leave_memory() {
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
    assert!(log.gone.len() <= 3 * BLOCK_MESSAGES);
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
    assert_eq!(log.number_of("a"), Some(3), "what follows it is all kept");
    assert_eq!((log.own_ids.len(), log.own_ids_by_number.len()), (3, 3));
    assert_eq!(log.expiring.len(), 2);
    log.append([b"", b"x"], None, Deadline::Never, at(0));
    log.trim(at(0));
    assert_eq!(log.number_of("a"), None);
}

#[derive(Clone, Debug)]
enum Step {
    Append {
        id_line: usize,
        len: usize,
        own_id: Option<u8>,
        expires_after: Option<u64>,
    },
    Read {
        reader: usize,
        limit: Limit,
    },
    Move {
        reader: usize,
        by: u64,
    },
    Wait(u64),
}

fn limit() -> impl Strategy<Value = Limit> {
    let bytes = prop_oneof![0..300_usize, Just(usize::MAX)];
    let messages = prop_oneof![0..5_usize, 0..100_usize, Just(usize::MAX)];
    (bytes, messages).prop_map(|(bytes, messages)| Limit { bytes, messages })
}

fn step() -> impl Strategy<Value = Step> {
    use proptest::option::weighted;

    let len = prop_oneof![50 => 1..200_usize, 1 => Just(70_000_usize)];
    let append = (
        0..20_usize,
        len,
        weighted(0.2, 0..5_u8),
        weighted(0.2, 0..9_u64),
    );
    let append = append.prop_map(|(id_line, len, own_id, expires_after)| Step::Append {
        id_line,
        len,
        own_id,
        expires_after,
    });
    prop_oneof![
        6 => append,
        6 => (0..3_usize, limit()).prop_map(|(reader, limit)| Step::Read { reader, limit }),
        1 => (0..3_usize, 0..100_u64).prop_map(|(reader, by)| Step::Move { reader, by }),
        1 => (1..5_u64).prop_map(Step::Wait),
    ]
}

fn retention() -> impl Strategy<Value = Retention> {
    let messages = prop_oneof![1..150_u64, Just(u64::MAX)];
    let bytes = prop_oneof![1..20_000_u64, Just(u64::MAX)];
    let age = proptest::option::of((0..10_u64).prop_map(Duration::from_secs));
    (messages, bytes, age).prop_map(|(messages, bytes, age)| Retention {
        messages,
        bytes,
        age,
    })
}

/// What a log is said to be: frames in a `Vec`.
struct Naive {
    retention: Retention,
    frames: Vec<Frame>,
    oldest: usize,
}

struct Frame {
    bytes: Vec<u8>,
    own_id: Option<String>,
    expires: Option<SystemTime>,
    came: SystemTime,
    expired: bool,
}

impl Naive {
    fn kept(&self) -> Vec<&Frame> {
        self.frames[self.oldest..]
            .iter()
            .filter(|frame| !frame.expired)
            .collect()
    }

    fn bytes(&self) -> u64 {
        self.kept()
            .iter()
            .map(|frame| to_u64(frame.bytes.len()))
            .sum()
    }

    /// Expires, then evicts.
    fn trim(&mut self, now: SystemTime) {
        let retention = self.retention;
        for frame in &mut self.frames[self.oldest..] {
            let aged = |expires| retention.age.is_some_and(|age| frame.came + age < expires);
            let expired = |expires| expires <= now && !aged(expires);
            frame.expired |= frame.expires.is_some_and(expired);
        }
        while self.is_beyond(now)
            || self
                .frames
                .get(self.oldest)
                .is_some_and(|frame| frame.expired)
        {
            self.oldest += 1;
        }
    }

    fn is_beyond(&self, now: SystemTime) -> bool {
        let kept = self.kept();
        let Some(first) = kept.first() else {
            return false;
        };
        let Retention {
            messages,
            bytes,
            age,
        } = self.retention;
        to_u64(kept.len()) > messages
            || self.bytes() > bytes
            || age.is_some_and(|age| first.came + age < now)
    }

    /// The frames with these numbers that are kept, in a row.
    fn read(&self, first: u64, next: u64) -> Vec<u8> {
        let frames = &self.frames[to_usize(first) - 1..to_usize(next) - 1];
        let bytes = frames
            .iter()
            .filter(|frame| !frame.expired)
            .map(|frame| &frame.bytes[..]);
        bytes.collect::<Vec<_>>().concat()
    }

    fn missed(&self, position: u64) -> u64 {
        let first = (to_usize(position) - 1).min(self.oldest);
        let missed = self.frames[first..self.oldest]
            .iter()
            .filter(|frame| !frame.expired);
        to_u64(missed.count())
    }

    fn number_of(&self, own_id: &str) -> Option<u64> {
        let is_it = |frame: &Frame| frame.own_id.as_deref() == Some(own_id);
        // What follows the last one that was evicted is all kept.
        let first = self.oldest.saturating_sub(1);
        let place = self.frames[first..].iter().rposition(is_it)?;
        Some(to_u64(first + place + 1))
    }
}

/// Reads once and compares: progress, bytes, limits, sharing.
fn check_read(
    log: &mut Log,
    naive: &Naive,
    position: &mut u64,
    limit: Limit,
) -> Result<(), TestCaseError> {
    let first = *position;
    let read = log.read(position, limit);
    let messages = read.as_ref().map_or(0, |read| to_usize(read.messages));
    let chunk = read.map(|read| read.chunk);
    if first >= log.next() {
        prop_assert_eq!((chunk, *position), (None, first));
        return Ok(());
    }
    prop_assert!(*position > first, "a read moves on");
    let expected = naive.read(first, *position);
    let frames = &naive.frames[to_usize(first) - 1..to_usize(*position) - 1];
    prop_assert_eq!(
        messages,
        frames.iter().filter(|frame| !frame.expired).count()
    );
    prop_assert!(messages <= BLOCK_MESSAGES.min(limit.messages.max(1)));
    prop_assert!(messages <= 1 || expected.len() <= limit.bytes);
    prop_assert_eq!(chunk.as_deref().unwrap_or_default(), &expected[..]);
    prop_assert_ne!(chunk.as_ref().map(Bytes::len), Some(0));

    if messages == frames.len() {
        let again = log.read(&mut { first }, limit);
        prop_assert_eq!(again.unwrap().chunk.as_ptr(), chunk.unwrap().as_ptr());
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_log_is_a_vec_of_frames(
        retention in retention(),
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut log = Log::new(retention);
        let mut naive = Naive { retention, frames: Vec::new(), oldest: 0,  };
        let mut readers = [1_u64; 3];
        let mut now = at(0);
        for step in steps {
            match step {
                Step::Append { id_line, len, own_id, expires_after } => {
                    let number = to_u64(naive.frames.len()) + 1;
                    let bytes: Vec<u8> = number.to_be_bytes().into_iter().cycle().take(len).collect();
                    let bytes = [vec![b'i'; id_line], bytes].concat();
                    let expires = expires_after.map(|after| now + Duration::from_secs(after));
                    let own_id = own_id.map(|id| id.to_string());
                    let given = log.append(
                        [&bytes[..id_line], &bytes[id_line..]],
                        own_id.as_deref().map(Arc::from),
                        expires.map_or(Deadline::Never, Deadline::At),
                        now,
                    );
                    prop_assert_eq!(given, number);
                    naive.frames.push(Frame { bytes, own_id, expires, came: now, expired: false });
                }
                Step::Read { reader, limit } => {
                    let position = &mut readers[reader];
                    *position = (*position).max(log.oldest());
                    check_read(&mut log, &naive, position, limit)?;
                }
                Step::Move { reader, by } => readers[reader] = log.next().saturating_sub(by).max(1),
                Step::Wait(secs) => now += Duration::from_secs(secs),
            }
            while log.trim(now) {}
            naive.trim(now);
            for from in 1..=log.next() {
                prop_assert_eq!(log.missed(from), Some(naive.missed(from)));
            }
            prop_assert_eq!(log.oldest(), to_u64(naive.oldest) + 1);
            prop_assert_eq!(log.len(), to_u64(naive.kept().len()));
            prop_assert_eq!(log.bytes(), naive.bytes());
            for id in ["0", "1", "2", "3", "4"] {
                prop_assert_eq!(log.number_of(id), naive.number_of(id));
            }
        }
    }
}
