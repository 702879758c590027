//! Large data encoded, against a plain copy of it.
//!
//! Each frame is dropped before the next is made, so that both use the same memory again.
//! `cargo bench --bench encode`; the ratios to their bars: `cargo bench --bench ratios`.

#![allow(
    clippy::arithmetic_side_effects,
    missing_docs,
    reason = "a benchmark may panic and documents no items"
)]

#[path = "work/text.rs"]
mod text;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

#[divan::bench(sample_size = 10)]
fn one_line(bencher: Bencher<'_, '_>) {
    let data = text::one_line();
    bencher
        .counter(BytesCount::of_str(&data))
        .bench_local(|| drop(black_box(text::encode(&data))));
}

#[divan::bench(sample_size = 10)]
fn short_lines(bencher: Bencher<'_, '_>) {
    let data = text::short_lines();
    bencher
        .counter(BytesCount::of_str(&data))
        .bench_local(|| drop(black_box(text::encode(&data))));
}

#[divan::bench(sample_size = 10)]
fn plain_copy(bencher: Bencher<'_, '_>) {
    let data = text::one_line();
    bencher
        .counter(BytesCount::of_str(&data))
        .bench_local(|| drop(black_box(text::copy(&data))));
}
