//! Many live runs with a reader each: deltas into plain topics, and into those of a registry.

use core::task::Waker;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use sse_queue::topic::TopicSubscription;
use sse_queue::{EventStream, FakeClock, FakeTicker, Topic, Topics};

use crate::{drain, topic_stream};

/// The number of runs that are live at once.
const RUNS: u64 = 10_000;
/// How often one repetition does its work: a registry's hash is seeded at random, so preparing it
/// costs a little more or less each time.
const ROUND: u64 = 32;
/// Deltas that each run has had before, so that its log has begun.
const BEFORE: usize = 3;
/// A prime, so that neighbours follow each other as rarely as in a service.
const STRIDE: u64 = 7_919;
const DELTA: &str = "fifteen bytes, ";

/// How a run's topic is reached for each delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Each is a plain topic in a map.
    Plain,
    /// Each is a registry's, and its handle is kept in a map.
    Kept,
    /// Each is found in the registry.
    Found,
}

/// Hashes the same in each run, so that counts hardly vary.
type Fixed = BuildHasherDefault<DefaultHasher>;

struct Run {
    topic: Topic,
    reader: EventStream<TopicSubscription, FakeTicker>,
}

/// Publishes 32 times that many deltas, each into another run if there are many, and lets its reader
/// read.
///
/// # Panics
///
/// If a reader does not get its delta.
pub fn deltas(times: u32, reach: Reach, is_single: bool) {
    let clock = FakeClock::new();
    let registry: Topics<u64> = Topics::builder().clock(clock.clone()).build();
    let count = if is_single { 1 } else { RUNS };
    let mut runs: HashMap<u64, Run, Fixed> = (0..count)
        .map(|key| {
            let topic = match reach {
                Reach::Plain => Topic::builder().clock(clock.clone()).build(),
                Reach::Kept | Reach::Found => registry.topic(&key).expect("there is space"),
            };
            let reader = topic_stream(&topic, clock.ticker());
            (key, Run { topic, reader })
        })
        .collect();
    for run in runs.values_mut() {
        drain(&mut run.reader, Waker::noop());
        for _ in 0..BEFORE {
            run.topic.publish(DELTA).expect("it is open");
            drain(&mut run.reader, Waker::noop());
        }
    }
    for turn in 0..u64::from(times) * ROUND {
        let key = turn * STRIDE % count;
        let run = runs.get_mut(&key).expect("it is live");
        if reach == Reach::Found {
            registry.publish(&key, DELTA).expect("it is open");
        } else {
            run.topic.publish(DELTA).expect("it is open");
        }
        assert_eq!(drain(&mut run.reader, Waker::noop()), 1);
    }
}

/// Finds a topic among many that live, 32 times that often.
///
/// # Panics
///
/// If it is not found.
pub fn lookups(times: u32) {
    let clock = FakeClock::new();
    let registry: Topics<u64> = Topics::builder().clock(clock).build();
    let find = |key| registry.topic(&key).expect("there is space");
    let _kept: Vec<Topic> = (0..RUNS).map(find).collect();
    for turn in 0..u64::from(times) * ROUND {
        let key = turn * STRIDE % RUNS;
        assert!(registry.get(&key).is_some());
    }
}
