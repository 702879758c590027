//! What the tests of streams share: a task that counts its wake-ups, and queues and topics on a
//! clock that the tests move.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use sse_queue::stream::KeepAlive;
use sse_queue::{EventStream, FakeClock, Source, Ticker};

pub mod clock;
pub mod gate;
pub mod label_model;
pub mod parser;
pub mod queue;
pub mod topic;
pub mod topic_model;
pub mod topics;

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A waker that counts how often it was woken.
#[derive(Default)]
pub struct Count(AtomicUsize);

impl Count {
    /// How often it was woken since the last call.
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

    /// Moves to another task: the next poll passes another waker.
    pub fn move_to_another_task(&mut self) {
        self.count = Arc::new(Count::default());
        self.waker = Waker::from(Arc::clone(&self.count));
    }

    /// How often it was woken since the last call.
    pub fn take_wakes(&self) -> usize {
        self.count.take()
    }

    /// Whether it was woken since the last call of [`take_wakes`](Self::take_wakes).
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

    /// The chunk that is ready.
    #[track_caller]
    pub fn bytes(&mut self) -> String {
        match self.poll_next() {
            Poll::Ready(Some(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => panic!("no bytes, but {other:?}"),
        }
    }

    /// The data of all events in the chunk that is ready, with commas between.
    #[track_caller]
    pub fn data(&mut self) -> String {
        data_of(self.bytes().as_bytes()).join(",")
    }

    /// The data of all events in all chunks that are ready, with commas between.
    pub fn drain_data(&mut self) -> String {
        let mut all = Vec::new();
        while let Poll::Ready(Some(chunk)) = self.poll_next() {
            all.extend(data_of(&chunk));
        }
        all.join(",")
    }

    /// It was woken once, and sends `data`.
    #[track_caller]
    pub fn assert_woken_for(&mut self, data: &str) {
        assert_eq!(self.take_wakes(), 1);
        assert_eq!(self.data(), data);
    }

    /// Sends what is ready, which must be `data` in one chunk, and waits again.
    #[track_caller]
    pub fn assert_sends(&mut self, data: &str) {
        assert_eq!(self.data(), data);
        self.assert_pending();
    }

    #[track_caller]
    pub fn assert_pending(&mut self) {
        let poll = self.poll_next();
        assert!(poll.is_pending(), "{poll:?}");
    }

    #[track_caller]
    pub fn assert_ended(&mut self) {
        assert_eq!(self.poll_next(), Poll::Ready(None));
        assert_eq!(self.poll_next(), Poll::Ready(None), "for good");
    }
}

/// The data of each event in `bytes`.
pub fn data_of(bytes: &[u8]) -> Vec<String> {
    let events = parser::parse(bytes).events;
    events.into_iter().map(|event| event.data).collect()
}

/// The stream without its first bytes.
pub fn without_first_bytes<S: Source, T: Ticker>(stream: EventStream<S, T>) -> EventStream<S, T> {
    stream.without_first_comment()
}

/// The stream without first bytes and keep-alive: it sends nothing but what its source gives.
pub fn quiet<S: Source, T: Ticker>(stream: EventStream<S, T>) -> EventStream<S, T> {
    without_first_bytes(stream).keep_alive(KeepAlive::off())
}

/// The stream with a waker, polled once and found pending.
#[track_caller]
pub fn settled<F: Stream<Item = Bytes>>(stream: F) -> Task<F> {
    let mut task = Task::new(stream);
    task.assert_pending();
    task
}

/// Polls the streams that were woken until none is; returns the data of each chunk that they sent.
pub fn run<S: Stream<Item = Bytes>>(streams: &mut [Task<S>]) -> Vec<String> {
    let mut sent = Vec::new();
    for _ in 0..100_000 {
        let Some(task) = streams.iter_mut().find(|task| task.take_wakes() > 0) else {
            return sent;
        };
        while let Poll::Ready(Some(chunk)) = task.poll_next() {
            sent.push(data_of(&chunk).join(","));
        }
    }
    panic!("the streams wake one another for ever");
}

/// Lets time pass up to each deadline, and [runs](run) the streams there.
pub fn pass<S: Stream<Item = Bytes>>(
    clock: &FakeClock,
    time: Duration,
    streams: &mut [Task<S>],
) -> Vec<String> {
    let mut sent = Vec::new();
    at_each_deadline(clock, time, || sent.extend(run(streams)));
    sent
}

/// Calls `work` now, and at each deadline until `time` has passed.
pub fn at_each_deadline(clock: &FakeClock, time: Duration, mut work: impl FnMut()) {
    let end = clock.elapsed() + time;
    work();
    while clock.elapsed() < end {
        let left = end.saturating_sub(clock.elapsed());
        let next = clock.next_deadline().unwrap_or(left);
        clock.advance(next.max(ms(1)).min(left));
        work();
    }
}
