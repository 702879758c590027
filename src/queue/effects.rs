//! What a step leaves to be done outside the lock.

use core::task::Waker;

use bytes::Bytes;

use crate::wake::wake;

/// What a step leaves to be done outside the lock: wakers and frames run code of others when they
/// are woken or dropped.
#[derive(Default)]
pub(super) struct Effects {
    few: [Option<Waker>; 4],
    many: Vec<Waker>,
    old: Option<Waker>,
    frame: Option<Bytes>,
    frames: Vec<Bytes>,
}

impl Effects {
    pub(super) fn run(self) {
        // Spelled out: every step comes by here, and an iterator over the array costs more than most
        // of what the step does.
        let [first, second, third, fourth] = self.few;
        let wake_some = |waker: Option<Waker>| {
            if let Some(waker) = waker {
                wake(waker);
            }
        };
        wake_some(first);
        wake_some(second);
        wake_some(third);
        wake_some(fourth);
        for waker in self.many {
            wake(waker);
        }
    }

    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        let Some(waker) = waker else {
            return;
        };
        match self.few.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(waker),
            None => self.many.push(waker),
        }
    }

    pub(super) fn wake_all(&mut self, wakers: impl Iterator<Item = Waker>) {
        self.many.extend(wakers);
    }

    /// Mostly one.
    pub(super) fn drop_frame(&mut self, frame: Bytes) {
        match self.frame {
            None => self.frame = Some(frame),
            Some(_) => self.frames.push(frame),
        }
    }

    /// A step replaces one waker at the most.
    pub(super) fn drop_later(&mut self, waker: Option<Waker>) {
        self.old = self.old.take().or(waker);
    }
}
