//! Backoff: a message that returns waits, longer each time.

use core::time::Duration;

use sse_queue::{FakeClock, Lease, Message, Queue};

use super::{counts, queue_with};
use crate::support::queue::{drain_data, quiet_stream, take_one, waiting};
use crate::support::secs;

/// A lease of 30 s, after which a message waits for 2, 4, 8 and then 10 s.
fn backing_off() -> (FakeClock, Queue) {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(30)).grace(Duration::ZERO);
    let queue = queue_with(&clock, lease.backoff(secs(2), secs(10)));
    (clock, queue)
}

#[track_caller]
fn assert_waits_for(queue: &Queue, clock: &FakeClock, wait: u64) {
    clock.advance(secs(wait).saturating_sub(Duration::from_nanos(1)));
    assert_eq!(queue.next_ready(), None, "before {wait} s");
    clock.advance(Duration::from_nanos(1));
    take_one(queue);
}

#[test]
fn each_wait_is_twice_as_long_up_to_the_longest() {
    let (clock, queue) = backing_off();
    queue.push("a").unwrap();
    take_one(&queue);
    for wait in [2, 4, 8, 10, 10] {
        queue.nack("e-1", None).unwrap();
        assert_waits_for(&queue, &clock, wait);
    }
}

#[test]
fn a_message_waits_after_its_lease_has_ended() {
    let (clock, queue) = backing_off();
    queue.push("a").unwrap();
    take_one(&queue);
    clock.advance(secs(30));
    assert_eq!(counts(&queue), (1, 0, 0, 0));
    assert_waits_for(&queue, &clock, 2);
}

/// No stream waits that would notice the end of the lease.
#[test]
fn the_wait_begins_when_the_lease_ends_and_not_when_a_call_notices_it() {
    let (clock, queue) = backing_off();
    queue.push("a").unwrap();
    take_one(&queue);
    clock.advance(secs(32));
    assert_eq!(drain_data(&queue), "a");
}

#[test]
fn a_message_waits_after_its_stream_was_dropped() {
    let (clock, queue) = backing_off();
    queue.push("a").unwrap();
    let mut stream = quiet_stream(&queue, &clock);
    assert!(stream.next_ready().is_some());
    drop(stream);
    assert_eq!(counts(&queue), (1, 0, 0, 0));
    assert_waits_for(&queue, &clock, 2);
}

#[test]
fn a_waiting_stream_is_woken_when_the_wait_is_over() {
    let (clock, queue) = backing_off();
    queue.push("a").unwrap();
    take_one(&queue);
    let mut stream = waiting(&queue, &clock);
    queue.nack("e-1", None).unwrap();
    stream.assert_pending();
    stream.take_wakes();
    clock.advance(secs(2));
    stream.assert_woken_for("a");
}

#[test]
fn a_nack_with_a_delay_keeps_it() {
    let (clock, queue) = backing_off();
    queue.push("a").unwrap();
    take_one(&queue);
    queue.nack("e-1", Some(secs(20))).unwrap();
    assert_waits_for(&queue, &clock, 20);
    queue.nack("e-1", Some(Duration::ZERO)).unwrap();
    take_one(&queue);
}

#[test]
fn a_message_that_expires_while_it_waits_goes_to_no_client() {
    let (clock, queue) = backing_off();
    queue
        .push(Message::from("a").expires_after(secs(1)))
        .unwrap();
    take_one(&queue);
    queue.nack("e-1", None).unwrap();
    clock.advance(secs(2));
    assert_eq!(drain_data(&queue), "");
    assert_eq!(queue.stats().expired, 1);
}

#[test]
fn a_message_that_waits_lets_others_go_first() {
    let (clock, queue) = backing_off();
    queue.push("a").unwrap();
    take_one(&queue);
    queue.push("b").unwrap();
    queue.nack("e-1", None).unwrap();
    assert_eq!(drain_data(&queue), "b");
    clock.advance(secs(2));
    assert_eq!(drain_data(&queue), "a");
}

#[test]
fn the_longest_wait_holds_for_the_first_and_for_any_number_of_attempts() {
    for (first, most, wait) in [(20, 5, 5), (0, 5, 0)] {
        let clock = FakeClock::new();
        let lease = Lease::new(secs(30)).max_attempts(u32::MAX);
        let queue = queue_with(&clock, lease.backoff(secs(first), secs(most)));
        queue.push("a").unwrap();
        for _ in 0..70 {
            take_one(&queue);
            queue.nack("e-1", None).unwrap();
            clock.advance(secs(wait));
        }
    }
}
