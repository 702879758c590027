//! Many messages with one call.

use sse_queue::FakeClock;
use sse_queue::queue::{Overflow, PushError};

use crate::support::queue::{builder, drain_data, new_queue, push_brief, waiting};
use crate::support::secs;

#[test]
fn more_than_a_hold_of_the_lock_moves_go_in_in_order() {
    let (clock, queue) = new_queue();
    let stream = waiting(&queue, &clock);
    let receipts = queue.push_all((0..1_000).map(|n| n.to_string())).unwrap();
    assert_eq!(receipts.len(), 1_000);
    assert_eq!(receipts[999].id(), "e-1000");
    assert!(stream.take_wakes() > 0);
    let expected: Vec<_> = (0..1_000).map(|n| n.to_string()).collect();
    assert_eq!(drain_data(&queue), expected.join(","));
}

#[test]
fn the_first_refusal_ends_the_call_and_hands_back_the_rest() {
    let clock = FakeClock::new();
    let queue = builder(&clock).capacity(100).build();
    let error = queue.push_all((0..300).map(|n| n.to_string())).unwrap_err();
    assert_eq!(error.receipts().len(), 100);
    assert_eq!(error.error(), &PushError::Full("100".into()));
    let rest = error.into_messages();
    assert_eq!(rest.len(), 200);
    assert_eq!(rest[199], "299".into());
    assert_eq!(queue.stats().pushed, 100);
}

#[test]
fn what_has_expired_makes_space_for_many() {
    let clock = FakeClock::new();
    let queue = builder(&clock).capacity(2_000).build();
    for _ in 0..2_000 {
        push_brief(&queue, "x", secs(1));
    }
    clock.advance(secs(1));
    assert_eq!(queue.push_all(vec!["y"; 2_000]).unwrap().len(), 2_000);
    assert_eq!(queue.stats().expired, 2_000);
}

#[test]
fn many_may_drop_the_oldest() {
    let clock = FakeClock::new();
    let overflow = Overflow::DropOldest;
    let queue = builder(&clock).capacity(10).overflow(overflow).build();
    queue.push_all((0..500).map(|n| n.to_string())).unwrap();
    assert_eq!(queue.stats().dropped, 490);
    assert!(drain_data(&queue).starts_with("490,491,"));
}

#[test]
fn nothing_is_pushed_by_none() {
    let (_, queue) = new_queue();
    assert_eq!(queue.push_all([""; 0]).unwrap(), []);
    assert_eq!(queue.ack_all([""; 0]), Ok(()));
}
