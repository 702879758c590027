//! Counted instructions for a message: `cargo bench -p costs --bench instructions`.
//!
//! Needs valgrind. Counts hardly vary between runs, so they can compare two checkouts:
//!
//! ```sh
//! cargo bench -p costs --bench instructions > before.txt     # in the one
//! cargo bench -p costs --bench instructions -- --against before.txt     # in the other
//! ```
//!
//! The second run prints ratios, and fails if a count has grown by more than a twentieth. The
//! program runs itself under callgrind, once with few repetitions and once with many, so that the
//! difference is the cost of the repetitions alone. A name selects cases, and `--smoke` counts
//! fewer repetitions.

use core::cell::Cell;
use core::hint::black_box;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::process::{Command, ExitCode};

use broadcast::Reading;
use costs::{
    Reach, deltas, drain, leased, lookups, poll, queue_stream, roomy, ticked, topic_stream,
};
use sse_queue::topic::{Start, TopicBuilder, TopicSubscription};
use sse_queue::{Event, EventStream, FakeClock, Message, Pacing, Ticker, Topic};

type Live = EventStream<TopicSubscription, Reading>;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Prepares, then repeats the work that many times.
type Work = fn(repetitions: u32);

/// A name without blanks, and what is counted.
const WORKS: &[(&str, Work)] = &[
    ("event-new-encode", encode),
    ("queue-push-poll", push_poll),
    ("queue-push-poll-ack", push_poll_ack),
    ("queue-push-no-promises", push_no_promises),
    ("queue-push-1000-promises", push_promises),
    ("topic-publish-100-polls", |times| {
        publish(times, Topic::builder(), None, 1);
    }),
    ("topic-burst-64-100-polls", |times| {
        publish(times, Topic::builder(), None, 64);
    }),
    ("topic-no-keep-alive-100-polls", publish_quiet),
    ("topic-still-ticker-100-polls", |times| {
        publish_still(times, None);
    }),
    ("topic-spaced-100-polls", |times| {
        publish_still(times, Some(Duration::from_nanos(1)));
    }),
    ("topic-own-id-publish-100-polls", publish_own),
    ("topic-one-expiring-100-polls", |times| {
        let message = Message::from("x").expires_after(DAY);
        publish(times, Topic::builder(), Some(message), 1);
    }),
    ("topic-one-scheduled-100-polls", |times| {
        let message = Message::from("x").after(DAY);
        publish(times, Topic::builder(), Some(message), 1);
    }),
    ("topic-age-bound-100-polls", |times| {
        publish(times, Topic::builder().history_age(DAY), None, 1);
    }),
    ("topic-publish-10-polls", |times| publish_tagged(times, 0)),
    ("topic-one-tag-of-1000-10-polls", |times| {
        publish_tagged(times, 1_000);
    }),
    ("topic-read-50", |times| read_tagged(times, 0)),
    ("topic-read-50-of-one-tag-of-1000", |times| {
        read_tagged(times, 1_000);
    }),
    ("queue-clone-drop", clone_queue),
    ("topic-clone-drop", clone_topic),
    ("topics-32-deltas-to-one-plain", |times| {
        deltas(times, Reach::Plain, true);
    }),
    ("topics-32-deltas-to-one-kept", |times| {
        deltas(times, Reach::Kept, true);
    }),
    ("topics-32-deltas-to-many-plain", |times| {
        deltas(times, Reach::Plain, false);
    }),
    ("topics-32-deltas-to-many-kept", |times| {
        deltas(times, Reach::Kept, false);
    }),
    ("topics-32-deltas-to-many-found", |times| {
        deltas(times, Reach::Found, false);
    }),
    ("topics-32-lookups", lookups),
];

/// The maximum ratio of the first to the second, within one run.
const BARS: &[(&str, &str, f64)] = &[
    ("queue-push-1000-promises", "queue-push-no-promises", 2.0),
    (
        "topic-one-expiring-100-polls",
        "topic-publish-100-polls",
        1.3,
    ),
    (
        "topic-one-scheduled-100-polls",
        "topic-publish-100-polls",
        1.3,
    ),
    ("topic-age-bound-100-polls", "topic-publish-100-polls", 1.3),
    (
        "topic-spaced-100-polls",
        "topic-still-ticker-100-polls",
        1.05,
    ),
    (
        "topic-one-tag-of-1000-10-polls",
        "topic-publish-10-polls",
        2.0,
    ),
    ("topic-read-50-of-one-tag-of-1000", "topic-read-50", 3.0),
    (
        "topics-32-deltas-to-one-kept",
        "topics-32-deltas-to-one-plain",
        1.2,
    ),
    (
        "topics-32-deltas-to-many-kept",
        "topics-32-deltas-to-many-plain",
        1.1,
    ),
];

/// A clock that costs nothing to read, a nanosecond later each time.
struct Still(Cell<u32>);

impl Ticker for Still {
    fn now(&self) -> Duration {
        self.0.set(self.0.get() + 1);
        Duration::new(0, self.0.get())
    }

    fn arm(self: Pin<&mut Self>, _: Option<Duration>) {}

    fn poll_tick(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

const DAY: Duration = Duration::from_secs(86_400);
/// An event of about 150 bytes.
const DATA: usize = 132;
/// The argument with which the program runs itself.
const CHILD: &str = "--work";
/// The maximum ratio to the other checkout's count.
const GROWTH: f64 = 1.05;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let passed = match args.as_slice() {
        [child, name, times] if child == CHILD => work(name, times).map(|()| true),
        args => count_all(args),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn count_all(args: &[String]) -> Outcome<bool> {
    let other = args.iter().position(|arg| arg == "--against");
    let before = match other {
        Some(at) => read(args.get(at + 1).ok_or("--against needs a file")?)?,
        None => HashMap::new(),
    };
    let times = if args.iter().any(|arg| arg == "--smoke") {
        [10, 20]
    } else {
        [100, 1_100]
    };
    let names = args
        .iter()
        .enumerate()
        .filter(|(at, arg)| !arg.starts_with("--") && other.is_none_or(|other| *at != other + 1));
    let names: Vec<&String> = names.map(|(_, name)| name).collect();
    let mut counts = HashMap::new();
    let mut passed = true;
    for (name, _) in WORKS {
        if !names.is_empty() && !names.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        let count = count(name, times)?;
        counts.insert(*name, count);
        let ratio = before.get(*name).map(|before| count / before);
        let verdict = match ratio {
            Some(ratio) if ratio > GROWTH => format!("  {ratio:.3}  MORE"),
            Some(ratio) => format!("  {ratio:.3}"),
            None => String::new(),
        };
        passed &= ratio.is_none_or(|ratio| ratio <= GROWTH);
        println!("{name:<32}{count:>12.0}{verdict}");
    }
    for (one, other, bar) in BARS {
        let (Some(first), Some(second)) = (counts.get(one), counts.get(other)) else {
            continue;
        };
        let ratio = first / second;
        let verdict = if ratio <= *bar { "ok" } else { "MISSED" };
        passed &= ratio <= *bar;
        println!("# {one} to {other}: {ratio:.2}, at most {bar}: {verdict}");
    }
    Ok(passed)
}

/// The counts of another run.
fn read(path: &str) -> Outcome<HashMap<String, f64>> {
    let text = fs::read_to_string(path)?;
    let pairs = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    });
    Ok(pairs.collect())
}

/// Instructions of one repetition.
fn count(name: &str, [few, many]: [u32; 2]) -> Outcome<f64> {
    let more = collected(name, many)? - collected(name, few)?;
    Ok(more / f64::from(many - few))
}

/// Instructions of a whole run.
fn collected(name: &str, times: u32) -> Outcome<f64> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args([CHILD, name, &times.to_string()])
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "valgrind is not installed".into(),
            _ => format!("valgrind: {error}"),
        })?;
    let report = String::from_utf8_lossy(&run.stderr);
    report
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, count)| count.trim().parse().ok())
        .filter(|_| run.status.success())
        .ok_or_else(|| format!("valgrind counted nothing for {name}:\n{report}").into())
}

fn work(name: &str, times: &str) -> Outcome<()> {
    let work = WORKS.iter().find(|(known, _)| *known == name);
    let (_, work) = work.ok_or("no such work")?;
    work(times.parse()?);
    Ok(())
}

fn encode(times: u32) {
    let data = "x".repeat(256);
    for _ in 0..times {
        black_box(Event::new(black_box(&data)).encode());
    }
}

fn push_poll(times: u32) {
    let clock = FakeClock::new();
    let queue = roomy(&clock).build();
    let mut stream = queue_stream(&queue, &clock);
    let data = "x".repeat(DATA);
    for _ in 0..times {
        queue.push(data.as_str()).expect("the queue has capacity");
        assert_eq!(drain(&mut stream, Waker::noop()), 1);
    }
}

fn push_poll_ack(times: u32) {
    let clock = FakeClock::new();
    let queue = leased(&clock);
    let mut stream = queue_stream(&queue, &clock);
    let data = "x".repeat(DATA);
    for _ in 0..times {
        let receipt = queue.push(data.as_str()).expect("the queue has capacity");
        assert_eq!(drain(&mut stream, Waker::noop()), 1);
        queue.ack(receipt.id()).expect("it is in flight");
    }
}

fn push_no_promises(times: u32) {
    push_beside(times, 0);
}

/// A thousand streams are enough to show a traversal in the count, and quick to prepare.
fn push_promises(times: u32) {
    push_beside(times, 1_000);
}

/// Pushes of scheduled messages, beside streams on a grid that have reserved everything due.
fn push_beside(times: u32, count: usize) {
    let clock = FakeClock::new();
    let queue = roomy(&clock).build();
    for _ in 0..count * 16 {
        let message = Message::from("x").after(Duration::from_secs(1));
        queue.push(message).expect("the queue has capacity");
    }
    clock.advance(Duration::from_secs(1));
    let stream = |_| ticked(queue_stream(&queue, &clock), Duration::from_secs(60), 16);
    let mut streams: Vec<_> = (0..=count).map(stream).collect();
    for stream in &mut streams {
        assert!(poll(stream, Waker::noop()).is_pending());
    }
    for _ in 0..times {
        let message = Message::from("later").after(Duration::from_secs(1));
        queue.push(message).expect("the queue has capacity");
    }
}

/// A burst to 100 waiting streams of a topic that may hold an earlier message.
fn publish(times: u32, builder: TopicBuilder, held: Option<Message>, burst: u32) {
    let topic = builder.build();
    if let Some(message) = held {
        topic.publish(message).expect("it is open");
    }
    let data = "x".repeat(DATA);
    rounds(times, live(&topic, 100), || {
        for _ in 0..burst {
            topic.publish(data.as_str()).expect("it is open");
        }
    });
}

fn publish_own(times: u32) {
    let topic = Topic::new();
    let data = "x".repeat(DATA);
    let mut published = 0_u32;
    rounds(times, live(&topic, 100), || {
        published += 1;
        let event = Event::new(&data).id(&format!("own_{published}"));
        topic
            .publish(event.expect("it is valid"))
            .expect("it is open");
    });
}

/// Without keep-alive.
fn publish_quiet(times: u32) {
    let topic = Topic::new();
    let data = "x".repeat(DATA);
    let streams = (0..100).map(|_| topic_stream(&topic, Reading::new()));
    rounds(times, streams.collect(), || {
        topic.publish(data.as_str()).expect("it is open");
    });
}

/// Each message to streams that wait; spaced ones are past their gap, and read their ticker once
/// for each burst. The ticker's own cost depends on the ticker.
fn publish_still(times: u32, gap: Option<Duration>) {
    let topic = Topic::new();
    let data = "x".repeat(DATA);
    let stream = |_| {
        let stream = topic.stream(Start::Now, Still(Cell::new(0)));
        let stream = stream.expect("no cap is reached").without_first_comment();
        match gap {
            Some(gap) => stream.pacing(Pacing::spaced(gap)),
            None => stream,
        }
    };
    rounds(times, (0..100).map(stream).collect(), || {
        topic.publish(data.as_str()).expect("it is open");
    });
}

/// Streams with a keep-alive.
fn live(topic: &Topic, count: usize) -> Vec<Live> {
    let stream = |_| {
        let stream = topic.stream(Start::Now, Reading::new());
        stream.expect("no cap is reached").without_first_comment()
    };
    (0..count).map(stream).collect()
}

fn rounds<T: Ticker + Unpin>(
    times: u32,
    mut streams: Vec<EventStream<TopicSubscription, T>>,
    mut publish: impl FnMut(),
) {
    for stream in &mut streams {
        drain(stream, Waker::noop());
    }
    for _ in 0..times {
        publish();
        for stream in &mut streams {
            assert!(drain(stream, Waker::noop()) > 0);
        }
    }
}

/// To ten streams; beside ten for each of the other tags, if there are any.
fn publish_tagged(times: u32, tags: u32) {
    let topic = Topic::new();
    let data = "x".repeat(DATA);
    let mut wanting = Vec::new();
    let mut others = Vec::new();
    for tag in 0..tags {
        let filter = topic.filter([tag.to_string()]).expect("it is one tag");
        let streams = live(&topic, 10).into_iter();
        let streams = streams.map(|stream| stream.only(&filter));
        if tag == 0 {
            wanting.extend(streams);
        } else {
            others.extend(streams);
        }
    }
    if tags == 0 {
        wanting = live(&topic, 10);
    }
    for stream in &mut others {
        drain(stream, Waker::noop());
    }
    let tag: std::sync::Arc<str> = "0".into();
    rounds(times, wanting, || {
        let message = Message::from(data.as_str());
        let message = if tags == 0 {
            message
        } else {
            message.tag(tag.clone())
        };
        topic.publish(message).expect("it is open");
    });
}

/// A stream that reads 50 messages that are all there, one by one; with tags, all of one.
fn read_tagged(times: u32, tags: usize) {
    let topic = Topic::new();
    let data = "x".repeat(DATA);
    for number in 0..50 * tags.max(1) {
        let message = Message::from(data.as_str());
        let message = match number.checked_rem(tags) {
            Some(tag) => message.tag(tag.to_string()),
            None => message,
        };
        topic.publish(message).expect("it is open");
    }
    let filter = topic.filter(["0"]).expect("it is one tag");
    for _ in 0..times {
        let stream = topic.stream(Start::Oldest, Reading::new());
        let stream = stream.expect("no cap is reached").without_first_comment();
        let stream = stream.pacing(Pacing::immediate().batch(1));
        let mut stream = if tags == 0 {
            stream
        } else {
            stream.only(&filter)
        };
        assert_eq!(drain(&mut stream, Waker::noop()), 50);
    }
}

fn clone_queue(times: u32) {
    let queue = roomy(&FakeClock::new()).build();
    for _ in 0..times {
        drop(black_box(queue.clone()));
    }
}

fn clone_topic(times: u32) {
    let topic = Topic::new();
    for _ in 0..times {
        drop(black_box(topic.clone()));
    }
}
