//! Streams with filters: publishers, and filters that change.
//!
//! Under loom a step wakes one stream, so that two are a crowd. Planted mistakes show that these
//! models can fail: a tag that is announced without a mark (red is `two_streams_…`), the newest
//! message taken without a look at what was wanted before it (red is `a_stream_that_keeps_up_…`).

use std::sync::Arc;

use loom::thread;
use sse_queue::topic::{Filter, Start};
use sse_queue::{FakeClock, Message, Topic};

use crate::support::{Task, TopicStream, new_topic, spawn_with, topic_stream};

fn tagged(tag: &'static str, data: &'static str) -> Message {
    Message::from(data).tag(tag)
}

fn publish(topic: &Topic, message: Message) -> thread::JoinHandle<()> {
    spawn_with(topic, move |topic| drop(topic.publish(message).unwrap()))
}

/// A stream with a filter that waits in a task of its own.
fn waiting(topic: &Topic, clock: &FakeClock, filter: &Filter) -> Task<TopicStream> {
    let stream = topic_stream(topic, clock, Start::Now).only(filter);
    let mut task = Task::new(stream);
    assert!(task.poll_next().is_pending());
    task
}

#[test]
fn a_message_that_comes_as_a_tag_is_added_arrives_or_does_not_and_the_next_one_does() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let filter = topic.filter(["red"]).unwrap();
        let mut task = waiting(&topic, &clock, &filter);
        let publishing = publish(&topic, tagged("blue", "maybe"));
        filter.insert("blue").unwrap();
        publishing.join().unwrap();
        topic.publish(tagged("blue", "surely")).unwrap();
        let mut seen = task.read(1);
        if !seen.contains("surely") {
            seen.push_str(&task.read(1));
        }
        assert!(seen.ends_with("data: surely\n\n"), "{seen}");
    });
}

#[test]
fn a_tag_that_is_removed_as_a_message_comes_wakes_nobody_for_ever() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let filter = topic.filter(["red", "blue"]).unwrap();
        let mut task = waiting(&topic, &clock, &filter);
        let publishing = publish(&topic, tagged("blue", "maybe"));
        filter.remove("blue");
        publishing.join().unwrap();
        topic.publish(tagged("red", "surely")).unwrap();
        assert_eq!(task.read(1), "id: e-2\ndata: surely\n\n");
        assert!(task.poll_next().is_pending());
    });
}

#[test]
fn two_streams_of_a_tag_are_woken_by_each_other() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let filter = topic.filter(["red"]).unwrap();
        let [mut one, mut two] = [(); 2].map(|()| waiting(&topic, &clock, &filter));
        let reading = thread::spawn(move || (one.read(1), one));
        topic.publish(tagged("red", "r")).unwrap();
        let seen = two.read(1);
        assert_eq!(reading.join().unwrap().0, seen);
    });
}

#[test]
fn a_stream_that_keeps_up_sees_what_two_threads_publish() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let filter = topic.filter(["red", "blue"]).unwrap();
        let mut task = waiting(&topic, &clock, &filter);
        topic.publish(tagged("red", "x")).unwrap();
        task.read(1);
        let publishing = publish(&topic, tagged("blue", "b"));
        topic.publish(tagged("red", "r")).unwrap();
        let seen = task.read(2);
        publishing.join().unwrap();
        assert!(
            seen.contains("data: b\n") && seen.contains("data: r\n"),
            "{seen}"
        );
    });
}

#[test]
fn a_filter_that_is_dropped_with_its_stream_leaves_nothing_behind() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let filter = topic.filter(["red"]).unwrap();
        let task = waiting(&topic, &clock, &filter);
        drop(filter);
        let alarm = Arc::clone(&task.alarm);
        let publishing = publish(&topic, tagged("red", "r"));
        drop(task);
        publishing.join().unwrap();
        assert_eq!(Arc::strong_count(&alarm), 1, "no waker is kept");
        assert_eq!(topic.stats().streams, 0);
    });
}
