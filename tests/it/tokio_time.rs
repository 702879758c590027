//! The examples' clock and ticker on tokio's paused time.

#[path = "../../examples/shared/tokio_time.rs"]
mod examples;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::StreamExt;
use sse_queue::{Clock, Message, Pacing, Queue, Ticker};
use tokio::time::{Instant, advance};

use self::examples::{TokioClock, TokioTicker};
use crate::support::without_first_bytes;

const SECOND: Duration = Duration::from_secs(1);

async fn tick(ticker: &mut TokioTicker) {
    poll_fn(|cx| Pin::new(&mut *ticker).poll_tick(cx)).await;
}

fn tick_now(ticker: &mut TokioTicker) -> Poll<()> {
    Pin::new(ticker).poll_tick(&mut Context::from_waker(Waker::noop()))
}

fn arm(ticker: &mut TokioTicker, after: Option<Duration>) {
    Pin::new(ticker).arm(after);
}

#[tokio::test(start_paused = true)]
async fn the_clock_stands_while_time_is_paused() {
    let clock = TokioClock::new();
    let start = clock.now();
    assert_eq!(clock.now(), start);
    advance(SECOND).await;
    assert_eq!(clock.now(), start + SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_ticker_counts_the_same_time_as_the_clock() {
    let (clock, ticker) = (TokioClock::new(), TokioTicker::new());
    let start = clock.now();
    advance(3 * SECOND).await;
    assert_eq!(ticker.now(), 3 * SECOND);
    assert_eq!(clock.now(), start + ticker.now());
}

#[tokio::test(start_paused = true)]
async fn a_tick_comes_once_when_it_is_due() {
    let mut ticker = TokioTicker::new();
    arm(&mut ticker, Some(SECOND));
    assert!(tick_now(&mut ticker).is_pending());
    tick(&mut ticker).await;
    assert_eq!(ticker.now(), SECOND);
    assert!(tick_now(&mut ticker).is_pending());
}

#[tokio::test(start_paused = true)]
async fn arming_replaces_what_was_armed() {
    let mut ticker = TokioTicker::new();
    arm(&mut ticker, Some(5 * SECOND));
    assert!(tick_now(&mut ticker).is_pending());
    arm(&mut ticker, Some(SECOND));
    tick(&mut ticker).await;
    assert_eq!(ticker.now(), SECOND);

    arm(&mut ticker, Some(SECOND));
    arm(&mut ticker, Some(3 * SECOND));
    tick(&mut ticker).await;
    assert_eq!(ticker.now(), 4 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_disarmed_ticker_never_ticks() {
    let mut ticker = TokioTicker::new();
    arm(&mut ticker, Some(SECOND));
    arm(&mut ticker, None);
    advance(10 * SECOND).await;
    assert!(tick_now(&mut ticker).is_pending());
}

#[tokio::test(start_paused = true)]
async fn arming_for_no_time_ticks_at_once() {
    let mut ticker = TokioTicker::new();
    arm(&mut ticker, Some(Duration::ZERO));
    tick(&mut ticker).await;
    assert_eq!(ticker.now(), Duration::ZERO);
}

// 0 s       1 s       2 s       3 s
// push      |         |         due
// poll      tick      tick      tick: the message
#[tokio::test(start_paused = true)]
async fn a_scheduled_message_leaves_a_stream_when_it_is_due() {
    let queue = Queue::builder().clock(TokioClock::new()).build();
    let stream = queue.stream(TokioTicker::new()).unwrap();
    let mut stream = Box::pin(without_first_bytes(stream));
    let start = Instant::now();
    queue
        .push(Message::from("later").after(3 * SECOND))
        .unwrap();

    let frame = stream.next().await.unwrap();
    assert!(frame.ends_with(b"data: later\n\n"));
    assert_eq!(start.elapsed(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_paced_stream_gives_one_message_at_each_tick() {
    let queue = Queue::builder().clock(TokioClock::new()).build();
    let stream = queue.stream(TokioTicker::new()).unwrap();
    let mut stream = Box::pin(without_first_bytes(stream).pacing(Pacing::every(SECOND)));
    let start = Instant::now();
    for data in ["a", "b", "c"] {
        queue.push(data).unwrap();
    }
    for n in 1..=3 {
        assert!(stream.next().await.is_some());
        assert_eq!(start.elapsed(), n * SECOND);
    }
}
