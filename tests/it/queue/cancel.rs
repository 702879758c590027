//! Messages that are cancelled.

use std::time::Duration;

use sse_queue::{Event, FakeClock, Message};

use crate::support::queue::{assert_accounted, drain_data, new_queue, queue, take_one};
use crate::support::secs;

#[test]
fn a_cancel_withdraws_a_due_or_scheduled_message_once() {
    let (_clock, queue) = new_queue();
    let delays = [Duration::ZERO, secs(5), Duration::MAX];
    let ids = delays.map(|delay| {
        let message = Message::from("x").after(delay);
        queue.push(message).unwrap().id().to_owned()
    });
    for id in &ids {
        assert!(queue.cancel(id));
        assert!(!queue.cancel(id));
    }
    assert_eq!(queue.stats().withdrawn, 3);
    assert_eq!(queue.stats().bytes, 0);
    assert_accounted(&queue);
}

#[test]
fn what_was_handed_out_cannot_be_cancelled() {
    let queue = queue(&FakeClock::new());
    let receipt = queue.push("x").unwrap();
    take_one(&queue);
    assert!(!queue.cancel(receipt.id()));
    for id in ["", "e-", "e-0", "e-2", "e-18446744073709551616", "f-1"] {
        assert!(!queue.cancel(id), "{id}");
    }
}

#[test]
fn the_rest_leaves_in_order_when_many_are_cancelled_in_the_middle() {
    let queue = queue(&FakeClock::new());
    for n in 0..500 {
        queue.push(n.to_string()).unwrap();
    }
    for n in (0..500).filter(|n| n % 3 != 0) {
        assert!(queue.cancel(&format!("e-{}", n + 1)));
    }
    let left: Vec<_> = (0..500).step_by(3).map(|n: u32| n.to_string()).collect();
    assert_eq!(drain_data(&queue), left.join(","));
    assert_accounted(&queue);
}

#[test]
fn the_number_of_a_message_with_an_own_id_cancels_nothing() {
    let queue = queue(&FakeClock::new());
    queue.push(Event::new("x").id("mine").unwrap()).unwrap();
    assert!(!queue.cancel("e-1"));
    assert!(queue.cancel("mine"));
}

#[test]
fn the_older_of_two_with_one_id_can_be_cancelled_when_the_newer_is_gone() {
    let queue = queue(&FakeClock::new());
    let event = |data| Event::new(data).id("a").unwrap();
    queue
        .push(Message::new(event("later")).after(secs(5)))
        .unwrap();
    queue.push(event("now")).unwrap();
    take_one(&queue);
    assert!(queue.cancel("a"));
    assert!(!queue.cancel("a"));
    assert_eq!(queue.stats().depth, 0);
}
