//! Streams that send on a grid of ticks.

use sse_queue::{Message, Pacing};

use crate::support::queue::{new_queue, push_all, push_later, quiet_stream};
use crate::support::{Task, ms, run, secs, settled};

/// ```text
/// s       0.3 first poll      1.3         2.3         3.3
/// due     a b c  (before)
/// sent                        a           b           c
/// ```
#[test]
fn the_grid_starts_at_the_first_poll_and_its_first_tick_is_a_period_later() {
    let (clock, queue) = new_queue();
    let stream = quiet_stream(&queue, &clock).pacing(Pacing::every(secs(1)));
    push_all(&queue, &["a", "b", "c"]);
    clock.advance(ms(300));
    let mut stream = settled(stream);
    for data in ["a", "b", "c"] {
        assert_eq!(clock.advance_to_next(), Some(secs(1)));
        stream.assert_sends(data);
    }
    assert_eq!(clock.next_deadline(), None, "nothing due, nothing armed");
}

/// ```text
/// s       0      1      2   2.4   3      4
/// pushed                    x     y
/// sent                            x,y
/// ```
#[test]
fn a_message_goes_at_the_next_tick_of_the_old_grid_and_one_at_the_tick_goes_with_it() {
    let (clock, queue) = new_queue();
    let mut stream = settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(1)).batch(2)));
    clock.advance(ms(2400));
    assert_eq!(stream.take_wakes(), 0);
    queue.push("x").unwrap();
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_pending();
    clock.advance(ms(600));
    queue.push("y").unwrap();
    assert_eq!(stream.data(), "x,y");
}

/// ```text
/// s       0     1  ......  4.7     5     6
/// sent                     a       b     c
/// ```
#[test]
fn missed_ticks_are_skipped_not_made_up() {
    let (clock, queue) = new_queue();
    let mut stream = settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(1))));
    push_all(&queue, &["a", "b", "c"]);
    stream.assert_pending();
    clock.advance(ms(4700));
    stream.assert_sends("a");
    for data in ["b", "c"] {
        let next = clock.advance_to_next();
        assert_eq!(next, Some(if data == "b" { ms(300) } else { secs(1) }));
        stream.assert_sends(data);
    }
}

#[test]
fn a_batch_larger_than_one_hold_of_the_lock_goes_whole() {
    let (clock, queue) = new_queue();
    let mut stream =
        settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(1)).batch(150)));
    for n in 0..200 {
        queue.push(n.to_string()).unwrap();
    }
    stream.assert_pending();
    clock.advance(secs(1));
    assert_eq!(stream.data().split(',').count(), 150);
    stream.assert_pending();
    clock.advance(secs(1));
    assert_eq!(stream.data().split(',').count(), 50);
}

#[test]
fn a_chunk_ends_before_the_frame_that_does_not_fit() {
    let (clock, queue) = new_queue();
    // Two frames of 17 bytes.
    let mut stream = Task::new(quiet_stream(&queue, &clock).max_chunk_bytes(34));
    let large = "x".repeat(100);
    for data in ["a", "b", "c", &large, "d"] {
        queue.push(data).unwrap();
    }
    for data in ["a,b", "c", &large, "d"] {
        assert_eq!(stream.data(), data);
    }
    stream.assert_pending();
}

/// A tick that finds nothing due is not armed: the grid alone causes no wake-up.
#[test]
fn what_was_cancelled_or_taken_leaves_an_idle_grid() {
    let (clock, queue) = new_queue();
    let mut stream = settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(1))));
    queue.push("a").unwrap();
    stream.assert_pending();
    assert!(queue.cancel("e-1"));
    clock.advance(ms(1001));
    stream.assert_pending();
    assert_eq!(clock.next_deadline(), None);
    queue.push("b").unwrap();
    stream.assert_pending();
    clock.advance(secs(1));
    assert_eq!(stream.data(), "b", "it still waits for what comes");
}

/// ```text
/// s          0         1         1.5       2
/// due        a                   b
/// sent                                     b, for a was cancelled
/// ```
#[test]
fn a_message_due_between_two_ticks_waits_for_the_second() {
    let (clock, queue) = new_queue();
    let mut stream = settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(1))));
    push_later(&queue, "b", ms(1500));
    stream.assert_pending();
    assert_eq!(clock.advance_to_next(), Some(ms(1500)), "it keeps the time");
    stream.assert_pending();
    assert_eq!(clock.advance_to_next(), Some(ms(500)));
    assert_eq!(stream.data(), "b");
}

/// ```text
/// s         0   .25  .5  .75   1   1.25  1.5  1.75
/// polled    A    B    C    D
/// pushed                     4 of them
/// sent                             A     B    C    D
/// ```
#[test]
fn as_many_messages_as_ticked_streams_all_go_at_their_next_ticks() {
    let (clock, queue) = new_queue();
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(settled(
            quiet_stream(&queue, &clock).pacing(Pacing::every(secs(1))),
        ));
        clock.advance(ms(250));
    }
    clock.advance(ms(990));
    for n in 0..4 {
        queue.push(n.to_string()).unwrap();
    }
    run(&mut streams);
    let mut sent = 0;
    for expected in [ms(10), ms(250), ms(250), ms(250)] {
        assert_eq!(clock.advance_to_next(), Some(expected));
        sent += run(&mut streams).len();
    }
    assert_eq!(sent, 4);
}

/// A stream takes at its tick what was reserved for it, however large the messages are.
#[test]
fn a_tick_sends_its_whole_batch_in_as_many_chunks_as_needed() {
    let (clock, queue) = new_queue();
    let mut streams = [(); 2]
        .map(|()| settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(10)).batch(3))));
    let large = "x".repeat(60_000);
    for _ in 0..4 {
        queue.push(large.as_str()).unwrap();
    }
    assert!(streams.iter().all(|stream| stream.take_wakes() > 0));
    streams.iter_mut().for_each(Task::assert_pending);
    clock.advance(secs(10));
    for (stream, expected) in streams.iter_mut().zip([3, 1]) {
        let mut chunks = 0;
        while stream.poll_next().is_ready() {
            chunks += 1;
        }
        assert_eq!(chunks, expected);
    }
    assert_eq!(queue.stats().depth, 0);
}

/// Scheduled for later, for N ticked streams: one keeps the time and wakes the rest.
#[test]
fn scheduled_messages_for_many_ticked_streams_wait_at_most_one_period() {
    let (clock, queue) = new_queue();
    let mut streams: Vec<_> = (0..4)
        .map(|_| settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(1)))))
        .collect();
    for n in 0..4 {
        let message = Message::from(n.to_string()).after(ms(2500));
        queue.push(message).unwrap();
    }
    run(&mut streams);
    let mut sent = Vec::new();
    while sent.len() < 4 && clock.advance_to_next().is_some() {
        sent.extend(run(&mut streams));
    }
    sent.sort();
    assert_eq!(sent, ["0", "1", "2", "3"]);
    assert_eq!(clock.elapsed(), secs(3));
}

/// ```text
/// s       0 first poll    2.5 every(1 s)    3.5    4.5
/// pushed                  a b c
/// sent                                      a      b
/// ```
#[test]
fn a_grid_that_is_set_after_the_first_poll_starts_then() {
    let (clock, queue) = new_queue();
    let mut stream = quiet_stream(&queue, &clock);
    assert_eq!(stream.next_ready(), None);
    clock.advance(ms(2500));
    let mut stream = Task::new(stream.pacing(Pacing::every(secs(1))));
    push_all(&queue, &["a", "b", "c"]);
    stream.assert_pending();
    for data in ["a", "b"] {
        assert_eq!(clock.advance_to_next(), Some(secs(1)));
        stream.assert_sends(data);
    }
}
