//! Streams in memory, on a clock that the tests move.

#![cfg(not(loom))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

mod support;

use sse_queue::{FakeClock, Message};

use support::{Task, bare, ms, queue, secs, settled, waiting};

/// ```text
/// s            0      1           3600
/// slow         a, b?              tick
/// fast           a    b
/// ```
#[test]
fn a_stream_that_has_promised_does_not_keep_the_time_for_others() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut slow = settled(bare(&queue, &clock).every(secs(3600)));
    queue.push(Message::from("b").after(secs(1))).unwrap();
    slow.is_pending();
    queue.push("a").unwrap();
    slow.is_pending();

    let mut fast = Task::new(bare(&queue, &clock));
    assert_eq!(fast.data(), "a");
    fast.is_pending();
    clock.advance(secs(1));
    assert_eq!(fast.wakes(), 1);
    assert_eq!(fast.data(), "b");
}

/// A promise names a task to wake, and the last poll says which.
#[test]
fn a_promised_stream_that_moved_to_another_task_is_woken_there_at_the_end() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = settled(bare(&queue, &clock).every(secs(10)));
    queue.push("a").unwrap();
    stream.is_pending();
    stream.move_to_another_task();
    stream.is_pending();
    queue.close();
    assert_eq!(stream.wakes(), 1);
    assert_eq!(stream.data(), "a");
    stream.is_over();
}

/// ```text
/// ms           10   20   30   40 ...
/// keeper      looks for each of them
/// try_next    takes each of them first
/// ```
#[test]
fn looks_at_which_others_were_faster_do_not_make_the_next_one_late() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut keeper = waiting(&queue, &clock);
    queue.push(Message::from("x").after(ms(10))).unwrap();
    for _ in 0..30 {
        queue.push(Message::from("x").after(ms(20))).unwrap();
        keeper.is_pending();
        assert_eq!(clock.advance_to_next(), Some(ms(10)));
        assert!(queue.try_next().is_some());
    }
    keeper.is_pending();
    clock.advance(ms(10));
    assert_eq!(keeper.data(), "x");
}
