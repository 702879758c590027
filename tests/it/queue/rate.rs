//! A rate: so many messages leave per period, over all streams together.

use sse_queue::{Event, FakeClock, Message, Pacing, Queue};

use crate::support::queue::{
    builder, drain_data, push_all, push_brief, push_later, quiet_stream, take_one, waiting,
};
use crate::support::{Task, secs, settled};

/// At most `messages` per 10 s.
fn limited(messages: usize) -> (FakeClock, Queue) {
    let clock = FakeClock::new();
    let queue = builder(&clock).rate(messages, secs(10)).build();
    (clock, queue)
}

/// ```text
/// s    0    10   20
///      ab   cd   e
/// ```
#[test]
fn a_stream_gets_a_periods_messages_when_the_period_begins() {
    let (clock, queue) = limited(2);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c", "d", "e"]);
    assert_eq!(stream.data(), "a,b");
    stream.assert_pending();
    stream.take_wakes();
    clock.advance(secs(9));
    assert_eq!(stream.take_wakes(), 0);
    clock.advance(secs(1));
    assert!(stream.take_wakes() > 0);
    assert_eq!(stream.data(), "c,d");
    clock.advance(secs(10));
    assert_eq!(stream.data(), "e");
}

#[test]
fn all_streams_and_the_queue_itself_share_the_rate() {
    let (clock, queue) = limited(3);
    push_all(&queue, &["a", "b", "c", "d"]);
    take_one(&queue);
    let mut streams = [(); 2].map(|()| {
        let stream = quiet_stream(&queue, &clock);
        Task::new(stream.pacing(Pacing::immediate().batch(1)))
    });
    for stream in &mut streams {
        assert!(stream.poll_next().is_ready());
    }
    streams.iter_mut().for_each(Task::assert_pending);
    assert_eq!(queue.next_ready(), None);
    assert_eq!(queue.stats().depth, 1);
}

/// Only as many are woken as may take something.
#[test]
fn streams_are_woken_only_for_what_the_rate_leaves() {
    let (clock, queue) = limited(1);
    let waits = || settled(quiet_stream(&queue, &clock).pacing(Pacing::immediate().batch(1)));
    let mut streams = [(); 4].map(|()| waits());
    push_all(&queue, &["a", "b", "c", "d"]);
    for _ in 0..4 {
        let taken: Vec<_> = streams.iter_mut().map(Task::drain_data).collect();
        assert_eq!(taken.concat().len(), 1, "{taken:?}");
        clock.advance(secs(10));
    }
}

#[test]
fn a_driver_wakes_a_stream_when_the_next_period_begins() {
    let (clock, queue) = limited(1);
    let mut driver = Task::new(Box::pin(queue.drive(clock.ticker())));
    assert!(driver.poll().is_pending());
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(stream.data(), "a");
    stream.assert_pending();
    assert!(driver.poll().is_pending());
    stream.take_wakes();
    clock.advance(secs(10));
    assert!(driver.take_wakes() > 0);
    assert!(driver.poll().is_pending());
    stream.assert_woken_for("b");
}

/// ```text
/// s    0    10         35   40   45
///      a    b          c         d
/// ```
#[test]
fn the_grid_starts_anew_after_a_quiet_period() {
    let (clock, queue) = limited(1);
    push_all(&queue, &["a", "b", "c", "d"]);
    for (wait, data) in [(0, "a"), (9, ""), (1, "b"), (25, "c"), (5, ""), (5, "d")] {
        clock.advance(secs(wait));
        assert_eq!(drain_data(&queue), data, "after {wait} s");
    }
}

#[test]
fn a_jump_of_the_clock_releases_one_period() {
    let (clock, queue) = limited(2);
    push_all(&queue, &["a", "b", "c", "d", "e", "f"]);
    assert_eq!(drain_data(&queue), "a,b");
    clock.jump(secs(3600));
    assert_eq!(drain_data(&queue), "c,d");
}

#[test]
fn what_falls_due_within_a_spent_period_waits_for_the_next() {
    let (clock, queue) = limited(1);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a"]);
    push_later(&queue, "b", secs(3));
    assert_eq!(stream.data(), "a");
    stream.assert_pending();
    stream.take_wakes();
    clock.advance(secs(9));
    assert_eq!(stream.take_wakes(), 0);
    clock.advance(secs(1));
    assert_eq!(stream.data(), "b");
}

#[test]
fn comments_pass_a_spent_rate_in_their_turn() {
    let (clock, queue) = limited(1);
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    assert_eq!(stream.data(), "a");
    stream.assert_pending();
    stream.take_wakes();
    queue.push(Event::comment("now")).unwrap();
    assert!(stream.take_wakes() > 0);
    assert_eq!(stream.bytes(), ": now\n");
    let later = Message::from(Event::comment("later")).after(secs(2));
    queue.push(later).unwrap();
    stream.assert_pending();
    clock.advance(secs(2));
    assert_eq!(stream.bytes(), ": later\n");
    queue.push("b").unwrap();
    queue.push(Event::comment("after b")).unwrap();
    stream.assert_pending();
}

#[test]
fn a_comment_leaves_a_spent_period_when_the_message_before_it_expires() {
    let (clock, queue) = limited(1);
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    assert_eq!(stream.data(), "a");
    push_brief(&queue, "b", secs(5));
    queue.push(Event::comment("after b")).unwrap();
    stream.assert_pending();
    stream.take_wakes();
    clock.advance(secs(5));
    assert!(stream.take_wakes() > 0);
    assert_eq!(stream.bytes(), ": after b\n");
}

#[test]
fn close_ends_the_rate() {
    let (clock, queue) = limited(1);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c"]);
    assert_eq!(stream.data(), "a");
    stream.assert_pending();
    queue.close();
    assert_eq!(stream.data(), "b,c");
    drop(stream);
}

/// ```text
/// s         0    4         14  15
/// ticks          x    xx   xx x
/// leave          a             b
/// ```
#[test]
fn ticked_streams_are_promised_only_what_the_rate_leaves() {
    let (clock, queue) = limited(1);
    let ticked = |period| settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(period))));
    let mut streams = [ticked(4), ticked(5)];
    push_all(&queue, &["a", "b"]);
    let mut sent = Vec::new();
    for second in 0..20 {
        for stream in &mut streams {
            let data = stream.drain_data();
            if !data.is_empty() {
                sent.push((second, data));
            }
        }
        clock.advance(secs(1));
    }
    assert_eq!(sent, [(4, "a".to_owned()), (15, "b".to_owned())]);
}

/// Nobody can close the queue any more, so its streams keep to the rate.
#[test]
fn the_rate_goes_on_when_the_last_handle_is_gone() {
    let (clock, queue) = limited(1);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    drop(queue);
    assert_eq!(stream.data(), "a");
    stream.assert_pending();
    clock.advance(secs(10));
    assert_eq!(stream.data(), "b");
    stream.assert_ended();
}

#[test]
fn a_driver_is_done_when_the_rate_has_let_out_the_last_message() {
    let (clock, queue) = limited(1);
    let mut driver = Task::new(Box::pin(queue.drive(clock.ticker())));
    assert!(driver.poll().is_pending());
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    drop(queue);
    assert_eq!(stream.data(), "a");
    stream.assert_pending();
    assert!(driver.poll().is_pending());
    stream.take_wakes();
    clock.advance(secs(10));
    assert!(driver.poll().is_pending());
    stream.assert_woken_for("b");
    stream.assert_ended();
    assert!(driver.poll().is_ready());
}

#[test]
fn abort_ends_streams_in_a_spent_period() {
    let (clock, queue) = limited(1);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(stream.data(), "a");
    queue.abort();
    stream.assert_ended();
    assert_eq!(queue.take_remaining().len(), 1);
}

/// ```text
/// s         0    4    10   14   20
/// gap 4 s   ab        cd        e
/// ```
#[test]
fn a_spaced_stream_goes_on_in_the_next_period() {
    let (clock, queue) = limited(2);
    let mut stream = settled(quiet_stream(&queue, &clock).pacing(Pacing::spaced(secs(4))));
    push_all(&queue, &["a", "b", "c", "d", "e"]);
    let mut sent = Vec::new();
    for second in 0..25 {
        let data = stream.drain_data();
        if !data.is_empty() {
            sent.push((second, data));
        }
        clock.advance(secs(1));
    }
    let expected = [(0, "a,b"), (10, "c,d"), (20, "e")];
    assert_eq!(
        sent,
        expected.map(|(second, data)| (second, data.to_owned()))
    );
}
