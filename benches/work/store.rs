//! Ordered stores with a backlog, under the load for which the bars are stated.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::ordered::{Key, Ordered};
use crate::time::Deadline;

/// The time between two messages.
const STEP: Duration = Duration::from_micros(1);

/// Which messages are scheduled; the others are due when they arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ahead {
    None,
    /// One in twenty, by up to a second.
    FivePercent,
}

/// An entry. Its frame is static, so that the store is measured without the allocator.
#[derive(Debug)]
pub(crate) struct Entry {
    key: Key,
    expires: Deadline,
    frame: Bytes,
}

/// Something that keeps entries in order.
pub(crate) trait Store: Default {
    fn push(&mut self, entry: Entry, now: SystemTime);
    fn pop(&mut self) -> Option<Entry>;
}

/// A store that holds the same number of entries before and after each step.
pub(crate) struct Backlog<S> {
    store: S,
    ahead: Ahead,
    now: SystemTime,
    seq: u64,
    random: u64,
}

impl<S: Store> Backlog<S> {
    pub(crate) fn new(len: usize, ahead: Ahead) -> Self {
        let mut backlog = Self {
            store: S::default(),
            ahead,
            now: SystemTime::UNIX_EPOCH,
            seq: 0,
            random: 0x9e37_79b9_7f4a_7c15,
        };
        for _ in 0..len {
            backlog.push();
        }
        // Each entry is replaced once, so that the store has its lasting shape.
        for _ in 0..len {
            backlog.step();
        }
        backlog
    }

    /// One push, one pop.
    pub(crate) fn step(&mut self) -> Option<Entry> {
        self.push();
        self.store.pop()
    }

    fn push(&mut self) {
        self.seq += 1;
        self.now += STEP;
        let entry = Entry {
            key: Key {
                due: Deadline::At(self.now + self.delay()),
                seq: self.seq,
            },
            expires: Deadline::Never,
            frame: Bytes::from_static(b"data: 42\n\n"),
        };
        self.store.push(entry, self.now);
    }

    fn delay(&mut self) -> Duration {
        let Ahead::FivePercent = self.ahead else {
            return Duration::ZERO;
        };
        // Marsaglia's xorshift: the same numbers in each run.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        match self.random % 20 {
            0 => STEP * (u32::try_from(self.random >> 32).unwrap_or_default() % 1_000_000),
            _ => Duration::ZERO,
        }
    }
}

impl Store for Ordered<Bytes> {
    fn push(&mut self, entry: Entry, now: SystemTime) {
        self.insert(entry.key, entry.expires, entry.frame, now);
    }

    fn pop(&mut self) -> Option<Entry> {
        let (key, expires, frame) = Ordered::pop(self)?;
        Some(Entry {
            key,
            expires,
            frame,
        })
    }
}

/// What is usually used for a queue in time order.
pub(crate) type Heap = BinaryHeap<Reverse<Entry>>;

impl Store for Heap {
    fn push(&mut self, entry: Entry, _: SystemTime) {
        BinaryHeap::push(self, Reverse(entry));
    }

    fn pop(&mut self) -> Option<Entry> {
        BinaryHeap::pop(self).map(|Reverse(entry)| entry)
    }
}

/// A store behind a lock, which each push and each pop takes.
#[derive(Default)]
pub(crate) struct Locked<S>(Mutex<S>);

#[allow(
    clippy::mut_mutex_lock,
    reason = "the lock is a part of what is measured"
)]
impl<S: Store> Store for Locked<S> {
    fn push(&mut self, entry: Entry, now: SystemTime) {
        self.0.lock().unwrap().push(entry, now);
    }

    fn pop(&mut self) -> Option<Entry> {
        self.0.lock().unwrap().pop()
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Entry {}
