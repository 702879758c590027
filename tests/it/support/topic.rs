//! Topics, and their streams.

use std::ops::RangeInclusive;
use std::time::Duration;

use sse_queue::stream::KeepAlive;
use sse_queue::topic::{GapCause, Resumption, Start, TopicBuilder, TopicSubscription};
use sse_queue::{Event, EventStream, FakeClock, FakeTicker, LastEventId, Message, Ticker, Topic};

use super::{Task, settled, without_first_bytes};

pub type TopicStream = Stream<FakeTicker>;
type Stream<T> = EventStream<TopicSubscription, T>;

pub fn builder(clock: &FakeClock) -> TopicBuilder {
    Topic::builder().clock(clock.clone()).epoch("e").unwrap()
}

pub fn topic(clock: &FakeClock) -> Topic {
    builder(clock).build()
}

/// A clock, and a topic on it.
pub fn new_topic() -> (FakeClock, Topic) {
    let clock = FakeClock::new();
    let topic = topic(&clock);
    (clock, topic)
}

/// A stream that begins at once, with the default keep-alive.
pub fn lively_stream<T: Ticker>(topic: &Topic, start: Start, ticker: T) -> Stream<T> {
    without_first_bytes(topic.stream(start, ticker).unwrap())
}

/// A stream that sends nothing but messages and gaps.
pub fn quiet_stream(topic: &Topic, clock: &FakeClock, start: Start) -> TopicStream {
    lively_stream(topic, start, clock.ticker()).keep_alive(KeepAlive::off())
}

/// A quiet stream from now on, with a waker, that has been polled and waits.
#[track_caller]
pub fn waiting(topic: &Topic, clock: &FakeClock) -> Task<TopicStream> {
    settled(quiet_stream(topic, clock, Start::Now))
}

/// A quiet stream with a waker that has not been polled.
pub fn reader(topic: &Topic, clock: &FakeClock, start: Start) -> Task<TopicStream> {
    Task::new(quiet_stream(topic, clock, start))
}

pub fn after(id: &str) -> Start {
    Start::After(LastEventId::new(id))
}

pub fn publish_all(topic: &Topic, data: &[&str]) {
    for data in data {
        topic.publish(*data).unwrap();
    }
}

/// Publishes a message that falls due later.
pub fn publish_later(topic: &Topic, data: &str, after: Duration) {
    topic.publish(later(data, after)).unwrap();
}

/// Publishes a message that expires.
pub fn publish_brief(topic: &Topic, data: &str, lifetime: Duration) {
    let message = Message::from(data).expires_after(lifetime);
    topic.publish(message).unwrap();
}

pub fn publish_numbers(topic: &Topic, numbers: RangeInclusive<u64>) {
    for number in numbers {
        topic.publish(number.to_string()).unwrap();
    }
}

pub fn later(data: &str, after: Duration) -> Message {
    Message::from(data).after(after)
}

pub fn with_id(data: &str, id: &str) -> Event {
    Event::new(data).id(id).unwrap()
}

/// What a stream from `start` would send now.
pub fn replay(topic: &Topic, start: Start) -> String {
    reader(topic, &FakeClock::new(), start).drain_data()
}

pub fn gap(missed: Option<u64>, cause: GapCause) -> Resumption {
    Resumption::Gap { missed, cause }
}

pub fn evicted(missed: u64) -> String {
    format!("event: gap\ndata: {{\"missed\":{missed},\"cause\":\"evicted\"}}\n\n")
}
