//! A queue that delivers at least once: acks, leases, streams that resume, and the wait for the end.
//!
//! Planted mistakes show that these models can fail: freed capacity wakes no stream, a wait for the end is not
//! woken by the last ack, the ends of leases are left out of the timekeeper's next deadline.

use std::time::Duration;

use loom::thread;
use sse_queue::queue::{AckError, Confirm};
use sse_queue::{FakeClock, LastEventId, Lease, Queue};

use crate::support::{
    QueueStream, block_on, next, next_in_time, poll_once, queue_builder, queue_stream, quiet,
    with_clock,
};

/// One message at a time, and no grace.
fn queue(clock: &FakeClock) -> Queue {
    let lease = lease().grace(Duration::ZERO).max_in_flight(1);
    queue_builder(clock).at_least_once(lease).build()
}

/// A second, confirmed by resuming.
fn lease() -> Lease {
    let lease = Lease::new(Duration::from_secs(1)).max_in_flight(64);
    lease.confirm(Confirm::ByResume)
}

/// A queue with a message in flight to no stream.
fn taken(clock: &FakeClock) -> Queue {
    let queue = queue(clock);
    queue.push("x").unwrap();
    assert!(queue.next_ready().is_some());
    queue
}

/// A queue with two messages, and a stream that has taken the first and is full.
fn with_full_stream(clock: &FakeClock) -> (Queue, QueueStream) {
    let queue = queue(clock);
    let mut full = queue_stream(&queue, clock);
    queue.push("a").unwrap();
    queue.push("b").unwrap();
    assert!(poll_once(&mut full).is_ready());
    (queue, full)
}

fn assert_accounted(queue: &Queue) {
    let stats = queue.stats();
    let held = stats.in_flight + stats.dead + stats.depth;
    assert_eq!(stats.pushed, stats.confirmed + held as u64, "{stats:?}");
}

#[test]
fn an_ack_or_the_drop_of_the_stream_settles_a_message_but_not_both() {
    loom::model(|| {
        let (clock, queue) = with_clock(queue);
        let mut leaver = queue_stream(&queue, &clock);
        queue.push("x").unwrap();
        assert!(poll_once(&mut leaver).is_ready());
        let leaves = thread::spawn(move || drop(leaver));
        let acked = queue.ack("e-1");
        leaves.join().unwrap();
        assert!(matches!(acked, Ok(()) | Err(AckError::Stale)));
        assert_eq!(queue.stats().confirmed, u64::from(acked.is_ok()));
        assert_eq!(queue.next_ready().is_some(), acked.is_err());
        assert_accounted(&queue);
    });
}

#[test]
fn an_ack_at_the_end_of_the_lease_confirms_the_message_or_is_refused() {
    loom::model(|| {
        let (clock, queue) = with_clock(taken);
        let takes = thread::spawn({
            let (queue, clock) = (queue.clone(), clock.clone());
            move || {
                clock.advance(Duration::from_secs(1));
                queue.next_ready().is_some()
            }
        });
        let acked = queue.ack("e-1");
        let again = takes.join().unwrap();
        // A redelivery that was taken may be confirmed too.
        assert!(acked.is_ok() || again);
        assert_eq!(queue.stats().confirmed, u64::from(acked.is_ok()));
        assert_accounted(&queue);
    });
}

/// It finds itself full and goes to sleep while the ack frees its capacity.
#[test]
fn an_ack_wakes_a_stream_that_finds_itself_full() {
    loom::model(|| {
        let clock = FakeClock::new();
        let (queue, mut full) = with_full_stream(&clock);
        let takes = thread::spawn(move || next(&mut full).map(|chunk| (chunk, full)));
        queue.ack("e-1").unwrap();
        let (chunk, _full) = takes.join().unwrap().unwrap();
        assert!(chunk.ends_with(b"data: b\n\n"));
    });
}

#[test]
fn a_full_stream_goes_on_after_an_ack_or_the_end_of_the_lease() {
    loom::model(|| {
        let clock = FakeClock::new();
        let (queue, mut full) = with_full_stream(&clock);
        let takes = thread::spawn(move || next_in_time(&mut full, &clock).map(|_| full));
        let acked = queue.ack("e-1");
        assert!(matches!(acked, Ok(()) | Err(AckError::Stale)));
        let full = takes.join().unwrap();
        assert!(full.is_some());
        assert_accounted(&queue);
    });
}

/// Whether or not it has taken the message.
#[test]
fn a_stream_that_takes_and_goes_leaves_the_message_to_the_other() {
    loom::model(|| {
        let (clock, queue) = with_clock(queue);
        let mut leaver = queue_stream(&queue, &clock);
        let mut stayer = queue_stream(&queue, &clock);
        assert!(poll_once(&mut leaver).is_pending());
        let leaves = thread::spawn(move || {
            let _ = poll_once(&mut leaver);
        });
        queue.push("x").unwrap();
        let stays = thread::spawn(move || next_in_time(&mut stayer, &clock).map(|_| stayer));
        leaves.join().unwrap();
        assert!(stays.join().unwrap().is_some());
        assert_accounted(&queue);
    });
}

/// Resuming twice is the same as resuming once.
#[test]
fn of_two_streams_that_resume_after_one_id_the_later_takes_over() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue_builder(&clock).at_least_once(lease()).build();
        let mut old = queue_stream(&queue, &clock);
        queue.push("a").unwrap();
        queue.push("b").unwrap();
        assert!(poll_once(&mut old).is_ready());
        let claim = |queue: Queue, clock: FakeClock| {
            let id = LastEventId::new("e-1");
            let mut stream = quiet(queue.resume(Some(id.clone()), clock.ticker()).unwrap());
            (poll_once(&mut stream).is_ready(), stream)
        };
        let claims = thread::spawn({
            let (queue, clock) = (queue.clone(), clock.clone());
            move || claim(queue, clock)
        });
        let (one, _one) = claim(queue.clone(), clock);
        drop(old);
        let (two, _two) = claims.join().unwrap();
        assert!(one || two, "one of them gets b, or both do");
        let stats = queue.stats();
        assert_eq!((stats.confirmed, stats.in_flight), (1, 1));
    });
}

#[test]
fn the_last_ack_ends_the_wait_for_the_end() {
    loom::model(|| {
        let (clock, queue) = with_clock(taken);
        queue.close();
        let ended = queue.ended(clock.ticker());
        let waits = thread::spawn(move || block_on(ended));
        queue.ack("e-1").unwrap();
        waits.join().unwrap();
        assert_eq!(queue.stats().in_flight, 0);
    });
}
