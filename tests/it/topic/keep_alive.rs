//! Keep-alive of streams that read a topic.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use sse_queue::stream::KeepAlive;
use sse_queue::topic::Start;
use sse_queue::{FakeClock, FakeTicker, Pacing, Ticker, Topic};

use crate::support::topic::{
    TopicStream, lively_stream, new_topic, publish_all, publish_brief, topic,
};
use crate::support::{Task, ms, secs, settled};

/// A stream with the default keep-alive that has been polled and waits.
fn lively_task(topic: &Topic, ticks: &FakeClock) -> Task<TopicStream> {
    let stream = lively_stream(topic, Start::Now, ticks.ticker());
    settled(stream)
}

fn send(topic: &Topic, streams: &mut [Task<TopicStream>], data: &str) {
    topic.publish(data).unwrap();
    for stream in streams {
        stream.assert_sends(data);
    }
}

/// The next keep-alive comes after `wait` seconds, or up to a tenth of 15 s earlier.
#[track_caller]
fn assert_alive_after(clock: &FakeClock, streams: &mut [Task<TopicStream>], wait: u64) {
    for _ in 2..wait {
        clock.advance(secs(1));
        streams.iter_mut().for_each(Task::assert_pending);
    }
    clock.advance(secs(2));
    for stream in streams {
        assert_eq!(stream.bytes(), ":\n");
        stream.assert_pending();
    }
}

/// ```text
/// s      0  3 7 7 14        29       44
/// sent      a b c d         :        :
/// ```
#[test]
fn a_keep_alive_comes_a_whole_period_after_the_last_message() {
    let (clock, topic) = new_topic();
    let mut streams = [(); 3].map(|()| lively_task(&topic, &clock));
    for (wait, data) in [(3, "a"), (4, "b"), (0, "c"), (7, "d")] {
        clock.advance(secs(wait));
        send(&topic, &mut streams, data);
    }
    assert_alive_after(&clock, &mut streams, 15);
    assert_alive_after(&clock, &mut streams, 15);
    clock.advance(secs(10));
    send(&topic, &mut streams, "e");
    assert_alive_after(&clock, &mut streams, 15);
}

#[test]
fn no_keep_alive_comes_while_messages_do() {
    let (clock, topic) = new_topic();
    let mut streams = [(); 2].map(|()| lively_task(&topic, &clock));
    for _ in 0..100 {
        clock.advance(secs(14));
        send(&topic, &mut streams, "x");
    }
}

/// ```text
/// s           0    2         12    17
/// published   a    b
/// sent        a              b     :
/// ```
#[test]
fn a_stream_that_is_polled_late_counts_from_when_it_was_woken() {
    let (clock, topic) = new_topic();
    let mut stream = [lively_task(&topic, &clock)];
    send(&topic, &mut stream, "a");
    clock.advance(secs(2));
    topic.publish("b").unwrap();
    clock.advance(secs(10));
    stream[0].assert_sends("b");
    assert_alive_after(&clock, &mut stream, 5);
}

/// As above, where another stream has read the chunk before, and the topic was used since.
#[test]
fn a_stream_that_shares_a_chunk_late_counts_from_when_it_was_woken() {
    let (clock, topic) = new_topic();
    let mut streams = [(); 2].map(|()| lively_task(&topic, &clock));
    send(&topic, &mut streams, "a");
    clock.advance(secs(2));
    topic.publish("b").unwrap();
    assert_eq!(streams[0].data(), "b");
    clock.advance(secs(10));
    assert_eq!(topic.stats().streams, 2);
    assert_eq!(streams[1].data(), "b");
    streams.iter_mut().for_each(Task::assert_pending);
    assert_alive_after(&clock, &mut streams, 5);
}

/// The topic's clock jumps, or stands still, after the message at 10 s.
#[test]
fn a_clock_that_jumps_moves_a_keep_alive_by_less_than_a_period() {
    for jump in [secs(3600), Duration::ZERO] {
        let (clock, ticks) = (FakeClock::new(), FakeClock::new());
        let topic = topic(&clock);
        let mut stream = [lively_task(&topic, &ticks)];
        ticks.advance(secs(9));
        send(&topic, &mut stream, "a");
        ticks.advance(secs(1));
        send(&topic, &mut stream, "b");
        clock.advance(jump);
        let mut waited = 0;
        loop {
            ticks.advance(secs(1));
            waited += 1;
            match stream[0].poll_next() {
                Poll::Ready(bytes) => break assert_eq!(bytes.unwrap(), ":\n"),
                Poll::Pending => assert!(waited < 30, "it never comes"),
            }
        }
        assert!((12..30).contains(&waited), "{waited}");
        stream[0].assert_pending();
        assert_alive_after(&ticks, &mut stream, 15);
    }
}

#[test]
fn a_stream_that_was_not_woken_counts_from_when_it_read() {
    let (clock, topic) = new_topic();
    publish_all(&topic, &["a", "b"]);
    let stream = lively_stream(&topic, Start::Oldest, clock.ticker());
    let mut stream = [Task::new(stream.max_chunk_bytes(1))];
    assert_eq!(stream[0].data(), "a");
    clock.advance(secs(10));
    stream[0].assert_sends("b");
    assert_alive_after(&clock, &mut stream, 15);
}

#[test]
fn two_chunks_in_a_row_are_followed_by_a_whole_period() {
    let (clock, topic) = new_topic();
    let mut stream = [lively_task(&topic, &clock)];
    clock.advance(secs(7));
    for data in ["a", "b"] {
        topic.publish(data).unwrap();
        assert_eq!(stream[0].data(), data);
    }
    stream[0].assert_pending();
    assert_alive_after(&clock, &mut stream, 15);
}

#[test]
fn a_stream_with_gaps_counts_from_when_it_was_polled() {
    let (clock, topic) = new_topic();
    let stream = lively_stream(&topic, Start::Now, clock.ticker());
    let mut stream = [settled(stream.pacing(Pacing::spaced(ms(1))))];
    publish_all(&topic, &["a"]);
    assert_eq!(stream[0].data(), "a");
    clock.advance(secs(1));
    publish_all(&topic, &["b"]);
    clock.advance(secs(10));
    stream[0].assert_sends("b");
    assert_alive_after(&clock, &mut stream, 15);
}

/// No stream gets messages that expire at once.
#[test]
fn messages_that_expire_unread_do_not_delay_the_keep_alive() {
    let (clock, topic) = new_topic();
    let mut stream = [lively_task(&topic, &clock)];
    (0..3).for_each(|_| send(&topic, &mut stream, "a"));
    let mut quiet = 0;
    while stream[0].poll_next().is_pending() {
        clock.advance(secs(1));
        quiet += 1;
        publish_brief(&topic, "stale", Duration::ZERO);
    }
    assert!((13..=15).contains(&quiet), "{quiet}");
}

/// Counts how often it is read.
struct Counting {
    ticker: FakeTicker,
    reads: Rc<Cell<usize>>,
}

impl Ticker for Counting {
    fn now(&self) -> Duration {
        self.reads.set(self.reads.get() + 1);
        self.ticker.now()
    }

    fn arm(mut self: Pin<&mut Self>, after: Option<Duration>) {
        Pin::new(&mut self.ticker).arm(after);
    }

    fn poll_tick(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.ticker).poll_tick(cx)
    }
}

#[test]
fn a_stream_that_keeps_up_does_not_read_its_ticker_for_each_message() {
    for keep_alive in [KeepAlive::default(), KeepAlive::off()] {
        let (clock, topic) = new_topic();
        let reads = Rc::default();
        let ticker = Counting {
            ticker: clock.ticker(),
            reads: Rc::clone(&reads),
        };
        let stream = lively_stream(&topic, Start::Now, ticker);
        let mut stream = settled(stream.keep_alive(keep_alive));
        let mut send = || {
            topic.publish("x").unwrap();
            stream.assert_sends("x");
        };
        send();
        reads.set(0);
        (0..1000).for_each(|_| send());
        assert_eq!(reads.get(), 0);
    }
}
