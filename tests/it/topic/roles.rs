//! Which streams of a topic keep its time, and what happens when they read something else first.

use std::slice;

use sse_queue::topic::Start;
use sse_queue::{FakeClock, Message, Topic};

use crate::support::topic::{
    TopicStream, later, new_topic, publish_later, quiet_stream, reader, waiting,
};
use crate::support::{Task, ms, pass, run, secs, settled};

/// Both are woken to arm for the earlier message, and another stream has read what they find.
#[test]
fn timekeepers_that_take_a_shared_chunk_still_arm_for_an_earlier_message() {
    let (clock, topic) = new_topic();
    let mut streams: Vec<_> = (0..2).map(|_| waiting(&topic, &clock)).collect();
    publish_later(&topic, "late", secs(3_600));
    run(&mut streams);
    let mut other = reader(&topic, &clock, Start::Now);
    publish_later(&topic, "soon", secs(5));
    topic.publish("x").unwrap();
    assert_eq!(other.data(), "x");
    assert_eq!(run(&mut streams), ["x", "x"]);
    other.assert_pending();
    streams.push(other);
    assert_eq!(pass(&clock, secs(5), &mut streams), ["soon"; 3]);
}

/// Three streams that wait, of which two were woken to arm for a message and were not polled: the
/// third comes first.
fn idle_and_asked(topic: &Topic, clock: &FakeClock) -> (Task<TopicStream>, Vec<Task<TopicStream>>) {
    let mut streams: Vec<_> = (0..3).map(|_| waiting(topic, clock)).collect();
    publish_later(topic, "x", secs(5));
    let idle = streams.iter().position(|stream| !stream.is_woken());
    (streams.remove(idle.unwrap()), streams)
}

#[test]
fn streams_that_leave_before_they_arm_are_replaced_as_timekeepers() {
    let (clock, topic) = new_topic();
    let (mut idle, asked) = idle_and_asked(&topic, &clock);
    drop(asked);
    assert_eq!(pass(&clock, secs(5), slice::from_mut(&mut idle)), ["x"]);
}

#[test]
fn streams_polled_by_hand_before_they_arm_are_replaced_as_timekeepers() {
    let (clock, topic) = new_topic();
    let (mut idle, mut asked) = idle_and_asked(&topic, &clock);
    for stream in &mut asked {
        assert_eq!(stream.inner.next_ready(), None);
    }
    assert_eq!(pass(&clock, secs(5), slice::from_mut(&mut idle)), ["x"]);
}

#[test]
fn streams_that_end_by_their_age_before_they_arm_are_replaced_as_timekeepers() {
    let (clock, topic) = new_topic();
    let mut aging =
        [(); 2].map(|()| settled(quiet_stream(&topic, &clock, Start::Now).max_age(ms(500))));
    let mut idle = waiting(&topic, &clock);
    publish_later(&topic, "x", secs(5));
    assert!(aging.iter().all(Task::is_woken));
    clock.advance(ms(500));
    for stream in &mut aging {
        assert!(stream.bytes().starts_with("retry:"));
        stream.assert_ended();
    }
    assert_eq!(pass(&clock, ms(4_500), slice::from_mut(&mut idle)), ["x"]);
}

/// The last handle is gone, and the last scheduled message expires before it enters.
#[test]
fn a_stream_that_reads_late_ends_after_the_last_scheduled_message_expired() {
    let (clock, topic) = new_topic();
    let [mut one, mut two] = [(); 2].map(|()| waiting(&topic, &clock));
    topic.publish("x").unwrap();
    let never = later("never", secs(10)).expires_after(ms(1));
    topic.publish(never).unwrap();
    drop(topic);
    one.assert_sends("x");
    clock.advance(secs(20));
    one.assert_ended();
    assert_eq!(two.data(), "x");
    two.assert_ended();
}

/// The first has no time to keep once its message has expired, and is dropped.
#[test]
fn the_second_timekeeper_is_the_first_for_the_next_message() {
    let (clock, topic) = new_topic();
    let expires = Message::from("expires").after(ms(1));
    topic.publish(expires.expires_after(ms(0))).unwrap();
    let (mut first, mut second) = (waiting(&topic, &clock), waiting(&topic, &clock));
    clock.advance(ms(1));
    first.assert_pending();
    drop(first);
    publish_later(&topic, "x", ms(5));
    while second.take_wakes() > 0 {
        second.assert_pending();
    }
    clock.advance(ms(5));
    second.assert_woken_for("x");
}
