//! Registries of topics.

use std::time::Duration;

use sse_queue::topic::Start;
use sse_queue::topics::TopicsBuilder;
use sse_queue::{FakeClock, Topics};

use super::secs;
use super::topic::{TopicStream, quiet_stream};

/// How long an idle topic is kept.
pub const KEEP: Duration = secs(60);

pub fn builder<K>(clock: &FakeClock) -> TopicsBuilder<K> {
    Topics::builder().keep(KEEP).clock(clock.clone())
}

/// A clock, and a registry on it.
pub fn new_topics<K: Send + Sync + 'static>() -> (FakeClock, Topics<K>) {
    let clock = FakeClock::new();
    let topics = builder(&clock).build();
    (clock, topics)
}

/// A quiet stream of the topic of this key, from now on, without a handle.
pub fn open(topics: &Topics<u64>, clock: &FakeClock, key: u64) -> TopicStream {
    quiet_stream(&topics.topic(&key).unwrap(), clock, Start::Now)
}

/// The epoch of the topic of this key, if there is one. It tells a topic from its successor, and
/// looking starts the time again.
pub fn epoch(topics: &Topics<u64>, key: u64) -> Option<String> {
    topics.get(&key).map(|topic| topic.epoch().to_owned())
}
