//! The streams that keep the time of a queue without a driver.

use sse_queue::{Message, Pacing};

use crate::support::queue::{new_queue, push_later, quiet_stream, waiting};
use crate::support::{Task, secs};

#[test]
fn a_message_for_later_wakes_only_the_two_that_keep_the_time() {
    let (clock, queue) = new_queue();
    let mut streams = [(); 4].map(|()| waiting(&queue, &clock));
    push_later(&queue, "x", secs(5));
    assert_eq!(streams.iter().map(Task::take_wakes).sum::<usize>(), 2);
    for stream in &mut streams {
        stream.assert_pending();
    }
    // Two are armed; at the due time the first of them alone is woken.
    assert_eq!(clock.advance_to_next(), Some(secs(5)));
    assert_eq!(clock.wakes(), 1);
    let wakes = streams.each_ref().map(Task::take_wakes);
    let keeper = wakes.iter().position(|wakes| *wakes > 0).unwrap();
    assert_eq!(wakes.iter().sum::<usize>(), 1);
    assert_eq!(streams[keeper].data(), "x");
    assert_eq!(clock.next_deadline(), Some(secs(1)), "the other one");
}

#[test]
fn an_earlier_message_arms_again() {
    let (clock, queue) = new_queue();
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    for (data, due) in [("a", 5), ("b", 2), ("c", 1), ("d", 9)] {
        push_later(&queue, data, secs(due));
        let woken = streams.iter().map(Task::take_wakes).sum::<usize>();
        let expected = match data {
            "d" => 0,
            _ => 2,
        };
        assert_eq!(woken, expected, "{data}");
        for stream in &mut streams {
            stream.assert_pending();
        }
        assert_eq!(
            clock.next_deadline(),
            Some(secs(due.min(5).min(if data == "d" { 1 } else { due })))
        );
    }
}

/// ```text
/// s      0                  5              10
/// due                       x, cancelled   y
/// ```
#[test]
fn a_timekeeper_that_found_an_empty_queue_arms_for_the_next_message() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    let receipt = queue.push(Message::from("x").after(secs(5))).unwrap();
    stream.assert_pending();
    assert!(queue.cancel(receipt.id()));
    stream.assert_pending();
    stream.take_wakes();
    push_later(&queue, "y", secs(10));
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_pending();
    clock.advance(secs(10));
    stream.assert_woken_for("y");
}

/// ```text
/// s        0       1           2
/// x        push    cancelled
/// y                push        due: the stream is armed for it
/// ```
#[test]
fn a_timekeeper_that_wakes_for_a_cancelled_message_arms_for_the_next() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    push_later(&queue, "x", secs(1));
    stream.assert_pending();
    assert!(queue.cancel("e-1"));
    clock.advance(secs(1));
    stream.assert_pending();
    stream.take_wakes();
    push_later(&queue, "y", secs(1));
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_pending();
    assert_eq!(clock.advance_to_next(), Some(secs(1)));
    assert_eq!(stream.data(), "y");
}

/// The timekeeper is dropped, then parked, then slow: another replaces it each time.
#[test]
fn the_timekeepers_role_moves_on() {
    let (clock, queue) = new_queue();
    push_later(&queue, "x", secs(5));
    let keeper = waiting(&queue, &clock);
    assert_eq!(clock.next_deadline(), Some(secs(5)));
    let mut second = Task::new(quiet_stream(&queue, &clock).pacing(Pacing::spaced(secs(60))));
    second.assert_pending();
    let mut third = waiting(&queue, &clock);
    drop(keeper);
    assert_eq!([second.take_wakes(), third.take_wakes()], [1, 1], "dropped");
    second.assert_pending();
    third.assert_pending();
    drop(third);
    second.assert_pending();
    assert_eq!(clock.next_deadline(), Some(secs(5)));

    // It takes a message and is last in line for a minute; the other waits.
    queue.push("now").unwrap();
    second.assert_sends("now");
    let mut fourth = waiting(&queue, &clock);
    clock.advance(secs(5));
    second.assert_pending();
    fourth.assert_woken_for("x");
}

#[test]
fn a_timekeeper_that_took_something_and_is_slow_keeps_no_time() {
    let (clock, queue) = new_queue();
    let mut slow = waiting(&queue, &clock);
    push_later(&queue, "x", secs(5));
    slow.assert_pending();
    queue.push("now").unwrap();
    assert_eq!(slow.data(), "now");
    let mut other = waiting(&queue, &clock);
    clock.advance(secs(5));
    other.assert_woken_for("x");
}
