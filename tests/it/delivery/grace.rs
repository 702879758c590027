//! What was in flight to a dropped stream waits for its client.

use std::time::Duration;

use sse_queue::FakeClock;
use sse_queue::queue::DeadLetterReason;

use super::{counts, holding, lease, new_leased_queue, queue_with, resumed};
use crate::support::queue::{assert_leases_accounted, drain_data, push_all, reader, waiting};
use crate::support::secs;

/// ```text
/// s    0            5 - 1 ns     5
///      dropped      orphaned     queued
/// ```
#[test]
fn what_a_dropped_stream_had_waits_for_the_grace() {
    let (clock, queue) = new_leased_queue();
    let mut other = waiting(&queue, &clock);
    let mut stream = reader(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(stream.data(), "a,b");
    queue.ack("e-1").unwrap();
    drop(stream);
    other.assert_pending();
    clock.advance(Duration::new(4, 999_999_999));
    other.assert_pending();
    assert_eq!(counts(&queue), (0, 1, 0, 1));
    other.take_wakes();
    clock.advance(Duration::from_nanos(1));
    other.assert_woken_for("b");
    assert_leases_accounted(&queue);
}

/// ```text
/// s    0            28         30                    33
///      a is taken   dropped    the lease has ended   end of grace
/// ```
#[test]
fn the_grace_does_not_make_a_lease_longer() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_attempts(1));
    let stream = holding(&queue, &clock, &["a"]);
    clock.advance(secs(28));
    drop(stream);
    clock.advance(secs(2));
    assert_eq!(
        queue.take_dead_letters()[0].reason(),
        DeadLetterReason::LeaseEnded
    );
}

#[test]
fn an_orphan_can_be_acked_nacked_and_extended() {
    let (clock, queue) = new_leased_queue();
    let stream = holding(&queue, &clock, &["a", "b", "c"]);
    drop(stream);
    assert_eq!(queue.ack("e-1"), Ok(()));
    assert_eq!(queue.nack("e-2", None), Ok(()));
    assert_eq!(queue.extend_lease("e-3", secs(60)), Ok(()));
    assert_eq!(drain_data(&queue), "b");
    clock.advance(secs(5));
    assert_eq!(
        drain_data(&queue),
        "",
        "what was extended outlives the grace"
    );
    assert_eq!(queue.ack("e-3"), Ok(()));
    assert_leases_accounted(&queue);
}

#[test]
fn after_the_grace_a_client_takes_nothing_over() {
    let (clock, queue) = new_leased_queue();
    let stream = holding(&queue, &clock, &["a", "b"]);
    drop(stream);
    clock.advance(secs(5));
    let mut stream = resumed(&queue, &clock, "e-1");
    assert_eq!(counts(&queue), (2, 0, 0, 0));
    assert_eq!(stream.data(), "a,b");
    // Nor what was redelivered: the id may be the first client's.
    let mut again = resumed(&queue, &clock, "e-1");
    again.assert_pending();
    assert_eq!(counts(&queue), (0, 2, 0, 0));
    assert_leases_accounted(&queue);
}

#[test]
fn a_client_that_disconnects_before_anything_is_sent_loses_nothing() {
    let (clock, queue) = new_leased_queue();
    let stream = holding(&queue, &clock, &["a", "b", "c"]);
    drop(stream);
    drop(resumed(&queue, &clock, "e-1"));
    assert_eq!(counts(&queue), (0, 2, 0, 1));
    let mut stream = resumed(&queue, &clock, "e-2");
    assert_eq!(stream.data(), "c", "another id of the same stream");
    drop(stream);
    clock.advance(secs(5));
    assert_eq!(drain_data(&queue), "c");
    assert_leases_accounted(&queue);
}
