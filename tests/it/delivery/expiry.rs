//! Messages that expire in flight, or after a redelivery.

use sse_queue::FakeClock;
use sse_queue::queue::AckError;

use super::{counts, lease, new_leased_queue, queue_with, resumed};
use crate::support::queue::{assert_leases_accounted, drain_data, push_brief, waiting};
use crate::support::{ms, secs};

#[test]
fn an_expired_message_that_is_nacked_is_gone() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_attempts(1));
    for _ in 0..2 {
        push_brief(&queue, "x", secs(1));
    }
    assert_eq!(drain_data(&queue), "x,x");
    clock.advance(secs(1));
    assert_eq!(
        queue.stats().in_flight,
        2,
        "its client may still confirm it"
    );
    queue.nack("e-1", None).unwrap();
    queue.ack("e-2").unwrap();
    assert_eq!(counts(&queue), (0, 0, 0, 1));
    assert_eq!(queue.stats().expired, 1, "and not dead");
    assert_leases_accounted(&queue);
}

#[test]
fn an_expired_message_whose_lease_ends_is_gone() {
    let (clock, queue) = new_leased_queue();
    let mut stream = waiting(&queue, &clock);
    push_brief(&queue, "x", secs(1));
    assert_eq!(stream.data(), "x");
    clock.advance(secs(30));
    stream.assert_pending();
    let stats = queue.stats();
    assert_eq!((stats.expired, stats.in_flight, stats.bytes), (1, 0, 0));
    assert_leases_accounted(&queue);
}

#[test]
fn a_requeued_message_that_expires_is_never_sent_again() {
    let (clock, queue) = new_leased_queue();
    push_brief(&queue, "x", secs(40));
    assert_eq!(drain_data(&queue), "x");
    clock.advance(secs(30));
    assert_eq!(queue.stats().depth, 1);
    clock.advance(secs(10));
    assert_eq!(drain_data(&queue), "");
    assert_eq!(queue.stats().expired, 1);
    assert_leases_accounted(&queue);
}

#[test]
fn a_client_that_resumes_is_not_sent_what_has_expired() {
    let (clock, queue) = new_leased_queue();
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    push_brief(&queue, "brief", secs(2));
    queue.push("c").unwrap();
    assert_eq!(stream.data(), "a,brief,c");
    let mut again = resumed(&queue, &clock, "e-1");
    clock.advance(secs(2));
    assert_eq!(again.data(), "c");
    assert_eq!(queue.stats().expired, 1);
    assert_leases_accounted(&queue);
}

/// ```text
/// s    0                   2            5
///      dropped, orphaned   expires      end of grace
/// ```
#[test]
fn an_orphan_does_not_outlive_its_expiry() {
    let (clock, queue) = new_leased_queue();
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    push_brief(&queue, "brief", secs(2));
    assert_eq!(stream.data(), "a,brief");
    drop(stream);
    clock.advance(ms(1999));
    assert_eq!(queue.stats().in_flight, 2);
    clock.advance(ms(1));
    let stats = queue.stats();
    assert_eq!((stats.in_flight, stats.expired), (1, 1));
    assert_eq!(queue.ack("e-2"), Err(AckError::Stale));
    assert_leases_accounted(&queue);
}

#[test]
fn what_expired_in_flight_does_not_remain() {
    let (clock, queue) = new_leased_queue();
    push_brief(&queue, "a", secs(5));
    queue.push("b").unwrap();
    assert_eq!(drain_data(&queue), "a,b");
    clock.advance(secs(10));
    let remaining = queue.take_remaining();
    assert_eq!(remaining.len(), 1);
    assert_eq!(remaining[0].id(), "e-2");
    assert_eq!(queue.stats().expired, 1);
    assert_leases_accounted(&queue);
}
