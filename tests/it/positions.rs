//! Where a topic and its streams are, and what would become of an id.

use sse_queue::topic::{GapCause, Lag, Resumption, Start};
use sse_queue::{Event, FakeClock, LastEventId, Message, Topic};

use crate::support::{secs, settled};

fn topic() -> Topic {
    Topic::builder().epoch("e").unwrap().build()
}

fn id(id: &str) -> LastEventId {
    LastEventId::new(id)
}

#[test]
fn a_topic_without_messages_has_a_position_that_misses_none() {
    for first in [1, 8] {
        let clock = FakeClock::new();
        let builder = Topic::builder().epoch("e").unwrap();
        let topic = builder.first_number(first).build();
        let position = topic.last_id();
        assert_eq!(position, id(&format!("e-{}", first - 1)));
        topic.publish("a").unwrap();
        let stream = topic
            .stream(Start::After(position), clock.ticker())
            .unwrap();
        assert_eq!(stream.resumption(), Resumption::Exact);
        let chunks = clock.run(&mut stream.without_first_comment(), secs(0));
        assert_eq!(chunks.len(), 1);
    }
}

#[test]
fn the_position_after_a_message_with_an_id_of_its_own_is_the_topics() {
    let topic = topic();
    topic
        .publish(Event::new("x").id("order-42").unwrap())
        .unwrap();
    assert_eq!(topic.last_id(), id("e-1"));
    assert_eq!(topic.resumption_of(&topic.last_id()), Resumption::Exact);
}

#[test]
fn a_scheduled_message_moves_the_position_when_it_is_due() {
    let clock = FakeClock::new();
    let topic = Topic::builder()
        .clock(clock.clone())
        .epoch("e")
        .unwrap()
        .build();
    topic.publish(Message::from("x").after(secs(5))).unwrap();
    assert_eq!(topic.last_id(), id("e-0"));
    clock.advance(secs(5));
    assert_eq!(topic.last_id(), id("e-1"));
}

#[test]
fn a_streams_position_is_that_of_what_it_has_sent() {
    let clock = FakeClock::new();
    let topic = Topic::builder().epoch("e").unwrap().history(2).build();
    let stream = topic
        .stream(Start::Now, clock.ticker())
        .unwrap()
        .without_first_comment();
    let mut stream = settled(stream);
    assert_eq!(stream.inner.position(), id("e-0"));
    topic.publish("a").unwrap();
    assert_eq!(stream.inner.position(), id("e-0"), "not sent yet");
    assert_eq!(stream.data(), "a");
    assert_eq!(stream.inner.position(), id("e-1"));
    for data in ["b", "c", "d"] {
        topic.publish(data).unwrap();
    }
    assert!(stream.bytes().starts_with("event: gap\n"));
    assert_eq!(
        stream.inner.position(),
        id("e-2"),
        "what it missed, it goes past"
    );
    assert_eq!(stream.drain_data(), "c,d");
    assert_eq!(stream.inner.position(), topic.last_id());
}

#[test]
fn a_probe_says_what_a_stream_would_and_counts_nothing() {
    let topic = Topic::builder().epoch("e").unwrap().history(2).build();
    for data in ["a", "b", "c"] {
        topic.publish(data).unwrap();
    }
    let gap = |missed, cause| Resumption::Gap { missed, cause };
    for (last, expected) in [
        ("", Resumption::Fresh),
        ("e-1", Resumption::Exact),
        ("e-3", Resumption::Exact),
        ("e-0", gap(Some(1), GapCause::Evicted)),
        ("e-4", gap(None, GapCause::Future)),
        ("f-1", gap(None, GapCause::ForeignEpoch)),
        ("order-42-b", gap(None, GapCause::Unknown)),
        ("two\nlines", gap(None, GapCause::Malformed)),
    ] {
        assert_eq!(topic.resumption_of(&id(last)), expected, "{last:?}");
    }
    assert_eq!((topic.stats().gaps, topic.stats().streams), (0, 0));
}

#[test]
fn a_client_without_an_id_or_with_an_empty_one_begins_where_the_caller_says() {
    let clock = FakeClock::new();
    let topic = topic();
    topic.publish("a").unwrap();
    topic.publish("b").unwrap();
    for none in [None, Some(id(""))] {
        for (start, expected) in [
            (Start::Now, ""),
            (Start::Oldest, "a,b"),
            (Start::Last(1), "b"),
        ] {
            let stream = topic.resume(none.clone(), start, clock.ticker()).unwrap();
            assert_eq!(stream.resumption(), Resumption::Fresh);
            let mut stream = crate::support::Task::new(stream.without_first_comment());
            assert_eq!(stream.drain_data(), expected);
        }
    }
    let stream = topic
        .resume(Some(id("e-1")), Start::Oldest, clock.ticker())
        .unwrap();
    let stream = stream.lag(Lag::End).without_first_comment();
    assert_eq!(crate::support::Task::new(stream).drain_data(), "b");
}

#[test]
fn a_client_that_has_seen_all_of_a_topic_that_has_ended_is_complete() {
    let (clock, topic) = (FakeClock::new(), topic());
    topic.publish(Event::new("a").id("mine").unwrap()).unwrap();
    topic.publish("b").unwrap();
    let last = topic.last_id();
    assert_eq!(
        topic.resumption_of(&last),
        Resumption::Exact,
        "more may come"
    );
    topic.close();
    assert_eq!(topic.resumption_of(&last), Resumption::Complete);
    assert_eq!(topic.resumption_of(&id("mine")), Resumption::Exact);
    assert_eq!(topic.resumption_of(&id("")), Resumption::Fresh);
    let stream = topic
        .resume(Some(last), Start::Now, clock.ticker())
        .unwrap();
    assert_eq!(stream.resumption(), Resumption::Complete);
    let mut stream = crate::support::Task::new(stream.without_first_comment());
    stream.assert_ended();
}

#[test]
fn a_scheduled_message_is_still_to_come_when_the_last_handle_is_dropped() {
    let clock = FakeClock::new();
    let topic = Topic::builder()
        .clock(clock.clone())
        .epoch("e")
        .unwrap()
        .build();
    topic.publish("a").unwrap();
    topic
        .publish(Message::from("later").after(secs(5)))
        .unwrap();
    let stream = topic
        .stream(Start::After(id("e-1")), clock.ticker())
        .unwrap();
    assert_eq!(stream.resumption(), Resumption::Exact);
    drop(topic);
    let chunks = clock.run(&mut stream.without_first_comment(), secs(5));
    assert_eq!(chunks.len(), 1);
}
