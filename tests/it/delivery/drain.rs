//! Waiting until nothing is in flight.

use std::sync::Arc;

use sse_queue::{Drain, FakeClock, FakeTicker, Queue, Remaining};

use super::{counts, new_leased_queue, resumed};
use crate::support::queue::{assert_leases_accounted, push_all, reader, take_one};
use crate::support::{Task, secs};

/// A drain that waits.
fn draining(queue: &Queue, clock: &FakeClock) -> Task<Drain<FakeTicker>> {
    let mut drain = Task::new(queue.drain(clock.ticker()));
    assert!(drain.poll().is_pending());
    drain
}

#[test]
fn a_drain_ends_with_the_last_lease_by_its_own_ticker() {
    let (clock, queue) = new_leased_queue();
    push_all(&queue, &["a", "b"]);
    take_one(&queue);
    clock.advance(secs(10));
    take_one(&queue);
    queue.close();
    let mut drain = draining(&queue, &clock);
    assert_eq!(clock.advance_to_next(), Some(secs(20)));
    assert_eq!(drain.take_wakes(), 1);
    assert!(drain.poll().is_pending());
    queue.extend_lease("e-2", secs(5)).unwrap();
    assert_eq!(clock.advance_to_next(), Some(secs(10)));
    assert!(drain.poll().is_pending());
    assert_eq!(clock.advance_to_next(), Some(secs(5)));
    assert!(drain.poll().is_ready());
    assert_eq!(counts(&queue), (2, 0, 0, 0));
    let remaining = queue.take_remaining();
    let attempts: Vec<_> = remaining.iter().map(Remaining::attempts).collect();
    assert_eq!(attempts, [1, 1]);
    assert_leases_accounted(&queue);
}

#[test]
fn all_drains_are_woken_and_each_moves_with_its_task() {
    let (clock, queue) = new_leased_queue();
    queue.push("a").unwrap();
    take_one(&queue);
    let mut drains = [(); 3].map(|()| draining(&queue, &clock));
    drains[1].move_to_another_task();
    assert!(drains[1].poll().is_pending());
    queue.ack("e-1").unwrap();
    assert_eq!(drains.each_ref().map(Task::take_wakes), [1, 1, 1]);
    queue.push("b").unwrap();
    take_one(&queue);
    assert!(
        drains[0].poll().is_pending(),
        "something is in flight again"
    );
    queue.ack("e-2").unwrap();
    for drain in &mut drains {
        assert!(drain.poll().is_ready());
    }
}

#[test]
fn a_drain_ends_when_all_is_taken() {
    let (clock, queue) = new_leased_queue();
    queue.push("x").unwrap();
    take_one(&queue);
    let mut drain = draining(&queue, &clock);
    assert_eq!(queue.take_remaining().len(), 1);
    assert_eq!(drain.take_wakes(), 1);
    assert!(drain.poll().is_ready());
}

#[test]
fn a_drain_that_is_dropped_leaves_no_waker() {
    let (clock, queue) = new_leased_queue();
    queue.push("x").unwrap();
    take_one(&queue);
    let drain = draining(&queue, &clock);
    let count = Arc::clone(&drain.count);
    drop(drain);
    assert_eq!(Arc::strong_count(&count), 1);
}

#[test]
fn a_drain_ends_when_a_client_that_resumes_confirms_the_last() {
    let (clock, queue) = new_leased_queue();
    queue.push("a").unwrap();
    let mut stream = reader(&queue, &clock);
    assert_eq!(stream.data(), "a");
    let mut drain = draining(&queue, &clock);
    drop(stream);
    let _back = resumed(&queue, &clock, "e-1");
    assert_eq!(drain.take_wakes(), 1);
    assert!(drain.poll().is_ready());
}
