//! The clone and the drop of a handle, which axum makes for each request.

use core::hint::black_box;
use std::sync::Arc;

use broadcast::{CpuTime, median, median_ratio};
use costs::{Row, Size, alternate};
use sse_queue::{Queue, Topic};

pub(crate) fn handles(size: Size) -> Vec<Row> {
    vec![
        to_arc(size, "a queue", &Queue::new()),
        to_arc(size, "a topic", &Topic::new()),
    ]
}

fn to_arc<H: Clone>(size: Size, what: &str, handle: &H) -> Row {
    let arc = Arc::new(0_u64);
    let [ones, others] = alternate(size, || clone(size, handle), || clone(size, &arc));
    let ratio = median_ratio(&ones, &others);
    let what = format!("clone and drop of {what}, to those of an `Arc`");
    let (one, other) = (median(ones), median(others));
    Row::at_most(what, ratio, "x", 2.0).detail(format!("{one:.1} to {other:.1} ns"))
}

/// The processor time of a clone and its drop, in nanoseconds.
fn clone<H: Clone>(size: Size, handle: &H) -> f64 {
    let times = u32::try_from(size.of(1_000_000)).unwrap_or(u32::MAX);
    let start = CpuTime::of_thread();
    for _ in 0..times {
        drop(black_box(black_box(handle).clone()));
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(times)
}
