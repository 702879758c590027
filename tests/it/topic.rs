//! Topics and their streams in memory, on a clock that the tests move.

mod gaps;
mod roles;

use std::time::{Duration, SystemTime};

use futures_core::Stream;
use http::{HeaderMap, HeaderValue};
use sse_queue::{
    Event, EventStream, FakeClock, FakeTicker, GapCause, KeepAlive, Lag, LastEventId, Message,
    PublishError, Queue, Resumption, Start, Topic, TopicBuilder, TopicSubscription,
};

use crate::support::{Task, ms, parser, secs, settled};

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

mod keep_alive {
    use std::cell::Cell;
    use std::pin::Pin;
    use std::rc::Rc;
    use std::task::{Context, Poll};

    use sse_queue::Ticker;

    use super::*;

    /// A stream with the usual keep-alive that waits.
    fn lively(topic: &Topic, ticks: &FakeClock) -> Task<TopicStream> {
        let stream = topic.stream(Start::Now, ticks.ticker()).unwrap();
        settled(stream.first_bytes(false))
    }

    fn send(topic: &Topic, streams: &mut [Task<TopicStream>], data: &str) {
        topic.publish(data).unwrap();
        for stream in streams {
            assert_eq!(stream.data(), data);
            stream.is_pending();
        }
    }

    /// The next keep-alive comes after so many seconds, or up to a tenth of 15 s before.
    #[track_caller]
    fn is_alive_after(clock: &FakeClock, streams: &mut [Task<TopicStream>], wait: u64) {
        for _ in 2..wait {
            clock.advance(secs(1));
            streams.iter_mut().for_each(Task::is_pending);
        }
        clock.advance(secs(2));
        for stream in streams {
            assert_eq!(stream.bytes(), ":\n");
            stream.is_pending();
        }
    }

    /// ```text
    /// s      0  3 7 7 14        29       44
    /// sent      a b c d         :        :
    /// ```
    #[test]
    fn a_sign_of_life_comes_a_whole_period_after_the_last_message() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = [(); 3].map(|()| lively(&topic, &clock));
        for (wait, data) in [(3, "a"), (4, "b"), (0, "c"), (7, "d")] {
            clock.advance(secs(wait));
            send(&topic, &mut streams, data);
        }
        is_alive_after(&clock, &mut streams, 15);
        is_alive_after(&clock, &mut streams, 15);
        clock.advance(secs(10));
        send(&topic, &mut streams, "e");
        is_alive_after(&clock, &mut streams, 15);
    }

    #[test]
    fn none_comes_while_messages_do() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = [(); 2].map(|()| lively(&topic, &clock));
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
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = [lively(&topic, &clock)];
        send(&topic, &mut stream, "a");
        clock.advance(secs(2));
        topic.publish("b").unwrap();
        clock.advance(secs(10));
        assert_eq!(stream[0].data(), "b");
        stream[0].is_pending();
        is_alive_after(&clock, &mut stream, 5);
    }

    /// The same where another stream has read the chunk before, and the topic was used since.
    #[test]
    fn a_stream_that_shares_a_chunk_late_counts_from_when_it_was_woken() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = [(); 2].map(|()| lively(&topic, &clock));
        send(&topic, &mut streams, "a");
        clock.advance(secs(2));
        topic.publish("b").unwrap();
        assert_eq!(streams[0].data(), "b");
        clock.advance(secs(10));
        assert_eq!(topic.stats().streams, 2);
        assert_eq!(streams[1].data(), "b");
        streams.iter_mut().for_each(Task::is_pending);
        is_alive_after(&clock, &mut streams, 5);
    }

    /// The topic's clock jumps, or stands still, after the message at 10 s.
    #[test]
    fn a_clock_that_jumps_moves_a_keep_alive_by_less_than_a_period() {
        for jump in [secs(3600), Duration::ZERO] {
            let (clock, ticks) = (FakeClock::new(), FakeClock::new());
            let topic = topic(&clock);
            let mut stream = [lively(&topic, &ticks)];
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
            stream[0].is_pending();
            is_alive_after(&ticks, &mut stream, 15);
        }
    }

    #[test]
    fn a_stream_that_was_not_woken_counts_from_when_it_read() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        publish_all(&topic, &["a", "b"]);
        let stream = topic.stream(Start::Oldest, clock.ticker()).unwrap();
        let mut stream = [Task::new(stream.first_bytes(false).max_chunk(1))];
        assert_eq!(stream[0].data(), "a");
        clock.advance(secs(10));
        assert_eq!(stream[0].data(), "b");
        stream[0].is_pending();
        is_alive_after(&clock, &mut stream, 15);
    }

    #[test]
    fn two_chunks_in_a_row_are_followed_by_a_whole_period() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = [lively(&topic, &clock)];
        clock.advance(secs(7));
        for data in ["a", "b"] {
            topic.publish(data).unwrap();
            assert_eq!(stream[0].data(), data);
        }
        stream[0].is_pending();
        is_alive_after(&clock, &mut stream, 15);
    }

    #[test]
    fn a_stream_with_gaps_counts_from_when_it_was_polled() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let stream = topic.stream(Start::Now, clock.ticker()).unwrap();
        let mut stream = [settled(stream.first_bytes(false).spaced(ms(1)))];
        publish_all(&topic, &["a"]);
        assert_eq!(stream[0].data(), "a");
        clock.advance(secs(1));
        publish_all(&topic, &["b"]);
        clock.advance(secs(10));
        assert_eq!(stream[0].data(), "b");
        stream[0].is_pending();
        is_alive_after(&clock, &mut stream, 15);
    }

    /// Nobody gets those that the topic publishes and that expire at once.
    #[test]
    fn messages_that_expire_unread_do_not_put_the_sign_of_life_off() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = [lively(&topic, &clock)];
        (0..3).for_each(|_| send(&topic, &mut stream, "a"));
        let mut quiet = 0;
        while stream[0].poll_next().is_pending() {
            clock.advance(secs(1));
            quiet += 1;
            let stale = Message::from("stale").expires_after(Duration::ZERO);
            topic.publish(stale).unwrap();
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
            let clock = FakeClock::new();
            let topic = topic(&clock);
            let reads = Rc::default();
            let ticker = Counting {
                ticker: clock.ticker(),
                reads: Rc::clone(&reads),
            };
            let stream = topic.stream(Start::Now, ticker).unwrap();
            let mut stream = settled(stream.first_bytes(false).keep_alive(keep_alive));
            let mut send = || {
                topic.publish("x").unwrap();
                assert_eq!(stream.data(), "x");
                stream.is_pending();
            };
            send();
            reads.set(0);
            (0..1000).for_each(|_| send());
            assert_eq!(reads.get(), 0);
        }
    }
}

/// Streams that keep up share what the first of them has read, and wait without asking again.
mod keeping_up {
    use super::*;

    /// Streams that have kept up for a while, with one message to read.
    fn in_step<const N: usize>(topic: &Topic, streams: [TopicStream; N]) -> [Task<TopicStream>; N] {
        let mut tasks = streams.map(settled);
        for _ in 0..3 {
            topic.publish("x").unwrap();
            for task in &mut tasks {
                assert_eq!(task.data(), "x");
                task.is_pending();
            }
        }
        topic.publish("m").unwrap();
        tasks
    }

    fn two(topic: &Topic, clock: &FakeClock) -> [Task<TopicStream>; 2] {
        in_step(topic, [(); 2].map(|()| bare(topic, clock, Start::Now)))
    }

    #[test]
    fn each_message_is_counted_for_each() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = two(&topic, &clock);
        let before = topic.stats().delivered;
        publish_all(&topic, &["n"]);
        for stream in &mut streams {
            assert_eq!(stream.data(), "m,n");
        }
        assert_eq!(topic.stats().delivered - before, 4);
    }

    #[test]
    fn they_end_with_a_topic_that_closes_before_or_after_the_first_has_read() {
        for closes_first in [true, false] {
            let clock = FakeClock::new();
            let topic = topic(&clock);
            let [mut one, mut two] = two(&topic, &clock);
            if closes_first {
                topic.close();
            }
            assert_eq!(one.data(), "m");
            topic.close();
            assert_eq!(two.data(), "m");
            one.is_over();
            two.is_over();
        }
    }

    #[test]
    fn they_end_when_the_last_handle_is_dropped() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let [mut one, mut two] = two(&topic, &clock);
        assert_eq!(one.data(), "m");
        drop(topic);
        assert_eq!(two.data(), "m");
        two.is_over();
    }

    #[test]
    fn an_abort_leaves_them_nothing() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let [mut one, mut two] = two(&topic, &clock);
        assert_eq!(one.data(), "m");
        topic.abort();
        two.is_over();
    }

    #[test]
    fn what_has_fallen_due_since_the_first_has_read_is_there_for_the_second() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let [mut one, mut two] = two(&topic, &clock);
        assert_eq!(one.data(), "m");
        topic.publish(later("n", secs(1))).unwrap();
        clock.advance(secs(1));
        assert_eq!(drain(&mut two), "m,n");
    }

    #[test]
    fn what_expires_since_the_first_has_read_is_not() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let [mut one, mut two] = two(&topic, &clock);
        let short = Message::from("n").expires_after(secs(1));
        topic.publish(short).unwrap();
        assert_eq!(one.data(), "m,n");
        clock.advance(secs(1));
        assert_eq!(drain(&mut two), "m");
    }

    #[test]
    fn each_keeps_to_its_own_limits() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let stream = || bare(&topic, &clock, Start::Now);
        let limits = [
            |stream: TopicStream| stream.max_chunk(1),
            |stream: TopicStream| stream.max_messages(1),
        ];
        for limit in limits {
            let [mut all, mut limited] = in_step(&topic, [stream(), limit(stream())]);
            publish_all(&topic, &["n"]);
            assert_eq!(all.data(), "m,n");
            assert_eq!(limited.data(), "m");
            assert_eq!(limited.data(), "n");
        }
    }

    /// ```text
    /// ms      0            1
    /// spaced  LARGE     m  n,o,p,q
    /// late      m,n,o,p,q
    /// ```
    #[test]
    fn the_rest_of_a_burst_is_not_joined_with_what_came_later() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let stream = || bare(&topic, &clock, Start::Now);
        let spaced = stream().spaced(ms(1)).max_chunk(100);
        let [mut spaced, mut other] = in_step_spaced(&topic, &clock, [spaced, stream()]);
        let large = "l".repeat(70);
        publish_all(&topic, &[&large, "m"]);
        assert_eq!(spaced.data(), large);
        assert_eq!(other.data(), format!("{large},m"));
        for data in ["n", "o", "p"] {
            publish_all(&topic, &[data]);
            assert_eq!(other.data(), data);
        }
        publish_all(&topic, &["q"]);
        let mut late = reader(&topic, &clock, after("e-4"));
        assert_eq!(late.data(), "m,n,o,p,q");
        assert_eq!(spaced.data(), "m");
        spaced.is_pending();
        clock.advance(ms(1));
        assert_eq!(spaced.data(), "n,o,p,q");
    }

    /// The same for streams with gaps, which are over each time.
    fn in_step_spaced(
        topic: &Topic,
        clock: &FakeClock,
        streams: [TopicStream; 2],
    ) -> [Task<TopicStream>; 2] {
        let mut tasks = streams.map(settled);
        for _ in 0..3 {
            topic.publish("x").unwrap();
            for task in &mut tasks {
                assert_eq!(task.data(), "x");
                task.is_pending();
            }
            clock.advance(ms(1));
            tasks.iter_mut().for_each(Task::is_pending);
        }
        tasks
    }

    #[test]
    fn a_stream_whose_gap_is_over_hears_of_the_end_once() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let stream = || bare(&topic, &clock, Start::Now);
        let streams = [stream(), stream().spaced(ms(1))];
        let [mut other, mut spaced] = in_step_spaced(&topic, &clock, streams);
        publish_all(&topic, &["m"]);
        assert_eq!(spaced.data(), "m");
        spaced.is_pending();
        publish_all(&topic, &["n"]);
        assert_eq!(drain(&mut other), "m,n");
        clock.advance(ms(1));
        assert_eq!(spaced.data(), "n");
        spaced.wakes();
        topic.close();
        assert_eq!(spaced.wakes(), 1);
    }
}

mod broadcast {
    use super::*;

    #[test]
    fn every_stream_gets_every_message_in_one_order() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = [(); 3].map(|()| waiting(&topic, &clock));
        publish_all(&topic, &["a", "b"]);
        assert_eq!(streams[0].data(), "a,b");
        publish_all(&topic, &["c"]);
        assert_eq!(drain(&mut streams[1]), "a,b,c");
        assert_eq!(drain(&mut streams[0]), "c");
        assert_eq!(drain(&mut streams[2]), "a,b,c");
    }

    #[test]
    fn the_receipt_says_id_streams_and_what_is_kept() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history(2).build();
        let _one = topic.subscribe(Start::Now).unwrap();
        let published = [(); 3].map(|()| topic.publish("x").unwrap());
        let seen = published.map(|it| (it.id().to_owned(), it.streams(), it.retained()));
        let expected = [("e-1", 1, 1), ("e-2", 1, 2), ("e-3", 1, 2)];
        assert_eq!(seen, expected.map(|(id, a, b)| (id.to_owned(), a, b)));
    }

    #[test]
    fn each_start_begins_where_it_says() {
        for (start, seen) in [
            (Start::Now, ""),
            (Start::Oldest, "b,c,d,e"),
            (Start::Last(0), ""),
            (Start::Last(1), "e"),
            (Start::Last(4), "b,c,d,e"),
            (Start::Last(5), "b,c,d,e"),
            (Start::Last(u64::MAX), "b,c,d,e"),
            (after("e-3"), "d,e"),
            (after("e-5"), ""),
        ] {
            let clock = FakeClock::new();
            let topic = builder(&clock).history(4).build();
            publish_all(&topic, &["a", "b", "c", "d", "e"]);
            let mut stream = reader(&topic, &clock, start.clone());
            assert_eq!(drain(&mut stream), seen, "{start:?}");
            topic.publish("live").unwrap();
            assert_eq!(drain(&mut stream), "live", "{start:?}");
        }
    }

    #[test]
    fn a_stream_begins_with_the_subscription_not_with_the_first_poll() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = reader(&topic, &clock, Start::Now);
        publish_all(&topic, &["a"]);
        assert_eq!(drain(&mut stream), "a");
    }

    #[test]
    fn a_comment_goes_to_all_and_has_no_id() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = waiting(&topic, &clock);
        topic.publish(Event::comment("note")).unwrap();
        topic.publish("a").unwrap();
        assert_eq!(stream.bytes(), ": note\nid: e-2\ndata: a\n\n");
    }

    #[test]
    fn only_ids_of_this_topic_and_such_that_cannot_come_back_are_refused() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        for id in ["e-1", "e-d1", "e-0", "e-18446744073709551616"] {
            let error = topic.publish(with_id("x", id)).unwrap_err();
            assert!(matches!(error, PublishError::ReservedId(_)), "{id}");
            assert_eq!(error.into_message(), Message::from(with_id("x", id)));
        }
        let error = topic.publish(with_id("x", "")).unwrap_err();
        assert!(matches!(error, PublishError::EmptyId(_)));
        let most = "x".repeat(sse_queue::LastEventId::MAX_LEN);
        let error = topic
            .publish(with_id("x", &format!("{most}x")))
            .unwrap_err();
        assert!(matches!(error, PublishError::IdTooLong(_)));
        let others = [
            "other-7",
            "other-d7",
            "1795498212020-0",
            "3-12345",
            "order-42",
        ];
        let shapeless = ["1", "e-", "E-1", "e-01", "e-d", "e-1-1", "…", &most];
        for id in others.into_iter().chain(shapeless) {
            assert_eq!(topic.publish(with_id("x", id)).unwrap().id(), id);
        }
        assert_eq!(topic.stats().published, 13);
    }

    #[test]
    fn a_client_resumes_exactly_after_a_brokers_id() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        for id in ["1795498212020-0", "1795498212020-1"] {
            topic.publish(with_id("x", id)).unwrap();
        }
        let start = Start::After(LastEventId::new("1795498212020-0"));
        let subscription = topic.subscribe(start).unwrap();
        assert_eq!(subscription.resumption(), Resumption::Exact);
    }

    #[test]
    fn what_waited_keeps_its_id_in_a_new_topic_of_the_same_epoch() {
        let clock = FakeClock::new();
        let (old, new) = (topic(&clock), topic(&clock));
        for data in ["a", "b"] {
            old.publish(later(data, secs(1))).unwrap();
        }
        for message in old.take_remaining() {
            let (id, twice) = (message.id().to_owned(), message.clone());
            assert_eq!(new.publish(message).unwrap().id(), id);
            let error = new.publish(twice).unwrap_err();
            assert!(matches!(error, PublishError::DuplicateId(_)));
        }
        assert_eq!(new.publish(later("c", secs(1))).unwrap().id(), "e-d3");
        let mut stream = waiting(&new, &clock);
        clock.advance(secs(1));
        assert_eq!(stream.data(), "a,b,c");
    }

    #[test]
    fn an_empty_last_event_id_is_none() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        topic.publish("x").unwrap();
        let start = Start::After(LastEventId::new(""));
        let subscription = topic.subscribe(start).unwrap();
        assert_eq!(subscription.resumption(), Resumption::Fresh);
    }

    #[test]
    fn polling_by_hand_takes_nobodys_wake_up() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        topic.publish(later("x", secs(1))).unwrap();
        let mut by_hand = bare(&topic, &clock, Start::Now);
        assert_eq!(by_hand.next_ready(), None);
        let mut other = waiting(&topic, &clock);
        clock.advance(secs(1));
        assert_eq!(other.wakes(), 1);
        assert_eq!(other.data(), "x");
        assert!(by_hand.next_ready().is_some());
    }

    #[test]
    fn a_waker_that_panics_takes_nobodys_wake_up() {
        struct Panics;

        impl std::task::Wake for Panics {
            fn wake(self: std::sync::Arc<Self>) {
                panic!("a waker that panics");
            }
        }

        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut bad = bare(&topic, &clock, Start::Now);
        let waker = std::task::Waker::from(std::sync::Arc::new(Panics));
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(std::pin::Pin::new(&mut bad).poll_next(&mut cx).is_pending());
        let mut good = waiting(&topic, &clock);
        for _ in 0..3 {
            topic.publish("x").unwrap();
            assert_eq!(good.wakes(), 1);
            assert_eq!(good.data(), "x");
            good.is_pending();
        }
        topic.close();
        assert_eq!(good.wakes(), 1);
    }

    #[test]
    fn a_refused_message_comes_back_as_it_was() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history_bytes(102).max_scheduled(1).build();
        let large = Message::from("x".repeat(102));
        let error = topic.publish(large.clone()).unwrap_err();
        assert_eq!(error, PublishError::TooLarge(large));

        topic.publish(later("a", secs(1))).unwrap();
        let more = later("b", secs(1)).expires_after(secs(9));
        let error = topic.publish(more.clone()).unwrap_err();
        assert_eq!(error, PublishError::Full(more));

        topic.close();
        let error = topic.publish("c").unwrap_err();
        assert_eq!(error, PublishError::Closed("c".into()));
        assert_eq!(topic.stats().published, 1);
    }

    #[test]
    fn refused_messages_use_up_no_ids() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history_bytes(102).build();
        for message in [Message::from("x".repeat(102)), later("y", secs(1))] {
            let _ = topic.publish(message);
        }
        assert_eq!(topic.publish("a").unwrap().id(), "e-1");
        assert!(
            topic.publish(later(&"x".repeat(25), secs(1))).is_err(),
            "it would count more than the history may"
        );
        assert_eq!(topic.publish(later("z", secs(1))).unwrap().id(), "e-d2");
    }

    #[test]
    fn the_cap_on_streams_is_told_and_freed_by_a_drop() {
        let clock = FakeClock::new();
        let topic = builder(&clock).max_streams(2).build();
        let one = bare(&topic, &clock, Start::Now);
        let _two = bare(&topic, &clock, Start::Oldest);
        let error = topic.subscribe(Start::Now).unwrap_err();
        assert_eq!((error.limit, topic.stats().streams), (2, 2));
        drop(one);
        assert!(topic.subscribe(after("?")).is_ok());
        assert_eq!(topic.stats().gaps, 1);
    }

    #[test]
    fn the_counters_count() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history(2).build();
        let mut slow = waiting(&topic, &clock);
        let mut fast = waiting(&topic, &clock);
        for data in ["a", "b", "c"] {
            topic.publish(data).unwrap();
            fast.bytes();
        }
        assert_eq!(slow.bytes(), evicted(1));
        assert_eq!(drain(&mut slow), "b,c");
        let late = later("late", secs(5));
        topic.publish(late.clone().expires_after(secs(0))).unwrap();
        let id = topic.publish(late.clone()).unwrap();
        assert!(topic.cancel(id.id()));
        topic.publish(later("last", secs(9))).unwrap();
        clock.advance(secs(6));
        let _unknown = topic.subscribe(after("?")).unwrap();

        let stats = topic.stats();
        assert_eq!((stats.published, stats.delivered), (6, 5));
        assert_eq!((stats.expired, stats.withdrawn), (1, 1));
        assert_eq!((stats.lagged, stats.gaps, stats.streams), (1, 1, 3));
        assert_eq!((stats.retained, stats.bytes), (2, 2 * (17 + 16)));
        assert_eq!((stats.scheduled, stats.next_due), (1, Some(secs(3))));
    }
}

mod history {
    use super::*;

    #[test]
    fn history_is_exact_by_messages_bytes_and_age() {
        let clock = FakeClock::new();
        let by_messages = builder(&clock).history(100).build();
        let by_bytes = builder(&clock).history_bytes(1_000).build();
        let by_age = builder(&clock).history_age(secs(100)).build();
        for number in 1..=500_u64 {
            for topic in [&by_messages, &by_bytes, &by_age] {
                topic.publish(number.to_string()).unwrap();
            }
            clock.advance(secs(1));
        }
        assert_eq!(by_messages.stats().retained, 100);
        let each = "id: e-500\ndata: 500\n\n".len();
        let fits = 1_000 / (u64::try_from(each).unwrap() + 16);
        assert_eq!(by_bytes.stats().retained, fits);
        assert!(by_bytes.stats().bytes <= 1_000);
        assert_eq!(
            by_age.stats().retained,
            100,
            "0 to 100 s ago, the last 1 s ago"
        );
        clock.advance(secs(1));
        assert_eq!(by_age.stats().retained, 99);
        clock.advance(secs(1_000));
        assert_eq!((by_age.stats().retained, by_age.stats().bytes), (0, 0));
    }

    /// ```text
    /// s        0            10      60     71
    /// due                   x
    /// kept                  |--------------|
    /// looked                               here
    /// ```
    #[test]
    fn the_age_counts_from_the_due_time_however_late_somebody_looks() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history_age(secs(60)).build();
        topic.publish(later("x", secs(10))).unwrap();
        clock.advance(secs(71));
        assert_eq!(topic.stats().retained, 0);
        assert_eq!(replay(&topic, Start::Oldest), "");
    }

    #[test]
    fn a_message_that_expired_is_not_sent_to_a_stream_that_comes_late() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        topic.publish("a").unwrap();
        topic
            .publish(Message::from("b").expires_after(secs(2)))
            .unwrap();
        topic.publish("c").unwrap();
        let mut slow = reader(&topic, &clock, Start::Oldest);
        assert_eq!(replay(&topic, Start::Oldest), "a,b,c");
        clock.advance(secs(2));
        assert_eq!(drain(&mut slow), "a,c");
        assert_eq!(replay(&topic, after("e-1")), "c");
    }

    #[test]
    fn a_stream_that_finds_only_expired_messages_waits_for_the_next() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = reader(&topic, &clock, Start::Oldest);
        for _ in 0..200 {
            topic
                .publish(Message::from("x").expires_after(secs(1)))
                .unwrap();
        }
        clock.advance(secs(1));
        stream.is_pending();
        topic.publish("a").unwrap();
        assert_eq!(stream.wakes(), 1);
        assert_eq!(stream.data(), "a");
    }

    #[test]
    fn expired_messages_leave_a_batch_to_the_others() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        topic
            .publish(Message::from("a").expires_after(secs(1)))
            .unwrap();
        publish_all(&topic, &["b"]);
        let mut stream = settled(bare(&topic, &clock, Start::Oldest).every(secs(1)));
        clock.advance(secs(1));
        assert_eq!(stream.data(), "b");
    }

    #[test]
    fn a_stream_that_never_reads_holds_no_memory() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history(100).build();
        let mut stuck = Task::new(bare(&topic, &clock, Start::Now));
        publish_numbers(&topic, 1..=10_000);
        let stats = topic.stats();
        assert_eq!((stats.retained, stats.streams), (100, 1));
        assert_eq!(stuck.bytes(), evicted(9_900));
        assert!(drain(&mut stuck).starts_with("9901,"));
    }

    #[test]
    fn a_slow_stream_takes_nothing_from_the_others() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history(10).build();
        let mut slow = waiting(&topic, &clock);
        let mut fast = waiting(&topic, &clock);
        for number in 1..=1_000_u64 {
            topic.publish(number.to_string()).unwrap();
            assert_eq!(fast.data(), number.to_string());
            fast.is_pending();
        }
        assert_eq!(slow.wakes(), 1, "woken once, not for each message");
        assert_eq!(slow.bytes(), evicted(990));
    }
}

mod resuming {
    use super::*;

    /// `EPOCH-SEQ` 1 to 5 were given, 3 to 5 are kept. `own` is the id of 2 and 4, `gone` that of 1.
    fn five(clock: &FakeClock) -> Topic {
        let topic = builder(clock).history(3).build();
        topic.publish(with_id("1", "gone")).unwrap();
        topic.publish(with_id("2", "own")).unwrap();
        topic.publish("3").unwrap();
        topic.publish(with_id("4", "own")).unwrap();
        topic.publish("5").unwrap();
        topic
    }

    #[test]
    fn last_event_ids_are_read_as_the_table_says() {
        use GapCause::{Evicted, ForeignEpoch, Future, Malformed, Unknown};
        use Resumption::Exact;

        let clock = FakeClock::new();
        let topic = five(&clock);
        let huge = "9".repeat(1_000);
        let longest = "x".repeat(1_024);
        let too_long = "x".repeat(1_025);
        let table: &[(&[u8], Resumption, &str)] = &[
            // Of this epoch.
            (b"e-5", Exact, ""),
            (b"e-4", Exact, "5"),
            (b"e-3", Exact, "4,5"),
            (b"e-2", Exact, "3,4,5"),
            (b"e-1", gap(Some(1), Evicted), "3,4,5"),
            (b"e-0", gap(Some(2), Evicted), "3,4,5"),
            (b"e-6", gap(None, Future), "3,4,5"),
            (b"e-18446744073709551615", gap(None, Future), "3,4,5"),
            (b"e-18446744073709551616", gap(None, Future), "3,4,5"),
            (
                &[b"e-", huge.as_bytes()].concat(),
                gap(None, Future),
                "3,4,5",
            ),
            // Scheduled ones were never given.
            (b"e-d0", gap(None, Future), "3,4,5"),
            (b"e-d1", gap(None, Future), "3,4,5"),
            (
                &[b"e-d", huge.as_bytes()].concat(),
                gap(None, Future),
                "3,4,5",
            ),
            // Own ones.
            (b"own", Exact, "5"),
            (b"gone", gap(None, Unknown), "3,4,5"),
            // Of another epoch.
            (b"old-5", gap(None, ForeignEpoch), "3,4,5"),
            (b"old-d5", gap(None, ForeignEpoch), "3,4,5"),
            (
                &[b"f-", huge.as_bytes()].concat(),
                gap(None, ForeignEpoch),
                "3,4,5",
            ),
            // Of no shape.
            (b"5", gap(None, Unknown), "3,4,5"),
            (b"-1", gap(None, Unknown), "3,4,5"),
            (b"e-", gap(None, Unknown), "3,4,5"),
            (b"e-05", gap(None, Unknown), "3,4,5"),
            (b"e-+5", gap(None, Unknown), "3,4,5"),
            (b"e-5-5", gap(None, Unknown), "3,4,5"),
            (b"E-5", gap(None, Unknown), "3,4,5"),
            ("…".as_bytes(), gap(None, Unknown), "3,4,5"),
            (longest.as_bytes(), gap(None, Unknown), "3,4,5"),
            // Not to be read at all.
            (too_long.as_bytes(), gap(None, Malformed), "3,4,5"),
            (b"e-5\xff", gap(None, Malformed), "3,4,5"),
            (b"\xe2\x80", gap(None, Malformed), "3,4,5"),
        ];
        for (value, resumption, seen) in table {
            let name = String::from_utf8_lossy(value);
            let mut headers = HeaderMap::new();
            headers.insert("last-event-id", HeaderValue::from_bytes(value).unwrap());
            let start = Start::from(LastEventId::from_headers(&headers));
            let mut stream = reader(&topic, &clock, start);
            assert_eq!(stream.inner.resumption(), *resumption, "{name}");
            if let Resumption::Gap { missed, cause } = resumption {
                let missed = missed.map_or("null".into(), |missed| missed.to_string());
                let told = format!("{{\"missed\":{missed},\"cause\":\"{cause}\"}}");
                assert_eq!(stream.data(), told, "{name}");
            }
            assert_eq!(drain(&mut stream), *seen, "{name}");
        }
    }

    #[test]
    fn values_that_no_header_can_hold_are_malformed_too() {
        let clock = FakeClock::new();
        let topic = five(&clock);
        for query in ["last_event_id=e%00", "lastEventId=%0a", "last_event_id=%ff"] {
            let start = Start::from(LastEventId::from_query(query));
            let subscription = topic.subscribe(start).unwrap();
            assert_eq!(subscription.resumption(), gap(None, GapCause::Malformed));
        }
    }

    #[test]
    fn no_id_begins_now() {
        let clock = FakeClock::new();
        let topic = five(&clock);
        let start = Start::from(LastEventId::from_headers(&HeaderMap::new()));
        let mut stream = reader(&topic, &clock, start);
        assert_eq!(stream.inner.resumption(), Resumption::Fresh);
        stream.is_pending();
    }

    #[test]
    fn the_first_message_of_all_can_be_missed_and_counted() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let resume = |id| topic.subscribe(after(id)).unwrap().resumption();
        assert_eq!(resume("e-0"), Resumption::Exact);
        assert_eq!(resume("e-1"), gap(None, GapCause::Future));
    }

    /// ```text
    /// s        0      5        6
    /// e-d1            due
    /// resumed  Future Exact    Exact, then Evicted
    /// ```
    #[test]
    fn a_scheduled_id_can_be_resumed_from_while_its_message_is_kept() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history(2).build();
        assert_eq!(topic.publish(later("x", secs(5))).unwrap().id(), "e-d1");
        topic.publish("a").unwrap();
        let resume = |id| topic.subscribe(after(id)).unwrap().resumption();
        assert_eq!(resume("e-d1"), gap(None, GapCause::Future));
        assert_eq!(resume("e-d2"), gap(None, GapCause::Future));
        clock.advance(secs(5));
        assert_eq!(resume("e-d1"), Resumption::Exact);
        publish_all(&topic, &["b"]);
        assert_eq!(replay(&topic, after("e-d1")), "b");
        assert_eq!(replay(&topic, after("e-1")), "x,b");
        publish_all(&topic, &["c"]);
        assert_eq!(replay(&topic, after("e-d1")), "b,c", "left of the oldest");
        publish_all(&topic, &["d"]);
        assert_eq!(resume("e-d1"), gap(None, GapCause::Evicted));
    }

    #[test]
    fn an_own_id_used_again_is_the_newest_message() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history(3).build();
        for data in ["1", "2", "3"] {
            topic.publish(with_id(data, "same")).unwrap();
        }
        assert_eq!(replay(&topic, after("same")), "");
        publish_all(&topic, &["4", "5"]);
        assert_eq!(replay(&topic, after("same")), "4,5");
        publish_all(&topic, &["6"]);
        assert_eq!(replay(&topic, after("same")), "4,5,6", "left of the oldest");
        publish_all(&topic, &["7"]);
        let resumption = topic.subscribe(after("same")).unwrap().resumption();
        assert_eq!(resumption, gap(None, GapCause::Unknown));
    }

    #[test]
    fn a_restarted_topic_knows_that_an_id_is_not_its_own() {
        let [before, now] = [Topic::new(), Topic::new()];
        let id = before.publish("x").unwrap();
        now.publish("y").unwrap();
        let resumption = now.subscribe(after(id.id())).unwrap().resumption();
        assert_eq!(resumption, gap(None, GapCause::ForeignEpoch));
    }

    #[test]
    fn nothing_lies_between_replay_and_live() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        publish_all(&topic, &["a", "b"]);
        let mut stream = reader(&topic, &clock, after("e-1"));
        publish_all(&topic, &["c"]);
        assert_eq!(drain(&mut stream), "b,c");
        publish_all(&topic, &["d"]);
        assert_eq!(drain(&mut stream), "d");
    }

    #[test]
    fn what_is_evicted_before_the_first_poll_is_told_as_well() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history(2).build();
        publish_numbers(&topic, 1..=5);
        let mut stream = reader(&topic, &clock, after("e-2"));
        publish_numbers(&topic, 6..=6);
        assert_eq!(stream.bytes(), evicted(1));
        assert_eq!(stream.bytes(), evicted(1));
        assert_eq!(drain(&mut stream), "5,6");
    }

    #[test]
    fn a_gap_has_no_id_so_that_the_place_is_kept() {
        let clock = FakeClock::new();
        let topic = five(&clock);
        let mut stream = reader(&topic, &clock, after("e-1"));
        let parsed = parser::parse(stream.bytes().as_bytes());
        assert_eq!(parsed.last_event_id, "");
        assert_eq!(parsed.events[0].name, "gap");
    }

    #[test]
    fn a_gap_event_can_be_named_or_switched_off() {
        let clock = FakeClock::new();
        let topic = five(&clock);
        let stream = || bare(&topic, &clock, after("?"));
        let mut named = Task::new(stream().gap_event(Some("lücke")).unwrap());
        assert!(named.bytes().starts_with("event: lücke\ndata: {"));
        let mut off = Task::new(stream().gap_event(None).unwrap());
        assert_eq!(drain(&mut off), "3,4,5");
        for name in ["a\nb", "a\rb"] {
            assert!(stream().gap_event(Some(name)).is_err());
        }
    }

    #[test]
    fn a_gap_that_is_switched_off_does_not_use_up_a_tick() {
        let clock = FakeClock::new();
        let topic = five(&clock);
        let stream = bare(&topic, &clock, after("?")).gap_event(None).unwrap();
        let mut stream = settled(stream.every(secs(1)));
        clock.advance(secs(1));
        assert_eq!(stream.data(), "3");
    }
}

mod lagging {
    use super::*;

    #[test]
    fn a_stream_that_fell_behind_is_told_and_goes_on_with_the_oldest() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history(2).build();
        let mut stream = waiting(&topic, &clock);
        for (range, missed, seen) in [(1..=5, 3, "4,5"), (6..=8, 1, "7,8")] {
            publish_numbers(&topic, range);
            assert_eq!(stream.bytes(), evicted(missed));
            assert_eq!(drain(&mut stream), seen);
        }
        assert_eq!(topic.stats().lagged, 2);
    }

    #[test]
    fn a_stream_behind_by_exactly_what_is_kept_misses_nothing() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history(2).build();
        let mut stream = waiting(&topic, &clock);
        publish_numbers(&topic, 1..=2);
        assert_eq!(drain(&mut stream), "1,2");
        assert_eq!(topic.stats().lagged, 0);
    }

    #[test]
    fn a_stream_that_is_to_end_when_it_lags_ends_and_resumes_with_the_count() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history(2).build();
        let stream = bare(&topic, &clock, Start::Now).lag(Lag::End);
        let mut stream = settled(stream.farewell(Event::new("bye")));
        publish_numbers(&topic, 1..=1);
        assert_eq!(stream.data(), "1");
        stream.is_pending();
        publish_numbers(&topic, 2..=5);
        assert_eq!(stream.data(), "bye");
        stream.is_over();
        let again = reader(&topic, &clock, after("e-1"));
        assert_eq!(again.inner.resumption(), gap(Some(2), GapCause::Evicted));
    }

    #[test]
    fn a_source_that_ended_because_it_lagged_gives_nothing_more() {
        use core::pin::Pin;
        use core::task::{Context, Poll, Waker};
        use sse_queue::{Limit, Pull, Source};

        let clock = FakeClock::new();
        let topic = builder(&clock).history(1).build();
        let mut source = topic.subscribe(Start::Now).unwrap().lag(Lag::End);
        publish_numbers(&topic, 1..=2);
        let mut cx = Context::from_waker(Waker::noop());
        let mut take =
            || Pin::new(&mut source).poll_chunk(&mut cx, &mut Pull::new(Limit::new(1_000, 10)));
        assert_eq!(take(), Poll::Ready(None));
        assert_eq!(take(), Poll::Ready(None), "for good");
    }

    #[test]
    fn messages_that_left_by_age_are_told_too() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history_age(secs(5)).build();
        let mut stream = waiting(&topic, &clock);
        publish_all(&topic, &["a", "b"]);
        clock.advance(secs(6));
        assert_eq!(stream.bytes(), evicted(2));
        stream.is_pending();
    }
}

mod schedule {
    use super::*;

    /// ```text
    /// s     0        1        2        3
    ///       d(3) b1(1) b2(1)
    ///       a        b1 b2    c        d
    /// ```
    #[test]
    fn scheduled_messages_enter_in_the_order_of_due_time_then_arrival() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        for (data, after) in [("d", 3), ("b1", 1), ("b2", 1)] {
            topic.publish(later(data, secs(after))).unwrap();
        }
        topic.publish("a").unwrap();
        clock.advance(secs(2));
        topic.publish("c").unwrap();
        clock.advance(secs(1));
        assert_eq!(replay(&topic, Start::Oldest), "a,b1,b2,c,d");
    }

    #[test]
    fn what_fell_due_enters_before_whatever_is_done_next() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let add = || topic.publish(later("x", secs(1))).unwrap();
        add();
        clock.advance(secs(1));
        let mut stream = reader(&topic, &clock, Start::Now);
        stream.is_pending();
        add();
        clock.advance(secs(1));
        assert_eq!(topic.publish("a").unwrap().id(), "e-3");
        add();
        clock.advance(secs(1));
        assert!(!topic.cancel("e-d3"), "it has entered");
        assert_eq!(stream.data(), "x,a,x");
        add();
        clock.advance(secs(1));
        topic.close();
        assert_eq!(stream.data(), "x");
        stream.is_over();
    }

    #[test]
    fn a_time_that_has_passed_or_comes_at_once_is_now() {
        let clock = FakeClock::at(SystemTime::UNIX_EPOCH + secs(60));
        let topic = topic(&clock);
        let past = Message::from("past").at(SystemTime::UNIX_EPOCH);
        assert_eq!(topic.publish("a").unwrap().id(), "e-1");
        assert_eq!(topic.publish(past).unwrap().id(), "e-2");
        assert_eq!(
            topic.publish(later("at once", secs(0))).unwrap().id(),
            "e-3"
        );
        assert_eq!(replay(&topic, Start::Oldest), "a,past,at once");
    }

    #[test]
    fn a_message_due_never_waits_for_good() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = waiting(&topic, &clock);
        topic.publish(later("x", Duration::MAX)).unwrap();
        clock.advance(secs(1_000_000));
        stream.is_pending();
        assert_eq!(clock.next_deadline(), None);
        assert_eq!(topic.take_remaining()[0].due(), None);
    }

    #[test]
    fn thousands_that_fall_due_at_once_all_enter_in_order() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = waiting(&topic, &clock);
        for number in 1..=5_000_u64 {
            topic.publish(later(&number.to_string(), secs(1))).unwrap();
        }
        stream.is_pending();
        clock.advance(secs(1));
        let expected: Vec<_> = (1..=5_000_u64).map(|number| number.to_string()).collect();
        assert_eq!(drain(&mut stream), expected.join(","));
    }

    #[test]
    fn a_message_that_expired_before_anybody_looked_never_enters() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        topic
            .publish(later("x", secs(1)).expires_after(secs(1)))
            .unwrap();
        clock.advance(secs(2));
        assert_eq!(replay(&topic, Start::Oldest), "");
        assert_eq!((topic.stats().expired, topic.stats().retained), (1, 0));
    }

    #[test]
    fn cancelled_messages_never_enter_and_free_their_place() {
        let clock = FakeClock::new();
        let topic = builder(&clock).max_scheduled(1).build();
        let one = topic.publish(later("x", secs(1))).unwrap();
        assert!(topic.publish(later("y", secs(1))).is_err());
        assert!(topic.cancel(one.id()));
        assert!(!topic.cancel(one.id()));
        topic.publish(later("y", secs(1))).unwrap();
        clock.advance(secs(1));
        assert_eq!(replay(&topic, Start::Oldest), "y");
        assert!(!topic.cancel("e-1"), "what is in the log stays");
    }

    #[test]
    fn messages_with_one_own_id_are_cancelled_newest_first() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        for data in ["a", "b", "c"] {
            let message = Message::from(with_id(data, "same"));
            topic.publish(message.after(secs(1))).unwrap();
        }
        assert!(topic.cancel("same"));
        assert!(topic.cancel("same"));
        clock.advance(secs(1));
        assert_eq!(replay(&topic, Start::Oldest), "a");
        assert!(!topic.cancel("same"));
    }

    #[test]
    fn remaining_messages_come_out_by_due_time_with_all_they_had() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        topic.publish("entered").unwrap();
        topic
            .publish(later("b", secs(2)).expires_after(secs(3)))
            .unwrap();
        let own = Message::from(with_id("a", "own")).after(secs(1));
        topic.publish(own).unwrap();
        topic.close();
        let remaining = topic.take_remaining();
        let ids: Vec<_> = remaining.iter().map(sse_queue::Remaining::id).collect();
        assert_eq!(ids, ["own", "e-d1"]);
        assert_eq!(remaining[1].due(), Some(SystemTime::UNIX_EPOCH + secs(2)));
        assert_eq!(
            remaining[1].expires(),
            Some(SystemTime::UNIX_EPOCH + secs(5))
        );
        assert!(topic.take_remaining().is_empty());
        assert_eq!((topic.stats().scheduled, topic.stats().withdrawn), (0, 2));

        let queue = Queue::builder().clock(clock.clone()).build();
        for remaining in remaining {
            queue.push(remaining).unwrap();
        }
        clock.advance(secs(2));
        assert_eq!(queue.next_ready().unwrap(), "id: own\ndata: a\n\n");
        assert_eq!(queue.next_ready().unwrap(), "id: e-d1\ndata: b\n\n");
    }
}

mod pacing {
    use super::*;

    fn numbers(range: core::ops::RangeInclusive<u64>) -> String {
        let numbers: Vec<_> = range.map(|number| number.to_string()).collect();
        numbers.join(",")
    }

    /// ```text
    /// ms         0    1..9        10                 20
    /// published  0    1 to 999
    /// sent       0                1 to 999, at once  -
    /// ```
    #[test]
    fn spaced_sends_all_that_came_in_one_burst_however_many_blocks_it_fills() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = settled(bare(&topic, &clock, Start::Now).spaced(ms(10)));
        publish_numbers(&topic, 0..=0);
        assert_eq!(stream.data(), "0");
        stream.is_pending();
        publish_numbers(&topic, 1..=999);
        stream.is_pending();
        clock.advance(ms(10));
        assert_eq!(drain(&mut stream), numbers(1..=999));
        publish_numbers(&topic, 1_000..=1_000);
        stream.is_pending();
        clock.advance(ms(10));
        assert_eq!(stream.data(), "1000");
    }

    #[test]
    fn a_burst_is_what_was_there_when_it_began() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = settled(bare(&topic, &clock, Start::Now).spaced(ms(10)));
        publish_numbers(&topic, 1..=100);
        let first = stream.data();
        assert!(!first.ends_with(",100"), "more than one block");
        publish_numbers(&topic, 101..=101);
        assert_eq!(format!("{first},{}", drain(&mut stream)), numbers(1..=100));
        clock.advance(ms(10));
        assert_eq!(stream.data(), "101");
    }

    /// ```text
    /// ms    0               1               10
    ///       64 of 100 sent  rest expires    b
    ///                         b?
    /// ```
    #[test]
    fn a_burst_whose_rest_expired_is_over_and_has_its_gap() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = settled(bare(&topic, &clock, Start::Now).spaced(ms(10)));
        for number in 1..=100_u64 {
            let message = Message::from(number.to_string()).expires_after(ms(1));
            topic.publish(message).unwrap();
        }
        assert!(stream.data().starts_with("1,2,"));
        clock.advance(ms(1));
        stream.is_pending();
        topic.publish("b").unwrap();
        stream.is_pending();
        clock.advance(ms(10));
        assert_eq!(stream.data(), "b");
    }

    #[test]
    fn a_burst_on_a_grid_whose_rest_expired_is_over() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let stream = bare(&topic, &clock, Start::Now).every(secs(1)).batch(100);
        let mut stream = settled(stream);
        for number in 1..=100_u64 {
            let message = Message::from(number.to_string()).expires_after(ms(1_500));
            topic.publish(message).unwrap();
        }
        stream.is_pending();
        clock.advance(secs(1));
        assert!(stream.data().starts_with("1,2,"));
        clock.advance(ms(600));
        stream.is_pending();
        topic.publish("b").unwrap();
        stream.is_pending();
        clock.advance(ms(400));
        assert_eq!(stream.data(), "b");
    }

    /// ```text
    /// s      0    0.5       1      1.5   2    10
    /// x, y   x    x expires nothing            y due
    /// b                            b     sent
    /// ```
    #[test]
    fn a_tick_that_came_to_nothing_leaves_the_grid_as_it_is() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = settled(bare(&topic, &clock, Start::Now).every(secs(1)));
        topic
            .publish(Message::from("x").expires_after(ms(500)))
            .unwrap();
        topic.publish(later("y", secs(10))).unwrap();
        stream.is_pending();
        clock.advance(secs(1));
        stream.is_pending();
        clock.advance(ms(500));
        topic.publish("b").unwrap();
        stream.is_pending();
        clock.advance(ms(500));
        assert_eq!(stream.data(), "b");
    }

    #[test]
    fn a_batch_on_a_grid_crosses_the_borders_of_blocks() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let stream = bare(&topic, &clock, Start::Now).every(secs(1)).batch(150);
        let mut stream = settled(stream);
        publish_numbers(&topic, 1..=400);
        stream.is_pending();
        for range in [1..=150, 151..=300, 301..=400] {
            clock.advance(secs(1));
            assert_eq!(drain(&mut stream), numbers(range));
        }
    }

    #[test]
    fn a_chunk_holds_whole_frames_up_to_the_limits() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        publish_all(&topic, &["a", "b", "c", "d", "e"]);
        let start = || bare(&topic, &clock, Start::Oldest);
        let mut small = Task::new(start().max_chunk(2 * "id: e-1\ndata: a\n\n".len()));
        assert_eq!(small.data(), "a,b");
        assert_eq!(small.data(), "c,d");
        let mut tiny = Task::new(start().max_chunk(1));
        assert_eq!(tiny.data(), "a");
        let mut few = Task::new(start().max_messages(3));
        assert_eq!((few.data(), few.data()), ("a,b,c".into(), "d,e".into()));
    }

    #[test]
    fn a_frame_larger_than_a_chunk_goes_alone() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let large = "x".repeat(100_000);
        publish_all(&topic, &["a", &large, "b"]);
        let mut stream = reader(&topic, &clock, Start::Oldest);
        assert_eq!(stream.data(), "a");
        assert_eq!(stream.data().len(), 100_000);
        assert_eq!(stream.data(), "b");
    }
}

mod waking {
    use super::*;

    #[test]
    fn a_publish_wakes_each_waiting_stream_once() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = [(); 5].map(|()| waiting(&topic, &clock));
        publish_all(&topic, &["a", "b", "c"]);
        for stream in &mut streams {
            assert_eq!(stream.wakes(), 1);
            assert_eq!(stream.data(), "a,b,c");
            stream.is_pending();
        }
        publish_all(&topic, &["d"]);
        assert!(streams.iter().all(|stream| stream.wakes() == 1));
    }

    #[test]
    fn a_stream_in_its_gap_is_woken_once_to_arm_for_its_end() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = settled(bare(&topic, &clock, Start::Now).spaced(ms(10)));
        publish_all(&topic, &["a"]);
        assert_eq!((stream.wakes(), stream.data()), (1, "a".into()));
        stream.is_pending();
        publish_numbers(&topic, 1..=100);
        assert_eq!(stream.wakes(), 1);
        stream.is_pending();
        publish_numbers(&topic, 101..=200);
        assert_eq!(stream.wakes(), 0);
        clock.advance(ms(10));
        assert_eq!(stream.wakes(), 1);
    }

    #[test]
    fn a_stream_that_waits_for_its_tick_is_not_woken_again() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = settled(bare(&topic, &clock, Start::Now).every(secs(1)));
        publish_all(&topic, &["a"]);
        assert_eq!(stream.wakes(), 1);
        stream.is_pending();
        publish_numbers(&topic, 1..=100);
        assert_eq!(stream.wakes(), 0);
        clock.advance(secs(1));
        assert_eq!((stream.wakes(), stream.data()), (1, "a".into()));
    }

    #[test]
    fn a_dropped_stream_is_not_woken() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let stream = waiting(&topic, &clock);
        let count = std::sync::Arc::clone(&stream.count);
        drop(stream);
        publish_all(&topic, &["a"]);
        topic.close();
        assert_eq!(count.take(), 0);
        assert_eq!(std::sync::Arc::strong_count(&count), 1, "no waker is kept");
    }

    #[test]
    fn the_last_poll_says_whom_to_wake() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = waiting(&topic, &clock);
        let before = std::sync::Arc::clone(&stream.count);
        stream.move_to_another_task();
        stream.is_pending();
        publish_all(&topic, &["a"]);
        assert_eq!((before.take(), stream.wakes()), (0, 1));
    }

    #[test]
    fn no_waker_of_a_task_is_kept_that_a_parked_stream_has_left() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = settled(bare(&topic, &clock, Start::Now).spaced(secs(1)));
        publish_all(&topic, &["a"]);
        stream.bytes();
        stream.is_pending();
        let before = std::sync::Arc::clone(&stream.count);
        stream.move_to_another_task();
        clock.advance(secs(1));
        for _ in 0..2 {
            stream.is_pending();
            publish_all(&topic, &["b"]);
            clock.advance(secs(1));
            stream.bytes();
            clock.advance(secs(1));
        }
        stream.is_pending();
        let ticker_and_test = std::sync::Arc::strong_count(&before);
        assert_eq!(ticker_and_test, 1);
    }

    #[test]
    fn one_waiting_stream_arms_for_what_falls_due_and_another_for_a_second_later() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = [(); 5].map(|()| waiting(&topic, &clock));
        topic.publish(later("x", secs(5))).unwrap();
        let woken: usize = streams.iter().map(Task::wakes).sum();
        assert_eq!(woken, 2, "to arm for the due time");
        streams.iter_mut().for_each(Task::is_pending);
        clock.advance(secs(5));
        assert_eq!(clock.wakes(), 1);
        let keeper = streams
            .iter()
            .position(|stream| stream.wakes() == 1)
            .unwrap();
        assert_eq!(streams[keeper].data(), "x");
        for (place, stream) in streams.iter_mut().enumerate() {
            if place != keeper {
                assert_eq!((stream.wakes(), stream.data()), (1, "x".into()));
            }
        }
    }

    /// ```text
    /// s   0         2         5        9
    ///     9 told    5 told    5 due    9 due
    /// ```
    #[test]
    fn an_earlier_message_arms_again() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = [(); 2].map(|()| waiting(&topic, &clock));
        topic.publish(later("nine", secs(9))).unwrap();
        streams.iter_mut().for_each(Task::is_pending);
        clock.advance(secs(2));
        topic.publish(later("five", secs(3))).unwrap();
        let woken: usize = streams.iter().map(Task::wakes).sum();
        assert_eq!(woken, 4, "both timekeepers for each message");
        streams.iter_mut().for_each(Task::is_pending);
        for (due, data) in [(3, "five"), (4, "nine")] {
            clock.advance(secs(due));
            for stream in &mut streams {
                assert_eq!(stream.data(), data);
                stream.is_pending();
            }
        }
    }

    #[test]
    fn a_later_message_wakes_nobody() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = waiting(&topic, &clock);
        topic.publish(later("x", secs(1))).unwrap();
        stream.is_pending();
        stream.wakes();
        topic.publish(later("y", secs(2))).unwrap();
        assert_eq!(stream.wakes(), 0);
    }

    #[test]
    fn the_role_of_the_timekeeper_moves_on_when_it_is_dropped() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        topic.publish(later("x", secs(5))).unwrap();
        let keeper = waiting(&topic, &clock);
        let mut other = waiting(&topic, &clock);
        drop(keeper);
        assert_eq!(other.wakes(), 1);
        other.is_pending();
        clock.advance(secs(5));
        assert_eq!((other.wakes(), other.data()), (1, "x".into()));
    }

    #[test]
    fn a_stream_that_parks_hands_the_time_on() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        topic.publish(later("x", secs(5))).unwrap();
        let mut keeper = settled(bare(&topic, &clock, Start::Now).spaced(secs(60)));
        let mut other = waiting(&topic, &clock);
        publish_all(&topic, &["a"]);
        assert_eq!((keeper.data(), other.data()), ("a".into(), "a".into()));
        keeper.is_pending();
        other.is_pending();
        clock.advance(secs(5));
        assert_eq!(other.data(), "x");
    }

    /// ```text
    /// s         0    1      5        6
    /// keeper    arms        looks
    ///                cancel          y published, due at 7
    /// ```
    #[test]
    fn a_keeper_whose_message_was_cancelled_arms_for_the_next_one() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = waiting(&topic, &clock);
        let published = topic.publish(later("x", secs(5))).unwrap();
        stream.is_pending();
        assert!(topic.cancel(published.id()));
        clock.advance(secs(5));
        stream.is_pending();
        stream.wakes();

        topic.publish(later("y", secs(2))).unwrap();
        assert_eq!(stream.wakes(), 1, "to be told of the due time");
        stream.is_pending();
        clock.advance(secs(2));
        assert_eq!((stream.wakes(), stream.data()), (1, "y".into()));
    }

    #[test]
    fn a_keeper_whose_message_expired_as_it_fell_due_arms_for_the_next_one() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = waiting(&topic, &clock);
        topic
            .publish(later("x", secs(5)).expires_after(secs(0)))
            .unwrap();
        stream.is_pending();
        clock.advance(secs(5));
        stream.is_pending();
        stream.wakes();
        topic.publish(later("y", secs(2))).unwrap();
        assert_eq!(stream.wakes(), 1, "to be told of the due time");
        stream.is_pending();
        clock.advance(secs(2));
        assert_eq!((stream.wakes(), stream.data()), (1, "y".into()));
    }

    /// ```text
    /// s        0     1        3600
    /// x        |-----due
    /// slow                    tick
    /// fast           x
    /// ```
    #[test]
    fn a_stream_on_a_slow_grid_does_not_make_the_others_late() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        topic.publish(later("x", secs(1))).unwrap();
        let mut slow = settled(bare(&topic, &clock, Start::Now).every(secs(3600)));
        let mut fast = waiting(&topic, &clock);
        clock.advance(secs(1));
        assert_eq!(slow.wakes(), 1, "it keeps the time");
        slow.is_pending();
        assert_eq!((fast.wakes(), fast.data()), (1, "x".into()));
        clock.advance(secs(3599));
        assert_eq!(slow.data(), "x");
    }

    /// The keeper's client does not read: its keep-alive is taken, and it is not polled again.
    #[test]
    fn a_stream_that_gave_a_keep_alive_does_not_keep_the_time_until_it_is_polled() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let keep_alive = KeepAlive::every(secs(1));
        topic.publish(later("x", secs(5))).unwrap();
        let mut stuck = settled(bare(&topic, &clock, Start::Now).keep_alive(keep_alive));
        let mut other = waiting(&topic, &clock);
        clock.advance(secs(1));
        assert_eq!(stuck.bytes(), ":\n");
        assert_eq!(other.wakes(), 1, "to keep the time");
        other.is_pending();
        clock.advance(secs(4));
        assert_eq!((other.wakes(), other.data()), (1, "x".into()));
    }

    #[test]
    fn an_idle_stream_arms_nothing() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        publish_all(&topic, &["a"]);
        let _streams = [
            settled(bare(&topic, &clock, Start::Now)),
            settled(bare(&topic, &clock, Start::Now).spaced(ms(10))),
            settled(bare(&topic, &clock, Start::Now).every(ms(10))),
        ];
        assert_eq!(clock.next_deadline(), None);
    }

    /// `jump` moves the clock and not the ticker: the tick for `x` comes when `x` is long due.
    #[test]
    fn a_jump_of_the_wall_clock_makes_nothing_late_for_good() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = waiting(&topic, &clock);
        topic.publish(later("x", secs(5))).unwrap();
        stream.is_pending();
        clock.jump(secs(60));
        stream.wakes();
        clock.advance(secs(5));
        assert_eq!((stream.wakes(), stream.data()), (1, "x".into()));
    }
}

mod end {
    use super::*;

    type Pace = fn(TopicStream) -> TopicStream;

    const PACES: [(&str, Pace); 3] = [
        ("immediate", |stream| stream),
        ("spaced", |stream| stream.spaced(secs(3600))),
        ("every", |stream| stream.every(secs(3600))),
    ];

    fn paced(topic: &Topic, clock: &FakeClock, pace: Pace, start: Start) -> Task<TopicStream> {
        let stream = pace(bare(topic, clock, start));
        Task::new(stream.farewell(Event::new("bye")))
    }

    #[test]
    fn a_closed_topic_gives_what_was_due_without_pacing_then_the_farewell() {
        for (name, pace) in PACES {
            let clock = FakeClock::new();
            let topic = topic(&clock);
            let mut stream = paced(&topic, &clock, pace, Start::Now);
            stream.is_pending();
            publish_numbers(&topic, 1..=200);
            topic.publish(later("due", secs(0))).unwrap();
            topic.publish(later("not due", secs(1))).unwrap();
            topic.close();
            assert_eq!(stream.wakes(), 1, "{name}");
            let seen = drain(&mut stream);
            assert!(seen.starts_with("1,2,3,"), "{name}: {seen}");
            assert!(seen.ends_with("199,200,due,bye"), "{name}: {seen}");
            stream.is_over();
            assert_eq!(clock.next_deadline(), None, "{name}");
            assert_eq!(topic.take_remaining().len(), 1);
        }
    }

    #[test]
    fn streams_that_are_parked_are_woken_by_the_end() {
        for (name, pace) in PACES {
            let clock = FakeClock::new();
            let topic = topic(&clock);
            publish_all(&topic, &["a", "b"]);
            let mut stream = paced(&topic, &clock, pace, Start::Oldest);
            // Spaced: in its gap. On a grid: it waits for its tick.
            let _ = stream.poll_next();
            stream.is_pending();
            stream.move_to_another_task();
            stream.is_pending();
            topic.close();
            assert_eq!(stream.wakes(), 1, "{name}");
            assert!(drain(&mut stream).ends_with("bye"), "{name}");
            stream.is_over();
        }
    }

    #[test]
    fn a_stream_that_waits_behind_its_gap_is_woken_by_the_end_once() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = settled(bare(&topic, &clock, Start::Now).spaced(ms(10)));
        publish_all(&topic, &["a"]);
        stream.bytes();
        stream.is_pending();
        clock.advance(ms(10));
        stream.is_pending();
        stream.wakes();
        topic.close();
        assert_eq!(stream.wakes(), 1);
        stream.is_over();
    }

    #[test]
    fn an_aborted_topic_gives_the_farewell_alone() {
        for (name, pace) in PACES {
            let clock = FakeClock::new();
            let topic = topic(&clock);
            let mut waiting = paced(&topic, &clock, pace, Start::Now);
            waiting.is_pending();
            publish_all(&topic, &["a"]);
            let mut fresh = paced(&topic, &clock, pace, Start::Oldest);
            topic.abort();
            assert_eq!(waiting.wakes(), 1, "{name}");
            assert_eq!(waiting.data(), "bye", "{name}");
            assert_eq!(fresh.data(), "bye", "{name}");
            waiting.is_over();
        }
    }

    #[test]
    fn an_aborted_topic_does_not_tell_of_gaps_any_more() {
        for (name, pace) in PACES {
            let clock = FakeClock::new();
            let topic = topic(&clock);
            let mut stream = paced(&topic, &clock, pace, after("old-7"));
            topic.abort();
            assert_eq!(stream.data(), "bye", "{name}");
        }
    }

    #[test]
    fn an_abort_behind_a_close_cuts_what_is_left() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = waiting(&topic, &clock);
        publish_numbers(&topic, 1..=200);
        topic.close();
        stream.bytes();
        topic.abort();
        stream.is_over();
    }

    #[test]
    fn a_stream_on_a_grid_that_has_a_gap_to_tell_is_woken_by_the_end() {
        for end in [Topic::close, Topic::abort] {
            let clock = FakeClock::new();
            let topic = topic(&clock);
            let stream = bare(&topic, &clock, after("old-7")).every(secs(3600));
            let stream = settled(stream);
            end(&topic);
            assert_eq!(stream.wakes(), 1);
        }
    }

    #[test]
    fn a_stream_that_joins_a_closed_topic_replays_and_ends() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        publish_all(&topic, &["a"]);
        topic.close();
        let mut stream = reader(&topic, &clock, Start::Oldest);
        assert_eq!(stream.data(), "a");
        stream.is_over();
        reader(&topic, &clock, Start::Now).is_over();
    }

    #[test]
    fn a_closed_topic_takes_nothing_in_any_more() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        topic.publish(later("x", secs(1))).unwrap();
        topic.close();
        clock.advance(secs(1));
        assert_eq!(replay(&topic, Start::Oldest), "");
        assert_eq!(topic.stats().scheduled, 1);
        assert!(topic.is_closed());
    }

    #[test]
    fn streams_end_when_the_last_handle_is_dropped_and_nothing_is_scheduled() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = waiting(&topic, &clock);
        let clone = topic.clone();
        topic.publish(later("x", secs(1))).unwrap();
        drop(topic);
        stream.is_pending();
        drop(clone);
        stream.is_pending();
        clock.advance(secs(1));
        assert_eq!(stream.data(), "x");
        stream.is_over();
    }

    #[test]
    fn the_last_handle_dropped_wakes_streams_that_have_nothing_left() {
        for (name, pace) in PACES {
            let clock = FakeClock::new();
            let topic = topic(&clock);
            let mut stream = paced(&topic, &clock, pace, Start::Now);
            stream.is_pending();
            drop(topic);
            assert_eq!(stream.wakes(), 1, "{name}");
        }
    }

    #[test]
    fn a_message_that_never_falls_due_does_not_keep_streams_open_without_handles() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = waiting(&topic, &clock);
        topic.publish(later("x", secs(1))).unwrap();
        topic.publish(later("never", Duration::MAX)).unwrap();
        stream.is_pending();
        drop(topic);
        clock.advance(secs(1));
        assert_eq!(stream.data(), "x");
        stream.is_over();
    }

    #[test]
    fn a_last_message_that_expires_as_it_falls_due_lets_streams_end() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = [(); 2].map(|()| waiting(&topic, &clock));
        topic
            .publish(later("x", secs(1)).expires_after(secs(0)))
            .unwrap();
        drop(topic);
        streams.iter_mut().for_each(Task::is_pending);
        clock.advance(secs(1));
        for stream in &mut streams {
            stream.wakes();
            stream.is_over();
        }
    }

    #[test]
    fn what_is_withdrawn_lets_streams_end_that_only_waited_for_it() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = waiting(&topic, &clock);
        topic.publish(later("x", secs(1))).unwrap();
        stream.is_pending();
        stream.wakes();
        topic.close();
        assert_eq!(stream.wakes(), 1);
        stream.is_over();
    }
}

/// Streams that wait in their thousands are woken by the dozen, by the streams themselves.
mod crowds {
    use super::*;

    /// The most streams that one call wakes.
    const BATCH: usize = 64;

    fn crowd(topic: &Topic, clock: &FakeClock, count: usize) -> Vec<Task<TopicStream>> {
        (0..count).map(|_| waiting(topic, clock)).collect()
    }

    fn woken(streams: &[Task<TopicStream>]) -> usize {
        streams.iter().map(Task::wakes).sum()
    }

    #[test]
    fn a_publish_wakes_64_streams_and_each_poll_the_next_64() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = crowd(&topic, &clock, 300);
        publish_all(&topic, &["a"]);
        assert_eq!(woken(&streams), BATCH);
        assert_eq!(streams[0].data(), "a");
        assert_eq!(woken(&streams), BATCH);
        streams[0].is_pending();
        assert_eq!(woken(&streams), BATCH);
        assert_eq!(streams[1].data(), "a");
        assert_eq!(woken(&streams), BATCH);
        assert_eq!(streams[2].data(), "a");
        assert_eq!(woken(&streams), 300 - 4 * BATCH);
    }

    #[test]
    fn each_stream_is_woken_though_only_those_poll_that_were() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = crowd(&topic, &clock, 1_000);
        for data in ["a", "b", "c"] {
            publish_all(&topic, &[data]);
            let mut seen = 0;
            while let Some(stream) = streams.iter_mut().find(|stream| stream.wakes() > 0) {
                assert_eq!(stream.data(), data);
                stream.is_pending();
                seen += 1;
            }
            assert_eq!(seen, 1_000);
        }
    }

    #[test]
    fn a_close_wakes_64_streams_and_each_that_ends_the_next_64() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = crowd(&topic, &clock, 200);
        topic.close();
        let mut ended = 0;
        assert_eq!(woken(&streams), BATCH);
        for stream in &mut streams {
            stream.is_over();
            ended += 1;
        }
        assert_eq!(ended, 200);
        let mut streams = crowd(&super::topic(&clock), &clock, 200);
        assert_eq!(woken(&streams), BATCH, "the last handle is gone");
        drop(streams.drain(..3));
        assert_eq!(
            woken(&streams),
            200 - BATCH,
            "those that are dropped hand on, too"
        );
    }

    #[test]
    fn a_stream_that_was_yet_to_be_woken_for_two_messages_is_woken_once() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = crowd(&topic, &clock, 200);
        publish_all(&topic, &["a", "b"]);
        assert_eq!(woken(&streams), 2 * BATCH);
        publish_all(&topic, &["c", "d"]);
        assert_eq!(woken(&streams), 200 - 2 * BATCH);
        assert!(streams.iter_mut().all(|stream| stream.data() == "a,b,c,d"));
    }

    /// ```text
    /// s    0          1
    ///      64 woken, one of them polls
    ///                 it polls again, and wakes the rest
    /// ```
    #[test]
    fn a_stream_that_waits_while_a_crowd_is_pending_goes_on_after_a_second() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = crowd(&topic, &clock, 250);
        publish_all(&topic, &["a"]);
        assert_eq!(streams[0].data(), "a");
        streams[0].is_pending();
        assert_eq!(woken(&streams), 3 * BATCH);
        assert_eq!(clock.next_deadline(), Some(secs(1)));
        clock.advance(secs(1));
        assert_eq!(streams[0].wakes(), 1);
        streams[0].is_pending();
        assert_eq!(woken(&streams), 250 - 3 * BATCH);
        assert_eq!(clock.next_deadline(), None);
    }

    #[test]
    fn a_stream_that_came_before_its_wake_up_is_not_woken() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = crowd(&topic, &clock, 100);
        publish_all(&topic, &["a"]);
        let last = streams.last_mut().unwrap();
        assert_eq!(last.data(), "a");
        assert_eq!(last.wakes(), 0);
        publish_all(&topic, &["b"]);
        publish_all(&topic, &["c"]);
        assert!(streams.iter_mut().all(|stream| stream.wakes() > 0));
    }
}

/// A message that falls due and a stream that waits for it meet, whichever streams are not polled.
mod liveness {
    use std::task::Poll;

    use sse_queue::{Clock, TopicDriver};

    use super::*;

    /// ```text
    /// s      0     1          2
    /// first        woken
    /// second                  woken, and all others
    /// ```
    #[test]
    fn a_timekeeper_that_is_not_polled_delays_the_others_by_one_second() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        topic.publish(later("x", secs(1))).unwrap();
        let first = waiting(&topic, &clock);
        let [mut second, mut third] = [(); 2].map(|()| waiting(&topic, &clock));
        clock.advance(secs(1));
        assert_eq!([first.wakes(), second.wakes(), third.wakes()], [1, 0, 0]);
        clock.advance(secs(1));
        assert_eq!((second.wakes(), second.data()), (1, "x".into()));
        assert_eq!((third.wakes(), third.data()), (1, "x".into()));
    }

    #[test]
    fn each_further_timekeeper_that_is_not_polled_delays_its_message_by_as_long_again() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        topic.publish(later("x", secs(1))).unwrap();
        let mut streams = [(); 4].map(|()| waiting(&topic, &clock));
        for stuck in 0..2 {
            clock.advance(secs(2));
            for stream in &mut streams[stuck + 1..] {
                assert_eq!(stream.data(), "x");
                stream.is_pending();
            }
            topic.publish(later("x", secs(1))).unwrap();
            streams[stuck + 1..].iter_mut().for_each(Task::is_pending);
        }
    }

    #[test]
    fn streams_that_were_woken_to_keep_the_time_and_are_not_polled_are_replaced() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = [(); 4].map(|()| waiting(&topic, &clock));
        topic.publish(later("x", secs(5))).unwrap();
        let woken = streams.each_ref().map(Task::wakes);
        assert_eq!(woken.iter().sum::<usize>(), 2);
        clock.advance(secs(1));
        topic.publish(later("y", secs(60))).unwrap();
        for (stream, wakes) in streams.iter_mut().zip(woken) {
            assert_eq!(stream.wakes(), 1 - wakes, "the others are asked");
            if wakes == 0 {
                stream.is_pending();
            }
        }
        clock.advance(secs(4));
        assert_eq!(streams.iter().map(Task::wakes).sum::<usize>(), 1);
    }

    /// All have read what was there, and wait without having asked since.
    #[test]
    fn streams_that_keep_up_keep_the_time() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = [(); 5].map(|()| waiting(&topic, &clock));
        for _ in 0..3 {
            publish_all(&topic, &["a"]);
            for stream in &mut streams {
                assert_eq!(stream.data(), "a");
                stream.is_pending();
            }
        }
        topic.publish(later("x", secs(5))).unwrap();
        for stream in streams.iter_mut().filter(|stream| stream.wakes() > 0) {
            stream.is_pending();
        }
        publish_all(&topic, &["b"]);
        for stream in &mut streams {
            assert_eq!(stream.data(), "b");
            stream.is_pending();
        }
        assert_eq!(clock.next_deadline(), Some(secs(5)));
        clock.advance(secs(5));
        let keeper = streams
            .iter_mut()
            .find(|stream| stream.wakes() > 0)
            .unwrap();
        assert_eq!(keeper.data(), "x");
        assert!(streams.iter_mut().all(|stream| drain(stream) != "b"));
    }

    fn driver(topic: &Topic, clock: &FakeClock) -> Task<TopicDriver<FakeTicker>> {
        let mut driver = Task::new(topic.drive(clock.ticker()));
        assert!(driver.poll().is_pending());
        driver
    }

    #[test]
    fn with_a_driver_no_stream_keeps_the_time() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut driver = driver(&topic, &clock);
        let mut streams = [(); 3].map(|()| waiting(&topic, &clock));
        topic.publish(later("x", secs(5))).unwrap();
        assert!(streams.iter().all(|stream| stream.wakes() == 0));
        assert_eq!(driver.wakes(), 1, "to arm for the due time");
        assert!(driver.poll().is_pending());
        assert_eq!(clock.next_deadline(), Some(secs(5)));
        clock.advance(secs(5));
        assert_eq!(driver.wakes(), 1);
        assert!(driver.poll().is_pending());
        for stream in &mut streams {
            assert_eq!((stream.wakes(), stream.data()), (1, "x".into()));
        }
    }

    #[test]
    fn streams_keep_the_time_again_when_the_driver_is_dropped() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let driver = driver(&topic, &clock);
        topic.publish(later("x", secs(5))).unwrap();
        let mut stream = waiting(&topic, &clock);
        drop(driver);
        assert_eq!(stream.wakes(), 1);
        stream.is_pending();
        clock.advance(secs(5));
        assert_eq!((stream.wakes(), stream.data()), (1, "x".into()));
    }

    #[test]
    fn a_driver_wakes_a_crowd_to_the_last_though_no_stream_is_polled() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut driver = driver(&topic, &clock);
        let streams: Vec<_> = (0..300).map(|_| waiting(&topic, &clock)).collect();
        publish_all(&topic, &["a"]);
        while driver.wakes() > 0 {
            assert!(driver.poll().is_pending());
        }
        assert!(streams.iter().all(|stream| stream.wakes() == 1));
    }

    /// ```text
    /// s       0    2         10
    /// a       |----expired
    /// b       |--------------aged
    /// ```
    #[test]
    fn a_driver_frees_what_expires_and_what_ages() {
        let clock = FakeClock::new();
        let topic = builder(&clock).history_age(secs(10)).build();
        let mut driver = driver(&topic, &clock);
        let short = Message::from("a").expires_after(secs(2));
        topic.publish(short).unwrap();
        publish_all(&topic, &["b"]);
        for _ in 0..2 {
            assert_eq!(driver.wakes(), 1);
            assert!(driver.poll().is_pending());
            clock.advance(clock.next_deadline().unwrap());
        }
        assert!(driver.poll().is_pending());
        assert_eq!(
            clock.next_deadline(),
            None,
            "nothing is left that passes with time"
        );
        assert!(clock.now() > SystemTime::UNIX_EPOCH + secs(10));
    }

    #[test]
    fn a_driver_does_not_end_before_it_has_woken_a_crowd_to_the_last() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut driver = driver(&topic, &clock);
        let last = later("x", secs(5)).expires_after(Duration::ZERO);
        topic.publish(last).unwrap();
        let streams: Vec<_> = (0..300).map(|_| waiting(&topic, &clock)).collect();
        drop(topic);
        clock.advance(secs(5));
        while driver.poll().is_pending() {
            assert!(driver.wakes() > 0);
        }
        assert!(streams.iter().all(|stream| stream.wakes() == 1));
    }

    /// `jump` moves the clock and not the ticker.
    #[test]
    fn a_driver_notices_a_jump_of_the_clock_within_half_a_minute() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        topic.publish(later("x", secs(3600))).unwrap();
        let mut driver = driver(&topic, &clock);
        let mut stream = waiting(&topic, &clock);
        clock.jump(secs(3600));
        clock.advance(secs(30));
        assert_eq!(driver.wakes(), 1);
        assert!(driver.poll().is_pending());
        assert_eq!((stream.wakes(), stream.data()), (1, "x".into()));
    }

    #[test]
    fn of_two_drivers_either_keeps_the_time() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut drivers = [(); 2].map(|()| driver(&topic, &clock));
        let mut stream = waiting(&topic, &clock);
        topic.publish(later("x", secs(5))).unwrap();
        assert_eq!(drivers.each_ref().map(Task::wakes), [1, 1]);
        let [_, second] = &mut drivers;
        assert!(second.poll().is_pending());
        clock.advance(secs(5));
        assert_eq!(second.wakes(), 1);
        assert!(second.poll().is_pending());
        assert_eq!((stream.wakes(), stream.data()), (1, "x".into()));
    }

    #[test]
    fn a_driver_ends_with_the_topic() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut closed = driver(&topic, &clock);
        topic.publish(later("x", secs(5))).unwrap();
        topic.close();
        assert!(closed.wakes() > 0);
        assert!(closed.poll().is_ready());
        assert_eq!(clock.next_deadline(), None);

        let topic = super::topic(&clock);
        let mut left = driver(&topic, &clock);
        topic.publish(later("x", secs(5))).unwrap();
        drop(topic);
        assert!(left.poll().is_pending(), "a message is still to come");
        clock.advance(secs(5));
        assert!(left.poll().is_ready());
    }

    /// Uses its topic when it is woken and when it is dropped.
    struct Nosy(Topic);

    impl std::task::Wake for Nosy {
        fn wake(self: std::sync::Arc<Self>) {
            assert!(self.0.stats().streams > 0);
        }
    }

    impl Drop for Nosy {
        fn drop(&mut self) {
            let _ = self.0.stats();
        }
    }

    #[test]
    fn wakers_may_use_the_topic_as_they_are_woken_and_dropped() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let nosy = || std::task::Waker::from(std::sync::Arc::new(Nosy(topic.clone())));
        let mut stream = Box::pin(bare(&topic, &clock, Start::Now));
        let mut driver = Box::pin(topic.drive(clock.ticker()));
        for _ in 0..3 {
            let waker = nosy();
            let mut cx = std::task::Context::from_waker(&waker);
            assert!(stream.as_mut().poll_next(&mut cx).is_pending());
            assert!(driver.as_mut().poll(&mut cx).is_pending());
        }
        publish_all(&topic, &["a"]);
        let waker = nosy();
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(matches!(
            stream.as_mut().poll_next(&mut cx),
            Poll::Ready(Some(_))
        ));
        assert_eq!(stream.as_mut().next_ready_pinned(), None);
    }
}

/// What has to do with time costs nothing to what has not.
mod timed {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sse_queue::Clock;

    use super::*;

    /// Counts how often it is read.
    #[derive(Clone)]
    struct Counting {
        clock: FakeClock,
        reads: Arc<AtomicUsize>,
    }

    impl Clock for Counting {
        fn now(&self) -> SystemTime {
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.clock.now()
        }
    }

    /// How often the clock is read for ten messages to fifty streams.
    fn reads(builder: TopicBuilder, held: Option<Message>, message: impl Fn() -> Message) -> usize {
        let clock = FakeClock::new();
        let reads = Arc::new(AtomicUsize::new(0));
        let counting = Counting {
            clock: clock.clone(),
            reads: Arc::clone(&reads),
        };
        let topic = builder.clock(counting).build();
        if let Some(held) = held {
            topic.publish(held).unwrap();
        }
        let mut streams: Vec<_> = (0..50).map(|_| waiting(&topic, &clock)).collect();
        let mut round = || {
            topic.publish(message()).unwrap();
            for stream in &mut streams {
                assert_eq!(stream.data(), "m");
                stream.is_pending();
            }
        };
        (0..3).for_each(|_| round());
        let before = reads.load(Ordering::Relaxed);
        (0..10).for_each(|_| round());
        reads.load(Ordering::Relaxed) - before
    }

    #[test]
    fn a_delivery_reads_no_clock_whatever_else_the_topic_holds() {
        let plain = || Message::from("m");
        let day = secs(86_400);
        assert_eq!(
            reads(Topic::builder(), None, plain),
            10,
            "once for a publish"
        );
        let expiring = Message::from("x").expires_after(day);
        let aged = Topic::builder().history_age(day);
        // The first stream that reads, and the two timekeepers.
        for (builder, held, most) in [
            (Topic::builder(), Some(expiring), 20),
            (aged, None, 20),
            (Topic::builder(), Some(later("x", day)), 50),
        ] {
            let reads = reads(builder, held, plain);
            assert!(reads <= most, "{reads}");
        }
    }

    #[test]
    fn a_chunk_in_which_a_message_expires_is_dated_by_each_stream_that_takes_it() {
        let expiring = || Message::from("m").expires_after(secs(60));
        assert!(reads(Topic::builder(), None, expiring) >= 500);
    }

    #[test]
    fn what_has_fallen_due_comes_with_the_chunk_before_it_though_no_stream_keeps_the_time() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut streams = [(); 2].map(|()| waiting(&topic, &clock));
        for _ in 0..3 {
            publish_all(&topic, &["a"]);
            for stream in &mut streams {
                assert_eq!(drain(stream), "a");
            }
        }
        topic.publish(later("x", secs(1))).unwrap();
        publish_all(&topic, &["b"]);
        assert_eq!(streams[0].data(), "b");
        clock.advance(secs(1));
        assert_eq!(drain(&mut streams[1]), "b,x");
    }
}

/// Messages that come back keep their ids, and numbers go on after the highest.
mod returning {
    use super::*;

    /// Messages with the ids `e-1` to `e-5`, as a queue of the same epoch gives them back.
    fn returned() -> Vec<Message> {
        let queue = Queue::builder().epoch("e").unwrap().clock(FakeClock::new());
        let queue = queue.build();
        for data in ["1", "2", "3", "4", "5"] {
            queue.push(data).unwrap();
        }
        queue
            .take_remaining()
            .into_iter()
            .map(Message::from)
            .collect()
    }

    fn publish(topic: &Topic, message: &Message) -> Result<String, PublishError> {
        topic
            .publish(message.clone())
            .map(|published| published.id().to_owned())
    }

    #[test]
    fn a_number_that_comes_back_is_kept_and_those_below_it_were_not_missed() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut stream = waiting(&topic, &clock);
        let returned = returned();
        assert_eq!(publish(&topic, &returned[3]).unwrap(), "e-4");
        assert_eq!(topic.publish("x").unwrap().id(), "e-5");
        assert_eq!(drain(&mut stream), "4,x");
        let resumed = topic.subscribe(after("e-4")).unwrap();
        assert_eq!(resumed.resumption(), Resumption::Exact);
        assert_eq!(topic.stats().lagged, 0);
    }

    #[test]
    fn a_number_that_was_skipped_comes_back_as_an_id_of_its_own() {
        let topic = topic(&FakeClock::new());
        let returned = returned();
        publish(&topic, &returned[3]).unwrap();
        assert_eq!(publish(&topic, &returned[1]).unwrap(), "e-2");
        assert_eq!(topic.publish("x").unwrap().id(), "e-6", "its position is 5");
        assert_eq!(replay(&topic, after("e-2")), "x");
        assert_eq!(replay(&topic, Start::Oldest), "4,2,x");
    }

    #[test]
    fn a_number_whose_message_is_here_is_a_duplicate() {
        let topic = topic(&FakeClock::new());
        let returned = returned();
        publish_all(&topic, &["a"]);
        for message in [&returned[0], &returned[2], &returned[2]] {
            let before = topic.stats().published;
            let published = publish(&topic, message);
            if topic.stats().published == before {
                assert!(matches!(published, Err(PublishError::DuplicateId(_))));
            }
        }
        assert_eq!(topic.stats().published, 2);
        assert_eq!(replay(&topic, Start::Oldest), "a,3");
    }

    #[test]
    fn no_other_message_gets_the_number_of_one_that_waits_to_fall_due() {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let third = returned().swap_remove(2).after(secs(5));
        assert_eq!(publish(&topic, &third).unwrap(), "e-3");
        assert_eq!(topic.publish("x").unwrap().id(), "e-4");
        assert!(matches!(
            publish(&topic, &third),
            Err(PublishError::DuplicateId(_))
        ));
        clock.advance(secs(5));
        assert_eq!(replay(&topic, Start::Oldest), "x,3");
        assert_eq!(replay(&topic, after("e-4")), "3");
    }

    #[test]
    fn a_topic_begins_with_its_first_number() {
        let clock = FakeClock::new();
        let topic = builder(&clock).first_number(1_000).build();
        let resume = |id| topic.subscribe(after(id)).unwrap().resumption();
        assert_eq!(resume("e-999"), Resumption::Exact);
        assert_eq!(resume("e-998"), gap(None, GapCause::Evicted));
        assert_eq!(resume("e-1000"), gap(None, GapCause::Future));
        let mut stream = waiting(&topic, &clock);
        assert_eq!(topic.publish("a").unwrap().id(), "e-1000");
        assert_eq!(stream.data(), "a");
        assert_eq!(replay(&topic, Start::Last(5)), "a");
    }
}
