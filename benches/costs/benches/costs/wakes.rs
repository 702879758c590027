//! How many streams a call wakes.

use core::task::Waker;
use core::time::Duration;
use std::sync::Arc;

use broadcast::Reading;
use costs::{Counter, Row, Size, poll, queue_stream, roomy, topic_stream};
use sse_queue::{FakeClock, Lease, Pacing, Queue, Topic};

const WORKERS: usize = 10;

/// As many jobs as idle workers, none of which polls before all jobs are pushed.
pub(crate) fn workers(_: Size) -> Vec<Row> {
    let clock = FakeClock::new();
    let lease = Lease::new(Duration::from_secs(30)).max_in_flight(1);
    let once = roomy(&clock).at_least_once(lease).build();
    let plain = roomy(&clock).build();
    let rows = [("at least once", once), ("at most once", plain)];
    rows.map(|(how, queue)| {
        let what = format!("idle workers of one job that ten jobs wake, {how}");
        Row::at_least(what, woken_workers(&queue, &clock), "", 10.0)
    })
    .into()
}

fn woken_workers(queue: &Queue, clock: &FakeClock) -> f64 {
    let worker = |_| {
        let mut stream = queue_stream(queue, clock).pacing(Pacing::immediate().batch(1));
        let (counter, waker) = Counter::new();
        assert!(poll(&mut stream, &waker).is_pending());
        (stream, counter, waker)
    };
    let workers: Vec<_> = (0..WORKERS).map(worker).collect();
    for _ in 0..WORKERS {
        queue.push("job").expect("the queue has capacity");
    }
    let is_woken = |worker: &&(_, Arc<Counter>, Waker)| worker.1.count() > 0;
    let woken = workers.iter().filter(is_woken).count();
    f64::from(u32::try_from(woken).unwrap_or(u32::MAX))
}

/// A publish to waiting streams, and the wakes within the call.
pub(crate) fn publish(size: Size) -> Vec<Row> {
    let streams = size.of(100_000);
    let topic = Topic::new();
    let (counter, waker) = Counter::new();
    let wait = |_| {
        let mut stream = topic_stream(&topic, Reading::new());
        assert!(poll(&mut stream, &waker).is_pending());
        stream
    };
    let waiting: Vec<_> = (0..streams).map(wait).collect();
    topic.publish("x").expect("it is open");
    let woken = f64::from(u32::try_from(counter.count()).unwrap_or(u32::MAX));
    drop(waiting);
    let what = format!("wakes within a publish to {streams} streams");
    vec![Row::at_most(what, woken, "", 64.0)]
}
