//! Many `ThreadTicker`s that fall due at one instant, and another one beside them.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Instant;

use broadcast::median;
use costs::{Counter, Row, Size, thread_ticker};
use sse_queue::{ThreadTicker, Ticker};

/// The time until they fall due.
const AHEAD: Duration = Duration::from_millis(150);
/// How much later the other one falls due, while the many are being woken.
const LATER: Duration = Duration::from_micros(200);

pub(crate) fn storm(size: Size) -> Vec<Row> {
    let count = size.of(10_000);
    let storms = (0..size.rounds()).map(|_| one_storm(count));
    let (calls, ticks): (Vec<f64>, Vec<f64>) = storms.unzip();
    let alone = (0..size.rounds()).map(|_| one_storm(0));
    let (calls_alone, ticks_alone): (Vec<f64>, Vec<f64>) = alone.unzip();
    let during = format!("while {count} fall due at one instant");
    let row = |what: &str, times, alone| {
        let alone = format!("alone {:.2} ms", median(alone));
        Row::at_most(format!("{what} {during}"), median(times), " ms", 2.0).detail(alone)
    };
    vec![
        row("worst arm and poll of another ticker", calls, calls_alone),
        row("delay of another ticker's tick", ticks, ticks_alone),
    ]
}

/// The worst call of another ticker, and the delay of a third one's tick, in milliseconds.
fn one_storm(count: usize) -> (f64, f64) {
    let base = Instant::now();
    let due = |after: Duration| (AHEAD + after).saturating_sub(base.elapsed());
    let mut many: Vec<_> = (0..count)
        .map(|_| (thread_ticker(), Counter::new().1))
        .collect();
    for (ticker, waker) in &mut many {
        let _ = arm(ticker, due(Duration::ZERO), waker);
    }
    assert!(
        base.elapsed() < AHEAD,
        "they fell due while they were armed"
    );
    let tick = thread::spawn(move || {
        let mut ticker = thread_ticker();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let due = (AHEAD + LATER).saturating_sub(base.elapsed());
        let mut poll = arm(&mut ticker, due, &waker);
        while poll.is_pending() {
            thread::park();
            poll = Pin::new(&mut ticker).poll_tick(&mut Context::from_waker(&waker));
        }
        base.elapsed().saturating_sub(AHEAD + LATER)
    });

    let mut other = thread_ticker();
    let mut worst = Duration::ZERO;
    while base.elapsed() < AHEAD + Duration::from_millis(50) {
        let start = Instant::now();
        let _ = arm(&mut other, Duration::from_secs(100), Waker::noop());
        worst = worst.max(start.elapsed());
        thread::sleep(Duration::from_micros(20));
    }
    let late = tick.join().expect("the ticker's thread does not panic");
    (worst.as_secs_f64() * 1e3, late.as_secs_f64() * 1e3)
}

fn arm(ticker: &mut ThreadTicker, after: Duration, waker: &Waker) -> Poll<()> {
    let mut ticker = Pin::new(ticker);
    ticker.as_mut().arm(Some(after));
    ticker.poll_tick(&mut Context::from_waker(waker))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
