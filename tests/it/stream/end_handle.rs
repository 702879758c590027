//! Ending chosen streams.

use std::sync::Arc;

use sse_queue::stream::EndHandle;
use sse_queue::topic::Start;
use sse_queue::{Event, FakeClock, Lease, Queue, Topic};

use super::PACINGS;
use crate::support::{Count, Task, quiet, secs};

#[test]
fn a_handle_ends_its_stream_and_no_other() {
    for pacing in PACINGS {
        let (clock, topic) = (FakeClock::new(), Topic::new());
        let stream = || {
            let stream = quiet(topic.stream(Start::Now, clock.ticker()).unwrap());
            stream.pacing(pacing).farewell(Event::new("bye"))
        };
        let (mut revoked, mut other) = (stream(), stream());
        let (handle, unused) = (revoked.end_handle(), other.end_handle());
        let (mut revoked, mut other) = (Task::new(revoked), Task::new(other));
        revoked.assert_pending();
        other.assert_pending();
        handle.clone().end();
        handle.end();
        assert_eq!((revoked.take_wakes(), other.take_wakes()), (1, 0));
        topic.publish("secret").unwrap();
        assert_eq!(revoked.data(), "bye", "{pacing:?}");
        revoked.assert_ended();
        clock.advance(secs(60));
        assert_eq!(other.data(), "secret", "{pacing:?}");
        drop(unused);
    }
}

#[test]
fn a_stream_that_was_ended_before_its_first_poll_sends_its_farewell_alone() {
    let topic = Topic::new();
    let stream = topic.stream(Start::Now, FakeClock::new().ticker()).unwrap();
    let mut stream = stream
        .greeting(Event::new("hi"))
        .farewell(Event::new("bye"));
    stream.end_handle().end();
    let mut stream = Task::new(stream);
    assert_eq!(stream.data(), "bye");
    stream.assert_ended();
}

#[test]
fn all_handles_of_a_stream_end_it() {
    for ends in [0, 1] {
        let mut stream = Queue::new().stream(FakeClock::new().ticker()).unwrap();
        let handles: [EndHandle; 2] = [stream.end_handle(), stream.end_handle()];
        handles[ends].end();
        assert_eq!(stream.next_ready(), None);
        assert!(stream.is_terminated());
    }
}

#[test]
fn a_handle_that_was_taken_between_two_polls_ends_the_stream_too() {
    let queue = Queue::new();
    let mut stream = Task::new(quiet(queue.stream(FakeClock::new().ticker()).unwrap()));
    stream.assert_pending();
    let handle = stream.inner.end_handle();
    stream.assert_pending();
    handle.end();
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_ended();
    stream.inner.end_handle().end();
    stream.assert_ended();
}

#[test]
fn a_handle_wakes_the_task_that_polled_last() {
    let topic = Topic::new();
    let stream = topic.stream(Start::Now, FakeClock::new().ticker()).unwrap();
    let mut stream = quiet(stream);
    let handle = stream.end_handle();
    let mut stream = Task::new(stream);
    stream.assert_pending();
    let first = Arc::clone(&stream.count);
    stream.move_to_another_task();
    stream.assert_pending();
    handle.end();
    assert_eq!((first.take(), stream.take_wakes()), (0, 1));
}

#[test]
fn a_handle_keeps_no_waker_of_a_stream_that_is_gone_or_has_ended() {
    let (clock, topic) = (FakeClock::new(), Topic::new());
    let watched = || {
        let mut stream = quiet(topic.stream(Start::Now, clock.ticker()).unwrap());
        let handle = stream.end_handle();
        let mut task = Task::new(stream);
        task.assert_pending();
        (task, handle)
    };
    let (dropped, handle) = watched();
    let count = Arc::clone(&dropped.count);
    drop(dropped);
    assert_eq!(Arc::strong_count(&count), 1);
    handle.end();
    assert_eq!(topic.stats().streams, 0);

    let (mut ended, _handle) = watched();
    let unwatched = quiet(topic.stream(Start::Now, clock.ticker()).unwrap());
    let mut unwatched = Task::new(unwatched);
    unwatched.assert_pending();
    topic.close();
    ended.assert_ended();
    unwatched.assert_ended();
    let wakers = |task: &Arc<Count>| Arc::strong_count(task);
    assert_eq!(wakers(&ended.count), wakers(&unwatched.count));
}

#[test]
fn what_an_ended_stream_was_woken_for_goes_to_another() {
    let (clock, lease) = (FakeClock::new(), Lease::new(secs(30)));
    let queue = Queue::builder()
        .clock(clock.clone())
        .at_least_once(lease)
        .build();
    let stream = || quiet(queue.stream(clock.ticker()).unwrap());
    let mut revoked = stream();
    let handle = revoked.end_handle();
    let (mut revoked, mut other) = (Task::new(revoked), Task::new(stream()));
    revoked.assert_pending();
    other.assert_pending();
    queue.push("job").unwrap();
    handle.end();
    revoked.assert_ended();
    assert!(other.take_wakes() > 0);
    assert_eq!(other.data(), "job");
}
