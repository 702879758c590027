//! What a step leaves to be done outside the lock.

use core::task::Waker;
use std::time::SystemTime;

use bytes::Bytes;

use super::wait_set::Batch;
use crate::wake::wake;

/// One step: its time, and what it leaves to be done.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) now: SystemTime,
    pub(super) effects: Effects,
}

impl Step {
    pub(super) fn new(now: SystemTime) -> Self {
        Self {
            now,
            effects: Effects::default(),
        }
    }
}

/// What is woken and dropped outside the lock, since both run code of others.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) batch: Option<Batch>,
    drivers: Vec<Waker>,
    /// A waker that was replaced or removed.
    displaced: Option<Waker>,
    frames: Frames,
}

/// Frames to be dropped; a step mostly leaves one.
#[derive(Debug, Default)]
struct Frames {
    first: Option<Bytes>,
    rest: Vec<Bytes>,
}

impl Effects {
    /// Drops a waker outside the lock: a step displaces one at the most.
    pub(super) fn drop_waker(&mut self, waker: Option<Waker>) {
        debug_assert!(
            waker.is_none() || self.displaced.is_none(),
            "one is dropped here"
        );
        self.displaced = waker.or(self.displaced.take());
    }

    /// Drops a frame outside the lock.
    pub(super) fn drop_frame(&mut self, frame: Bytes) {
        match self.frames.first {
            None => self.frames.first = Some(frame),
            Some(_) => self.frames.rest.push(frame),
        }
    }

    /// Wakes drivers outside the lock.
    pub(super) fn wake_drivers(&mut self, drivers: impl Iterator<Item = Waker>) {
        self.drivers.extend(drivers);
    }

    /// Wakes; returns the wakers to give back.
    pub(super) fn wake(&mut self) -> Option<Batch> {
        let batch = self.batch.take();
        if let Some(batch) = &batch {
            batch.wake();
        }
        if !self.drivers.is_empty() {
            self.drivers.drain(..).for_each(wake);
        }
        batch
    }
}
