//! A client that reconnects: what its last id confirms, and what it is sent again.

use std::time::SystemTime;

use sse_queue::queue::Confirm;
use sse_queue::{FakeClock, Lease, Message, Pacing};

use super::{counts, holding, lease, new_leased_queue, queue_with, resumed, with_own_id};
use crate::support::queue::{
    assert_leases_accounted, drain_data, push_all, push_later, quiet_stream, reader,
    resumed_stream, waiting,
};
use crate::support::{Task, secs, settled};

#[test]
fn a_client_that_resumes_confirms_what_it_saw_and_gets_the_rest_first() {
    let (clock, queue) = new_leased_queue();
    let stream = holding(&queue, &clock, &["a", "b", "c", "d"]);
    drop(stream);
    clock.advance(secs(4));
    let past = Message::from("past").at(SystemTime::UNIX_EPOCH);
    queue.push(past).unwrap();
    let mut stream = resumed(&queue, &clock, "e-2");
    assert_eq!(counts(&queue), (1, 2, 0, 2));
    assert_eq!(stream.data(), "c,d,past");
    assert_eq!(queue.stats().redelivered, 2);
    // The grace of the dropped stream is over, and the leases are new.
    clock.advance(secs(29));
    assert_eq!(counts(&queue), (0, 3, 0, 2));
    clock.advance(secs(1));
    assert_eq!(counts(&queue), (3, 0, 0, 2));
    assert_leases_accounted(&queue);
}

#[test]
fn redelivered_messages_keep_to_the_limits_of_a_chunk() {
    let (clock, queue) = new_leased_queue();
    let _stream = holding(&queue, &clock, &["a", "b", "c", "d", "e"]);
    let stream = resumed_stream(&queue, &clock, "e-1").pacing(Pacing::immediate().batch(3));
    let mut stream = Task::new(stream);
    queue.push("f").unwrap();
    assert_eq!(stream.data(), "b,c,d");
    assert_eq!(stream.data(), "e,f");
}

#[test]
fn the_last_id_confirms_all_and_leaves_nothing_to_send() {
    let (clock, queue) = new_leased_queue();
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    queue.push(with_own_id("mine")).unwrap();
    assert_eq!(stream.data(), "a,x");
    drop(stream);
    let mut stream = resumed(&queue, &clock, "mine");
    stream.assert_pending();
    assert_eq!(counts(&queue), (0, 0, 0, 2));
    assert_eq!(queue.ack("e-1"), Ok(()));
    queue.push("b").unwrap();
    assert_eq!(stream.data(), "b");
}

/// Whatever the numbers of its messages.
#[test]
fn an_id_confirms_nothing_of_another_stream() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_in_flight(1));
    let mut one = waiting(&queue, &clock);
    let mut two = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!((one.data(), two.data()), ("a".into(), "b".into()));
    drop(two);
    drop(resumed(&queue, &clock, "e-2"));
    assert_eq!(counts(&queue), (0, 1, 0, 1));
    assert_eq!(queue.ack("e-1"), Ok(()));
}

/// A last event ID confirms messages in the order in which they were handed out, not of their
/// numbers.
#[test]
fn up_to_an_id_means_in_the_order_of_handing_out() {
    let (clock, queue) = new_leased_queue();
    let mut stream = waiting(&queue, &clock);
    push_later(&queue, "late", secs(1));
    queue.push("b").unwrap();
    assert_eq!(stream.data(), "b");
    clock.advance(secs(1));
    assert_eq!(stream.data(), "late");
    drop(stream);
    let mut stream = resumed(&queue, &clock, "e-2");
    assert_eq!(counts(&queue), (0, 1, 0, 1));
    assert_eq!(stream.data(), "late");
}

#[test]
fn an_id_that_is_not_in_flight_confirms_nothing() {
    let (clock, queue) = new_leased_queue();
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c"]);
    push_later(&queue, "later", secs(9));
    assert_eq!(stream.data(), "a,b,c");
    queue.ack("e-2").unwrap();
    drop(stream);
    for id in ["e-4", "e-5", "e-0", "f-1", "", "nonsense"] {
        resumed(&queue, &clock, id).assert_pending();
        assert_eq!(counts(&queue), (1, 2, 0, 1), "{id}");
    }
    let mut stream = resumed(&queue, &clock, "e-2");
    assert_eq!(counts(&queue), (1, 1, 0, 2), "it saw what it has acked");
    assert_eq!(stream.data(), "c");
    drop(stream);
    clock.advance(secs(5));
    assert_eq!(drain_data(&queue), "c", "it is late, not lost");
}

#[test]
fn no_client_takes_over_what_was_taken_without_a_stream() {
    let (clock, queue) = new_leased_queue();
    push_all(&queue, &["a", "b"]);
    assert_eq!(drain_data(&queue), "a,b");
    resumed(&queue, &clock, "e-1").assert_pending();
    assert_eq!(counts(&queue), (0, 2, 0, 0));
}

#[test]
fn resuming_twice_after_one_id_is_the_same_as_once() {
    let (clock, queue) = new_leased_queue();
    let stream = holding(&queue, &clock, &["a", "b"]);
    drop(stream);
    let mut first = resumed(&queue, &clock, "e-1");
    assert_eq!(first.data(), "b");
    let mut second = resumed(&queue, &clock, "e-1");
    first.assert_pending();
    assert_eq!(second.data(), "b", "it was lost on the way");
    drop(first);
    clock.advance(secs(5));
    assert_eq!(counts(&queue), (0, 1, 0, 1));
    assert_leases_accounted(&queue);
}

/// The server has not noticed yet that the client is gone.
#[test]
fn a_live_stream_that_is_taken_over_starts_afresh() {
    let (clock, queue) = new_leased_queue();
    let mut old = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    old.assert_sends("a,b");
    let mut new = resumed(&queue, &clock, "e-1");
    queue.push("c").unwrap();
    assert_eq!(old.data(), "c");
    assert_eq!(new.data(), "b");
    drop(old);
    clock.advance(secs(5));
    assert_eq!(
        counts(&queue),
        (1, 1, 0, 1),
        "what is taken over stays in flight"
    );
    assert_eq!(new.data(), "c");
}

#[test]
fn a_client_that_resumes_late_confirms_nothing_of_another_client() {
    let (clock, queue) = new_leased_queue();
    let late = holding(&queue, &clock, &["a"]);
    drop(late);
    let mut other = holding(&queue, &clock, &["b"]);
    clock.advance(secs(5));
    assert_eq!(other.data(), "a");

    // The first has seen "a", and nothing of "b".
    resumed(&queue, &clock, "e-1").assert_pending();
    drop(other);
    clock.advance(secs(5));
    assert_eq!(drain_data(&queue), "a,b");
    assert_leases_accounted(&queue);
}

#[test]
fn what_is_confirmed_before_its_redelivery_is_not_sent_again() {
    let (clock, queue) = new_leased_queue();
    let _stream = holding(&queue, &clock, &["a", "b", "c", "d", "e"]);
    let mut stream = resumed(&queue, &clock, "e-1");
    for id in ["e-2", "e-4"] {
        queue.ack(id).unwrap();
    }
    queue.nack("e-5", Some(secs(1))).unwrap();
    stream.assert_sends("c");
    clock.advance(secs(1));
    assert_eq!(stream.data(), "e");
}

#[test]
fn a_client_confirms_any_number_of_messages_by_its_last_id() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_in_flight(1000));
    let stream = quiet_stream(&queue, &clock).pacing(Pacing::immediate().batch(1000));
    let mut stream = settled(stream);
    for n in 0..1000 {
        queue.push(n.to_string()).unwrap();
    }
    while queue.stats().depth > 0 {
        stream.data();
    }
    drop(stream);
    let mut stream = resumed(&queue, &clock, "e-900");
    assert_eq!(counts(&queue), (0, 100, 0, 900));
    let rest: Vec<_> = (900..1000).map(|n| n.to_string()).collect();
    let mut sent = Vec::new();
    while sent.len() < 100 {
        sent.extend(stream.data().split(',').map(str::to_owned));
    }
    assert_eq!(sent, rest);
}

#[test]
fn resuming_confirms_nothing_when_acks_confirm() {
    let clock = FakeClock::new();
    let lease = lease().confirm(Confirm::ByAck);
    let queue = queue_with(&clock, lease);
    let stream = holding(&queue, &clock, &["a", "b", "c"]);
    drop(stream);
    for _ in 0..2 {
        let mut stream = resumed(&queue, &clock, "e-2");
        assert_eq!(
            counts(&queue),
            (0, 3, 0, 0),
            "what it has seen stays leased"
        );
        assert_eq!(stream.data(), "c", "what it has not seen comes again");
    }
    queue.ack("e-2").unwrap();
    let mut stream = resumed(&queue, &clock, "e-2");
    assert_eq!(stream.data(), "c", "it has acked what it saw last");
    queue.ack("e-1").unwrap();
    queue.ack("e-3").unwrap();
    stream.assert_pending();
    assert_leases_accounted(&queue);
}

#[test]
fn a_client_that_acks_each_gets_the_one_that_was_lost_on_the_way() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, Lease::new(secs(30)));
    push_all(&queue, &["a", "b"]);
    let mut stream = reader(&queue, &clock);
    assert_eq!(stream.data(), "a");
    queue.ack("e-1").unwrap();
    assert_eq!(stream.data(), "b");
    drop(stream);
    assert_eq!(resumed(&queue, &clock, "e-1").data(), "b");
}
