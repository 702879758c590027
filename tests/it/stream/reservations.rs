//! Streams that wait for their tick, with a message reserved for them.

use sse_queue::Pacing;

use crate::support::queue::{new_queue, push_later, quiet_stream, reader, take_one, waiting};
use crate::support::{ms, secs, settled};

/// ```text
/// s            0      1           3600
/// slow         a, b?              tick
/// fast           a    b
/// ```
#[test]
fn a_stream_with_a_reserved_message_does_not_keep_the_time() {
    let (clock, queue) = new_queue();
    let mut slow = settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(3600))));
    push_later(&queue, "b", secs(1));
    slow.assert_pending();
    queue.push("a").unwrap();
    slow.assert_pending();

    let mut fast = reader(&queue, &clock);
    fast.assert_sends("a");
    clock.advance(secs(1));
    fast.assert_woken_for("b");
}

/// It must be woken in the task that polled it last.
#[test]
fn a_stream_with_a_reserved_message_is_woken_in_the_task_that_polled_last() {
    let (clock, queue) = new_queue();
    let mut stream = settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(10))));
    queue.push("a").unwrap();
    stream.assert_pending();
    stream.move_to_another_task();
    stream.assert_pending();
    queue.close();
    stream.assert_woken_for("a");
    stream.assert_ended();
}

/// ```text
/// ms           10   20   30   40 ...
/// keeper      wakes for each of them
/// next_ready    takes each of them first
/// ```
#[test]
fn wake_ups_that_find_nothing_do_not_make_the_next_message_late() {
    let (clock, queue) = new_queue();
    let mut keeper = waiting(&queue, &clock);
    push_later(&queue, "x", ms(10));
    for _ in 0..30 {
        push_later(&queue, "x", ms(20));
        keeper.assert_pending();
        assert_eq!(clock.advance_to_next(), Some(ms(10)));
        take_one(&queue);
    }
    keeper.assert_pending();
    clock.advance(ms(10));
    assert_eq!(keeper.data(), "x");
}

/// A stream is dropped before its tick: another is woken at once for the message.
#[test]
fn a_reservation_passes_to_the_next_stream_when_its_stream_is_dropped() {
    let (clock, queue) = new_queue();
    let mut first = settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(60))));
    let mut second = waiting(&queue, &clock);
    queue.push("x").unwrap();
    // It is woken to keep the time, and leaves the message to the stream that was woken for it.
    assert_eq!(second.take_wakes(), 1);
    second.assert_pending();
    first.assert_pending();
    assert_eq!(second.take_wakes(), 0, "the message is reserved");
    drop(first);
    second.assert_woken_for("x");
}
