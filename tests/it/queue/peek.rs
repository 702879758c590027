//! What a queue shows of its messages, which stay where they are.

use std::time::Duration;

use sse_queue::queue::Peeked;
use sse_queue::{Clock, Event, FakeClock, Lease, Message, Queue};

use crate::support::queue::{
    builder, drain_data, new_queue, push_all, push_brief, push_later, resumed_stream, take_one,
    waiting,
};
use crate::support::{Task, data_of, secs};

/// A queue with leases of 30 s and up to 100 messages in flight.
fn leased() -> (FakeClock, Queue) {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(30)).max_in_flight(100);
    let queue = builder(&clock).at_least_once(lease).build();
    (clock, queue)
}

fn data(shown: &[Peeked]) -> String {
    let data = shown.iter().flat_map(|message| data_of(message.frame()));
    data.collect::<Vec<_>>().join(",")
}

#[test]
fn ready_messages_are_shown_in_the_order_in_which_they_leave() {
    let (clock, queue) = leased();
    push_all(&queue, &["a", "b"]);
    push_later(&queue, "d", secs(2));
    push_later(&queue, "c", secs(1));
    take_one(&queue);
    take_one(&queue);
    queue.nack("e-2", None).unwrap();
    clock.advance(secs(3));
    push_all(&queue, &["e"]);
    let past = Message::from("now").at(clock.now() - secs(1));
    queue.push(past).unwrap();
    queue.push(Event::comment("no data")).unwrap();
    let shown = queue.peek_ready(usize::MAX);
    let attempts: Vec<_> = shown.iter().map(Peeked::attempts).collect();
    assert_eq!(attempts, [1, 0, 0, 0, 0, 0]);
    assert_eq!(data(&shown), "b,c,d,now,e");
    assert_eq!(drain_data(&queue), "b,c,d,now,e");
}

#[test]
fn what_a_pause_or_a_rate_keeps_back_is_ready() {
    let clock = FakeClock::new();
    let queue = builder(&clock).rate(1, secs(10)).build();
    push_all(&queue, &["a", "b", "c"]);
    take_one(&queue);
    assert_eq!(data(&queue.peek_ready(9)), "b,c");
    queue.pause();
    clock.advance(secs(10));
    assert_eq!(data(&queue.peek_ready(9)), "b,c");
}

#[test]
fn more_than_a_hold_of_the_lock_shows_are_shown_once_and_up_to_the_maximum() {
    let (clock, queue) = new_queue();
    let numbers: Vec<_> = (0..1_000).map(|n| n.to_string()).collect();
    queue.push_all(&numbers[..]).unwrap();
    for at in 0..1_000 {
        push_later(&queue, &at.to_string(), secs(1 + at % 3));
    }
    assert_eq!(data(&queue.peek_ready(usize::MAX)), numbers.join(","));
    for max in [0, 1, 63, 64, 65, 128, 999] {
        assert_eq!(queue.peek_ready(max).len(), max);
        assert_eq!(queue.peek_scheduled(max).len(), max);
    }
    let scheduled = queue.peek_scheduled(usize::MAX);
    assert!(scheduled.is_sorted_by_key(Peeked::due));
    assert_eq!(scheduled.len(), 1_000);
    clock.advance(secs(2));
    assert_eq!(queue.peek_ready(usize::MAX).len(), 1_667);
    assert_eq!(queue.peek_scheduled(usize::MAX).len(), 333);
}

/// More expire than a call removes.
#[test]
fn expired_messages_are_not_shown_and_do_not_count_towards_the_maximum() {
    let (clock, queue) = new_queue();
    for _ in 0..3_000 {
        push_brief(&queue, "brief", secs(1));
    }
    push_all(&queue, &["a", "b", "c"]);
    clock.advance(secs(1));
    assert_eq!(data(&queue.peek_ready(2)), "a,b");
}

#[test]
fn looking_changes_nothing() {
    let (clock, queue) = leased();
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(stream.data(), "a,b");
    stream.assert_pending();
    stream.take_wakes();
    push_later(&queue, "c", secs(9));
    stream.take_wakes();
    let stats = queue.stats();
    assert_eq!(data(&queue.peek_in_flight(9)), "a,b");
    assert_eq!(data(&queue.peek_scheduled(9)), "c");
    assert_eq!(data(&queue.peek_ready(9)), "");
    assert_eq!(queue.stats(), stats);
    assert_eq!(stream.take_wakes(), 0);
}

#[test]
fn in_flight_messages_are_shown_with_their_attempts_and_the_end_of_their_lease() {
    let (clock, queue) = leased();
    let start = clock.now();
    push_all(&queue, &["a", "b", "c"]);
    (0..3).for_each(|_| take_one(&queue));
    queue.nack("e-1", None).unwrap();
    clock.advance(secs(10));
    take_one(&queue);
    queue.extend_lease("e-2", secs(5)).unwrap();
    let shown = queue.peek_in_flight(9);
    let leases = shown.iter().map(|message| {
        let end = message.lease_end().unwrap();
        (
            message.id(),
            message.attempts(),
            end.duration_since(start).unwrap(),
        )
    });
    let expected = [
        ("e-1", 2, secs(40)),
        ("e-2", 1, secs(35)),
        ("e-3", 1, secs(30)),
    ];
    assert!(leases.eq(expected));
    clock.advance(secs(20));
    assert_eq!(data(&queue.peek_in_flight(9)), "a,b");
    assert_eq!(data(&queue.peek_ready(9)), "c");
    assert_eq!(queue.peek_ready(9)[0].lease_end(), None);
}

#[test]
fn what_a_client_is_owed_is_in_flight() {
    let (clock, queue) = leased();
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(stream.data(), "a,b");
    let _back = Task::new(resumed_stream(&queue, &clock, "e-1"));
    assert_eq!(data(&queue.peek_in_flight(9)), "a,b");
}

#[test]
fn what_has_expired_in_flight_is_not_shown() {
    let (clock, queue) = leased();
    push_brief(&queue, "brief", secs(1));
    take_one(&queue);
    push_all(&queue, &["a"]);
    take_one(&queue);
    clock.advance(secs(1));
    assert_eq!(data(&queue.peek_in_flight(1)), "a");
}

#[test]
fn dead_letters_are_not_shown() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(30)).max_attempts(1);
    let queue = builder(&clock).at_least_once(lease).build();
    push_all(&queue, &["a"]);
    take_one(&queue);
    queue.nack("e-1", None).unwrap();
    assert_eq!(queue.stats().dead, 1);
    assert_eq!(queue.peek_ready(9), []);
    assert_eq!(queue.peek_in_flight(9), []);
}

#[test]
fn what_does_not_leave_a_closed_queue_is_scheduled() {
    let (clock, queue) = leased();
    push_all(&queue, &["a", "b"]);
    push_later(&queue, "c", secs(5));
    take_one(&queue);
    queue.close();
    clock.advance(secs(1));
    queue.nack("e-1", Some(Duration::ZERO)).unwrap();
    clock.advance(secs(9));
    assert_eq!(data(&queue.peek_ready(9)), "b");
    assert_eq!(data(&queue.peek_scheduled(9)), "a,c");
    assert_eq!(drain_data(&queue), "b");
}

#[test]
fn an_id_of_its_own_is_shown() {
    let (_, queue) = new_queue();
    queue.push(Event::new("x").id("order-7").unwrap()).unwrap();
    assert_eq!(queue.peek_ready(1)[0].id(), "order-7");
    assert!(!format!("{:?}", queue.peek_ready(1)).contains("data"));
}
