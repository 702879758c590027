//! Delivery at least once, on a clock that the tests move: leases, acks, redelivery, dead letters.
//!
//! `stats` looks at the queue, which takes back what is not leased any more.

#![cfg(not(loom))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

mod support;

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use sse_queue::{
    AckError, Event, FakeClock, LastEventId, Lease, Message, Overflow, PushError, Queue, Reason,
    Remaining,
};

use support::{QueueStream, Task, bare, builder, ms, parser, secs, settled, waiting};

/// A lease of 30 s with a grace of 5 s.
fn lease() -> Lease {
    Lease::new(secs(30)).grace(secs(5))
}

fn lending(clock: &FakeClock, lease: Lease) -> Queue {
    builder(clock).at_least_once(lease).build()
}

fn usual(clock: &FakeClock) -> Queue {
    lending(clock, lease())
}

/// The stream of a client that comes back.
fn back(queue: &Queue, clock: &FakeClock, id: &str) -> Task<QueueStream> {
    let stream = queue.stream_after(&LastEventId::new(id), clock.ticker());
    let stream = stream.unwrap().first_bytes(false);
    Task::new(stream.keep_alive(sse_queue::KeepAlive::off()))
}

fn own(id: &str) -> Event {
    Event::new("x").id(id).unwrap()
}

fn push_all(queue: &Queue, all: &[&str]) {
    for data in all {
        queue.push(*data).unwrap();
    }
}

/// What can be taken now without a stream: the data, with commas between.
fn rest(queue: &Queue) -> String {
    let mut bytes = Vec::new();
    while let Some(frame) = queue.try_next() {
        bytes.extend_from_slice(&frame);
    }
    let events = parser::parse(&bytes).events;
    let data: Vec<_> = events.into_iter().map(|event| event.data).collect();
    data.join(",")
}

/// Every message that was accepted is in exactly one place.
#[track_caller]
fn adds_up(queue: &Queue) {
    let stats = queue.stats();
    let gone = stats.confirmed + stats.dropped + stats.expired + stats.withdrawn;
    let held = stats.in_flight + stats.dead + stats.depth;
    assert_eq!(stats.pushed, gone + held as u64, "{stats:?}");
}

/// How many are queued, in flight, dead and confirmed.
fn places(queue: &Queue) -> (usize, usize, usize, u64) {
    let stats = queue.stats();
    (stats.depth, stats.in_flight, stats.dead, stats.confirmed)
}

// Bugs that were.

/// The old stream goes when its successor is full already.
#[test]
fn the_drop_of_a_stream_that_was_taken_over_let_its_successor_sleep() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_in_flight(2));
    let mut old = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(old.data(), "a,b");
    let mut new = back(&queue, &clock, "e-1");
    assert_eq!(new.data(), "b");
    push_all(&queue, &["c", "d"]);
    assert_eq!(new.data(), "c");
    new.is_pending();
    new.wakes();
    drop(old);
    queue.ack("e-2").unwrap();
    assert_eq!(new.wakes(), 1);
    assert_eq!(new.data(), "d");
}

#[test]
fn the_number_of_a_message_with_an_id_of_its_own_confirmed_it() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    queue.push(own("mine")).unwrap();
    assert!(queue.try_next().is_some());
    assert_eq!(queue.ack("e-1"), Err(AckError::Unknown));
    assert_eq!(queue.nack("e-1", secs(0)), Err(AckError::Unknown));
    assert_eq!(queue.extend("e-1", secs(1)), Err(AckError::Unknown));
    clock.advance(secs(30));
    assert_eq!(places(&queue), (1, 0, 0, 0));
    assert_eq!(queue.ack("e-1"), Err(AckError::Unknown));
    assert!(queue.try_next().is_some());
    assert_eq!(queue.ack("mine"), Ok(()));
}

#[test]
fn a_client_that_came_back_was_sent_what_had_expired() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    let brief = Message::from("brief").expires_after(secs(2));
    queue.push(brief).unwrap();
    queue.push("c").unwrap();
    assert_eq!(stream.data(), "a,brief,c");
    let mut again = back(&queue, &clock, "e-1");
    clock.advance(secs(2));
    assert_eq!(again.data(), "c");
    assert_eq!(queue.stats().expired, 1);
    adds_up(&queue);
}

/// ```text
/// s    0                   2            5
///      dropped, orphaned   expires      end of grace
/// ```
#[test]
fn an_orphan_outlived_its_expiry() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    let brief = Message::from("brief").expires_after(secs(2));
    queue.push(brief).unwrap();
    assert_eq!(stream.data(), "a,brief");
    drop(stream);
    clock.advance(ms(1999));
    assert_eq!(queue.stats().in_flight, 2);
    clock.advance(ms(1));
    let stats = queue.stats();
    assert_eq!((stats.in_flight, stats.expired), (1, 1));
    assert_eq!(queue.ack("e-2"), Err(AckError::Stale));
    adds_up(&queue);
}

#[test]
fn a_drain_slept_on_when_all_was_taken() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    queue.push("x").unwrap();
    assert!(queue.try_next().is_some());
    let mut drain = Task::new(queue.drain(clock.ticker()));
    assert!(drain.poll().is_pending());
    assert_eq!(queue.take_remaining().len(), 1);
    assert_eq!(drain.wakes(), 1);
    assert!(drain.poll().is_ready());
}

#[test]
fn a_drain_that_was_dropped_left_its_waker_behind() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    queue.push("x").unwrap();
    assert!(queue.try_next().is_some());
    let mut drain = Task::new(queue.drain(clock.ticker()));
    assert!(drain.poll().is_pending());
    let count = Arc::clone(&drain.count);
    drop(drain);
    assert_eq!(Arc::strong_count(&count), 1);
}

/// ```text
/// s    0           30
///      a is out    a is back, and may be dropped: b has room
/// ```
#[test]
fn who_waits_for_room_slept_when_something_that_may_be_dropped_came_back() {
    let clock = FakeClock::new();
    let builder = builder(&clock).capacity(1).at_least_once(lease());
    let queue = builder.overflow(Overflow::DropOldest).build();
    queue.push("a").unwrap();
    assert!(queue.try_next().is_some());
    let mut push = Task::new(queue.push_when_ready("b"));
    assert!(push.poll().is_pending());
    clock.advance(secs(30));
    assert_eq!(queue.stats().in_flight, 0);
    assert_eq!(push.wakes(), 1);
    assert!(push.poll().is_ready());
    assert_eq!(rest(&queue), "b");
    assert_eq!(queue.stats().dropped, 1);
    adds_up(&queue);
}

/// A frame is `id: e-1`, `data: a` and a blank line: 17 bytes.
#[test]
fn a_push_that_was_refused_had_dropped_what_was_there() {
    let clock = FakeClock::new();
    let builder = builder(&clock).capacity_bytes(3 * 17);
    let builder = builder.at_least_once(lease());
    let queue = builder.overflow(Overflow::DropOldest).build();
    push_all(&queue, &["a", "b"]);
    assert_eq!(rest(&queue), "a,b");
    queue.push("c").unwrap();
    let large = "L".repeat(2);
    assert!(matches!(
        queue.push(large.as_str()),
        Err(PushError::Full(_))
    ));
    assert_eq!((queue.stats().depth, queue.stats().dropped), (1, 0));
    queue.push("d").unwrap();
    assert_eq!(rest(&queue), "d");
}

/// ```text
/// s         0       1       2       ...    30
/// stream    0 takes 1 takes 2 takes        0's lease ends: it alone has a place again
/// ```
#[test]
fn a_lease_that_ended_woke_all_full_streams() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_in_flight(1));
    let mut streams: Vec<_> = (0..10).map(|_| waiting(&queue, &clock)).collect();
    for stream in &mut streams {
        queue.push("x").unwrap();
        stream.data();
        stream.is_pending();
        clock.advance(secs(1));
    }
    queue.push("last").unwrap();
    for _ in 0..3 {
        streams.iter_mut().for_each(Task::is_pending);
    }
    let before = clock.wakes();
    clock.advance_to_next();
    assert_eq!(clock.elapsed(), secs(30));
    assert_eq!(clock.wakes() - before, 1);
    let keeper = streams.iter().position(|stream| stream.wakes() > 0);
    let keeper = keeper.unwrap();
    if keeper != 0 {
        streams[keeper].is_pending();
        assert_eq!(streams[0].wakes(), 1);
    }
    assert_eq!(streams[0].data(), "x");
}

/// The one that keeps the time goes; another full one must.
#[test]
fn full_streams_keep_the_time_also_when_one_of_them_goes() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_in_flight(1).grace(secs(60)));
    let mut streams: Vec<_> = (0..4).map(|_| waiting(&queue, &clock)).collect();
    for stream in &mut streams {
        queue.push("x").unwrap();
        stream.data();
        stream.is_pending();
    }
    queue.push("last").unwrap();
    while let Some(stream) = streams.pop() {
        drop(stream);
        for _ in 0..3 {
            streams.iter_mut().for_each(Task::is_pending);
        }
        if !streams.is_empty() {
            assert_eq!(clock.next_deadline(), Some(secs(30)));
        }
    }
    assert_eq!(clock.next_deadline(), None);
}

/// Its tick is gone with its end, and so must its part be in keeping the time.
#[test]
fn a_full_stream_that_ends_by_age_keeps_no_time() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_in_flight(1));
    let mut other = Task::new(bare(&queue, &clock));
    queue.push("a").unwrap();
    assert_eq!(other.data(), "a");
    let aging = bare(&queue, &clock).max_age(secs(10));
    let mut aging = Task::new(aging);
    push_all(&queue, &["b", "c"]);
    assert_eq!(aging.data(), "b");
    other.is_pending();
    aging.is_pending();
    clock.advance(secs(10));
    aging.bytes();
    aging.is_over();
    clock.advance(secs(20));
    assert_eq!(other.wakes(), 1);
    assert_eq!(other.data(), "a");
}

#[test]
fn what_was_taken_back_was_unknown_to_an_ack() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    push_all(&queue, &["a", "b"]);
    queue.push(own("mine")).unwrap();
    push_all(&queue, &["d"]);
    for _ in 0..3 {
        assert!(queue.try_next().is_some());
    }
    queue.nack("e-2", secs(0)).unwrap();
    assert_eq!(queue.take_remaining().len(), 4);
    for id in ["e-1", "e-2", "mine"] {
        assert_eq!(queue.ack(id), Err(AckError::Stale), "{id}");
    }
    assert_eq!(queue.ack("e-4"), Err(AckError::Unknown));
    adds_up(&queue);
}

#[test]
fn an_expired_message_that_nobody_had_looked_at_held_its_id() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let brief = Message::from(own("mine")).expires_after(secs(1));
    queue.push(brief).unwrap();
    clock.advance(secs(1));
    assert_eq!(queue.push(own("mine")).unwrap().id(), "mine");
    adds_up(&queue);
}

#[test]
fn an_id_of_its_own_was_the_same_as_one_that_the_queue_gave() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_attempts(1));
    let is_refused = || matches!(queue.push(own("e-1")), Err(PushError::DuplicateId(_)));
    queue.push("a").unwrap();
    assert!(is_refused(), "queued");
    assert!(queue.try_next().is_some());
    assert!(is_refused(), "in flight");
    queue.nack("e-1", secs(0)).unwrap();
    assert!(is_refused(), "dead");
    for letter in queue.dead_letters() {
        assert_eq!(queue.push(letter).unwrap().id(), "e-1");
    }
    assert!(is_refused(), "it has the id itself now");
    assert!(queue.try_next().is_some());
    assert_eq!(queue.ack("e-1"), Ok(()));
    assert!(!is_refused(), "confirmed");
}
