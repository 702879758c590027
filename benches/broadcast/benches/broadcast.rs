//! One message, or a burst, to many streams: by a topic and by its peers, in one run.
//!
//! Each figure is the time to publish a burst, wake the streams, and poll all of them until they
//! wait again. `cargo bench -p broadcast --bench broadcast`; the bars: `--bench ratios`.

#![allow(missing_docs, reason = "a benchmark documents no items")]

use broadcast::{AsyncBroadcast, Hub, Ours, Reading, Tasks, TokioBytes, TokioEncoded};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

/// The number of streams, and of messages at a time.
const SHAPES: [(usize, usize); 4] = [(100, 1), (100, 64), (10_000, 1), (10_000, 64)];

fn main() {
    divan::main();
}

fn run(bencher: Bencher<'_, '_>, hub: &impl Hub, (streams, burst): (usize, usize)) {
    let mut tasks = Tasks::new((0..streams).map(|_| hub.stream()));
    bencher
        .counter(ItemsCount::new(streams * burst))
        .bench_local(|| {
            (0..burst).for_each(|_| hub.publish());
            black_box(tasks.run());
        });
}

#[divan::bench(args = SHAPES, max_time = 1)]
fn sse_queue(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    run(bencher, &Ours::new(65_536, Reading::new), shape);
}

#[divan::bench(args = SHAPES, max_time = 1)]
fn tokio_bytes(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    run(bencher, &TokioBytes::new(shape.1), shape);
}

#[divan::bench(args = SHAPES, max_time = 1)]
fn tokio_encoded(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    run(bencher, &TokioEncoded::new(shape.1), shape);
}

#[divan::bench(args = SHAPES, max_time = 1)]
fn async_broadcast(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    run(bencher, &AsyncBroadcast::new(shape.1), shape);
}

/// Publishing without streams.
#[divan::bench(args = [1, 65_536], sample_count = 1_000, sample_size = 100)]
fn unheard(bencher: Bencher<'_, '_>, history: usize) {
    let hub = Ours::new(history, Reading::new);
    (0..history).for_each(|_| hub.publish());
    bencher.bench_local(|| hub.publish());
}
