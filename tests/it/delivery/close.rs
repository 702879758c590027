//! Close, abort, the last handle, and what remains, with messages in flight.

use sse_queue::{FakeClock, Pacing, Queue};

use super::{counts, holding, lease, new_leased_queue, queue_with};
use crate::support::queue::{
    QueueStream, assert_leases_accounted, drain_data, push_all, push_brief, push_later,
    quiet_stream, waiting,
};
use crate::support::{Task, secs};

#[test]
fn a_closed_queue_confirms_what_is_in_flight() {
    let (clock, queue) = new_leased_queue();
    let mut stream = holding(&queue, &clock, &["a", "b", "c"]);
    queue.close();
    stream.assert_ended();
    drop(stream);
    let mut ended = Task::new(queue.ended(clock.ticker()));
    assert!(ended.poll().is_pending());
    queue.ack("e-1").unwrap();
    assert_eq!(ended.take_wakes(), 0, "two are left");
    clock.advance(secs(6));
    assert_eq!(
        queue.ack("e-2"),
        Ok(()),
        "no client can resume: there is no grace"
    );
    assert!(ended.poll().is_pending());
    ended.take_wakes();
    queue.ack("e-3").unwrap();
    assert!(ended.take_wakes() > 0);
    assert!(ended.poll().is_ready());
    assert!(queue.take_remaining().is_empty());
    assert_leases_accounted(&queue);
}

#[test]
fn what_remains_is_all_there_is_in_order_with_its_attempts() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_attempts(2));
    push_all(&queue, &["dead", "in flight", "back", "queued"]);
    push_later(&queue, "later", secs(9));
    push_brief(&queue, "gone", secs(1));
    let mut stream = Task::new(quiet_stream(&queue, &clock).pacing(Pacing::immediate().batch(1)));
    for id in ["e-1", "e-1"] {
        assert_eq!(stream.data(), "dead");
        queue.nack(id, None).unwrap();
    }
    assert_eq!(stream.data(), "in flight");
    assert_eq!(stream.data(), "back");
    queue.nack("e-3", None).unwrap();
    assert_eq!(counts(&queue), (4, 1, 1, 0));
    clock.advance(secs(1));
    queue.close();
    let remaining = queue.take_remaining();
    let remaining: Vec<_> = remaining
        .iter()
        .map(|left| (left.id(), left.attempts()))
        .collect();
    let expected = [("e-1", 2), ("e-2", 1), ("e-3", 1), ("e-4", 0), ("e-5", 0)];
    assert_eq!(remaining, expected);
    let stats = queue.stats();
    assert_eq!((stats.withdrawn, stats.expired, stats.bytes), (5, 1, 0));
    assert_leases_accounted(&queue);
}

/// A queue with two messages, of which a stream that may have one has taken the first.
fn full_stream(clock: &FakeClock) -> (Queue, Task<QueueStream>) {
    let queue = queue_with(clock, lease().max_in_flight(1));
    let mut stream = waiting(&queue, clock);
    push_all(&queue, &["a", "b"]);
    stream.assert_sends("a");
    stream.take_wakes();
    (queue, stream)
}

#[test]
fn streams_stay_open_when_all_messages_are_taken() {
    let clock = FakeClock::new();
    let (queue, mut stream) = full_stream(&clock);
    assert_eq!(queue.take_remaining().len(), 2);
    queue.push("c").unwrap();
    assert_eq!(stream.take_wakes(), 1, "it has capacity again");
    assert_eq!(stream.data(), "c");
    drop(stream);
    clock.advance(secs(5));
    assert_eq!(drain_data(&queue), "c");
    assert_leases_accounted(&queue);
}

#[test]
fn a_close_ends_a_full_stream_and_keeps_the_rest() {
    let clock = FakeClock::new();
    let (queue, mut stream) = full_stream(&clock);
    queue.close();
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_ended();
    assert_eq!(counts(&queue), (1, 1, 0, 0));
    assert_eq!(queue.take_remaining().len(), 2);
}

#[test]
fn an_aborted_queue_still_takes_acks() {
    let (clock, queue) = new_leased_queue();
    push_all(&queue, &["a", "b"]);
    assert_eq!(drain_data(&queue), "a,b");
    queue.abort();
    queue.ack("e-1").unwrap();
    clock.advance(secs(30));
    assert_eq!(queue.next_ready(), None);
    assert_eq!(counts(&queue), (1, 0, 0, 1));
}

/// ```text
/// s    0                     30          60
///      a, no handle left     a again     dead: nothing ever comes
/// ```
#[test]
fn streams_outlive_the_last_handle_by_what_is_in_flight() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_attempts(2));
    let mut stream = waiting(&queue, &clock);
    let mut other = waiting(&queue, &clock);
    queue.push("a").unwrap();
    assert_eq!(stream.data(), "a");
    drop(queue);
    for again in [true, false] {
        for _ in 0..2 {
            stream.assert_pending();
            other.assert_pending();
        }
        clock.advance(secs(30));
        let taker = if stream.take_wakes() > 0 {
            &mut stream
        } else {
            &mut other
        };
        if again {
            assert_eq!(taker.data(), "a");
        } else {
            taker.assert_ended();
        }
    }
    stream.assert_ended();
    other.assert_ended();
}
