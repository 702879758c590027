//! One step under the lock, and the effects that it defers until the lock is released.

use core::task::Waker;
use std::time::SystemTime;

use bytes::Bytes;

use super::wait_set::Batch;
use crate::wake::wake;

/// The time of a step, and its deferred effects.
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

/// What to wake and drop after the lock is released, since both run the caller's code.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Streams to wake.
    pub(super) batch: Option<Batch>,
    /// Drivers to wake.
    drivers: Vec<Waker>,
    /// A waker to drop, which was replaced or removed.
    displaced: Option<Waker>,
    frames: Frames,
}

/// Frames to drop. Most steps have at most one, which needs no list.
#[derive(Debug, Default)]
struct Frames {
    first: Option<Bytes>,
    rest: Vec<Bytes>,
}

impl Effects {
    /// Drops a waker after the lock is released. A step displaces at most one.
    pub(super) fn drop_waker(&mut self, waker: Option<Waker>) {
        debug_assert!(
            waker.is_none() || self.displaced.is_none(),
            "a step displaces at most one waker"
        );
        self.displaced = waker.or(self.displaced.take());
    }

    /// Drops a frame after the lock is released.
    pub(super) fn drop_frame(&mut self, frame: Bytes) {
        match self.frames.first {
            None => self.frames.first = Some(frame),
            Some(_) => self.frames.rest.push(frame),
        }
    }

    /// Wakes drivers after the lock is released.
    pub(super) fn wake_drivers(&mut self, drivers: impl Iterator<Item = Waker>) {
        self.drivers.extend(drivers);
    }

    /// Wakes all tasks. Returns the wakers to give back to the wait set.
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
