//! Queues, and their streams.

use std::time::Duration;

use sse_queue::queue::{QueueBuilder, QueueStats, QueueSubscription};
use sse_queue::{EventStream, FakeClock, FakeTicker, LastEventId, Message, Queue};

use super::{Task, data_of, quiet, settled};

pub type QueueStream = EventStream<QueueSubscription, FakeTicker>;

pub fn builder(clock: &FakeClock) -> QueueBuilder {
    Queue::builder().clock(clock.clone()).epoch("e").unwrap()
}

pub fn queue(clock: &FakeClock) -> Queue {
    builder(clock).build()
}

/// A clock, and a queue on it.
pub fn new_queue() -> (FakeClock, Queue) {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    (clock, queue)
}

/// A stream that sends nothing but messages.
pub fn quiet_stream(queue: &Queue, clock: &FakeClock) -> QueueStream {
    quiet(queue.stream(clock.ticker()).unwrap())
}

/// Such a stream of a client that resumes after an id.
pub fn resumed_stream(queue: &Queue, clock: &FakeClock, id: &str) -> QueueStream {
    let id = LastEventId::new(id);
    quiet(queue.resume(Some(id.clone()), clock.ticker()).unwrap())
}

/// A quiet stream with a waker that has not been polled.
pub fn reader(queue: &Queue, clock: &FakeClock) -> Task<QueueStream> {
    Task::new(quiet_stream(queue, clock))
}

/// A quiet stream with a waker that has been polled and waits.
#[track_caller]
pub fn waiting(queue: &Queue, clock: &FakeClock) -> Task<QueueStream> {
    settled(quiet_stream(queue, clock))
}

pub fn push_all(queue: &Queue, all: &[&str]) {
    for data in all {
        queue.push(*data).unwrap();
    }
}

/// Pushes a message that falls due later.
pub fn push_later(queue: &Queue, data: &str, after: Duration) {
    queue.push(Message::from(data).after(after)).unwrap();
}

/// Pushes a message that expires.
pub fn push_brief(queue: &Queue, data: &str, lifetime: Duration) {
    let message = Message::from(data).expires_after(lifetime);
    queue.push(message).unwrap();
}

/// Takes the first message that is due, without a stream; there must be one.
#[track_caller]
pub fn take_one(queue: &Queue) {
    assert!(queue.next_ready().is_some());
}

/// The data of all that can be taken now without a stream, with commas between.
pub fn drain_data(queue: &Queue) -> String {
    let mut all = Vec::new();
    while let Some(frame) = queue.next_ready() {
        all.extend(data_of(&frame));
    }
    all.join(",")
}

/// Every message that a queue without leases accepted is counted once.
#[track_caller]
pub fn assert_accounted(queue: &Queue) {
    let stats = queue.stats();
    assert_all_counted(&stats, stats.delivered);
}

/// Every message that a queue with leases accepted is counted once.
#[track_caller]
pub fn assert_leases_accounted(queue: &Queue) {
    let stats = queue.stats();
    assert_all_counted(&stats, stats.confirmed);
}

/// `done` messages reached a client.
#[track_caller]
pub fn assert_all_counted(stats: &QueueStats, done: u64) {
    let gone = done + stats.dropped + stats.expired + stats.withdrawn;
    let held = stats.depth + stats.in_flight + stats.dead;
    assert_eq!(stats.pushed, gone + held as u64, "{stats:?}");
}
