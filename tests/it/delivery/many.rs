//! A hundred thousand messages in flight at once.

use sse_queue::{FakeClock, Pacing, Queue};

use super::{counts, lease};
use crate::support::queue::{assert_leases_accounted, builder, quiet_stream};
use crate::support::{Task, secs};

const MANY: usize = 100_000;

fn many(clock: &FakeClock) -> Queue {
    let lease = lease().max_in_flight(1000).max_attempts(2);
    let queue = builder(clock).capacity(MANY + 1).at_least_once(lease);
    let queue = queue.build();
    for n in 0..MANY {
        queue.push(n.to_string()).unwrap();
    }
    queue
}

fn all_in_order(queue: &Queue) {
    for n in 0..MANY {
        let frame = queue.next_ready().unwrap();
        assert_eq!(frame, format!("id: e-{}\ndata: {n}\n\n", n + 1));
    }
    assert_eq!(queue.next_ready(), None);
}

#[test]
fn a_hundred_thousand_messages_of_dropped_streams_are_requeued_in_order() {
    let clock = FakeClock::new();
    let queue = many(&clock);
    let mut streams = Vec::new();
    while queue.stats().depth > 0 {
        let mut stream =
            Task::new(quiet_stream(&queue, &clock).pacing(Pacing::immediate().batch(1000)));
        while stream.poll_next().is_ready() {}
        streams.push(stream);
    }
    assert_eq!(counts(&queue), (0, MANY, 0, 0));
    assert_eq!(streams.len(), 100);
    drop(streams);
    clock.advance(secs(5));
    all_in_order(&queue);
    assert_leases_accounted(&queue);
}

#[test]
fn a_hundred_thousand_messages_whose_leases_end_are_requeued_in_order() {
    let clock = FakeClock::new();
    let queue = many(&clock);
    all_in_order(&queue);
    clock.advance(secs(30));
    all_in_order(&queue);
    clock.advance(secs(30));
    // Each call requeues some of them.
    while queue.stats().in_flight > 0 {}
    assert_eq!(counts(&queue), (0, 0, MANY, 0));
    assert_eq!(queue.take_dead_letters().len(), MANY);
    assert_leases_accounted(&queue);
}
