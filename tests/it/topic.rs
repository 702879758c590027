//! Topics and their streams in memory, on a clock that the tests move.

mod broadcast;
mod clock_reads;
mod crowds;
mod driver;
mod end;
mod gaps;
mod history;
mod keep_alive;
mod keeping_up;
mod lag;
mod liveness;
mod pacing;
mod resume;
mod returned_ids;
mod roles;
mod schedule;
mod waking;

use std::time::Duration;

use sse_queue::{
    Event, EventStream, FakeClock, FakeTicker, GapCause, KeepAlive, LastEventId, Message,
    Resumption, Start, Topic, TopicBuilder, TopicSubscription,
};

use crate::support::{Task, parser, settled};

type TopicStream = EventStream<TopicSubscription, FakeTicker>;

fn builder(clock: &FakeClock) -> TopicBuilder {
    Topic::builder().clock(clock.clone()).epoch("e").unwrap()
}

fn topic(clock: &FakeClock) -> Topic {
    builder(clock).build()
}

/// A stream that yields nothing but messages and gaps.
fn bare(topic: &Topic, clock: &FakeClock, start: Start) -> TopicStream {
    topic
        .stream(start, clock.ticker())
        .unwrap()
        .first_bytes(false)
        .keep_alive(KeepAlive::off())
}

/// Such a stream from now on, with a waker, that has been polled and waits.
#[track_caller]
fn waiting(topic: &Topic, clock: &FakeClock) -> Task<TopicStream> {
    settled(bare(topic, clock, Start::Now))
}

fn reader(topic: &Topic, clock: &FakeClock, start: Start) -> Task<TopicStream> {
    Task::new(bare(topic, clock, start))
}

fn after(id: &str) -> Start {
    Start::After(LastEventId::new(id))
}

fn publish_all(topic: &Topic, data: &[&str]) {
    for data in data {
        topic.publish(*data).unwrap();
    }
}

fn publish_numbers(topic: &Topic, numbers: core::ops::RangeInclusive<u64>) {
    for number in numbers {
        topic.publish(number.to_string()).unwrap();
    }
}

fn later(data: &str, after: Duration) -> Message {
    Message::from(data).after(after)
}

fn with_id(data: &str, id: &str) -> Event {
    Event::new(data).id(id).unwrap()
}

/// The data of all that is there, with commas between chunks and events.
fn drain(stream: &mut Task<TopicStream>) -> String {
    let mut all = Vec::new();
    while let core::task::Poll::Ready(Some(chunk)) = stream.poll_next() {
        let events = parser::parse(&chunk).events;
        all.extend(events.into_iter().map(|event| event.data));
    }
    all.join(",")
}

/// What a stream from `start` on would give now.
fn replay(topic: &Topic, start: Start) -> String {
    drain(&mut reader(topic, &FakeClock::new(), start))
}

fn gap(missed: Option<u64>, cause: GapCause) -> Resumption {
    Resumption::Gap { missed, cause }
}

fn evicted(missed: u64) -> String {
    format!("event: gap\ndata: {{\"missed\":{missed},\"cause\":\"evicted\"}}\n\n")
}
