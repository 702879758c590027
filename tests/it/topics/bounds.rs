//! Bounds that all topics share.

use sse_queue::topic::{PublishError, Start};
use sse_queue::topics::TopicsBuilder;
use sse_queue::{FakeClock, Message, Topic, Topics};

use crate::support::secs;
use crate::support::topic::{evicted, quiet_stream};
use crate::support::topics::{KEEP, builder};

fn topics(settings: impl Fn(TopicsBuilder<u64>) -> TopicsBuilder<u64>) -> (FakeClock, Topics<u64>) {
    let clock = FakeClock::new();
    let topics = settings(builder(&clock)).build();
    (clock, topics)
}

/// A message that counts 100 bytes with its id line.
fn publish(topic: &Topic) {
    let before = topic.stats();
    let line = topic.last_id().as_str().unwrap().len() + "id: \n".len();
    topic
        .publish("x".repeat(100 - 16 - line - "data: \n\n".len()))
        .unwrap();
    assert!(topic.stats().published == before.published + 1);
}

#[test]
fn at_the_bound_a_new_topic_takes_the_place_of_the_one_that_has_been_idle_for_longest() {
    let (clock, topics) = topics(|it| it.max_topics(3));
    let all = [1, 2, 3].map(|key| topics.topic(&key).unwrap());
    let error = topics.topic(&4).unwrap_err();
    assert_eq!(error.to_string(), "all 3 topics are in use");
    assert!(topics.topic(&1).is_ok(), "it is there");
    let [one, two, three] = all;
    drop(two);
    drop(one);
    assert_eq!(topics.stats().idle, 2);
    clock.advance(secs(1));
    drop(three);
    let _four = topics.topic(&4).unwrap();
    assert!(topics.get(&2).is_none(), "it was the first to leave");
    assert!(topics.get(&1).is_some() && topics.get(&3).is_some());
    assert_eq!((topics.len(), topics.stats().evicted), (3, 1));
}

#[test]
fn topics_that_leave_between_two_calls_go_in_the_order_in_which_they_left() {
    let (_, topics) = topics(|it| it.max_topics(3));
    let [one, two, three] = [1, 2, 3].map(|key| topics.topic(&key).unwrap());
    drop(three);
    drop(one);
    drop(two);
    let _four = topics.topic(&4).unwrap();
    let _five = topics.topic(&5).unwrap();
    assert!(topics.get(&2).is_some());
    assert!(topics.get(&1).is_none() && topics.get(&3).is_none());
}

#[test]
fn no_topic_at_all_may_be_allowed() {
    let (_, topics) = topics(|it| it.max_topics(0));
    assert_eq!(topics.topic(&1).unwrap_err().limit, 0);
}

#[test]
fn all_messages_together_stay_within_the_bound() {
    let (_, topics) = topics(|it| it.max_bytes(1_000));
    let all = [1, 2, 3].map(|key| topics.topic(&key).unwrap());
    for _ in 0..20 {
        for topic in &all {
            publish(topic);
            assert!(topics.stats().bytes <= 1_000);
        }
    }
    let bytes: usize = all.iter().map(|topic| topic.stats().bytes).sum();
    assert_eq!(topics.stats().bytes, bytes);
    assert!(bytes > 900, "{bytes}");
}

#[test]
fn what_is_evicted_for_the_bound_is_a_gap_like_any_other() {
    let (clock, topics) = topics(|it| it.max_bytes(300));
    let topic = topics.topic(&1).unwrap();
    let mut stream = quiet_stream(&topic, &clock, Start::Now);
    for _ in 0..5 {
        publish(&topic);
    }
    assert_eq!(stream.next_ready().unwrap(), evicted(2));
    let rest = stream.next_ready().unwrap();
    assert_eq!(str::from_utf8(&rest).unwrap().matches("data: ").count(), 3);
}

#[test]
fn a_newest_message_stays_whatever_the_others_hold() {
    let (_, topics) = topics(|it| it.max_bytes(250));
    let all: Vec<_> = (0..5).map(|key| topics.topic(&key).unwrap()).collect();
    all.iter().for_each(publish);
    all.iter().for_each(publish);
    assert!(all.iter().all(|topic| topic.stats().retained == 1));
    assert_eq!(topics.stats().bytes, 500, "a message each");
}

#[test]
fn idle_topics_go_before_messages_of_topics_in_use() {
    let (_, topics) = topics(|it| it.max_bytes(1_000));
    for key in 0..9 {
        publish(&topics.topic(&key).unwrap());
    }
    let used = topics.topic(&9).unwrap();
    assert_eq!(topics.stats().idle, 9);
    for _ in 0..9 {
        publish(&used);
    }
    assert_eq!(used.stats().retained, 9);
    assert_eq!(topics.stats().topics, 1);
}

#[test]
fn a_message_beyond_the_bound_is_too_large_and_one_for_later_must_find_space() {
    let (_, topics) = topics(|it| it.max_bytes(300));
    let topic = topics.topic(&1).unwrap();
    let large = topic.publish("x".repeat(300));
    assert!(matches!(large, Err(PublishError::TooLarge(_))));
    publish(&topic);
    publish(&topic);
    let later = |len| Message::from("x".repeat(len)).after(secs(1));
    let refused = topics.topic(&2).unwrap().publish(later(100));
    assert!(matches!(refused, Err(PublishError::Full(_))));
    topic.publish(later(20)).unwrap();
    let bytes = topics.stats().bytes;
    assert!((200..=300).contains(&bytes), "{bytes}");
    drop(topic.take_remaining());
    assert_eq!(topics.stats().bytes, 200);
}

#[test]
fn evicted_topics_free_their_bytes() {
    let (clock, topics) = topics(|it| it.max_bytes(1_000));
    publish(&topics.topic(&1).unwrap());
    assert_eq!(topics.stats().bytes, 100);
    clock.advance(KEEP);
    assert_eq!(topics.len(), 0);
    assert_eq!(topics.stats().bytes, 0);
}

#[test]
fn idle_topics_go_before_messages_of_topics_in_use_if_a_tag_needs_the_space() {
    let (_, topics) = topics(|it| it.max_bytes(1_000));
    for key in 0..8 {
        publish(&topics.topic(&key).unwrap());
    }
    let used = topics.topic(&8).unwrap();
    publish(&used);
    used.publish(Message::from("x").tag("t".repeat(300)))
        .unwrap();
    assert_eq!(used.stats().retained, 2);
}
