//! A queue with streams on a grid, which have reservations, and scheduled messages that are due.

use core::hint::black_box;
use core::task::Waker;
use core::time::Duration;

use broadcast::{CpuTime, median, median_ratio};
use costs::{Row, Size, alternate, drain, poll, queue_stream, roomy, ticked};
use sse_queue::queue::QueueSubscription;
use sse_queue::{EventStream, FakeClock, FakeTicker, Message, Queue};

const HALF: Duration = Duration::from_millis(500);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const PUSHES: u32 = 200;

/// One tick of many streams, each of which gets a message.
pub(crate) fn ticks(size: Size) -> Vec<Row> {
    [10_000, 50_000]
        .map(|full| {
            let streams = size.of(full);
            let [scheduled, plain] =
                alternate(size, || tick(streams, true), || tick(streams, false));
            let ratio = median_ratio(&scheduled, &plain);
            let what =
                format!("a tick of {streams} streams, scheduled messages to unscheduled ones");
            let (scheduled, plain) = (median(scheduled), median(plain));
            Row::at_most(what, ratio, "x", 2.0).detail(format!("{scheduled:.2} to {plain:.2} ms"))
        })
        .into()
}

/// The processor time, in milliseconds, of all streams' polls: when the messages fall due, and at
/// the tick that sends them.
///
/// ```text
/// 0 s: all streams wait      0.5 s: messages due, all polled      1 s: the tick, all polled
/// ```
fn tick(count: usize, is_scheduled: bool) -> f64 {
    let clock = FakeClock::new();
    let queue = roomy(&clock).build();
    let stream = || ticked(queue_stream(&queue, &clock), SECOND, 1);
    let mut streams: Vec<_> = (0..count).map(|_| stream()).collect();
    assert_eq!(chunks(&mut streams), 0);
    if is_scheduled {
        push(&queue, count, HALF);
    }
    clock.advance(HALF);
    if !is_scheduled {
        push(&queue, count, Duration::ZERO);
    }
    let due = CpuTime::of_thread();
    assert_eq!(chunks(&mut streams), 0);
    let due = due.elapsed();
    clock.advance(HALF);
    let tick = CpuTime::of_thread();
    assert_eq!(chunks(&mut streams), count);
    (due + tick.elapsed()).as_secs_f64() * 1e3
}

fn push(queue: &Queue, count: usize, after: Duration) {
    for _ in 0..count {
        let message = Message::from("x");
        let message = match after {
            Duration::ZERO => message,
            after => message.after(after),
        };
        queue.push(message).expect("the queue has capacity");
    }
}

fn chunks(streams: &mut [EventStream<QueueSubscription, FakeTicker>]) -> usize {
    let polled = streams
        .iter_mut()
        .map(|stream| drain(stream, Waker::noop()));
    polled.sum()
}

/// A push while many streams have reservations, to one without any.
pub(crate) fn promises(size: Size) -> Vec<Row> {
    let streams = size.of(10_000);
    let promised = Promised::new(streams);
    let none = Promised::new(0);
    let [with, without] = alternate(size, || promised.push(), || none.push());
    let ratio = median_ratio(&with, &without);
    let what = format!("a push while {streams} streams of 16 a minute have promises");
    let (with, without) = (median(with), median(without));
    let detail = format!("{with:.0} to {without:.0} ns");
    vec![Row::at_most(what, ratio, "x", 2.0).detail(detail)]
}

/// Streams that have reserved everything due, and one that waits for more.
struct Promised {
    queue: Queue,
    _streams: Vec<EventStream<QueueSubscription, FakeTicker>>,
}

impl Promised {
    fn new(count: usize) -> Self {
        let clock = FakeClock::new();
        let queue = roomy(&clock).build();
        let stream = |_| ticked(queue_stream(&queue, &clock), MINUTE, 16);
        push(&queue, count * 16, SECOND);
        clock.advance(SECOND);
        let mut streams: Vec<_> = (0..=count).map(stream).collect();
        for stream in &mut streams {
            assert!(poll(stream, Waker::noop()).is_pending());
        }
        Self {
            queue,
            _streams: streams,
        }
    }

    /// The processor time of a push of a message for later, in nanoseconds.
    fn push(&self) -> f64 {
        let start = CpuTime::of_thread();
        for _ in 0..PUSHES {
            let message = Message::from("later").after(SECOND);
            black_box(self.queue.push(message).expect("the queue has capacity"));
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(PUSHES)
    }
}
