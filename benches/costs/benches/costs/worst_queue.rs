//! The longest call on a queue of a million messages, and how long it makes another thread wait.

use core::hint::black_box;
use core::task::Waker;
use core::time::Duration;

use broadcast::median;
use costs::{Calls, Random, Row, Size, Watched, leased, poll, queue_stream, roomy, watched};
use sse_queue::{Event, FakeClock, Lease, Message, Queue};

const MILLION: usize = 1_000_000;
const BAR: f64 = 2.0;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the work in rounds, each on a queue of its own. A row for its longest call, unless it has
/// none, and one for the longest wait of another thread.
fn rows(size: Size, what: &str, round: impl Fn(&FakeClock, &mut Calls) -> Watched) -> Vec<Row> {
    let (mut calls, mut waits, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..size.rounds() {
        let mut worst = Calls::new();
        let watched = round(&FakeClock::new(), &mut worst);
        calls.push(worst.worst());
        waits.push(watched.busy);
        idle.push(watched.idle);
    }
    let idle = format!("on an idle queue {:.2} ms", median(idle));
    let wait = format!("worst wait of another thread: {what}");
    let mut rows = vec![Row::at_most(wait, median(waits), " ms", BAR).detail(idle)];
    let call = median(calls);
    if call > 0.0 {
        let what = format!("worst single call: {what}");
        rows.insert(0, Row::at_most(what, call, " ms", BAR));
    }
    rows
}

/// Does the work while another thread reads the counters of the queue.
fn watch(queue: &Queue, work: impl FnOnce()) -> Watched {
    let (queue, idle) = (queue.clone(), Queue::new());
    let stats = move || {
        black_box(queue.stats());
    };
    let idle = move || {
        black_box(idle.stats());
    };
    watched(stats, idle, work).1
}

/// The ids that the queue assigns to its first messages.
fn ids(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("e-{number}")).collect()
}

fn fill(queue: &Queue, count: usize) {
    for _ in 0..count {
        queue.push("x").expect("the queue has capacity");
    }
}

fn take(queue: &Queue, count: usize) {
    let taken = (0..count).map_while(|_| queue.next_ready()).count();
    assert_eq!(taken, count);
}

/// Plain pushes, and taking each message again.
pub(crate) fn push(size: Size) -> Vec<Row> {
    let count = size.of(MILLION);
    rows(
        size,
        &format!("{count} pushed, then taken"),
        |clock, calls| {
            let queue = leased(clock);
            watch(&queue, || {
                calls.skip();
                for _ in 0..count {
                    calls.time(|| queue.push("x").expect("the queue has capacity"));
                }
                for _ in 0..count {
                    calls.time(|| queue.next_ready().expect("there is one"));
                }
            })
        },
    )
}

/// Acks of everything in flight.
pub(crate) fn ack(size: Size) -> Vec<Row> {
    let count = size.of(MILLION);
    let round = |is_random: bool| {
        move |clock: &FakeClock, calls: &mut Calls| {
            let queue = leased(clock);
            fill(&queue, count);
            take(&queue, count);
            let mut ids = ids(count);
            if is_random {
                Random::new(7).shuffle(&mut ids);
            }
            watch(&queue, || {
                calls.skip();
                for id in ids.iter().rev() {
                    calls.time(|| queue.ack(id).expect("it is in flight"));
                }
            })
        }
    };
    let mut all = rows(size, &format!("{count} acks at random"), round(true));
    let what = format!("{count} acks, newest first");
    all.extend(rows(size, &what, round(false)));
    all
}

/// Cancels of all messages.
pub(crate) fn cancel(size: Size) -> Vec<Row> {
    let count = size.of(MILLION);
    let round = |is_scheduled: bool| {
        move |clock: &FakeClock, calls: &mut Calls| {
            let queue = roomy(clock).build();
            let mut random = Random::new(9);
            for _ in 0..count {
                let message = Message::from("x");
                let message = if is_scheduled {
                    let millis = u64::try_from(1 + random.below(1 << 30));
                    message.after(Duration::from_millis(millis.unwrap_or(u64::MAX)))
                } else {
                    message
                };
                queue.push(message).expect("the queue has capacity");
            }
            let mut ids = ids(count);
            if is_scheduled {
                random.shuffle(&mut ids);
            }
            watch(&queue, || {
                calls.skip();
                for id in ids.iter().rev() {
                    assert!(calls.time(|| queue.cancel(id)));
                }
            })
        }
    };
    let what = format!("{count} scheduled ones cancelled at random");
    let mut all = rows(size, &what, round(true));
    let what = format!("{count} due ones cancelled, newest first");
    all.extend(rows(size, &what, round(false)));
    all
}

/// All leases end at once; then what any request does: clone the handle, ack, take.
pub(crate) fn lease_end(size: Size) -> Vec<Row> {
    let count = size.of(MILLION);
    let round = |clock: &FakeClock, calls: &mut Calls| {
        let lease = Lease::new(TIMEOUT).max_in_flight(usize::MAX);
        let queue = roomy(clock).at_least_once(lease).build();
        fill(&queue, count);
        take(&queue, count);
        // Another thread would notice first that they have ended.
        clock.advance(TIMEOUT);
        calls.skip();
        drop(calls.time(|| queue.clone()));
        let _ = calls.time(|| queue.ack("nonsense"));
        watch(&queue, || {
            calls.skip();
            for _ in 0..count {
                calls.time(|| queue.next_ready());
            }
        })
    };
    rows(size, &format!("{count} leases end"), round)
}

/// All messages expire at once.
pub(crate) fn expiry(size: Size) -> Vec<Row> {
    let count = size.of(MILLION);
    let round = |clock: &FakeClock, calls: &mut Calls| {
        let queue = roomy(clock).build();
        for _ in 0..count {
            let message = Message::from("x").expires_after(TIMEOUT);
            queue.push(message).expect("the queue has capacity");
        }
        clock.advance(TIMEOUT);
        watch(&queue, || {
            calls.skip();
            for _ in 0..size.of(100_000) {
                assert!(calls.time(|| queue.next_ready()).is_none());
            }
        })
    };
    rows(size, &format!("{count} expire"), round)
}

/// Messages with ids of their own are pushed, then all are taken out. That call returns everything,
/// so only the pushes and the other thread are held to the bar.
pub(crate) fn take_remaining(size: Size) -> Vec<Row> {
    let count = size.of(MILLION);
    let round = |clock: &FakeClock, calls: &mut Calls| {
        let queue = roomy(clock).build();
        watch(&queue, || {
            for number in 0..count {
                let event = Event::new("x").id(&format!("own_{number}"));
                let event = event.expect("it is valid");
                calls.skip();
                calls.time(|| queue.push(event).expect("the queue has capacity"));
            }
            let remaining = queue.take_remaining();
            assert_eq!(remaining.len(), count);
        })
    };
    let what = format!("{count} own ids pushed, `take_remaining`");
    rows(size, &what, round)
}

/// Many waiting streams, and the queue is closed.
pub(crate) fn close(size: Size) -> Vec<Row> {
    let count = size.of(100_000);
    let round = |clock: &FakeClock, calls: &mut Calls| {
        let queue = roomy(clock).build();
        let mut streams: Vec<_> = (0..count).map(|_| queue_stream(&queue, clock)).collect();
        for stream in &mut streams {
            assert!(poll(stream, Waker::noop()).is_pending());
        }
        watch(&queue, || {
            calls.skip();
            calls.time(|| queue.close());
        })
    };
    rows(size, &format!("`close` with {count} streams"), round)
}
