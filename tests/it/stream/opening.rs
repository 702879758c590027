//! The first chunk.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use sse_queue::stream::Pull;
use sse_queue::{Event, EventStream, FakeClock, Queue, Source};

use super::PACINGS;
use crate::support::{Task, secs};

fn named(name: &str, data: &str) -> Event {
    Event::new(data).name(name).unwrap()
}

#[test]
fn retry_and_greetings_go_out_in_one_chunk_in_this_order() {
    for pacing in PACINGS {
        let queue = Queue::builder().epoch("e").unwrap().build();
        queue.push("x").unwrap();
        let stream = queue.stream(FakeClock::new().ticker()).unwrap();
        let stream = stream.greeting(named("user", "ann")).retry(secs(2));
        let stream = stream.greeting(named("rooms", "1,2")).pacing(pacing);
        let mut stream = Task::new(stream);
        let first = "retry: 2000\nevent: user\ndata: ann\n\nevent: rooms\ndata: 1,2\n\n";
        assert_eq!(stream.bytes(), first, "{pacing:?}");
    }
}

#[test]
fn greetings_go_out_once() {
    let queue = Queue::new();
    let stream = queue.stream(FakeClock::new().ticker()).unwrap();
    let mut stream = Task::new(stream.greeting(Event::new("hi")));
    stream.assert_sends("hi");
    queue.push("x").unwrap();
    stream.assert_sends("x");
    queue.close();
    stream.assert_ended();
}

#[test]
fn there_is_a_comment_only_if_there_is_nothing_else() {
    let queue = Queue::new();
    let stream = || queue.stream(FakeClock::new().ticker()).unwrap();
    assert_eq!(Task::new(stream()).bytes(), ":\n");
    assert_eq!(Task::new(stream().retry(secs(1))).bytes(), "retry: 1000\n");
    let greeted = stream().greeting(Event::new("hi"));
    assert_eq!(Task::new(greeted).bytes(), "data: hi\n\n");
    Task::new(stream().without_first_comment()).assert_pending();
    let greeted = stream().without_first_comment().greeting(Event::new("hi"));
    assert_eq!(Task::new(greeted).bytes(), "data: hi\n\n");
}

/// Has an opening and nothing else, and counts how often it is asked for it.
#[derive(Default)]
struct Opens(usize);

impl Source for Opens {
    fn opening(mut self: Pin<&mut Self>) -> Option<Bytes> {
        self.0 += 1;
        Some(Event::new("opening").encode())
    }

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut Pull) -> Poll<()> {
        Poll::Pending
    }

    fn poll_chunk(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut Pull) -> Poll<Option<Bytes>> {
        Poll::Pending
    }
}

#[test]
fn a_sources_opening_comes_between_retry_and_greetings() {
    let stream = EventStream::new(Opens::default(), FakeClock::new().ticker());
    let mut stream = stream.greeting(Event::new("hi")).retry(secs(1));
    let first = "retry: 1000\ndata: opening\n\ndata: hi\n\n";
    assert_eq!(stream.next_ready().unwrap(), first);
    assert_eq!(stream.next_ready(), None);
    assert_eq!(stream.source().0, 1);
}

#[test]
fn a_source_behind_a_pointer_has_its_opening() {
    fn first<S: Source>(source: S) -> Option<Bytes> {
        let stream = EventStream::new(source, FakeClock::new().ticker());
        Box::pin(stream).as_mut().next_ready_pinned()
    }
    let opening = Some(Event::new("opening").encode());
    let mut borrowed = Opens::default();
    assert_eq!(first(&mut borrowed), opening);
    assert_eq!(borrowed.0, 1);
    assert_eq!(first(Box::new(Opens::default())), opening);
    assert_eq!(first(Box::pin(Opens::default())), opening);
    let dynamic: Box<dyn Source + Unpin> = Box::new(Opens::default());
    assert_eq!(first(dynamic), opening);
}
