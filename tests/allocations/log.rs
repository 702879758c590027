//! What a topic's history holds in memory, counted after each step, against its bound.

use std::time::Duration;

use allocation_counter::measure;
use bytes::Bytes;
use sse_queue::topic::{Start, TopicBuilder, TopicSubscription};
use sse_queue::{Event, EventStream, FakeClock, FakeTicker, Message, Queue, Topic};

/// The bound in bytes of whole frames.
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

/// A topic, and the bytes that it has allocated since it was made.
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
        let builder = builder.history(usize::MAX);
        let topic = set(builder.history_bytes(bound)).build();
        let stream = topic.stream(Start::Now, clock.ticker()).unwrap();
        let mut stream = stream.without_first_comment();
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
fn own_ids_are_within_the_bound() {
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

/// What is allocated after the work, once the streams have left.
fn held_after(work: impl FnOnce(&FakeClock) -> Topic) -> usize {
    let clock = FakeClock::new();
    let mut topic = None;
    let held = measure(|| topic = Some(work(&clock)));
    drop(topic);
    usize::try_from(held.bytes_current).unwrap()
}

fn most(bound: usize) -> usize {
    bound * 5 / 4 + 4_096
}

/// Of the messages of each block, a little less than half expire.
#[test]
fn the_holes_that_expired_messages_leave_are_within_the_bound() {
    const BYTES: usize = 1_000_000;
    let held = held_after(|clock| {
        let builder = Topic::builder().clock(clock.clone()).epoch("e").unwrap();
        let topic = builder.history_bytes(BYTES).history(1_000_000).build();
        for number in 0..20_000 {
            let mut message = Message::from("x".repeat(300));
            if number % 64 < 31 {
                message = message.expires_after(Duration::from_secs(1));
            }
            topic.publish(message).unwrap();
            if number % 64 == 63 {
                clock.advance(Duration::from_secs(1));
                let _ = topic.stats();
            }
        }
        topic
    });
    assert!(held <= most(BYTES), "{held} bytes of {}", most(BYTES));
}

struct Rng(u64);

impl Rng {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 20) % most as u64).unwrap()
    }

    fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn millis(&mut self, most: usize) -> Duration {
        Duration::from_millis(1 + self.below(most) as u64)
    }
}

/// A history after 30 000 messages, of which some expire, age, wait, are cancelled or bring an id;
/// `kind` decides which of these.
fn mixed(clock: &FakeClock, bound: usize, kind: u64, mut rng: Rng) -> Topic {
    let builder = Topic::builder().clock(clock.clone()).epoch("e").unwrap();
    let messages = [50, 100_000][rng.below(2)];
    let mut builder = builder.history_bytes(bound).history(messages);
    if kind.is_multiple_of(3) {
        builder = builder.history_age(Duration::from_secs(30));
    }
    let topic = builder.build();
    let stream = topic.stream(Start::Now, clock.ticker()).unwrap();
    let mut reader = stream.without_first_comment();
    for number in 0..30_000_u64 {
        let mut event = Event::new("x".repeat([0, 10, 100, 300][rng.below(4)]));
        if kind > 1 && rng.one_in(3) {
            event = event.id(&format!("own{number}")).unwrap();
        }
        let mut message = Message::from(event);
        let seldom = [1, 2, 50][rng.below(3)];
        if rng.one_in(seldom) {
            message = message.expires_after(rng.millis(60_000));
        }
        if kind > 3 && rng.one_in(4) {
            message = message.after(rng.millis(2_000));
        }
        if let Ok(published) = topic.publish(message)
            && rng.one_in(10)
        {
            let _ = topic.cancel(published.id());
        }
        if rng.one_in(3) {
            while reader.next_ready().is_some() {}
        }
        clock.advance(Duration::from_millis(rng.below(30) as u64));
    }
    drop(reader);
    if kind.is_multiple_of(2) {
        clock.advance(Duration::from_secs(10));
        let _ = topic.stats();
    }
    let _ = topic.take_remaining();
    topic
}

#[test]
fn a_megabyte_of_history_is_within_the_bound_whatever_expires_ages_and_is_cancelled() {
    let mut over = Vec::new();
    for (seed, bound) in [(3_u64, 1_000_000)] {
        for kind in 0..6 {
            for run in 0..2 {
                let seed = seed * 6 + kind + 1 + run * 100;
                let rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
                let held = held_after(|clock| mixed(clock, bound, kind, rng));
                if held > most(bound) {
                    over.push((bound, kind, run, held, most(bound)));
                }
            }
        }
    }
    assert!(over.is_empty(), "bound, kind, run, held, may: {over:?}");
}
