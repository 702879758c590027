//! Every order in which threads can meet at a queue's drivers, stalled streams, producers and dead
//! letters, up to a few preemptions:
//!
//! ```text
//! LOOM_MAX_PREEMPTIONS=3 RUSTFLAGS='--cfg loom' \
//!     cargo test --release --target-dir target/loom --test queue_loom
//! ```
//!
//! A task that nobody wakes is a deadlock, and loom says so.

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
    EventStream, FakeClock, FakeTicker, KeepAlive, Lease, Message, Queue, QueueSubscription,
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

/// Polls until it is ready; lets time pass up to `until`, and sleeps otherwise.
fn wait<T>(
    clock: Option<(&FakeClock, Duration)>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> T {
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(ready) = poll(&mut cx) {
            return ready;
        }
        let passes = clock.is_some_and(|(clock, until)| {
            let next = clock.next_deadline();
            let next = next.filter(|next| clock.elapsed() + *next <= until);
            next.inspect(|next| clock.advance(*next)).is_some()
        });
        if !passes {
            alarm.sleep();
        }
    }
}

fn next(stream: &mut QueueStream) -> Option<Bytes> {
    wait(None, |cx| pin!(&mut *stream).poll_next(cx))
}

fn next_in_time(stream: &mut QueueStream, clock: &FakeClock, until: u64) -> Option<Bytes> {
    let until = Some((clock, Duration::from_secs(until)));
    wait(until, |cx| pin!(&mut *stream).poll_next(cx))
}

fn once(stream: &mut QueueStream) -> Poll<Option<Bytes>> {
    pin!(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}

fn stream(queue: &Queue, clock: &FakeClock) -> QueueStream {
    let stream = queue.stream(clock.ticker()).unwrap();
    stream.first_bytes(false).keep_alive(KeepAlive::off())
}

fn queue(clock: &FakeClock) -> Queue {
    let builder = Queue::builder().clock(clock.clone());
    builder.epoch("e").unwrap().build()
}

/// The message is scheduled before, while or after the driver arms.
#[test]
fn a_driver_hands_out_what_is_scheduled_as_it_starts_and_ends_with_the_queue() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let mut driver = Box::pin(queue.drive(clock.ticker()));
        let mut takes = stream(&queue, &clock);
        assert!(once(&mut takes).is_pending());
        let drives = thread::spawn(move || {
            let until = Some((&clock, Duration::from_secs(1)));
            wait(until, |cx| driver.as_mut().poll(cx));
        });
        let later = Message::from("x").after(Duration::from_secs(1));
        queue.push(later).unwrap();
        assert!(next(&mut takes).is_some());
        queue.close();
        drives.join().unwrap();
    });
}

#[test]
fn the_stream_keeps_the_time_when_a_driver_leaves_as_a_message_is_scheduled() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let mut driver = Box::pin(queue.drive(clock.ticker()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(driver.as_mut().poll(&mut cx).is_pending());
        let mut takes = stream(&queue, &clock);
        let leaves = thread::spawn(move || drop(driver));
        let pushes = thread::spawn(move || {
            let later = Message::from("x").after(Duration::from_secs(1));
            queue.push(later).unwrap();
            queue
        });
        assert!(next_in_time(&mut takes, &clock, 3).is_some());
        leaves.join().unwrap();
        pushes.join().unwrap();
    });
}

/// The first in line is woken, and never polls again.
#[test]
fn a_stream_that_starts_to_wait_gets_what_a_stalled_one_was_notified_for() {
    loom::model(|| {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let mut stalled = stream(&queue, &clock);
        assert!(once(&mut stalled).is_pending());
        let mut other = stream(&queue, &clock);
        let takes = thread::spawn(move || next_in_time(&mut other, &clock, 3));
        queue.push("x").unwrap();
        assert!(takes.join().unwrap().is_some());
        drop(stalled);
    });
}

/// A stream takes what is there as it expires; only one of the producers has a ticker.
#[test]
fn capacity_that_a_poll_or_an_expiry_frees_reaches_both_producers() {
    loom::model(|| {
        let clock = FakeClock::new();
        let builder = Queue::builder().clock(clock.clone()).capacity(1);
        let queue = builder.epoch("e").unwrap().build();
        let brief = Message::from("a").expires_after(Duration::from_secs(1));
        queue.push(brief).unwrap();
        let mut plain = Box::pin(queue.push_when_ready("b"));
        let mut ticked = Box::pin(queue.push_when_ready("c").ticker(clock.ticker()));
        let plain = thread::spawn(move || wait(None, |cx| plain.as_mut().poll(cx)));
        let takes = thread::spawn(move || {
            let mut takes = stream(&queue, &FakeClock::new());
            let mut taken = 0;
            while taken < 2 {
                let chunk = next(&mut takes).unwrap();
                taken += usize::from(!chunk.ends_with(b"data: a\n\n"));
            }
        });
        let until = Some((&clock, Duration::from_secs(1)));
        wait(until, |cx| ticked.as_mut().poll(cx)).unwrap();
        plain.join().unwrap().unwrap();
        takes.join().unwrap();
    });
}

fn leased(clock: &FakeClock) -> Queue {
    let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    let builder = Queue::builder().clock(clock.clone()).at_least_once(lease);
    builder.epoch("e").unwrap().build()
}

#[test]
fn the_wait_for_dead_letters_ends_when_the_queue_closes_as_the_last_is_confirmed() {
    loom::model(|| {
        let queue = leased(&FakeClock::new());
        queue.push("x").unwrap();
        assert!(queue.next_ready().is_some());
        let mut letters = Box::pin(queue.dead_letters());
        let waits = thread::spawn(move || wait(None, |cx| letters.as_mut().poll(cx)));
        let acks = thread::spawn({
            let queue = queue.clone();
            move || queue.ack("e-1").unwrap()
        });
        queue.close();
        acks.join().unwrap();
        assert!(waits.join().unwrap().is_empty());
    });
}

#[test]
fn the_wait_for_dead_letters_gets_what_dies_as_the_queue_closes() {
    loom::model(|| {
        let queue = leased(&FakeClock::new());
        queue.push("x").unwrap();
        assert!(queue.next_ready().is_some());
        let mut letters = Box::pin(queue.dead_letters());
        let waits = thread::spawn(move || wait(None, |cx| letters.as_mut().poll(cx)));
        let nacks = thread::spawn({
            let queue = queue.clone();
            move || queue.nack("e-1", Duration::ZERO).unwrap()
        });
        queue.close();
        nacks.join().unwrap();
        assert_eq!(waits.join().unwrap().len(), 1);
    });
}

#[test]
fn a_dead_letter_is_taken_once_and_what_is_pushed_meanwhile_is_counted() {
    loom::model(|| {
        let queue = leased(&FakeClock::new());
        queue.push("x").unwrap();
        assert!(queue.next_ready().is_some());
        queue.nack("e-1", Duration::ZERO).unwrap();
        let takes = thread::spawn({
            let queue = queue.clone();
            move || queue.take_dead_letters().len()
        });
        let rest = queue.take_remaining().len();
        queue.push("y").unwrap();
        assert_eq!(takes.join().unwrap() + rest, 1);
        let stats = queue.stats();
        assert_eq!(stats.depth, 1);
        assert!(stats.bytes > 192, "{stats:?}");
    });
}
