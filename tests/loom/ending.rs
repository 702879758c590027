//! The waits for the beginning of the end and for the end, of queues and topics alike.
//!
//! Planted mistakes show that these models can fail: watchers that are not woken when a stream leaves
//! (red is `the_wait_for_the_end_hears_of_…`), or when the last handle is dropped (red is
//! `both_waits_hear_of_…`).

use loom::thread;
use sse_queue::topic::Start;
use sse_queue::{FakeClock, Queue};

use crate::support::{block_on, new_topic, queue_builder, queue_stream, topic_stream, with_clock};

fn new_queue() -> (FakeClock, Queue) {
    with_clock(|clock| queue_builder(clock).build())
}

#[test]
fn the_wait_for_a_close_hears_of_it() {
    loom::model(|| {
        let (_, queue) = new_queue();
        let closed = queue.closed();
        let waiting = thread::spawn(move || block_on(closed));
        queue.close();
        waiting.join().unwrap();
    });
    loom::model(|| {
        let (_, topic) = new_topic();
        let closed = topic.closed();
        let waiting = thread::spawn(move || block_on(closed));
        topic.close();
        waiting.join().unwrap();
    });
}

#[test]
fn the_wait_for_the_end_hears_of_the_last_stream() {
    loom::model(|| {
        let (clock, queue) = new_queue();
        let stream = queue_stream(&queue, &clock);
        let ended = queue.ended(clock.ticker());
        let waiting = thread::spawn(move || block_on(ended));
        queue.close();
        drop(stream);
        waiting.join().unwrap();
    });
    loom::model(|| {
        let (clock, topic) = new_topic();
        let stream = topic_stream(&topic, &clock, Start::Now);
        let ended = topic.ended(clock.ticker());
        let waiting = thread::spawn(move || block_on(ended));
        topic.close();
        drop(stream);
        waiting.join().unwrap();
    });
}

#[test]
fn both_waits_hear_of_the_last_handle() {
    fn wait(closed: impl Future<Output = ()>, ended: impl Future<Output = ()>) {
        block_on(ended);
        block_on(closed);
    }

    loom::model(|| {
        let clock = FakeClock::new();
        let (_, queue) = new_queue();
        let (closed, ended) = (queue.closed(), queue.ended(clock.ticker()));
        let waiting = thread::spawn(move || wait(closed, ended));
        drop(queue);
        waiting.join().unwrap();
    });
    loom::model(|| {
        let clock = FakeClock::new();
        let (_, topic) = new_topic();
        let (closed, ended) = (topic.closed(), topic.ended(clock.ticker()));
        let waiting = thread::spawn(move || wait(closed, ended));
        drop(topic);
        waiting.join().unwrap();
    });
}

/// The stream that leaves, and the close, come from two threads.
#[test]
fn the_end_comes_whichever_thread_is_last() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let stream = topic_stream(&topic, &clock, Start::Now);
        let ended = topic.ended(clock.ticker());
        let leaving = thread::spawn(move || drop(stream));
        topic.close();
        block_on(ended);
        leaving.join().unwrap();
        assert_eq!(topic.stats().streams, 0);
    });
}
