//! A stream's position in the log, what it asks for, and what it gets.
//!
//! Pure: no lock, no clock.

use std::time::SystemTime;

use bytes::Bytes;

use crate::source::Limit;

/// The state of one stream. It is a position in the log: no messages are queued for the stream.
#[derive(Debug)]
pub(super) struct Cursor {
    /// The stream's slot in the [wait set](super::wait_set), which no other open stream has.
    pub(super) slot: usize,
    /// The number of the next message to read.
    pub(super) position: u64,
    /// The end of the current burst: the messages that were in the log when the burst began.
    target: u64,
    /// When the newest message of the last chunk entered the log.
    pub(super) chunk_entered_at: SystemTime,
    /// If false, the stream has no role that other streams rely on.
    pub(super) may_be_armed: bool,
    /// `None` if it wants all messages.
    pub(super) filter: Option<Box<Filtered>>,
}

/// What a stream wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filtered {
    /// The [filter](super::filters).
    pub(super) id: u64,
    /// Tags that were added after this version begin later.
    pub(super) version: u64,
    /// Whether its last read left more behind.
    pub(super) is_behind: bool,
    /// It has read all that it wants before this number.
    pub(super) seen: u64,
}

impl Cursor {
    pub(super) fn new(slot: usize, position: u64, now: SystemTime) -> Self {
        Self {
            slot,
            position,
            target: position,
            chunk_entered_at: now,
            may_be_armed: false,
            filter: None,
        }
    }

    /// Whether the current burst has more messages.
    pub(super) fn is_in_burst(&self) -> bool {
        self.position < self.target
    }

    /// The limit for the next chunk, if `next` is the end of the log. A chunk ends with its burst;
    /// if no burst goes on, a new one begins.
    pub(super) fn next_limit(&mut self, next: u64, ask: Ask) -> Limit {
        if !self.is_in_burst() {
            // With a fixed period, a burst has at most the messages of one tick.
            let batch = u64::try_from(ask.limit.messages.max(1)).unwrap_or(u64::MAX);
            let max = if ask.is_batch { batch } else { u64::MAX };
            self.target = self.position.saturating_add(max).min(next);
        }
        let left = self.target.saturating_sub(self.position);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        Limit::new(ask.limit.bytes, left.min(ask.limit.messages))
    }

    /// Begins a burst that ends before `target`, unless one goes on.
    pub(super) fn begin_burst(&mut self, target: u64) {
        self.target = target;
    }

    pub(super) fn target(&self) -> u64 {
        self.target
    }

    /// Nothing of the burst is left that the stream wants.
    pub(super) fn end_burst(&mut self) {
        self.target = self.position;
    }

    /// It has read all that it wants before this number.
    pub(super) fn note_seen(&mut self, next: u64) {
        if let Some(filtered) = &mut self.filter {
            filtered.seen = next;
        }
    }

    /// Moves past a whole burst of `messages`.
    pub(super) fn advance(&mut self, messages: u64) {
        self.position = self.position.saturating_add(messages);
        self.target = self.position;
    }
}

/// What a stream asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) limit: Limit,
    /// Whether the limit on messages is one for a whole tick.
    pub(super) is_batch: bool,
    /// Whether the polling task registers to be woken when there is more.
    pub(super) registers: bool,
}

/// What a stream gets.
#[derive(Debug)]
pub(super) enum Taken {
    Chunk(Bytes),
    /// This many messages were evicted before the stream read them; `None` if that is not known.
    Lagged(Option<u64>),
    /// The messages at the position had expired; there may be more.
    Again,
    Nothing,
    /// The stream ends.
    End,
    /// Nothing was done: the caller must clone the task's waker and try again.
    NeedsWaker,
}

/// What a stream gets, and how it waits.
#[derive(Debug)]
pub(super) struct Polled {
    pub(super) taken: Taken,
    /// The [signal](super::listeners::Listeners::quiet_signal) when the stream began to wait.
    /// `None` if its next poll must take the lock.
    pub(super) seen_signal: Option<u64>,
    /// When the stream must poll even if it is not woken.
    pub(super) wake_at: Option<SystemTime>,
}
