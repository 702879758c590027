//! What a stream does with its source's answers, and streams that are made of subscriptions.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use sse_queue::stream::Pull;
use sse_queue::topic::Start;
use sse_queue::{Event, EventStream, FakeClock, Pacing, Queue, Source, Topic};

use crate::support::topic::publish_later;
use crate::support::{Task, ms, parser, secs, settled, without_first_bytes};

/// A source that remembers when its stream took the last chunk.
struct Dated {
    clock: FakeClock,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    data: Option<&'static str>,
    waker: Option<Waker>,
    taken_at: Duration,
    /// How often the stream asked for how long it has been idle.
    asked: u32,
}

impl Script {
    /// Whether something has come, though perhaps nothing for this stream.
    fn wake(&mut self, data: Option<&'static str>) {
        self.data = data;
        self.waker.take().unwrap().wake();
    }
}

impl Source for Dated {
    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut Pull) -> Poll<()> {
        panic!("an immediate stream asks for chunks alone");
    }

    fn poll_chunk(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pull: &mut Pull,
    ) -> Poll<Option<Bytes>> {
        let mut script = self.script.lock().unwrap();
        if pull.asks_idle() {
            script.asked += 1;
            pull.idle_for(self.clock.elapsed().saturating_sub(script.taken_at));
        }
        if let Some(data) = script.data.take() {
            script.taken_at = self.clock.elapsed();
            pull.dated();
            return Poll::Ready(Some(Event::new(data).encode()));
        }
        script.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// ```text
/// s        0          10  11  12  13 ...        23.5 .. 25
/// came                x   -   -   -   ...
/// sent                x                         :
/// ```
#[test]
fn messages_that_a_stream_does_not_get_do_not_delay_its_keep_alive() {
    for seed in 0..20 {
        let clock = FakeClock::new();
        let script = Arc::new(Mutex::new(Script::default()));
        let source = Dated {
            clock: clock.clone(),
            script: Arc::clone(&script),
        };
        let stream = EventStream::new(source, clock.ticker()).seed(seed);
        let mut stream = settled(without_first_bytes(stream));
        clock.advance(secs(10));
        script.lock().unwrap().wake(Some("x"));
        stream.assert_sends("x");
        let mut quiet = Duration::ZERO;
        let sent = loop {
            clock.advance(ms(500));
            quiet += ms(500);
            script.lock().unwrap().wake(None);
            if let Poll::Ready(bytes) = stream.poll_next() {
                break bytes.unwrap();
            }
        };
        assert_eq!(sent, ":\n");
        assert!(ms(13_500) <= quiet && quiet <= secs(15), "{quiet:?}");
        assert_eq!(
            script.lock().unwrap().asked,
            1,
            "it is not asked for each poll"
        );
    }
}

/// ```text
/// s      0                 5              18.5 .. 20
/// sent   :  to 100 streams  x  to them all  :  spread
/// ```
#[test]
fn a_message_to_a_crowd_does_not_synchronize_its_keep_alives() {
    let clock = FakeClock::new();
    let topic = Topic::builder().clock(clock.clone()).build();
    let mut streams: Vec<_> = (0..100)
        .map(|seed| {
            let stream = topic.stream(Start::Now, clock.ticker()).unwrap();
            settled(without_first_bytes(stream).seed(seed))
        })
        .collect();
    clock.advance(secs(5));
    topic.publish("x").unwrap();
    for stream in &mut streams {
        stream.assert_sends("x");
    }
    let mut sent = Vec::new();
    while clock.elapsed() < secs(21) {
        clock.advance(ms(100));
        let given = streams.iter_mut().filter(|stream| stream.take_wakes() > 0);
        let given = given.filter_map(|stream| match stream.poll_next() {
            Poll::Ready(bytes) => bytes,
            Poll::Pending => None,
        });
        sent.push(given.count());
    }
    assert_eq!(sent.iter().sum::<usize>(), 100, "each once");
    assert!(*sent.iter().max().unwrap() < 20, "{sent:?}");
}

fn events(stream: &mut Task<impl futures_core::Stream<Item = Bytes>>) -> usize {
    parser::parse(stream.bytes().as_bytes()).events.len()
}

#[test]
fn a_stream_of_a_subscription_has_the_limits_of_a_stream_of_its_topic() {
    let clock = FakeClock::new();
    let topic = Topic::builder().clock(clock.clone()).build();
    let own = topic.stream(Start::Oldest, clock.ticker()).unwrap();
    let other = EventStream::new(
        topic
            .stream(Start::Oldest, clock.ticker())
            .unwrap()
            .into_source(),
        clock.ticker(),
    );
    let [mut own, mut other] = [own, other].map(|stream| Task::new(without_first_bytes(stream)));
    (0..100).for_each(|n| drop(topic.publish(n.to_string()).unwrap()));
    let taken = events(&mut own);
    assert!(taken > 16, "it is not limited by count");
    assert_eq!(events(&mut other), taken);

    let queue = Queue::builder().clock(clock.clone()).build();
    let own = queue.stream(clock.ticker()).unwrap();
    let other = EventStream::new(
        queue.stream(clock.ticker()).unwrap().into_source(),
        clock.ticker(),
    );
    let [mut own, mut other] = [own, other].map(|stream| Task::new(without_first_bytes(stream)));
    (0..100).for_each(|n| drop(queue.push(n.to_string()).unwrap()));
    assert_eq!([events(&mut own), events(&mut other)], [16, 16]);
}

#[test]
fn the_last_pacing_holds_whole() {
    let clock = FakeClock::new();
    let stream = |pacings: [Pacing; 2]| {
        let queue = Queue::builder().clock(clock.clone()).build();
        (0..20).for_each(|n| drop(queue.push(n.to_string()).unwrap()));
        let stream = queue
            .stream(clock.ticker())
            .unwrap()
            .without_first_comment();
        let [first, last] = pacings;
        stream.pacing(first).pacing(last)
    };
    let five = Pacing::immediate().batch(5);
    for (pacing, taken) in [
        (Pacing::every(secs(1)), 1),
        (Pacing::every(secs(1)).batch(2), 2),
    ] {
        let mut stream = settled(stream([five, pacing]));
        clock.advance(secs(1));
        assert_eq!(events(&mut stream), taken);
    }
    let grid = Pacing::every(secs(1)).batch(2);
    for (pacing, taken) in [
        (five, 5),
        (Pacing::immediate(), 16),
        (Pacing::spaced(secs(1)), 16),
        (Pacing::spaced(secs(1)).batch(5), 5),
        (Pacing::every(Duration::ZERO), 16),
        (Pacing::immediate().batch(0), 1),
    ] {
        assert_eq!(events(&mut Task::new(stream([grid, pacing]))), taken);
    }
}

#[test]
fn an_end_by_age_sends_a_retry_and_no_farewell() {
    let clock = FakeClock::new();
    let queue = Queue::builder().clock(clock.clone()).build();
    let stream = without_first_bytes(queue.stream(clock.ticker()).unwrap());
    let stream = stream.max_age(secs(10)).farewell(Event::new("bye"));
    let mut stream = settled(stream);
    clock.advance(secs(10));
    let last = stream.bytes();
    assert!(
        last.starts_with("retry: ") && last.lines().count() == 1,
        "{last:?}"
    );
    stream.assert_ended();
}

/// ```text
/// clock    0 | jumps to 1 h
/// ticker   0 ----------- 30
/// due          x
/// ```
#[test]
fn a_topics_message_whose_time_came_by_a_jump_is_30_seconds_late_at_most() {
    let clock = FakeClock::new();
    let topic = Topic::builder().clock(clock.clone()).build();
    let stream = topic.stream(Start::Now, clock.ticker()).unwrap();
    let stream = without_first_bytes(stream);
    let mut stream = settled(stream.keep_alive(sse_queue::stream::KeepAlive::off()));
    publish_later(&topic, "x", secs(3600));
    stream.assert_pending();
    stream.take_wakes();
    clock.jump(secs(3600));
    clock.advance(secs(30));
    stream.assert_woken_for("x");
}
