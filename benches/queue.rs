//! The ordered store with a backlog, against a heap of the same entries; then the whole queue.
//!
//! Each figure is one push and one pop. `cargo bench --bench queue`; the ratios to their bars:
//! `cargo bench --bench ratios`.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark may panic and documents no items"
)]

#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the store needs a part of it"
)]
#[path = "../src/time/deadline.rs"]
mod deadline;
#[allow(dead_code, reason = "a push and a pop need a part of it")]
#[path = "../src/ordered.rs"]
mod ordered;
#[allow(dead_code, reason = "the store needs a part of it")]
#[path = "../src/seq_map.rs"]
mod seq_map;
#[path = "work/store.rs"]
mod store;

mod time {
    pub(crate) use crate::deadline::Deadline;
}

use bytes::Bytes;
use divan::Bencher;
use sse_queue::Queue;

use crate::ordered::Ordered;
use crate::store::{Ahead, Backlog, Heap, Locked, Store};

const BACKLOGS: [usize; 2] = [1, 1_000_000];

fn main() {
    divan::main();
}

fn run<S: Store>(bencher: Bencher<'_, '_>, len: usize, ahead: Ahead) {
    let mut backlog = Backlog::<S>::new(len, ahead);
    bencher.bench_local(|| backlog.step());
}

#[divan::bench(args = BACKLOGS, sample_count = 1_000, sample_size = 100)]
fn store_alone(bencher: Bencher<'_, '_>, backlog: usize) {
    run::<Ordered<Bytes>>(bencher, backlog, Ahead::None);
}

#[divan::bench(args = BACKLOGS, sample_count = 1_000, sample_size = 100)]
fn store_alone_with_5_percent_ahead(bencher: Bencher<'_, '_>, backlog: usize) {
    run::<Ordered<Bytes>>(bencher, backlog, Ahead::FivePercent);
}

#[divan::bench(args = BACKLOGS, sample_count = 1_000, sample_size = 100)]
fn store_in_a_mutex_with_5_percent_ahead(bencher: Bencher<'_, '_>, backlog: usize) {
    run::<Locked<Ordered<Bytes>>>(bencher, backlog, Ahead::FivePercent);
}

#[divan::bench(args = BACKLOGS, sample_count = 1_000, sample_size = 100)]
fn heap_in_a_mutex_with_5_percent_ahead(bencher: Bencher<'_, '_>, backlog: usize) {
    run::<Locked<Heap>>(bencher, backlog, Ahead::FivePercent);
}

/// The message built, pushed through the public queue with the system's clock, and taken.
#[divan::bench(args = BACKLOGS, sample_count = 1_000, sample_size = 100)]
fn whole_queue(bencher: Bencher<'_, '_>, backlog: usize) {
    let queue = Queue::builder().capacity(backlog + 1).build();
    for _ in 0..backlog {
        queue.push("42").unwrap();
    }
    bencher.bench_local(|| {
        queue.push("42").unwrap();
        queue.next_ready()
    });
}
