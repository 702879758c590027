//! The end of a registry.

use sse_queue::topic::{PublishError, Start};

use crate::support::Task;
use crate::support::topic::quiet_stream;
use crate::support::topics::{KEEP, new_topics, open};

#[test]
fn closing_closes_all_topics_and_those_that_come_later() {
    let (clock, topics) = new_topics();
    let all: Vec<_> = (0..200).map(|key| topics.topic(&key).unwrap()).collect();
    let mut streams: Vec<_> = all
        .iter()
        .map(|topic| quiet_stream(topic, &clock, Start::Now))
        .collect();
    for topic in &all {
        topic.publish("x").unwrap();
    }
    topics.close();
    assert!(all.iter().all(sse_queue::Topic::is_closed));
    for stream in &mut streams {
        assert!(stream.next_ready().unwrap().ends_with(b"data: x\n\n"));
        assert_eq!(stream.next_ready(), None);
    }
    let later = topics.topic(&1_000).unwrap();
    assert!(matches!(later.publish("x"), Err(PublishError::Closed(_))));
    let refused = topics.publish(&1, "x");
    assert!(matches!(refused, Err(PublishError::Closed(_))));
}

#[test]
fn aborting_ends_streams_without_what_they_have_not_read_even_after_closing() {
    let (clock, topics) = new_topics();
    let mut stream = open(&topics, &clock, 1);
    topics.publish(&1, "unsent").unwrap();
    topics.close();
    topics.abort();
    assert_eq!(stream.next_ready(), None);
    let later = topics.topic(&2).unwrap();
    assert_eq!(quiet_stream(&later, &clock, Start::Now).next_ready(), None);
}

#[test]
fn the_end_comes_when_the_last_stream_of_any_topic_is_dropped() {
    let (clock, topics) = new_topics();
    let (one, two) = (open(&topics, &clock, 1), open(&topics, &clock, 2));
    let mut ended = Task::new(topics.ended(clock.ticker()));
    assert!(ended.poll().is_pending());
    drop(one);
    topics.close();
    assert!(ended.poll().is_pending());
    ended.take_wakes();
    drop(two);
    assert!(ended.is_woken());
    assert!(ended.poll().is_ready());
}

#[test]
fn without_streams_the_end_comes_when_closing_begins() {
    let (clock, topics) = new_topics::<u64>();
    let mut ended = Task::new(topics.ended(clock.ticker()));
    assert!(ended.poll().is_pending());
    topics.close();
    assert!(ended.is_woken());
    assert!(ended.poll().is_ready());
    assert_eq!(clock.next_deadline(), None, "it has disarmed its ticker");
}

#[test]
fn when_the_registry_is_gone_its_topics_are_like_any_others() {
    let (clock, topics) = new_topics();
    let topic = topics.topic(&1).unwrap();
    let mut kept = quiet_stream(&topic, &clock, Start::Now);
    let mut alone = open(&topics, &clock, 2);
    let mut ended = Task::new(topics.ended(clock.ticker()));
    let mut driver = Task::new(topics.drive(clock.ticker()));
    assert!(ended.poll().is_pending() && driver.poll().is_pending());
    drop(topics);
    assert!(driver.is_woken() && driver.poll().is_ready());
    assert!(ended.poll().is_pending(), "streams are left");
    assert_eq!(alone.next_ready(), None, "nobody can publish to it");
    topic.publish("x").unwrap();
    assert!(kept.next_ready().is_some());
    assert!(!kept.is_terminated());
    drop(topic);
    assert_eq!(kept.next_ready(), None);
    drop((kept, alone));
    assert!(ended.poll().is_ready());
}

#[test]
fn a_closed_registry_still_evicts() {
    let (clock, topics) = new_topics();
    drop(topics.topic(&1).unwrap());
    topics.close();
    assert_eq!(topics.stats().idle, 1);
    clock.advance(KEEP);
    assert_eq!(topics.len(), 0);
}
