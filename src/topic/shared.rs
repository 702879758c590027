//! What a topic's handles and streams share: the lock, the clock, and what is known without the lock.

use std::sync::Arc;
use std::time::SystemTime;

use super::effects::Step;
use super::publish_error::PublishError;
use super::state::State;
use super::store::Bounds;
use crate::message::id::{Epoch, Read};
use crate::message::{LastEventId, Message, Receipt};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use crate::time::Clock;

/// The highest number that a message may bring back: numbers go on after it, and must not run out.
pub(super) const HIGHEST_RETURNED: u64 = 1 << 48;

/// What handles and streams share.
pub(super) struct Shared {
    clock: Arc<dyn Clock>,
    epoch: Epoch,
    state: Mutex<State>,
    /// See [`State::settle`]; it changes under the lock. If it has not changed since a stream
    /// registered its waker, nothing was published and the lock can be skipped. `Relaxed` suffices:
    /// no other data is published through it, and a wake-up orders the change before the poll.
    signal: AtomicU64,
}

impl Shared {
    pub(super) fn new(clock: Arc<dyn Clock>, epoch: Epoch, bounds: Bounds, first: u64) -> Self {
        let now = clock.now();
        Self {
            clock,
            epoch,
            state: Mutex::new(State::new(bounds, epoch, first, now)),
            signal: AtomicU64::new(0),
        }
    }

    pub(super) fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    #[inline]
    pub(super) fn signal(&self) -> u64 {
        self.signal.load(Ordering::Relaxed)
    }

    /// The position before the message with the number that `next` returns.
    pub(super) fn position(&self, next: impl FnOnce(&State) -> u64) -> LastEventId {
        let next = self.with_lazy_clock(|state, _| next(state));
        LastEventId::new(self.epoch.id(next.saturating_sub(1)).as_str())
    }

    /// Why an event may not bring this id, if so.
    pub(super) fn refuses(
        &self,
        id: &str,
        is_returned: bool,
    ) -> Option<fn(Message) -> PublishError> {
        if id.is_empty() {
            return Some(PublishError::EmptyId);
        }
        if id.len() > LastEventId::MAX_LEN {
            return Some(PublishError::IdTooLong);
        }
        match self.epoch.read(id) {
            // A message that was in this topic, or in one of the same epoch, keeps its id.
            Read::Numbered(number) | Read::Delayed(number)
                if is_returned && (1..=HIGHEST_RETURNED).contains(&number) =>
            {
                None
            }
            Read::Numbered(_) | Read::Delayed(_) => Some(PublishError::ReservedId),
            Read::Foreign | Read::Other => None,
        }
    }

    /// Publishes a message. A message without a time needs the clock only if streams wait for it:
    /// their keep-alive counts from then.
    pub(super) fn publish(
        &self,
        message: Message,
        own_id: Option<Arc<str>>,
    ) -> Result<Receipt, PublishError> {
        let now = message.is_timed().then(|| self.clock.now());
        let needs_clock = |state: &State| state.is_timed() || state.has_waiting();
        self.step(now, needs_clock, |state, step| {
            state.publish(message, own_id, step)
        })
    }

    /// Works on a state that is up to the time, then wakes and drops outside the lock.
    ///
    /// What falls due or is evicted may be much: the lock is let go of in between.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut State, &mut Step) -> R) -> R {
        self.step(Some(self.clock.now()), State::is_timed, work)
    }

    /// As [`with`](Self::with), but the clock is read only where time plays a part: in most topics it
    /// does not, and reading it would cost more than all the rest.
    pub(super) fn with_lazy_clock<R>(&self, work: impl FnOnce(&mut State, &mut Step) -> R) -> R {
        self.step(None, State::is_timed, work)
    }

    fn step<R>(
        &self,
        mut now: Option<SystemTime>,
        needs_clock: impl Fn(&State) -> bool,
        work: impl FnOnce(&mut State, &mut Step) -> R,
    ) -> R {
        loop {
            let mut state = self.state.lock();
            if now.is_none() && needs_clock(&state) {
                drop(state);
                now = Some(self.clock.now());
                continue;
            }
            let mut step = Step::new(state.time(now));
            if state.catch_up(&mut step) {
                drop(state);
                continue;
            }
            let result = work(&mut state, &mut step);
            self.finish(state, step);
            return result;
        }
    }

    /// Lets go of the lock, then wakes and drops.
    pub(super) fn finish(&self, mut state: MutexGuard<'_, State>, mut step: Step) {
        let signal = state.settle(&mut step);
        self.signal.store(signal, Ordering::Relaxed);
        drop(state);
        while let Some(mut batch) = step.effects.wake() {
            let mut state = self.state.lock();
            if let Some((next, signal)) = state.give_back(&mut batch) {
                step.effects.batch = next;
                self.signal.store(signal, Ordering::Relaxed);
            }
            drop(state);
        }
    }
}
