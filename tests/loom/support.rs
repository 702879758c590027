//! What the models share: tasks that sleep until they are woken, and streams that send messages
//! alone.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use loom::sync::{Condvar, Mutex};
use loom::thread;
use sse_queue::queue::{QueueBuilder, QueueSubscription};
use sse_queue::stream::KeepAlive;
use sse_queue::topic::{Start, TopicSubscription};
use sse_queue::{EventStream, FakeClock, FakeTicker, Message, Queue, Source, Topic};

pub type QueueStream = EventStream<QueueSubscription, FakeTicker>;
pub type TopicStream = EventStream<TopicSubscription, FakeTicker>;

/// Not `park` and `unpark`: those of loom lose a token to a thread that waits for a lock.
#[derive(Default)]
pub struct Alarm {
    is_rung: Mutex<bool>,
    bell: Condvar,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.is_rung.lock().unwrap() = true;
        self.bell.notify_one();
    }
}

impl Alarm {
    /// Blocks until the alarm has been woken since the last sleep.
    pub fn sleep(&self) {
        let mut is_rung = self.is_rung.lock().unwrap();
        while !*is_rung {
            is_rung = self.bell.wait(is_rung).unwrap();
        }
        *is_rung = false;
    }
}

/// A future or stream with a waker of its own.
pub struct Task<T> {
    pub inner: T,
    pub alarm: Arc<Alarm>,
    waker: Waker,
}

impl<T> Task<T> {
    pub fn new(inner: T) -> Self {
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(Arc::clone(&alarm));
        Self {
            inner,
            alarm,
            waker,
        }
    }

    /// Polls until the result is ready; calls `idle` while it is pending.
    fn block<R>(
        &mut self,
        mut poll: impl FnMut(&mut T, &mut Context<'_>) -> Poll<R>,
        idle: impl Fn(&Alarm),
    ) -> R {
        loop {
            let mut cx = Context::from_waker(&self.waker);
            if let Poll::Ready(ready) = poll(&mut self.inner, &mut cx) {
                return ready;
            }
            idle(&self.alarm);
        }
    }
}

impl<F: Future + Unpin> Task<F> {
    pub fn poll(&mut self) -> Poll<F::Output> {
        pin!(&mut self.inner).poll(&mut Context::from_waker(&self.waker))
    }
}

impl<S: Stream<Item = Bytes> + Unpin> Task<S> {
    pub fn poll_next(&mut self) -> Poll<Option<Bytes>> {
        pin!(&mut self.inner).poll_next(&mut Context::from_waker(&self.waker))
    }

    /// The next chunk; sleeps until the task is woken.
    pub fn next(&mut self) -> Option<Bytes> {
        self.block(|stream, cx| pin!(stream).poll_next(cx), Alarm::sleep)
    }

    /// Reads until `events` events have arrived.
    pub fn read(&mut self, events: usize) -> String {
        let mut all = String::new();
        while all.matches("data: ").count() < events {
            all += str::from_utf8(&self.next().unwrap()).unwrap();
        }
        all
    }

    /// Reads to the end.
    pub fn drain(mut self) -> String {
        let mut all = String::new();
        while let Some(chunk) = self.next() {
            all += str::from_utf8(&chunk).unwrap();
        }
        all
    }
}

/// Runs a future to its end in a task of its own.
pub fn block_on<F: Future>(future: F) -> F::Output {
    Task::new(Box::pin(future)).block(|future, cx| future.as_mut().poll(cx), Alarm::sleep)
}

/// As [`block_on`]; time passes up to `until` whenever something is armed and the task has nothing
/// to do.
pub fn block_on_until<F: Future>(clock: &FakeClock, until: Duration, future: F) -> F::Output {
    Task::new(Box::pin(future)).block(
        |future, cx| future.as_mut().poll(cx),
        pass_until(clock, until),
    )
}

/// Lets time pass to the next deadline, but not beyond `until`: sleeps instead.
fn pass_until(clock: &FakeClock, until: Duration) -> impl Fn(&Alarm) {
    move |alarm| match clock.next_deadline() {
        Some(next) if clock.elapsed() + next <= until => clock.advance(next),
        _ => alarm.sleep(),
    }
}

/// The next chunk, in a task of its own.
pub fn next<S: Source + Unpin>(stream: &mut EventStream<S, FakeTicker>) -> Option<Bytes> {
    Task::new(stream).next()
}

/// As [`next`]; time passes whenever something is armed and the task has nothing to do.
///
/// The thread that polls must advance the clock: where another thread advances it between a reading
/// and the arming that follows from it, the stream arms too late. Real time never stops; a test's
/// does.
pub fn next_in_time<S: Source + Unpin>(
    stream: &mut EventStream<S, FakeTicker>,
    clock: &FakeClock,
) -> Option<Bytes> {
    Task::new(stream).block(
        |stream, cx| pin!(stream).poll_next(cx),
        |alarm| {
            if clock.advance_to_next().is_none() {
                alarm.sleep();
            }
        },
    )
}

/// As [`next_in_time`], but no more time passes than up to `until`.
pub fn next_until<S: Source + Unpin>(
    stream: &mut EventStream<S, FakeTicker>,
    clock: &FakeClock,
    until: Duration,
) -> Option<Bytes> {
    Task::new(stream).block(
        |stream, cx| pin!(stream).poll_next(cx),
        pass_until(clock, until),
    )
}

/// Polls once, with a waker that wakes nothing.
pub fn poll_once<S: Source + Unpin>(
    stream: &mut EventStream<S, FakeTicker>,
) -> Poll<Option<Bytes>> {
    pin!(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}

/// Reads to the end, in a task of its own.
pub fn drain<S: Source + Unpin>(stream: EventStream<S, FakeTicker>) -> String {
    Task::new(stream).drain()
}

/// A stream that sends nothing but messages.
pub fn quiet<S: Source>(stream: EventStream<S, FakeTicker>) -> EventStream<S, FakeTicker> {
    stream.without_first_comment().keep_alive(KeepAlive::off())
}

pub fn queue_builder(clock: &FakeClock) -> QueueBuilder {
    Queue::builder().clock(clock.clone()).epoch("e").unwrap()
}

/// A clock, and what `make` makes on it.
pub fn with_clock<T>(make: fn(&FakeClock) -> T) -> (FakeClock, T) {
    let clock = FakeClock::new();
    let made = make(&clock);
    (clock, made)
}

pub fn queue_stream(queue: &Queue, clock: &FakeClock) -> QueueStream {
    quiet(queue.stream(clock.ticker()).unwrap())
}

/// A clock, and a topic on it.
pub fn new_topic() -> (FakeClock, Topic) {
    let clock = FakeClock::new();
    let builder = Topic::builder().clock(clock.clone());
    let topic = builder.epoch("e").unwrap().build();
    (clock, topic)
}

pub fn topic_stream(topic: &Topic, clock: &FakeClock, start: Start) -> TopicStream {
    quiet(topic.stream(start, clock.ticker()).unwrap())
}

/// A message that falls due after some seconds.
pub fn later(data: &str, secs: u64) -> Message {
    Message::from(data).after(Duration::from_secs(secs))
}

/// Works with a handle of the queue, or the topic, in another thread.
pub fn spawn_with<H: Clone + Send + 'static, R: 'static>(
    handle: &H,
    work: impl FnOnce(H) -> R + Send + 'static,
) -> thread::JoinHandle<R> {
    let handle = handle.clone();
    thread::spawn(move || work(handle))
}
