//! Large data encoded, against a plain copy of it.
//!
//! `cargo bench --bench encode`; the ratios to their bars: `cargo bench --bench ratios`.

#![allow(missing_docs, reason = "a benchmark documents no items")]

#[path = "work/text.rs"]
mod text;

use divan::Bencher;
use divan::counter::BytesCount;

fn main() {
    divan::main();
}

#[divan::bench]
fn one_line(bencher: Bencher<'_, '_>) {
    let data = text::one_line();
    bencher
        .counter(BytesCount::of_str(&data))
        .bench(|| text::encode(&data));
}

#[divan::bench]
fn short_lines(bencher: Bencher<'_, '_>) {
    let data = text::short_lines();
    bencher
        .counter(BytesCount::of_str(&data))
        .bench(|| text::encode(&data));
}

#[divan::bench]
fn plain_copy(bencher: Bencher<'_, '_>) {
    let data = text::one_line();
    bencher
        .counter(BytesCount::of_str(&data))
        .bench(|| text::copy(&data));
}
