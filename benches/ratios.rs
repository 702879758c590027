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

#[path = "work/bar.rs"]
mod bar;
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
#[path = "work/text.rs"]
mod text;

mod time {
    pub(crate) use crate::deadline::Deadline;
}

use std::process::ExitCode;

use bytes::Bytes;

use crate::bar::Bar;
use crate::ordered::Ordered;
use crate::store::{Ahead, Backlog, Heap, Locked};

const MILLION: usize = 1_000_000;

fn main() -> ExitCode {
    bar::head();
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
