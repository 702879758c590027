//! Streams with as much in flight as they may have.

use sse_queue::{Event, FakeClock, Lease};

use super::{
    clear_wakes, holding, lease, poll_for_seconds, poll_until_taken, queue_with, resumed,
    waiting_at_capacity,
};
use crate::support::queue::{
    assert_leases_accounted, builder, push_all, quiet_stream, reader, waiting,
};
use crate::support::{Task, secs};

#[test]
fn a_full_stream_waits_and_others_go_on() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_in_flight(2));
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    push_all(&queue, &["a", "b", "c", "d", "e"]);
    streams[0].assert_sends("a,b");
    streams[1].assert_woken_for("c,d");
    streams[2].assert_woken_for("e");
}

#[test]
fn an_ack_is_for_the_full_stream_and_for_no_other() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_in_flight(1));
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    let takers = ["a", "b", "c"].map(|data| {
        queue.push(data).unwrap();
        poll_until_taken(&mut streams)
    });
    push_all(&queue, &["d", "e", "f"]);
    for (id, taker, data, by_ack) in [
        ("e-2", takers[1], "d", true),
        ("e-1", takers[0], "a", false),
    ] {
        poll_for_seconds(&mut streams, &clock, 3);
        if by_ack {
            queue.ack(id).unwrap();
        } else {
            queue.nack(id, None).unwrap();
        }
        assert!(streams[taker].take_wakes() > 0);
        for (at, stream) in streams.iter_mut().enumerate() {
            if at != taker {
                stream.assert_pending();
            }
        }
        assert_eq!(streams[taker].data(), data);
    }
    streams[takers[0]].assert_pending();
    clear_wakes(&streams);
    queue.extend_lease("e-1", secs(60)).unwrap();
    assert_eq!(streams[takers[0]].take_wakes(), 0);
    clock.advance(secs(30));
    for _ in 0..3 {
        for stream in &mut streams {
            let _ = stream.poll_next();
        }
    }
    let stats = queue.stats();
    assert_eq!((stats.in_flight, stats.depth), (3, 2));
    assert_leases_accounted(&queue);
}

/// It is woken by an ack and dropped before it is polled, and no other stream has capacity.
#[test]
fn a_full_stream_that_is_dropped_when_it_has_capacity_again_loses_nothing() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_in_flight(1));
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    stream.assert_sends("a");
    let mut other = waiting_at_capacity(&queue, &clock);
    queue.ack("e-1").unwrap();
    drop(stream);
    queue.ack("e-2").unwrap();
    assert_eq!(other.take_wakes(), 1);
    queue.push("c").unwrap();
    assert_eq!(other.data(), "c");
}

#[test]
fn a_limit_of_nothing_is_one() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_in_flight(0).max_attempts(0));
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    stream.assert_sends("a");
    queue.nack("e-1", None).unwrap();
    assert_eq!(queue.stats().dead, 1);
    assert_eq!(stream.data(), "b");
}

/// The old stream is dropped when its successor is full already.
#[test]
fn a_full_successor_is_woken_by_an_ack_after_the_old_stream_is_dropped() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_in_flight(2));
    let old = holding(&queue, &clock, &["a", "b"]);
    let mut new = resumed(&queue, &clock, "e-1");
    assert_eq!(new.data(), "b");
    push_all(&queue, &["c", "d"]);
    new.assert_sends("c");
    new.take_wakes();
    drop(old);
    queue.ack("e-2").unwrap();
    new.assert_woken_for("d");
}

/// ```text
/// s         0       1       2       ...    30
/// stream    0 takes 1 takes 2 takes        0's lease ends: it alone has capacity
/// ```
#[test]
fn the_end_of_a_lease_wakes_only_the_stream_that_has_capacity_again() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_in_flight(1));
    let mut streams: Vec<_> = (0..10).map(|_| waiting(&queue, &clock)).collect();
    let mut takers = Vec::new();
    for _ in 0..10 {
        queue.push("x").unwrap();
        takers.push(poll_until_taken(&mut streams));
        clock.advance(secs(1));
    }
    let first = takers[0];
    queue.push("last").unwrap();
    poll_for_seconds(&mut streams, &clock, 3);
    let before = clock.wakes();
    clock.advance_to_next();
    assert_eq!(clock.elapsed(), secs(30));
    assert_eq!(clock.wakes() - before, 1);
    let keeper = streams.iter().position(|stream| stream.take_wakes() > 0);
    let keeper = keeper.unwrap();
    if keeper != first {
        streams[keeper].assert_pending();
        assert_eq!(streams[first].take_wakes(), 1);
    }
    assert_eq!(streams[first].data(), "x");
}

/// The timekeeper is dropped; another full stream must keep the time.
#[test]
fn full_streams_keep_the_time_when_one_of_them_is_dropped() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_in_flight(1).grace(secs(60)));
    let mut streams: Vec<_> = (0..4).map(|_| waiting(&queue, &clock)).collect();
    for _ in 0..4 {
        queue.push("x").unwrap();
        poll_until_taken(&mut streams);
    }
    queue.push("last").unwrap();
    poll_for_seconds(&mut streams, &clock, 3);
    while let Some(stream) = streams.pop() {
        drop(stream);
        for _ in 0..3 {
            streams.iter_mut().for_each(Task::assert_pending);
        }
        if !streams.is_empty() {
            assert_eq!(clock.next_deadline(), Some(secs(27)));
        }
    }
    assert_eq!(clock.next_deadline(), None);
}

/// It has no tick after its end, so it must not remain the timekeeper.
#[test]
fn a_full_stream_that_ends_by_age_keeps_no_time() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_in_flight(1));
    let mut other = reader(&queue, &clock);
    queue.push("a").unwrap();
    assert_eq!(other.data(), "a");
    let aging = quiet_stream(&queue, &clock).max_age(secs(10));
    let mut aging = Task::new(aging);
    push_all(&queue, &["b", "c"]);
    assert_eq!(aging.data(), "b");
    other.assert_pending();
    aging.assert_pending();
    clock.advance(secs(10));
    aging.bytes();
    aging.assert_ended();
    clock.advance(secs(20));
    other.assert_woken_for("a");
}

/// Comments do not count as in flight.
#[test]
fn a_full_stream_sends_comments() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_in_flight(1));
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    stream.assert_sends("a");
    stream.take_wakes();
    queue.push(Event::comment("note")).unwrap();
    assert_eq!(stream.take_wakes(), 1);
    assert_eq!(stream.bytes(), ": note\n");
}

#[test]
fn a_full_stream_is_woken_for_a_comment() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(30));
    let queue = builder(&clock).at_least_once(lease).build();
    let mut stream = waiting(&queue, &clock);
    queue.push("job").unwrap();
    stream.assert_sends("job");
    queue.push(Event::comment("news")).unwrap();
    assert_eq!(stream.take_wakes(), 2);
    assert_eq!(stream.bytes(), ": news\n");
    queue.push("another").unwrap();
    queue.push(Event::comment("after it")).unwrap();
    stream.assert_pending();
}
