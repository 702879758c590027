//! What a queue holds at most, and what happens to a message that does not fit.

use sse_queue::queue::{Overflow, PushError};
use sse_queue::{Event, FakeClock, Message};

use super::SMALL;
use crate::support::queue::{
    assert_accounted, builder, drain_data, new_queue, push_all, push_brief, push_later,
    quiet_stream, take_one,
};
use crate::support::{Task, secs};

#[test]
fn a_full_queue_hands_the_message_back() {
    let queue = builder(&FakeClock::new()).capacity(1).build();
    queue.push("a").unwrap();
    let message = Message::from(Event::new("b").name("n").unwrap().id("7").unwrap())
        .after(secs(1))
        .expires_after(secs(2));
    let refused = queue.push(message.clone()).unwrap_err();
    assert!(matches!(refused, PushError::Full(_)));
    assert_eq!(refused.into_message(), message);
}

#[test]
fn a_refused_message_is_returned_without_an_id() {
    let queue = builder(&FakeClock::new()).capacity(1).build();
    queue.push("a").unwrap();
    let back = queue.push("b").unwrap_err().into_message();
    assert_eq!(back, Message::from("b"));
    take_one(&queue);
    assert_eq!(queue.push(back).unwrap().id(), "e-2");
}

/// A frame is `id: e-1`, `data: a` and a blank line: 17 bytes.
#[test]
fn bytes_are_counted_with_the_id_and_to_the_last_one() {
    let queue = builder(&FakeClock::new()).capacity_bytes(2 * SMALL).build();
    queue.push("a").unwrap();
    assert_eq!(queue.stats().bytes, SMALL);
    assert!(matches!(queue.push("bb"), Err(PushError::Full(_))));
    queue.push("b").unwrap();
    assert!(matches!(queue.push("c"), Err(PushError::Full(_))));
    assert_eq!(queue.stats().bytes, 2 * SMALL);
    assert_eq!(drain_data(&queue), "a,b");
    assert_eq!(queue.stats().bytes, 0);
}

#[test]
fn a_message_larger_than_the_queue_is_too_large_at_once() {
    for overflow in [Overflow::Reject, Overflow::DropOldest] {
        let builder = builder(&FakeClock::new()).capacity_bytes(SMALL);
        let queue = builder.overflow(overflow).build();
        queue.push("a").unwrap();
        let refused = queue.push("bb").unwrap_err();
        assert_eq!(refused, PushError::TooLarge("bb".into()));
        let mut waits = Task::new(queue.push_when_ready("bb"));
        let std::task::Poll::Ready(Err(refused)) = waits.poll() else {
            panic!("the push waits for capacity that never comes");
        };
        assert_eq!(refused, PushError::TooLarge("bb".into()));
        assert_eq!(drain_data(&queue), "a", "nothing was dropped for it");
    }
}

#[test]
fn drop_oldest_drops_from_the_head_and_counts() {
    let clock = FakeClock::new();
    let queue = builder(&clock)
        .capacity(3)
        .overflow(Overflow::DropOldest)
        .build();
    push_later(&queue, "later", secs(1));
    push_all(&queue, &["a", "b", "c", "d"]);
    clock.advance(secs(1));
    assert_eq!(drain_data(&queue), "c,d,later");
    assert_eq!(queue.stats().dropped, 2);
    assert_accounted(&queue);
}

#[test]
fn drop_oldest_removes_expired_messages_before_it_drops_others() {
    let clock = FakeClock::new();
    let queue = builder(&clock)
        .capacity(2)
        .overflow(Overflow::DropOldest)
        .build();
    queue.push("a").unwrap();
    push_brief(&queue, "brief", secs(1));
    clock.advance(secs(1));
    queue.push("b").unwrap();
    assert_eq!(drain_data(&queue), "a,b");
    let stats = queue.stats();
    assert_eq!((stats.expired, stats.dropped), (1, 0));
}

/// One large message needs the capacity of a thousand small ones.
#[test]
fn drop_oldest_frees_as_much_as_a_large_message_needs() {
    let queue = builder(&FakeClock::new())
        .capacity_bytes(250_000)
        .overflow(Overflow::DropOldest)
        .build();
    for _ in 0..1000 {
        queue.push("x").unwrap();
    }
    let large = "y".repeat(249_780);
    queue.push(large.as_str()).unwrap();
    assert_eq!(drain_data(&queue), large);
    assert_eq!(queue.stats().dropped, 1000);
    assert_accounted(&queue);
}

#[test]
fn the_limit_on_streams_counts_live_streams() {
    let clock = FakeClock::new();
    let queue = builder(&clock).max_streams(2).build();
    let one = quiet_stream(&queue, &clock);
    let _two = quiet_stream(&queue, &clock);
    assert_eq!(queue.stream(clock.ticker()).unwrap_err().limit, 2);
    drop(one);
    assert!(queue.stream(clock.ticker()).is_ok());
}

#[test]
fn a_tag_or_a_key_is_refused_and_handed_back() {
    let (_, queue) = new_queue();
    for message in [Message::from("x").tag("red"), Message::from("x").key("k")] {
        let refused = queue.push(message.clone()).unwrap_err();
        assert_eq!(refused, PushError::Labelled(message.clone()));
        assert_eq!(refused.to_string(), "queue knows no tags and keys");
        let refused = pollster::block_on(queue.push_when_ready(message.clone()));
        assert_eq!(refused.unwrap_err().into_message(), message);
    }
    assert_eq!(queue.stats().pushed, 0);
}
