//! Waits for the beginning of the end and for the end, of queues and topics.
//!
//! Planted mistakes show that these models can fail: watchers that are not woken when a stream leaves
//! (red are `the_last_stream_ends_…`), or when the last handle is dropped (red are
//! `the_last_handle_of_…`).

use loom::thread;
use sse_queue::FakeClock;
use sse_queue::topic::Start;

use crate::support::{
    block_on, new_topic, queue_builder, queue_stream, spawn_with, topic_stream, with_clock,
};

fn queue(clock: &FakeClock) -> sse_queue::Queue {
    queue_builder(clock).capacity(1).build()
}

#[test]
fn a_close_reaches_closed_of_a_queue() {
    loom::model(|| {
        let (_, queue) = with_clock(queue);
        let closed = queue.closed();
        let closes = spawn_with(&queue, |queue| queue.close());
        block_on(closed);
        closes.join().unwrap();
    });
}

#[test]
fn a_close_reaches_closed_of_a_topic() {
    loom::model(|| {
        let (_, topic) = new_topic();
        let closed = topic.closed();
        let closes = spawn_with(&topic, |topic| topic.close());
        block_on(closed);
        closes.join().unwrap();
    });
}

/// Closing and the drop of the last stream race with each other too.
#[test]
fn the_last_stream_ends_a_queue() {
    loom::model(|| {
        let (clock, queue) = with_clock(queue);
        let ended = queue.ended(clock.ticker());
        let stream = queue_stream(&queue, &clock);
        let drops = thread::spawn(move || drop(stream));
        let closes = spawn_with(&queue, |queue| queue.close());
        block_on(ended);
        drops.join().unwrap();
        closes.join().unwrap();
        assert_eq!(queue.stats().streams, 0);
    });
}

#[test]
fn the_last_stream_ends_a_topic() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let ended = topic.ended(clock.ticker());
        let stream = topic_stream(&topic, &clock, Start::Now);
        let drops = thread::spawn(move || drop(stream));
        let closes = spawn_with(&topic, |topic| topic.close());
        block_on(ended);
        drops.join().unwrap();
        closes.join().unwrap();
        assert_eq!(topic.stats().streams, 0);
    });
}

#[test]
fn the_last_handle_of_a_queue_reaches_closed_and_ended() {
    loom::model(|| {
        let (clock, queue) = with_clock(queue);
        let (closed, ended) = (queue.closed(), queue.ended(clock.ticker()));
        let waits = thread::spawn(move || block_on(ended));
        let drops = thread::spawn(move || drop(queue));
        block_on(closed);
        waits.join().unwrap();
        drops.join().unwrap();
    });
}

#[test]
fn the_last_handle_of_a_topic_reaches_closed_and_ended() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let (closed, ended) = (topic.closed(), topic.ended(clock.ticker()));
        let waits = thread::spawn(move || block_on(ended));
        let drops = thread::spawn(move || drop(topic));
        block_on(closed);
        waits.join().unwrap();
        drops.join().unwrap();
    });
}
