//! The topic beside its peers, one table: `cargo bench -p broadcast --bench ratios`.
//!
//! Each ratio is the median of rounds in which all run in turn. It compares processor time, so
//! other programs on the machine disturb it little. Our streams have their keep-alive on; the peers
//! have none. Fails if a bar is missed.

#![allow(
    clippy::cast_precision_loss,
    reason = "the counts are far below where it begins"
)]

use std::hint::black_box;
use std::process::ExitCode;

use broadcast::{
    AsyncBroadcast, Bar, CpuTime, Given, Hub, Ours, Reading, Tasks, TokioBytes, TokioEncoded,
    TokioTicker,
};

const ROUNDS: usize = 15;
const BURST: usize = 64;
const BEHIND: usize = 1_000;
/// The number of streams that are behind.
const LATE: usize = 100;
/// The maximum number of chunks for each event if a stream is behind.
const CHUNKS: f64 = 0.02;
const HISTORY: usize = 65_536;
const UNHEARD: u32 = 20_000;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let _inside = runtime.enter();
    Bar::head();
    let passed = [
        together(100, BURST, [Some(1.0 / 15.0), Some(1.0 / 60.0)]),
        together(10_000, BURST, [Some(1.0 / 15.0), Some(1.0 / 60.0)]),
        together(10_000, 1, [Some(0.7), None]),
        behind(),
        unheard(),
    ];
    if passed.contains(&false) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// A hub and its streams, which do the same in each round.
trait Round {
    /// The time of each delivered event, in nanoseconds, and the chunks of each.
    fn go(&mut self) -> (f64, f64);
}

/// Publishes a burst, wakes the streams and polls all of them.
struct Together<H: Hub> {
    hub: H,
    tasks: Tasks<H::Stream>,
    streams: usize,
    burst: usize,
}

impl<H: Hub> Together<H> {
    fn boxed(hub: H, streams: usize, burst: usize) -> Box<dyn Round>
    where
        Self: 'static,
    {
        let tasks = Tasks::new((0..streams).map(|_| hub.stream()));
        Box::new(Self {
            hub,
            tasks,
            streams,
            burst,
        })
    }
}

impl<H: Hub> Round for Together<H> {
    fn go(&mut self) -> (f64, f64) {
        let events = self.streams * self.burst;
        // Often enough that what the others left in the caches matters little.
        let times = (200_000 / events).max(1);
        let mut given = Given::default();
        let start = CpuTime::of_thread();
        for _ in 0..times {
            for _ in 0..self.burst {
                self.hub.publish();
            }
            let more = self.tasks.run();
            given.chunks += more.chunks;
            given.bytes += more.bytes;
        }
        each(start, given, events * times)
    }
}

/// One stream keeps up; the others come later. Only what those do is timed.
struct Behind<H: Hub> {
    hub: H,
    live: Tasks<H::Stream>,
    late: Tasks<H::Stream>,
}

impl<H: Hub> Behind<H> {
    fn boxed(hub: H) -> Box<dyn Round>
    where
        Self: 'static,
    {
        let live = Tasks::new(core::iter::once(hub.stream()));
        let late = Tasks::new((0..LATE).map(|_| hub.stream()));
        Box::new(Self { hub, live, late })
    }
}

impl<H: Hub> Round for Behind<H> {
    fn go(&mut self) -> (f64, f64) {
        for _ in 0..BEHIND {
            self.hub.publish();
            black_box(self.live.run());
        }
        let start = CpuTime::of_thread();
        let given = self.late.run();
        each(start, given, LATE * BEHIND)
    }
}

fn together(streams: usize, burst: usize, bars: [Option<f64>; 2]) -> bool {
    let rounds = [
        Together::boxed(Ours::new(HISTORY, Reading::new), streams, burst),
        Together::boxed(Ours::new(HISTORY, TokioTicker::new), streams, burst),
        Together::boxed(TokioBytes::new(burst), streams, burst),
        Together::boxed(TokioEncoded::new(burst), streams, burst),
        Together::boxed(AsyncBroadcast::new(burst), streams, burst),
    ];
    let what = format!("{streams} streams, {burst} at a time");
    compare(&what, rounds, bars).0
}

fn behind() -> bool {
    let rounds = [
        Behind::boxed(Ours::new(HISTORY, Reading::new)),
        Behind::boxed(Ours::new(HISTORY, TokioTicker::new)),
        Behind::boxed(TokioBytes::new(BEHIND)),
        Behind::boxed(TokioEncoded::new(BEHIND)),
        Behind::boxed(AsyncBroadcast::new(BEHIND)),
    ];
    let what = format!("{LATE} streams, {BEHIND} behind");
    let (passed, chunks) = compare(&what, rounds, [Some(1.0 / 20.0), None]);
    let few = chunks <= CHUNKS;
    let verdict = if few { "passed" } else { "FAILED" };
    println!("| {what} | chunks an event | | {chunks:.4} | {CHUNKS:.4} | {verdict} |");
    passed && few
}

/// Publishing without streams: the length of the history must not matter.
fn unheard() -> bool {
    let hubs = [1, 1_000_000].map(|history| Ours::new(history, Reading::new));
    for _ in 0..1_000_000 {
        hubs.iter().for_each(Hub::publish);
    }
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (hub, times) in hubs.iter().zip(&mut times) {
            let start = CpuTime::of_thread();
            (0..UNHEARD).for_each(|_| hub.publish());
            times.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(UNHEARD));
        }
    }
    let [one, million] = times;
    let bar = Bar {
        what: "publish without streams",
        of: ["history of a million", "of one"],
        at_most: Some(1.5),
    };
    bar.holds(&million, &one)
}

/// Runs all in turn: ours, ours with tokio's timer, then the peers; the first two have bars.
/// Returns whether all bars hold, and our chunks for each event.
fn compare(what: &str, mut rounds: [Box<dyn Round>; 5], bars: [Option<f64>; 2]) -> (bool, f64) {
    let mut times = [const { Vec::new() }; 5];
    let mut chunks = 0.0;
    for _ in 0..ROUNDS {
        // Ours is the first.
        for (round, times) in rounds.iter_mut().zip(&mut times).rev() {
            let (time, each) = round.go();
            times.push(time);
            chunks = each;
        }
    }
    let [ours, on_tokio, bytes, encoded, ring] = &times;
    let row = |of, one: &[f64], other: &[f64], at_most| Bar { what, of, at_most }.holds(one, other);
    let passed = [
        row(["topic", "tokio's `Bytes`"], ours, bytes, bars[0]),
        row(["topic", "encoded for each"], ours, encoded, bars[1]),
        row(["topic", "async-broadcast"], ours, ring, None),
        row(
            ["on tokio's timer", "tokio's `Bytes`"],
            on_tokio,
            bytes,
            None,
        ),
    ];
    (!passed.contains(&false), chunks)
}

fn each(start: CpuTime, given: Given, events: usize) -> (f64, f64) {
    let nanos = start.elapsed().as_secs_f64() * 1e9;
    let events = events as f64;
    let bytes = given.bytes as f64 / events;
    assert!((140.0..160.0).contains(&bytes), "{bytes} bytes an event");
    (nanos / events, given.chunks as f64 / events)
}
