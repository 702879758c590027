//! Every order in which threads can meet at a queue or topic, up to a few preemptions:
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --test loom`
//!
//! A task that nobody wakes is a deadlock, and loom says so. That these models can fail was seen by
//! planting mistakes: `settle` left out when a stream is dropped (red are `a_dropped_stream_…` and
//! `a_timekeeper_…`), `take` and `wait` as two holds of the lock, a place in line that leaves without
//! `room_came_up`, the end told to nobody, the timekeeper's role not handed on; in a topic the calls
//! left uncounted, and a busy stream nudged to keep the time.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use loom::sync::{Condvar, Mutex};
use loom::thread;
use sse_queue::{
    EventStream, FakeClock, FakeTicker, KeepAlive, Message, PushError, Queue, QueueSubscription,
    Source, Start, Topic, TopicSubscription,
};

type QueueStream = EventStream<QueueSubscription, FakeTicker>;
type TopicStream = EventStream<TopicSubscription, FakeTicker>;

/// Not `park` and `unpark`: those of loom lose a token to a thread that waits for a lock.
#[derive(Default)]
struct Alarm {
    is_rung: Mutex<bool>,
    bell: Condvar,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.is_rung.lock().unwrap() = true;
        self.bell.notify_one();
    }
}

impl Alarm {
    fn sleep(&self) {
        let mut is_rung = self.is_rung.lock().unwrap();
        while !*is_rung {
            is_rung = self.bell.wait(is_rung).unwrap();
        }
        *is_rung = false;
    }
}

/// Polls until it is ready, and sleeps in between until it is woken.
fn wait<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(ready) = poll(&mut cx) {
            return ready;
        }
        alarm.sleep();
    }
}

fn next(stream: &mut QueueStream) -> Option<Bytes> {
    wait(|cx| pin!(&mut *stream).poll_next(cx))
}

/// As [`next`], and time passes whenever something is armed and nothing else is to be done.
///
/// Who advances must be who polls: a poll that reads the time and then arms, while another thread
/// advances in between, arms for too late. Real time goes on; a test's does not.
fn next_in_time<S: Source + Unpin>(
    stream: &mut EventStream<S, FakeTicker>,
    clock: &FakeClock,
) -> Option<Bytes> {
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(ready) = pin!(&mut *stream).poll_next(&mut cx) {
            return ready;
        }
        if clock.advance_to_next().is_none() {
            alarm.sleep();
        }
    }
}

/// How many chunks it gives to its end.
fn drain(mut stream: QueueStream) -> usize {
    let mut chunks = 0;
    while next(&mut stream).is_some() {
        chunks += 1;
    }
    chunks
}

fn once<S: Source + Unpin>(stream: &mut EventStream<S, FakeTicker>) -> Poll<Option<Bytes>> {
    pin!(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}

fn queue(clock: &FakeClock) -> Queue {
    let builder = Queue::builder().clock(clock.clone()).capacity(1);
    builder.epoch("e").unwrap().build()
}

fn stream(queue: &Queue, clock: &FakeClock) -> QueueStream {
    let stream = queue.stream(clock.ticker()).unwrap();
    stream.first_bytes(false).keep_alive(KeepAlive::off())
}

/// One stream waits, is woken for the message and dropped before it looks; or it was faster.
#[test]
fn a_dropped_stream_hands_its_message_over() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let mut leaver = stream(&queue, &clock);
        let mut stayer = stream(&queue, &clock);
        // In line before the stayer, so that it is the one that is woken.
        assert!(once(&mut leaver).is_pending());
        let stays = thread::spawn(move || next(&mut stayer));
        let leaves = thread::spawn(move || drop(leaver));
        queue.push("x").unwrap();
        leaves.join().unwrap();
        assert!(stays.join().unwrap().is_some());
    });
}

#[test]
fn a_message_goes_to_one_of_two_streams_that_poll_and_leave() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let mut leaver = stream(&queue, &clock);
        let stayer = stream(&queue, &clock);
        let leaves = thread::spawn(move || once(&mut leaver).is_ready());
        let stays = thread::spawn(move || drain(stayer));
        queue.push("x").unwrap();
        let left_with_it = leaves.join().unwrap();
        queue.close();
        assert_eq!(stays.join().unwrap() + usize::from(left_with_it), 1);
    });
}

/// Closed before the push or behind it, the stream ends, and gives what was accepted.
#[test]
fn close_against_push_and_poll() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let drains = stream(&queue, &clock);
        let drains = thread::spawn(move || drain(drains));
        let pushes = thread::spawn({
            let queue = queue.clone();
            move || queue.push("x").is_ok()
        });
        queue.close();
        let pushed = pushes.join().unwrap();
        assert_eq!(drains.join().unwrap(), usize::from(pushed));
    });
}

/// A stream that has promised to take at its next tick is told of the end, whatever it is doing.
#[test]
fn close_against_a_ticked_stream() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let drains = stream(&queue, &clock).every(Duration::from_secs(1));
        let drains = thread::spawn(move || drain(drains));
        queue.push("x").unwrap();
        queue.close();
        assert_eq!(drains.join().unwrap(), 1);
    });
}

/// Two wait for one place each; one of them gives up; the other gets in.
#[test]
fn room_that_comes_up_reaches_who_waits() {
    loom::model(|| {
        let queue = queue(&FakeClock::new());
        queue.push("a").unwrap();
        let mut gives_up = Box::pin(queue.push_when_ready("b"));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(gives_up.as_mut().poll(&mut cx).is_pending());
        let mut waits = Box::pin(queue.push_when_ready("c"));
        let waits = thread::spawn(move || wait(|cx| waits.as_mut().poll(cx)));
        let drops = thread::spawn(move || drop(gives_up));
        assert!(queue.next_ready().is_some());
        drops.join().unwrap();
        assert!(waits.join().unwrap().is_ok());
        assert!(queue.next_ready().unwrap().ends_with(b"data: c\n\n"));
    });
}

#[test]
fn close_against_who_waits_for_room() {
    loom::model(|| {
        let queue = queue(&FakeClock::new());
        queue.push("a").unwrap();
        let mut waits = Box::pin(queue.push_when_ready("b"));
        let waits = thread::spawn(move || wait(|cx| waits.as_mut().poll(cx)));
        let takes = thread::spawn({
            let queue = queue.clone();
            move || queue.next_ready().is_some()
        });
        queue.close();
        assert!(takes.join().unwrap());
        let pushed = waits.join().unwrap();
        assert!(matches!(pushed, Ok(_) | Err(PushError::Closed(_))));
        assert_eq!(queue.stats().depth, usize::from(pushed.is_ok()));
    });
}

/// Whoever drops the last handle ends the stream.
#[test]
fn the_last_handle_against_poll() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let drains = stream(&queue, &clock);
        let drains = thread::spawn(move || drain(drains));
        let other = queue.clone();
        let drops = thread::spawn(move || drop(other));
        queue.push("x").unwrap();
        drop(queue);
        drops.join().unwrap();
        assert_eq!(drains.join().unwrap(), 1);
    });
}

/// The stream that keeps the time leaves while the other arms: that one takes over.
#[test]
fn a_timekeeper_that_leaves_against_the_time() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let second = Duration::from_secs(1);
        queue.push(Message::from("x").after(second)).unwrap();
        let mut keeper = stream(&queue, &clock);
        let mut other = stream(&queue, &clock);
        assert!(once(&mut keeper).is_pending());
        let stays = thread::spawn(move || next_in_time(&mut other, &clock));
        drop(keeper);
        assert!(stays.join().unwrap().is_some());
    });
}

/// An earlier message is pushed while the one who keeps the time arms for a later one.
#[test]
fn an_earlier_message_against_the_timekeeper() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = Queue::builder().clock(clock.clone()).build();
        let mut keeper = stream(&queue, &clock);
        let takes = thread::spawn(move || next_in_time(&mut keeper, &clock));
        for secs in [5, 1] {
            let message = Message::from("x").after(Duration::from_secs(secs));
            queue.push(message).unwrap();
        }
        assert!(takes.join().unwrap().is_some());
    });
}

fn listen(topic: &Topic, clock: &FakeClock) -> TopicStream {
    let stream = topic.stream(Start::Now, clock.ticker()).unwrap();
    stream.first_bytes(false).keep_alive(KeepAlive::off())
}

/// As it takes a message the stream waits for the next already, and looks again without the lock.
#[test]
fn a_message_against_a_stream_that_has_just_taken_one() {
    loom::model(|| {
        let clock = FakeClock::new();
        let topic = Topic::builder().clock(clock.clone()).build();
        let mut stream = listen(&topic, &clock);
        let reads = thread::spawn(move || {
            let mut read = Vec::new();
            wait(|cx| {
                while let Poll::Ready(Some(chunk)) = pin!(&mut stream).poll_next(cx) {
                    read.extend_from_slice(&chunk);
                }
                if read.ends_with(b"data: b\n\n") {
                    return Poll::Ready(());
                }
                Poll::Pending
            });
        });
        topic.publish("a").unwrap();
        topic.publish("b").unwrap();
        reads.join().unwrap();
    });
}

/// One that took a message and is busy with it is no one to keep the time.
#[test]
fn a_scheduled_message_against_a_busy_stream() {
    loom::model(|| {
        let clock = FakeClock::new();
        let topic = Topic::builder().clock(clock.clone()).build();
        let [mut other, mut busy] = [(); 2].map(|()| listen(&topic, &clock));
        topic.publish("a").unwrap();
        assert!(once(&mut other).is_ready());
        assert!(once(&mut busy).is_ready());
        let takes = thread::spawn(move || next_in_time(&mut other, &clock));
        let later = Message::from("b").after(Duration::from_secs(1));
        topic.publish(later).unwrap();
        assert!(takes.join().unwrap().is_some());
        drop(busy);
    });
}

#[test]
fn close_against_a_stream_that_has_just_taken_the_last() {
    loom::model(|| {
        let clock = FakeClock::new();
        let topic = Topic::builder().clock(clock.clone()).build();
        let mut stream = listen(&topic, &clock);
        let reads = thread::spawn(move || {
            let mut chunks = 0;
            wait(|cx| {
                loop {
                    match pin!(&mut stream).poll_next(cx) {
                        Poll::Ready(Some(_)) => chunks += 1,
                        Poll::Ready(None) => return Poll::Ready(chunks),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            })
        });
        topic.publish("a").unwrap();
        topic.close();
        assert_eq!(reads.join().unwrap(), 1);
    });
}
