//! Producers that wait for capacity.

use sse_queue::queue::{Overflow, PushError, PushWhenReady};
use sse_queue::{FakeClock, Queue};

use super::SMALL;
use crate::support::queue::{builder, drain_data, push_all, push_brief, take_one};
use crate::support::{Task, secs};

fn full(clock: &FakeClock) -> Queue {
    let queue = builder(clock).capacity(1).build();
    queue.push("a").unwrap();
    queue
}

/// Producers in line, the first of them first.
fn waiting_pushes<const N: usize>(queue: &Queue, data: [&str; N]) -> [Task<PushWhenReady>; N] {
    data.map(|data| {
        let mut push = Task::new(queue.push_when_ready(data));
        assert!(push.poll().is_pending());
        push
    })
}

#[test]
fn producers_get_capacity_in_the_order_of_their_line() {
    let queue = full(&FakeClock::new());
    let mut waits = waiting_pushes(&queue, ["b", "c"]);
    let [first, second] = &mut waits;
    take_one(&queue);
    assert_eq!((first.take_wakes(), second.take_wakes()), (1, 0));
    assert!(
        second.poll().is_pending(),
        "the capacity is reserved for the first"
    );
    assert!(first.poll().is_ready());
    assert!(second.poll().is_pending());
    take_one(&queue);
    assert_eq!(second.take_wakes(), 1);
    assert!(second.poll().is_ready());
    assert_eq!(drain_data(&queue), "c");
}

#[test]
fn a_plain_push_does_not_overtake_a_waiting_producer() {
    for overflow in [Overflow::Reject, Overflow::DropOldest] {
        let clock = FakeClock::new();
        let queue = builder(&clock).capacity(1).overflow(overflow).build();
        queue.push("a").unwrap();
        let mut waits = Task::new(queue.push_when_ready("b"));
        if waits.poll().is_ready() {
            assert_eq!(
                overflow,
                Overflow::DropOldest,
                "which never waits for capacity"
            );
            continue;
        }
        take_one(&queue);
        assert!(matches!(queue.push("c"), Err(PushError::Full(_))));
        assert!(waits.poll().is_ready());
        assert_eq!(drain_data(&queue), "b");
        queue.push("c").unwrap();
    }
}

#[test]
fn the_first_in_line_passes_its_capacity_on_when_it_is_dropped() {
    let queue = full(&FakeClock::new());
    let waits = waiting_pushes(&queue, ["b", "c"]);
    let [first, mut second] = waits;
    take_one(&queue);
    assert_eq!(first.take_wakes(), 1);
    drop(first);
    assert_eq!(second.take_wakes(), 1, "its wake-up is passed on");
    assert!(second.poll().is_ready());
    assert_eq!(drain_data(&queue), "c");
}

#[test]
fn a_producer_in_the_middle_of_the_line_is_dropped_without_a_trace() {
    let queue = full(&FakeClock::new());
    let waits = waiting_pushes(&queue, ["b", "c", "d"]);
    let [mut first, second, mut third] = waits;
    drop(second);
    assert_eq!((first.take_wakes(), third.take_wakes()), (0, 0));
    take_one(&queue);
    assert!(first.poll().is_ready());
    take_one(&queue);
    assert!(third.poll().is_ready());
    assert_eq!(drain_data(&queue), "d");
    assert_eq!(queue.stats().pushed, 3);
}

#[test]
fn a_push_that_is_dropped_before_its_first_poll_never_joins_the_line() {
    let queue = full(&FakeClock::new());
    drop(queue.push_when_ready("b"));
    take_one(&queue);
    queue.push("c").unwrap();
}

/// Three of 17 bytes fit; the large one needs them all.
#[test]
fn small_messages_do_not_starve_a_large_one_at_the_head_of_the_line() {
    let queue = builder(&FakeClock::new()).capacity_bytes(3 * SMALL).build();
    push_all(&queue, &["a", "b", "c"]);
    let large = "L".repeat(2 * SMALL);
    let mut waits = waiting_pushes(&queue, [large.as_str(), "d"]);
    let [first, second] = &mut waits;
    for _ in 0..3 {
        assert!(first.poll().is_pending());
        assert!(
            second.poll().is_pending(),
            "there is capacity, but not for it"
        );
        take_one(&queue);
        assert_eq!((first.take_wakes(), second.take_wakes()), (1, 0));
    }
    assert!(first.poll().is_ready());
    assert_eq!(
        second.take_wakes(),
        1,
        "it is first now, and checks for itself"
    );
    assert!(second.poll().is_pending());
    assert_eq!(drain_data(&queue), large);
    assert!(second.poll().is_ready());
}

#[test]
fn capacity_for_several_producers_wakes_all_of_them() {
    let queue = builder(&FakeClock::new()).capacity(3).build();
    push_all(&queue, &["a", "b", "c"]);
    let mut waits = waiting_pushes(&queue, ["d", "e", "f"]);
    assert_eq!(queue.take_remaining().len(), 3);
    for task in &mut waits {
        assert_eq!(task.take_wakes(), 1);
        assert!(task.poll().is_ready());
    }
    assert_eq!(drain_data(&queue), "d,e,f");
}

#[test]
fn a_close_hands_its_message_back_to_every_waiting_producer() {
    for end in [Queue::close, Queue::abort] {
        let queue = full(&FakeClock::new());
        let mut waits = waiting_pushes(&queue, ["b", "c"]);
        end(&queue);
        for (task, data) in waits.iter_mut().zip(["b", "c"]) {
            assert_eq!(task.take_wakes(), 1);
            let closed = PushError::Closed(data.into());
            assert_eq!(task.poll(), std::task::Poll::Ready(Err(closed)));
        }
    }
}

#[test]
fn a_cancel_and_an_expiry_free_capacity_for_a_waiting_producer() {
    let clock = FakeClock::new();
    let queue = full(&clock);
    let mut waits = Task::new(queue.push_when_ready("b"));
    assert!(waits.poll().is_pending());
    assert!(queue.cancel("e-1"));
    assert_eq!(waits.take_wakes(), 1);
    assert!(waits.poll().is_ready());
    assert!(queue.cancel("e-2"));

    push_brief(&queue, "c", secs(1));
    let mut waits = Task::new(queue.push_when_ready("d"));
    assert!(waits.poll().is_pending());
    clock.advance(secs(1));
    assert_eq!(queue.stats().expired, 1);
    assert_eq!(waits.take_wakes(), 1);
    assert!(waits.poll().is_ready());
}

/// A queue without streams does not notice that a message expires: the next call does.
#[test]
fn a_push_that_finds_others_in_line_removes_expired_messages() {
    let clock = FakeClock::new();
    let queue = builder(&clock).capacity(1).build();
    push_brief(&queue, "x", secs(1));
    let mut push = Task::new(queue.push_when_ready("y"));
    assert!(push.poll().is_pending());
    clock.advance(secs(1));
    assert!(matches!(queue.push("z"), Err(PushError::Full(_))));
    assert_eq!(push.take_wakes(), 1);
    assert!(push.poll().is_ready());
}
