//! A publish to many waiting tokio tasks: what its caller pays, and when the last task has it.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Instant;

use broadcast::{TokioTicker, median, median_ratio};
use costs::{Row, Size};
use futures_core::Stream;
use sse_queue::Topic;
use sse_queue::topic::Start;
use tokio::runtime::{Builder, Runtime};

/// Longer than any round takes.
const LONGEST: Duration = Duration::from_secs(10);

pub(crate) fn publish(size: Size) -> Vec<Row> {
    let count = size.of(100_000);
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_time().build();
    let runtime = runtime.expect("threads can be started");
    // One crowd after the other, because two would share the runtime's timer.
    let [mut calls, mut on_worker, mut ours, mut plain] = [const { Vec::new() }; 4];
    let topic = Crowd::new(&runtime, count, Wakes::ByTopic);
    let list = Crowd::new(&runtime, count, Wakes::ByList);
    for _ in 0..size.rounds() * 3 {
        let (call, all) = topic.publish();
        calls.push(call);
        ours.push(all);
        plain.push(list.publish().1);
        on_worker.push(topic.publish_on(&runtime));
    }
    runtime.shutdown_background();

    let ratio = median_ratio(&ours, &plain);
    let to = format!("a publish to {count} tokio tasks");
    let all = format!("{:.1} to {:.1} ms", median(ours), median(plain));
    vec![
        Row::at_most(format!("{to}, its caller, p50"), median(calls), " ms", 1.0),
        Row::at_most(
            format!("{to}, its caller on a worker, p50"),
            median(on_worker),
            " ms",
            1.0,
        ),
        Row::at_most(
            format!("{to}, until the last has it, to a list woken in one go"),
            ratio,
            "x",
            1.1,
        )
        .detail(all),
    ]
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wakes {
    /// The topic wakes the tasks.
    ByTopic,
    /// The tasks' streams have no waker; the publisher wakes all from a plain list.
    ByList,
}

/// Tasks, each with a stream of one topic.
struct Crowd {
    topic: Topic,
    list: Vec<Waker>,
    arrivals: Arc<Arrivals>,
}

struct Arrivals {
    tasks: usize,
    count: AtomicUsize,
    /// All have the message when the count is this.
    goal: AtomicUsize,
    last: Mutex<Option<Instant>>,
    publisher: Thread,
}

impl Crowd {
    fn new(runtime: &Runtime, count: usize, wakes: Wakes) -> Self {
        let topic = Topic::new();
        let listed = Arc::new(Mutex::new(Vec::new()));
        let arrivals = Arc::new(Arrivals {
            tasks: count,
            count: AtomicUsize::new(0),
            goal: AtomicUsize::new(0),
            last: Mutex::new(None),
            publisher: thread::current(),
        });
        for _ in 0..count {
            let (topic, listed, arrivals) = (topic.clone(), listed.clone(), arrivals.clone());
            runtime.spawn(async move {
                let stream = topic.stream(Start::Now, TokioTicker::new());
                drop(topic);
                let mut stream =
                    Box::pin(stream.expect("no cap is reached").without_first_comment());
                let mut is_listed = false;
                poll_fn(|cx| {
                    if wakes == Wakes::ByList && !is_listed {
                        let mut listed = listed.lock().unwrap_or_else(PoisonError::into_inner);
                        listed.push(cx.waker().clone());
                        is_listed = true;
                    }
                    let mut noop = Context::from_waker(Waker::noop());
                    let cx = if wakes == Wakes::ByList {
                        &mut noop
                    } else {
                        cx
                    };
                    receive(stream.as_mut(), cx, &arrivals)
                })
                .await;
            });
        }
        let crowd = Self {
            topic,
            list: Vec::new(),
            arrivals,
        };
        // The first poll of each task, before it waits, does not count as an arrival.
        while crowd.topic.stats().streams < count {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(300));
        let list = listed
            .lock()
            .map(|mut listed| core::mem::take(&mut *listed));
        let crowd = Self {
            list: list.unwrap_or_default(),
            ..crowd
        };
        crowd.publish();
        crowd
    }

    /// How long the call took, and how long until the last task had the message, in milliseconds.
    fn publish(&self) -> (f64, f64) {
        self.arrivals.expect();
        let start = Instant::now();
        self.call();
        let call = start.elapsed();
        let all = self.arrivals.wait(start);
        (call.as_secs_f64() * 1e3, all.as_secs_f64() * 1e3)
    }

    /// How long the call took on a worker of the runtime, in milliseconds.
    fn publish_on(&self, runtime: &Runtime) -> f64 {
        self.arrivals.expect();
        let topic = self.topic.clone();
        let call = runtime.spawn(async move {
            let start = Instant::now();
            topic.publish("x").expect("it is open");
            start.elapsed()
        });
        self.arrivals.wait(Instant::now());
        let call = runtime.block_on(call).expect("the task does not panic");
        call.as_secs_f64() * 1e3
    }

    fn call(&self) {
        self.topic.publish("x").expect("it is open");
        self.list.iter().for_each(Waker::wake_by_ref);
    }
}

fn receive<S: Stream>(
    mut stream: Pin<&mut S>,
    cx: &mut Context<'_>,
    arrivals: &Arrivals,
) -> Poll<()> {
    loop {
        match stream.as_mut().poll_next(cx) {
            Poll::Ready(Some(_)) => arrivals.add(),
            Poll::Ready(None) => return Poll::Ready(()),
            Poll::Pending => return Poll::Pending,
        }
    }
}

impl Arrivals {
    /// One more arrival of each task counts from here on.
    fn expect(&self) {
        let goal = self.count.load(Ordering::Relaxed) + self.tasks;
        self.goal.store(goal, Ordering::Relaxed);
    }

    fn add(&self) {
        let count = self.count.fetch_add(1, Ordering::AcqRel) + 1;
        if count == self.goal.load(Ordering::Relaxed) {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(Instant::now());
            drop(last);
            self.publisher.unpark();
        }
    }

    fn wait(&self, start: Instant) -> Duration {
        loop {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(last) = last.take() {
                return last.duration_since(start);
            }
            drop(last);
            assert!(start.elapsed() < LONGEST, "a task did not get the message");
            thread::park_timeout(Duration::from_millis(100));
        }
    }
}
