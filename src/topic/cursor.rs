//! One stream's position in the log, what it asks for, and what it gets.
//!
//! Pure: no lock, no clock.

use std::time::SystemTime;

use bytes::Bytes;

use crate::source::Limit;

/// What one stream keeps of itself. Its position in the log is all there is: nothing is queued for it.
#[derive(Debug)]
pub(super) struct Cursor {
    /// While the stream is open no other has this slot.
    pub(super) slot: usize,
    /// The number of the message that it reads next.
    pub(super) position: u64,
    /// Where the burst ends that it is reading: what was there when it began.
    target: u64,
    /// When the newest message of the last chunk that it took had entered the log.
    pub(super) chunk_came: SystemTime,
    /// If not, no other stream relies on its being armed.
    pub(super) may_be_armed: bool,
}

impl Cursor {
    pub(super) fn new(slot: usize, position: u64, now: SystemTime) -> Self {
        Self {
            slot,
            position,
            target: position,
            chunk_came: now,
            may_be_armed: false,
        }
    }

    /// Whether the burst that it is reading goes on.
    pub(super) fn is_in_burst(&self) -> bool {
        self.position < self.target
    }

    /// How much it may read in one chunk, if `next` is the end of the log: no more than its burst,
    /// which may begin here.
    pub(super) fn limit(&mut self, next: u64, ask: Ask) -> Limit {
        if !self.is_in_burst() {
            // On a grid, a burst has as many messages as a tick allows.
            let batch = u64::try_from(ask.limit.messages.max(1)).unwrap_or(u64::MAX);
            let most = if ask.is_batch { batch } else { u64::MAX };
            self.target = self.position.saturating_add(most).min(next);
        }
        let left = self.target.saturating_sub(self.position);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        Limit::new(ask.limit.bytes, left.min(ask.limit.messages))
    }

    /// It has read a whole burst of so many messages.
    pub(super) fn pass(&mut self, messages: u64) {
        self.position = self.position.saturating_add(messages);
        self.target = self.position;
    }
}

/// What a stream asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) limit: Limit,
    pub(super) is_batch: bool,
    /// A task polls, which is woken when there is more.
    pub(super) registers: bool,
}

/// What a stream gets.
#[derive(Debug)]
pub(super) enum Taken {
    Chunk(Bytes),
    /// This many messages were evicted before the stream read them.
    Lagged(Option<u64>),
    /// Whatever was read had expired; there may be more.
    Again,
    Nothing,
    End,
    /// The waker of the stream's task is needed: nothing was done.
    NeedsWaker,
}

/// What a stream gets, and how it waits.
#[derive(Debug)]
pub(super) struct Polled {
    pub(super) taken: Taken,
    /// The [signal](super::listeners::Listeners::quiet_signal) as it began to wait, unless it must come to the lock in its
    /// next poll.
    pub(super) waits_since: Option<u64>,
    /// When it must poll without being woken.
    pub(super) wake_at: Option<SystemTime>,
}
