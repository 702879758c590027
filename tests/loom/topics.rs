//! A registry of topics: lookups, the last user's leave, and eviction.
//!
//! Planted mistakes show that these models can fail: users that are counted before the topic is
//! unsealed (red is `a_user_who_leaves_as_…`), a topic that is evicted without a seal (red is
//! `a_user_who_leaves_late_…`), a user that is counted after the lock is released (red is
//! `a_topic_that_is_found_…`).

use std::time::Duration;

use loom::thread;
use sse_queue::topic::Start;
use sse_queue::{FakeClock, Topic, Topics};

use crate::support::{Task, block_on, spawn_with, topic_stream};

const KEEP: Duration = Duration::from_secs(60);

/// A registry that keeps no idle topic.
fn new_topics() -> (FakeClock, Topics<u64>) {
    new_topics_that_keep(Duration::ZERO)
}

fn new_topics_that_keep(keep: Duration) -> (FakeClock, Topics<u64>) {
    let clock = FakeClock::new();
    let topics = Topics::builder().keep(keep).clock(clock.clone()).build();
    (clock, topics)
}

/// Drops a handle in another thread.
fn drop_elsewhere(topic: Topic) -> thread::JoinHandle<()> {
    thread::spawn(move || drop(topic))
}

/// Whoever finds the topic finds one that is there as long as it is used.
#[test]
fn a_topic_that_is_found_is_not_forgotten() {
    loom::model(|| {
        let (_, topics) = new_topics_that_keep(KEEP);
        drop(topics.topic(&1).unwrap());
        let forgetting = spawn_with(&topics, |topics| topics.forget(&1));
        let found = topics.get(&1);
        let is_forgotten = forgetting.join().unwrap();
        assert_eq!(found.is_none(), is_forgotten);
        if let Some(topic) = found {
            assert_eq!(topics.get(&1).unwrap().epoch(), topic.epoch());
        }
    });
}

#[test]
fn two_threads_that_ask_at_once_get_one_topic() {
    loom::model(|| {
        let (_, topics) = new_topics();
        let asking = spawn_with(&topics, |topics| topics.topic(&1).unwrap());
        let one = topics.topic(&1).unwrap();
        assert_eq!(asking.join().unwrap().epoch(), one.epoch());
        assert_eq!(topics.len(), 1);
    });
}

/// The last handle is dropped while another is got: the topic is the same if it was found, and is
/// noticed to be idle afterwards in any case.
#[test]
fn a_last_drop_is_noticed_whatever_comes_in_between() {
    loom::model(|| {
        let (clock, topics) = new_topics_that_keep(KEEP);
        let topic = topics.topic(&1).unwrap();
        let epoch = topic.epoch().to_owned();
        let dropping = drop_elsewhere(topic);
        let found = topics.get(&1).unwrap();
        assert_eq!(found.epoch(), epoch);
        drop(found);
        dropping.join().unwrap();
        assert_eq!(topics.stats().idle, 1);
        clock.advance(KEEP);
        assert!(topics.is_empty());
    });
}

/// A user who leaves late enters the inbox while another is there, who leaves as the registry takes
/// the topic out of it.
#[test]
fn a_user_who_leaves_as_the_inbox_is_read_is_noticed() {
    loom::model(|| {
        let (_, topics) = new_topics_that_keep(KEEP);
        let dropping = drop_elsewhere(topics.topic(&1).unwrap());
        let found = topics.get(&1).unwrap();
        let second = drop_elsewhere(found);
        let _ = topics.len();
        dropping.join().unwrap();
        second.join().unwrap();
        assert_eq!(topics.stats().idle, 1);
    });
}

/// A user leaves so late that its topic may be idle, and due to be evicted, by others before.
#[test]
fn a_user_who_leaves_late_does_not_hide_other_topics() {
    loom::model(|| {
        let (_, topics) = new_topics();
        let other = topics.topic(&2).unwrap();
        let dropping = drop_elsewhere(topics.topic(&1).unwrap());
        drop(topics.get(&1));
        let _ = topics.len();
        drop(other);
        dropping.join().unwrap();
        let _ = topics.len();
        assert_eq!(topics.len(), 0);
    });
}

/// Two users leave at once, and the registry evicts: once, and nothing is left in the inbox.
#[test]
fn a_topic_is_evicted_once_and_its_successor_too() {
    loom::model(|| {
        let (_, topics) = new_topics();
        let one = topics.topic(&1).unwrap();
        let two = topics.topic(&1).unwrap();
        let dropping = drop_elsewhere(one);
        drop(two);
        drop(topics.topic(&1).unwrap());
        dropping.join().unwrap();
        while !topics.is_empty() {}
        let stats = topics.stats();
        assert_eq!(stats.created, stats.evicted);
    });
}

/// Two topics enter the inbox at once.
#[test]
fn topics_that_become_idle_at_once_are_all_noticed() {
    loom::model(|| {
        let (_, topics) = new_topics_that_keep(KEEP);
        let one = topics.topic(&1).unwrap();
        let two = topics.topic(&2).unwrap();
        let dropping = drop_elsewhere(one);
        drop(two);
        let _ = topics.stats();
        dropping.join().unwrap();
        assert_eq!(topics.stats().idle, 2);
    });
}

/// A stream is opened as the last handle but this one goes; then it leaves as another call evicts.
#[test]
fn a_stream_keeps_its_topic_until_it_leaves() {
    loom::model(|| {
        let (clock, topics) = new_topics();
        let topic = topics.topic(&1).unwrap();
        let epoch = topic.epoch().to_owned();
        let stream = topic_stream(&topic, &clock, Start::Now);
        let dropping = drop_elsewhere(topic);
        assert_eq!(topics.len(), 1);
        dropping.join().unwrap();
        assert_eq!(topics.get(&1).unwrap().epoch(), epoch);
        let leaving = thread::spawn(move || drop(stream));
        let _ = topics.len();
        leaving.join().unwrap();
        assert_eq!(topics.len(), 0);
    });
}

/// A service deserts its topic while a client subscribes: the client's topic is the registry's.
#[test]
fn a_client_that_comes_as_the_service_leaves_has_the_only_topic() {
    loom::model(|| {
        let (clock, topics) = new_topics();
        let topic = topics.topic(&1).unwrap();
        let mut deserted = Task::new(Box::pin(topic.deserted(Duration::ZERO, clock.ticker())));
        assert!(deserted.poll().is_ready());
        let leaving = drop_elsewhere(topic);
        let client = topics.topic(&1).unwrap();
        let mut stream = topic_stream(&client, &clock, Start::Now);
        drop(client);
        leaving.join().unwrap();
        topics.publish(&1, "x").unwrap().unwrap();
        assert!(stream.next_ready().is_some());
    });
}

#[test]
fn the_end_is_told_to_those_who_wait_as_the_last_stream_leaves() {
    loom::model(|| {
        let (clock, topics) = new_topics();
        let stream = topic_stream(&topics.topic(&1).unwrap(), &clock, Start::Now);
        let ended = topics.ended(clock.ticker());
        let leaving = thread::spawn(move || drop(stream));
        let waiting = thread::spawn(move || block_on(ended));
        topics.close();
        leaving.join().unwrap();
        waiting.join().unwrap();
    });
}

#[test]
fn a_topic_that_is_made_as_the_registry_closes_is_closed() {
    loom::model(|| {
        let (_, topics) = new_topics();
        let closing = spawn_with(&topics, |topics| topics.close());
        let topic = topics.topic(&1).unwrap();
        closing.join().unwrap();
        assert!(topic.is_closed());
    });
}

#[test]
fn the_registry_goes_as_the_last_handle_of_a_topic_does() {
    loom::model(|| {
        let (clock, topics) = new_topics();
        let topic = topics.topic(&1).unwrap();
        let mut stream = topic_stream(&topic, &clock, Start::Now);
        let dropping = drop_elsewhere(topic);
        drop(topics);
        dropping.join().unwrap();
        assert_eq!(stream.next_ready(), None);
    });
}
