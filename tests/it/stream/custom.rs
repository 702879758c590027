//! Sources of an application.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sse_queue::stream::{KeepAlive, Pull};
use sse_queue::{Event, EventStream, FakeClock, FakeTicker, Message, Pacing, Source};

use crate::support::queue::{new_queue, push_later, take_one, waiting};
use crate::support::{Task, ms, quiet, secs, settled, without_first_bytes};

/// Numbers, one a call, that are due at any time.
struct Numbers(std::ops::Range<u32>);

impl Source for Numbers {
    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut Pull) -> Poll<()> {
        Poll::Ready(())
    }

    fn poll_chunk(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        pull: &mut Pull,
    ) -> Poll<Option<Bytes>> {
        let frames = self.0.by_ref().take(pull.limit().messages);
        let mut chunk = BytesMut::new();
        for n in frames {
            Event::new(n.to_string()).encode_into(&mut chunk);
        }
        Poll::Ready((!chunk.is_empty()).then(|| chunk.freeze()))
    }
}

#[test]
fn a_custom_source_works_at_every_pacing() {
    fn stream(clock: &FakeClock, numbers: u32) -> EventStream<Numbers, FakeTicker> {
        let source = Numbers(0..numbers);
        without_first_bytes(EventStream::new(source, clock.ticker()))
    }
    let clock = FakeClock::new();
    let mut at_once = Task::new(stream(&clock, 20));
    assert_eq!(at_once.data().split(',').count(), 20);
    at_once.assert_ended();

    let mut spaced = Task::new(stream(&clock, 3).pacing(Pacing::spaced(ms(20)).batch(2)));
    spaced.assert_sends("0,1");
    assert_eq!(clock.advance_to_next(), Some(ms(20)));
    spaced.assert_sends("2");
    clock.advance(ms(20));
    spaced.assert_ended();

    let mut ticked = settled(stream(&clock, 3).pacing(Pacing::every(secs(1)).batch(2)));
    for data in ["0,1", "2"] {
        assert_eq!(clock.advance_to_next(), Some(secs(1)));
        ticked.assert_sends(data);
    }
    clock.advance(secs(1));
    ticked.assert_ended();
}

/// The state of a broker's client that implements [`Source`] as documented.
#[derive(Default)]
struct Broker {
    due: VecDeque<&'static str>,
    waker: Option<Waker>,
    is_closing: bool,
    /// The polls: `r` for ready, `c` for chunk, upper case where it yields or leaves.
    polls: String,
}

#[derive(Clone, Default)]
struct Client(Arc<Mutex<Broker>>);

impl Client {
    fn push(&self, data: &'static str) {
        let mut broker = self.0.lock().unwrap();
        broker.due.push_back(data);
        if let Some(waker) = broker.waker.take() {
            waker.wake();
        }
    }

    fn polls(&self) -> String {
        std::mem::take(&mut self.0.lock().unwrap().polls)
    }

    fn waits(&self) -> bool {
        self.0.lock().unwrap().waker.is_some()
    }
}

impl Source for Client {
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>, pull: &mut Pull) -> Poll<()> {
        let mut broker = self.0.lock().unwrap();
        broker.polls.push(if pull.yields() { 'R' } else { 'r' });
        broker.waker = None;
        if broker.is_closing {
            pull.closing();
        } else if broker.due.is_empty() {
            broker.waker = pull.registers().then(|| cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn poll_chunk(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pull: &mut Pull,
    ) -> Poll<Option<Bytes>> {
        let mut broker = self.0.lock().unwrap();
        broker.polls.push(if pull.is_leaving() { 'C' } else { 'c' });
        broker.waker = None;
        if pull.is_leaving() {
            return Poll::Pending;
        }
        if let Some(data) = broker.due.pop_front() {
            return Poll::Ready(Some(Event::new(data).encode()));
        }
        if broker.is_closing {
            return Poll::Ready(None);
        }
        broker.waker = pull.registers().then(|| cx.waker().clone());
        Poll::Pending
    }

    fn park(self: Pin<&mut Self>, _: &mut Context<'_>) {
        self.0.lock().unwrap().waker = None;
    }
}

fn client(clock: &FakeClock) -> (Client, EventStream<Client, FakeTicker>) {
    let client = Client::default();
    let stream = quiet(EventStream::new(client.clone(), clock.ticker()));
    (client, stream)
}

#[test]
fn a_source_that_parks_as_documented_works_at_every_pacing() {
    for pacing in [0, 1, 2] {
        let clock = FakeClock::new();
        let (client, stream) = client(&clock);
        let stream = stream.keep_alive(KeepAlive::default());
        let mut stream = settled(match pacing {
            0 => stream,
            1 => stream.pacing(Pacing::spaced(secs(1))),
            _ => stream.pacing(Pacing::every(secs(1))),
        });
        clock.advance(secs(15));
        assert_eq!(stream.bytes(), ":\n");
        stream.assert_pending();
        clock.advance(ms(500));
        stream.take_wakes();
        client.push("x");
        assert_eq!(stream.take_wakes(), 1);
        if pacing == 2 {
            stream.assert_pending();
            clock.advance(ms(500));
        }
        assert_eq!(stream.data(), "x");
    }
}

/// ```text
/// ms     0   1 .. 60     100  105      120
/// push   a               b    c
/// sent   a               b             c
/// ```
#[test]
fn a_spaced_stream_waits_within_its_gap_and_arms_only_when_something_is_due() {
    let clock = FakeClock::new();
    let (client, stream) = client(&clock);
    let mut stream = settled(stream.pacing(Pacing::spaced(ms(20))));
    for data in ["a", "b"] {
        client.polls();
        client.push(data);
        stream.assert_sends(data);
        assert_eq!(
            client.polls(),
            "cR",
            "as many polls as an immediate stream's"
        );
        assert_eq!(clock.next_deadline(), None);
        assert!(client.waits());
        clock.advance(ms(if data == "a" { 100 } else { 5 }));
    }
    stream.take_wakes();
    client.push("c");
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_pending();
    assert_eq!(clock.advance_to_next(), Some(ms(15)));
    stream.assert_woken_for("c");
}

#[test]
fn a_source_that_is_closing_ends_the_gap() {
    let clock = FakeClock::new();
    let (client, stream) = client(&clock);
    let mut stream = Task::new(stream.pacing(Pacing::spaced(secs(60))));
    client.push("a");
    assert_eq!(stream.data(), "a");
    client.push("b");
    stream.assert_pending();
    client.0.lock().unwrap().is_closing = true;
    assert_eq!(stream.data(), "b");
    stream.assert_ended();
}

#[test]
fn next_ready_leaves_no_waker_at_any_pacing() {
    for pacing in [0, 1, 2] {
        let clock = FakeClock::new();
        let (client, stream) = client(&clock);
        let mut stream = match pacing {
            0 => stream,
            1 => stream.pacing(Pacing::spaced(secs(1))),
            _ => stream.pacing(Pacing::every(secs(1))),
        };
        assert_eq!(stream.next_ready(), None);
        assert!(!client.waits());
        client.push("x");
        if pacing == 2 {
            assert_eq!(stream.next_ready(), None, "before the tick");
            clock.advance(secs(1));
        }
        assert_eq!(stream.next_ready().unwrap(), "data: x\n\n");
        assert_eq!(stream.next_ready(), None);
        assert!(!client.waits());
    }
}

/// ```text
/// ms           0.5   1   1.5 ...      n/2     n/2 + 5
/// due          x     x   x            x       last
/// next_ready   x     x   x            x
/// ```
#[test]
fn a_deadline_that_another_has_served_delays_no_later_one() {
    let half = Duration::from_micros(500);
    for count in (4000..4700_u32).step_by(97) {
        let (clock, queue) = new_queue();
        for n in 1..=count {
            push_later(&queue, "x", half * n);
        }
        let last = Message::from("last").after(half * count + ms(5));
        queue.push(last).unwrap();
        let mut keeper = waiting(&queue, &clock);
        for _ in 1..=count {
            clock.advance(half);
            take_one(&queue);
            if keeper.take_wakes() > 0 {
                keeper.assert_pending();
            }
        }
        clock.advance(ms(5));
        let mut late = 0;
        while keeper.take_wakes() == 0 || keeper.poll_next().is_pending() {
            clock.advance(ms(1));
            late += 1;
        }
        assert!(late <= 1, "late by {late} ms");
    }
}
