//! Random calls, against a naive registry.
//!
//! The model keeps for each key a number for its topic, how many handles and streams it has, and
//! since when it has none, as far as a call of the registry could tell.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use sse_queue::topic::Resumption;
use sse_queue::{FakeClock, LastEventId, Topic, Topics};

use crate::support::secs;
use crate::support::topic::{TopicStream, quiet_stream};
use crate::support::topics::{KEEP, builder};

const MAX_TOPICS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Make(u64),
    Find(u64),
    DropHandle(usize),
    Open(usize),
    DropStream(usize),
    Publish(u64),
    CloseTopic(usize),
    Forget(u64),
    KeyOf(usize),
    Count,
    Advance(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    let key = 0_u64..5;
    prop_oneof![
        4 => key.clone().prop_map(Operation::Make),
        2 => key.clone().prop_map(Operation::Find),
        6 => any::<usize>().prop_map(Operation::DropHandle),
        2 => any::<usize>().prop_map(Operation::Open),
        2 => any::<usize>().prop_map(Operation::DropStream),
        2 => key.clone().prop_map(Operation::Publish),
        1 => any::<usize>().prop_map(Operation::CloseTopic),
        1 => key.prop_map(Operation::Forget),
        1 => any::<usize>().prop_map(Operation::KeyOf),
        2 => Just(Operation::Count),
        3 => (1_u64..80).prop_map(Operation::Advance),
    ]
}

/// What the model knows of a topic.
#[derive(Debug)]
struct Entry {
    epoch: String,
    users: usize,
    is_closed: bool,
    /// The position among those that became idle, and since when a call has known it.
    idle: Option<(i64, Option<Duration>)>,
    /// When a call first saw it idle and closed.
    ended: Option<Duration>,
}

#[derive(Default)]
struct Model {
    entries: BTreeMap<u64, Entry>,
    left: i64,
}

impl Model {
    /// What each call begins with.
    fn call(&mut self, now: Duration) {
        for entry in self.entries.values_mut() {
            if let Some((position, since @ None)) = &mut entry.idle {
                if entry.is_closed {
                    entry.ended.get_or_insert(now);
                }
                *since = Some(entry.ended.unwrap_or(now));
                if entry.ended.is_some_and(|ended| ended + KEEP <= now) {
                    *position = -*position;
                }
            }
        }
        // A closed topic may wait for one that goes before it.
        while let Some((key, since)) = self.oldest()
            && since + KEEP <= now
        {
            self.entries.remove(&key);
        }
    }

    /// The entry that goes first, and since when it is idle.
    fn oldest(&self) -> Option<(u64, Duration)> {
        let idle = self.entries.iter().filter_map(|(key, entry)| {
            let (position, since) = entry.idle?;
            Some((position, *key, since?))
        });
        idle.min().map(|(_, key, since)| (key, since))
    }

    fn enter(&mut self, key: u64) {
        let entry = self.entries.get_mut(&key).unwrap();
        entry.users += 1;
        entry.idle = None;
    }

    fn leave(&mut self, key: u64) {
        self.left += 1;
        let left = self.left;
        let entry = self.entries.get_mut(&key).unwrap();
        entry.users -= 1;
        if entry.users == 0 {
            entry.idle = Some((left, None));
        }
    }
}

struct World {
    clock: FakeClock,
    topics: Topics<u64>,
    model: Model,
    handles: Vec<(u64, Topic)>,
    streams: Vec<(u64, TopicStream)>,
    /// Ids that were assigned, their keys and their epochs.
    ids: Vec<(LastEventId, u64, String)>,
}

impl World {
    fn new() -> Self {
        let clock = FakeClock::new();
        let topics = builder(&clock).max_topics(MAX_TOPICS).build();
        Self {
            clock,
            topics,
            model: Model::default(),
            handles: Vec::new(),
            streams: Vec::new(),
            ids: Vec::new(),
        }
    }

    fn run(&mut self, operation: Operation) {
        let now = self.clock.elapsed();
        match operation {
            Operation::Make(key) => self.make(key, now),
            Operation::Find(key) => {
                self.model.call(now);
                let found = self.topics.get(&key);
                self.check_found(key, found);
            }
            Operation::Publish(key) => self.publish(key, now),
            Operation::DropHandle(index) if !self.handles.is_empty() => {
                let (key, _) = self.handles.swap_remove(index % self.handles.len());
                self.model.leave(key);
            }
            Operation::Open(index) if !self.handles.is_empty() => {
                let (key, topic) = &self.handles[index % self.handles.len()];
                let stream = quiet_stream(topic, &self.clock, sse_queue::topic::Start::Now);
                self.model.enter(*key);
                self.streams.push((*key, stream));
            }
            Operation::DropStream(index) if !self.streams.is_empty() => {
                let (key, _) = self.streams.swap_remove(index % self.streams.len());
                self.model.leave(key);
            }
            Operation::CloseTopic(index) if !self.handles.is_empty() => {
                let (key, topic) = &self.handles[index % self.handles.len()];
                topic.close();
                self.model.entries.get_mut(key).unwrap().is_closed = true;
            }
            Operation::Forget(key) => {
                self.model.call(now);
                let entry = self.model.entries.get(&key);
                let can_go = entry.is_some_and(|entry| entry.users == 0);
                if can_go {
                    self.model.entries.remove(&key);
                }
                assert_eq!(self.topics.forget(&key), can_go);
            }
            Operation::KeyOf(index) if !self.ids.is_empty() => {
                self.model.call(now);
                let (id, key, _) = &self.ids[index % self.ids.len()];
                let is_there = self.model.entries.contains_key(key);
                assert_eq!(self.topics.key_of(id), is_there.then_some(*key));
            }
            Operation::Advance(time) => self.clock.advance(secs(time)),
            _ => self.count(now),
        }
    }

    fn make(&mut self, key: u64, now: Duration) {
        self.model.call(now);
        if self.model.entries.contains_key(&key) {
            let found = Some(self.topics.topic(&key).unwrap());
            self.check_found(key, found);
            return;
        }
        if self.model.entries.len() == MAX_TOPICS {
            let Some((oldest, _)) = self.model.oldest() else {
                assert_eq!(self.topics.topic(&key).unwrap_err().limit, MAX_TOPICS);
                return;
            };
            self.model.entries.remove(&oldest);
        }
        let topic = self.topics.topic(&key).unwrap();
        let epoch = topic.epoch().to_owned();
        let is_new = self.ids.iter().all(|(_, _, other)| *other != epoch);
        assert!(is_new, "an epoch comes once");
        let entry = Entry {
            epoch,
            users: 1,
            is_closed: false,
            idle: None,
            ended: None,
        };
        self.model.entries.insert(key, entry);
        self.handles.push((key, topic));
    }

    fn check_found(&mut self, key: u64, found: Option<Topic>) {
        let entry = self.model.entries.get(&key);
        let epoch = found.as_ref().map(Topic::epoch);
        assert_eq!(epoch, entry.map(|entry| entry.epoch.as_str()));
        if let Some(topic) = found {
            assert_eq!(Some(topic.is_closed()), entry.map(|it| it.is_closed));
            self.model.enter(key);
            self.handles.push((key, topic));
        }
    }

    fn publish(&mut self, key: u64, now: Duration) {
        self.model.call(now);
        let published = self.topics.publish(&key, "x");
        let Some(entry) = self.model.entries.get(&key) else {
            assert_eq!(published, Ok(None));
            return;
        };
        assert_eq!(published.is_err(), entry.is_closed);
        if let Ok(receipt) = published {
            let id = LastEventId::new(receipt.unwrap().id());
            self.ids.push((id, key, entry.epoch.clone()));
        }
        self.model.enter(key);
        self.model.leave(key);
    }

    /// Compares all that there is.
    fn count(&mut self, now: Duration) {
        self.model.call(now);
        let stats = self.topics.stats();
        let entries = &self.model.entries;
        let idle = entries.values().filter(|entry| entry.users == 0).count();
        assert_eq!((stats.topics, stats.idle), (entries.len(), idle));
        assert_eq!(stats.streams, self.streams.len());
        assert_eq!(stats.created, stats.evicted + stats.topics as u64);
        for (key, topic) in &self.handles {
            assert_eq!(topic.epoch(), entries[key].epoch, "a key has one topic");
            for (id, ..) in self
                .ids
                .iter()
                .filter(|(_, _, epoch)| epoch == topic.epoch())
            {
                let resumption = topic.resumption_of(id);
                assert!(matches!(
                    resumption,
                    Resumption::Exact | Resumption::Complete
                ));
            }
        }
    }
}

proptest! {
    #[test]
    fn a_registry_does_what_its_model_does(operations in prop::collection::vec(operation(), 1..200)) {
        let mut world = World::new();
        for operation in operations {
            world.run(operation);
        }
        world.run(Operation::Count);
    }
}
