//! Streams that lag.

use sse_queue::topic::{GapCause, Lag, Start};
use sse_queue::{Event, FakeClock};

use crate::support::topic::{
    after, builder, evicted, gap, publish_all, publish_numbers, quiet_stream, reader, waiting,
};
use crate::support::{secs, settled};

#[test]
fn a_stream_that_lags_sends_a_gap_and_continues_with_the_oldest() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(2).build();
    let mut stream = waiting(&topic, &clock);
    for (range, missed, seen) in [(1..=5, 3, "4,5"), (6..=8, 1, "7,8")] {
        publish_numbers(&topic, range);
        assert_eq!(stream.bytes(), evicted(missed));
        assert_eq!(stream.drain_data(), seen);
    }
    assert_eq!(topic.stats().lagged, 2);
}

#[test]
fn a_stream_that_lags_by_exactly_the_history_misses_nothing() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(2).build();
    let mut stream = waiting(&topic, &clock);
    publish_numbers(&topic, 1..=2);
    assert_eq!(stream.drain_data(), "1,2");
    assert_eq!(topic.stats().lagged, 0);
}

#[test]
fn a_stream_that_ends_when_it_lags_resumes_with_the_count() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(2).build();
    let stream = quiet_stream(&topic, &clock, Start::Now).lag(Lag::End);
    let mut stream = settled(stream.farewell(Event::new("bye")));
    publish_numbers(&topic, 1..=1);
    stream.assert_sends("1");
    publish_numbers(&topic, 2..=5);
    assert_eq!(stream.data(), "bye");
    stream.assert_ended();
    let again = reader(&topic, &clock, after("e-1"));
    assert_eq!(again.inner.resumption(), gap(Some(2), GapCause::Evicted));
}

#[test]
fn a_source_that_ended_because_it_lagged_gives_nothing_more() {
    use core::pin::Pin;
    use core::task::{Context, Poll, Waker};
    use sse_queue::Source;
    use sse_queue::stream::{Limit, Pull};

    let clock = FakeClock::new();
    let topic = builder(&clock).history(1).build();
    let mut source = topic
        .stream(Start::Now, FakeClock::new().ticker())
        .unwrap()
        .lag(Lag::End)
        .into_source();
    publish_numbers(&topic, 1..=2);
    let mut cx = Context::from_waker(Waker::noop());
    let mut take =
        || Pin::new(&mut source).poll_chunk(&mut cx, &mut Pull::new(Limit::new(1_000, 10)));
    assert_eq!(take(), Poll::Ready(None));
    assert_eq!(take(), Poll::Ready(None), "for good");
}

#[test]
fn messages_evicted_by_age_count_in_the_gap() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history_age(secs(5)).build();
    let mut stream = waiting(&topic, &clock);
    publish_all(&topic, &["a", "b"]);
    clock.advance(secs(6));
    assert_eq!(stream.bytes(), evicted(2));
    stream.assert_pending();
}
