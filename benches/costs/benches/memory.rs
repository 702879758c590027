//! The bounds on memory, each beside its bar: `cargo bench -p costs --bench memory`.
//!
//! Counts what is allocated and not freed, so every run gives the same figures. The flags are those
//! of `--bench costs`; it is a program of its own because its counting allocator costs time.

#![allow(
    clippy::cast_precision_loss,
    reason = "the counts are far below where it begins"
)]

use std::process::ExitCode;

use core::task::Waker;

use allocation_counter::measure;
use bytes::Bytes;
use costs::{Row, Size, Suite, drain, topic_stream};
use sse_queue::queue::PushError;
use sse_queue::topic::Start;
use sse_queue::{Event, FakeClock, Message, Queue, Topic};

const SUITES: &[Suite] = &[
    ("small-history", small_history),
    ("full-history", full_history),
    ("full-queue", full_queue),
    ("key-state", key_state),
];

/// The sizes of frames.
const FRAMES: [usize; 5] = [30, 256, 20_000, 33_000, 63_000];
const BOUND: usize = 32 << 20;

fn main() -> ExitCode {
    costs::run(SUITES)
}

/// A topic with a history of ten messages, compared to what it held before its first.
fn small_history(_: Size) -> Vec<Row> {
    let clock = FakeClock::new();
    let topic = Topic::builder().clock(clock.clone()).history(10).build();
    let stream = |_| topic_stream(&topic, clock.ticker());
    let mut streams: Vec<_> = (0..10).map(stream).collect();
    let data = "x".repeat(100);
    let read = |streams: &mut Vec<_>| {
        for stream in streams {
            drain(stream, Waker::noop());
        }
    };
    read(&mut streams);
    let held = measure(|| {
        for _ in 0..2_000 {
            topic.publish(data.as_str()).expect("it is open");
            read(&mut streams);
        }
    });
    let what = "history of 10 messages of 100 bytes, 10 streams, after 2000 messages";
    let held = held.bytes_current as f64 / 1_000.0;
    vec![Row::at_most(what, held, " KB", 2.5)]
}

/// A state of a thousand keys that has changed a million times, to the bytes of its messages.
fn key_state(size: Size) -> Vec<Row> {
    let topic = Topic::new();
    let keys: Vec<std::sync::Arc<str>> = (0..1_000).map(|key| key.to_string().into()).collect();
    let data = "x".repeat(100);
    let held = measure(|| {
        for update in 0..size.of(1_000_000) {
            let key = keys[update * 7_919 % keys.len()].clone();
            let message = Message::from(data.as_str()).key(key);
            topic.publish(message).expect("it is open");
        }
    });
    let state = topic.stats().bytes as f64;
    let ratio = held.bytes_current as f64 / state;
    let what = "a state of 1000 keys of 100 bytes after many updates, to what it counts";
    vec![Row::at_most(what, ratio, "x", 2.0)]
}

/// Makes events with data of that size.
type Build = fn(&str) -> Vec<Event>;

/// How a history is read while it fills.
#[derive(Clone, Copy)]
enum Reading {
    Never,
    OneByOne,
    InBulk,
}

/// What a history at its bound of bytes holds, to that bound.
fn full_history(size: Size) -> Vec<Row> {
    let bound = size.of(BOUND).max(1 << 20);
    let modes = [
        ("never read", Reading::Never),
        ("read one by one", Reading::OneByOne),
        ("read in bulk", Reading::InBulk),
    ];
    FRAMES
        .map(|frame| {
            let shares = modes.map(|(_, reading)| history_share(bound, frame, reading));
            let details = modes.iter().zip(shares);
            let details = details.map(|((how, _), share)| format!("{how} {share:.2}"));
            let details: Vec<String> = details.collect();
            let worst = shares.into_iter().fold(0.0, f64::max);
            let what = format!("a full history to its byte bound, frames of {frame} bytes");
            Row::at_most(what, worst, "x", 1.25).detail(details.join(", "))
        })
        .into()
}

fn history_share(bound: usize, frame: usize, reading: Reading) -> f64 {
    let clock = FakeClock::new();
    let builder = Topic::builder().clock(clock.clone()).epoch("e");
    let builder = builder.expect("it is valid").history(usize::MAX);
    let topic = builder.history_bytes(bound).build();
    let mut live = topic_stream(&topic, clock.ticker());
    drain(&mut live, Waker::noop());
    // The fields around the data, with an id of seven digits.
    let data = "x".repeat(frame.saturating_sub("id: e-1234567\ndata: \n\n".len()));
    let held = measure(|| {
        for number in 0..bound * 5 / 4 / frame {
            topic.publish(data.as_str()).expect("it is open");
            let is_read = match reading {
                Reading::Never => false,
                Reading::OneByOne => true,
                Reading::InBulk => number % 64 == 63,
            };
            if is_read {
                drain(&mut live, Waker::noop());
            }
        }
        // A client that begins with the oldest message gets the history joined.
        if let Reading::InBulk = reading {
            let late = topic.stream(Start::Oldest, clock.ticker());
            drain(&mut late.expect("no cap is reached"), Waker::noop());
        }
    });
    held.bytes_current as f64 / bound as f64
}

/// What a queue at its bound of bytes holds, to that bound.
fn full_queue(size: Size) -> Vec<Row> {
    let bound = size.of(BOUND).max(1 << 20);
    let modes: [(&str, Build); 2] = [("built one by one", built), ("cut from a buffer", cut)];
    FRAMES
        .map(|frame| {
            let shares = modes.map(|(_, events)| queue_share(bound, frame, events));
            let details = modes.iter().zip(shares);
            let details = details.map(|((how, _), share)| format!("{how} {share:.2}"));
            let details: Vec<String> = details.collect();
            let worst = shares.into_iter().fold(0.0, f64::max);
            let what = format!("a full queue to its byte bound, frames of {frame} bytes");
            Row::at_most(what, worst, "x", 1.25).detail(details.join(", "))
        })
        .into()
}

fn queue_share(bound: usize, frame: usize, events: Build) -> f64 {
    let builder = Queue::builder().clock(FakeClock::new()).epoch("e");
    let builder = builder.expect("it is valid").capacity(usize::MAX);
    let queue = builder.capacity_bytes(bound).build();
    let data = "x".repeat(frame.saturating_sub("id: e-1234567\ndata: \n\n".len()));
    let held = measure(|| {
        // One event of each batch is pushed, so that the buffer it was cut from may stay.
        while let Some(event) = events(&data).into_iter().next() {
            match queue.push(event) {
                Ok(_) => {}
                Err(PushError::Full(_)) => break,
                Err(error) => panic!("{error}"),
            }
        }
    });
    held.bytes_current as f64 / bound as f64
}

fn built(data: &str) -> Vec<Event> {
    vec![Event::new(data)]
}

/// Frames of one buffer, as a reader of a foreign stream gets them.
fn cut(data: &str) -> Vec<Event> {
    let frame = format!("data: {data}\n\n");
    let buffer = Bytes::from(frame.repeat(64.min(1 + (64 << 10) / frame.len())));
    let frames = (0..buffer.len() / frame.len()).map(|number| {
        let start = number * frame.len();
        Event::from_frame(buffer.slice(start..start + frame.len())).expect("it is a frame")
    });
    frames.collect()
}
