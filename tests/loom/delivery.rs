//! Every order in which threads can meet at a queue that delivers at least once, up to a few
//! preemptions:
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --test delivery_loom`
//!
//! A task that nobody wakes is a deadlock, and loom says so. That these models can fail was seen by
//! planting mistakes: a place that comes up wakes nobody, a drain is not woken by the last ack, the
//! ends of leases are left out of what the timekeeper looks for.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use loom::sync::{Condvar, Mutex};
use loom::thread;
use sse_queue::{
    AckError, Confirm, EventStream, FakeClock, FakeTicker, KeepAlive, LastEventId, Lease, Queue,
    QueueSubscription,
};

type QueueStream = EventStream<QueueSubscription, FakeTicker>;

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

/// Polls until it is ready; in between it sleeps until it is woken, or lets time pass.
fn wait<T>(clock: Option<&FakeClock>, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(ready) = poll(&mut cx) {
            return ready;
        }
        if clock.and_then(FakeClock::advance_to_next).is_none() {
            alarm.sleep();
        }
    }
}

fn next(stream: &mut QueueStream) -> Option<Bytes> {
    wait(None, |cx| pin!(&mut *stream).poll_next(cx))
}

/// Time passes whenever something is armed and nothing else is to be done.
fn next_in_time(stream: &mut QueueStream, clock: &FakeClock) -> Option<Bytes> {
    wait(Some(clock), |cx| pin!(&mut *stream).poll_next(cx))
}

fn once(stream: &mut QueueStream) -> Poll<Option<Bytes>> {
    pin!(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}

/// One message at a time, and no grace.
fn queue(clock: &FakeClock) -> Queue {
    let lease = Lease::new(Duration::from_secs(1))
        .max_in_flight(64)
        .confirm(Confirm::ByResume);
    let lease = lease.grace(Duration::ZERO).max_in_flight(1);
    let builder = Queue::builder().clock(clock.clone()).at_least_once(lease);
    builder.epoch("e").unwrap().build()
}

fn bare(stream: QueueStream) -> QueueStream {
    stream.first_bytes(false).keep_alive(KeepAlive::off())
}

fn stream(queue: &Queue, clock: &FakeClock) -> QueueStream {
    bare(queue.stream(clock.ticker()).unwrap())
}

fn adds_up(queue: &Queue) {
    let stats = queue.stats();
    let held = stats.in_flight + stats.dead + stats.depth;
    assert_eq!(stats.pushed, stats.confirmed + held as u64, "{stats:?}");
}

/// It is confirmed, or it is back: never both, never neither.
#[test]
fn an_ack_against_the_drop_of_the_stream() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let mut leaver = stream(&queue, &clock);
        queue.push("x").unwrap();
        assert!(once(&mut leaver).is_ready());
        let leaves = thread::spawn(move || drop(leaver));
        let acked = queue.ack("e-1");
        leaves.join().unwrap();
        assert!(matches!(acked, Ok(()) | Err(AckError::Stale)));
        assert_eq!(queue.stats().confirmed, u64::from(acked.is_ok()));
        assert_eq!(queue.next_ready().is_some(), acked.is_err());
        adds_up(&queue);
    });
}

#[test]
fn an_ack_against_the_end_of_the_lease() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        queue.push("x").unwrap();
        assert!(queue.next_ready().is_some());
        let takes = thread::spawn({
            let (queue, clock) = (queue.clone(), clock.clone());
            move || {
                clock.advance(Duration::from_secs(1));
                queue.next_ready().is_some()
            }
        });
        let acked = queue.ack("e-1");
        let again = takes.join().unwrap();
        // Taken anew, it may be confirmed as well.
        assert!(acked.is_ok() || again);
        assert_eq!(queue.stats().confirmed, u64::from(acked.is_ok()));
        adds_up(&queue);
    });
}

/// It finds itself full and goes to sleep while its place comes up.
#[test]
fn an_ack_against_a_stream_that_finds_itself_full() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let mut full = stream(&queue, &clock);
        queue.push("a").unwrap();
        queue.push("b").unwrap();
        assert!(once(&mut full).is_ready());
        let takes = thread::spawn(move || next(&mut full).map(|chunk| (chunk, full)));
        queue.ack("e-1").unwrap();
        let (chunk, _full) = takes.join().unwrap().unwrap();
        assert!(chunk.ends_with(b"data: b\n\n"));
    });
}

#[test]
fn the_end_of_a_lease_against_an_ack_and_a_full_stream() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let mut full = stream(&queue, &clock);
        queue.push("a").unwrap();
        queue.push("b").unwrap();
        assert!(once(&mut full).is_ready());
        let takes = thread::spawn(move || next_in_time(&mut full, &clock).map(|_| full));
        let acked = queue.ack("e-1");
        assert!(matches!(acked, Ok(()) | Err(AckError::Stale)));
        let full = takes.join().unwrap();
        assert!(full.is_some());
        adds_up(&queue);
    });
}

/// It takes the message or does not, and is gone: the other gets it.
#[test]
fn a_stream_that_takes_and_goes_leaves_the_message_to_the_other() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let mut leaver = stream(&queue, &clock);
        let mut stayer = stream(&queue, &clock);
        assert!(once(&mut leaver).is_pending());
        let leaves = thread::spawn(move || {
            let _ = once(&mut leaver);
        });
        queue.push("x").unwrap();
        let stays = thread::spawn(move || next_in_time(&mut stayer, &clock).map(|_| stayer));
        leaves.join().unwrap();
        assert!(stays.join().unwrap().is_some());
        adds_up(&queue);
    });
}

/// The later one takes over: coming back twice is the same as coming back once.
#[test]
fn two_streams_that_claim_one_id() {
    loom::model(|| {
        let clock = FakeClock::new();
        let lease = Lease::new(Duration::from_secs(1))
            .max_in_flight(64)
            .confirm(Confirm::ByResume);
        let queue = Queue::builder().clock(clock.clone()).at_least_once(lease);
        let queue = queue.epoch("e").unwrap().build();
        let mut old = stream(&queue, &clock);
        queue.push("a").unwrap();
        queue.push("b").unwrap();
        assert!(once(&mut old).is_ready());
        let claim = |queue: Queue, clock: FakeClock| {
            let id = LastEventId::new("e-1");
            let mut stream = bare(queue.stream_after(&id, clock.ticker()).unwrap());
            (once(&mut stream).is_ready(), stream)
        };
        let claims = thread::spawn({
            let (queue, clock) = (queue.clone(), clock.clone());
            move || claim(queue, clock)
        });
        let (one, _one) = claim(queue.clone(), clock);
        drop(old);
        let (two, _two) = claims.join().unwrap();
        assert!(one || two, "one of them gets b, or both do");
        let stats = queue.stats();
        assert_eq!((stats.confirmed, stats.in_flight), (1, 1));
    });
}

#[test]
fn an_ack_against_a_drain() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        queue.push("x").unwrap();
        assert!(queue.next_ready().is_some());
        queue.close();
        let mut drain = Box::pin(queue.drain(clock.ticker()));
        let drains = thread::spawn(move || wait(None, |cx| drain.as_mut().poll(cx)));
        queue.ack("e-1").unwrap();
        drains.join().unwrap();
        assert_eq!(queue.stats().in_flight, 0);
    });
}
