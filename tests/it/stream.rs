//! Streams in memory, on a clock that the tests move.

mod sources;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_core::{FusedStream, Stream};
use sse_queue::{
    Clock, Event, EventStream, Events, FakeClock, FakeTicker, KeepAlive, Message, Pull, PushError,
    PushWhenReady, Queue, QueueSubscription, Remaining, Source, Start, SystemClock, ThreadTicker,
    Topic, TryEventStream,
};

use crate::support::{QueueStream, Task, bare, ms, parser, queue, secs, settled, waiting};

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
/// next_ready    takes each of them first
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
        assert!(queue.next_ready().is_some());
    }
    keeper.is_pending();
    clock.advance(ms(10));
    assert_eq!(keeper.data(), "x");
}

// On a grid.

/// ```text
/// s       0.3 first poll      1.3         2.3         3.3
/// due     a b c  (before)
/// sent                        a           b           c
/// ```
#[test]
fn the_grid_starts_at_the_first_poll_and_its_first_tick_is_a_period_later() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let stream = bare(&queue, &clock).every(secs(1));
    for data in ["a", "b", "c"] {
        queue.push(data).unwrap();
    }
    clock.advance(ms(300));
    let mut stream = settled(stream);
    for data in ["a", "b", "c"] {
        assert_eq!(clock.advance_to_next(), Some(secs(1)));
        assert_eq!(stream.data(), data);
        stream.is_pending();
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
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = settled(bare(&queue, &clock).every(secs(1)).batch(2));
    clock.advance(ms(2400));
    assert_eq!(stream.wakes(), 0);
    queue.push("x").unwrap();
    assert_eq!(stream.wakes(), 1);
    stream.is_pending();
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
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = settled(bare(&queue, &clock).every(secs(1)));
    for data in ["a", "b", "c"] {
        queue.push(data).unwrap();
    }
    stream.is_pending();
    clock.advance(ms(4700));
    assert_eq!(stream.data(), "a");
    stream.is_pending();
    for data in ["b", "c"] {
        let next = clock.advance_to_next();
        assert_eq!(next, Some(if data == "b" { ms(300) } else { secs(1) }));
        assert_eq!(stream.data(), data);
        stream.is_pending();
    }
}

#[test]
fn a_batch_larger_than_one_hold_of_the_lock_goes_whole() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = settled(bare(&queue, &clock).every(secs(1)).batch(150));
    for n in 0..200 {
        queue.push(n.to_string()).unwrap();
    }
    stream.is_pending();
    clock.advance(secs(1));
    assert_eq!(stream.data().split(',').count(), 150);
    stream.is_pending();
    clock.advance(secs(1));
    assert_eq!(stream.data().split(',').count(), 50);
}

#[test]
fn a_chunk_ends_before_the_frame_that_does_not_fit() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    // Two frames of 17 bytes.
    let mut stream = Task::new(bare(&queue, &clock).max_chunk(34));
    let large = "x".repeat(100);
    for data in ["a", "b", "c", &large, "d"] {
        queue.push(data).unwrap();
    }
    for data in ["a,b", "c", &large, "d"] {
        assert_eq!(stream.data(), data);
    }
    stream.is_pending();
}

/// A tick that finds nothing due is not armed: the grid alone wakes nobody.
#[test]
fn what_was_cancelled_or_taken_leaves_an_idle_grid() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = settled(bare(&queue, &clock).every(secs(1)));
    queue.push("a").unwrap();
    stream.is_pending();
    assert!(queue.cancel("e-1"));
    clock.advance(ms(1001));
    stream.is_pending();
    assert_eq!(clock.next_deadline(), None);
    queue.push("b").unwrap();
    stream.is_pending();
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
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = settled(bare(&queue, &clock).every(secs(1)));
    queue.push(Message::from("b").after(ms(1500))).unwrap();
    stream.is_pending();
    assert_eq!(clock.advance_to_next(), Some(ms(1500)), "it looks for all");
    stream.is_pending();
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
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(settled(bare(&queue, &clock).every(secs(1))));
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

/// Polls whoever was woken until nobody is; what they sent.
fn run(streams: &mut [Task<QueueStream>]) -> Vec<String> {
    let mut sent = Vec::new();
    for _ in 0..10_000 {
        let Some(stream) = streams.iter_mut().find(|stream| stream.wakes() > 0) else {
            return sent;
        };
        while let Poll::Ready(Some(bytes)) = stream.poll_next() {
            let events = parser::parse(&bytes).events;
            sent.extend(events.into_iter().map(|event| event.data));
        }
    }
    panic!("they wake one another for ever");
}

/// A stream that has promised to take at its tick is dropped before: another is woken at once.
#[test]
fn a_promise_dies_with_its_stream_and_passes_to_the_next() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut first = settled(bare(&queue, &clock).every(secs(60)));
    let mut second = waiting(&queue, &clock);
    queue.push("x").unwrap();
    // It is woken to keep the time, and leaves the message to the one that was woken for it.
    assert_eq!(second.wakes(), 1);
    second.is_pending();
    first.is_pending();
    assert_eq!(second.wakes(), 0, "the promise is kept");
    drop(first);
    assert_eq!(second.wakes(), 1);
    assert_eq!(second.data(), "x");
}

/// What a stream has promised to take at its tick it takes, however large the messages are.
#[test]
fn a_tick_gives_its_whole_batch_in_as_many_chunks_as_it_takes() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams = [(); 2].map(|()| settled(bare(&queue, &clock).every(secs(10)).batch(3)));
    let large = "x".repeat(60_000);
    for _ in 0..4 {
        queue.push(large.as_str()).unwrap();
    }
    assert!(streams.iter().all(|stream| stream.wakes() > 0));
    streams.iter_mut().for_each(Task::is_pending);
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
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams: Vec<_> = (0..4)
        .map(|_| settled(bare(&queue, &clock).every(secs(1))))
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

// Spaced.

/// ```text
/// ms     0    5   10   20        30       50 ...    90
/// push   a    b    c             d                  e
/// sent   a             b,c                d (40)    e
/// ```
#[test]
fn what_comes_within_the_gap_goes_in_one_chunk_behind_it() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = settled(bare(&queue, &clock).spaced(ms(20)));
    queue.push("a").unwrap();
    assert_eq!(stream.wakes(), 1);
    assert_eq!(stream.data(), "a");
    stream.is_pending();
    for data in ["b", "c"] {
        clock.advance(ms(5));
        queue.push(data).unwrap();
        assert_eq!(stream.wakes(), usize::from(data == "b"));
        stream.is_pending();
    }
    clock.advance(ms(10));
    assert_eq!(stream.wakes(), 1);
    assert_eq!(stream.data(), "b,c");
    stream.is_pending();
    clock.advance(ms(10));
    stream.wakes();
    queue.push("d").unwrap();
    assert_eq!(stream.wakes(), 1, "the first within the gap wakes it");
    stream.is_pending();
    clock.advance(ms(10));
    assert_eq!(stream.wakes(), 1);
    assert_eq!(stream.data(), "d");
    stream.is_pending();
    assert_eq!(
        clock.next_deadline(),
        None,
        "nothing arrives, nothing is armed"
    );
    clock.advance(ms(20));
    clock.advance(ms(30));
    queue.push("e").unwrap();
    assert_eq!(stream.data(), "e", "at once, after a quiet time");
}

#[test]
fn a_spaced_stream_is_woken_twice_a_gap_however_much_is_pushed() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = settled(bare(&queue, &clock).spaced(ms(20)).max_messages(1000));
    queue.push("x").unwrap();
    stream.data();
    stream.is_pending();
    stream.wakes();
    for _ in 0..50 {
        let mut woken = 0;
        for _ in 0..100 {
            queue.push("x").unwrap();
            if stream.count.take() > 0 {
                stream.is_pending();
                woken += 1;
            }
        }
        clock.advance(ms(20));
        assert_eq!((woken, stream.wakes()), (1, 1));
        assert_eq!(stream.data().split(',').count(), 100);
        stream.is_pending();
    }
}

// Keep-alive and first bytes.

/// ```text
/// s      0    10         24..25     37..40
/// sent   :    a          :          :
/// ```
#[test]
fn a_keep_alive_comes_a_period_or_up_to_a_tenth_less_after_the_last_byte() {
    for seed in 0..50 {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let stream = queue.stream(clock.ticker()).unwrap().seed(seed);
        let mut stream = Task::new(stream);
        assert_eq!(stream.bytes(), ":\n");
        stream.is_pending();
        clock.advance(secs(10));
        queue.push("a").unwrap();
        assert_eq!(stream.data(), "a");
        stream.is_pending();
        for _ in 0..3 {
            let last = clock.elapsed();
            while stream.poll_next().is_pending() {
                clock.advance_to_next().unwrap();
            }
            let quiet = clock.elapsed().checked_sub(last).unwrap();
            assert!(ms(13_500) <= quiet && quiet <= secs(15), "{quiet:?}");
            stream.is_pending();
        }
    }
}

#[test]
fn keep_alives_of_a_crowd_do_not_fall_into_step() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = Task::new(queue.stream(clock.ticker()).unwrap());
            assert_eq!(stream.bytes(), ":\n");
            stream.is_pending();
            stream
        })
        .collect();
    let mut most = 0;
    while clock.elapsed() < secs(60) && clock.advance_to_next().is_some() {
        let woken = streams.iter_mut().filter(|stream| stream.wakes() > 0);
        let mut sent = 0;
        for stream in woken {
            assert_eq!(stream.bytes(), ":\n");
            stream.is_pending();
            sent += 1;
        }
        most = most.max(sent);
    }
    assert!(most < 10, "{most} at one time");
}

#[test]
fn no_sign_of_life_while_data_flows() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let stream = bare(&queue, &clock).keep_alive(KeepAlive::every(secs(2)));
    let mut stream = settled(stream);
    for _ in 0..100 {
        clock.advance(secs(1));
        queue.push("x").unwrap();
        assert_eq!(stream.data(), "x");
        stream.is_pending();
    }
}

/// ```text
/// s      0     15     30 ...  60
/// sent   a     :      :       b
/// ```
#[test]
fn a_stream_in_a_long_gap_or_before_a_far_tick_shows_that_it_lives() {
    for ticked in [false, true] {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let stream = bare(&queue, &clock).keep_alive(KeepAlive::default());
        let stream = if ticked {
            stream.every(secs(60))
        } else {
            stream.spaced(secs(60))
        };
        let mut stream = Task::new(stream);
        queue.push("a").unwrap();
        if ticked {
            stream.is_pending();
        } else {
            assert_eq!(stream.data(), "a");
            stream.is_pending();
            queue.push("b").unwrap();
        }
        for _ in 0..3 {
            let quiet = clock.advance_to_next().unwrap();
            assert!(ms(13_500) <= quiet && quiet <= secs(15), "{quiet:?}");
            assert_eq!(stream.bytes(), ":\n");
            stream.is_pending();
        }
        clock.advance(secs(60).checked_sub(clock.elapsed()).unwrap());
        assert_eq!(stream.data(), if ticked { "a" } else { "b" });
    }
}

#[test]
fn a_visible_sign_of_life_is_an_event_without_an_id() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let event = Event::new("1").name("ping").unwrap();
    let keep_alive = KeepAlive::event(secs(5), event).unwrap();
    let mut stream = settled(bare(&queue, &clock).keep_alive(keep_alive));
    clock.advance(secs(5));
    assert_eq!(stream.bytes(), "event: ping\ndata: 1\n\n");
    assert!(KeepAlive::event(secs(5), Event::new("").id("").unwrap()).is_err());
}

#[test]
fn a_keep_alive_of_any_period_is_harmless() {
    for period in [Duration::ZERO, Duration::MAX, Duration::from_secs(u64::MAX)] {
        let clock = FakeClock::new();
        clock.advance(secs(1));
        let queue = queue(&clock);
        let stream = bare(&queue, &clock).keep_alive(KeepAlive::every(period));
        let mut stream = settled(stream);
        clock.advance(secs(100));
        stream.is_pending();
    }
}

#[test]
fn the_first_poll_yields_bytes_at_every_pacing_and_they_are_no_message() {
    for pacing in PACINGS {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        queue.push("x").unwrap();
        let mut stream = Task::new(pacing(queue.stream(clock.ticker()).unwrap()));
        assert_eq!(stream.bytes(), ":\n");
        let with_retry = queue.stream(clock.ticker()).unwrap().retry(ms(1500));
        assert_eq!(Task::new(pacing(with_retry)).bytes(), "retry: 1500\n");
        let bare = queue.stream(clock.ticker()).unwrap().first_bytes(false);
        match Task::new(pacing(bare)).poll_next() {
            Poll::Ready(Some(bytes)) => assert_eq!(bytes, "id: e-1\ndata: x\n\n"),
            other => assert!(other.is_pending()),
        }
    }
}

// The end.

type Pacing = fn(QueueStream) -> QueueStream;

const PACINGS: [Pacing; 3] = [
    |stream| stream,
    |stream| stream.spaced(secs(60)),
    |stream| stream.every(secs(60)),
];

/// Whether it waits, is parked, or has promised to take at its tick: it is woken and ends at once.
#[test]
fn close_ends_a_stream_at_once_at_every_pacing() {
    for pacing in PACINGS {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let bye = Event::new("").name("bye").unwrap();
        let mut stream = settled(pacing(bare(&queue, &clock)).farewell(bye));
        queue.push("a").unwrap();
        if let Poll::Ready(Some(_)) = stream.poll_next() {
            stream.is_pending();
            queue.push("a").unwrap();
            if let Poll::Ready(Some(_)) = stream.poll_next() {
                stream.is_pending();
            }
        }
        let depth = queue.stats().depth;
        stream.wakes();
        for data in ["b", "c"] {
            queue.push(data).unwrap();
        }
        queue.push(Message::from("later").after(secs(1))).unwrap();
        queue.close();
        assert_eq!(stream.wakes(), 1);
        let mut sent = Vec::new();
        while queue.stats().depth > 1 {
            sent.push(stream.data());
        }
        assert_eq!(sent.join(",").split(',').count(), depth + 2);
        assert_eq!(stream.bytes(), "event: bye\ndata: \n\n");
        assert!(stream.inner.is_terminated());
        stream.is_over();
        assert_eq!(queue.stats().depth, 1, "what was not due stays");
        assert_eq!(clock.next_deadline(), None, "nothing is armed");
    }
}

#[test]
fn abort_ends_a_stream_at_once_at_every_pacing_and_gives_nothing() {
    for pacing in PACINGS {
        for close_first in [false, true] {
            let clock = FakeClock::new();
            let queue = queue(&clock);
            let bye = Event::new("").name("bye").unwrap();
            let mut stream = settled(pacing(bare(&queue, &clock)).farewell(bye));
            queue.push("a").unwrap();
            if let Poll::Ready(Some(_)) = stream.poll_next() {
                stream.is_pending();
                stream.wakes();
                queue.push("b").unwrap();
            }
            if close_first {
                queue.close();
            }
            queue.abort();
            assert!(stream.wakes() > 0);
            assert_eq!(stream.bytes(), "event: bye\ndata: \n\n");
            stream.is_over();
        }
    }
}

#[test]
fn a_stream_of_a_closed_queue_ends_after_its_first_bytes() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    queue.close();
    let mut stream = Task::new(queue.stream(clock.ticker()).unwrap());
    assert_eq!(stream.bytes(), ":\n");
    stream.is_over();
}

#[test]
fn all_streams_are_told_of_the_end_once() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams = [(); 10].map(|()| waiting(&queue, &clock));
    queue.close();
    queue.close();
    for stream in &mut streams {
        assert_eq!(stream.wakes(), 1);
        stream.is_over();
    }
}

#[test]
fn ages_lie_between_80_and_100_percent_and_differ() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let age = secs(100);
    let mut ends = Vec::new();
    let mut retries = Vec::new();
    for seed in 0..200 {
        let stream = bare(&queue, &clock).max_age(age).retry(secs(2)).seed(seed);
        let mut stream = Task::new(stream);
        assert_eq!(stream.bytes(), "retry: 2000\n");
        stream.is_pending();
        let end = clock.advance_to_next().unwrap();
        assert!(secs(80) <= end && end <= age, "{end:?}");
        let last = parser::parse(stream.bytes().as_bytes()).retries;
        let retry = last[0].parse::<u64>().unwrap();
        assert!((1000..=3000).contains(&retry), "{retry}");
        stream.is_over();
        ends.push(end);
        retries.push(retry);
    }
    for (low, high) in [(80, 85), (95, 100)] {
        let some = ends
            .iter()
            .any(|end| secs(low) <= *end && *end <= secs(high));
        assert!(some, "spread over all of it");
    }
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 100);
}

#[test]
fn a_stream_that_ends_by_age_leaves_what_is_due_to_others() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut old = settled(bare(&queue, &clock).max_age(secs(10)));
    let mut other = waiting(&queue, &clock);
    clock.advance(secs(10));
    queue.push("x").unwrap();
    assert!(old.wakes() > 0);
    assert!(old.bytes().starts_with("retry: "));
    old.is_over();
    assert_eq!(other.wakes(), 1);
    assert_eq!(other.data(), "x");
}

// Clocks that jump, and clocks that differ.

/// ```text
/// world    0 ----- 5 | jump to 1 h
/// ticker   0 ----- 5 ------ 6 ------ 7
/// ```
#[test]
fn a_jump_of_the_world_neither_stalls_nor_bursts_a_grid() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = settled(bare(&queue, &clock).every(secs(1)));
    for n in 0..100 {
        queue.push(n.to_string()).unwrap();
    }
    stream.is_pending();
    for n in 0..10 {
        assert_eq!(clock.advance_to_next(), Some(secs(1)));
        assert_eq!(stream.data(), n.to_string());
        stream.is_pending();
        clock.jump(secs(3600));
        stream.is_pending();
    }
}

/// A laptop sleeps, or NTP steps the clock.
#[test]
fn a_jump_over_a_due_time_is_noticed_within_30_seconds() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = waiting(&queue, &clock);
    queue.push(Message::from("x").after(secs(3600))).unwrap();
    stream.is_pending();
    stream.wakes();
    clock.jump(secs(3600));
    clock.advance(secs(30));
    assert_eq!(stream.wakes(), 1);
    assert_eq!(stream.data(), "x");
}

#[test]
fn a_jump_over_a_due_time_is_seen_at_the_next_look() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = waiting(&queue, &clock);
    queue.push(Message::from("x").after(secs(60))).unwrap();
    stream.is_pending();
    clock.jump(secs(60));
    queue.push("y").unwrap();
    assert_eq!(stream.data(), "x,y");
}

/// Runs at a part of the ticker's pace: a tick that is armed for a due time comes too early.
struct Slower {
    clock: FakeClock,
    percent: u32,
    looks: Arc<AtomicUsize>,
}

impl Clock for Slower {
    fn now(&self) -> SystemTime {
        self.looks.fetch_add(1, Ordering::Relaxed);
        SystemTime::UNIX_EPOCH + self.clock.elapsed() / 100 * self.percent
    }
}

#[test]
fn a_clock_behind_its_ticker_makes_messages_late_and_never_spins() {
    for percent in [99, 90, 50, 10] {
        for ticked in [false, true] {
            let clock = FakeClock::new();
            let looks = Arc::new(AtomicUsize::new(0));
            let queue = Queue::builder()
                .clock(Slower {
                    clock: clock.clone(),
                    percent,
                    looks: Arc::clone(&looks),
                })
                .build();
            let stream = bare(&queue, &clock);
            let stream = if ticked { stream.every(ms(7)) } else { stream };
            let mut stream = settled(stream);
            queue.push(Message::from("x").after(ms(1000))).unwrap();
            stream.is_pending();
            looks.store(0, Ordering::Relaxed);
            let due = secs(100) / percent;
            while clock.elapsed() < secs(20) {
                let by = clock.advance_to_next().unwrap();
                assert!(by > Duration::ZERO);
                if stream.poll_next().is_ready() {
                    break;
                }
            }
            let late = clock.elapsed().checked_sub(due).unwrap();
            assert!(late <= ms(1100), "{percent} % {late:?}");
            let looks = looks.load(Ordering::Relaxed);
            assert!(looks < 400, "{percent} % {looks}");
        }
    }
}

#[test]
fn a_clock_that_stands_still_costs_few_looks() {
    let clock = FakeClock::new();
    let looks = Arc::new(AtomicUsize::new(0));
    let queue = Queue::builder()
        .clock(Slower {
            clock: clock.clone(),
            percent: 0,
            looks: Arc::clone(&looks),
        })
        .build();
    let mut stream = waiting(&queue, &clock);
    let brief = Duration::from_nanos(1);
    queue.push(Message::from("x").after(brief)).unwrap();
    stream.is_pending();
    looks.store(0, Ordering::Relaxed);
    while clock.elapsed() < secs(3600) {
        assert!(clock.advance_to_next().is_some());
        stream.is_pending();
    }
    // About one a second.
    assert!(looks.load(Ordering::Relaxed) < 4_000);
}

#[test]
fn a_wait_for_a_deadline_is_armed_for_at_most_30_seconds() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = waiting(&queue, &clock);
    queue.push(Message::from("x").after(secs(70))).unwrap();
    stream.is_pending();
    for wait in [secs(30), secs(30), secs(10)] {
        stream.is_pending();
        assert_eq!(clock.advance_to_next(), Some(wait));
    }
    assert_eq!(stream.data(), "x");
}

// Other sources.

/// Numbers, one a call, that are due at any time.
struct Numbers(std::ops::Range<u32>);

impl Source for Numbers {
    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut Pull) -> Poll<()> {
        Poll::Ready(())
    }

    fn poll_chunk(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        pull: &mut Pull,
    ) -> Poll<Option<Bytes>> {
        let frames = self.0.by_ref().take(pull.limit().messages);
        let mut chunk = BytesMut::new();
        for n in frames {
            Event::new(n.to_string()).encode_into(&mut chunk);
        }
        Poll::Ready((!chunk.is_empty()).then(|| chunk.freeze()))
    }
}

#[test]
fn a_source_of_ones_own_runs_at_every_pacing() {
    fn stream(clock: &FakeClock, numbers: u32) -> EventStream<Numbers, FakeTicker> {
        let source = Numbers(0..numbers);
        EventStream::new(source, clock.ticker()).first_bytes(false)
    }
    let clock = FakeClock::new();
    let mut at_once = Task::new(stream(&clock, 20));
    assert_eq!(at_once.data().split(',').count(), 20);
    at_once.is_over();

    let mut spaced = Task::new(stream(&clock, 3).spaced(ms(20)).max_messages(2));
    assert_eq!(spaced.data(), "0,1");
    spaced.is_pending();
    assert_eq!(clock.advance_to_next(), Some(ms(20)));
    assert_eq!(spaced.data(), "2");
    spaced.is_pending();
    clock.advance(ms(20));
    spaced.is_over();

    let mut ticked = settled(stream(&clock, 3).every(secs(1)).batch(2));
    for data in ["0,1", "2"] {
        assert_eq!(clock.advance_to_next(), Some(secs(1)));
        assert_eq!(ticked.data(), data);
        ticked.is_pending();
    }
    clock.advance(secs(1));
    ticked.is_over();
}

/// Gives what it is told to, and never wakes more than it must.
#[derive(Default)]
struct Feed {
    events: VecDeque<&'static str>,
    ended: bool,
    waker: Option<Waker>,
}

#[derive(Clone, Default)]
struct Fed(Arc<Mutex<Feed>>);

impl Fed {
    fn give(&self, data: &'static str) {
        let mut feed = self.0.lock().unwrap();
        feed.events.push_back(data);
        if let Some(waker) = feed.waker.take() {
            waker.wake();
        }
    }

    fn end(&self) {
        let mut feed = self.0.lock().unwrap();
        feed.ended = true;
        if let Some(waker) = feed.waker.take() {
            waker.wake();
        }
    }
}

impl Stream for Fed {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut feed = self.0.lock().unwrap();
        match feed.events.pop_front() {
            Some(data) => Poll::Ready(Some(Event::new(data))),
            None if feed.ended => Poll::Ready(None),
            None => {
                feed.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[test]
fn a_stream_of_events_runs_at_every_pacing() {
    for pacing in ["at once", "spaced", "every"] {
        let clock = FakeClock::new();
        let fed = Fed::default();
        let stream = EventStream::from_events(fed.clone(), clock.ticker());
        let stream = stream.first_bytes(false).keep_alive(KeepAlive::off());
        let stream = match pacing {
            "spaced" => stream.spaced(secs(1)),
            "every" => stream.every(secs(1)).batch(16),
            _ => stream,
        };
        let mut stream = settled(stream);
        for data in ["a", "b"] {
            fed.give(data);
        }
        assert_eq!(stream.wakes(), 1, "{pacing}");
        if pacing == "every" {
            stream.is_pending();
            assert_eq!(clock.advance_to_next(), Some(secs(1)));
        }
        assert_eq!(stream.data(), "a,b", "{pacing}");
        stream.is_pending();
        fed.give("c");
        fed.end();
        if pacing != "at once" {
            stream.is_pending();
            assert_eq!(clock.advance_to_next(), Some(secs(1)));
        }
        assert_eq!(stream.data(), "c", "{pacing}");
        stream.is_over();
    }
}

// Events, and a source that follows a script.

fn events(count: usize) -> (impl Stream<Item = Event> + Unpin, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let count_taken = Arc::clone(&taken);
    let events = (0..count).map(move |n| {
        count_taken.fetch_add(1, Ordering::Relaxed);
        Event::new(n.to_string())
    });
    (futures_util::stream::iter(events), taken)
}

#[test]
fn an_event_that_was_taken_ahead_goes_out_before_the_end_by_age() {
    let clock = FakeClock::new();
    let (events, taken) = events(10);
    let stream = EventStream::from_events(events, clock.ticker()).first_bytes(false);
    let bye = Event::new("bye");
    let mut stream = Task::new(stream.every(secs(10)).max_age(secs(5)).farewell(bye));
    stream.is_pending();
    clock.advance(secs(6));
    assert_eq!(stream.data(), "0");
    assert!(stream.bytes().starts_with("retry: "));
    stream.is_over();
    assert_eq!(taken.load(Ordering::Relaxed), 1);
}

#[test]
fn an_immediate_stream_of_events_holds_none_back() {
    let (events, taken) = events(10);
    let stream = EventStream::from_events(events, FakeClock::new().ticker());
    let mut stream = Task::new(stream.first_bytes(false).max_chunk(18));
    let sent = stream.data().split(',').count();
    drop(stream);
    assert_eq!(taken.load(Ordering::Relaxed), sent);
}

#[test]
fn a_stream_of_events_on_a_grid_ends_with_its_last_event() {
    let clock = FakeClock::new();
    let (events, _) = events(1);
    let stream = EventStream::from_events(events, clock.ticker()).first_bytes(false);
    let mut stream = settled(stream.keep_alive(KeepAlive::off()).every(secs(60)));
    clock.advance(secs(60));
    assert_eq!(stream.data(), "0");
    stream.is_over();
}

#[test]
fn a_burst_of_events_goes_in_as_many_chunks_as_it_needs_without_a_gap() {
    for (max_chunk, max_messages) in [(64 * 1024, usize::MAX), (100, usize::MAX), (64 * 1024, 3)] {
        let clock = FakeClock::new();
        let (events, _) = events(1000);
        let stream = EventStream::from_events(events, clock.ticker()).first_bytes(false);
        let stream = stream.spaced(ms(20)).max_chunk(max_chunk);
        let mut stream = Task::new(stream.max_messages(max_messages));
        let mut sent = 0;
        while let Poll::Ready(Some(chunk)) = stream.poll_next() {
            sent += parser::parse(&chunk).events.len();
        }
        assert_eq!(sent, 1000);
        stream.is_over();
    }
}

#[test]
fn a_burst_of_a_topic_goes_in_as_many_chunks_as_it_needs_without_a_gap() {
    let clock = FakeClock::new();
    let topic = Topic::builder().clock(clock.clone()).build();
    let stream = topic.stream(Start::Now, clock.ticker()).unwrap();
    let mut stream = settled(stream.first_bytes(false).spaced(ms(20)).max_chunk(1));
    for data in ["a", "b", "c"] {
        topic.publish(data).unwrap();
    }
    for data in ["a", "b", "c"] {
        assert_eq!(stream.data(), data);
        topic.publish("later").unwrap();
    }
    stream.is_pending();
    clock.advance(ms(20));
    assert_eq!(stream.data(), "later");
}

#[test]
fn a_retry_goes_out_even_without_first_bytes() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = Task::new(bare(&queue, &clock).retry(secs(2)));
    assert_eq!(stream.bytes(), "retry: 2000\n");
    stream.is_pending();
}

/// What a broker's client knows, by the letter of [`Source`].
#[derive(Default)]
struct Broker {
    due: VecDeque<&'static str>,
    waker: Option<Waker>,
    is_closing: bool,
    /// The polls: `r` for ready, `c` for chunk, upper case where it yields or leaves.
    polls: String,
}

#[derive(Clone, Default)]
struct Client(Arc<Mutex<Broker>>);

impl Client {
    fn push(&self, data: &'static str) {
        let mut broker = self.0.lock().unwrap();
        broker.due.push_back(data);
        if let Some(waker) = broker.waker.take() {
            waker.wake();
        }
    }

    fn polls(&self) -> String {
        std::mem::take(&mut self.0.lock().unwrap().polls)
    }

    fn waits(&self) -> bool {
        self.0.lock().unwrap().waker.is_some()
    }
}

impl Source for Client {
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>, pull: &mut Pull) -> Poll<()> {
        let mut broker = self.0.lock().unwrap();
        broker.polls.push(if pull.yields() { 'R' } else { 'r' });
        broker.waker = None;
        if broker.is_closing {
            pull.closing();
        } else if broker.due.is_empty() {
            broker.waker = pull.registers().then(|| cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn poll_chunk(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pull: &mut Pull,
    ) -> Poll<Option<Bytes>> {
        let mut broker = self.0.lock().unwrap();
        broker.polls.push(if pull.is_leaving() { 'C' } else { 'c' });
        broker.waker = None;
        if pull.is_leaving() {
            return Poll::Pending;
        }
        if let Some(data) = broker.due.pop_front() {
            return Poll::Ready(Some(Event::new(data).encode()));
        }
        if broker.is_closing {
            return Poll::Ready(None);
        }
        broker.waker = pull.registers().then(|| cx.waker().clone());
        Poll::Pending
    }

    fn park(self: Pin<&mut Self>, _: &mut Context<'_>) {
        self.0.lock().unwrap().waker = None;
    }
}

fn client(clock: &FakeClock) -> (Client, EventStream<Client, FakeTicker>) {
    let client = Client::default();
    let stream = EventStream::new(client.clone(), clock.ticker()).first_bytes(false);
    (client, stream.keep_alive(KeepAlive::off()))
}

#[test]
fn a_source_that_parks_by_the_letter_is_heard_on_every_pacing() {
    for pacing in [0, 1, 2] {
        let clock = FakeClock::new();
        let (client, stream) = client(&clock);
        let stream = stream.keep_alive(KeepAlive::default());
        let mut stream = settled(match pacing {
            0 => stream,
            1 => stream.spaced(secs(1)),
            _ => stream.every(secs(1)),
        });
        clock.advance(secs(15));
        assert_eq!(stream.bytes(), ":\n");
        stream.is_pending();
        clock.advance(ms(500));
        stream.wakes();
        client.push("x");
        assert_eq!(stream.wakes(), 1);
        if pacing == 2 {
            stream.is_pending();
            clock.advance(ms(500));
        }
        assert_eq!(stream.data(), "x");
    }
}

/// ```text
/// ms     0   1 .. 60     100  105      120
/// push   a               b    c
/// sent   a               b             c
/// ```
#[test]
fn a_spaced_stream_waits_within_its_gap_and_arms_only_when_something_is_due() {
    let clock = FakeClock::new();
    let (client, stream) = client(&clock);
    let mut stream = settled(stream.spaced(ms(20)));
    for data in ["a", "b"] {
        client.polls();
        client.push(data);
        assert_eq!(stream.data(), data);
        stream.is_pending();
        assert_eq!(
            client.polls(),
            "cR",
            "as many polls as an immediate stream's"
        );
        assert_eq!(clock.next_deadline(), None);
        assert!(client.waits());
        clock.advance(ms(if data == "a" { 100 } else { 5 }));
    }
    stream.wakes();
    client.push("c");
    assert_eq!(stream.wakes(), 1);
    stream.is_pending();
    assert_eq!(clock.advance_to_next(), Some(ms(15)));
    assert_eq!(stream.wakes(), 1);
    assert_eq!(stream.data(), "c");
}

#[test]
fn the_beginning_of_the_end_lifts_a_gap() {
    let clock = FakeClock::new();
    let (client, stream) = client(&clock);
    let mut stream = Task::new(stream.spaced(secs(60)));
    client.push("a");
    assert_eq!(stream.data(), "a");
    client.push("b");
    stream.is_pending();
    client.0.lock().unwrap().is_closing = true;
    assert_eq!(stream.data(), "b");
    stream.is_over();
}

#[test]
fn next_ready_leaves_no_waker_at_any_pacing() {
    for pacing in [0, 1, 2] {
        let clock = FakeClock::new();
        let (client, stream) = client(&clock);
        let mut stream = match pacing {
            0 => stream,
            1 => stream.spaced(secs(1)),
            _ => stream.every(secs(1)),
        };
        assert_eq!(stream.next_ready(), None);
        assert!(!client.waits());
        client.push("x");
        if pacing == 2 {
            assert_eq!(stream.next_ready(), None, "before the tick");
            clock.advance(secs(1));
        }
        assert_eq!(stream.next_ready().unwrap(), "data: x\n\n");
        assert_eq!(stream.next_ready(), None);
        assert!(!client.waits());
    }
}

/// ```text
/// ms           0.5   1   1.5 ...      n/2     n/2 + 5
/// due          x     x   x            x       last
/// next_ready   x     x   x            x
/// ```
#[test]
fn a_deadline_that_another_dealt_with_puts_no_later_one_off() {
    let half = Duration::from_micros(500);
    for count in (4000..4700_u32).step_by(97) {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        for n in 1..=count {
            queue.push(Message::from("x").after(half * n)).unwrap();
        }
        let last = Message::from("last").after(half * count + ms(5));
        queue.push(last).unwrap();
        let mut keeper = waiting(&queue, &clock);
        for _ in 1..=count {
            clock.advance(half);
            assert!(queue.next_ready().is_some());
            if keeper.wakes() > 0 {
                keeper.is_pending();
            }
        }
        clock.advance(ms(5));
        let mut late = 0;
        while keeper.wakes() == 0 || keeper.poll_next().is_pending() {
            clock.advance(ms(1));
            late += 1;
        }
        assert!(late <= 1, "late by {late} ms");
    }
}

// Types.

fn is_unpin_and_crosses_threads<T: Send + Sync + Unpin>() {}

#[test]
fn every_public_type_crosses_threads_and_can_be_moved() {
    is_unpin_and_crosses_threads::<QueueStream>();
    is_unpin_and_crosses_threads::<EventStream<QueueSubscription, ThreadTicker>>();
    is_unpin_and_crosses_threads::<TryEventStream<QueueSubscription, FakeTicker>>();
    is_unpin_and_crosses_threads::<EventStream<Events<Fed>, FakeTicker>>();
    is_unpin_and_crosses_threads::<Queue>();
    is_unpin_and_crosses_threads::<PushWhenReady>();
    is_unpin_and_crosses_threads::<(FakeClock, SystemClock)>();
    is_unpin_and_crosses_threads::<(Event, Message, Remaining, PushError)>();
}

#[test]
fn the_fallible_form_yields_the_same() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    queue.push("x").unwrap();
    queue.close();
    let mut stream = std::pin::pin!(bare(&queue, &clock).into_try_stream());
    let mut cx = Context::from_waker(Waker::noop());
    let first = stream.as_mut().poll_next(&mut cx);
    assert_eq!(first, Poll::Ready(Some(Ok("id: e-1\ndata: x\n\n".into()))));
    assert_eq!(stream.as_mut().poll_next(&mut cx), Poll::Ready(None));
    assert!(stream.is_terminated());
}
