//! Close, abort, the last handle, and what remains.

use std::time::{Duration, SystemTime};

use sse_queue::queue::PushError;
use sse_queue::{Event, FakeClock, Message, Queue};

use crate::support::clock::Interrupted;
use crate::support::queue::{
    assert_accounted, builder, drain_data, new_queue, push_all, push_brief, push_later, queue,
    waiting,
};
use crate::support::{Task, ms, secs};

#[test]
fn what_remains_keeps_id_due_time_and_expiry_when_it_is_pushed_again() {
    let clock = FakeClock::new();
    let old = queue(&clock);
    old.push(Message::from("b").after(secs(2)).expires_after(secs(2)))
        .unwrap();
    old.push("a").unwrap();
    push_later(&old, "never", Duration::MAX);
    old.push(Event::comment("note")).unwrap();
    old.close();
    clock.advance(secs(1));
    let remaining = old.take_remaining();
    let ids: Vec<_> = remaining
        .iter()
        .map(sse_queue::message::Remaining::id)
        .collect();
    assert_eq!(ids, ["e-2", "e-4", "e-1", "e-3"]);
    let start = SystemTime::UNIX_EPOCH;
    assert_eq!(remaining[2].due(), Some(start + secs(2)));
    assert_eq!(remaining[2].expires(), Some(start + secs(4)));
    assert_accounted(&old);

    let new = builder(&clock).epoch("new").unwrap().build();
    for message in remaining {
        new.push(message).unwrap();
    }
    let first = new.next_ready().unwrap();
    assert_eq!(first, "id: e-2\ndata: a\n\n");
    assert_eq!(new.next_ready().unwrap(), ": note\n");
    assert_eq!(new.next_ready(), None, "not due yet");
    assert!(new.cancel("e-3"));
    clock.advance(secs(3));
    assert_eq!(new.next_ready(), None, "expired");
    assert_accounted(&new);
}

#[test]
fn what_remains_can_be_pushed_into_the_same_queue() {
    let queue = queue(&FakeClock::new());
    push_all(&queue, &["a", "b"]);
    for message in queue.take_remaining() {
        queue.push(message).unwrap();
    }
    let next = queue.push("c").unwrap();
    assert_eq!(next.id(), "e-5");
    assert!(queue.cancel("e-2"));
    assert_eq!(drain_data(&queue), "a,c");
    assert_accounted(&queue);
}

#[test]
fn what_expired_does_not_remain() {
    let (clock, queue) = new_queue();
    push_brief(&queue, "x", secs(1));
    queue.push("y").unwrap();
    clock.advance(secs(1));
    assert_eq!(queue.take_remaining().len(), 1);
    assert_eq!(queue.stats().expired, 1);
    assert_accounted(&queue);
}

#[test]
fn a_closed_queue_hands_the_message_back_and_delivers_what_was_due() {
    let (clock, queue) = new_queue();
    queue.push("a").unwrap();
    push_later(&queue, "b", secs(1));
    queue.close();
    assert!(queue.is_closed());
    assert_eq!(queue.push("c"), Err(PushError::Closed("c".into())));
    clock.advance(secs(2));
    assert_eq!(drain_data(&queue), "a", "b was not due at the close");
    queue.close();
    assert_eq!(drain_data(&queue), "", "a second close changes nothing");
    assert_eq!(queue.take_remaining().len(), 1);
    assert_accounted(&queue);
}

#[test]
fn an_aborted_queue_delivers_nothing() {
    let queue = queue(&FakeClock::new());
    queue.push("a").unwrap();
    queue.close();
    queue.abort();
    assert_eq!(queue.next_ready(), None);
    assert_eq!(queue.take_remaining().len(), 1);
}

#[test]
fn depth_age_and_streams_are_current() {
    let (clock, queue) = new_queue();
    let stream = waiting(&queue, &clock);
    push_later(&queue, "later", secs(5));
    assert_eq!(queue.stats().oldest_age, None);
    queue.push("a").unwrap();
    clock.advance(secs(2));
    let stats = queue.stats();
    assert_eq!(stats.oldest_age, Some(secs(2)));
    assert_eq!((stats.depth, stats.streams), (2, 1));
    drop(stream);
    assert_eq!(queue.stats().streams, 0);
}

#[test]
fn streams_end_after_the_last_handle_and_the_last_message() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    push_later(&queue, "x", secs(1));
    let other = queue.clone();
    let pending = other.push_when_ready("y");
    stream.assert_pending();
    drop(queue);
    drop(other);
    stream.assert_pending();
    let mut pending = Task::new(pending);
    assert!(pending.poll().is_ready());
    stream.assert_sends("y");
    drop(pending);
    stream.assert_pending();
    clock.advance(secs(1));
    assert_eq!(stream.data(), "x");
    stream.assert_ended();
}

#[test]
fn the_last_handle_wakes_every_stream_when_nothing_is_left() {
    let (clock, queue) = new_queue();
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    queue.push("x").unwrap();
    drop(queue);
    assert_eq!(streams[0].data(), "x");
    for stream in &mut streams[1..] {
        assert_eq!(stream.take_wakes(), 1);
        stream.assert_ended();
    }
    streams[0].assert_ended();
}

#[test]
fn streams_end_when_the_last_message_expires_after_the_last_handle() {
    let (clock, queue) = new_queue();
    let mut streams = [(); 2].map(|()| waiting(&queue, &clock));
    queue
        .push(
            Message::from("x")
                .after(secs(1))
                .expires_after(Duration::ZERO),
        )
        .unwrap();
    for stream in &mut streams {
        stream.assert_pending();
    }
    drop(queue);
    clock.advance(secs(1));
    let woken = streams.iter().position(|stream| stream.take_wakes() > 0);
    streams[woken.unwrap()].assert_ended();
    streams[1 - woken.unwrap()].assert_ended();
}

/// ```text
/// close:  reads 0 ms ............................ locks
/// push:               reads 1 ms, locks: due at 1
/// ```
#[test]
fn a_close_with_an_older_reading_than_the_last_push_delivers_its_message() {
    let clock = FakeClock::new();
    let held_up = Interrupted::new(&clock);
    let queue = Queue::builder().clock(held_up.clone()).build();
    let mut stream = waiting(&queue, &clock);
    let faster = queue.clone();
    held_up.run_after(0, move || {
        clock.advance(ms(1));
        let message = Message::from("x").after(Duration::ZERO);
        faster.push(message).unwrap();
    });
    queue.close();
    assert_eq!(stream.data(), "x");
    stream.assert_ended();
}

#[test]
fn a_message_that_never_falls_due_keeps_no_stream_open_after_the_last_handle() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    push_later(&queue, "never", Duration::MAX);
    push_later(&queue, "later", secs(1));
    stream.assert_pending();
    drop(queue);
    stream.assert_pending();
    clock.advance(secs(1));
    assert_eq!(stream.data(), "later");
    stream.assert_ended();
}
