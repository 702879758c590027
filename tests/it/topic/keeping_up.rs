//! Streams that keep up share what the first of them has read, and register early for the next.

use sse_queue::topic::Start;
use sse_queue::{FakeClock, Pacing, Topic};

use crate::support::topic::{
    TopicStream, after, new_topic, publish_all, publish_brief, publish_later, quiet_stream, reader,
};
use crate::support::{Task, ms, secs, settled};

/// Streams that have kept up for a while, with one message to read.
fn in_step<const N: usize>(topic: &Topic, streams: [TopicStream; N]) -> [Task<TopicStream>; N] {
    let mut tasks = streams.map(settled);
    for _ in 0..3 {
        topic.publish("x").unwrap();
        for task in &mut tasks {
            task.assert_sends("x");
        }
    }
    topic.publish("m").unwrap();
    tasks
}

fn two(topic: &Topic, clock: &FakeClock) -> [Task<TopicStream>; 2] {
    in_step(
        topic,
        [(); 2].map(|()| quiet_stream(topic, clock, Start::Now)),
    )
}

#[test]
fn each_message_is_counted_for_each() {
    let (clock, topic) = new_topic();
    let mut streams = two(&topic, &clock);
    let before = topic.stats().delivered;
    publish_all(&topic, &["n"]);
    for stream in &mut streams {
        assert_eq!(stream.data(), "m,n");
    }
    assert_eq!(topic.stats().delivered - before, 4);
}

#[test]
fn they_end_with_a_topic_that_closes_before_or_after_the_first_has_read() {
    for closes_first in [true, false] {
        let (clock, topic) = new_topic();
        let [mut one, mut two] = two(&topic, &clock);
        if closes_first {
            topic.close();
        }
        assert_eq!(one.data(), "m");
        topic.close();
        assert_eq!(two.data(), "m");
        one.assert_ended();
        two.assert_ended();
    }
}

#[test]
fn they_end_when_the_last_handle_is_dropped() {
    let (clock, topic) = new_topic();
    let [mut one, mut two] = two(&topic, &clock);
    assert_eq!(one.data(), "m");
    drop(topic);
    assert_eq!(two.data(), "m");
    two.assert_ended();
}

#[test]
fn an_abort_leaves_them_nothing() {
    let (clock, topic) = new_topic();
    let [mut one, mut two] = two(&topic, &clock);
    assert_eq!(one.data(), "m");
    topic.abort();
    two.assert_ended();
}

#[test]
fn what_has_fallen_due_since_the_first_has_read_is_there_for_the_second() {
    let (clock, topic) = new_topic();
    let [mut one, mut two] = two(&topic, &clock);
    assert_eq!(one.data(), "m");
    publish_later(&topic, "n", secs(1));
    clock.advance(secs(1));
    assert_eq!(two.drain_data(), "m,n");
}

#[test]
fn what_expires_since_the_first_has_read_is_not() {
    let (clock, topic) = new_topic();
    let [mut one, mut two] = two(&topic, &clock);
    publish_brief(&topic, "n", secs(1));
    assert_eq!(one.data(), "m,n");
    clock.advance(secs(1));
    assert_eq!(two.drain_data(), "m");
}

#[test]
fn each_keeps_to_its_own_limits() {
    let (clock, topic) = new_topic();
    let stream = || quiet_stream(&topic, &clock, Start::Now);
    let limits = [
        |stream: TopicStream| stream.max_chunk_bytes(1),
        |stream: TopicStream| stream.pacing(Pacing::immediate().batch(1)),
    ];
    for limit in limits {
        let [mut all, mut limited] = in_step(&topic, [stream(), limit(stream())]);
        publish_all(&topic, &["n"]);
        assert_eq!(all.data(), "m,n");
        assert_eq!(limited.data(), "m");
        assert_eq!(limited.data(), "n");
    }
}

/// ```text
/// ms      0            1
/// spaced  LARGE     m  n,o,p,q
/// late      m,n,o,p,q
/// ```
#[test]
fn the_rest_of_a_burst_is_not_joined_with_what_came_later() {
    let (clock, topic) = new_topic();
    let stream = || quiet_stream(&topic, &clock, Start::Now);
    let spaced = stream().pacing(Pacing::spaced(ms(1))).max_chunk_bytes(100);
    let [mut spaced, mut other] = in_step_spaced(&topic, &clock, [spaced, stream()]);
    let large = "l".repeat(70);
    publish_all(&topic, &[&large, "m"]);
    assert_eq!(spaced.data(), large);
    assert_eq!(other.data(), format!("{large},m"));
    for data in ["n", "o", "p"] {
        publish_all(&topic, &[data]);
        assert_eq!(other.data(), data);
    }
    publish_all(&topic, &["q"]);
    let mut late = reader(&topic, &clock, after("e-4"));
    assert_eq!(late.data(), "m,n,o,p,q");
    spaced.assert_sends("m");
    clock.advance(ms(1));
    assert_eq!(spaced.data(), "n,o,p,q");
}

/// As [`in_step`], for streams with gaps, which are over each time.
fn in_step_spaced(
    topic: &Topic,
    clock: &FakeClock,
    streams: [TopicStream; 2],
) -> [Task<TopicStream>; 2] {
    let mut tasks = streams.map(settled);
    for _ in 0..3 {
        topic.publish("x").unwrap();
        for task in &mut tasks {
            task.assert_sends("x");
        }
        clock.advance(ms(1));
        tasks.iter_mut().for_each(Task::assert_pending);
    }
    tasks
}

#[test]
fn a_stream_whose_gap_is_over_is_woken_for_the_end_once() {
    let (clock, topic) = new_topic();
    let stream = || quiet_stream(&topic, &clock, Start::Now);
    let streams = [stream(), stream().pacing(Pacing::spaced(ms(1)))];
    let [mut other, mut spaced] = in_step_spaced(&topic, &clock, streams);
    publish_all(&topic, &["m"]);
    spaced.assert_sends("m");
    publish_all(&topic, &["n"]);
    assert_eq!(other.drain_data(), "m,n");
    clock.advance(ms(1));
    assert_eq!(spaced.data(), "n");
    spaced.take_wakes();
    topic.close();
    assert_eq!(spaced.take_wakes(), 1);
}
