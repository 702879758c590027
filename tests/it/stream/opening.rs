//! What the first poll yields: `retry`, the gap, greetings, the position, or a comment.

use sse_queue::topic::Start;
use sse_queue::{Event, LastEventId, Pacing};

use crate::support::queue::new_queue;
use crate::support::topic::new_topic;
use crate::support::{Task, secs};

fn greeting(data: &str) -> Event {
    Event::new(data).name("hello").unwrap()
}

#[test]
fn all_of_the_opening_is_one_chunk_in_order() {
    let (clock, topic) = new_topic();
    topic.publish("a").unwrap();
    let lost = Some(LastEventId::new("f-1"));
    let stream = topic.resume(lost, Start::Now, clock.ticker()).unwrap();
    let stream = stream
        .retry(secs(2))
        .greeting(greeting("1"))
        .greeting(greeting("2"));
    let mut stream = Task::new(stream.position_first());
    let expected = "retry: 2000\n\
        event: gap\ndata: {\"missed\":null,\"cause\":\"foreign-epoch\"}\n\n\
        event: hello\ndata: 1\n\nevent: hello\ndata: 2\n\n\
        id: e-0\n\n";
    assert_eq!(stream.bytes(), expected);
    assert_eq!(stream.bytes(), "id: e-1\ndata: a\n\n");
}

#[test]
fn a_comment_opens_a_stream_that_has_nothing_else_to_open_with() {
    let (clock, topic) = new_topic();
    let stream = || topic.stream(Start::Now, clock.ticker()).unwrap();
    assert_eq!(Task::new(stream()).bytes(), ":\n");
    assert_eq!(
        Task::new(stream().greeting(greeting("x"))).bytes(),
        "event: hello\ndata: x\n\n"
    );
    assert_eq!(Task::new(stream().position_first()).bytes(), "id: e-0\n\n");
    Task::new(stream().without_first_comment()).assert_pending();
}

#[test]
fn the_opening_waits_for_no_pacing() {
    for pacing in [Pacing::every(secs(60)), Pacing::spaced(secs(60))] {
        let (clock, topic) = new_topic();
        topic.publish("a").unwrap();
        let lost = Some(LastEventId::new("?"));
        let stream = topic.resume(lost, Start::Now, clock.ticker()).unwrap();
        let mut stream = Task::new(stream.pacing(pacing));
        assert!(stream.bytes().starts_with("event: gap\n"));
    }
}

#[test]
fn a_greeting_is_sent_once_and_no_keep_alive_before_its_time() {
    let (clock, queue) = new_queue();
    let stream = queue.stream(clock.ticker()).unwrap();
    let mut stream = stream.greeting(greeting("x"));
    let chunks = clock.run(&mut stream, secs(15));
    let times: Vec<_> = chunks.iter().map(|(time, _)| time.as_secs()).collect();
    assert_eq!(times.len(), 2);
    assert_eq!(chunks[0].1, "event: hello\ndata: x\n\n");
    assert!(times[0] == 0 && (13..=15).contains(&times[1]), "{times:?}");
}

#[test]
fn a_client_that_saw_the_greeting_alone_comes_back_to_its_position() {
    let (clock, topic) = new_topic();
    topic.publish("before").unwrap();
    let stream = topic.stream(Start::Now, clock.ticker()).unwrap();
    let stream = stream.greeting_with_position(greeting("x")).unwrap();
    let opening = Task::new(stream).bytes();
    let id = opening
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap();
    topic.publish("missed").unwrap();
    let last = Some(LastEventId::new(id));
    let stream = topic.resume(last, Start::Now, clock.ticker()).unwrap();
    let mut stream = Task::new(stream.without_first_comment());
    assert_eq!(stream.drain_data(), "missed");
}

#[test]
fn a_gap_that_is_switched_off_leaves_the_comment() {
    let (clock, topic) = new_topic();
    let lost = Some(LastEventId::new("?"));
    let stream = topic.resume(lost, Start::Now, clock.ticker()).unwrap();
    let mut stream = Task::new(stream.gap_event(None).unwrap());
    assert_eq!(stream.bytes(), ":\n");
    stream.assert_pending();
}
