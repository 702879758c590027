//! A ratio of two times, and the bar that it is held to.

#![allow(
    unreachable_pub,
    reason = "a part of several benchmarks, and no library"
)]

use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 51;

/// The head of the table.
pub fn head() {
    println!("| time of one call | of the other | | ratio | at most | |");
    println!("|---|---|---|---|---|---|");
}

/// The ratio of two times.
pub struct Bar {
    pub one: &'static str,
    pub other: &'static str,
    pub at_most: f64,
    /// How many times each is called in a round.
    pub calls: u32,
}

impl Bar {
    pub fn holds<A, B>(&self, mut one: impl FnMut() -> A, mut other: impl FnMut() -> B) -> bool {
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

/// The mean time of one call.
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
