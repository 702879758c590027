//! Close, abort, the last handle, and what remains.

use std::time::Duration;

use sse_queue::topic::Start;
use sse_queue::{Event, FakeClock, Pacing, Topic};

use crate::support::topic::{
    TopicStream, after, later, new_topic, publish_all, publish_later, publish_numbers,
    quiet_stream, reader, replay, waiting,
};
use crate::support::{Task, ms, secs, settled};

type Pace = fn(TopicStream) -> TopicStream;

const PACES: [(&str, Pace); 3] = [
    ("immediate", |stream| stream),
    ("spaced", |stream| stream.pacing(Pacing::spaced(secs(3600)))),
    ("every", |stream| stream.pacing(Pacing::every(secs(3600)))),
];

fn paced(topic: &Topic, clock: &FakeClock, pace: Pace, start: Start) -> Task<TopicStream> {
    let stream = pace(quiet_stream(topic, clock, start));
    Task::new(stream.farewell(Event::new("bye")))
}

#[test]
fn a_closed_topic_sends_what_was_due_without_pacing_then_the_farewell() {
    for (name, pace) in PACES {
        let (clock, topic) = new_topic();
        let mut stream = paced(&topic, &clock, pace, Start::Now);
        stream.assert_pending();
        publish_numbers(&topic, 1..=200);
        publish_later(&topic, "due", secs(0));
        publish_later(&topic, "not due", secs(1));
        topic.close();
        assert_eq!(stream.take_wakes(), 1, "{name}");
        let seen = stream.drain_data();
        assert!(seen.starts_with("1,2,3,"), "{name}: {seen}");
        assert!(seen.ends_with("199,200,due,bye"), "{name}: {seen}");
        stream.assert_ended();
        assert_eq!(clock.next_deadline(), None, "{name}");
        assert_eq!(topic.take_remaining().len(), 1);
    }
}

#[test]
fn streams_that_are_parked_are_woken_by_the_end() {
    for (name, pace) in PACES {
        let (clock, topic) = new_topic();
        publish_all(&topic, &["a", "b"]);
        let mut stream = paced(&topic, &clock, pace, Start::Oldest);
        // Spaced: in its gap. On a grid: it waits for its tick.
        let _ = stream.poll_next();
        stream.assert_pending();
        stream.move_to_another_task();
        stream.assert_pending();
        topic.close();
        assert_eq!(stream.take_wakes(), 1, "{name}");
        assert!(stream.drain_data().ends_with("bye"), "{name}");
        stream.assert_ended();
    }
}

#[test]
fn a_stream_in_its_gap_is_woken_by_the_end_once() {
    let (clock, topic) = new_topic();
    let mut stream =
        settled(quiet_stream(&topic, &clock, Start::Now).pacing(Pacing::spaced(ms(10))));
    publish_all(&topic, &["a"]);
    stream.bytes();
    stream.assert_pending();
    clock.advance(ms(10));
    stream.assert_pending();
    stream.take_wakes();
    topic.close();
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_ended();
}

#[test]
fn an_aborted_topic_sends_the_farewell_alone() {
    for (name, pace) in PACES {
        let (clock, topic) = new_topic();
        let mut waiting = paced(&topic, &clock, pace, Start::Now);
        waiting.assert_pending();
        publish_all(&topic, &["a"]);
        let mut fresh = paced(&topic, &clock, pace, Start::Oldest);
        topic.abort();
        assert_eq!(waiting.take_wakes(), 1, "{name}");
        assert_eq!(waiting.data(), "bye", "{name}");
        assert_eq!(fresh.data(), "bye", "{name}");
        waiting.assert_ended();
    }
}

#[test]
fn a_stream_of_an_aborted_topic_still_begins_with_its_gap() {
    for (name, pace) in PACES {
        let (clock, topic) = new_topic();
        let mut stream = paced(&topic, &clock, pace, after("old-7"));
        topic.abort();
        assert!(stream.bytes().starts_with("event: gap\n"), "{name}");
        assert_eq!(stream.data(), "bye", "{name}");
    }
}

#[test]
fn an_abort_after_a_close_discards_what_is_left() {
    let (clock, topic) = new_topic();
    let mut stream = waiting(&topic, &clock);
    publish_numbers(&topic, 1..=200);
    topic.close();
    stream.bytes();
    topic.abort();
    stream.assert_ended();
}

#[test]
fn a_ticked_stream_that_began_with_a_gap_is_woken_by_the_end() {
    for end in [Topic::close, Topic::abort] {
        let (clock, topic) = new_topic();
        let stream = quiet_stream(&topic, &clock, after("old-7")).pacing(Pacing::every(secs(3600)));
        let mut stream = Task::new(stream);
        assert!(
            stream.bytes().starts_with("event: gap\n"),
            "before the first tick"
        );
        stream.assert_pending();
        end(&topic);
        assert_eq!(stream.take_wakes(), 1);
    }
}

#[test]
fn a_stream_that_joins_a_closed_topic_replays_and_ends() {
    let (clock, topic) = new_topic();
    publish_all(&topic, &["a"]);
    topic.close();
    let mut stream = reader(&topic, &clock, Start::Oldest);
    assert_eq!(stream.data(), "a");
    stream.assert_ended();
    reader(&topic, &clock, Start::Now).assert_ended();
}

#[test]
fn a_closed_topic_refuses_messages() {
    let (clock, topic) = new_topic();
    publish_later(&topic, "x", secs(1));
    topic.close();
    clock.advance(secs(1));
    assert_eq!(replay(&topic, Start::Oldest), "");
    assert_eq!(topic.stats().scheduled, 1);
    assert!(topic.is_closed());
}

#[test]
fn streams_end_when_the_last_handle_is_dropped_and_nothing_is_scheduled() {
    let (clock, topic) = new_topic();
    let mut stream = waiting(&topic, &clock);
    let clone = topic.clone();
    publish_later(&topic, "x", secs(1));
    drop(topic);
    stream.assert_pending();
    drop(clone);
    stream.assert_pending();
    clock.advance(secs(1));
    assert_eq!(stream.data(), "x");
    stream.assert_ended();
}

#[test]
fn the_last_handle_dropped_wakes_streams_that_have_nothing_left() {
    for (name, pace) in PACES {
        let (clock, topic) = new_topic();
        let mut stream = paced(&topic, &clock, pace, Start::Now);
        stream.assert_pending();
        drop(topic);
        assert_eq!(stream.take_wakes(), 1, "{name}");
    }
}

#[test]
fn a_message_that_never_falls_due_does_not_keep_streams_open_without_handles() {
    let (clock, topic) = new_topic();
    let mut stream = waiting(&topic, &clock);
    publish_later(&topic, "x", secs(1));
    publish_later(&topic, "never", Duration::MAX);
    stream.assert_pending();
    drop(topic);
    clock.advance(secs(1));
    assert_eq!(stream.data(), "x");
    stream.assert_ended();
}

#[test]
fn a_last_message_that_expires_as_it_falls_due_lets_streams_end() {
    let (clock, topic) = new_topic();
    let mut streams = [(); 2].map(|()| waiting(&topic, &clock));
    topic
        .publish(later("x", secs(1)).expires_after(secs(0)))
        .unwrap();
    drop(topic);
    streams.iter_mut().for_each(Task::assert_pending);
    clock.advance(secs(1));
    for stream in &mut streams {
        stream.take_wakes();
        stream.assert_ended();
    }
}

#[test]
fn withdrawing_the_last_scheduled_message_lets_streams_end() {
    let (clock, topic) = new_topic();
    let mut stream = waiting(&topic, &clock);
    publish_later(&topic, "x", secs(1));
    stream.assert_pending();
    stream.take_wakes();
    topic.close();
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_ended();
}
