//! The log against a plain list of frames.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

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
    Skip(u64),
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
        1 => prop_oneof![1..9_u64, Just(1 << 40)].prop_map(Step::Skip),
        1 => (1..5_u64).prop_map(Step::Wait),
    ]
}

fn expiring_step() -> impl Strategy<Value = Step> {
    let append = (1..100_usize, proptest::option::of(0..5_u8), 0..99_u64);
    let append = append.prop_map(|(len, own_id, after)| Step::Append {
        id_line: 0,
        len,
        own_id,
        expires_after: (after < 90).then_some(after),
    });
    prop_oneof![
        40 => append,
        1 => (0..3_usize, limit()).prop_map(|(reader, limit)| Step::Read { reader, limit }),
        1 => (0..3_usize, 0..500_u64).prop_map(|(reader, by)| Step::Move { reader, by }),
        1 => (1..5_u64).prop_map(Step::Skip),
        1 => (1..20_u64).prop_map(Step::Wait),
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

/// The oracle: frames in a `Vec`.
struct Naive {
    retention: Retention,
    frames: Vec<Frame>,
    next: u64,
    skips: usize,
}

struct Frame {
    number: u64,
    bytes: Vec<u8>,
    own_id: Option<String>,
    expires: Option<SystemTime>,
    entered: SystemTime,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Kept,
    Expired,
    Evicted,
}

impl Frame {
    fn is_kept(&self) -> bool {
        self.fate == Fate::Kept
    }

    fn cost(&self) -> u64 {
        let id = self.own_id.as_ref().map_or(0, |id| id.len() + 64);
        to_u64(self.bytes.len() + 16 + id)
    }
}

impl Naive {
    fn retained(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter().filter(|frame| frame.is_kept())
    }

    fn oldest(&self) -> u64 {
        self.retained()
            .next()
            .map_or(self.next, |frame| frame.number)
    }

    fn bytes(&self) -> u64 {
        self.retained().map(Frame::cost).sum()
    }

    /// Expires, then evicts.
    fn trim(&mut self, now: SystemTime) {
        let age = self.retention.age;
        for frame in self.frames.iter_mut().filter(|frame| frame.is_kept()) {
            let aged = |expires| age.is_some_and(|age| frame.entered + age < expires);
            let expired = |expires| expires <= now && !aged(expires);
            if frame.expires.is_some_and(expired) {
                frame.fate = Fate::Expired;
            }
        }
        while self.is_beyond(now) {
            let oldest = self.frames.iter_mut().find(|frame| frame.is_kept());
            oldest.unwrap().fate = Fate::Evicted;
        }
    }

    fn is_beyond(&self, now: SystemTime) -> bool {
        let Some(first) = self.retained().next() else {
            return false;
        };
        let Retention {
            messages,
            bytes,
            age,
        } = self.retention;
        to_u64(self.retained().count()) > messages
            || self.bytes() > bytes
            || age.is_some_and(|age| first.entered + age < now)
    }

    /// The retained frames with these numbers, in order.
    fn read(&self, first: u64, next: u64) -> Vec<&Frame> {
        let is_here = |frame: &&Frame| (first..next).contains(&frame.number);
        self.retained().filter(is_here).collect()
    }

    fn missed(&self, position: u64) -> u64 {
        let evicted = self
            .frames
            .iter()
            .filter(|frame| frame.number >= position && frame.fate == Fate::Evicted);
        to_u64(evicted.count())
    }

    /// The maximum number of runs of numbers that were not missed.
    fn max_runs(&self) -> usize {
        let expired = |frame: &&Frame| frame.fate == Fate::Expired;
        self.skips + self.frames.iter().filter(expired).count()
    }

    /// The newest with this id, if all messages after it are retained.
    fn find(&self, own_id: &str) -> Option<&Frame> {
        let matches = |frame: &&Frame| frame.own_id.as_deref() == Some(own_id);
        let newest = self.frames.iter().rev().find(matches)?;
        (self.missed(newest.number + 1) == 0).then_some(newest)
    }
}

/// Reads once and compares: progress, bytes, limits, expiry, sharing.
fn check_read(
    log: &mut Log,
    naive: &Naive,
    position: &mut u64,
    limit: Limit,
) -> Result<(), TestCaseError> {
    let first = *position;
    let read = log.read(position, limit);
    if first >= log.next() {
        prop_assert_eq!((read.is_none(), *position), (true, first));
        return Ok(());
    }
    prop_assert!(*position > first, "a read moves on");
    let frames = naive.read(first, *position);
    let Some(read) = read else {
        prop_assert_eq!(frames.len(), 0);
        return Ok(());
    };
    let expected: Vec<_> = frames.iter().map(|frame| &frame.bytes[..]).collect();
    prop_assert_eq!(&read.chunk[..], &expected.concat()[..]);
    prop_assert_eq!(to_usize(read.messages), frames.len());
    prop_assert!(frames.len() <= MAX_BLOCK_MESSAGES.min(limit.messages.max(1)));
    prop_assert!(frames.len() <= 1 || read.chunk.len() <= limit.bytes);
    prop_assert!(!read.chunk.is_empty());
    let expires = frames.iter().filter_map(|frame| frame.expires).min();
    prop_assert_eq!(read.expires.time(), expires);

    let again = log.read(&mut { first }, limit).unwrap();
    prop_assert_eq!(again.chunk.as_ptr(), read.chunk.as_ptr(), "it is shared");
    Ok(())
}

/// Compares everything that a log reports about itself.
fn check_log(log: &Log, naive: &Naive) -> Result<(), TestCaseError> {
    prop_assert_eq!(log.oldest(), naive.oldest());
    prop_assert_eq!(log.next(), naive.next);
    prop_assert_eq!(log.len(), to_u64(naive.retained().count()));
    prop_assert_eq!(log.bytes(), naive.bytes());
    // Other positions at each step, because each count is slow.
    let some = naive
        .frames
        .iter()
        .skip(naive.frames.len() % 32)
        .step_by(32);
    for number in some.map(|frame| frame.number) {
        for position in [number, number + 1] {
            let missed = log.missed(position);
            let is_known = missed.is_some() || naive.max_runs() > 64;
            prop_assert!(is_known, "of {} runs", naive.max_runs());
            prop_assert!(missed.is_none_or(|missed| missed == naive.missed(position)));
        }
    }
    for id in ["0", "1", "2", "3", "4"] {
        let (found, expected) = (log.number_of(id), naive.find(id));
        // The ids of expired messages are remembered within bounds.
        let may_be_forgotten = expected.is_some_and(|frame| frame.fate == Fate::Expired);
        let number = expected.map(|frame| frame.number);
        prop_assert!(found == number || may_be_forgotten, "{found:?}, {number:?}");
    }
    let next_expiry = naive.retained().filter_map(|frame| frame.expires).min();
    prop_assert_eq!(log.by_expiry.first().map(|(time, _)| *time), next_expiry);
    let closed = log.blocks.len() - usize::from(log.is_open);
    let holes: u64 = log.blocks.range(..closed).map(Block::holes).sum();
    prop_assert_eq!(log.holes.bytes, holes);
    prop_assert!(!log.has_too_many_holes());
    for block in &log.blocks {
        prop_assert!(block.retained(log.oldest()).0 > 0, "no block is empty");
        prop_assert!(!block.may_have_holes() || block.count() <= MAX_PER_STEP);
    }
    Ok(())
}

/// Runs all steps on both.
fn compare(retention: Retention, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut log = Log::new(retention);
    let mut naive = Naive {
        retention,
        frames: Vec::new(),
        next: 1,
        skips: 0,
    };
    let mut readers = [1_u64; 3];
    let mut now = at(0);
    for step in steps {
        match step {
            Step::Append {
                id_line,
                len,
                own_id,
                expires_after,
            } => {
                let number = naive.next;
                let bytes = to_u64(naive.frames.len()).to_be_bytes();
                let bytes: Vec<u8> = bytes.into_iter().cycle().take(len).collect();
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
                naive.next += 1;
                naive.frames.push(Frame {
                    number,
                    bytes,
                    own_id,
                    expires,
                    entered: now,
                    fate: Fate::Kept,
                });
            }
            Step::Read { reader, limit } => {
                let position = &mut readers[reader];
                *position = (*position).max(log.oldest());
                check_read(&mut log, &naive, position, limit)?;
            }
            Step::Move { reader, by } => readers[reader] = log.next().saturating_sub(by).max(1),
            Step::Skip(by) => {
                naive.next += by;
                naive.skips += 1;
                log.skip_to(naive.next);
            }
            Step::Wait(secs) => now += Duration::from_secs(secs),
        }
        while log.trim(now) {}
        naive.trim(now);
        check_log(&log, &naive)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_log_is_a_vec_of_frames(
        retention in retention(),
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        compare(retention, steps)?;
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Few reads, so that blocks fill, thin out and are joined.
    #[test]
    fn a_log_whose_messages_expire_is_a_vec_of_frames(
        retention in retention(),
        steps in proptest::collection::vec(expiring_step(), 100..600),
    ) {
        compare(retention, steps)?;
    }
}
