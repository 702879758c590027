//! What delivery at least once costs, against at most once: `cargo bench --bench delivery`.
//!
//! Each call pushes a message, and a stream takes one; in a queue that delivers at least once, it
//! also confirms the message that has been in flight longest. Fails if a ratio misses its bar.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a benchmark may panic"
)]

#[path = "work/bar.rs"]
mod bar;

use std::collections::VecDeque;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use sse_queue::message::Receipt;
use sse_queue::queue::{QueueBuilder, QueueSubscription};
use sse_queue::{EventStream, Lease, Queue, Ticker};

use crate::bar::Bar;

const MILLION: usize = 1_000_000;

fn main() -> ExitCode {
    bar::head();
    let passed = [
        holds(1, "push, poll and ack, one in flight"),
        holds(MILLION, "push, poll and ack, a million in flight"),
    ];
    if passed.contains(&false) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn holds(in_flight: usize, one: &'static str) -> bool {
    let mut leased = Work::at_least_once(in_flight);
    let mut plain = Work::new(Queue::builder());
    Bar {
        one,
        other: "push and poll, at most once",
        at_most: 3.0,
        calls: 20_000,
    }
    .holds(|| leased.pass_and_confirm(), || plain.pass())
}

/// A ticker that never ticks.
struct Never;

impl Ticker for Never {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn arm(self: Pin<&mut Self>, _: Option<Duration>) {}

    fn poll_tick(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

struct Work {
    queue: Queue,
    stream: EventStream<QueueSubscription, Never>,
    in_flight: VecDeque<Receipt>,
}

impl Work {
    fn new(queue: QueueBuilder) -> Self {
        let queue = queue.capacity(2 * MILLION).build();
        Self {
            stream: queue.stream(Never).unwrap().without_first_comment(),
            queue,
            in_flight: VecDeque::new(),
        }
    }

    fn at_least_once(in_flight: usize) -> Self {
        let lease = Lease::new(Duration::from_secs(3600)).max_in_flight(usize::MAX);
        let mut work = Self::new(Queue::builder().at_least_once(lease));
        for _ in 1..in_flight {
            let (receipt, _) = work.pass();
            work.in_flight.push_back(receipt);
        }
        work
    }

    fn pass(&mut self) -> (Receipt, Poll<Option<Bytes>>) {
        let receipt = self.queue.push("42").unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let taken = Pin::new(&mut self.stream).poll_next(&mut cx);
        (receipt, taken)
    }

    fn pass_and_confirm(&mut self) -> Poll<Option<Bytes>> {
        let (receipt, taken) = self.pass();
        self.in_flight.push_back(receipt);
        let oldest = self.in_flight.pop_front().unwrap();
        self.queue.ack(oldest.id()).unwrap();
        taken
    }
}
