//! Waiting until nobody has listened for a while.

use std::future::Future;
use std::sync::Arc;

use sse_queue::topic::Start;
use sse_queue::{FakeClock, Topic};

use crate::support::topic::{TopicStream, new_topic, quiet_stream};
use crate::support::{Task, secs};

fn open(topic: &Topic, clock: &FakeClock) -> TopicStream {
    quiet_stream(topic, clock, Start::Now)
}

fn deserted(topic: &Topic, clock: &FakeClock) -> Task<impl Future<Output = ()> + use<>> {
    Task::new(topic.deserted(secs(30), clock.ticker()))
}

#[test]
fn the_time_counts_from_the_first_poll_if_nobody_has_listened_yet() {
    let (clock, topic) = new_topic();
    let mut wait = deserted(&topic, &clock);
    clock.advance(secs(60));
    assert!(wait.poll().is_pending());
    clock.advance(secs(29));
    assert!(wait.poll().is_pending());
    clock.advance(secs(1));
    assert_eq!(wait.take_wakes(), 1);
    assert!(wait.poll().is_ready());
}

#[test]
fn the_time_counts_from_when_the_last_stream_was_dropped() {
    let (clock, topic) = new_topic();
    let (one, two) = (open(&topic, &clock), open(&topic, &clock));
    let mut wait = deserted(&topic, &clock);
    assert!(wait.poll().is_pending());
    assert_eq!(clock.next_deadline(), None, "it has no time to wait for");
    clock.advance(secs(60));
    drop(one);
    assert_eq!(wait.take_wakes(), 0);
    drop(two);
    assert_eq!(wait.take_wakes(), 1);
    assert!(wait.poll().is_pending());
    assert_eq!(clock.advance_to_next(), Some(secs(30)));
    assert!(wait.poll().is_ready());
}

//   0      20     25        45  50  55
//   |------|======|---------|=|-----...
//   alone  stream  alone     stream, which this task does not poll between
#[test]
fn a_stream_that_opens_meanwhile_starts_the_time_again() {
    let (clock, topic) = new_topic();
    let mut wait = deserted(&topic, &clock);
    assert!(wait.poll().is_pending());
    clock.advance(secs(20));
    let stream = open(&topic, &clock);
    assert_eq!(wait.take_wakes(), 1);
    assert!(wait.poll().is_pending());
    clock.advance(secs(5));
    drop(stream);
    assert_eq!(wait.take_wakes(), 1);
    assert!(wait.poll().is_pending());
    clock.advance(secs(20));
    drop(open(&topic, &clock));
    assert!(wait.poll().is_pending());
    clock.advance(secs(29));
    assert!(wait.poll().is_pending(), "30 s after the first were over");
    clock.advance(secs(1));
    assert!(wait.poll().is_ready());
}

#[test]
fn a_topic_that_has_ended_is_deserted_once_its_last_stream_is_dropped() {
    for end in [Topic::close, Topic::abort, |topic: &Topic| {
        let _ = topic;
    }] {
        let (clock, topic) = new_topic();
        let stream = open(&topic, &clock);
        let (mut wait, empty) = (deserted(&topic, &clock), Topic::new());
        let mut at_once = deserted(&empty, &clock);
        assert!(wait.poll().is_pending() && at_once.poll().is_pending());
        end(&topic);
        end(&empty);
        drop((topic, empty));
        assert!(at_once.take_wakes() > 0);
        assert!(at_once.poll().is_ready());
        assert!(wait.poll().is_pending());
        wait.take_wakes();
        drop(stream);
        assert!(wait.take_wakes() > 0);
        assert!(wait.poll().is_ready());
        assert_eq!(clock.next_deadline(), None);
    }
}

#[test]
fn without_grace_it_is_ready_when_nobody_listens() {
    let (clock, topic) = new_topic();
    let mut wait = Task::new(topic.deserted(secs(0), clock.ticker()));
    assert!(wait.poll().is_ready());
}

#[test]
fn every_task_that_waits_is_woken_and_one_call_wakes_64() {
    let (clock, topic) = new_topic();
    let stream = open(&topic, &clock);
    let mut waits: Vec<_> = (0..200).map(|_| deserted(&topic, &clock)).collect();
    assert!(waits.iter_mut().all(|wait| wait.poll().is_pending()));
    drop(stream);
    assert_eq!(waits.iter().filter(|wait| wait.is_woken()).count(), 64);
    let mut woken = 0;
    while let Some(wait) = waits.iter_mut().find(|wait| wait.take_wakes() > 0) {
        assert!(wait.poll().is_pending());
        woken += 1;
    }
    assert_eq!(woken, 200);
    topic.close();
    let mut ready = 0;
    while let Some(wait) = waits.iter_mut().find(|wait| wait.take_wakes() > 0) {
        assert!(wait.poll().is_ready());
        ready += 1;
    }
    assert_eq!(ready, 200);
}

#[test]
fn a_wait_that_is_dropped_or_moved_leaves_no_waker_behind() {
    for listens in [false, true] {
        let (clock, topic) = new_topic();
        let stream = listens.then(|| open(&topic, &clock));
        let mut wait = deserted(&topic, &clock);
        assert!(wait.poll().is_pending());
        let first = Arc::clone(&wait.count);
        wait.move_to_another_task();
        assert!(wait.poll().is_pending());
        assert_eq!(Arc::strong_count(&first), 1);
        let second = Arc::clone(&wait.count);
        drop(wait);
        assert_eq!(Arc::strong_count(&second), 1);
        drop(stream);
    }
}
