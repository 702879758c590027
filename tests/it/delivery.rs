//! Delivery at least once, on a clock that the tests move: leases, acks, redelivery, dead letters.
//!
//! `stats` looks at the queue, which takes back what is not leased any more.

mod acks;
mod bounds;
mod close;
mod dead_letters;
mod drain;
mod expiry;
mod full;
mod grace;
mod ids;
mod leases;
mod many;
mod pacing;
mod resume;

use sse_queue::{Confirm, Event, FakeClock, LastEventId, Lease, Queue};

use crate::support::{QueueStream, Task, bare, builder, parser, secs};

/// A lease of 30 s with a grace of 5 s.
fn lease() -> Lease {
    // As many as a chunk holds, confirmed by coming back: what most of these tests are about.
    let lease = Lease::new(secs(30)).grace(secs(5));
    lease.max_in_flight(64).confirm(Confirm::ByResume)
}

fn lending(clock: &FakeClock, lease: Lease) -> Queue {
    builder(clock).at_least_once(lease).build()
}

fn usual(clock: &FakeClock) -> Queue {
    lending(clock, lease())
}

/// Polls the streams that were woken, until one takes the message that is due: returns which.
fn taker(streams: &mut [Task<QueueStream>]) -> usize {
    for (at, stream) in streams.iter_mut().enumerate() {
        if stream.wakes() > 0 && stream.poll_next().is_ready() {
            stream.is_pending();
            return at;
        }
    }
    panic!("nobody was woken who takes it");
}

/// Polls all streams for some seconds, until those that keep the time arm only for what is to come.
fn rest_for_seconds(streams: &mut [Task<QueueStream>], clock: &FakeClock, seconds: u64) {
    for _ in 0..seconds {
        streams.iter_mut().for_each(Task::is_pending);
        clock.advance(secs(1));
    }
    streams.iter_mut().for_each(Task::is_pending);
    forget_wakes(streams);
}

/// The stream of a client that comes back.
fn back(queue: &Queue, clock: &FakeClock, id: &str) -> Task<QueueStream> {
    let stream = queue.stream_after(&LastEventId::new(id), clock.ticker());
    let stream = stream.unwrap().first_bytes(false);
    Task::new(stream.keep_alive(sse_queue::KeepAlive::off()))
}

fn own(id: &str) -> Event {
    Event::new("x").id(id).unwrap()
}

fn push_all(queue: &Queue, all: &[&str]) {
    for data in all {
        queue.push(*data).unwrap();
    }
}

/// What can be taken now without a stream: the data, with commas between.
fn rest(queue: &Queue) -> String {
    let mut bytes = Vec::new();
    while let Some(frame) = queue.next_ready() {
        bytes.extend_from_slice(&frame);
    }
    let events = parser::parse(&bytes).events;
    let data: Vec<_> = events.into_iter().map(|event| event.data).collect();
    data.join(",")
}

fn forget_wakes(streams: &[Task<QueueStream>]) {
    for stream in streams {
        stream.wakes();
    }
}

/// Every message that was accepted is in exactly one place.
#[track_caller]
fn adds_up(queue: &Queue) {
    let stats = queue.stats();
    let gone = stats.confirmed + stats.dropped + stats.expired + stats.withdrawn;
    let held = stats.in_flight + stats.dead + stats.depth;
    assert_eq!(stats.pushed, gone + held as u64, "{stats:?}");
}

/// How many are queued, in flight, dead and confirmed.
fn places(queue: &Queue) -> (usize, usize, usize, u64) {
    let stats = queue.stats();
    (stats.depth, stats.in_flight, stats.dead, stats.confirmed)
}

/// A stream that took what was there and waits for a place.
fn waiting_full(queue: &Queue, clock: &FakeClock) -> Task<QueueStream> {
    let mut stream = Task::new(bare(queue, clock));
    stream.data();
    queue.push("more").unwrap();
    stream.is_pending();
    assert!(queue.cancel("e-3"));
    stream.wakes();
    stream
}

fn waiting_for(queue: &Queue, clock: &FakeClock) -> Task<QueueStream> {
    Task::new(bare(queue, clock))
}
