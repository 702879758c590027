//! Messages that supersede older ones.

use sse_queue::topic::{GapCause, PublishError, Resumption, Start};
use sse_queue::{Event, FakeClock, Message, Topic};

use crate::support::topic::{
    after, builder, evicted, gap, new_topic, quiet_stream, reader, waiting, with_id,
};
use crate::support::{Task, secs};

fn keyed(topic: &Topic, key: &str, data: &str) {
    topic.publish(Message::from(data).key(key)).unwrap();
}

#[test]
fn a_slow_stream_gets_the_newest_of_each_key_and_no_gap() {
    let (clock, topic) = new_topic();
    let mut slow = waiting(&topic, &clock);
    for number in 0..200 {
        keyed(&topic, "a", &format!("a{number}"));
        keyed(&topic, "b", &format!("b{number}"));
    }
    topic.publish("no key").unwrap();
    keyed(&topic, "a", "last");
    assert_eq!(slow.drain_data(), "b199,no key,last");
    let stats = topic.stats();
    assert_eq!(
        (stats.lagged, stats.retained, stats.superseded),
        (0, 3, 399)
    );
}

#[test]
fn a_stream_that_reads_after_each_publish_sees_every_message() {
    let (clock, topic) = new_topic();
    let mut quick = waiting(&topic, &clock);
    for number in 0..100 {
        keyed(&topic, "a", &number.to_string());
        quick.assert_woken_for(&number.to_string());
    }
}

#[test]
fn a_new_stream_from_the_oldest_gets_the_state_in_order() {
    let (clock, topic) = new_topic();
    for (key, data) in [
        ("a", "a1"),
        ("b", "b1"),
        ("c", "c1"),
        ("a", "a2"),
        ("b", "b2"),
    ] {
        keyed(&topic, key, data);
    }
    let mut state = reader(&topic, &clock, Start::Oldest);
    assert_eq!(state.drain_data(), "c1,a2,b2");
    let mut last = reader(&topic, &clock, Start::Last(2));
    assert_eq!(last.drain_data(), "a2,b2");
}

#[test]
fn superseded_messages_leave_counters_and_gaps() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(2).build();
    topic.publish("1").unwrap();
    let plain = topic.stats().bytes;
    for number in 0..50 {
        keyed(&topic, "a", &number.to_string());
    }
    assert_eq!(topic.stats().retained, 2);
    let resumption = |id: &str| quiet_stream(&topic, &clock, after(id)).resumption();
    assert_eq!(resumption("e-1"), Resumption::Exact);
    topic.publish("52").unwrap();
    topic.publish("53").unwrap();
    assert_eq!(
        resumption("e-1"),
        gap(Some(1), GapCause::Evicted),
        "the newest of its key"
    );
    let mut behind = reader(&topic, &clock, after("e-1"));
    assert_eq!(behind.bytes(), evicted(1));
    assert_eq!(behind.drain_data(), "52,53");
    assert!(topic.stats().bytes < 3 * plain);
}

#[test]
fn a_key_of_a_message_that_left_the_log_begins_anew() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(2).build();
    let brief = Message::from("brief").key("a").expires_after(secs(1));
    topic.publish(brief).unwrap();
    clock.advance(secs(1));
    keyed(&topic, "a", "1");
    keyed(&topic, "b", "2");
    keyed(&topic, "c", "evicts a");
    keyed(&topic, "a", "evicts b");
    let mut all = reader(&topic, &clock, Start::Oldest);
    assert_eq!(all.drain_data(), "evicts a,evicts b");
}

#[test]
fn a_scheduled_message_supersedes_when_it_enters_the_log() {
    let (clock, topic) = new_topic();
    let later = Message::from("later").key("a").after(secs(5));
    topic.publish(later).unwrap();
    keyed(&topic, "a", "now");
    let state = |topic: &Topic| reader(topic, &clock, Start::Oldest).drain_data();
    assert_eq!(state(&topic), "now");
    clock.advance(secs(5));
    assert_eq!(state(&topic), "later");
}

#[test]
fn a_client_resumes_after_the_own_id_of_a_superseded_message() {
    let (clock, topic) = new_topic();
    let own: Event = with_id("old", "order-1");
    topic.publish(Message::new(own).key("a")).unwrap();
    topic.publish("between").unwrap();
    keyed(&topic, "a", "new");
    let stream = quiet_stream(&topic, &clock, after("order-1"));
    assert_eq!(stream.resumption(), Resumption::Exact);
    assert_eq!(Task::new(stream).drain_data(), "between,new");
}

#[test]
fn keys_of_scheduled_messages_count_towards_the_bound_in_bytes() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history_bytes(2_000).build();
    let later = |number: u32| {
        let key = number.to_string() + &"k".repeat(500);
        topic.publish(Message::from("x").key(key).after(secs(1)))
    };
    assert!((0..3).all(|number| later(number).is_ok()));
    assert!(matches!(later(3), Err(PublishError::Full(_))));
    clock.advance(secs(1));
    assert!(later(4).is_ok());
}
