//! A queue as a sorted list.

use std::collections::VecDeque;

use sse_queue::queue::Overflow;

use crate::support::parser::Seen;

#[derive(Clone, Debug)]
pub struct Entry {
    /// Milliseconds of the world.
    pub due: u64,
    pub expires: Option<u64>,
    pub seq: u64,
    pub id: String,
    pub data: String,
    pub bytes: usize,
}

/// A list, sorted each time that it is read. Each promise takes a few lines of its own.
#[derive(Debug, Default)]
pub struct Naive {
    pub entries: Vec<Entry>,
    pub last_seq: u64,
    pub closed: Option<u64>,
    pub pushed: u64,
    pub delivered: u64,
    pub dropped: u64,
    pub expired: u64,
    pub withdrawn: u64,
}

pub const MESSAGES: usize = 6;

pub const BYTES: usize = 1_300;

impl Naive {
    pub fn expire(&mut self, now: u64) {
        let before = self.entries.len();
        self.entries
            .retain(|entry| entry.expires.is_none_or(|at| at > now));
        self.expired += (before - self.entries.len()) as u64;
    }

    pub fn has_capacity(&self, bytes: usize) -> bool {
        let held: usize = self.entries.iter().map(|entry| entry.bytes).sum();
        self.entries.len() < MESSAGES && held + bytes <= BYTES
    }

    pub fn first(&self) -> Option<usize> {
        (0..self.entries.len()).min_by_key(|at| (self.entries[*at].due, self.entries[*at].seq))
    }

    /// The frame's bytes, or `None` if the message is refused.
    pub fn push(
        &mut self,
        now: u64,
        overflow: Overflow,
        step: (u64, Option<u64>, Option<String>, String),
    ) -> bool {
        let (delay, ttl, own, data) = step;
        let seq = self.last_seq + 1;
        let of_own_id = own.as_ref().map_or(0, |own| own.len() + 64);
        let id = own.unwrap_or_else(|| format!("e-{seq}"));
        let frame = format!("id: {id}\ndata: {data}\n\n");
        let bytes = frame.len() + 192 + of_own_id;
        if self.closed.is_some() {
            return false;
        }
        if !self.has_capacity(bytes) {
            self.expire(now);
        }
        while !self.has_capacity(bytes) {
            if overflow == Overflow::Reject {
                return false;
            }
            let first = self.first().unwrap();
            self.entries.remove(first);
            self.dropped += 1;
        }
        self.last_seq = seq;
        self.pushed += 1;
        let due = now + delay;
        let expires = ttl.map(|ttl| due + ttl);
        self.entries.push(Entry {
            due,
            expires,
            seq,
            id,
            data,
            bytes,
        });
        true
    }

    /// What is due, in order.
    pub fn due(&mut self, now: u64) -> VecDeque<Entry> {
        self.expire(now);
        let horizon = self.closed.unwrap_or(now);
        let mut due: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| entry.due <= horizon)
            .cloned()
            .collect();
        due.sort_by_key(|entry| (entry.due, entry.seq));
        due.into()
    }

    pub fn took(&mut self, now: u64, taken: &[Seen]) {
        let mut due = self.due(now);
        for seen in taken {
            let entry = due.pop_front().unwrap();
            assert_eq!((&seen.data, &seen.last_event_id), (&entry.data, &entry.id));
            self.entries.retain(|other| other.seq != entry.seq);
            self.delivered += 1;
        }
    }

    pub fn cancel(&mut self, id: &str) -> bool {
        let newest = self
            .entries
            .iter()
            .filter(|entry| entry.id == id)
            .max_by_key(|entry| entry.seq);
        let Some(seq) = newest.map(|entry| entry.seq) else {
            return false;
        };
        self.entries.retain(|entry| entry.seq != seq);
        self.withdrawn += 1;
        true
    }
}
