//! One event built and encoded, by this crate and by its peers, in one run.
//!
//! `cargo bench -p peers --bench encode`

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use peers::{Fields, Refusal};

fn main() {
    divan::main();
}

fn run(bencher: Bencher<'_, '_>, mut encode: impl FnMut() -> Result<Bytes, Refusal>) {
    bencher
        .counter(BytesCount::of_str(Fields::typical().data))
        .bench_local(|| drop(black_box(encode())));
}

#[divan::bench(sample_size = 100)]
fn sse_queue(bencher: Bencher<'_, '_>) {
    run(bencher, peers::ours(Fields::typical()));
}

#[divan::bench(sample_size = 100)]
fn axum(bencher: Bencher<'_, '_>) {
    run(bencher, peers::axum(Fields::typical()));
}

/// The share of axum's body in the above: it polls an event that was encoded before.
#[divan::bench(sample_size = 100)]
fn axum_body_alone(bencher: Bencher<'_, '_>) {
    run(bencher, peers::axum_body_alone());
}

#[divan::bench(sample_size = 100)]
fn sse_stream(bencher: Bencher<'_, '_>) {
    run(bencher, peers::sse_stream(Fields::typical()));
}

#[divan::bench(sample_size = 100)]
fn actix_web_lab(bencher: Bencher<'_, '_>) {
    run(bencher, peers::actix_web_lab(Fields::typical()));
}

#[divan::bench(sample_size = 100)]
fn warp(bencher: Bencher<'_, '_>) {
    run(bencher, peers::warp(Fields::typical()));
}
