//! Which streams are woken, and when.

use sse_queue::stream::KeepAlive;
use sse_queue::topic::Start;
use sse_queue::{FakeClock, Pacing, Topic};

use crate::support::topic::{
    TopicStream, later, new_topic, publish_all, publish_later, publish_numbers, quiet_stream,
    waiting,
};
use crate::support::{Task, ms, secs, settled};

#[test]
fn a_publish_wakes_each_waiting_stream_once() {
    let (clock, topic) = new_topic();
    let mut streams = [(); 5].map(|()| waiting(&topic, &clock));
    publish_all(&topic, &["a", "b", "c"]);
    for stream in &mut streams {
        assert_eq!(stream.take_wakes(), 1);
        stream.assert_sends("a,b,c");
    }
    publish_all(&topic, &["d"]);
    assert!(streams.iter().all(|stream| stream.take_wakes() == 1));
}

#[test]
fn a_stream_in_its_gap_is_woken_once_to_arm_for_its_end() {
    let (clock, topic) = new_topic();
    let mut stream =
        settled(quiet_stream(&topic, &clock, Start::Now).pacing(Pacing::spaced(ms(10))));
    publish_all(&topic, &["a"]);
    stream.assert_woken_for("a");
    stream.assert_pending();
    publish_numbers(&topic, 1..=100);
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_pending();
    publish_numbers(&topic, 101..=200);
    assert_eq!(stream.take_wakes(), 0);
    clock.advance(ms(10));
    assert_eq!(stream.take_wakes(), 1);
}

#[test]
fn a_stream_that_waits_for_its_tick_is_not_woken_again() {
    let (clock, topic) = new_topic();
    let mut stream =
        settled(quiet_stream(&topic, &clock, Start::Now).pacing(Pacing::every(secs(1))));
    publish_all(&topic, &["a"]);
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_pending();
    publish_numbers(&topic, 1..=100);
    assert_eq!(stream.take_wakes(), 0);
    clock.advance(secs(1));
    stream.assert_woken_for("a");
}

#[test]
fn a_dropped_stream_is_not_woken() {
    let (clock, topic) = new_topic();
    let stream = waiting(&topic, &clock);
    let count = std::sync::Arc::clone(&stream.count);
    drop(stream);
    publish_all(&topic, &["a"]);
    topic.close();
    assert_eq!(count.take(), 0);
    assert_eq!(std::sync::Arc::strong_count(&count), 1, "no waker is kept");
}

#[test]
fn the_waker_of_the_last_poll_is_woken() {
    let (clock, topic) = new_topic();
    let mut stream = waiting(&topic, &clock);
    let before = std::sync::Arc::clone(&stream.count);
    stream.move_to_another_task();
    stream.assert_pending();
    publish_all(&topic, &["a"]);
    assert_eq!((before.take(), stream.take_wakes()), (0, 1));
}

#[test]
fn a_parked_stream_that_moves_to_another_task_leaves_no_waker() {
    let (clock, topic) = new_topic();
    let mut stream =
        settled(quiet_stream(&topic, &clock, Start::Now).pacing(Pacing::spaced(secs(1))));
    publish_all(&topic, &["a"]);
    stream.bytes();
    stream.assert_pending();
    let before = std::sync::Arc::clone(&stream.count);
    stream.move_to_another_task();
    clock.advance(secs(1));
    for _ in 0..2 {
        stream.assert_pending();
        publish_all(&topic, &["b"]);
        clock.advance(secs(1));
        stream.bytes();
        clock.advance(secs(1));
    }
    stream.assert_pending();
    let ticker_and_test = std::sync::Arc::strong_count(&before);
    assert_eq!(ticker_and_test, 1);
}

#[test]
fn one_waiting_stream_arms_for_what_falls_due_and_another_for_a_second_later() {
    let (clock, topic) = new_topic();
    let mut streams = [(); 5].map(|()| waiting(&topic, &clock));
    publish_later(&topic, "x", secs(5));
    let woken: usize = streams.iter().map(Task::take_wakes).sum();
    assert_eq!(woken, 2, "to arm for the due time");
    streams.iter_mut().for_each(Task::assert_pending);
    clock.advance(secs(5));
    assert_eq!(clock.wakes(), 1);
    let keeper = streams
        .iter()
        .position(|stream| stream.take_wakes() == 1)
        .unwrap();
    assert_eq!(streams[keeper].data(), "x");
    for (at, stream) in streams.iter_mut().enumerate() {
        if at != keeper {
            stream.assert_woken_for("x");
        }
    }
}

/// ```text
/// s   0         2         5        9
///     push 9    push 5    5 due    9 due
/// ```
#[test]
fn an_earlier_message_arms_again() {
    let (clock, topic) = new_topic();
    let mut streams = [(); 2].map(|()| waiting(&topic, &clock));
    publish_later(&topic, "nine", secs(9));
    streams.iter_mut().for_each(Task::assert_pending);
    clock.advance(secs(2));
    publish_later(&topic, "five", secs(3));
    let woken: usize = streams.iter().map(Task::take_wakes).sum();
    assert_eq!(woken, 4, "both timekeepers for each message");
    streams.iter_mut().for_each(Task::assert_pending);
    for (due, data) in [(3, "five"), (4, "nine")] {
        clock.advance(secs(due));
        for stream in &mut streams {
            stream.assert_sends(data);
        }
    }
}

#[test]
fn a_later_message_wakes_no_stream() {
    let (clock, topic) = new_topic();
    let mut stream = waiting(&topic, &clock);
    publish_later(&topic, "x", secs(1));
    stream.assert_pending();
    stream.take_wakes();
    publish_later(&topic, "y", secs(2));
    assert_eq!(stream.take_wakes(), 0);
}

#[test]
fn the_role_of_the_timekeeper_moves_on_when_it_is_dropped() {
    let (clock, topic) = new_topic();
    publish_later(&topic, "x", secs(5));
    let keeper = waiting(&topic, &clock);
    let mut other = waiting(&topic, &clock);
    drop(keeper);
    assert_eq!(other.take_wakes(), 1);
    other.assert_pending();
    clock.advance(secs(5));
    other.assert_woken_for("x");
}

#[test]
fn a_stream_that_parks_is_replaced_as_timekeeper() {
    let (clock, topic) = new_topic();
    publish_later(&topic, "x", secs(5));
    let mut keeper =
        settled(quiet_stream(&topic, &clock, Start::Now).pacing(Pacing::spaced(secs(60))));
    let mut other = waiting(&topic, &clock);
    publish_all(&topic, &["a"]);
    assert_eq!((keeper.data(), other.data()), ("a".into(), "a".into()));
    keeper.assert_pending();
    other.assert_pending();
    clock.advance(secs(5));
    assert_eq!(other.data(), "x");
}

/// A stream arms for a message that is scheduled now, and sends it.
#[track_caller]
fn assert_arms_for_the_next(clock: &FakeClock, topic: &Topic, stream: &mut Task<TopicStream>) {
    publish_later(topic, "next", secs(2));
    assert_eq!(stream.take_wakes(), 1, "to arm for the due time");
    stream.assert_pending();
    clock.advance(secs(2));
    stream.assert_woken_for("next");
}

/// ```text
/// s         0    1      5        7
/// keeper    arms        wakes
///                cancel next     due
/// ```
#[test]
fn a_keeper_whose_message_was_cancelled_arms_for_the_next_one() {
    let (clock, topic) = new_topic();
    let mut stream = waiting(&topic, &clock);
    let published = topic.publish(later("x", secs(5))).unwrap();
    stream.assert_pending();
    assert!(topic.cancel(published.id()));
    clock.advance(secs(5));
    stream.assert_pending();
    stream.take_wakes();

    assert_arms_for_the_next(&clock, &topic, &mut stream);
}

#[test]
fn a_keeper_whose_message_expired_as_it_fell_due_arms_for_the_next_one() {
    let (clock, topic) = new_topic();
    let mut stream = waiting(&topic, &clock);
    topic
        .publish(later("x", secs(5)).expires_after(secs(0)))
        .unwrap();
    stream.assert_pending();
    clock.advance(secs(5));
    stream.assert_pending();
    stream.take_wakes();
    assert_arms_for_the_next(&clock, &topic, &mut stream);
}

/// ```text
/// s        0     1        3600
/// x        |-----due
/// slow                    tick
/// fast           x
/// ```
#[test]
fn a_stream_on_a_slow_grid_does_not_make_the_others_late() {
    let (clock, topic) = new_topic();
    publish_later(&topic, "x", secs(1));
    let mut slow =
        settled(quiet_stream(&topic, &clock, Start::Now).pacing(Pacing::every(secs(3600))));
    let mut fast = waiting(&topic, &clock);
    clock.advance(secs(1));
    assert_eq!(slow.take_wakes(), 1, "it keeps the time");
    slow.assert_pending();
    fast.assert_woken_for("x");
    clock.advance(secs(3599));
    assert_eq!(slow.data(), "x");
}

/// The timekeeper's client does not read: the stream sends a keep-alive and is not polled again.
#[test]
fn a_stream_that_sent_a_keep_alive_does_not_keep_the_time_until_it_is_polled() {
    let (clock, topic) = new_topic();
    let keep_alive = KeepAlive::comment(secs(1));
    publish_later(&topic, "x", secs(5));
    let mut stuck = settled(quiet_stream(&topic, &clock, Start::Now).keep_alive(keep_alive));
    let mut other = waiting(&topic, &clock);
    clock.advance(secs(1));
    assert_eq!(stuck.bytes(), ":\n");
    assert_eq!(other.take_wakes(), 1, "to keep the time");
    other.assert_pending();
    clock.advance(secs(4));
    other.assert_woken_for("x");
}

#[test]
fn an_idle_stream_arms_nothing() {
    let (clock, topic) = new_topic();
    publish_all(&topic, &["a"]);
    let _streams = [
        settled(quiet_stream(&topic, &clock, Start::Now)),
        settled(quiet_stream(&topic, &clock, Start::Now).pacing(Pacing::spaced(ms(10)))),
        settled(quiet_stream(&topic, &clock, Start::Now).pacing(Pacing::every(ms(10)))),
    ];
    assert_eq!(clock.next_deadline(), None);
}

/// `jump` moves the clock and not the ticker: the tick for `x` comes when `x` is long due.
#[test]
fn a_jump_of_the_wall_clock_makes_nothing_late_for_good() {
    let (clock, topic) = new_topic();
    let mut stream = waiting(&topic, &clock);
    publish_later(&topic, "x", secs(5));
    stream.assert_pending();
    clock.jump(secs(60));
    stream.take_wakes();
    clock.advance(secs(5));
    stream.assert_woken_for("x");
}
