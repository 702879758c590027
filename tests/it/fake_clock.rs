//! A stretch of fake time in the life of a stream.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use sse_queue::{FakeClock, FakeTicker, Message, Pacing, Ticker};

use crate::support::queue::{push_later, queue, quiet_stream};
use crate::support::{data_of, secs};

/// The data of each chunk, with its time in seconds.
fn data(chunks: Vec<(Duration, Bytes)>) -> Vec<(u64, String)> {
    let data = |(time, chunk): (Duration, Bytes)| (time.as_secs(), data_of(&chunk).join(","));
    chunks.into_iter().map(data).collect()
}

#[test]
fn a_run_has_what_is_due_at_its_end_and_nothing_later() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = quiet_stream(&queue, &clock);
    for due in [0, 3, 10, 11] {
        push_later(&queue, &due.to_string(), secs(due));
    }
    let expected = [(0, "0"), (3, "3"), (10, "10")].map(|(time, data)| (time, data.to_owned()));
    assert_eq!(data(clock.run(&mut stream, secs(10))), expected);
    assert_eq!(clock.elapsed(), secs(10));
    assert_eq!(
        data(clock.run(&mut stream, secs(1))),
        [(1, "11".to_owned())]
    );
}

#[test]
fn a_run_of_no_time_has_what_is_ready() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = quiet_stream(&queue, &clock);
    queue.push("now").unwrap();
    push_later(&queue, "later", secs(1));
    assert_eq!(
        data(clock.run(&mut stream, secs(0))),
        [(0, "now".to_owned())]
    );
    assert_eq!(clock.elapsed(), secs(0));
}

#[test]
fn a_stream_that_ends_leaves_the_rest_of_the_time_to_others() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = quiet_stream(&queue, &clock);
    queue.push("last").unwrap();
    queue.close();
    assert_eq!(
        data(clock.run(&mut stream, secs(10))),
        [(0, "last".to_owned())]
    );
    assert!(stream.is_terminated());
    assert_eq!(clock.elapsed(), secs(10));
    assert!(clock.run(&mut stream, secs(1)).is_empty());
}

#[test]
fn a_ticker_that_is_not_polled_does_not_stop_a_run() {
    let clock = FakeClock::new();
    let mut forgotten = clock.ticker();
    Pin::new(&mut forgotten).arm(Some(secs(0)));
    let queue = queue(&clock);
    let pacing = Pacing::every(secs(4));
    let mut stream = quiet_stream(&queue, &clock).pacing(pacing);
    queue.push(Message::from("x")).unwrap();
    assert_eq!(
        data(clock.run(&mut stream, secs(10))),
        [(4, "x".to_owned())]
    );
}

/// Yields its turn twice before it is ready, and then waits for its ticker.
struct Yielding {
    yields: usize,
    ticker: FakeTicker,
}

impl Stream for Yielding {
    type Item = usize;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        if self.yields < 2 {
            self.yields += 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut ticker = Pin::new(&mut self.ticker);
        if ticker.as_mut().poll_tick(cx).is_ready() {
            return Poll::Ready(None);
        }
        ticker.as_mut().arm(Some(secs(3)));
        if self.yields == 2 {
            self.yields += 1;
            return Poll::Ready(Some(2));
        }
        let _ = Pin::new(&mut self.ticker).poll_tick(cx);
        Poll::Pending
    }
}

#[test]
fn a_stream_that_wakes_itself_is_polled_again_before_time_passes() {
    let clock = FakeClock::new();
    let mut stream = Yielding {
        yields: 0,
        ticker: clock.ticker(),
    };
    assert_eq!(clock.run(&mut stream, secs(10)), [(secs(0), 2)]);
}

/// Wakes itself at each poll and is never ready, or always ready.
struct Restless {
    is_ready: bool,
}

impl Stream for Restless {
    type Item = ();

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        cx.waker().wake_by_ref();
        if self.is_ready {
            Poll::Ready(Some(()))
        } else {
            Poll::Pending
        }
    }
}

#[test]
#[should_panic(expected = "stream was polled 1000000 times while no time passed")]
fn a_run_of_a_stream_that_is_always_ready_panics() {
    FakeClock::new().run(&mut Restless { is_ready: true }, secs(1));
}

#[test]
#[should_panic(expected = "stream was polled 1000000 times while no time passed")]
fn a_run_of_a_stream_that_wakes_itself_without_end_panics() {
    FakeClock::new().run(&mut Restless { is_ready: false }, secs(1));
}

/// Ready every nanosecond.
struct Nanos(FakeTicker);

impl Stream for Nanos {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let mut ticker = Pin::new(&mut self.0);
        let tick = ticker.as_mut().poll_tick(cx);
        ticker.as_mut().arm(Some(Duration::from_nanos(1)));
        let _ = ticker.poll_tick(cx);
        tick.map(Some)
    }
}

#[test]
fn a_run_may_poll_a_stream_as_often_as_it_likes_while_time_passes() {
    let clock = FakeClock::new();
    let span = Duration::from_micros(600);
    let chunks = clock.run(&mut Nanos(clock.ticker()), span);
    assert_eq!(chunks.len(), 600_000);
}
