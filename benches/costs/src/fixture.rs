//! Hubs and streams to measure, and wakers that count. Only this file names what the library may
//! rename.

use core::num::Wrapping;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use bytes::Bytes;
use futures_core::Stream;
use sse_queue::queue::{QueueBuilder, QueueSubscription};
use sse_queue::stream::KeepAlive;
use sse_queue::topic::{Start, TopicSubscription};
use sse_queue::{
    EventStream, FakeClock, FakeTicker, Lease, Pacing, Queue, Source, ThreadTicker, Ticker, Topic,
};

/// A builder of a queue that holds millions.
///
/// # Panics
///
/// Never: the epoch is valid.
pub fn roomy(clock: &FakeClock) -> QueueBuilder {
    let builder = Queue::builder().clock(clock.clone());
    let builder = builder.capacity(1 << 21).capacity_bytes(1 << 40);
    builder
        .max_streams(1 << 20)
        .epoch("e")
        .expect("it is valid")
}

/// A queue that leases for an hour, without a limit per stream.
#[must_use]
pub fn leased(clock: &FakeClock) -> Queue {
    let lease = Lease::new(Duration::from_secs(3_600)).max_in_flight(usize::MAX);
    roomy(clock).at_least_once(lease).build()
}

/// A stream without first bytes and keep-alive.
///
/// # Panics
///
/// If the queue has too many.
pub fn queue_stream(
    queue: &Queue,
    clock: &FakeClock,
) -> EventStream<QueueSubscription, FakeTicker> {
    let stream = queue.stream(clock.ticker()).expect("no cap is reached");
    stream.without_first_comment().keep_alive(KeepAlive::off())
}

/// A stream without first bytes and keep-alive.
///
/// # Panics
///
/// If the topic has too many.
pub fn topic_stream<T: Ticker>(topic: &Topic, ticker: T) -> EventStream<TopicSubscription, T> {
    let stream = topic.stream(Start::Now, ticker).expect("no cap is reached");
    stream.without_first_comment().keep_alive(KeepAlive::off())
}

/// The same stream on a grid.
pub fn ticked<S: Source, T: Ticker>(
    stream: EventStream<S, T>,
    period: Duration,
    batch: usize,
) -> EventStream<S, T> {
    stream.pacing(Pacing::every(period).batch(batch))
}

/// A ticker on the process's timer thread.
pub fn thread_ticker() -> ThreadTicker {
    ThreadTicker::new().made()
}

trait Made {
    fn made(self) -> ThreadTicker;
}

impl Made for ThreadTicker {
    fn made(self) -> ThreadTicker {
        self
    }
}

impl Made for io::Result<ThreadTicker> {
    fn made(self) -> ThreadTicker {
        self.expect("a thread can be started")
    }
}

/// One poll.
pub fn poll<S>(stream: &mut S, waker: &Waker) -> Poll<Option<Bytes>>
where
    S: Stream<Item = Bytes> + Unpin,
{
    Pin::new(stream).poll_next(&mut Context::from_waker(waker))
}

/// Polls until the stream waits or has ended; returns how many chunks it yielded.
pub fn drain<S>(stream: &mut S, waker: &Waker) -> usize
where
    S: Stream<Item = Bytes> + Unpin,
{
    let mut chunks = 0;
    while let Poll::Ready(Some(_)) = poll(stream, waker) {
        chunks += 1;
    }
    chunks
}

/// A waker that counts.
#[derive(Debug, Default)]
pub struct Counter(AtomicUsize);

impl Counter {
    /// A waker that was never woken, and its count.
    #[must_use]
    pub fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::new(Self::default());
        (Arc::clone(&counter), Waker::from(counter))
    }

    /// How many times it was woken.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Marsaglia's xorshift: the same numbers in each run.
#[derive(Debug)]
pub struct Random(Wrapping<u64>);

impl Random {
    /// The first of them follow from the seed, which must not be 0.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Wrapping(seed))
    }

    /// A number below `n`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0.0 >> 16).unwrap_or(usize::MAX) % end.max(1)
    }

    /// Shuffles the items.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
