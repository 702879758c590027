//! More streams than one step wakes.

use sse_queue::{FakeClock, Topic};

use crate::support::topic::{TopicStream, builder, new_topic, publish_all, waiting};
use crate::support::{Task, secs};

/// The most streams that one call wakes.
const BATCH: usize = 64;

fn crowd(topic: &Topic, clock: &FakeClock, count: usize) -> Vec<Task<TopicStream>> {
    (0..count).map(|_| waiting(topic, clock)).collect()
}

fn woken(streams: &[Task<TopicStream>]) -> usize {
    streams.iter().map(Task::take_wakes).sum()
}

#[test]
fn a_publish_wakes_64_streams_and_each_poll_the_next_64() {
    let (clock, topic) = new_topic();
    let mut streams = crowd(&topic, &clock, 300);
    publish_all(&topic, &["a"]);
    assert_eq!(woken(&streams), BATCH);
    assert_eq!(streams[0].data(), "a");
    assert_eq!(woken(&streams), BATCH);
    streams[0].assert_pending();
    assert_eq!(woken(&streams), BATCH);
    assert_eq!(streams[1].data(), "a");
    assert_eq!(woken(&streams), BATCH);
    assert_eq!(streams[2].data(), "a");
    assert_eq!(woken(&streams), 300 - 4 * BATCH);
}

#[test]
fn each_stream_is_woken_though_only_those_poll_that_were() {
    let (clock, topic) = new_topic();
    let mut streams = crowd(&topic, &clock, 1_000);
    for data in ["a", "b", "c"] {
        publish_all(&topic, &[data]);
        let mut seen = 0;
        while let Some(stream) = streams.iter_mut().find(|stream| stream.take_wakes() > 0) {
            stream.assert_sends(data);
            seen += 1;
        }
        assert_eq!(seen, 1_000);
    }
}

#[test]
fn a_close_wakes_64_streams_and_each_that_ends_the_next_64() {
    let (clock, topic) = new_topic();
    let mut streams = crowd(&topic, &clock, 200);
    topic.close();
    let mut ended = 0;
    assert_eq!(woken(&streams), BATCH);
    for stream in &mut streams {
        stream.assert_ended();
        ended += 1;
    }
    assert_eq!(ended, 200);
    let mut streams = crowd(&builder(&clock).build(), &clock, 200);
    assert_eq!(woken(&streams), BATCH, "the last handle is gone");
    drop(streams.drain(..3));
    assert_eq!(
        woken(&streams),
        200 - BATCH,
        "a stream that is dropped passes its wake-up on"
    );
}

#[test]
fn a_stream_that_was_yet_to_be_woken_for_two_messages_is_woken_once() {
    let (clock, topic) = new_topic();
    let mut streams = crowd(&topic, &clock, 200);
    publish_all(&topic, &["a", "b"]);
    assert_eq!(woken(&streams), 2 * BATCH);
    publish_all(&topic, &["c", "d"]);
    assert_eq!(woken(&streams), 200 - 2 * BATCH);
    assert!(streams.iter_mut().all(|stream| stream.data() == "a,b,c,d"));
}

/// ```text
/// s    0          1
///      64 woken, one of them polls
///                 it polls again, and wakes the rest
/// ```
#[test]
fn a_stream_that_waits_while_a_crowd_is_pending_wakes_the_rest_after_a_second() {
    let (clock, topic) = new_topic();
    let mut streams = crowd(&topic, &clock, 250);
    publish_all(&topic, &["a"]);
    streams[0].assert_sends("a");
    assert_eq!(woken(&streams), 3 * BATCH);
    assert_eq!(clock.next_deadline(), Some(secs(1)));
    clock.advance(secs(1));
    assert_eq!(streams[0].take_wakes(), 1);
    streams[0].assert_pending();
    assert_eq!(woken(&streams), 250 - 3 * BATCH);
    assert_eq!(clock.next_deadline(), None);
}

#[test]
fn a_stream_that_came_before_its_wake_up_is_not_woken() {
    let (clock, topic) = new_topic();
    let mut streams = crowd(&topic, &clock, 100);
    publish_all(&topic, &["a"]);
    let last = streams.last_mut().unwrap();
    assert_eq!(last.data(), "a");
    assert_eq!(last.take_wakes(), 0);
    publish_all(&topic, &["b"]);
    publish_all(&topic, &["c"]);
    assert!(streams.iter_mut().all(|stream| stream.take_wakes() > 0));
}
