//! What the handles and streams of a queue share: its lock and its clock.

use core::hint::black_box;
use core::task::Context;
use std::sync::Arc;

use super::state::{State, Turn};
use super::step::{Caller, NeedsClone, Step};
use super::turns::Turns;
use crate::message::id::Epoch;
use crate::sync::MutexGuard;
use crate::time::Clock;

/// In how many holds of the lock a call catches up with the time.
pub(super) const MAX_HOLDS: usize = 16;

/// What handles and streams share.
pub(super) struct Shared {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) epoch: Epoch,
    pub(super) drops_oldest: bool,
    pub(super) state: Turns<State>,
}

impl Shared {
    /// Runs one step, then its effects outside the lock.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut State, &mut Step) -> R) -> R {
        self.hold(1, work)
    }

    /// The same, after catching up with the time, as far as no call takes long.
    pub(super) fn with_caught_up<R>(&self, work: impl FnOnce(&mut State, &mut Step) -> R) -> R {
        self.hold(MAX_HOLDS, work)
    }

    /// Catches up with the time in at most `max` holds of the lock, and works in the last one.
    #[inline]
    fn hold<R>(&self, max: usize, work: impl FnOnce(&mut State, &mut Step) -> R) -> R {
        let now = self.clock.now();
        let mut left = max;
        loop {
            let mut state = self.state.lock();
            let mut step = Step::new(state.advance_time(now));
            let is_behind = state.catch_up(&mut step);
            left = left.saturating_sub(1);
            if is_behind && left > 0 {
                self.leave(state, step);
                continue;
            }
            let result = work(&mut state, &mut step);
            state.settle(&mut step);
            let ended = state.count_moved(step.moved().max(1));
            drop(state);
            step.effects.run();
            if let Some(turn) = ended {
                self.end_turn(turn);
            }
            return result;
        }
    }

    /// Ends a hold of the lock that has only caught up.
    #[inline(never)]
    fn leave(&self, mut state: MutexGuard<'_, State>, mut step: Step) {
        state.settle(&mut step);
        let ended = state.count_moved(step.moved());
        drop(state);
        step.effects.run();
        if let Some(turn) = ended {
            self.end_turn(turn);
        }
    }

    #[inline(never)]
    fn end_turn(&self, turn: Turn) {
        self.state.end_turn();
        if turn == Turn::OfCrowd {
            join_free_chunks();
        }
    }

    /// Runs a step for a task that may have to wait. Its waker is cloned outside the lock, and only
    /// if necessary: then the step is repeated.
    pub(super) fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        work: impl FnMut(&mut State, &mut Step, &mut Caller<'_>) -> Result<R, NeedsClone>,
    ) -> R {
        self.poll_as(Caller::new(cx.waker()), work)
    }

    /// The same, for a caller that may have cloned its waker already.
    #[inline]
    pub(super) fn poll_as<R>(
        &self,
        mut caller: Caller<'_>,
        mut work: impl FnMut(&mut State, &mut Step, &mut Caller<'_>) -> Result<R, NeedsClone>,
    ) -> R {
        loop {
            match self.with_caught_up(|state, step| work(state, step, &mut caller)) {
                Ok(result) => return result,
                Err(NeedsClone) => caller.clone_waker(),
            }
        }
    }
}

/// Lets glibc's allocator join free small chunks.
///
/// It keeps them apart until it gets a large request, and then joins all of them at once. After a
/// million small messages were acked at random, that took 400 ms, under the lock. With one large
/// request in each turn it takes about a millisecond each time, outside the lock. To other
/// allocators this is a request like any other.
fn join_free_chunks() {
    /// Larger than what its caches serve.
    const LARGE: usize = 2048;

    drop(black_box(Vec::<u8>::with_capacity(LARGE)));
}
