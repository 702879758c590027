//! The first chunk of a topic's stream, and the positions in it.

use sse_queue::topic::{Resumption, Start};
use sse_queue::{Event, FakeClock, LastEventId, Pacing, Topic};

use crate::support::parser::parse;
use crate::support::topic::{after, builder, evicted, new_topic, publish_all};
use crate::support::{Task, quiet, secs};

const PACINGS: [Pacing; 3] = [
    Pacing::immediate(),
    Pacing::spaced(secs(60)),
    Pacing::every(secs(60)),
];

/// A topic that has lost what follows `e-0`.
fn topic_with_a_gap() -> (FakeClock, Topic) {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(1).build();
    publish_all(&topic, &["a", "b"]);
    (clock, topic)
}

#[test]
fn the_gap_goes_out_with_the_first_chunk_however_the_stream_is_paced() {
    for pacing in PACINGS {
        let (clock, topic) = topic_with_a_gap();
        let stream = topic.stream(after("e-0"), clock.ticker()).unwrap();
        let stream = stream.greeting(Event::new("hi")).retry(secs(1));
        let mut stream = Task::new(stream.position_first().pacing(pacing));
        let first = format!("retry: 1000\n{}data: hi\n\nid: e-1\n\n", evicted(1));
        assert_eq!(stream.bytes(), first, "{pacing:?}");
        clock.advance(secs(60));
        assert_eq!(stream.bytes(), "id: e-2\ndata: b\n\n", "not the gap again");
    }
}

#[test]
fn no_id_goes_out_before_the_gap() {
    let (clock, topic) = topic_with_a_gap();
    let stream = topic.stream(after("e-0"), clock.ticker()).unwrap();
    let stream = stream.position_first();
    let mut stream = Task::new(stream.greeting_with_position(Event::new("hi")));
    let first = stream.bytes();
    let (gap, rest) = first.split_at(evicted(1).len());
    assert_eq!(gap, evicted(1));
    assert_eq!(rest, "id: e-1\ndata: hi\n\nid: e-1\n\n");
}

#[test]
fn an_aborted_topic_sends_no_position_without_the_gap_before_it() {
    let (clock, topic) = topic_with_a_gap();
    let stream = topic.stream(after("e-0"), clock.ticker()).unwrap();
    let mut stream = Task::new(stream.position_first());
    topic.abort();
    assert_eq!(stream.bytes(), format!("{}id: e-1\n\n", evicted(1)));
    stream.assert_ended();
}

#[test]
fn a_client_that_saw_only_the_first_chunk_comes_back_to_where_the_stream_began() {
    for position_first in [false, true] {
        let (clock, topic) = new_topic();
        publish_all(&topic, &["a", "b"]);
        let stream = topic.stream(Start::Last(1), clock.ticker()).unwrap();
        let stream = if position_first {
            stream.position_first()
        } else {
            stream.greeting_with_position(Event::new("hi"))
        };
        topic.publish("c").unwrap();
        let first = Task::new(stream).bytes();
        let parsed = parse(first.as_bytes());
        assert_eq!(parsed.last_event_id, "e-1");
        assert_eq!(parsed.events.len(), usize::from(!position_first));

        let last = LastEventId::new(&parsed.last_event_id);
        let stream = topic.resume(Some(last), Start::Now, clock.ticker());
        let stream = quiet(stream.unwrap());
        assert_eq!(stream.resumption(), Resumption::Exact);
        assert_eq!(Task::new(stream).drain_data(), "b,c");
    }
}

#[test]
fn a_greeting_has_no_position_unless_asked_for_and_keeps_an_id_of_its_own() {
    let (clock, topic) = new_topic();
    let stream = || topic.stream(Start::Now, clock.ticker()).unwrap();
    let mut plain = Task::new(stream().greeting(Event::new("hi")));
    assert_eq!(plain.bytes(), "data: hi\n\n");
    let own = Event::new("hi").id("mine").unwrap();
    let mut own = Task::new(stream().greeting_with_position(own));
    assert_eq!(own.bytes(), "id: mine\ndata: hi\n\n");
    let mut empty = Task::new(stream().greeting_with_position(Event::new("hi")));
    assert_eq!(
        empty.bytes(),
        "id: e-0\ndata: hi\n\n",
        "before the first message"
    );
}

#[test]
fn a_gap_that_is_switched_off_leaves_the_rest_of_the_first_chunk() {
    let (clock, topic) = topic_with_a_gap();
    let stream = || {
        let stream = topic.stream(after("e-0"), clock.ticker()).unwrap();
        stream.gap_event(None).unwrap()
    };
    assert_eq!(Task::new(stream()).bytes(), ":\n");
    let mut greeted = Task::new(stream().greeting(Event::new("hi")));
    assert_eq!(greeted.bytes(), "data: hi\n\n");
}
