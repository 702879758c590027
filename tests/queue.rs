//! The queue in memory, on a clock that the tests move.

#![cfg(not(loom))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use sse_queue::{Clock, Event, FakeClock, KeepAlive, Message, Overflow, PushError, Queue};

use support::{Task, bare, builder, ms, parser, queue, secs, settled, waiting};

type Meanwhile = Box<dyn FnOnce() + Send>;

/// A clock that is read, and then held up while something else happens.
#[derive(Clone)]
struct HeldUp {
    clock: FakeClock,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

impl HeldUp {
    fn new(clock: &FakeClock) -> Self {
        Self {
            clock: clock.clone(),
            meanwhile: Arc::default(),
        }
    }

    fn at_the_next_reading(&self, what: impl FnOnce() + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::new(what));
    }
}

impl Clock for HeldUp {
    fn now(&self) -> SystemTime {
        let now = self.clock.now();
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        now
    }
}

/// ```text
/// close:  reads 0 ms ............................ locks
/// push:               reads 1 ms, locks: due at 1
/// ```
#[test]
fn a_close_with_an_older_reading_than_the_last_push_gives_its_message() {
    let clock = FakeClock::new();
    let held_up = HeldUp::new(&clock);
    let queue = Queue::builder().clock(held_up.clone()).build();
    let mut stream = waiting(&queue, &clock);
    let faster = queue.clone();
    held_up.at_the_next_reading(move || {
        clock.advance(ms(1));
        let message = Message::from("x").after(Duration::ZERO);
        faster.push(message).unwrap();
    });
    queue.close();
    assert_eq!(stream.data(), "x");
    stream.is_over();
}

#[test]
fn the_number_of_a_message_with_an_id_of_its_own_cancels_nothing() {
    let queue = queue(&FakeClock::new());
    queue.push(Event::new("x").id("mine").unwrap()).unwrap();
    assert!(!queue.cancel("e-1"));
    assert!(queue.cancel("mine"));
}

#[test]
fn the_older_of_two_with_one_id_can_be_cancelled_when_the_newer_is_gone() {
    let queue = queue(&FakeClock::new());
    let event = |data| Event::new(data).id("a").unwrap();
    queue
        .push(Message::new(event("later")).after(secs(5)))
        .unwrap();
    queue.push(event("now")).unwrap();
    assert!(queue.try_next().is_some());
    assert!(queue.cancel("a"));
    assert!(!queue.cancel("a"));
    assert_eq!(queue.stats().depth, 0);
}

#[test]
fn a_message_that_never_falls_due_keeps_no_stream_open_once_nobody_can_push() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = waiting(&queue, &clock);
    queue
        .push(Message::from("never").after(Duration::MAX))
        .unwrap();
    queue.push(Message::from("later").after(secs(1))).unwrap();
    stream.is_pending();
    drop(queue);
    stream.is_pending();
    clock.advance(secs(1));
    assert_eq!(stream.data(), "later");
    stream.is_over();
}

/// Nobody looks at a queue without streams when its messages expire: whoever comes next does.
#[test]
fn a_push_that_finds_others_in_line_lets_expired_messages_go() {
    let clock = FakeClock::new();
    let queue = builder(&clock).capacity(1).build();
    let brief = Message::from("x").expires_after(secs(1));
    queue.push(brief).unwrap();
    let mut push = Task::new(queue.push_when_ready("y"));
    assert!(push.poll().is_pending());
    clock.advance(secs(1));
    assert!(matches!(queue.push("z"), Err(PushError::Full(_))));
    assert_eq!(push.wakes(), 1);
    assert!(push.poll().is_ready());
}
