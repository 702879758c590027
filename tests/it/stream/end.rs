//! Close, abort, and the end by age.

use std::task::Poll;

use futures_core::FusedStream;
use sse_queue::Event;

use super::PACINGS;
use crate::support::queue::{new_queue, push_all, push_later, quiet_stream, waiting};
use crate::support::{Task, parser, secs, settled};

/// Whether it waits, is parked, or has a message reserved until its tick: it is woken and ends at
/// once.
#[test]
fn a_close_ends_a_stream_at_once_at_every_pacing() {
    for pacing in PACINGS {
        let (clock, queue) = new_queue();
        let bye = Event::new("").name("bye").unwrap();
        let mut stream = settled(quiet_stream(&queue, &clock).pacing(pacing).farewell(bye));
        queue.push("a").unwrap();
        if let Poll::Ready(Some(_)) = stream.poll_next() {
            stream.assert_pending();
            queue.push("a").unwrap();
            if let Poll::Ready(Some(_)) = stream.poll_next() {
                stream.assert_pending();
            }
        }
        let depth = queue.stats().depth;
        stream.take_wakes();
        push_all(&queue, &["b", "c"]);
        push_later(&queue, "later", secs(1));
        queue.close();
        assert_eq!(stream.take_wakes(), 1);
        let mut sent = Vec::new();
        while queue.stats().depth > 1 {
            sent.push(stream.data());
        }
        assert_eq!(sent.join(",").split(',').count(), depth + 2);
        assert_eq!(stream.bytes(), "event: bye\ndata: \n\n");
        assert!(stream.inner.is_terminated());
        stream.assert_ended();
        assert_eq!(queue.stats().depth, 1, "what was not due stays");
        assert_eq!(clock.next_deadline(), None, "nothing is armed");
    }
}

#[test]
fn an_abort_ends_a_stream_at_once_at_every_pacing_and_sends_nothing() {
    for pacing in PACINGS {
        for close_first in [false, true] {
            let (clock, queue) = new_queue();
            let bye = Event::new("").name("bye").unwrap();
            let mut stream = settled(quiet_stream(&queue, &clock).pacing(pacing).farewell(bye));
            queue.push("a").unwrap();
            if let Poll::Ready(Some(_)) = stream.poll_next() {
                stream.assert_pending();
                stream.take_wakes();
                queue.push("b").unwrap();
            }
            if close_first {
                queue.close();
            }
            queue.abort();
            assert!(stream.take_wakes() > 0);
            assert_eq!(stream.bytes(), "event: bye\ndata: \n\n");
            stream.assert_ended();
        }
    }
}

#[test]
fn a_stream_of_a_closed_queue_ends_after_its_first_bytes() {
    let (clock, queue) = new_queue();
    queue.close();
    let mut stream = Task::new(queue.stream(clock.ticker()).unwrap());
    assert_eq!(stream.bytes(), ":\n");
    stream.assert_ended();
}

#[test]
fn every_stream_is_woken_for_the_end_once() {
    let (clock, queue) = new_queue();
    let mut streams = [(); 10].map(|()| waiting(&queue, &clock));
    queue.close();
    queue.close();
    for stream in &mut streams {
        assert_eq!(stream.take_wakes(), 1);
        stream.assert_ended();
    }
}

#[test]
fn ages_lie_between_80_and_100_percent_and_differ() {
    let (clock, queue) = new_queue();
    let age = secs(100);
    let mut ends = Vec::new();
    let mut retries = Vec::new();
    for seed in 0..200 {
        let stream = quiet_stream(&queue, &clock)
            .max_age(age)
            .retry(secs(2))
            .seed(seed);
        let mut stream = Task::new(stream);
        assert_eq!(stream.bytes(), "retry: 2000\n");
        stream.assert_pending();
        let end = clock.advance_to_next().unwrap();
        assert!(secs(80) <= end && end <= age, "{end:?}");
        let last = parser::parse(stream.bytes().as_bytes()).retries;
        let retry = last[0].parse::<u64>().unwrap();
        assert!((1000..=3000).contains(&retry), "{retry}");
        stream.assert_ended();
        ends.push(end);
        retries.push(retry);
    }
    for (low, high) in [(80, 85), (95, 100)] {
        let some = ends
            .iter()
            .any(|end| secs(low) <= *end && *end <= secs(high));
        assert!(some, "spread over the whole range");
    }
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 100);
}

#[test]
fn a_stream_that_ends_by_age_leaves_what_is_due_to_others() {
    let (clock, queue) = new_queue();
    let mut old = settled(quiet_stream(&queue, &clock).max_age(secs(10)));
    let mut other = waiting(&queue, &clock);
    clock.advance(secs(10));
    queue.push("x").unwrap();
    assert!(old.take_wakes() > 0);
    assert!(old.bytes().starts_with("retry: "));
    old.assert_ended();
    other.assert_woken_for("x");
}
