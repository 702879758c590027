//! Finding topics, and making them.

use std::sync::{Arc, Barrier};
use std::thread;

use sse_queue::Topics;
use sse_queue::topic::Start;

use crate::support::topic::quiet_stream;
use crate::support::topics::{builder, epoch, new_topics, open};

#[test]
fn all_handles_of_a_key_are_one_topic() {
    let (clock, topics) = new_topics::<String>();
    let made = topics.topic("room").unwrap();
    let mut stream = quiet_stream(&topics.get("room").unwrap(), &clock, Start::Now);
    made.publish("one").unwrap();
    topics.publish("room", "two").unwrap();
    topics
        .clone()
        .topic("room")
        .unwrap()
        .publish("three")
        .unwrap();
    let chunk = stream.next_ready().unwrap();
    let text = str::from_utf8(&chunk).unwrap();
    assert_eq!(text.matches("data: ").count(), 3);
    assert_eq!(topics.len(), 1);
}

#[test]
fn a_key_is_found_by_any_of_its_borrowed_forms() {
    let (_, topics) = new_topics::<String>();
    let made = topics.topic("room").unwrap();
    let found = topics.topic(&"room".to_owned()).unwrap();
    assert_eq!(found.epoch(), made.epoch());
    let (_, pairs) = new_topics::<(u32, String)>();
    let pair = (7, "room".to_owned());
    let made = pairs.topic(&pair).unwrap();
    assert_eq!(pairs.get(&pair).unwrap().epoch(), made.epoch());
}

#[test]
fn finding_makes_nothing_and_neither_does_publishing_to_a_key_without_a_topic() {
    let (_, topics) = new_topics::<u64>();
    assert!(topics.get(&1).is_none());
    assert_eq!(topics.publish(&1, "to nobody").unwrap(), None);
    assert!(topics.is_empty());
    assert_eq!(topics.stats().created, 0);
}

#[test]
fn a_topic_outlives_the_handle_with_which_its_stream_was_opened() {
    let (clock, topics) = new_topics();
    let mut stream = open(&topics, &clock, 1);
    let first = epoch(&topics, 1);
    topics.publish(&1, "x").unwrap();
    assert!(stream.next_ready().unwrap().ends_with(b"data: x\n\n"));
    assert!(!stream.is_terminated());
    assert_eq!(epoch(&topics, 1), first);
}

#[test]
fn the_settings_apply_to_each_topic() {
    let clock = sse_queue::FakeClock::new();
    let settings = |topic: sse_queue::topic::TopicBuilder| topic.history(1).max_streams(0);
    let topics: Topics<u64> = builder(&clock).topic(settings).build();
    for key in [1, 2] {
        let topic = topics.topic(&key).unwrap();
        topic.publish("a").unwrap();
        topic.publish("b").unwrap();
        assert_eq!(topic.stats().retained, 1);
        assert!(topic.stream(Start::Now, clock.ticker()).is_err());
    }
}

#[test]
fn threads_that_ask_at_once_get_one_topic() {
    let (_, topics) = new_topics::<u64>();
    let barrier = Arc::new(Barrier::new(4));
    let ask = || {
        let (topics, barrier) = (topics.clone(), Arc::clone(&barrier));
        thread::spawn(move || {
            (0..200)
                .map(|key| {
                    barrier.wait();
                    topics.topic(&key).unwrap()
                })
                .collect::<Vec<_>>()
        })
    };
    let threads = [(); 4].map(|()| ask());
    let found = threads.map(|thread| thread.join().unwrap());
    for other in &found {
        let pairs = found[0].iter().zip(other);
        assert!(pairs.into_iter().all(|(a, b)| a.epoch() == b.epoch()));
    }
    let stats = topics.stats();
    assert_eq!((stats.created, stats.topics), (200, 200));
}

/// All keys have the same hash, so that each is found by comparing it with the others.
#[test]
fn keys_with_equal_hashes_have_topics_of_their_own() {
    #[derive(Clone, PartialEq, Eq, Debug)]
    struct Bad(u64);

    impl std::hash::Hash for Bad {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
    }

    let (_, topics) = new_topics::<Bad>();
    let all: Vec<_> = (0..20)
        .map(|key| topics.topic(&Bad(key)).unwrap())
        .collect();
    for (key, topic) in (0..).map(Bad).zip(&all) {
        assert_eq!(topics.get(&key).unwrap().epoch(), topic.epoch());
        let id = topic.publish("x").unwrap();
        let id = sse_queue::LastEventId::new(id.id());
        assert_eq!(topics.key_of(&id), Some(key));
    }
    drop(all);
    assert!(topics.forget(&Bad(0)));
    assert!(topics.get(&Bad(0)).is_none());
    assert!(topics.get(&Bad(19)).is_some());
    assert_eq!(topics.len(), 19);
}
