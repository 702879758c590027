//! Delivery at least once, on a clock that the tests move: leases, acks, redelivery, dead letters.
//!
//! `stats` looks at the queue, which takes back what is not leased any more.

mod ids;

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use sse_queue::{
    AckError, Confirm, Event, FakeClock, LastEventId, Lease, Message, Overflow, PushError, Queue,
    Reason, Remaining,
};

use crate::support::{QueueStream, Task, bare, builder, ms, parser, secs, settled, waiting};

/// A lease of 30 s with a grace of 5 s.
fn lease() -> Lease {
    // As many as a chunk holds, confirmed by coming back: what most of these tests are about.
    let lease = Lease::new(secs(30)).grace(secs(5));
    lease.max_in_flight(64).confirm(Confirm::ByResume)
}

fn lending(clock: &FakeClock, lease: Lease) -> Queue {
    builder(clock).at_least_once(lease).build()
}

fn usual(clock: &FakeClock) -> Queue {
    lending(clock, lease())
}

/// Polls the streams that were woken, until one takes the message that is due: returns which.
fn taker(streams: &mut [Task<QueueStream>]) -> usize {
    for (at, stream) in streams.iter_mut().enumerate() {
        if stream.wakes() > 0 && stream.poll_next().is_ready() {
            stream.is_pending();
            return at;
        }
    }
    panic!("nobody was woken who takes it");
}

/// Polls all streams for some seconds, until those that keep the time arm only for what is to come.
fn rest_for_seconds(streams: &mut [Task<QueueStream>], clock: &FakeClock, seconds: u64) {
    for _ in 0..seconds {
        streams.iter_mut().for_each(Task::is_pending);
        clock.advance(secs(1));
    }
    streams.iter_mut().for_each(Task::is_pending);
    forget_wakes(streams);
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
    while let Some(frame) = queue.next_ready() {
        bytes.extend_from_slice(&frame);
    }
    let events = parser::parse(&bytes).events;
    let data: Vec<_> = events.into_iter().map(|event| event.data).collect();
    data.join(",")
}

fn forget_wakes(streams: &[Task<QueueStream>]) {
    for stream in streams {
        stream.wakes();
    }
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
    assert!(queue.next_ready().is_some());
    assert_eq!(queue.ack("e-1"), Err(AckError::Unknown));
    assert_eq!(queue.nack("e-1", secs(0)), Err(AckError::Unknown));
    assert_eq!(queue.extend_lease("e-1", secs(1)), Err(AckError::Unknown));
    clock.advance(secs(30));
    assert_eq!(places(&queue), (1, 0, 0, 0));
    assert_eq!(queue.ack("e-1"), Err(AckError::Unknown));
    assert!(queue.next_ready().is_some());
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
    assert!(queue.next_ready().is_some());
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
    assert!(queue.next_ready().is_some());
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
fn what_came_back_is_not_dropped_for_another() {
    let clock = FakeClock::new();
    let builder = builder(&clock).capacity(1).at_least_once(lease());
    let queue = builder.overflow(Overflow::DropOldest).build();
    queue.push("a").unwrap();
    assert!(queue.next_ready().is_some());
    let mut push = Task::new(queue.push_when_ready("b"));
    assert!(push.poll().is_pending());
    clock.advance(secs(30));
    assert_eq!((queue.stats().in_flight, queue.stats().depth), (0, 1));
    assert_eq!(push.wakes(), 0);
    assert!(matches!(queue.push("c"), Err(PushError::Full(_))));
    assert_eq!(rest(&queue), "a");
    queue.ack("e-1").unwrap();
    assert_eq!(push.wakes(), 1);
    assert!(push.poll().is_ready());
    assert_eq!(rest(&queue), "b");
    assert_eq!(queue.stats().dropped, 0);
    adds_up(&queue);
}

/// A frame is `id: e-1`, `data: a` and a blank line: 17 bytes.
#[test]
fn a_push_that_was_refused_had_dropped_what_was_there() {
    let clock = FakeClock::new();
    let builder = builder(&clock).capacity_bytes(3 * (17 + 192));
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
    let mut takers = Vec::new();
    for _ in 0..10 {
        queue.push("x").unwrap();
        takers.push(taker(&mut streams));
        clock.advance(secs(1));
    }
    let first = takers[0];
    queue.push("last").unwrap();
    rest_for_seconds(&mut streams, &clock, 3);
    let before = clock.wakes();
    clock.advance_to_next();
    assert_eq!(clock.elapsed(), secs(30));
    assert_eq!(clock.wakes() - before, 1);
    let keeper = streams.iter().position(|stream| stream.wakes() > 0);
    let keeper = keeper.unwrap();
    if keeper != first {
        streams[keeper].is_pending();
        assert_eq!(streams[first].wakes(), 1);
    }
    assert_eq!(streams[first].data(), "x");
}

/// The one that keeps the time goes; another full one must.
#[test]
fn full_streams_keep_the_time_also_when_one_of_them_goes() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_in_flight(1).grace(secs(60)));
    let mut streams: Vec<_> = (0..4).map(|_| waiting(&queue, &clock)).collect();
    for _ in 0..4 {
        queue.push("x").unwrap();
        taker(&mut streams);
    }
    queue.push("last").unwrap();
    rest_for_seconds(&mut streams, &clock, 3);
    while let Some(stream) = streams.pop() {
        drop(stream);
        for _ in 0..3 {
            streams.iter_mut().for_each(Task::is_pending);
        }
        if !streams.is_empty() {
            assert_eq!(clock.next_deadline(), Some(secs(27)));
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
        assert!(queue.next_ready().is_some());
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
fn no_two_held_messages_have_the_same_id() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_attempts(1));
    let is_refused = || matches!(queue.push(own("e-2")), Err(PushError::ReservedId(_)));
    assert!(is_refused(), "not given yet");
    queue.push("a").unwrap();
    queue.push("b").unwrap();
    assert!(is_refused(), "given");
    assert!(queue.next_ready().is_some());
    queue.nack("e-1", secs(0)).unwrap();
    for letter in queue.take_dead_letters() {
        let again = letter.clone();
        assert_eq!(queue.push(letter).unwrap().id(), "e-1");
        let twice = queue.push(again);
        assert!(matches!(twice, Err(PushError::DuplicateId(_))));
    }
    assert!(queue.next_ready().is_some());
    assert!(queue.next_ready().is_some());
    assert_eq!(queue.ack("e-1"), Ok(()));
    assert_eq!(queue.stats().confirmed, 1);
}

#[test]
fn a_repeated_ack_confirms_nothing_else() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    assert!(queue.push(own("e-2")).is_err());
    push_all(&queue, &["a", "b"]);
    assert_eq!(rest(&queue), "a,b");
    for _ in 0..3 {
        assert_eq!(queue.ack("e-2"), Ok(()));
    }
    assert_eq!(places(&queue), (0, 1, 0, 1));
}

#[test]
fn ids_of_any_other_shape_go_through() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    for id in [
        "1795498212020-0",
        "3-12345",
        "order-42",
        "f-1",
        "e-01",
        "e-x",
    ] {
        assert_eq!(queue.push(own(id)).unwrap().id(), id);
        assert!(queue.next_ready().is_some());
        assert_eq!(queue.ack(id), Ok(()), "{id}");
    }
    for id in ["e-0", "e-7", "e-d7", "e-18446744073709551616"] {
        let refused = queue.push(own(id));
        assert!(matches!(refused, Err(PushError::ReservedId(_))), "{id}");
    }
}

#[test]
fn ids_that_could_not_come_back_are_refused() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let refused = queue.push(own("")).unwrap_err();
    assert!(matches!(refused, PushError::EmptyId(_)));
    let most = "x".repeat(LastEventId::MAX_LEN);
    assert_eq!(queue.push(own(&most)).unwrap().id(), most);
    let refused = queue.push(own(&format!("{most}x"))).unwrap_err();
    assert!(matches!(refused, PushError::IdTooLong(_)));
    assert_eq!(refused.into_message(), own(&format!("{most}x")).into());
}

#[test]
fn what_remains_keeps_its_ids_in_a_new_queue_of_the_same_epoch() {
    let clock = FakeClock::new();
    let old = usual(&clock);
    push_all(&old, &["a", "b", "c"]);
    old.push(own("mine")).unwrap();
    assert!(old.next_ready().is_some());
    old.ack("e-1").unwrap();
    let new = usual(&clock);
    for message in old.take_remaining() {
        let id = message.id().to_owned();
        assert_eq!(new.push(message).unwrap().id(), id);
    }
    assert_eq!(new.push("next").unwrap().id(), "e-5", "behind the highest");
    assert_eq!(rest(&new), "b,c,x,next");
    for id in ["e-2", "e-3", "mine", "e-5"] {
        assert_eq!(new.ack(id), Ok(()), "{id}");
    }
    assert_eq!(new.stats().confirmed, 4);
}

// Acks.

#[test]
fn what_is_handed_out_is_in_flight_until_it_is_confirmed() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    queue.push("x").unwrap();
    assert_eq!(places(&queue), (1, 0, 0, 0));
    assert_eq!(stream.data(), "x");
    assert_eq!(places(&queue), (0, 1, 0, 0));
    stream.is_pending();
    assert_eq!(queue.ack("e-1"), Ok(()));
    assert_eq!(places(&queue), (0, 0, 0, 1));
    clock.advance(secs(60));
    stream.is_pending();
    assert_eq!(queue.stats().redelivered, 0);
    assert_eq!(queue.stats().bytes, 0);
    adds_up(&queue);
}

#[test]
fn what_is_confirmed_may_be_confirmed_again_and_nothing_else() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    queue.push("a").unwrap();
    queue.push(own("mine")).unwrap();
    assert_eq!(rest(&queue), "a,x");
    for id in ["e-1", "mine"] {
        for _ in 0..3 {
            assert_eq!(queue.ack(id), Ok(()));
        }
        assert_eq!(queue.nack(id, secs(0)), Err(AckError::Stale));
        assert_eq!(queue.extend_lease(id, secs(1)), Err(AckError::Stale));
    }
    assert_eq!(queue.stats().confirmed, 2);
}

#[test]
fn what_was_never_handed_out_is_unknown() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    queue.push("queued").unwrap();
    queue
        .push(Message::from("scheduled").after(secs(9)))
        .unwrap();
    queue.push("cancelled").unwrap();
    queue.push(own("mine")).unwrap();
    assert!(queue.cancel("e-3"));
    let ids = [
        "e-1", "e-2", "e-3", "mine", "e-0", "e-9", "f-1", "", "e-1 ", "e-01",
    ];
    for id in ids {
        assert_eq!(queue.ack(id), Err(AckError::Unknown), "{id}");
        assert_eq!(queue.nack(id, secs(0)), Err(AckError::Unknown), "{id}");
        assert_eq!(
            queue.extend_lease(id, secs(1)),
            Err(AckError::Unknown),
            "{id}"
        );
    }
    assert_eq!(places(&queue), (3, 0, 0, 0));
}

#[test]
fn a_queue_that_delivers_at_most_once_has_nothing_in_flight() {
    let clock = FakeClock::new();
    let queue = builder(&clock).build();
    queue.push("x").unwrap();
    assert!(queue.next_ready().is_some());
    assert_eq!(queue.ack("e-1"), Err(AckError::Unknown));
    assert_eq!(queue.nack("e-1", secs(0)), Err(AckError::Unknown));
    assert_eq!(queue.extend_lease("e-1", secs(0)), Err(AckError::Unknown));
    assert!(queue.take_dead_letters().is_empty());
    assert!(Task::new(queue.drain(clock.ticker())).poll().is_ready());
    assert_eq!(queue.stats().confirmed, 0);
    queue.push(own("mine")).unwrap();
    assert!(queue.push(own("mine")).is_ok(), "ids may repeat");
}

/// Came back, dead, taken, cancelled, dropped, expired: each was in flight once.
#[test]
fn what_is_not_in_flight_any_more_is_stale() {
    let clock = FakeClock::new();
    let builder = builder(&clock).capacity(7).overflow(Overflow::DropOldest);
    let queue = builder.at_least_once(lease().max_attempts(2)).build();
    let brief = Message::from("expires").expires_after(secs(31));
    push_all(&queue, &["dropped"]);
    queue.push(brief).unwrap();
    push_all(&queue, &["dead", "cancelled", "back"]);
    queue.push(own("mine")).unwrap();
    assert_eq!(rest(&queue), "dropped,expires,dead,cancelled,back,x");
    clock.advance(secs(30));
    let is_stale = |id: &str| {
        assert_eq!(queue.ack(id), Err(AckError::Stale), "{id}");
        assert_eq!(queue.nack(id, secs(0)), Err(AckError::Stale), "{id}");
        assert_eq!(
            queue.extend_lease(id, secs(1)),
            Err(AckError::Stale),
            "{id}"
        );
    };
    let are_stale = || {
        for id in ["e-1", "e-2", "e-3", "e-4", "e-5", "mine"] {
            is_stale(id);
        }
    };
    are_stale();
    push_all(&queue, &["more", "for another"]);
    assert_eq!(queue.stats().dropped, 1);
    assert!(queue.cancel("e-1") && queue.cancel("e-4") && queue.cancel("mine"));
    clock.advance(secs(1));
    assert_eq!(queue.stats().expired, 1);
    assert!(queue.next_ready().is_some());
    queue.nack("e-3", secs(0)).unwrap();
    assert_eq!(queue.stats().dead, 1);
    are_stale();
    assert_eq!(queue.take_dead_letters().len(), 1);
    are_stale();
    adds_up(&queue);
}

#[test]
fn a_comment_has_no_id_to_confirm_and_goes_once() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    let note = queue.push(Event::comment("note")).unwrap();
    queue.push("x").unwrap();
    assert_eq!(stream.bytes(), ": note\nid: e-2\ndata: x\n\n");
    assert_eq!(places(&queue), (0, 1, 0, 1));
    assert_eq!(queue.ack(note.id()), Err(AckError::Unknown));
    drop(stream);
    clock.advance(secs(30));
    assert_eq!(rest(&queue), "x");
    adds_up(&queue);
}

/// Full of messages, not of comments.
#[test]
fn a_full_stream_still_takes_comments() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_in_flight(1));
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    assert_eq!(stream.data(), "a");
    stream.is_pending();
    stream.wakes();
    queue.push(Event::comment("note")).unwrap();
    assert_eq!(stream.wakes(), 1);
    assert_eq!(stream.bytes(), ": note\n");
}

// Lease end.

/// ```text
/// s    0             30 - 1 ns     30
///      a is taken    in flight     queued
/// ```
#[test]
fn a_lease_lasts_until_the_nanosecond_before_its_end() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    queue.push("a").unwrap();
    assert_eq!(rest(&queue), "a");
    clock.advance(Duration::new(29, 999_999_999));
    assert_eq!(rest(&queue), "");
    clock.advance(Duration::from_nanos(1));
    assert_eq!(rest(&queue), "a");
    assert_eq!(queue.stats().redelivered, 1);
    assert_eq!(queue.stats().delivered, 2);
    adds_up(&queue);
}

/// ```text
/// s    0            1           30             31
///      a, b taken   c taken     a, b back      c back
/// ```
#[test]
fn what_comes_back_stands_where_it_stood() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(rest(&queue), "a,b");
    clock.advance(secs(1));
    push_all(&queue, &["c"]);
    assert_eq!(rest(&queue), "c");
    clock.advance(secs(28));
    push_all(&queue, &["d"]);
    clock.advance(secs(1));
    push_all(&queue, &["e"]);
    assert_eq!(rest(&queue), "a,b,d,e");
    clock.advance(secs(1));
    assert_eq!(rest(&queue), "c");
}

#[test]
fn the_lease_of_a_redelivery_is_a_new_one() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    queue.push("a").unwrap();
    for _ in 0..3 {
        assert_eq!(rest(&queue), "a");
        clock.advance(secs(29));
        assert_eq!(rest(&queue), "");
        clock.advance(secs(1));
    }
    assert_eq!(rest(&queue), "a");
    assert_eq!(queue.ack("e-1"), Ok(()));
    assert_eq!(queue.stats().redelivered, 3);
}

#[test]
fn a_waiting_stream_looks_when_a_lease_ends_and_no_sooner() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    queue.push("a").unwrap();
    assert_eq!(streams[0].data(), "a");
    // For a second, one of them sees that the stream that was woken polls.
    for _ in 0..2 {
        streams.iter_mut().for_each(Task::is_pending);
        clock.advance(secs(1));
    }
    streams.iter_mut().for_each(Task::is_pending);
    assert_eq!(clock.next_deadline(), Some(secs(28)));
    forget_wakes(&streams);
    assert_eq!(clock.advance_to_next(), Some(secs(28)));
    let wakes = streams.each_ref().map(Task::wakes);
    assert_eq!(wakes.iter().sum::<usize>(), 1, "one keeps the time");
    let keeper = wakes.iter().position(|wakes| *wakes > 0).unwrap();
    assert_eq!(streams[keeper].data(), "a");
}

#[test]
fn an_idle_queue_with_nothing_in_flight_arms_nothing() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    assert_eq!(stream.data(), "a");
    queue.ack("e-1").unwrap();
    stream.is_pending();
    assert_eq!(clock.next_deadline(), None);
}

#[test]
fn an_extended_lease_ends_later_by_as_much() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(rest(&queue), "a,b");
    for _ in 0..2 {
        queue.extend_lease("e-1", secs(10)).unwrap();
    }
    clock.advance(secs(49));
    assert_eq!(rest(&queue), "b");
    clock.advance(secs(1));
    assert_eq!(rest(&queue), "a");
}

#[test]
fn a_lease_extended_past_all_time_never_ends() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    queue.push("a").unwrap();
    assert_eq!(rest(&queue), "a");
    queue.extend_lease("e-1", Duration::MAX).unwrap();
    let mut stream = waiting(&queue, &clock);
    let mut drain = Task::new(queue.drain(clock.ticker()));
    assert!(drain.poll().is_pending());
    clock.advance(secs(1_000_000_000));
    stream.is_pending();
    assert!(drain.poll().is_pending());
    queue.extend_lease("e-1", Duration::MAX).unwrap();
    assert_eq!(queue.ack("e-1"), Ok(()));
    assert!(drain.poll().is_ready());
}

#[test]
fn leases_of_no_time_and_of_all_time_are_leases() {
    let clock = FakeClock::new();
    let queue = lending(
        &clock,
        Lease::new(Duration::ZERO).max_attempts(3).max_in_flight(64),
    );
    queue.push("a").unwrap();
    assert_eq!(rest(&queue), "a,a,a");
    assert_eq!(places(&queue), (0, 0, 1, 0));

    let queue = lending(
        &clock,
        Lease::new(Duration::MAX)
            .grace(Duration::MAX)
            .max_in_flight(64),
    );
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    assert_eq!(stream.data(), "a");
    stream.is_pending();
    drop(stream);
    clock.advance(secs(1_000_000_000));
    assert_eq!(places(&queue), (0, 1, 0, 0));
    assert_eq!(queue.ack("e-1"), Ok(()));
}

// Nack.

#[test]
fn a_nack_without_delay_puts_it_back_to_its_place() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    push_all(&queue, &["a", "b", "c"]);
    assert_eq!(rest(&queue), "a,b,c");
    clock.advance(secs(1));
    queue.push("d").unwrap();
    for id in ["e-3", "e-1"] {
        queue.nack(id, Duration::ZERO).unwrap();
    }
    assert_eq!(rest(&queue), "a,c,d");
    assert_eq!(queue.stats().redelivered, 2);
    adds_up(&queue);
}

/// ```text
/// s    0                1            2
///      a back, due: 2   b is due     a is due
/// ```
#[test]
fn a_nack_with_delay_makes_it_due_then() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    queue.push(Message::from("b").after(secs(1))).unwrap();
    assert_eq!(stream.data(), "a");
    stream.is_pending();
    queue.nack("e-1", secs(2)).unwrap();
    stream.is_pending();
    clock.advance(secs(1));
    assert_eq!(stream.data(), "b");
    stream.is_pending();
    stream.wakes();
    assert_eq!(clock.advance_to_next(), Some(secs(1)));
    assert_eq!(stream.wakes(), 1);
    assert_eq!(stream.data(), "a");
    queue.nack("e-1", Duration::MAX).unwrap();
    stream.is_pending();
    assert_eq!(queue.take_remaining()[1].due(), None, "never");
}

#[test]
fn an_expired_message_that_is_given_back_is_gone() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_attempts(1));
    for _ in 0..2 {
        let brief = Message::from("x").expires_after(secs(1));
        queue.push(brief).unwrap();
    }
    assert_eq!(rest(&queue), "x,x");
    clock.advance(secs(1));
    assert_eq!(queue.stats().in_flight, 2, "its client may yet confirm it");
    queue.nack("e-1", secs(0)).unwrap();
    queue.ack("e-2").unwrap();
    assert_eq!(places(&queue), (0, 0, 0, 1));
    assert_eq!(queue.stats().expired, 1, "and not dead");
    adds_up(&queue);
}

#[test]
fn an_expired_message_whose_lease_ends_is_gone() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    let brief = Message::from("x").expires_after(secs(1));
    queue.push(brief).unwrap();
    assert_eq!(stream.data(), "x");
    clock.advance(secs(30));
    stream.is_pending();
    let stats = queue.stats();
    assert_eq!((stats.expired, stats.in_flight, stats.bytes), (1, 0, 0));
    adds_up(&queue);
}

#[test]
fn what_expires_after_it_has_come_back_is_never_sent_again() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let brief = Message::from("x").expires_after(secs(40));
    queue.push(brief).unwrap();
    assert_eq!(rest(&queue), "x");
    clock.advance(secs(30));
    assert_eq!(queue.stats().depth, 1);
    clock.advance(secs(10));
    assert_eq!(rest(&queue), "");
    assert_eq!(queue.stats().expired, 1);
    adds_up(&queue);
}

// Attempts and dead letters.

#[test]
fn after_its_last_attempt_a_message_is_dead_and_says_why() {
    let reasons = [Reason::LeaseEnded, Reason::Dropped, Reason::Nacked];
    for reason in reasons {
        let clock = FakeClock::new();
        let queue = lending(&clock, lease().max_attempts(3));
        let start = SystemTime::UNIX_EPOCH;
        let message = Message::from("x").at(start).expires_after(secs(1000));
        queue.push(message).unwrap();
        for attempt in 1..=3 {
            assert_eq!(queue.stats().dead, 0, "{attempt}");
            let mut stream = Task::new(bare(&queue, &clock));
            assert_eq!(stream.data(), "x");
            match reason {
                Reason::LeaseEnded => clock.advance(secs(30)),
                Reason::Nacked => queue.nack("e-1", secs(0)).unwrap(),
                _ => {
                    drop(stream);
                    clock.advance(secs(5));
                }
            }
        }
        assert_eq!(places(&queue), (0, 0, 1, 0));
        adds_up(&queue);
        let letters = queue.take_dead_letters();
        assert_eq!(letters.len(), 1);
        let letter = &letters[0];
        assert_eq!((letter.attempts(), letter.reason()), (3, reason));
        assert_eq!((letter.id(), letter.frame().len()), ("e-1", 17));
        assert_eq!(queue.stats().withdrawn, 1);
        assert_eq!(queue.stats().bytes, 0);
        adds_up(&queue);

        queue.push(letters[0].clone()).unwrap();
        let again = queue.take_remaining();
        assert_eq!((again[0].id(), again[0].attempts()), ("e-1", 0));
        assert_eq!(again[0].due(), Some(start));
        assert_eq!(again[0].expires(), Some(start + secs(1000)));
    }
}

#[test]
fn dead_letters_come_in_the_order_of_their_deaths() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_attempts(1));
    push_all(&queue, &["a", "b", "c"]);
    assert_eq!(rest(&queue), "a,b,c");
    for id in ["e-2", "e-3", "e-1"] {
        queue.nack(id, secs(0)).unwrap();
    }
    let letters = queue.take_dead_letters();
    let ids: Vec<_> = letters.iter().map(sse_queue::DeadLetter::id).collect();
    assert_eq!(ids, ["e-2", "e-3", "e-1"]);
}

#[test]
fn a_dead_message_does_not_expire() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_attempts(1));
    let brief = Message::from("x").expires_after(secs(1));
    queue.push(brief).unwrap();
    assert_eq!(rest(&queue), "x");
    queue.nack("e-1", secs(0)).unwrap();
    clock.advance(secs(60));
    assert_eq!((queue.stats().dead, queue.stats().expired), (1, 0));
}

/// To be sent again is an attempt.
#[test]
fn what_a_client_that_comes_back_got_as_often_as_it_may_is_dead() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_attempts(2));
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c"]);
    assert_eq!(stream.data(), "a,b,c");
    let mut stream = back(&queue, &clock, "e-1");
    assert_eq!(stream.data(), "b,c");
    let mut stream = back(&queue, &clock, "e-2");
    stream.is_pending();
    let letters = queue.take_dead_letters();
    assert_eq!((letters[0].id(), letters[0].attempts()), ("e-3", 2));
    assert_eq!(letters[0].reason(), Reason::Dropped);
    adds_up(&queue);
}

// Own ids.

#[test]
fn an_id_of_its_own_is_refused_while_the_queue_answers_for_it() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_attempts(1));
    let refused = || {
        let refused = queue.push(own("mine")).unwrap_err();
        assert!(matches!(refused, PushError::DuplicateId(_)));
        assert_eq!(refused.into_message(), own("mine").into());
        let mut waits = Task::new(queue.push_when_ready(own("mine")));
        assert!(matches!(
            waits.poll(),
            Poll::Ready(Err(PushError::DuplicateId(_)))
        ));
    };
    queue.push(own("mine")).unwrap();
    refused();
    assert!(queue.next_ready().is_some());
    refused();
    queue.nack("mine", secs(0)).unwrap();
    refused();
    assert_eq!(queue.take_dead_letters().len(), 1);
    queue.push(own("mine")).unwrap();
    assert!(queue.cancel("mine"));
    queue.push(own("mine")).unwrap();
    assert!(queue.next_ready().is_some());
    queue.ack("mine").unwrap();
    queue.push(own("mine")).unwrap();
    assert_eq!(queue.ack("mine"), Err(AckError::Unknown), "not yet");
    adds_up(&queue);
}

#[test]
fn a_duplicate_in_line_leaves_its_place_to_the_next() {
    let clock = FakeClock::new();
    let builder = builder(&clock).capacity(1);
    let queue = builder.at_least_once(lease()).build();
    queue.push("a").unwrap();
    let mut first = Task::new(queue.push_when_ready(own("mine")));
    let mut second = Task::new(queue.push_when_ready(own("mine")));
    let mut third = Task::new(queue.push_when_ready("b"));
    assert!(first.poll().is_pending());
    assert!(second.poll().is_pending());
    assert!(third.poll().is_pending());
    assert_eq!(queue.take_remaining().len(), 1);
    assert!(first.poll().is_ready());
    assert!(second.poll().is_ready());
    assert!(third.poll().is_pending());
    assert_eq!(queue.take_remaining().len(), 1);
    assert_eq!(third.wakes(), 1);
    assert!(third.poll().is_ready());
}

// A stream goes, and its client comes back.

/// ```text
/// s    0            5 - 1 ns     5
///      dropped      orphaned     queued
/// ```
#[test]
fn what_a_dropped_stream_had_waits_for_the_grace() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut other = waiting(&queue, &clock);
    let mut stream = Task::new(bare(&queue, &clock));
    push_all(&queue, &["a", "b"]);
    assert_eq!(stream.data(), "a,b");
    queue.ack("e-1").unwrap();
    drop(stream);
    other.is_pending();
    clock.advance(Duration::new(4, 999_999_999));
    other.is_pending();
    assert_eq!(places(&queue), (0, 1, 0, 1));
    other.wakes();
    clock.advance(Duration::from_nanos(1));
    assert_eq!(other.wakes(), 1);
    assert_eq!(other.data(), "b");
    adds_up(&queue);
}

/// ```text
/// s    0            28         30                    33
///      a is taken   dropped    the lease has ended   end of grace
/// ```
#[test]
fn the_grace_does_not_make_a_lease_longer() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_attempts(1));
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    assert_eq!(stream.data(), "a");
    clock.advance(secs(28));
    drop(stream);
    clock.advance(secs(2));
    assert_eq!(queue.take_dead_letters()[0].reason(), Reason::LeaseEnded);
}

#[test]
fn an_orphan_can_be_confirmed_given_back_and_extended() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c"]);
    assert_eq!(stream.data(), "a,b,c");
    drop(stream);
    assert_eq!(queue.ack("e-1"), Ok(()));
    assert_eq!(queue.nack("e-2", secs(0)), Ok(()));
    assert_eq!(queue.extend_lease("e-3", secs(60)), Ok(()));
    assert_eq!(rest(&queue), "b");
    clock.advance(secs(5));
    assert_eq!(rest(&queue), "", "what was extended outlives the grace");
    assert_eq!(queue.ack("e-3"), Ok(()));
    adds_up(&queue);
}

#[test]
fn a_client_that_comes_back_confirms_what_it_saw_and_gets_the_rest_first() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c", "d"]);
    assert_eq!(stream.data(), "a,b,c,d");
    drop(stream);
    clock.advance(secs(4));
    let past = Message::from("past").at(SystemTime::UNIX_EPOCH);
    queue.push(past).unwrap();
    let mut stream = back(&queue, &clock, "e-2");
    assert_eq!(places(&queue), (1, 2, 0, 2));
    assert_eq!(stream.data(), "c,d,past");
    assert_eq!(queue.stats().redelivered, 2);
    // The grace of before is over, and the leases are new.
    clock.advance(secs(29));
    assert_eq!(places(&queue), (0, 3, 0, 2));
    clock.advance(secs(1));
    assert_eq!(places(&queue), (3, 0, 0, 2));
    adds_up(&queue);
}

#[test]
fn what_is_owed_goes_within_the_limits_of_a_chunk() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c", "d", "e"]);
    assert_eq!(stream.data(), "a,b,c,d,e");
    let stream = queue.stream_after(&LastEventId::new("e-1"), clock.ticker());
    let stream = stream.unwrap().first_bytes(false).max_messages(3);
    let mut stream = Task::new(stream);
    queue.push("f").unwrap();
    assert_eq!(stream.data(), "b,c,d");
    assert_eq!(stream.data(), "e,f");
}

#[test]
fn the_last_id_confirms_all_and_leaves_nothing_to_send() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    queue.push(own("mine")).unwrap();
    assert_eq!(stream.data(), "a,x");
    drop(stream);
    let mut stream = back(&queue, &clock, "mine");
    stream.is_pending();
    assert_eq!(places(&queue), (0, 0, 0, 2));
    assert_eq!(queue.ack("e-1"), Ok(()));
    queue.push("b").unwrap();
    assert_eq!(stream.data(), "b");
}

/// Another stream's messages are none of this client's business, whatever their numbers.
#[test]
fn an_id_confirms_nothing_of_another_stream() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_in_flight(1));
    let mut one = waiting(&queue, &clock);
    let mut two = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!((one.data(), two.data()), ("a".into(), "b".into()));
    drop(two);
    drop(back(&queue, &clock, "e-2"));
    assert_eq!(places(&queue), (0, 1, 0, 1));
    assert_eq!(queue.ack("e-1"), Ok(()));
}

/// What is confirmed is not in the order of numbers, but of handing out.
#[test]
fn up_to_an_id_means_in_the_order_of_handing_out() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    queue.push(Message::from("late").after(secs(1))).unwrap();
    queue.push("b").unwrap();
    assert_eq!(stream.data(), "b");
    clock.advance(secs(1));
    assert_eq!(stream.data(), "late");
    drop(stream);
    let mut stream = back(&queue, &clock, "e-2");
    assert_eq!(places(&queue), (0, 1, 0, 1));
    assert_eq!(stream.data(), "late");
}

#[test]
fn an_id_that_is_not_in_flight_confirms_nothing() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c"]);
    queue.push(Message::from("later").after(secs(9))).unwrap();
    assert_eq!(stream.data(), "a,b,c");
    queue.ack("e-2").unwrap();
    drop(stream);
    for id in ["e-4", "e-5", "e-0", "f-1", "", "nonsense"] {
        back(&queue, &clock, id).is_pending();
        assert_eq!(places(&queue), (1, 2, 0, 1), "{id}");
    }
    let mut stream = back(&queue, &clock, "e-2");
    assert_eq!(places(&queue), (1, 1, 0, 2), "it saw what it has acked");
    assert_eq!(stream.data(), "c");
    drop(stream);
    clock.advance(secs(5));
    assert_eq!(rest(&queue), "c", "late, and not lost");
}

#[test]
fn what_was_taken_without_a_stream_is_nobodys_to_take_over() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(rest(&queue), "a,b");
    back(&queue, &clock, "e-1").is_pending();
    assert_eq!(places(&queue), (0, 2, 0, 0));
}

#[test]
fn coming_back_twice_with_the_same_id_is_the_same_as_once() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(stream.data(), "a,b");
    drop(stream);
    let mut first = back(&queue, &clock, "e-1");
    assert_eq!(first.data(), "b");
    let mut second = back(&queue, &clock, "e-1");
    first.is_pending();
    assert_eq!(second.data(), "b", "it was lost on the way");
    drop(first);
    clock.advance(secs(5));
    assert_eq!(places(&queue), (0, 1, 0, 1));
    adds_up(&queue);
}

/// The server has not noticed yet that the client is gone.
#[test]
fn a_stream_that_still_lives_begins_anew_when_it_is_taken_over() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut old = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(old.data(), "a,b");
    old.is_pending();
    let mut new = back(&queue, &clock, "e-1");
    queue.push("c").unwrap();
    assert_eq!(old.data(), "c");
    assert_eq!(new.data(), "b");
    drop(old);
    clock.advance(secs(5));
    assert_eq!(places(&queue), (1, 1, 0, 1), "what is taken over stays");
    assert_eq!(new.data(), "c");
}

#[test]
fn after_the_grace_there_is_nothing_to_come_back_to() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(stream.data(), "a,b");
    drop(stream);
    clock.advance(secs(5));
    let mut stream = back(&queue, &clock, "e-1");
    assert_eq!(places(&queue), (2, 0, 0, 0));
    assert_eq!(stream.data(), "a,b");
    // Nor to what was handed out anew: the id may be the first client's.
    let mut again = back(&queue, &clock, "e-1");
    again.is_pending();
    assert_eq!(places(&queue), (0, 2, 0, 0));
    adds_up(&queue);
}

#[test]
fn a_client_that_came_back_late_confirmed_what_only_another_had() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut late = waiting(&queue, &clock);
    push_all(&queue, &["a"]);
    assert_eq!(late.data(), "a");
    drop(late);
    let mut other = waiting(&queue, &clock);
    push_all(&queue, &["b"]);
    assert_eq!(other.data(), "b");
    clock.advance(secs(5));
    assert_eq!(other.data(), "a");

    // The first has seen "a", and nothing of "b".
    back(&queue, &clock, "e-1").is_pending();
    drop(other);
    clock.advance(secs(5));
    assert_eq!(rest(&queue), "a,b");
    adds_up(&queue);
}

#[test]
fn a_client_that_is_gone_again_before_it_was_sent_anything_loses_nothing() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c"]);
    assert_eq!(stream.data(), "a,b,c");
    drop(stream);
    drop(back(&queue, &clock, "e-1"));
    assert_eq!(places(&queue), (0, 2, 0, 1));
    let mut stream = back(&queue, &clock, "e-2");
    assert_eq!(stream.data(), "c", "another id of the same stream");
    drop(stream);
    clock.advance(secs(5));
    assert_eq!(rest(&queue), "c");
    adds_up(&queue);
}

#[test]
fn what_is_confirmed_while_it_is_owed_is_not_sent_again() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c", "d", "e"]);
    assert_eq!(stream.data(), "a,b,c,d,e");
    let mut stream = back(&queue, &clock, "e-1");
    for id in ["e-2", "e-4"] {
        queue.ack(id).unwrap();
    }
    queue.nack("e-5", secs(1)).unwrap();
    assert_eq!(stream.data(), "c");
    stream.is_pending();
    clock.advance(secs(1));
    assert_eq!(stream.data(), "e");
}

#[test]
fn a_client_that_saw_more_than_one_hold_of_the_lock_confirms_saw_it_all() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_in_flight(1000));
    let stream = bare(&queue, &clock).max_messages(1000);
    let mut stream = settled(stream);
    for n in 0..1000 {
        queue.push(n.to_string()).unwrap();
    }
    while queue.stats().depth > 0 {
        stream.data();
    }
    drop(stream);
    let mut stream = back(&queue, &clock, "e-900");
    assert_eq!(places(&queue), (0, 100, 0, 900));
    let rest: Vec<_> = (900..1000).map(|n| n.to_string()).collect();
    let mut sent = Vec::new();
    while sent.len() < 100 {
        sent.extend(stream.data().split(',').map(str::to_owned));
    }
    assert_eq!(sent, rest);
}

// As much in flight as a stream may have.

#[test]
fn a_full_stream_waits_and_others_go_on() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_in_flight(2));
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    push_all(&queue, &["a", "b", "c", "d", "e"]);
    assert_eq!(streams[0].data(), "a,b");
    streams[0].is_pending();
    assert_eq!(streams[1].wakes(), 1);
    assert_eq!(streams[1].data(), "c,d");
    assert_eq!(streams[2].wakes(), 1);
    assert_eq!(streams[2].data(), "e");
}

#[test]
fn an_ack_is_for_the_full_stream_and_for_no_other() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_in_flight(1));
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    let takers = ["a", "b", "c"].map(|data| {
        queue.push(data).unwrap();
        taker(&mut streams)
    });
    push_all(&queue, &["d", "e", "f"]);
    for (id, taker, data, by_ack) in [
        ("e-2", takers[1], "d", true),
        ("e-1", takers[0], "a", false),
    ] {
        rest_for_seconds(&mut streams, &clock, 3);
        if by_ack {
            queue.ack(id).unwrap();
        } else {
            queue.nack(id, secs(0)).unwrap();
        }
        assert!(streams[taker].wakes() > 0);
        for (at, stream) in streams.iter_mut().enumerate() {
            if at != taker {
                stream.is_pending();
            }
        }
        assert_eq!(streams[taker].data(), data);
    }
    streams[takers[0]].is_pending();
    forget_wakes(&streams);
    queue.extend_lease("e-1", secs(60)).unwrap();
    assert_eq!(streams[takers[0]].wakes(), 0);
    clock.advance(secs(30));
    for _ in 0..3 {
        for stream in &mut streams {
            let _ = stream.poll_next();
        }
    }
    let stats = queue.stats();
    assert_eq!((stats.in_flight, stats.depth), (3, 2));
    adds_up(&queue);
}

/// It is woken by an ack, and goes before it has looked: nobody else had a place.
#[test]
fn a_full_stream_that_goes_when_it_has_a_place_loses_nothing() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_in_flight(1));
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(stream.data(), "a");
    stream.is_pending();
    let mut other = waiting_full(&queue, &clock);
    queue.ack("e-1").unwrap();
    drop(stream);
    queue.ack("e-2").unwrap();
    assert_eq!(other.wakes(), 1);
    queue.push("c").unwrap();
    assert_eq!(other.data(), "c");
}

/// A stream that took what was there and waits for a place.
fn waiting_full(queue: &Queue, clock: &FakeClock) -> Task<QueueStream> {
    let mut stream = Task::new(bare(queue, clock));
    stream.data();
    queue.push("more").unwrap();
    stream.is_pending();
    assert!(queue.cancel("e-3"));
    stream.wakes();
    stream
}

#[test]
fn a_limit_of_nothing_is_one() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_in_flight(0).max_attempts(0));
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(stream.data(), "a");
    stream.is_pending();
    queue.nack("e-1", secs(0)).unwrap();
    assert_eq!(queue.stats().dead, 1);
    assert_eq!(stream.data(), "b");
}

// Pacing.

/// ```text
/// s    0       10      20               30
///              a       full             b
/// ack                        at 25
/// ```
#[test]
fn a_ticked_stream_that_is_full_goes_on_at_its_tick() {
    let clock = FakeClock::new();
    let queue = lending(&clock, Lease::new(secs(600)).max_in_flight(1));
    let mut stream = settled(bare(&queue, &clock).every(secs(10)));
    push_all(&queue, &["a", "b"]);
    stream.is_pending();
    clock.advance(secs(10));
    assert_eq!(stream.data(), "a");
    stream.is_pending();
    clock.advance(secs(15));
    stream.is_pending();
    stream.wakes();
    queue.ack("e-1").unwrap();
    assert_eq!(stream.wakes(), 1);
    stream.is_pending();
    clock.advance(secs(5));
    assert_eq!(stream.wakes(), 1);
    assert_eq!(stream.data(), "b");
}

/// The full one must not promise to look.
#[test]
fn a_ticked_stream_that_is_full_leaves_the_rest_to_others() {
    let clock = FakeClock::new();
    let queue = lending(&clock, Lease::new(secs(600)).max_in_flight(1));
    let mut full = settled(bare(&queue, &clock).every(secs(10)));
    let mut other = settled(bare(&queue, &clock).every(secs(10)));
    push_all(&queue, &["a", "b", "c"]);
    full.is_pending();
    other.is_pending();
    clock.advance(secs(10));
    assert_eq!(full.data(), "a");
    full.is_pending();
    assert_eq!(other.data(), "b");
    other.is_pending();
    full.wakes();
    other.wakes();
    queue.ack("e-2").unwrap();
    assert_eq!((full.wakes(), other.wakes()), (0, 1));
    other.is_pending();
    clock.advance(secs(10));
    assert_eq!(other.data(), "c");
}

/// ```text
/// s    0       7       10      37       40
///              push    a       ends     a
/// ```
#[test]
fn a_lease_that_ends_between_two_ticks_is_seen_at_the_next() {
    let clock = FakeClock::new();
    let queue = lending(&clock, Lease::new(secs(27)).max_in_flight(64));
    let mut stream = settled(bare(&queue, &clock).every(secs(10)));
    clock.advance(secs(7));
    queue.push("a").unwrap();
    stream.is_pending();
    clock.advance(secs(3));
    assert_eq!(stream.data(), "a");
    stream.is_pending();
    clock.advance(secs(27));
    stream.is_pending();
    stream.wakes();
    clock.advance(secs(3));
    assert_eq!(stream.wakes(), 1);
    assert_eq!(stream.data(), "a");
}

#[test]
fn what_is_owed_to_a_ticked_stream_goes_at_its_ticks() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c"]);
    assert_eq!(stream.data(), "a,b,c");
    let stream = queue.stream_after(&LastEventId::new("e-1"), clock.ticker());
    let stream = stream.unwrap().first_bytes(false).every(secs(1));
    let mut stream = settled(stream);
    for data in ["b", "c"] {
        clock.advance(secs(1));
        assert_eq!(stream.data(), data);
        stream.is_pending();
    }
}

/// ```text
/// s    0      5                 20
///      a      nacked, armed     a
/// ```
#[test]
fn a_spaced_stream_gets_what_came_back_after_its_gap() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = settled(bare(&queue, &clock).spaced(secs(20)));
    queue.push("a").unwrap();
    assert_eq!(stream.data(), "a");
    stream.is_pending();
    clock.advance(secs(5));
    stream.wakes();
    queue.nack("e-1", secs(0)).unwrap();
    assert_eq!(stream.wakes(), 1, "to arm for the end of its gap");
    stream.is_pending();
    clock.advance(secs(14));
    assert_eq!(stream.wakes(), 0);
    clock.advance(secs(1));
    assert_eq!(stream.wakes(), 1);
    assert_eq!(stream.data(), "a");
}

// Bounds.

#[test]
fn what_is_in_flight_or_dead_counts_against_the_bounds() {
    for overflow in [Overflow::Reject, Overflow::DropOldest] {
        let clock = FakeClock::new();
        let builder = builder(&clock).capacity(2).overflow(overflow);
        let queue = builder.at_least_once(lease().max_attempts(1)).build();
        push_all(&queue, &["a", "b"]);
        assert_eq!(rest(&queue), "a,b");
        assert!(matches!(queue.push("c"), Err(PushError::Full(_))));
        queue.nack("e-1", secs(0)).unwrap();
        assert_eq!(places(&queue), (0, 1, 1, 0));
        assert!(matches!(queue.push("c"), Err(PushError::Full(_))));
        assert_eq!(queue.stats().bytes, 2 * (17 + 192));
        assert_eq!(queue.take_dead_letters().len(), 1);
        queue.push("c").unwrap();
        assert_eq!(queue.stats().dropped, 0);
        adds_up(&queue);
    }
}

#[test]
fn drop_oldest_drops_what_waits_and_not_what_is_in_flight() {
    let clock = FakeClock::new();
    let builder = builder(&clock).capacity(2).overflow(Overflow::DropOldest);
    let queue = builder.at_least_once(lease()).build();
    push_all(&queue, &["a"]);
    assert_eq!(rest(&queue), "a");
    push_all(&queue, &["b", "c", "d"]);
    assert_eq!(places(&queue), (1, 1, 0, 0));
    assert_eq!(queue.stats().dropped, 2);
    clock.advance(secs(30));
    assert_eq!(rest(&queue), "a,d");
    adds_up(&queue);
}

#[test]
fn who_waits_for_room_is_woken_by_whatever_makes_it() {
    let ways: [fn(&Queue, &FakeClock); 4] = [
        |queue, _| queue.ack("e-1").unwrap(),
        |queue, _| {
            queue.nack("e-1", secs(0)).unwrap();
            assert_eq!(queue.take_dead_letters().len(), 1);
        },
        |queue, clock| {
            drop(Task::new(bare(queue, clock)));
            clock.advance(secs(30));
            assert_eq!(queue.take_dead_letters().len(), 1);
        },
        |queue, _| assert_eq!(queue.take_remaining().len(), 1),
    ];
    for (n, way) in ways.into_iter().enumerate() {
        for overflow in [Overflow::Reject, Overflow::DropOldest] {
            let clock = FakeClock::new();
            let builder = builder(&clock).capacity(1).overflow(overflow);
            let queue = builder.at_least_once(lease().max_attempts(1)).build();
            queue.push("a").unwrap();
            assert!(queue.next_ready().is_some());
            let mut push = Task::new(queue.push_when_ready("b"));
            assert!(push.poll().is_pending());
            way(&queue, &clock);
            assert_eq!(push.wakes(), 1, "{n}");
            assert!(push.poll().is_ready());
            assert_eq!(rest(&queue), "b");
        }
    }
}

// The end.

#[test]
fn close_lets_what_is_in_flight_be_confirmed() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c"]);
    assert_eq!(stream.data(), "a,b,c");
    queue.close();
    stream.is_over();
    drop(stream);
    let mut drain = Task::new(queue.drain(clock.ticker()));
    assert!(drain.poll().is_pending());
    queue.ack("e-1").unwrap();
    assert_eq!(drain.wakes(), 0, "two are left");
    clock.advance(secs(6));
    assert_eq!(queue.ack("e-2"), Ok(()), "nobody comes back: no grace");
    assert_eq!(drain.wakes(), 0);
    queue.ack("e-3").unwrap();
    assert_eq!(drain.wakes(), 1);
    assert!(drain.poll().is_ready());
    assert!(queue.take_remaining().is_empty());
    adds_up(&queue);
}

#[test]
fn a_drain_ends_with_the_last_lease_by_its_own_ticker() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    push_all(&queue, &["a", "b"]);
    assert!(queue.next_ready().is_some());
    clock.advance(secs(10));
    assert!(queue.next_ready().is_some());
    queue.close();
    let mut drain = Task::new(queue.drain(clock.ticker()));
    assert!(drain.poll().is_pending());
    assert_eq!(clock.advance_to_next(), Some(secs(20)));
    assert_eq!(drain.wakes(), 1);
    assert!(drain.poll().is_pending());
    queue.extend_lease("e-2", secs(5)).unwrap();
    assert_eq!(clock.advance_to_next(), Some(secs(10)));
    assert!(drain.poll().is_pending());
    assert_eq!(clock.advance_to_next(), Some(secs(5)));
    assert!(drain.poll().is_ready());
    assert_eq!(places(&queue), (2, 0, 0, 0));
    let remaining = queue.take_remaining();
    let attempts: Vec<_> = remaining.iter().map(Remaining::attempts).collect();
    assert_eq!(attempts, [1, 1]);
    adds_up(&queue);
}

#[test]
fn all_drains_are_woken_and_each_moves_with_its_task() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    queue.push("a").unwrap();
    assert!(queue.next_ready().is_some());
    let mut drains = [(); 3].map(|()| Task::new(queue.drain(clock.ticker())));
    for drain in &mut drains {
        assert!(drain.poll().is_pending());
    }
    drains[1].move_to_another_task();
    assert!(drains[1].poll().is_pending());
    queue.ack("e-1").unwrap();
    assert_eq!(drains.each_ref().map(Task::wakes), [1, 1, 1]);
    queue.push("b").unwrap();
    assert!(queue.next_ready().is_some());
    assert!(drains[0].poll().is_pending(), "something is in flight anew");
    queue.ack("e-2").unwrap();
    for drain in &mut drains {
        assert!(drain.poll().is_ready());
    }
}

#[test]
fn what_remains_is_all_there_is_in_order_with_its_attempts() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_attempts(2));
    push_all(&queue, &["dead", "in flight", "back", "queued"]);
    queue.push(Message::from("later").after(secs(9))).unwrap();
    queue
        .push(Message::from("gone").expires_after(secs(1)))
        .unwrap();
    let mut stream = Task::new(bare(&queue, &clock).max_messages(1));
    for id in ["e-1", "e-1"] {
        assert_eq!(stream.data(), "dead");
        queue.nack(id, secs(0)).unwrap();
    }
    assert_eq!(stream.data(), "in flight");
    assert_eq!(stream.data(), "back");
    queue.nack("e-3", secs(0)).unwrap();
    assert_eq!(places(&queue), (4, 1, 1, 0));
    clock.advance(secs(1));
    queue.close();
    let remaining = queue.take_remaining();
    let remaining: Vec<_> = remaining
        .iter()
        .map(|left| (left.id(), left.attempts()))
        .collect();
    let expected = [("e-1", 2), ("e-2", 1), ("e-3", 1), ("e-4", 0), ("e-5", 0)];
    assert_eq!(remaining, expected);
    let stats = queue.stats();
    assert_eq!((stats.withdrawn, stats.expired, stats.bytes), (5, 1, 0));
    adds_up(&queue);
}

#[test]
fn streams_live_on_when_all_was_taken_from_under_them() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_in_flight(1));
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(stream.data(), "a");
    stream.is_pending();
    stream.wakes();
    assert_eq!(queue.take_remaining().len(), 2);
    queue.push("c").unwrap();
    assert_eq!(stream.wakes(), 1, "it is full no more");
    assert_eq!(stream.data(), "c");
    drop(stream);
    clock.advance(secs(5));
    assert_eq!(rest(&queue), "c");
    adds_up(&queue);
}

#[test]
fn close_ends_a_full_stream_and_leaves_the_rest() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_in_flight(1));
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(stream.data(), "a");
    stream.is_pending();
    stream.wakes();
    queue.close();
    assert_eq!(stream.wakes(), 1);
    stream.is_over();
    assert_eq!(places(&queue), (1, 1, 0, 0));
    assert_eq!(queue.take_remaining().len(), 2);
}

#[test]
fn an_aborted_queue_still_takes_acks() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(rest(&queue), "a,b");
    queue.abort();
    queue.ack("e-1").unwrap();
    clock.advance(secs(30));
    assert_eq!(queue.next_ready(), None);
    assert_eq!(places(&queue), (1, 0, 0, 1));
}

/// ```text
/// s    0                     30          60
///      a, no handle left     a again     dead: nothing ever comes
/// ```
#[test]
fn streams_outlive_the_last_handle_by_what_is_in_flight() {
    let clock = FakeClock::new();
    let queue = lending(&clock, lease().max_attempts(2));
    let mut stream = waiting(&queue, &clock);
    let mut other = waiting(&queue, &clock);
    queue.push("a").unwrap();
    assert_eq!(stream.data(), "a");
    drop(queue);
    for again in [true, false] {
        for _ in 0..2 {
            stream.is_pending();
            other.is_pending();
        }
        clock.advance(secs(30));
        let taker = if stream.wakes() > 0 {
            &mut stream
        } else {
            &mut other
        };
        if again {
            assert_eq!(taker.data(), "a");
        } else {
            taker.is_over();
        }
    }
    stream.is_over();
    other.is_over();
}

// Many at once.

const MANY: usize = 100_000;

fn many(clock: &FakeClock) -> Queue {
    let lease = lease().max_in_flight(1000).max_attempts(2);
    let queue = builder(clock).capacity(MANY + 1).at_least_once(lease);
    let queue = queue.build();
    for n in 0..MANY {
        queue.push(n.to_string()).unwrap();
    }
    queue
}

fn all_in_order(queue: &Queue) {
    for n in 0..MANY {
        let frame = queue.next_ready().unwrap();
        assert_eq!(frame, format!("id: e-{}\ndata: {n}\n\n", n + 1));
    }
    assert_eq!(queue.next_ready(), None);
}

#[test]
fn a_hundred_thousand_whose_streams_all_drop_are_back_in_order() {
    let clock = FakeClock::new();
    let queue = many(&clock);
    let mut streams = Vec::new();
    while queue.stats().depth > 0 {
        let mut stream = Task::new(bare(&queue, &clock).max_messages(1000));
        while stream.poll_next().is_ready() {}
        streams.push(stream);
    }
    assert_eq!(places(&queue), (0, MANY, 0, 0));
    assert_eq!(streams.len(), 100);
    drop(streams);
    clock.advance(secs(5));
    all_in_order(&queue);
    adds_up(&queue);
}

#[test]
fn a_hundred_thousand_whose_leases_all_end_are_back_in_order() {
    let clock = FakeClock::new();
    let queue = many(&clock);
    all_in_order(&queue);
    clock.advance(secs(30));
    all_in_order(&queue);
    clock.advance(secs(30));
    // Each call takes some of them back.
    while queue.stats().in_flight > 0 {}
    assert_eq!(places(&queue), (0, 0, MANY, 0));
    assert_eq!(queue.take_dead_letters().len(), MANY);
    adds_up(&queue);
}

// What confirms.

#[test]
fn coming_back_confirms_nothing_unless_the_queue_says_so() {
    let clock = FakeClock::new();
    let lease = lease().confirm(Confirm::ByAck);
    let queue = lending(&clock, lease);
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b", "c"]);
    assert_eq!(stream.data(), "a,b,c");
    drop(stream);
    for _ in 0..2 {
        let mut stream = back(&queue, &clock, "e-2");
        assert_eq!(
            places(&queue),
            (0, 3, 0, 0),
            "what it has seen stays leased"
        );
        assert_eq!(stream.data(), "c", "what it has not seen comes again");
    }
    queue.ack("e-2").unwrap();
    let mut stream = back(&queue, &clock, "e-2");
    assert_eq!(stream.data(), "c", "it has acked what it saw last");
    queue.ack("e-1").unwrap();
    queue.ack("e-3").unwrap();
    stream.is_pending();
    adds_up(&queue);
}

#[test]
fn a_client_that_acks_each_gets_the_one_that_was_lost_on_the_way() {
    let clock = FakeClock::new();
    let queue = lending(&clock, Lease::new(secs(30)));
    push_all(&queue, &["a", "b"]);
    let mut stream = waiting_for(&queue, &clock);
    assert_eq!(stream.data(), "a");
    queue.ack("e-1").unwrap();
    assert_eq!(stream.data(), "b");
    drop(stream);
    assert_eq!(back(&queue, &clock, "e-1").data(), "b");
}

fn waiting_for(queue: &Queue, clock: &FakeClock) -> Task<QueueStream> {
    Task::new(bare(queue, clock))
}

#[test]
fn a_job_that_was_not_sent_is_not_tried() {
    let clock = FakeClock::new();
    let queue = lending(&clock, Lease::new(secs(30)).max_attempts(3));
    push_all(&queue, &["slow", "next"]);
    let mut worker = Task::new(bare(&queue, &clock));
    assert_eq!(worker.data(), "slow");
    for _ in 0..10 {
        queue.extend_lease("e-1", secs(20)).unwrap();
        clock.advance(secs(20));
        worker.is_pending();
    }
    assert_eq!(places(&queue), (1, 1, 0, 0));
}

#[test]
fn what_expired_in_flight_does_not_remain() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    queue
        .push(Message::from("a").expires_after(secs(5)))
        .unwrap();
    queue.push("b").unwrap();
    assert_eq!(rest(&queue), "a,b");
    clock.advance(secs(10));
    let remaining = queue.take_remaining();
    assert_eq!(remaining.len(), 1);
    assert_eq!(remaining[0].id(), "e-2");
    assert_eq!(queue.stats().expired, 1);
    adds_up(&queue);
}

#[test]
fn a_drain_ends_when_a_client_that_comes_back_confirms_the_last() {
    let clock = FakeClock::new();
    let queue = usual(&clock);
    queue.push("a").unwrap();
    let mut stream = waiting_for(&queue, &clock);
    assert_eq!(stream.data(), "a");
    let mut drain = Task::new(queue.drain(clock.ticker()));
    assert!(drain.poll().is_pending());
    drop(stream);
    let _back = back(&queue, &clock, "e-1");
    assert_eq!(drain.wakes(), 1);
    assert!(drain.poll().is_ready());
}

#[test]
fn acks_in_any_order_may_be_repeated() {
    let clock = FakeClock::new();
    let queue = builder(&clock).capacity(200_000);
    let queue = queue.at_least_once(Lease::new(secs(30))).build();
    for _ in 0..140_000 {
        queue.push("x").unwrap();
    }
    while queue.next_ready().is_some() {}
    for n in (2..140_000).step_by(2) {
        queue.ack(&format!("e-{n}")).unwrap();
    }
    assert_eq!(queue.ack("e-2"), Ok(()));
    assert_eq!(queue.ack("e-139998"), Ok(()));
}
