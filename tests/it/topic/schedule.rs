//! Messages for later.

use std::time::{Duration, SystemTime};

use sse_queue::topic::Start;
use sse_queue::{FakeClock, Message, Queue};

use crate::support::secs;
use crate::support::topic::{
    builder, later, new_topic, publish_later, reader, replay, topic, waiting, with_id,
};

/// ```text
/// s     0        1        2        3
///       d(3) b1(1) b2(1)
///       a        b1 b2    c        d
/// ```
#[test]
fn scheduled_messages_enter_in_the_order_of_due_time_then_arrival() {
    let (clock, topic) = new_topic();
    for (data, after) in [("d", 3), ("b1", 1), ("b2", 1)] {
        topic.publish(later(data, secs(after))).unwrap();
    }
    topic.publish("a").unwrap();
    clock.advance(secs(2));
    topic.publish("c").unwrap();
    clock.advance(secs(1));
    assert_eq!(replay(&topic, Start::Oldest), "a,b1,b2,c,d");
}

#[test]
fn what_fell_due_enters_before_whatever_is_done_next() {
    let (clock, topic) = new_topic();
    let add = || topic.publish(later("x", secs(1))).unwrap();
    add();
    clock.advance(secs(1));
    let mut stream = reader(&topic, &clock, Start::Now);
    stream.assert_pending();
    add();
    clock.advance(secs(1));
    assert_eq!(topic.publish("a").unwrap().id(), "e-3");
    add();
    clock.advance(secs(1));
    assert!(!topic.cancel("e-d3"), "it has entered");
    assert_eq!(stream.data(), "x,a,x");
    add();
    clock.advance(secs(1));
    topic.close();
    assert_eq!(stream.data(), "x");
    stream.assert_ended();
}

#[test]
fn a_time_that_has_passed_or_comes_at_once_is_now() {
    let clock = FakeClock::at(SystemTime::UNIX_EPOCH + secs(60));
    let topic = topic(&clock);
    let past = Message::from("past").at(SystemTime::UNIX_EPOCH);
    assert_eq!(topic.publish("a").unwrap().id(), "e-1");
    assert_eq!(topic.publish(past).unwrap().id(), "e-2");
    assert_eq!(
        topic.publish(later("at once", secs(0))).unwrap().id(),
        "e-3"
    );
    assert_eq!(replay(&topic, Start::Oldest), "a,past,at once");
}

#[test]
fn a_message_due_never_waits_for_good() {
    let (clock, topic) = new_topic();
    let mut stream = waiting(&topic, &clock);
    publish_later(&topic, "x", Duration::MAX);
    clock.advance(secs(1_000_000));
    stream.assert_pending();
    assert_eq!(clock.next_deadline(), None);
    assert_eq!(topic.take_remaining()[0].due(), None);
}

#[test]
fn thousands_that_fall_due_at_once_all_enter_in_order() {
    let (clock, topic) = new_topic();
    let mut stream = waiting(&topic, &clock);
    for number in 1..=5_000_u64 {
        topic.publish(later(&number.to_string(), secs(1))).unwrap();
    }
    stream.assert_pending();
    clock.advance(secs(1));
    let expected: Vec<_> = (1..=5_000_u64).map(|number| number.to_string()).collect();
    assert_eq!(stream.drain_data(), expected.join(","));
}

#[test]
fn a_message_that_expires_before_the_next_call_never_enters() {
    let (clock, topic) = new_topic();
    topic
        .publish(later("x", secs(1)).expires_after(secs(1)))
        .unwrap();
    clock.advance(secs(2));
    assert_eq!(replay(&topic, Start::Oldest), "");
    assert_eq!((topic.stats().expired, topic.stats().retained), (1, 0));
}

#[test]
fn cancelled_messages_never_enter_and_free_their_capacity() {
    let clock = FakeClock::new();
    let topic = builder(&clock).max_scheduled(1).build();
    let one = topic.publish(later("x", secs(1))).unwrap();
    assert!(topic.publish(later("y", secs(1))).is_err());
    assert!(topic.cancel(one.id()));
    assert!(!topic.cancel(one.id()));
    publish_later(&topic, "y", secs(1));
    clock.advance(secs(1));
    assert_eq!(replay(&topic, Start::Oldest), "y");
    assert!(!topic.cancel("e-1"), "what is in the log stays");
}

#[test]
fn messages_with_one_own_id_are_cancelled_newest_first() {
    let (clock, topic) = new_topic();
    for data in ["a", "b", "c"] {
        let message = Message::from(with_id(data, "same"));
        topic.publish(message.after(secs(1))).unwrap();
    }
    assert!(topic.cancel("same"));
    assert!(topic.cancel("same"));
    clock.advance(secs(1));
    assert_eq!(replay(&topic, Start::Oldest), "a");
    assert!(!topic.cancel("same"));
}

#[test]
fn remaining_messages_come_out_by_due_time_with_all_they_had() {
    let (clock, topic) = new_topic();
    topic.publish("entered").unwrap();
    topic
        .publish(later("b", secs(2)).expires_after(secs(3)))
        .unwrap();
    let own = Message::from(with_id("a", "own")).after(secs(1));
    topic.publish(own).unwrap();
    topic.close();
    let remaining = topic.take_remaining();
    let ids: Vec<_> = remaining
        .iter()
        .map(sse_queue::message::Remaining::id)
        .collect();
    assert_eq!(ids, ["own", "e-d1"]);
    assert_eq!(remaining[1].due(), Some(SystemTime::UNIX_EPOCH + secs(2)));
    assert_eq!(
        remaining[1].expires(),
        Some(SystemTime::UNIX_EPOCH + secs(5))
    );
    assert!(topic.take_remaining().is_empty());
    assert_eq!((topic.stats().scheduled, topic.stats().withdrawn), (0, 2));

    let queue = Queue::builder().clock(clock.clone()).build();
    for remaining in remaining {
        queue.push(remaining).unwrap();
    }
    clock.advance(secs(2));
    assert_eq!(queue.next_ready().unwrap(), "id: own\ndata: a\n\n");
    assert_eq!(queue.next_ready().unwrap(), "id: e-d1\ndata: b\n\n");
}
