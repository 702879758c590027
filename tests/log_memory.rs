//! What a topic's history holds in memory, counted after each step, to what it may.

#![cfg(not(loom))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

use std::time::Duration;

use allocation_counter::measure;
use bytes::Bytes;
use sse_queue::{
    Event, EventStream, FakeClock, FakeTicker, Message, Queue, Start, Topic, TopicBuilder,
    TopicSubscription,
};

/// Of frames, whole.
const FRAMES: [usize; 5] = [30, 256, 20_000, 33_000, 63_000];
const BOUNDS: [usize; 3] = [2_000, 40_000, 600_000];

/// How a history is read while it fills.
#[derive(Clone, Copy, Debug)]
enum Reading {
    Never,
    OneByOne,
    InBulk,
}

const READINGS: [Reading; 3] = [Reading::Never, Reading::OneByOne, Reading::InBulk];

/// A topic, and what it has come to hold since it was made.
struct Held {
    clock: FakeClock,
    topic: Topic,
    bound: usize,
    stream: EventStream<TopicSubscription, FakeTicker>,
    bytes: i64,
    published: usize,
}

impl Held {
    fn new(bound: usize, set: impl FnOnce(TopicBuilder) -> TopicBuilder) -> Self {
        let clock = FakeClock::new();
        let builder = Topic::builder().clock(clock.clone()).epoch("e").unwrap();
        let builder = builder.history(u64::MAX);
        let topic = set(builder.history_bytes(u64::try_from(bound).unwrap())).build();
        let stream = topic.stream(Start::Now, clock.ticker()).unwrap();
        let mut stream = stream.first_bytes(false);
        assert_eq!(stream.next_ready(), None);
        Self {
            clock,
            topic,
            bound,
            stream,
            bytes: 0,
            published: 0,
        }
    }

    fn publish(&mut self, message: impl Into<Message>) {
        let message = message.into();
        let held = measure(|| {
            drop(self.topic.publish(message.clone()).unwrap());
            // A publish evicts 64 messages; those of a large one may be more.
            let _ = self.topic.stats();
        });
        self.bytes += held.bytes_current;
        self.published += 1;
        self.check();
    }

    fn read(&mut self, reading: Reading) {
        let is_read = match reading {
            Reading::Never => false,
            Reading::OneByOne => true,
            Reading::InBulk => self.published.is_multiple_of(64),
        };
        if is_read {
            let held = measure(|| while self.stream.next_ready().is_some() {});
            self.bytes += held.bytes_current;
            self.check();
        }
    }

    fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        self.bytes += measure(|| _ = self.topic.stats()).bytes_current;
        self.check();
    }

    fn check(&self) {
        let most = self.bound * 5 / 4 + 4_096;
        let bytes = usize::try_from(self.bytes.max(0)).unwrap();
        assert!(
            bytes <= most,
            "{bytes} bytes held of at most {most} after {} messages",
            self.published
        );
    }
}

/// An event whose frame has this length once it has an id of up to seven digits.
fn event(frame: usize) -> Event {
    let around = "id: e-1234567\ndata: \n\n".len();
    Event::new("x".repeat(frame.saturating_sub(around)))
}

#[test]
fn a_history_holds_at_most_a_quarter_more_than_its_bound_whatever_the_frames() {
    for bound in BOUNDS {
        for frame in FRAMES.into_iter().filter(|frame| frame + 16 <= bound) {
            for reading in READINGS {
                let mut held = Held::new(bound, |builder| builder);
                for _ in 0..bound * 3 / 2 / (frame + 16) + 3 {
                    held.publish(event(frame));
                    held.read(reading);
                }
            }
        }
    }
}

#[test]
fn a_history_of_mixed_frames_holds_no_more() {
    for bound in BOUNDS {
        for sizes in [[30, 1_900], [40, 20_000], [300, 5_000], [3_000, 33_000]] {
            let sizes = sizes.map(|size: usize| size.min(bound - 16));
            for reading in READINGS {
                for run in [1, 7, 300] {
                    let mut held = Held::new(bound, |builder| builder);
                    let mut bytes = 0;
                    while bytes < 2 * bound {
                        let size = sizes[held.published / run % 2];
                        held.publish(event(size));
                        held.read(reading);
                        bytes += size + 16;
                    }
                }
            }
        }
    }
}

#[test]
fn ids_that_events_bring_are_within_the_bound() {
    for bound in BOUNDS {
        for id_len in [6, 40, 500] {
            for reading in READINGS {
                let mut held = Held::new(bound, |builder| builder);
                for number in 0..bound * 2 / (id_len + 64 + 46) + 10 {
                    let id = format!("{number:0id_len$}");
                    held.publish(Event::new("x").id(&id).unwrap());
                    held.read(reading);
                }
            }
        }
    }
}

#[test]
fn messages_that_expire_and_age_are_within_the_bound() {
    for bound in BOUNDS {
        for reading in READINGS {
            let age = Duration::from_secs(100);
            let mut held = Held::new(bound, |builder| builder.history_age(age));
            for number in 0..bound / 10 {
                let message = Message::from(event(30));
                let after = Duration::from_millis(7 * (number as u64 % 13 + 1));
                held.publish(message.expires_after(after));
                held.read(reading);
                if number % 5 == 0 {
                    held.advance(Duration::from_millis(1));
                }
            }
        }
    }
}

/// One message in a hundred stays.
#[test]
fn what_expired_between_messages_that_stay_takes_no_memory() {
    for bound in [2_000, 20_000] {
        for reading in READINGS {
            let mut held = Held::new(bound, |builder| builder);
            for number in 0..bound * 3 {
                let event = event(30).id(&format!("own_{number}")).unwrap();
                let message = Message::from(event);
                let message = if number % 100 == 0 {
                    message
                } else {
                    message.expires_after(Duration::from_millis(1))
                };
                held.publish(message);
                held.read(reading);
                if number % 10 == 0 {
                    held.advance(Duration::from_millis(1));
                }
            }
        }
    }
}

#[test]
fn a_history_that_has_expired_leaves_memory() {
    let mut held = Held::new(1 << 20, |builder| builder);
    for _ in 0..5_000 {
        held.publish(Message::from(event(100)).expires_after(Duration::from_secs(1)));
    }
    assert!(held.bytes > 500_000);
    held.advance(Duration::from_secs(1));
    assert_eq!(held.topic.stats().retained, 0);
    assert!(held.bytes < 4_096, "{} bytes", held.bytes);
}

#[test]
fn a_small_frame_keeps_no_large_buffer_in_a_topic_or_a_queue() {
    let frame = || {
        let buffer = Bytes::from(b"data: x\n\n".repeat(10_000));
        Event::from_frame(buffer.slice(..9)).unwrap()
    };
    let topic = Topic::builder().clock(FakeClock::new()).build();
    let queue = Queue::builder().clock(FakeClock::new()).build();
    let held = measure(|| {
        let later = Message::from(frame()).after(Duration::from_secs(1));
        drop(topic.publish(later).unwrap());
        drop(queue.push(frame()).unwrap());
    });
    assert!(held.bytes_current < 10_000, "{}", held.bytes_current);
}

#[test]
fn times_are_within_the_bound_of_a_full_history() {
    let hour = Duration::from_secs(3_600);
    for bound in BOUNDS {
        for frame in [30, 256] {
            for reading in READINGS {
                let mut held = Held::new(bound, |builder| builder.history_age(hour));
                for _ in 0..bound * 3 / 2 / (frame + 16) {
                    held.publish(Message::from(event(frame)).expires_after(hour));
                    held.read(reading);
                }
            }
        }
    }
}
