//! What the tests of streams share: a connection that counts its wake-ups, and a client's parser.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use sse_queue::{EventStream, FakeClock, FakeTicker, Queue, QueueBuilder, QueueSubscription};

pub mod parser;
pub mod topic_model;

pub type QueueStream = EventStream<QueueSubscription, FakeTicker>;

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Counts how often it was woken.
#[derive(Default)]
pub struct Count(AtomicUsize);

impl Count {
    /// How often since the last call.
    pub fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A future or stream with a waker of its own.
pub struct Task<F> {
    pub inner: Pin<Box<F>>,
    pub count: Arc<Count>,
    waker: Waker,
}

impl<F> Task<F> {
    pub fn new(inner: F) -> Self {
        let count = Arc::new(Count::default());
        Self {
            inner: Box::pin(inner),
            waker: Waker::from(Arc::clone(&count)),
            count,
        }
    }

    /// As if it moved to another task: the next poll comes with another waker.
    pub fn move_to_another_task(&mut self) {
        self.count = Arc::new(Count::default());
        self.waker = Waker::from(Arc::clone(&self.count));
    }

    /// How often it was woken since the last call.
    pub fn wakes(&self) -> usize {
        self.count.take()
    }

    /// Whether it was woken since the last call of [`wakes`](Self::wakes).
    pub fn is_woken(&self) -> bool {
        self.count.0.load(Ordering::Relaxed) > 0
    }
}

impl<F: Future> Task<F> {
    pub fn poll(&mut self) -> Poll<F::Output> {
        let mut cx = Context::from_waker(&self.waker);
        self.inner.as_mut().poll(&mut cx)
    }
}

impl<F: Stream<Item = Bytes>> Task<F> {
    pub fn poll_next(&mut self) -> Poll<Option<Bytes>> {
        let mut cx = Context::from_waker(&self.waker);
        self.inner.as_mut().poll_next(&mut cx)
    }

    /// The bytes that are there.
    #[track_caller]
    pub fn bytes(&mut self) -> String {
        match self.poll_next() {
            Poll::Ready(Some(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => panic!("no bytes, but {other:?}"),
        }
    }

    /// The data of all events in the chunk that is there, with commas between.
    #[track_caller]
    pub fn data(&mut self) -> String {
        let events = parser::parse(self.bytes().as_bytes()).events;
        let data: Vec<_> = events.into_iter().map(|event| event.data).collect();
        data.join(",")
    }

    #[track_caller]
    pub fn is_pending(&mut self) {
        let poll = self.poll_next();
        assert!(poll.is_pending(), "{poll:?}");
    }

    #[track_caller]
    pub fn is_over(&mut self) {
        assert_eq!(self.poll_next(), Poll::Ready(None));
        assert_eq!(self.poll_next(), Poll::Ready(None), "for good");
    }
}

pub fn builder(clock: &FakeClock) -> QueueBuilder {
    Queue::builder().clock(clock.clone()).epoch("e").unwrap()
}

pub fn queue(clock: &FakeClock) -> Queue {
    builder(clock).build()
}

/// A stream that yields nothing but messages.
pub fn bare(queue: &Queue, clock: &FakeClock) -> QueueStream {
    queue
        .stream(clock.ticker())
        .unwrap()
        .first_bytes(false)
        .keep_alive(sse_queue::KeepAlive::off())
}

/// Such a stream, with a waker, that has been polled and waits.
#[track_caller]
pub fn waiting(queue: &Queue, clock: &FakeClock) -> Task<QueueStream> {
    settled(bare(queue, clock))
}

/// The stream with a waker, polled once and found pending.
#[track_caller]
pub fn settled<F: Stream<Item = Bytes>>(stream: F) -> Task<F> {
    let mut task = Task::new(stream);
    task.is_pending();
    task
}

/// Polls the streams that were woken until none is; returns how many chunks they got.
pub fn run(streams: &mut [Task<QueueStream>]) -> usize {
    let mut chunks = 0;
    while let Some(task) = streams.iter_mut().find(|task| task.wakes() > 0) {
        while task.poll_next().is_ready() {
            chunks += 1;
        }
    }
    chunks
}

/// Lets time pass up to each deadline, and [runs](run) the streams there.
pub fn pass(clock: &FakeClock, time: Duration, streams: &mut [Task<QueueStream>]) -> usize {
    let end = clock.elapsed() + time;
    let mut chunks = run(streams);
    while clock.elapsed() < end {
        let left = end.saturating_sub(clock.elapsed());
        let next = clock.next_deadline().unwrap_or(left);
        clock.advance(next.max(ms(1)).min(left));
        chunks += run(streams);
    }
    chunks
}
