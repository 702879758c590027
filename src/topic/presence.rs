//! Tasks that wait until a topic has no stream for a while.
//!
//! ```text
//! streams   the task waits for        woken by
//! some      there to be none          the drop of the last stream
//! none      its ticker, or a stream   the next stream, or the end of the topic
//! ```
//!
//! Pure: no lock, no clock.

use core::task::Waker;

use super::effects::Step;
use crate::watchers::Watchers;

/// The most tasks that one step wakes.
const MAX_WAKES: usize = 64;

/// Whether a topic has streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occupancy {
    Occupied,
    /// No stream is open, and this many have been opened before.
    Deserted(u64),
    /// No stream is open, and the topic has ended.
    Ended,
}

/// The tasks that wait for it to change.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// The number of streams that were opened.
    opened: u64,
    /// Wait until no stream is open.
    for_none: Watchers,
    /// Wait until a stream is opened, or the topic has ended.
    for_some: Watchers,
}

/// The entries of one task in the two lists.
#[derive(Debug, Default)]
pub(super) struct Seat {
    for_none: Option<u64>,
    for_some: Option<u64>,
}

impl Seat {
    pub(super) fn is_taken(&self) -> bool {
        self.for_none.is_some() || self.for_some.is_some()
    }
}

/// Wakers to be dropped by the caller.
pub(super) type Displaced = [Option<Waker>; 2];

impl Presence {
    /// The number of streams that were opened.
    pub(super) fn count(&self) -> u64 {
        self.opened
    }

    /// A stream was opened.
    pub(super) fn opened(&mut self, step: &mut Step) {
        self.opened = self.opened.wrapping_add(1);
        wake(&mut self.for_some, step);
    }

    /// The last stream was dropped.
    pub(super) fn vacated(&mut self, step: &mut Step) {
        wake(&mut self.for_none, step);
    }

    /// Takes the waker of a task that waits for anything.
    pub(super) fn pop(&mut self) -> Option<Waker> {
        self.for_some.pop().or_else(|| self.for_none.pop())
    }

    /// Waits until `occupancy` changes, and wakes the tasks that a former step left over.
    pub(super) fn wait(
        &mut self,
        occupancy: Occupancy,
        seat: &mut Seat,
        waker: Waker,
        step: &mut Step,
    ) -> Displaced {
        match occupancy {
            Occupancy::Occupied => {
                wake(&mut self.for_some, step);
                let other = remove(&mut self.for_some, &mut seat.for_some);
                [other, self.for_none.wait(&mut seat.for_none, waker)]
            }
            Occupancy::Deserted(_) => {
                wake(&mut self.for_none, step);
                let other = remove(&mut self.for_none, &mut seat.for_none);
                [other, self.for_some.wait(&mut seat.for_some, waker)]
            }
            Occupancy::Ended => [Some(waker), None],
        }
    }

    pub(super) fn leave(&mut self, seat: &mut Seat) -> Displaced {
        [
            remove(&mut self.for_none, &mut seat.for_none),
            remove(&mut self.for_some, &mut seat.for_some),
        ]
    }
}

fn wake(list: &mut Watchers, step: &mut Step) {
    let wakers = core::iter::from_fn(|| list.pop());
    step.effects.wake_drivers(wakers.take(MAX_WAKES));
}

fn remove(list: &mut Watchers, id: &mut Option<u64>) -> Option<Waker> {
    list.remove(id.take()?)
}
