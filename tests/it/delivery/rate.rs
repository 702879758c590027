//! A rate in a queue that delivers at least once: each time that a message is handed out counts.

use sse_queue::{FakeClock, Lease, Queue};

use crate::support::queue::{
    builder, drain_data, push_all, reader, resumed_stream, take_one, waiting,
};
use crate::support::{Task, secs};

/// At most `messages` per 10 s, with leases of 60 s.
fn limited(messages: usize) -> (FakeClock, Queue) {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(60)).max_in_flight(9);
    let queue = builder(&clock).rate(messages, secs(10));
    let queue = queue.at_least_once(lease).build();
    (clock, queue)
}

#[test]
fn a_redelivery_counts() {
    let (clock, queue) = limited(2);
    push_all(&queue, &["a", "b"]);
    take_one(&queue);
    queue.nack("e-1", None).unwrap();
    take_one(&queue);
    assert_eq!(queue.next_ready(), None);
    clock.advance(secs(10));
    assert_eq!(drain_data(&queue), "b");
}

/// ```text
/// s          0     55   60   65
/// leave      a     b         a
/// ```
#[test]
fn a_lease_that_ends_in_a_spent_period_is_redelivered_in_the_next() {
    let (clock, queue) = limited(1);
    push_all(&queue, &["a", "b"]);
    take_one(&queue);
    clock.advance(secs(55));
    assert_eq!(drain_data(&queue), "b");
    clock.advance(secs(5));
    assert_eq!(queue.stats().depth, 1);
    assert_eq!(drain_data(&queue), "");
    clock.advance(secs(5));
    assert_eq!(drain_data(&queue), "a");
}

/// ```text
/// s          0     10
/// leave      abc   bcd       b and c again, for the client comes back with the id of a
/// ```
#[test]
fn what_a_client_is_owed_counts_and_waits_for_the_next_period() {
    let (clock, queue) = limited(3);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c", "d"]);
    assert_eq!(stream.data(), "a,b,c");
    let mut back = Task::new(resumed_stream(&queue, &clock, "e-1"));
    back.assert_pending();
    back.take_wakes();
    clock.advance(secs(10));
    back.assert_woken_for("b,c,d");
    assert_eq!(queue.stats().redelivered, 2);
}

#[test]
fn a_driver_wakes_a_client_that_is_owed_something_in_the_next_period() {
    let (clock, queue) = limited(2);
    let mut driver = Task::new(Box::pin(queue.drive(clock.ticker())));
    assert!(driver.poll().is_pending());
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(stream.data(), "a,b");
    let mut back = Task::new(resumed_stream(&queue, &clock, "e-1"));
    back.assert_pending();
    back.take_wakes();
    clock.advance(secs(10));
    back.assert_woken_for("b");
}

/// A full stream costs the rate nothing.
#[test]
fn a_stream_that_is_full_takes_nothing_from_the_rate() {
    let clock = FakeClock::new();
    let queue = builder(&clock).rate(2, secs(10));
    let queue = queue.at_least_once(Lease::new(secs(60))).build();
    let mut full = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c"]);
    assert_eq!(full.data(), "a");
    full.assert_pending();
    let mut other = reader(&queue, &clock);
    assert_eq!(other.data(), "b");
    other.assert_pending();
    queue.ack("e-1").unwrap();
    full.assert_pending();
    full.take_wakes();
    clock.advance(secs(10));
    full.assert_woken_for("c");
}

#[test]
fn a_backoff_that_ends_in_a_spent_period_waits_for_the_next() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(60)).backoff(secs(4), secs(4));
    let queue = builder(&clock).rate(1, secs(10));
    let queue = queue.at_least_once(lease).build();
    push_all(&queue, &["a"]);
    take_one(&queue);
    let mut stream = waiting(&queue, &clock);
    queue.nack("e-1", None).unwrap();
    stream.assert_pending();
    stream.take_wakes();
    clock.advance(secs(9));
    assert_eq!(stream.take_wakes(), 0);
    clock.advance(secs(1));
    stream.assert_woken_for("a");
}
