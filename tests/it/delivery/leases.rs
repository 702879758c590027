//! How long a lease lasts, and what its end does.

use std::time::Duration;

use sse_queue::{FakeClock, Lease};

use super::{clear_wakes, counts, holding, new_leased_queue, queue_with};
use crate::support::queue::{assert_leases_accounted, drain_data, push_all, reader, waiting};
use crate::support::{Task, secs};

/// ```text
/// s    0             30 - 1 ns     30
///      a is taken    in flight     queued
/// ```
#[test]
fn a_lease_lasts_until_the_nanosecond_before_its_end() {
    let (clock, queue) = new_leased_queue();
    queue.push("a").unwrap();
    assert_eq!(drain_data(&queue), "a");
    clock.advance(Duration::new(29, 999_999_999));
    assert_eq!(drain_data(&queue), "");
    clock.advance(Duration::from_nanos(1));
    assert_eq!(drain_data(&queue), "a");
    assert_eq!(queue.stats().redelivered, 1);
    assert_eq!(queue.stats().delivered, 2);
    assert_leases_accounted(&queue);
}

/// ```text
/// s    0            1           30             31
///      a, b taken   c taken     a, b queued    c queued
/// ```
#[test]
fn a_requeued_message_keeps_its_place_in_the_order() {
    let (clock, queue) = new_leased_queue();
    push_all(&queue, &["a", "b"]);
    assert_eq!(drain_data(&queue), "a,b");
    clock.advance(secs(1));
    push_all(&queue, &["c"]);
    assert_eq!(drain_data(&queue), "c");
    clock.advance(secs(28));
    push_all(&queue, &["d"]);
    clock.advance(secs(1));
    push_all(&queue, &["e"]);
    assert_eq!(drain_data(&queue), "a,b,d,e");
    clock.advance(secs(1));
    assert_eq!(drain_data(&queue), "c");
}

#[test]
fn the_lease_of_a_redelivery_is_a_new_one() {
    let (clock, queue) = new_leased_queue();
    queue.push("a").unwrap();
    for _ in 0..3 {
        assert_eq!(drain_data(&queue), "a");
        clock.advance(secs(29));
        assert_eq!(drain_data(&queue), "");
        clock.advance(secs(1));
    }
    assert_eq!(drain_data(&queue), "a");
    assert_eq!(queue.ack("e-1"), Ok(()));
    assert_eq!(queue.stats().redelivered, 3);
}

#[test]
fn a_waiting_stream_is_woken_when_a_lease_ends_and_no_sooner() {
    let (clock, queue) = new_leased_queue();
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    queue.push("a").unwrap();
    assert_eq!(streams[0].data(), "a");
    // For a second, one of them checks that the stream that was woken polls.
    for _ in 0..2 {
        streams.iter_mut().for_each(Task::assert_pending);
        clock.advance(secs(1));
    }
    streams.iter_mut().for_each(Task::assert_pending);
    assert_eq!(clock.next_deadline(), Some(secs(28)));
    clear_wakes(&streams);
    assert_eq!(clock.advance_to_next(), Some(secs(28)));
    let wakes = streams.each_ref().map(Task::take_wakes);
    assert_eq!(wakes.iter().sum::<usize>(), 1, "one keeps the time");
    let keeper = wakes.iter().position(|wakes| *wakes > 0).unwrap();
    assert_eq!(streams[keeper].data(), "a");
}

#[test]
fn an_idle_queue_with_nothing_in_flight_arms_nothing() {
    let (clock, queue) = new_leased_queue();
    let mut stream = holding(&queue, &clock, &["a"]);
    queue.ack("e-1").unwrap();
    stream.assert_pending();
    assert_eq!(clock.next_deadline(), None);
}

#[test]
fn an_extended_lease_ends_later_by_as_much() {
    let (clock, queue) = new_leased_queue();
    push_all(&queue, &["a", "b"]);
    assert_eq!(drain_data(&queue), "a,b");
    for _ in 0..2 {
        queue.extend_lease("e-1", secs(10)).unwrap();
    }
    clock.advance(secs(49));
    assert_eq!(drain_data(&queue), "b");
    clock.advance(secs(1));
    assert_eq!(drain_data(&queue), "a");
}

#[test]
fn a_lease_extended_past_all_time_never_ends() {
    let (clock, queue) = new_leased_queue();
    queue.push("a").unwrap();
    assert_eq!(drain_data(&queue), "a");
    queue.extend_lease("e-1", Duration::MAX).unwrap();
    let mut stream = waiting(&queue, &clock);
    let mut ended = Task::new(queue.ended(clock.ticker()));
    assert!(ended.poll().is_pending());
    clock.advance(secs(1_000_000_000));
    stream.assert_pending();
    assert!(ended.poll().is_pending());
    queue.extend_lease("e-1", Duration::MAX).unwrap();
    assert_eq!(queue.ack("e-1"), Ok(()));
    queue.close();
    drop(stream);
    assert!(ended.poll().is_ready());
}

#[test]
fn leases_of_no_time_and_of_all_time_are_leases() {
    let clock = FakeClock::new();
    let queue = queue_with(
        &clock,
        Lease::new(Duration::ZERO).max_attempts(3).max_in_flight(64),
    );
    queue.push("a").unwrap();
    assert_eq!(drain_data(&queue), "a,a,a");
    assert_eq!(counts(&queue), (0, 0, 1, 0));

    let queue = queue_with(
        &clock,
        Lease::new(Duration::MAX)
            .grace(Duration::MAX)
            .max_in_flight(64),
    );
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    stream.assert_sends("a");
    drop(stream);
    clock.advance(secs(1_000_000_000));
    assert_eq!(counts(&queue), (0, 1, 0, 0));
    assert_eq!(queue.ack("e-1"), Ok(()));
}

#[test]
fn a_job_that_was_not_sent_counts_no_attempt() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, Lease::new(secs(30)).max_attempts(3));
    push_all(&queue, &["slow", "next"]);
    let mut worker = reader(&queue, &clock);
    assert_eq!(worker.data(), "slow");
    for _ in 0..10 {
        queue.extend_lease("e-1", secs(20)).unwrap();
        clock.advance(secs(20));
        worker.assert_pending();
    }
    assert_eq!(counts(&queue), (1, 1, 0, 0));
}
