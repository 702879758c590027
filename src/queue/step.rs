//! One step on a queue's state: its time, and its effects outside the lock.

use core::mem;
use core::task::Waker;
use std::time::SystemTime;

use bytes::Bytes;

use crate::wake::wake;

/// How many messages one hold of the lock moves at most, and how many tasks it wakes.
pub(super) const MAX_PER_HOLD: usize = 64;

/// How many messages are moved before waiting threads are let in.
pub(super) const MAX_PER_TURN: usize = 256;

/// One step: its time, and its effects.
pub(super) struct Step {
    pub(super) now: SystemTime,
    pub(super) effects: Effects,
    /// How many messages it has discarded or returned, or moved as some of many.
    moved: usize,
}

impl Step {
    pub(super) fn new(now: SystemTime) -> Self {
        Self {
            now,
            effects: Effects::default(),
            moved: 0,
        }
    }

    /// How many messages were counted.
    #[inline]
    pub(super) fn moved(&self) -> usize {
        self.moved
    }

    /// Counts a message to be discarded, returned, or moved as one of many; false if it must wait for the next step.
    #[inline]
    pub(super) fn count_move(&mut self) -> bool {
        let may_move = self.moved < MAX_PER_HOLD;
        self.moved = self.moved.saturating_add(usize::from(may_move));
        may_move
    }
}

/// What happens outside the lock, because waking and dropping may run a caller's code.
#[derive(Default)]
pub(super) struct Effects {
    few: [Option<Waker>; 2],
    wakes: usize,
    displaced: Option<Waker>,
    frame: Option<Bytes>,
    /// Most steps have none.
    many: Option<Box<Many>>,
}

#[derive(Default)]
struct Many {
    wakers: Vec<Waker>,
    displaced: Vec<Waker>,
    frames: Vec<Bytes>,
}

impl Effects {
    /// Wakes and drops, outside the lock.
    #[inline]
    pub(super) fn run(self) {
        let is_idle = self.wakes == 0 && self.displaced.is_none() && self.frame.is_none();
        if is_idle && self.many.is_none() {
            // There is nothing to drop.
            mem::forget(self);
        } else {
            self.run_all();
        }
    }

    #[inline(never)]
    fn run_all(self) {
        self.few.into_iter().flatten().for_each(wake);
        if let Some(many) = self.many {
            many.wakers.into_iter().for_each(wake);
        }
    }

    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        let Some(waker) = waker else {
            return;
        };
        self.wakes = self.wakes.saturating_add(1);
        match self.few.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(waker),
            None => self.many().wakers.push(waker),
        }
    }

    /// How many more tasks this step may wake.
    #[inline]
    pub(super) fn wakes_left(&self) -> usize {
        MAX_PER_HOLD.saturating_sub(self.wakes)
    }

    /// Drops a waker outside the lock; mostly there is one at most.
    #[inline]
    pub(super) fn drop_waker(&mut self, waker: Option<Waker>) {
        if waker.is_none() {
            return;
        }
        match self.displaced {
            None => self.displaced = waker,
            Some(_) => self.many().displaced.extend(waker),
        }
    }

    pub(super) fn drop_frame(&mut self, frame: Bytes) {
        match self.frame {
            None => self.frame = Some(frame),
            Some(_) => self.many().frames.push(frame),
        }
    }

    fn many(&mut self) -> &mut Many {
        self.many.get_or_insert_default()
    }
}

/// The waker of a polling task, cloned only if necessary, and never under the lock.
pub(super) struct Caller<'a> {
    waker: &'a Waker,
    clone: Option<Waker>,
}

/// The waker must be cloned outside the lock, and the step repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NeedsClone;

impl<'a> Caller<'a> {
    pub(super) fn new(waker: &'a Waker) -> Self {
        Self { waker, clone: None }
    }

    /// Clones the waker, outside the lock.
    pub(super) fn clone_waker(&mut self) {
        self.clone = Some(self.waker.clone());
    }

    /// Registers the task's waker in `slot`; returns the one that was replaced, to be dropped
    /// outside the lock.
    pub(super) fn register(
        &mut self,
        slot: &mut Option<Waker>,
    ) -> Result<Option<Waker>, NeedsClone> {
        if slot.as_ref().is_some_and(|kept| kept.will_wake(self.waker)) {
            return Ok(None);
        }
        let clone = self.clone.take().ok_or(NeedsClone)?;
        Ok(slot.replace(clone))
    }
}
