//! What is in flight counts against the bounds.

use sse_queue::queue::{Overflow, PushError};
use sse_queue::{FakeClock, Queue};

use super::{counts, lease};
use crate::support::queue::{
    assert_leases_accounted, builder, drain_data, push_all, reader, take_one,
};
use crate::support::{Task, secs};

#[test]
fn what_is_in_flight_or_dead_counts_against_the_bounds() {
    for overflow in [Overflow::Reject, Overflow::DropOldest] {
        let clock = FakeClock::new();
        let builder = builder(&clock).capacity(2).overflow(overflow);
        let queue = builder.at_least_once(lease().max_attempts(1)).build();
        push_all(&queue, &["a", "b"]);
        assert_eq!(drain_data(&queue), "a,b");
        assert!(matches!(queue.push("c"), Err(PushError::Full(_))));
        queue.nack("e-1", None).unwrap();
        assert_eq!(counts(&queue), (0, 1, 1, 0));
        assert!(matches!(queue.push("c"), Err(PushError::Full(_))));
        assert_eq!(queue.stats().bytes, 2 * (17 + 192));
        assert_eq!(queue.take_dead_letters().len(), 1);
        queue.push("c").unwrap();
        assert_eq!(queue.stats().dropped, 0);
        assert_leases_accounted(&queue);
    }
}

#[test]
fn drop_oldest_drops_what_waits_and_not_what_is_in_flight() {
    let clock = FakeClock::new();
    let builder = builder(&clock).capacity(2).overflow(Overflow::DropOldest);
    let queue = builder.at_least_once(lease()).build();
    push_all(&queue, &["a"]);
    assert_eq!(drain_data(&queue), "a");
    push_all(&queue, &["b", "c", "d"]);
    assert_eq!(counts(&queue), (1, 1, 0, 0));
    assert_eq!(queue.stats().dropped, 2);
    clock.advance(secs(30));
    assert_eq!(drain_data(&queue), "a,d");
    assert_leases_accounted(&queue);
}

#[test]
fn a_waiting_producer_is_woken_by_everything_that_frees_capacity() {
    let ways: [fn(&Queue, &FakeClock); 4] = [
        |queue, _| queue.ack("e-1").unwrap(),
        |queue, _| {
            queue.nack("e-1", None).unwrap();
            assert_eq!(queue.take_dead_letters().len(), 1);
        },
        |queue, clock| {
            drop(reader(queue, clock));
            clock.advance(secs(30));
            assert_eq!(queue.take_dead_letters().len(), 1);
        },
        |queue, _| assert_eq!(queue.take_remaining().len(), 1),
    ];
    for (n, way) in ways.into_iter().enumerate() {
        for overflow in [Overflow::Reject, Overflow::DropOldest] {
            let clock = FakeClock::new();
            let builder = builder(&clock).capacity(1).overflow(overflow);
            let queue = builder.at_least_once(lease().max_attempts(1)).build();
            queue.push("a").unwrap();
            take_one(&queue);
            let mut push = Task::new(queue.push_when_ready("b"));
            assert!(push.poll().is_pending());
            way(&queue, &clock);
            assert_eq!(push.take_wakes(), 1, "{n}");
            assert!(push.poll().is_ready());
            assert_eq!(drain_data(&queue), "b");
        }
    }
}

/// ```text
/// s    0           30
///      a in flight a requeued: not dropped for b
/// ```
#[test]
fn a_requeued_message_is_not_dropped_for_another() {
    let clock = FakeClock::new();
    let builder = builder(&clock).capacity(1).at_least_once(lease());
    let queue = builder.overflow(Overflow::DropOldest).build();
    queue.push("a").unwrap();
    take_one(&queue);
    let mut push = Task::new(queue.push_when_ready("b"));
    assert!(push.poll().is_pending());
    clock.advance(secs(30));
    assert_eq!((queue.stats().in_flight, queue.stats().depth), (0, 1));
    assert_eq!(push.take_wakes(), 0);
    assert!(matches!(queue.push("c"), Err(PushError::Full(_))));
    assert_eq!(drain_data(&queue), "a");
    queue.ack("e-1").unwrap();
    assert_eq!(push.take_wakes(), 1);
    assert!(push.poll().is_ready());
    assert_eq!(drain_data(&queue), "b");
    assert_eq!(queue.stats().dropped, 0);
    assert_leases_accounted(&queue);
}

/// A frame is `id: e-1`, `data: a` and a blank line: 17 bytes.
#[test]
fn a_refused_push_drops_nothing() {
    let clock = FakeClock::new();
    let builder = builder(&clock).capacity_bytes(3 * (17 + 192));
    let builder = builder.at_least_once(lease());
    let queue = builder.overflow(Overflow::DropOldest).build();
    push_all(&queue, &["a", "b"]);
    assert_eq!(drain_data(&queue), "a,b");
    queue.push("c").unwrap();
    let large = "L".repeat(2);
    assert!(matches!(
        queue.push(large.as_str()),
        Err(PushError::Full(_))
    ));
    assert_eq!((queue.stats().depth, queue.stats().dropped), (1, 0));
    queue.push("d").unwrap();
    assert_eq!(drain_data(&queue), "d");
}
