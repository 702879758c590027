//! The ratios that this crate promises, one table: `cargo bench --bench ratios`.
//!
//! Each ratio is of medians over rounds in which both sides run in turn, so that a machine that
//! slows down slows both. Fails when a ratio misses its bar.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a benchmark may panic"
)]

#[allow(dead_code, reason = "a push and a pop need a part of it")]
#[path = "../src/ordered.rs"]
mod ordered;
#[path = "work/store.rs"]
mod store;
#[path = "work/text.rs"]
mod text;
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the store needs a part of it"
)]
#[path = "../src/time.rs"]
mod time;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use bytes::Bytes;

use crate::ordered::Ordered;
use crate::store::{Ahead, Backlog, Heap, Locked};

const ROUNDS: usize = 51;
const MILLION: usize = 1_000_000;

fn main() -> ExitCode {
    println!("| time of one call | of the other | | ratio | at most | |");
    println!("|---|---|---|---|---|---|");
    let passed = [one_line(), short_lines(), backlog(), heap()];
    if passed.contains(&false) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn one_line() -> bool {
    let data = text::one_line();
    let encode = || text::encode(&data);
    let copy = || text::copy(&data);
    Bar {
        one: "encode 64 KiB in one line",
        other: "copy them",
        at_most: 2.5,
        calls: 200,
    }
    .holds(encode, copy)
}

fn short_lines() -> bool {
    let data = text::short_lines();
    let encode = || text::encode(&data);
    let copy = || text::copy(&data);
    Bar {
        one: "encode 64 KiB in lines of 30 bytes",
        other: "copy them",
        at_most: 15.0,
        calls: 200,
    }
    .holds(encode, copy)
}

fn backlog() -> bool {
    let mut long = Backlog::<Ordered<Bytes>>::new(MILLION, Ahead::None);
    let mut short = Backlog::<Ordered<Bytes>>::new(1, Ahead::None);
    Bar {
        one: "push and pop with a backlog of a million",
        other: "with a backlog of one",
        at_most: 2.0,
        calls: 100_000,
    }
    .holds(|| long.step(), || short.step())
}

fn heap() -> bool {
    let mut ours = Backlog::<Locked<Ordered<Bytes>>>::new(MILLION, Ahead::FivePercent);
    let mut heap = Backlog::<Locked<Heap>>::new(MILLION, Ahead::FivePercent);
    Bar {
        one: "the same in a mutex, 5 % scheduled ahead",
        other: "`Mutex<BinaryHeap>`",
        at_most: 0.25,
        calls: 100_000,
    }
    .holds(|| ours.step(), || heap.step())
}

/// What two times are to each other.
struct Bar {
    one: &'static str,
    other: &'static str,
    at_most: f64,
    /// How often each is called in a round.
    calls: u32,
}

impl Bar {
    fn holds<A, B>(&self, mut one: impl FnMut() -> A, mut other: impl FnMut() -> B) -> bool {
        let (mut ones, mut others) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ones.push(nanos(self.calls, &mut one));
            others.push(nanos(self.calls, &mut other));
        }
        let (one, other) = (median(ones), median(others));
        let ratio = one / other;
        let holds = ratio <= self.at_most;
        let verdict = if holds { "passed" } else { "FAILED" };
        println!(
            "| {} | {} | {one:.0} / {other:.0} ns | {ratio:.2} | {:.2} | {verdict} |",
            self.one, self.other, self.at_most
        );
        holds
    }
}

/// The time of one call, of many.
fn nanos<T>(calls: u32, call: &mut impl FnMut() -> T) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(call());
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
