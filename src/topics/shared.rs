//! What the handles of a registry share: the table under its lock, the clock, and the settings.
//!
//! A topic's lock is never taken under the table's lock, nor is a key hashed, compared, cloned or
//! dropped, or a topic made or dropped.

use core::borrow::Borrow;
use core::hash::{BuildHasher, Hash};
use core::num::NonZeroU64;
use core::time::Duration;
use std::collections::hash_map::RandomState;
use std::sync::Arc;

use super::code::Code;
use super::error::TooManyTopics;
use super::stats::TopicsStats;
use super::table::Table;
use crate::message::id::Epoch;
use crate::sync::{Mutex, MutexGuard};
use crate::time::Clock;
use crate::topic::{Evict, Group, Hold, Phase, Topic, TopicBuilder};

/// The maximum number of topics that one hold of the lock notices, and that it evicts.
const MAX_PER_STEP: usize = 64;

/// The settings of each topic.
pub(super) type Settings = dyn Fn(TopicBuilder) -> TopicBuilder + Send + Sync;

/// Shared by all handles of a registry.
pub(super) struct Shared<K> {
    clock: Arc<dyn Clock>,
    settings: Box<Settings>,
    hasher: RandomState,
    max_topics: usize,
    keep: Duration,
    group: Arc<Group>,
    registry: Mutex<Registry<K>>,
}

/// A topic and its key.
struct Keyed<K> {
    key: K,
    topic: Topic,
}

struct Registry<K> {
    table: Table<Arc<Keyed<K>>>,
    /// What is left of the inbox that was taken last: the code of a topic, which names the next.
    inbox: Option<NonZeroU64>,
    /// Counts the epochs that were drawn.
    draws: u64,
    evicted: u64,
}

/// Topics that have left the registry, to be dropped after its lock is released.
type Evicted<K> = Vec<Arc<Keyed<K>>>;

/// What a call finds for a key.
enum Place<K> {
    /// A topic that may have this key, a user of it, and its serial.
    Candidate(Arc<Keyed<K>>, Hold, u64),
    /// No topic has the key. A new one would have this code, and this draw in its epoch.
    Free(Code, u64),
    /// Some topics have to be noticed first.
    Unknown,
    Full,
}

impl<K> Shared<K> {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        settings: Box<Settings>,
        (max_topics, max_bytes, keep): (usize, usize, Duration),
    ) -> Self {
        let hasher = RandomState::new();
        let registry = Registry {
            table: Table::new(clock.now()),
            inbox: None,
            draws: hasher.hash_one("draws"),
            evicted: 0,
        };
        Self {
            clock,
            settings,
            hasher,
            max_topics,
            keep,
            group: Arc::new(Group::new(u64::try_from(max_bytes).unwrap_or(u64::MAX))),
            registry: Mutex::new(registry),
        }
    }

    pub(super) fn group(&self) -> &Arc<Group> {
        &self.group
    }

    pub(super) fn len(&self) -> usize {
        self.step(|registry, _| registry.table.len())
    }

    pub(super) fn stats(&self) -> TopicsStats {
        let to_usize = |number| usize::try_from(number).unwrap_or(usize::MAX);
        self.step(|registry, _| TopicsStats {
            topics: registry.table.len(),
            idle: registry.table.idle(),
            bytes: to_usize(self.group.budget().used()),
            streams: to_usize(self.group.streams()),
            created: registry.table.made(),
            evicted: registry.evicted,
        })
    }

    /// Moves eviction on. Returns how long until there is more to do, if that is known.
    pub(super) fn tend(&self) -> Option<Duration> {
        self.step(|registry, _| {
            let has_more = registry.inbox.is_some() || !self.group.is_inbox_empty();
            let next = || registry.table.next_outdated(self.keep);
            if has_more {
                Some(Duration::ZERO)
            } else {
                next()
            }
        })
    }

    /// The longest time that a topic is kept without users.
    pub(super) fn keep(&self) -> Duration {
        self.keep
    }

    /// Runs `work` on the registry after moving eviction on. The clock is read only if a topic is
    /// idle, or must be found that is.
    fn step<R>(&self, work: impl FnOnce(&mut Registry<K>, &mut Evicted<K>) -> R) -> R {
        let mut evicted = Vec::new();
        let mut registry = self.registry.lock();
        if registry.inbox.is_some()
            || !self.group.is_inbox_empty()
            || registry.table.idle() > 0
            || registry.table.len() >= self.max_topics
        {
            drop(registry);
            let now = self.clock.now();
            registry = self.registry.lock();
            registry.table.advance_time(Some(now));
            self.evict_outdated(&mut registry, &mut evicted);
        }
        let result = work(&mut registry, &mut evicted);
        self.group.record_idle(registry.table.idle());
        drop(registry);
        drop(evicted);
        self.evict_for_budget(0);
        result
    }

    fn evict_outdated(&self, registry: &mut Registry<K>, evicted: &mut Evicted<K>) {
        registry.notice(&self.group, self.keep);
        for _ in 0..MAX_PER_STEP {
            let Some(code) = registry.table.outdated(self.keep) else {
                return;
            };
            registry.evict(code, self.keep, evicted);
        }
    }

    /// Evicts the topics that have been idle for longest, one at a time, while this many bytes do not
    /// fit.
    fn evict_for_budget(&self, bytes: u64) {
        for _ in 0..MAX_PER_STEP {
            if self.group.budget().has_capacity(bytes) {
                return;
            }
            let mut evicted = Vec::new();
            let mut registry = self.registry.lock();
            let oldest = registry.table.oldest();
            if let Some(code) = oldest {
                registry.evict(code, self.keep, &mut evicted);
            }
            self.group.record_idle(registry.table.idle());
            drop(registry);
            drop(evicted);
            if oldest.is_none() {
                return;
            }
        }
    }

    /// Ends all topics: those that are there, and those that come later.
    pub(super) fn end(&self, phase: Phase) {
        self.group.end(phase);
        let mut last = None;
        loop {
            let registry = self.registry.lock();
            let batch = registry.table.after(last).take(MAX_PER_STEP);
            let batch: Vec<_> = batch.map(|(code, it)| (code, Arc::clone(it))).collect();
            drop(registry);
            let Some((code, _)) = batch.last() else {
                return;
            };
            last = Some(*code);
            for (_, keyed) in batch {
                end(&keyed.topic, phase);
            }
        }
    }

    /// Lets all topics go, which then are like any others. Called when the last handle is dropped.
    pub(super) fn release_all(&self) {
        self.group.end(Phase::Closed);
        loop {
            let mut registry = self.registry.lock();
            let codes = registry.table.after(None).map(|(code, _)| code);
            let codes: Vec<_> = codes.take(MAX_PER_STEP).collect();
            let is_last = codes.is_empty();
            let released = codes.into_iter().map(|code| registry.table.remove(code));
            let released: Vec<_> = released.collect();
            drop(registry);
            drop(released);
            if is_last {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Registry<K>> {
        self.registry.lock()
    }
}

impl<K: Send + Sync> Evict for Shared<K> {
    fn free_bytes(&self, bytes: u64) {
        // Notices topics that have become idle since the last call.
        self.step(|_, _| ());
        self.evict_for_budget(bytes);
    }
}

impl<K> Shared<K> {
    fn home<Q: Hash + ?Sized>(&self, key: &Q) -> Code {
        Code::of_hash(self.hasher.hash_one(key))
    }

    /// The topic that has this key.
    pub(super) fn find<Q>(&self, key: &Q) -> Option<Topic>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let home = self.home(key);
        let mut compared = 0;
        loop {
            let place = self.step(|registry, _| registry.candidate(home, compared));
            let (keyed, hold, serial) = place?;
            if keyed.key.borrow() == key {
                return Some(hold.into_topic());
            }
            compared = serial;
        }
    }

    /// The topic that has this key, which is made if there is none.
    pub(super) fn find_or_make<Q>(&self, key: &Q) -> Result<Topic, TooManyTopics>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let home = self.home(key);
        let mut compared = 0;
        loop {
            let find = |registry: &mut Registry<K>, evicted: &mut Evicted<K>| {
                self.place(registry, home, compared, evicted)
            };
            match self.step(find) {
                Place::Candidate(keyed, hold, _) if keyed.key.borrow() == key => {
                    return Ok(hold.into_topic());
                }
                Place::Candidate(_, _, serial) => compared = serial,
                Place::Unknown => {}
                Place::Full => {
                    let limit = self.max_topics;
                    return Err(TooManyTopics { limit });
                }
                Place::Free(code, draw) => {
                    let topic = self.make(code, draw);
                    let key = key.to_owned();
                    let keyed = Arc::new(Keyed { key, topic });
                    if let Some(hold) = self.insert(home, code, compared, &keyed) {
                        if self.group.phase() > Phase::Open {
                            end(&keyed.topic, self.group.phase());
                        }
                        return Ok(hold.into_topic());
                    }
                    // Another call has taken the code, perhaps for this key.
                }
            }
        }
    }

    fn place(
        &self,
        registry: &mut Registry<K>,
        home: Code,
        compared: u64,
        evicted: &mut Evicted<K>,
    ) -> Place<K> {
        if let Some((keyed, hold, serial)) = registry.candidate(home, compared) {
            return Place::Candidate(keyed, hold, serial);
        }
        if registry.table.len() >= self.max_topics {
            let oldest = registry.table.oldest();
            let is_evicted = oldest.is_some_and(|code| registry.evict(code, self.keep, evicted));
            if !is_evicted {
                let has_inbox = registry.has_inbox(&self.group);
                return if has_inbox {
                    Place::Unknown
                } else {
                    Place::Full
                };
            }
        }
        registry.draws = registry.draws.wrapping_add(1);
        Place::Free(registry.table.free_code(home), registry.draws)
    }

    fn make(&self, code: Code, draw: u64) -> Topic {
        let builder = TopicBuilder::new().shared_clock(Arc::clone(&self.clock));
        let builder = (self.settings)(builder);
        let epoch = Epoch::new(&code.epoch(draw));
        let epoch = epoch.unwrap_or_else(|_| Epoch::unique(self.clock.now()));
        Topic::root(builder, &self.group, code.number(), epoch)
    }

    /// Adds a new topic, unless its code, its key or the space for it may have been taken.
    fn insert(&self, home: Code, code: Code, compared: u64, keyed: &Arc<Keyed<K>>) -> Option<Hold> {
        let mut registry = self.lock();
        let table = &mut registry.table;
        let is_taken = table.content(code).is_some()
            || table.candidate(home, compared).is_some()
            || table.len() >= self.max_topics;
        if is_taken {
            return None;
        }
        table.insert(home, code, Arc::clone(keyed));
        let hold = keyed.topic.hold();
        keyed.topic.unseal();
        Some(hold)
    }

    /// The key of the topic that has this epoch, or that replaces the one that had it.
    pub(super) fn key_of(&self, epoch: &str) -> Option<K>
    where
        K: Clone,
    {
        let code = Code::of_epoch(epoch)?;
        let keyed = self.step(|registry, _| registry.table.content(code).map(Arc::clone))?;
        Some(keyed.key.clone())
    }

    /// Evicts the topic that has this key, if it is idle.
    pub(super) fn forget<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let home = self.home(key);
        let mut compared = 0;
        loop {
            let place = self.step(|registry, _| {
                let (code, serial) = registry.table.candidate(home, compared)?;
                let keyed = Arc::clone(registry.table.content(code)?);
                Some((code, serial, keyed))
            });
            let Some((code, serial, keyed)) = place else {
                return false;
            };
            compared = serial;
            if keyed.key.borrow() == key {
                return self.forget_entry(code, &keyed);
            }
        }
    }
}

impl<K> Shared<K> {
    fn forget_entry(&self, code: Code, keyed: &Arc<Keyed<K>>) -> bool {
        loop {
            let outcome = self.step(|registry, evicted| {
                let current = registry.table.content(code);
                let is_there = current.is_some_and(|current| Arc::ptr_eq(current, keyed));
                if !is_there || !keyed.topic.is_idle() {
                    return Some(false);
                }
                let is_evicted = registry.evict(code, self.keep, evicted);
                (is_evicted || !registry.has_inbox(&self.group)).then_some(is_evicted)
            });
            if let Some(is_evicted) = outcome {
                return is_evicted;
            }
        }
    }
}

impl<K> Registry<K> {
    fn has_inbox(&self, group: &Group) -> bool {
        self.inbox.is_some() || !group.is_inbox_empty()
    }

    /// Takes some topics from the inbox. Those without users are idle from now on.
    fn notice(&mut self, group: &Group, keep: Duration) {
        let mut codes = Vec::new();
        while codes.len() < MAX_PER_STEP {
            let Some(code) = self.inbox.take().or_else(|| group.take_inbox()) else {
                break;
            };
            let code = Code::of_topic(code);
            if let Some(keyed) = self.table.content(code) {
                self.inbox = keyed.topic.leave_inbox();
                codes.push(code);
            }
        }
        // The inbox begins with the latest.
        for code in codes.into_iter().rev() {
            if let Some(topic) = self.table.content(code).map(|keyed| &keyed.topic)
                && topic.is_idle()
            {
                let has_ended = topic.has_member_ended();
                self.table.set_idle(code, has_ended, keep);
            }
        }
    }

    /// Evicts an idle topic. If a user who came and went is only now entering the inbox, the topic
    /// goes last in the line instead.
    fn evict(&mut self, code: Code, keep: Duration, evicted: &mut Evicted<K>) -> bool {
        let Some(topic) = self.table.content(code).map(|keyed| &keyed.topic) else {
            return false;
        };
        let can_go = topic.is_idle() && topic.seal();
        if can_go {
            evicted.extend(self.table.remove(code));
            self.evicted = self.evicted.saturating_add(1);
        } else if topic.is_idle() {
            let has_ended = topic.has_member_ended();
            self.table.set_used(code);
            self.table.set_idle(code, has_ended, keep);
        }
        can_go
    }

    fn candidate(&mut self, home: Code, compared: u64) -> Option<(Arc<Keyed<K>>, Hold, u64)> {
        let (code, serial) = self.table.candidate(home, compared)?;
        let keyed = Arc::clone(self.table.content(code)?);
        let hold = keyed.topic.hold();
        self.table.set_used(code);
        Some((keyed, hold, serial))
    }
}

fn end(topic: &Topic, phase: Phase) {
    if phase == Phase::Aborted {
        topic.abort();
    } else {
        topic.close();
    }
}
