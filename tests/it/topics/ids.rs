//! The ids of topics with keys.

use sse_queue::topic::{GapCause, Resumption, Start};
use sse_queue::{LastEventId, Topic, Topics};

use crate::support::topic::gap;
use crate::support::topics::{builder, new_topics};

fn publish(topic: &Topic) -> LastEventId {
    LastEventId::new(topic.publish("x").unwrap().id())
}

#[test]
fn an_id_leads_back_to_its_key_as_long_as_the_key_has_a_topic() {
    let (_, topics) = new_topics::<String>();
    let all = ["one", "two"].map(|key| topics.topic(key).unwrap());
    let ids = all.each_ref().map(publish);
    assert_eq!(topics.key_of(&ids[0]).unwrap(), "one");
    assert_eq!(topics.key_of(&ids[1]).unwrap(), "two");
    drop(all);
    assert!(topics.forget("one"));
    assert_eq!(topics.key_of(&ids[0]), None);
    assert_eq!(topics.key_of(&ids[1]).unwrap(), "two");
}

#[test]
fn an_id_of_the_previous_topic_leads_to_the_key_and_is_a_gap() {
    let (clock, topics) = new_topics::<String>();
    let id = publish(&topics.topic("run").unwrap());
    assert!(topics.forget("run"));
    let topic = topics.topic("run").unwrap();
    assert_eq!(topics.key_of(&id).unwrap(), "run");
    let stream = topic
        .resume(Some(id), Start::Oldest, clock.ticker())
        .unwrap();
    assert_eq!(stream.resumption(), gap(None, GapCause::ForeignEpoch));
    let id = publish(&topic);
    assert_eq!(topic.resumption_of(&id), Resumption::Exact);
}

#[test]
fn ids_of_other_shapes_or_registries_have_no_key() {
    let (_, topics) = new_topics::<u64>();
    let (_, others) = new_topics::<u64>();
    let _topic = topics.topic(&1).unwrap();
    let other = publish(&others.topic(&1).unwrap());
    assert_eq!(topics.key_of(&other), None, "the hash is seeded");
    for id in [
        "",
        "order-42",
        "1-1",
        "abcdefghijklmnop-1",
        "no number",
        "two\nlines",
    ] {
        assert_eq!(topics.key_of(&LastEventId::new(id)), None, "{id}");
    }
}

#[test]
fn asking_for_a_key_does_not_use_its_topic() {
    let (clock, topics) = new_topics::<u64>();
    let id = publish(&topics.topic(&1).unwrap());
    for _ in 0..60 {
        assert_eq!(topics.key_of(&id), Some(1));
        clock.advance(crate::support::secs(1));
    }
    assert_eq!(topics.key_of(&id), None);
}

#[test]
fn an_epoch_of_the_settings_is_not_used() {
    let clock = sse_queue::FakeClock::new();
    let settings = |topic: sse_queue::topic::TopicBuilder| topic.epoch("e").unwrap();
    let topics: Topics<u64> = builder(&clock).topic(settings).build();
    let topic = topics.topic(&1).unwrap();
    assert_eq!(topic.epoch().len(), 16);
    assert_eq!(topics.key_of(&publish(&topic)), Some(1));
}
