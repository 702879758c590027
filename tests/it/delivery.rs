//! Delivery at least once, on a clock that the tests move: leases, acks, redelivery, dead letters.
//!
//! `stats` brings the queue up to date: messages whose lease has ended are requeued.

mod acks;
mod backoff;
mod bounds;
mod close;
mod dead_letters;
mod end;
mod expiry;
mod full;
mod grace;
mod ids;
mod leases;
mod many;
mod pacing;
mod rate;
mod resume;

use sse_queue::queue::Confirm;
use sse_queue::{Event, FakeClock, Lease, Queue};

use crate::support::queue::{QueueStream, builder, push_all, reader, resumed_stream, waiting};
use crate::support::{Task, secs};

/// A lease of 30 s with a grace of 5 s.
fn lease() -> Lease {
    // As many as a chunk holds, confirmed by resuming: most of these tests need both.
    let lease = Lease::new(secs(30)).grace(secs(5));
    lease.max_in_flight(64).confirm(Confirm::ByResume)
}

fn queue_with(clock: &FakeClock, lease: Lease) -> Queue {
    builder(clock).at_least_once(lease).build()
}

fn leased_queue(clock: &FakeClock) -> Queue {
    queue_with(clock, lease())
}

fn new_leased_queue() -> (FakeClock, Queue) {
    let clock = FakeClock::new();
    let queue = leased_queue(&clock);
    (clock, queue)
}

/// A stream that has taken these messages.
#[track_caller]
fn holding(queue: &Queue, clock: &FakeClock, all: &[&str]) -> Task<QueueStream> {
    let mut stream = waiting(queue, clock);
    push_all(queue, all);
    assert_eq!(stream.data(), all.join(","));
    stream
}

/// Polls the streams that were woken until one takes the message that is due; returns its index.
fn poll_until_taken(streams: &mut [Task<QueueStream>]) -> usize {
    for (at, stream) in streams.iter_mut().enumerate() {
        if stream.take_wakes() > 0 && stream.poll_next().is_ready() {
            stream.assert_pending();
            return at;
        }
    }
    panic!("no stream that was woken takes the message");
}

/// Polls all streams each second, until the timekeepers are armed only for what is to come.
fn poll_for_seconds(streams: &mut [Task<QueueStream>], clock: &FakeClock, seconds: u64) {
    for _ in 0..seconds {
        streams.iter_mut().for_each(Task::assert_pending);
        clock.advance(secs(1));
    }
    streams.iter_mut().for_each(Task::assert_pending);
    clear_wakes(streams);
}

fn with_own_id(id: &str) -> Event {
    Event::new("x").id(id).unwrap()
}

fn clear_wakes(streams: &[Task<QueueStream>]) {
    for stream in streams {
        stream.take_wakes();
    }
}

/// How many are queued, in flight, dead and confirmed.
fn counts(queue: &Queue) -> (usize, usize, usize, u64) {
    let stats = queue.stats();
    (stats.depth, stats.in_flight, stats.dead, stats.confirmed)
}

/// A stream that took all that was due, and waits for capacity.
fn waiting_at_capacity(queue: &Queue, clock: &FakeClock) -> Task<QueueStream> {
    let mut stream = reader(queue, clock);
    stream.data();
    queue.push("more").unwrap();
    stream.assert_pending();
    assert!(queue.cancel("e-3"));
    stream.take_wakes();
    stream
}

/// The stream of a client that resumes after an id, with a waker.
fn resumed(queue: &Queue, clock: &FakeClock, id: &str) -> Task<QueueStream> {
    Task::new(resumed_stream(queue, clock, id))
}
