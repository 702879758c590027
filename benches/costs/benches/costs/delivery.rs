//! What messages with a time, and ids of their own, cost a topic's other messages.

use core::hint::black_box;
use core::task::Waker;
use core::time::Duration;

use broadcast::{CpuTime, Reading, median, median_ratio};
use costs::{Row, Size, alternate, drain};
use sse_queue::topic::{Start, TopicBuilder, TopicSubscription};
use sse_queue::{Event, EventStream, Message, Topic};

const DAY: Duration = Duration::from_secs(86_400);
const STREAMS: usize = 1_000;
const HISTORY: usize = 65_536;
/// An event of about 150 bytes.
const DATA: usize = 132;

/// A plain message to waiting streams of a topic with timed messages.
pub(crate) fn delivery(size: Size) -> Vec<Row> {
    let expiring = || Message::from("x").expires_after(DAY);
    let later = || Message::from("x").after(DAY);
    vec![
        timed(
            size,
            "holds one that expires",
            Topic::builder(),
            Some(expiring()),
        ),
        timed(
            size,
            "holds one for tomorrow",
            Topic::builder(),
            Some(later()),
        ),
        timed(
            size,
            "has an age bound",
            Topic::builder().history_age(DAY),
            None,
        ),
    ]
}

fn timed(size: Size, what: &str, builder: TopicBuilder, held: Option<Message>) -> Row {
    let mut timed = Delivery::new(size, builder, held);
    let mut plain = Delivery::new(size, Topic::builder(), None);
    let [ones, others] = alternate(size, || timed.each(size), || plain.each(size));
    let ratio = median_ratio(&ones, &others);
    let what = format!("a plain delivery in a topic that {what}, to one that does not");
    let (one, other) = (median(ones), median(others));
    Row::at_most(what, ratio, "x", 1.3).detail(format!("{one:.0} to {other:.0} ns"))
}

struct Delivery {
    topic: Topic,
    streams: Vec<EventStream<TopicSubscription, Reading>>,
}

impl Delivery {
    fn new(size: Size, builder: TopicBuilder, held: Option<Message>) -> Self {
        let topic = builder.build();
        if let Some(message) = held {
            topic.publish(message).expect("it is open");
        }
        let stream = |_| {
            let stream = topic.stream(Start::Now, Reading::new());
            stream.expect("no cap is reached").without_first_comment()
        };
        let streams = (0..size.of(STREAMS)).map(stream).collect();
        let mut delivery = Self { topic, streams };
        delivery.round();
        delivery
    }

    /// The processor time of a delivery, in nanoseconds.
    fn each(&mut self, size: Size) -> f64 {
        let rounds = size.of(200);
        let start = CpuTime::of_thread();
        let deliveries: usize = (0..rounds).map(|_| self.round()).sum();
        assert_eq!(deliveries, rounds * self.streams.len());
        nanos(start, deliveries)
    }

    /// Publishes a message, and polls all streams until they wait.
    fn round(&mut self) -> usize {
        self.topic.publish("0123456789").expect("it is open");
        let streams = self.streams.iter_mut();
        streams.map(|stream| drain(stream, Waker::noop())).sum()
    }
}

/// A publish of an event with an id of its own, to one that the topic numbers, with a full history.
pub(crate) fn own_ids(size: Size) -> Vec<Row> {
    let mut own = Full::new(size, true);
    let mut numbered = Full::new(size, false);
    let [ones, others] = alternate(size, || own.each(size), || numbered.each(size));
    let ratio = median_ratio(&ones, &others);
    let what = "a publish with an own id, to one with the topic's";
    let (one, other) = (median(ones), median(others));
    let detail = format!("{one:.0} to {other:.0} ns");
    vec![Row::at_most(what, ratio, "x", 1.5).detail(detail)]
}

struct Full {
    topic: Topic,
    is_own: bool,
    published: usize,
}

impl Full {
    fn new(size: Size, is_own: bool) -> Self {
        let history = size.of(HISTORY);
        let builder = Topic::builder().history(history);
        let mut full = Self {
            topic: builder.build(),
            is_own,
            published: 0,
        };
        let events = full.events(history + history / 4);
        full.publish(events);
        full
    }

    /// The processor time of a publish, in nanoseconds, without building the event.
    fn each(&mut self, size: Size) -> f64 {
        let count = size.of(50_000);
        let events = self.events(count);
        let start = CpuTime::of_thread();
        self.publish(events);
        nanos(start, count)
    }

    fn events(&mut self, count: usize) -> Vec<Event> {
        let data = "x".repeat(DATA);
        let event = |_| {
            self.published += 1;
            let event = Event::new(&data);
            if self.is_own {
                let id = format!("own_{}", self.published);
                return event.id(&id).expect("it is valid");
            }
            event
        };
        (0..count).map(event).collect()
    }

    fn publish(&self, events: Vec<Event>) {
        for event in events {
            black_box(self.topic.publish(event).expect("it is open"));
        }
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "the counts are far below where it begins"
)]
fn nanos(start: CpuTime, count: usize) -> f64 {
    start.elapsed().as_secs_f64() * 1e9 / count as f64
}
