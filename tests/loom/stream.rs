//! A topic's streams that wait without the lock: within a gap, or with a waker that they registered
//! as they took the last message.
//!
//! Planted mistakes show that these models can fail: a stream in its gap that does not compare the
//! generations of wake-ups before it waits, a generation that is not counted, a busy stream that is
//! woken to keep the time.

use std::task::Poll;
use std::time::Duration;

use loom::thread;
use sse_queue::topic::Start;
use sse_queue::{FakeClock, Pacing, Topic};

use crate::support::{
    Task, TopicStream, drain, later, new_topic, next_in_time, poll_once, topic_stream,
};

/// A stream that has just sent a message meets what another thread does to its topic; returns what
/// it sends from then on.
fn within_a_gap(other: impl FnOnce(Topic) + Send + 'static) -> String {
    let (clock, topic) = new_topic();
    let stream = topic_stream(&topic, &clock, Start::Now);
    let mut task = Task::new(stream.pacing(Pacing::spaced(Duration::from_secs(3600))));
    topic.publish("a").unwrap();
    assert_eq!(
        task.poll_next(),
        Poll::Ready(Some("id: e-1\ndata: a\n\n".into()))
    );
    let meeting = thread::spawn(move || other(topic));
    let rest = task.drain();
    meeting.join().unwrap();
    rest
}

#[test]
fn a_close_ends_a_stream_within_its_gap() {
    loom::model(|| assert_eq!(within_a_gap(|topic| topic.close()), ""));
}

#[test]
fn what_comes_within_the_gap_goes_out_when_the_topic_closes() {
    loom::model(|| {
        let sent = within_a_gap(|topic| {
            topic.publish("b").unwrap();
            topic.close();
        });
        assert_eq!(sent, "id: e-2\ndata: b\n\n");
    });
}

fn listen(topic: &Topic, clock: &FakeClock) -> TopicStream {
    topic_stream(topic, clock, Start::Now)
}

/// As it takes a message the stream registers for the next, and polls again without the lock.
#[test]
fn a_stream_that_has_just_taken_a_message_sees_the_next() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let stream = listen(&topic, &clock);
        let reads = thread::spawn(move || Task::new(stream).read(2));
        topic.publish("a").unwrap();
        topic.publish("b").unwrap();
        assert!(reads.join().unwrap().ends_with("data: b\n\n"));
    });
}

#[test]
fn a_close_ends_a_stream_that_has_just_taken_the_last_message() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let stream = listen(&topic, &clock);
        let reads = thread::spawn(move || drain(stream));
        topic.publish("a").unwrap();
        topic.close();
        assert_eq!(reads.join().unwrap(), "id: e-1\ndata: a\n\n");
    });
}

/// It took a message and is not polled again.
#[test]
fn a_busy_stream_keeps_no_time_of_a_scheduled_message() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let [mut other, mut busy] = [(); 2].map(|()| listen(&topic, &clock));
        topic.publish("a").unwrap();
        assert!(poll_once(&mut other).is_ready());
        assert!(poll_once(&mut busy).is_ready());
        let takes = thread::spawn(move || next_in_time(&mut other, &clock));
        topic.publish(later("b", 1)).unwrap();
        assert!(takes.join().unwrap().is_some());
        drop(busy);
    });
}
