//! When topics are evicted, and when not.

use std::time::Duration;

use sse_queue::topic::{Resumption, Start};
use sse_queue::{FakeClock, LastEventId, Topics};

use crate::support::topic::quiet_stream;
use crate::support::topics::{KEEP, builder, epoch, new_topics, open};
use crate::support::{Task, secs};

/// A bit less than the time for which an idle topic is kept.
const ALMOST: Duration = secs(60 - 1);

/// The topics that are left, looked at without using them.
fn left(topics: &Topics<u64>) -> usize {
    topics.len()
}

//   0        60       119 120
//   |--------|---------|---|
//   handle   dropped       evicted
#[test]
fn a_topic_is_evicted_when_it_has_been_idle_for_the_time() {
    let (clock, topics) = new_topics();
    let topic = topics.topic(&1).unwrap();
    clock.advance(KEEP);
    assert_eq!(left(&topics), 1, "it is used");
    drop(topic);
    assert_eq!((left(&topics), topics.stats().idle), (1, 1));
    clock.advance(ALMOST);
    assert_eq!(left(&topics), 1);
    clock.advance(secs(1));
    assert_eq!(left(&topics), 0);
    assert_eq!(topics.stats().evicted, 1);
}

#[test]
fn the_time_counts_from_when_the_registry_sees_that_a_topic_is_idle() {
    let (clock, topics) = new_topics();
    drop(topics.topic(&1).unwrap());
    clock.advance(KEEP * 10);
    assert_eq!(left(&topics), 1, "the first call since it is idle");
    clock.advance(KEEP);
    assert_eq!(left(&topics), 0);
}

#[test]
fn a_topic_with_a_stream_is_not_evicted() {
    let (clock, topics) = new_topics();
    let stream = open(&topics, &clock, 1);
    for _ in 0..3 {
        clock.advance(KEEP);
        assert_eq!((left(&topics), topics.stats().idle), (1, 0));
    }
    drop(stream);
    assert_eq!(topics.stats().idle, 1);
    clock.advance(KEEP);
    assert_eq!(left(&topics), 0);
}

#[test]
fn one_handle_of_many_is_enough() {
    let (clock, topics) = new_topics();
    let one = topics.topic(&1).unwrap();
    let two = topics.topic(&1).unwrap();
    let three = two.clone();
    drop((one, two));
    for _ in 0..3 {
        clock.advance(KEEP);
        assert_eq!(left(&topics), 1);
    }
    drop(three);
    assert_eq!(topics.stats().idle, 1);
}

#[test]
fn each_use_starts_the_time_again() {
    let (clock, topics) = new_topics();
    let uses: [fn(&Topics<u64>, &FakeClock); 4] = [
        |topics, _| drop(topics.topic(&1).unwrap()),
        |topics, _| drop(topics.get(&1).unwrap()),
        |topics, _| drop(topics.publish(&1, "x").unwrap().unwrap()),
        |topics, clock| drop(open(topics, clock, 1)),
    ];
    drop(topics.topic(&1).unwrap());
    for r#use in uses {
        assert_eq!(topics.stats().idle, 1);
        clock.advance(ALMOST);
        r#use(&topics, &clock);
    }
    assert_eq!(topics.stats().idle, 1);
    clock.advance(ALMOST);
    assert_eq!(left(&topics), 1);
    clock.advance(secs(1));
    assert_eq!(left(&topics), 0);
}

#[test]
fn a_closed_topic_is_kept_for_clients_that_come_back_and_they_do_not_prolong_that() {
    let (clock, topics) = new_topics();
    let topic = topics.topic(&1).unwrap();
    let seen = topic.publish("last").unwrap();
    topic.close();
    drop(topic);
    assert_eq!(topics.stats().idle, 1);
    for _ in 0..3 {
        clock.advance(KEEP / 4);
        let last = Some(LastEventId::new(seen.id()));
        let topic = topics.get(&1).unwrap();
        let stream = topic.resume(last, Start::Now, clock.ticker()).unwrap();
        assert_eq!(stream.resumption(), Resumption::Complete);
    }
    clock.advance(KEEP / 4);
    assert_eq!(left(&topics), 0);
}

#[test]
fn a_closed_topic_is_not_evicted_under_a_handle() {
    let (clock, topics) = new_topics();
    let topic = topics.topic(&1).unwrap();
    topic.close();
    clock.advance(KEEP * 3);
    assert_eq!(left(&topics), 1);
    assert!(topics.topic(&1).unwrap().is_closed());
    assert!(!topics.forget(&1));
}

#[test]
fn an_evicted_topic_is_gone_with_its_messages_and_its_futures_complete() {
    let (clock, topics) = new_topics();
    let topic = topics.topic(&1).unwrap();
    topic.publish("x").unwrap();
    let mut closed = Task::new(topic.closed());
    let mut driver = Task::new(topic.drive(clock.ticker()));
    assert!(closed.poll().is_pending() && driver.poll().is_pending());
    drop(topic);
    assert!(topics.stats().bytes > 0);
    clock.advance(KEEP);
    assert_eq!(topics.stats().topics, 0);
    assert!(closed.is_woken() && closed.poll().is_ready());
    assert!(driver.is_woken() && driver.poll().is_ready());
    drop((closed, driver));
    assert_eq!(topics.stats().bytes, 0);
}

#[test]
fn forgetting_evicts_an_idle_topic_at_once_and_no_other() {
    let (clock, topics) = new_topics();
    assert!(!topics.forget(&1), "there is none");
    let topic = topics.topic(&1).unwrap();
    assert!(!topics.forget(&1), "a handle");
    let stream = quiet_stream(&topic, &clock, Start::Now);
    drop(topic);
    assert!(!topics.forget(&1), "a stream");
    let first = epoch(&topics, 1);
    drop(stream);
    assert!(topics.forget(&1));
    assert!(!topics.forget(&1), "it is gone");
    drop(topics.topic(&1).unwrap());
    assert_ne!(epoch(&topics, 1), first);
}

/// A crowd that leaves at once is noticed and evicted in parts, by calls that have work of their own.
#[test]
fn a_call_evicts_at_most_64_topics() {
    let (clock, topics) = new_topics();
    let all: Vec<_> = (0..300).map(|key| topics.topic(&key).unwrap()).collect();
    drop(all);
    let idle: Vec<_> = (0..5).map(|_| topics.stats().idle).collect();
    assert_eq!(idle, [64, 128, 192, 256, 300]);
    clock.advance(KEEP);
    let left: Vec<_> = (0..6).map(|_| left(&topics)).collect();
    assert_eq!(left, [236, 172, 108, 44, 0, 0]);
}

#[test]
fn forgetting_finds_a_topic_behind_a_crowd() {
    let clock = FakeClock::new();
    let topics: Topics<u64> = builder(&clock).build();
    let mut all: Vec<_> = (0..300).map(|key| topics.topic(&key).unwrap()).collect();
    // The one that left first is the last in the inbox.
    drop(all.remove(0));
    drop(all);
    assert!(topics.forget(&0));
    assert_eq!(topics.len(), 299);
}

#[test]
fn a_topic_with_a_filter_is_not_evicted() {
    let (clock, topics) = new_topics();
    let filter = topics.topic(&1).unwrap().filter(["red"]).unwrap();
    let clone = filter.clone();
    clock.advance(KEEP);
    assert_eq!((left(&topics), topics.stats().idle), (1, 0));
    let stream = quiet_stream(&topics.topic(&1).unwrap(), &clock, Start::Now);
    drop(stream.only(&filter));
    drop(filter);
    assert_eq!(topics.stats().idle, 0);
    drop(clone);
    assert_eq!(topics.stats().idle, 1);
    clock.advance(KEEP);
    assert_eq!(left(&topics), 0);
}
