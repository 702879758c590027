//! Streams of events.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_core::{FusedStream, Stream};
use sse_queue::stream::KeepAlive;
use sse_queue::topic::Start;
use sse_queue::{Event, EventStream, FakeClock, Pacing, Topic};

use crate::support::queue::{new_queue, quiet_stream};
use crate::support::{Task, ms, parser, quiet, secs, settled, without_first_bytes};

/// Yields the events that a test gives it, and wakes no more than it must.
#[derive(Default)]
struct Feed {
    events: VecDeque<&'static str>,
    ended: bool,
    waker: Option<Waker>,
}

#[derive(Clone, Default)]
struct Fed(Arc<Mutex<Feed>>);

impl Fed {
    fn send(&self, data: &'static str) {
        let mut feed = self.0.lock().unwrap();
        feed.events.push_back(data);
        if let Some(waker) = feed.waker.take() {
            waker.wake();
        }
    }

    fn end(&self) {
        let mut feed = self.0.lock().unwrap();
        feed.ended = true;
        if let Some(waker) = feed.waker.take() {
            waker.wake();
        }
    }
}

impl Stream for Fed {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut feed = self.0.lock().unwrap();
        match feed.events.pop_front() {
            Some(data) => Poll::Ready(Some(Event::new(data))),
            None if feed.ended => Poll::Ready(None),
            None => {
                feed.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[test]
fn a_stream_of_events_works_at_every_pacing() {
    for pacing in ["at once", "spaced", "every"] {
        let clock = FakeClock::new();
        let fed = Fed::default();
        let stream = EventStream::from_events(fed.clone(), clock.ticker());
        let stream = quiet(stream);
        let stream = match pacing {
            "spaced" => stream.pacing(Pacing::spaced(secs(1))),
            "every" => stream.pacing(Pacing::every(secs(1)).batch(16)),
            _ => stream,
        };
        let mut stream = settled(stream);
        for data in ["a", "b"] {
            fed.send(data);
        }
        assert_eq!(stream.take_wakes(), 1, "{pacing}");
        if pacing == "every" {
            stream.assert_pending();
            assert_eq!(clock.advance_to_next(), Some(secs(1)));
        }
        assert_eq!(stream.data(), "a,b", "{pacing}");
        stream.assert_pending();
        fed.send("c");
        fed.end();
        if pacing != "at once" {
            stream.assert_pending();
            assert_eq!(clock.advance_to_next(), Some(secs(1)));
        }
        assert_eq!(stream.data(), "c", "{pacing}");
        stream.assert_ended();
    }
}

fn events(count: usize) -> (impl Stream<Item = Event> + Unpin, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let count_taken = Arc::clone(&taken);
    let events = (0..count).map(move |n| {
        count_taken.fetch_add(1, Ordering::Relaxed);
        Event::new(n.to_string())
    });
    (futures_util::stream::iter(events), taken)
}

#[test]
fn an_event_that_was_read_ahead_is_sent_before_the_end_by_age() {
    let clock = FakeClock::new();
    let (events, taken) = events(10);
    let stream = without_first_bytes(EventStream::from_events(events, clock.ticker()));
    let bye = Event::new("bye");
    let mut stream = Task::new(
        stream
            .pacing(Pacing::every(secs(10)))
            .max_age(secs(5))
            .farewell(bye),
    );
    stream.assert_pending();
    clock.advance(secs(6));
    assert_eq!(stream.data(), "0");
    assert!(stream.bytes().starts_with("retry: "));
    stream.assert_ended();
    assert_eq!(taken.load(Ordering::Relaxed), 1);
}

#[test]
fn an_immediate_stream_of_events_holds_none_back() {
    let (events, taken) = events(10);
    let stream = EventStream::from_events(events, FakeClock::new().ticker());
    let mut stream = Task::new(without_first_bytes(stream).max_chunk_bytes(18));
    let sent = stream.data().split(',').count();
    drop(stream);
    assert_eq!(taken.load(Ordering::Relaxed), sent);
}

#[test]
fn a_stream_of_events_on_a_grid_ends_with_its_last_event() {
    let clock = FakeClock::new();
    let (events, _) = events(1);
    let stream = without_first_bytes(EventStream::from_events(events, clock.ticker()));
    let mut stream = settled(
        stream
            .keep_alive(KeepAlive::off())
            .pacing(Pacing::every(secs(60))),
    );
    clock.advance(secs(60));
    assert_eq!(stream.data(), "0");
    stream.assert_ended();
}

#[test]
fn a_burst_of_events_goes_in_as_many_chunks_as_it_needs_without_a_gap() {
    for (max_chunk, max_messages) in [(64 * 1024, usize::MAX), (100, usize::MAX), (64 * 1024, 3)] {
        let clock = FakeClock::new();
        let (events, _) = events(1000);
        let stream = without_first_bytes(EventStream::from_events(events, clock.ticker()));
        let stream = stream
            .pacing(Pacing::spaced(ms(20)))
            .max_chunk_bytes(max_chunk);
        let mut stream = Task::new(stream.pacing(Pacing::immediate().batch(max_messages)));
        let mut sent = 0;
        while let Poll::Ready(Some(chunk)) = stream.poll_next() {
            sent += parser::parse(&chunk).events.len();
        }
        assert_eq!(sent, 1000);
        stream.assert_ended();
    }
}

#[test]
fn a_burst_of_a_topic_goes_in_as_many_chunks_as_it_needs_without_a_gap() {
    let clock = FakeClock::new();
    let topic = Topic::builder().clock(clock.clone()).build();
    let stream = topic.stream(Start::Now, clock.ticker()).unwrap();
    let mut stream = settled(
        without_first_bytes(stream)
            .pacing(Pacing::spaced(ms(20)))
            .max_chunk_bytes(1),
    );
    for data in ["a", "b", "c"] {
        topic.publish(data).unwrap();
    }
    for data in ["a", "b", "c"] {
        assert_eq!(stream.data(), data);
        topic.publish("later").unwrap();
    }
    stream.assert_pending();
    clock.advance(ms(20));
    assert_eq!(stream.data(), "later");
}

#[test]
fn a_retry_goes_out_even_without_first_bytes() {
    let (clock, queue) = new_queue();
    let mut stream = Task::new(quiet_stream(&queue, &clock).retry(secs(2)));
    assert_eq!(stream.bytes(), "retry: 2000\n");
    stream.assert_pending();
}

#[test]
fn the_fallible_form_yields_the_same() {
    let (clock, queue) = new_queue();
    queue.push("x").unwrap();
    queue.close();
    let mut stream = std::pin::pin!(quiet_stream(&queue, &clock).into_try_stream());
    let mut cx = Context::from_waker(Waker::noop());
    let first = stream.as_mut().poll_next(&mut cx);
    assert_eq!(first, Poll::Ready(Some(Ok("id: e-1\ndata: x\n\n".into()))));
    assert_eq!(stream.as_mut().poll_next(&mut cx), Poll::Ready(None));
    assert!(stream.is_terminated());
}
