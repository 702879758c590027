//! What a queue counts, and what it holds at most, whatever happens to it and however calls meet.

use std::sync::{Arc, Mutex};

use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};
use sse_queue::queue::Overflow;
use sse_queue::{Event, FakeClock, Lease, Message, Queue};

use crate::support::clock::Interrupted;
use crate::support::queue::{QueueStream, assert_all_counted, builder, quiet_stream, take_one};
use crate::support::{ms, secs};

/// A queue of two messages at most, which holds a dead letter.
fn one_is_dead(clock: &Interrupted) -> Queue {
    let lease = Lease::new(secs(30)).max_attempts(1);
    let builder = Queue::builder().clock(clock.clone()).epoch("e").unwrap();
    let queue = builder.capacity(2).at_least_once(lease).build();
    queue.push("dead").unwrap();
    take_one(&queue);
    queue.nack("e-1", None).unwrap();
    assert_eq!(queue.stats().dead, 1);
    queue
}

/// Another thread takes all other messages and pushes, while this one takes the dead letters.
#[test]
fn the_capacity_holds_while_two_threads_take_what_there_is() {
    let clock = Interrupted::default();
    let queue = one_is_dead(&clock);
    let other = queue.clone();
    clock.run_after(1, move || {
        assert!(other.take_remaining().is_empty());
        other.push("a").unwrap();
        other.push("b").unwrap();
    });
    assert_eq!(queue.take_dead_letters().len(), 1);
    assert!(clock.has_run());
    assert_eq!(queue.stats().depth, 2);
    assert!(queue.push("c").is_err(), "two is the bound");
    let bytes = queue.stats().bytes;
    assert!(bytes >= 2 * 192, "{bytes}");
}

#[test]
fn the_counters_add_up_at_any_time_while_dead_letters_are_taken() {
    let clock = Interrupted::default();
    let queue = one_is_dead(&clock);
    let between = Arc::new(Mutex::new(None));
    clock.run_after(1, {
        let (queue, between) = (queue.clone(), Arc::clone(&between));
        move || *between.lock().unwrap() = Some(queue.stats())
    });
    assert_eq!(queue.take_dead_letters().len(), 1);
    let stats = between.lock().unwrap().unwrap();
    assert_all_counted(&stats, stats.confirmed);
}

/// In messages, and in bytes.
const BOUNDS: (usize, usize) = (12, 12 * 250);

/// A queue to which anything happens.
struct Random {
    source: TestRng,
    clock: FakeClock,
    queue: Queue,
    streams: Vec<QueueStream>,
    /// Ids that were pushed, the newest last.
    ids: Vec<String>,
    /// Messages that were taken out, to be pushed again.
    back: Vec<Message>,
}

impl Random {
    fn new(overflow: Overflow) -> Self {
        let clock = FakeClock::new();
        let lease = Lease::new(secs(3))
            .max_attempts(3)
            .max_in_flight(4)
            .grace(secs(1));
        let queue = builder(&clock)
            .capacity(BOUNDS.0)
            .capacity_bytes(BOUNDS.1)
            .overflow(overflow)
            .at_least_once(lease)
            .build();
        Self {
            source: TestRng::deterministic_rng(RngAlgorithm::ChaCha),
            clock,
            queue,
            streams: Vec::new(),
            ids: Vec::new(),
            back: Vec::new(),
        }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.source.random_range(0..n)
    }

    fn index(&mut self, len: usize) -> usize {
        self.source.random_range(0..len)
    }

    fn message(&mut self) -> Message {
        let mut event = Event::new("x".repeat(1 + self.index(100)));
        if self.below(2) == 0 {
            event = event.id(&format!("own-{}", self.below(30))).unwrap();
        }
        let mut message = Message::from(event);
        if self.below(3) == 0 {
            message = message.expires_after(ms(self.below(4_000)));
        }
        message.after(ms(self.below(2) * self.below(2_000)))
    }

    fn push(&mut self, message: Message) {
        if let Ok(receipt) = self.queue.push(message) {
            self.ids.push(receipt.id().to_owned());
        }
    }

    fn step(&mut self) {
        match self.below(200) {
            0..50 => {
                let message = self.message();
                self.push(message);
            }
            50..65 => {
                let dead = self.queue.take_dead_letters();
                self.back.extend(dead.into_iter().map(Message::from));
            }
            65 => {
                let rest = self.queue.take_remaining();
                self.back.extend(rest.into_iter().map(Message::from));
            }
            66..80 => {
                if let Some(message) = self.back.pop() {
                    self.push(message);
                }
            }
            80..95 if self.streams.len() < 4 => {
                self.streams.push(quiet_stream(&self.queue, &self.clock));
            }
            95..115 if !self.streams.is_empty() => {
                let at = self.index(self.streams.len());
                let mut stream = self.streams.swap_remove(at);
                while stream.next_ready().is_some() {}
                if self.below(2) == 0 {
                    self.streams.push(stream);
                }
            }
            115..130 => drop(self.queue.next_ready()),
            130..145 => {
                let by = ms(self.below(1_500));
                self.clock.advance(by);
            }
            _ if !self.ids.is_empty() => self.settle_one(),
            _ => {}
        }
    }

    /// Acks, nacks, cancels or extends the message of a recent id, in flight or not.
    fn settle_one(&mut self) {
        let recent = self.ids.len().min(30);
        let at = self.ids.len() - 1 - self.index(recent);
        let action = self.below(4);
        let delay = ms(self.below(2) * 500);
        let id = &self.ids[at];
        let _ = match action {
            0 => self.queue.ack(id).is_ok(),
            1 => self.queue.nack(id, Some(delay)).is_ok(),
            2 => self.queue.cancel(id),
            _ => self.queue.extend_lease(id, ms(500)).is_ok(),
        };
    }

    fn check(&self) {
        let stats = self.queue.stats();
        let held = stats.depth + stats.in_flight + stats.dead;
        assert!(held <= BOUNDS.0 && stats.bytes <= BOUNDS.1, "{stats:?}");
        assert_eq!(held == 0, stats.bytes == 0, "{stats:?}");
        assert_all_counted(&stats, stats.confirmed);
    }
}

/// Own ids, messages that are pushed again, dead letters, cancels, drops, streams that come and go.
#[test]
fn the_bounds_hold_whatever_happens_and_all_is_free_at_the_end() {
    for overflow in [Overflow::Reject, Overflow::DropOldest] {
        let mut random = Random::new(overflow);
        for _ in 0..20_000 {
            random.step();
            random.check();
        }
        let Random {
            clock,
            queue,
            streams,
            ..
        } = random;
        drop(streams);
        clock.advance(secs(20));
        drop(queue.take_dead_letters());
        drop(queue.take_remaining());
        assert_eq!(queue.stats().bytes, 0);
        for _ in 0..BOUNDS.0 {
            queue.push("x").unwrap();
        }
        assert_eq!(queue.stats().depth, BOUNDS.0);
        let is_refused = queue.push("x").is_err();
        assert_eq!(is_refused, overflow == Overflow::Reject);
        assert_eq!(queue.stats().depth, BOUNDS.0);
    }
}
