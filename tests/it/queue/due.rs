//! When messages fall due, and when they expire.

use std::time::Duration;

use sse_queue::Message;

use crate::support::queue::{
    assert_accounted, drain_data, new_queue, push_brief, push_later, reader, waiting,
};
use crate::support::secs;

#[test]
fn nothing_leaves_a_nanosecond_before_it_is_due() {
    let (clock, queue) = new_queue();
    push_later(&queue, "x", secs(1));
    clock.advance(Duration::new(0, 999_999_999));
    assert_eq!(drain_data(&queue), "");
    clock.advance(Duration::from_nanos(1));
    assert_eq!(drain_data(&queue), "x");
}

#[test]
fn a_message_leaves_until_the_nanosecond_before_it_expires() {
    let (clock, queue) = new_queue();
    let brief = |data| Message::from(data).after(secs(1)).expires_after(secs(1));
    queue.push(brief("a")).unwrap();
    clock.advance(Duration::new(1, 999_999_999));
    assert_eq!(drain_data(&queue), "a");
    queue.push(brief("b")).unwrap();
    clock.advance(secs(2));
    assert_eq!(drain_data(&queue), "");
    assert_eq!(queue.stats().expired, 1);
    assert_accounted(&queue);
}

#[test]
fn expired_messages_are_removed_wherever_they_stand() {
    let (clock, queue) = new_queue();
    for (data, ttl) in [("a", 9), ("b", 1), ("c", 9), ("d", 1)] {
        push_brief(&queue, data, secs(ttl));
    }
    queue
        .push(Message::from("e").after(secs(9)).expires_after(secs(1)))
        .unwrap();
    clock.advance(secs(1));
    let stats = queue.stats();
    assert_eq!((stats.depth, stats.expired), (3, 2));
    assert_eq!(drain_data(&queue), "a,c");
    clock.advance(secs(9));
    assert_eq!(queue.stats().depth, 0);
    assert_eq!(queue.stats().bytes, 0);
    assert_accounted(&queue);
}

#[test]
fn a_message_is_found_beyond_any_number_of_expired_ones() {
    let (clock, queue) = new_queue();
    for _ in 0..1000 {
        push_brief(&queue, "x", secs(1));
    }
    queue.push("last").unwrap();
    clock.advance(secs(1));
    assert_eq!(drain_data(&queue), "last");
    assert_eq!(queue.stats().expired, 1000);
    assert_accounted(&queue);
}

#[test]
fn a_message_that_expires_at_once_is_never_delivered() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    push_brief(&queue, "x", Duration::ZERO);
    stream.assert_pending();
    assert_eq!(queue.stats().expired, 1);
}

#[test]
fn the_longest_delays_and_lifetimes_do_not_overflow() {
    let (clock, queue) = new_queue();
    clock.jump(Duration::MAX);
    for after in [Duration::from_millis(u64::MAX), Duration::MAX] {
        queue
            .push(Message::from("x").after(after).expires_after(after))
            .unwrap();
    }
    push_brief(&queue, "y", Duration::MAX);
    let mut stream = reader(&queue, &clock);
    stream.assert_sends("y");
    clock.advance(Duration::MAX);
    stream.assert_pending();
}
