//! What the topics of one registry share, and what makes a topic a member of it.
//!
//! A member counts its *users*: handles that the registry gave out, filters, and open streams. Only
//! the registry takes the count from 0 to 1, under its lock, and no stream or filter is made without
//! a handle; so a count of 0 that is read under that lock stays 0. The last user to leave puts the
//! member into the group's inbox, where the next call of the registry finds it: no lock, no clock,
//! and no walk over all topics.
//!
//! ```text
//! is_sealed   the member                                        its last user
//! 1           is not in the registry yet, or not any more       does nothing
//! 0           is used, or is known to be idle                   seals it, and puts it into the inbox
//! 1           is in the inbox; the registry unseals it again    does nothing
//! ```
//!
//! A sealed member in the registry is not evicted, so what the inbox names is always there.

use core::num::NonZeroU64;
use core::task::Waker;
use std::sync::{Arc, OnceLock, Weak};

use super::builder::TopicBuilder;
use super::handle::Topic;
use crate::budget::Budget;
use crate::message::id::Epoch;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::wake::wake;
use crate::watchers::Watchers;

/// The maximum number of tasks that one hold of the lock wakes.
const MAX_WAKES: usize = 64;
/// What a message may count in addition to its frame.
const OVERHEAD: u64 = 64;
/// The end of the inbox.
const NONE: u64 = 0;

/// How far the end of all topics has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Open,
    Closed,
    Aborted,
}

/// What the topics of one registry share.
pub(crate) struct Group {
    budget: Arc<Budget>,
    /// The code of the member that was put in last. Each names the one before it.
    inbox: AtomicU64,
    /// Open streams of all members, including those that have left the registry.
    streams: AtomicU64,
    /// A [`Phase`]. It is written before the watchers' lock is taken, and read under it.
    phase: AtomicU64,
    watchers: Mutex<EndWatchers>,
    /// The number of members that the registry knows to be idle.
    idle: AtomicU64,
    registry: OnceLock<Weak<dyn Evict>>,
}

/// A registry that can evict idle topics.
pub(crate) trait Evict: Send + Sync {
    /// Evicts some idle topics, so that this many bytes fit.
    fn free_bytes(&self, bytes: u64);
}

#[derive(Debug, Default)]
struct EndWatchers {
    /// Tasks that wait for the beginning of the end.
    closed: Watchers,
    /// Tasks that wait until no stream is left as well.
    ended: Watchers,
}

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The beginning of the end.
    Closed,
    /// No stream is left after that.
    Ended,
}

impl Group {
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self {
            budget: Arc::new(Budget::new(max_bytes)),
            inbox: AtomicU64::new(NONE),
            streams: AtomicU64::new(0),
            phase: AtomicU64::new(Phase::Open as u64),
            watchers: Mutex::default(),
            idle: AtomicU64::new(0),
            registry: OnceLock::new(),
        }
    }

    /// Sets the registry that evicts members, once.
    pub(crate) fn set_registry(&self, registry: Weak<dyn Evict>) {
        // It is set when the group is made, so it is not set yet.
        let _ = self.registry.set(registry);
    }

    pub(crate) fn record_idle(&self, members: usize) {
        let members = u64::try_from(members).unwrap_or(u64::MAX);
        self.idle.store(members, Ordering::Relaxed);
    }

    /// Lets the registry evict idle members if this many bytes do not fit.
    #[inline]
    fn make_space(&self, bytes: u64) {
        if !self.budget.has_capacity(bytes) && self.may_have_idle() {
            self.evict_idle(bytes);
        }
    }

    fn may_have_idle(&self) -> bool {
        self.idle.load(Ordering::Relaxed) > 0 || !self.is_inbox_empty()
    }

    #[cold]
    fn evict_idle(&self, bytes: u64) {
        if let Some(registry) = self.registry.get().and_then(Weak::upgrade) {
            registry.free_bytes(bytes);
        }
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) fn streams(&self) -> u64 {
        self.streams.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn is_inbox_empty(&self) -> bool {
        self.inbox.load(Ordering::Relaxed) == NONE
    }

    /// Takes all of the inbox: the code of the newest member in it. Those before it are found by
    /// [`Topic::leave_inbox`].
    pub(crate) fn take_inbox(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.inbox.swap(NONE, Ordering::Acquire))
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Open,
            1 => Phase::Closed,
            _ => Phase::Aborted,
        }
    }

    /// Begins the end, and wakes all who wait for it.
    pub(crate) fn end(&self, phase: Phase) {
        self.phase.fetch_max(phase as u64, Ordering::AcqRel);
        self.wake_watchers();
    }

    fn has_come(&self, stage: Stage) -> bool {
        self.phase() > Phase::Open && (stage == Stage::Closed || self.streams() == 0)
    }

    /// Whether this stage of the end has come. If not, wakes `waker` when it does, in place of the
    /// one that this watcher had before.
    pub(crate) fn poll_stage(&self, stage: Stage, watcher: &mut Option<u64>, waker: Waker) -> bool {
        let mut watchers = self.watchers.lock();
        let has_come = self.has_come(stage);
        let displaced = if has_come {
            Some(waker)
        } else {
            watchers.of(stage).wait(watcher, waker)
        };
        drop(watchers);
        drop(displaced);
        has_come
    }

    pub(crate) fn leave_stage(&self, stage: Stage, watcher: u64) {
        let waker = self.watchers.lock().of(stage).remove(watcher);
        drop(waker);
    }

    fn wake_watchers(&self) {
        loop {
            let mut watchers = self.watchers.lock();
            let has_ended = self.has_come(Stage::Ended);
            let has_begun = self.has_come(Stage::Closed);
            let EndWatchers { closed, ended } = &mut *watchers;
            let wakers = core::iter::from_fn(|| {
                let closed = has_begun.then(|| closed.pop()).flatten();
                closed.or_else(|| has_ended.then(|| ended.pop()).flatten())
            });
            let wakers: Vec<Waker> = wakers.take(MAX_WAKES).collect();
            drop(watchers);
            let is_last = wakers.len() < MAX_WAKES;
            wakers.into_iter().for_each(wake);
            if is_last {
                return;
            }
        }
    }
}

impl EndWatchers {
    fn of(&mut self, stage: Stage) -> &mut Watchers {
        match stage {
            Stage::Closed => &mut self.closed,
            Stage::Ended => &mut self.ended,
        }
    }
}

/// What makes a topic a member of a [`Group`].
pub(super) struct Member {
    group: Arc<Group>,
    /// Names the topic in its registry.
    code: NonZeroU64,
    /// Handles that the registry gave out, filters, and open streams.
    users: AtomicU64,
    is_sealed: AtomicU64,
    /// The member before this one in the inbox.
    next: AtomicU64,
    is_closed: AtomicU64,
}

impl Member {
    fn new(group: &Arc<Group>, code: NonZeroU64) -> Self {
        Self {
            group: Arc::clone(group),
            code,
            users: AtomicU64::new(0),
            is_sealed: AtomicU64::new(1),
            next: AtomicU64::new(NONE),
            is_closed: AtomicU64::new(0),
        }
    }

    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.group.budget
    }

    /// Lets the registry evict idle topics if a frame of this length, with labels that cost this
    /// much, does not fit. Called outside the topic's lock.
    #[inline]
    pub(super) fn make_space(&self, frame: usize, labels: u64) {
        let frame = u64::try_from(frame).unwrap_or(u64::MAX);
        let bytes = frame.saturating_add(labels);
        self.group.make_space(bytes.saturating_add(OVERHEAD));
    }

    pub(super) fn record_end(&self) {
        self.is_closed.store(1, Ordering::Release);
    }

    pub(super) fn stream_opened(&self) {
        self.group.streams.fetch_add(1, Ordering::Relaxed);
        self.enter();
    }

    /// Called outside the topic's lock.
    pub(super) fn stream_closed(&self) {
        self.leave();
        if self.group.streams.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The lock orders this and the beginning of the end, which may come now.
            self.group.wake_watchers();
        }
    }

    /// A user enters. `Relaxed` suffices, as in an `Arc`: it comes from another user, or from the
    /// registry's lock.
    pub(super) fn enter(&self) {
        self.users.fetch_add(1, Ordering::Relaxed);
    }

    /// A user leaves. Called outside the topic's lock.
    pub(super) fn leave(&self) {
        if self.users.fetch_sub(1, Ordering::AcqRel) == 1
            && self.is_sealed.swap(1, Ordering::AcqRel) == 0
        {
            self.enter_inbox();
        }
    }

    fn enter_inbox(&self) {
        let inbox = &self.group.inbox;
        let name = self.code.get();
        let mut newest = inbox.load(Ordering::Relaxed);
        loop {
            self.next.store(newest, Ordering::Relaxed);
            match inbox.compare_exchange_weak(newest, name, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => newest = other,
            }
        }
    }
}

/// A member's user, until this is dropped.
pub(crate) struct Hold {
    root: Topic,
}

impl Hold {
    /// A handle of the topic, in place of this.
    pub(crate) fn into_topic(self) -> Topic {
        Topic::held(self)
    }

    pub(super) fn root(&self) -> &Topic {
        &self.root
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(member) = self.root.shared().member() {
            member.leave();
        }
    }
}

/// What the registry does with its own handle of a topic, the *root*. It is no user.
impl Topic {
    /// Makes a topic in a group, for a registry that knows it by `code`.
    pub(crate) fn root(
        builder: TopicBuilder,
        group: &Arc<Group>,
        code: NonZeroU64,
        epoch: Epoch,
    ) -> Self {
        builder.build_member(epoch, Member::new(group, code))
    }

    /// Makes a user of the topic. Called under the registry's lock.
    pub(crate) fn hold(&self) -> Hold {
        if let Some(member) = self.shared().member() {
            member.enter();
        }
        Hold { root: self.clone() }
    }

    /// Whether the topic has no user. Under the registry's lock, that stays so.
    pub(crate) fn is_idle(&self) -> bool {
        let member = self.shared().member();
        member.is_none_or(|member| member.users.load(Ordering::Acquire) == 0)
    }

    /// Whether the topic was closed, read without its lock.
    pub(crate) fn has_member_ended(&self) -> bool {
        let member = self.shared().member();
        member.is_some_and(|member| member.is_closed.load(Ordering::Acquire) == 1)
    }

    /// Begins to tell the registry when the last user leaves.
    pub(crate) fn unseal(&self) {
        if let Some(member) = self.shared().member() {
            member.is_sealed.store(0, Ordering::Release);
        }
    }

    /// Takes the topic from the chain of an inbox that was taken; returns the code of the next.
    pub(crate) fn leave_inbox(&self) -> Option<NonZeroU64> {
        let member = self.shared().member()?;
        let next = member.next.load(Ordering::Relaxed);
        // A swap, so that it comes before or after that of a user who leaves: it sees that the user
        // has left, or the user sees that it must enter the inbox again.
        member.is_sealed.swap(0, Ordering::AcqRel);
        NonZeroU64::new(next)
    }

    /// Seals a topic that is to leave the registry; false if it is in the inbox.
    pub(crate) fn seal(&self) -> bool {
        let member = self.shared().member();
        member.is_none_or(|member| member.is_sealed.swap(1, Ordering::AcqRel) == 0)
    }
}
