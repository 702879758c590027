//! What a topic's handles and streams share: the lock, the clock, and the signal that is read
//! without the lock.

use std::sync::Arc;
use std::time::SystemTime;

use super::effects::Step;
use super::group::Member;
use super::publish_error::PublishError;
use super::state::State;
use super::store::Bounds;
use crate::message::id::{Epoch, HIGHEST_GIVEN, Read};
use crate::message::{LastEventId, Message, Receipt};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use crate::time::Clock;

/// Shared by all handles and streams of a topic.
pub(super) struct Shared {
    clock: Arc<dyn Clock>,
    epoch: Epoch,
    state: Mutex<State>,
    /// The result of the last [`State::settle`], stored under the lock. If it has not changed since
    /// a stream registered its waker, there is nothing new and the stream can skip the lock.
    /// `Relaxed` suffices: no other data is published through it, and a wake-up orders the change
    /// before the poll.
    signal: AtomicU64,
    /// In a topic that belongs to a registry.
    member: Option<Member>,
}

impl Shared {
    pub(super) fn new(clock: Arc<dyn Clock>, epoch: Epoch, bounds: Bounds, first: u64) -> Self {
        let now = clock.now();
        Self {
            clock,
            epoch,
            state: Mutex::new(State::new(bounds, epoch, first, now)),
            signal: AtomicU64::new(0),
            member: None,
        }
    }

    /// Makes a new topic a member of a registry.
    pub(super) fn into_member(mut self, member: Member) -> Self {
        self.state.lock().share_budget(member.budget());
        self.member = Some(member);
        self
    }

    #[inline]
    pub(super) fn member(&self) -> Option<&Member> {
        self.member.as_ref()
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

    /// Why a message with this id is refused, if it is.
    pub(super) fn refusal(
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
            // A message that comes back from a topic with the same epoch keeps its id.
            Read::Numbered(number) | Read::Delayed(number)
                if is_returned && (1..=HIGHEST_GIVEN).contains(&number) =>
            {
                None
            }
            Read::Numbered(_) | Read::Delayed(_) => Some(PublishError::ReservedId),
            Read::Foreign | Read::Other => None,
        }
    }

    /// Publishes a message. For a message without a time, the clock is read only if streams wait:
    /// their keep-alive needs the time of the chunk.
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

    /// Runs `work` on the state after applying everything due by now, then wakes and drops outside
    /// the lock.
    ///
    /// If many messages fall due or are evicted, the lock is released in between.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut State, &mut Step) -> R) -> R {
        self.step(Some(self.clock.now()), State::is_timed, work)
    }

    /// Like [`with`](Self::with), but reads the clock only if the topic has messages with times.
    /// Most do not, and reading the clock would cost more than the rest of the step.
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
            let mut step = Step::new(state.advance_time(now));
            if state.catch_up(&mut step) {
                drop(state);
                continue;
            }
            let result = work(&mut state, &mut step);
            self.finish(state, step);
            return result;
        }
    }

    /// Settles the state, releases the lock, and then wakes and drops.
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
