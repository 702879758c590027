//! What tags and keys cost: by what is wanted, not by what is there.

use core::task::Waker;
use std::sync::Arc;

use broadcast::{CpuTime, Reading, median, median_ratio};
use costs::{Counter, Row, Size, alternate, drain, poll};
use sse_queue::topic::{Start, TopicSubscription};
use sse_queue::{EventStream, Message, Pacing, Topic};

type Stream = EventStream<TopicSubscription, Reading>;

const TAGS: usize = 10_000;
/// Streams that want each tag.
const WANT: usize = 10;
const LOG: usize = 1_000_000;
const READ: usize = 1_000;
const KEYS: usize = 1_000;

/// A publish to one tag of many, and its deliveries, to the same in a topic with these streams
/// alone.
pub(crate) fn publish(size: Size) -> Vec<Row> {
    let tags = size.of(TAGS);
    let mut many = Tagged::new(tags);
    let woken = many.woken_by("0");
    let mut alone = Tagged::untagged();
    let times = size.of(10_000);
    let [ones, others] = alternate(size, || many.each(times), || alone.each(times));
    let ratio = median_ratio(&ones, &others);
    let (one, other) = (median(ones), median(others));
    let streams = tags * WANT;
    let what = format!("a publish to one tag of {tags} with {WANT} of {streams} streams");
    vec![
        Row::at_most(format!("streams that it wakes: {what}"), woken, "", 10.0),
        Row::at_least(format!("of those who want it: {what}"), woken, "", 10.0),
        Row::at_most(
            format!("{what}, and its deliveries, to a topic with {WANT} streams"),
            ratio,
            "x",
            2.0,
        )
        .detail(format!("{one:.0} to {other:.0} ns")),
    ]
}

struct Tagged {
    topic: Topic,
    /// Of the first tag.
    streams: Vec<Stream>,
    counters: Vec<Arc<Counter>>,
    others: Vec<Stream>,
    waker: Waker,
    tag: Option<Arc<str>>,
}

impl Tagged {
    fn new(tags: usize) -> Self {
        let mut tagged = Self::untagged();
        tagged.streams.clear();
        tagged.tag = Some(Arc::from("0"));
        for tag in 0..tags {
            let filter = tagged.topic.filter([tag.to_string()]);
            let filter = filter.expect("it is one tag");
            for _ in 0..WANT {
                let stream = tagged.stream().only(&filter);
                if tag == 0 {
                    tagged.streams.push(stream);
                } else {
                    tagged.others.push(stream);
                }
            }
        }
        for stream in &mut tagged.others {
            assert!(poll(stream, &tagged.waker).is_pending());
        }
        tagged
    }

    fn untagged() -> Self {
        let (counter, waker) = Counter::new();
        let mut untagged = Self {
            topic: Topic::new(),
            streams: Vec::new(),
            counters: vec![counter],
            others: Vec::new(),
            waker,
            tag: None,
        };
        untagged.streams = (0..WANT).map(|_| untagged.stream()).collect();
        untagged
    }

    fn stream(&self) -> Stream {
        let stream = self.topic.stream(Start::Now, Reading::new());
        stream.expect("no cap is reached").without_first_comment()
    }

    /// How many streams one message wakes.
    fn woken_by(&mut self, tag: &str) -> f64 {
        for stream in &mut self.streams {
            assert!(poll(stream, &self.waker).is_pending());
        }
        let before = self.counters[0].count();
        let message = Message::from("x").tag(tag);
        self.topic.publish(message).expect("it is open");
        let woken = self.counters[0].count() - before;
        self.read();
        f64::from(u32::try_from(woken).unwrap_or(u32::MAX))
    }

    fn read(&mut self) -> usize {
        let streams = self.streams.iter_mut();
        streams.map(|stream| drain(stream, &self.waker)).sum()
    }

    /// The processor time of a publish and its deliveries, in nanoseconds.
    fn each(&mut self, times: usize) -> f64 {
        let start = CpuTime::of_thread();
        for _ in 0..times {
            let message = Message::from("0123456789");
            let message = match &self.tag {
                Some(tag) => message.tag(tag.clone()),
                None => message,
            };
            self.topic.publish(message).expect("it is open");
            assert_eq!(self.read(), WANT);
        }
        nanos(start, times)
    }
}

/// A stream that reads all messages of one tag out of a long log, to one that reads as many of a
/// log without tags.
pub(crate) fn read(size: Size) -> Vec<Row> {
    let (all, some) = (size.of(LOG), size.of(READ));
    let build = || Topic::builder().history(all).history_bytes(1 << 30).build();
    let (tagged, plain) = (build(), build());
    let rare = all / some;
    let names: Vec<Arc<str>> = (0..rare).map(|tag| tag.to_string().into()).collect();
    for number in 0..all {
        let message = Message::from("0123456789").tag(names[number % rare].clone());
        tagged.publish(message).expect("it is open");
        if number < some {
            plain.publish("0123456789").expect("it is open");
        }
    }
    let filter = tagged.filter(["0"]).expect("it is one tag");
    let open = |topic: &Topic, pacing| {
        let stream = topic.stream(Start::Oldest, Reading::new());
        let stream = stream.expect("no cap is reached").without_first_comment();
        stream.pacing(pacing)
    };
    let read = |mut stream: Stream, topic: &Topic| {
        let before = topic.stats().delivered;
        let start = CpuTime::of_thread();
        drain(&mut stream, Waker::noop());
        let time = nanos(start, 1);
        assert_eq!(topic.stats().delivered - before, some as u64);
        time
    };
    let row = |how: &str, pacing: Pacing| {
        let [ones, others] = alternate(
            size,
            || read(open(&tagged, pacing).only(&filter), &tagged),
            || read(open(&plain, pacing), &plain),
        );
        let ratio = median_ratio(&ones, &others);
        let (one, other) = (median(ones), median(others));
        let what = format!("reading {some} messages of one tag out of {all}, {how}");
        let what = format!("{what}, to {some} without tags");
        Row::at_most(what, ratio, "x", 3.0).detail(format!("{one:.0} to {other:.0} ns"))
    };
    let immediate = Pacing::immediate();
    vec![
        row("one by one", immediate.batch(1)),
        row("as large chunks", immediate),
    ]
}

/// Messages that a reader gets that comes once in a while, of a state that changes all the time.
pub(crate) fn newest(size: Size) -> Vec<Row> {
    let topic = Topic::new();
    let stream = topic.stream(Start::Now, Reading::new());
    let mut stream = stream.expect("no cap is reached").without_first_comment();
    let keys: Vec<Arc<str>> = (0..KEYS).map(|key| key.to_string().into()).collect();
    let mut most = 0;
    let mut updates = 0;
    for _ in 0..size.of(100) {
        for _ in 0..10_000 {
            updates += 1;
            let key = keys[updates * 7_919 % KEYS].clone();
            topic
                .publish(Message::from("0123456789").key(key))
                .expect("it is open");
        }
        let before = topic.stats().delivered;
        drain(&mut stream, Waker::noop());
        most = most.max(topic.stats().delivered - before);
    }
    assert_eq!(topic.stats().lagged, 0);
    let what = format!("messages a visit of one in 10000, of {KEYS} keys and {updates} updates");
    let most = f64::from(u32::try_from(most).unwrap_or(u32::MAX));
    vec![Row::at_most(what, most, "", 1_000.0)]
}

#[allow(
    clippy::cast_precision_loss,
    reason = "the counts are far below where it begins"
)]
fn nanos(start: CpuTime, count: usize) -> f64 {
    start.elapsed().as_secs_f64() * 1e9 / count as f64
}
