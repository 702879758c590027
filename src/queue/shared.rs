//! What the handles and streams of a queue share: its lock and its clock.

use core::task::Context;
use std::sync::Arc;

use super::state::State;
use super::step::{Caller, NeedsClone, Step};
use crate::message::id::Epoch;
use crate::sync::Mutex;
use crate::time::Clock;

/// In how many holds of the lock a call catches up with the time at most.
pub(super) const MAX_HOLDS: usize = 32;

/// What handles and streams share.
pub(super) struct Shared {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) epoch: Epoch,
    pub(super) drops_oldest: bool,
    pub(super) state: Mutex<State>,
}

impl Shared {
    /// Works on the state, then brings it to rest; wakes and drops outside the lock.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut State, &mut Step) -> R) -> R {
        self.hold(1, work)
    }

    /// The same, after what has become due as time passed: so much of it that no call takes long.
    pub(super) fn with_caught_up<R>(&self, work: impl FnOnce(&mut State, &mut Step) -> R) -> R {
        self.hold(MAX_HOLDS, work)
    }

    /// Catches up with the time in at most so many holds of the lock, and works in the last one.
    fn hold<R>(&self, most: usize, work: impl FnOnce(&mut State, &mut Step) -> R) -> R {
        let now = self.clock.now();
        let mut left = most;
        loop {
            let mut state = self.state.lock();
            let mut step = Step::new(state.time(now));
            let is_behind = state.catch_up(&mut step);
            left = left.saturating_sub(1);
            if is_behind && left > 0 {
                state.settle(&mut step);
                drop(state);
                step.effects.run();
                continue;
            }
            let result = work(&mut state, &mut step);
            state.settle(&mut step);
            drop(state);
            step.effects.run();
            return result;
        }
    }

    /// Works on the state for a task that may have to wait. Its waker is cloned outside the lock, and
    /// only if it has to: then the work is done once more.
    pub(super) fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        work: impl FnMut(&mut State, &mut Step, &mut Caller<'_>) -> Result<R, NeedsClone>,
    ) -> R {
        self.poll_as(Caller::new(cx.waker()), work)
    }

    /// The same for a caller that may have cloned its waker already.
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
