//! Random runs of a queue against a plain model.
//!
//! Streams, producers, a driver and a wait for dead letters run on an executor that polls only what
//! was woken. Streams come and go, are busy with a chunk, or do not poll for a while. Checked are:
//!
//! * at each delivery: the first message that is due goes, to a stream that may have it, at a time
//!   at which the queue may hand out;
//! * at each moment: nothing due is later than the queue's documentation allows while a healthy
//!   stream waits for it, a producer does not wait for capacity that is free, nor a wait for a dead
//!   letter that is there, and the tasks come to rest;
//! * at the end: the counters are those of the model; a closed queue has ended all streams and
//!   producers; one that stays open holds nothing, and nothing is armed.
//!
//! Each test is a mode: what a queue is like, and what can happen to it. To run more of it, or one
//! seed with all that happens:
//!
//! ```text
//! SIM_SEEDS=0..3000 SIM_STEPS=1000 cargo test --release --test it simulation
//! SIM_SEEDS=17..18 SIM_TRACE=1 cargo test --test it -- --exact simulation::at_least_once --nocapture
//! ```

mod checks;
mod clients;
mod model;
mod steps;

use std::env;
use std::ops::Range;
use std::panic::catch_unwind;

use self::clients::Simulation;

/// What a queue is like, and what can happen to it.
#[allow(clippy::struct_excessive_bools, reason = "a mode is a set of switches")]
#[derive(Clone, Copy, Debug, Default)]
struct Mode {
    /// In messages.
    capacity: usize,
    drops_oldest: bool,
    /// The most in flight to a stream; none for a queue that delivers at most once.
    in_flight: Option<usize>,
    /// Some streams are ticked or spaced.
    is_paced: bool,
    /// How many streams may stall at a time.
    stalled: usize,
    /// Streams and the queue are polled by hand and by tasks.
    by_hand: bool,
    /// A driver comes and goes.
    has_driver: bool,
    /// Many streams and messages come and go at once.
    is_crowd: bool,
    /// The clock jumps ahead.
    jumps: bool,
    /// So many messages leave in each period, if that is limited.
    rate: Option<usize>,
    /// The queue is paused now and then.
    pauses: bool,
    /// What returns waits before its next attempt.
    backs_off: bool,
}

/// Few by default: all modes together take some seconds without optimization.
fn seeds() -> Range<u64> {
    let Ok(seeds) = env::var("SIM_SEEDS") else {
        return 0..12;
    };
    let (from, to) = seeds.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

fn simulate(mode: fn(u64) -> Mode) {
    simulate_steps(400, mode);
}

fn simulate_steps(steps: u64, mode: fn(u64) -> Mode) {
    let steps = env::var("SIM_STEPS").map_or(steps, |steps| steps.parse().unwrap());
    let fails = |seed: &u64| {
        let run = catch_unwind(|| {
            let mut simulation = Simulation::new(*seed, mode(*seed));
            for _ in 0..steps {
                simulation.step();
            }
            simulation.finish();
        });
        run.inspect_err(|_| eprintln!("with seed {seed}")).is_err()
    };
    let failed: Vec<_> = seeds().filter(fails).collect();
    assert!(failed.is_empty(), "seeds {failed:?} failed");
}

/// A third of the queues is often full, a third never.
fn some(seed: u64) -> Mode {
    Mode {
        capacity: [2, 8, 200][usize::try_from(seed % 3).unwrap()],
        ..Mode::default()
    }
}

/// One to three, or none in a queue that delivers at most once.
fn in_flight(seed: u64, is_leased: bool) -> Option<usize> {
    is_leased.then(|| 1 + usize::try_from(seed / 2 % 3).unwrap())
}

#[test]
fn at_most_once() {
    simulate(|seed| Mode {
        drops_oldest: seed.is_multiple_of(2),
        ..some(seed)
    });
}

#[test]
fn at_most_once_by_hand_with_drivers() {
    simulate(|seed| Mode {
        by_hand: true,
        has_driver: true,
        ..some(seed)
    });
}

#[test]
fn at_most_once_paced() {
    simulate(|seed| Mode {
        is_paced: true,
        by_hand: seed.is_multiple_of(2),
        has_driver: seed.is_multiple_of(5),
        ..some(seed)
    });
}

#[test]
fn at_least_once() {
    simulate(|seed| Mode {
        in_flight: in_flight(seed, true),
        drops_oldest: seed.is_multiple_of(2),
        ..some(seed)
    });
}

#[test]
fn at_least_once_by_hand_paced_with_drivers() {
    simulate(|seed| Mode {
        in_flight: in_flight(seed, true),
        drops_oldest: seed.is_multiple_of(2),
        by_hand: true,
        has_driver: (seed / 6).is_multiple_of(2),
        is_paced: (seed / 12).is_multiple_of(2),
        ..some(seed)
    });
}

#[test]
fn at_most_once_with_a_stalled_stream() {
    simulate(|seed| Mode {
        stalled: 1,
        ..some(seed)
    });
}

#[test]
fn at_least_once_with_a_stalled_stream() {
    simulate(|seed| Mode {
        stalled: 1,
        in_flight: in_flight(seed, true),
        ..some(seed)
    });
}

#[test]
fn with_a_stalled_stream_and_drivers() {
    simulate(|seed| Mode {
        stalled: 1,
        has_driver: true,
        in_flight: in_flight(seed, seed.is_multiple_of(2)),
        ..some(seed)
    });
}

#[test]
fn paced_with_a_stalled_stream() {
    simulate(|seed| Mode {
        stalled: 1,
        is_paced: true,
        in_flight: in_flight(seed, seed.is_multiple_of(2)),
        has_driver: seed.is_multiple_of(5),
        ..some(seed)
    });
}

#[test]
fn a_crowd() {
    simulate_steps(100, |seed| Mode {
        capacity: 300,
        is_crowd: true,
        in_flight: in_flight(seed, seed.is_multiple_of(2)),
        drops_oldest: seed.is_multiple_of(5),
        by_hand: seed.is_multiple_of(7),
        has_driver: seed.is_multiple_of(3),
        ..Mode::default()
    });
}

#[test]
fn jumps_of_the_clock() {
    simulate(|seed| Mode {
        jumps: true,
        in_flight: in_flight(seed, seed.is_multiple_of(2)),
        by_hand: seed.is_multiple_of(7),
        has_driver: seed.is_multiple_of(3),
        ..some(seed)
    });
}

#[test]
fn a_rate() {
    simulate(|seed| Mode {
        rate: Some(1 + usize::try_from(seed % 4).unwrap()),
        in_flight: in_flight(seed, seed.is_multiple_of(2)),
        by_hand: seed.is_multiple_of(3),
        has_driver: seed.is_multiple_of(5),
        is_paced: (seed / 4).is_multiple_of(2),
        ..some(seed)
    });
}

#[test]
fn a_rate_and_a_stalled_stream() {
    simulate(|seed| Mode {
        stalled: 1,
        rate: Some(1 + usize::try_from(seed % 4).unwrap()),
        in_flight: in_flight(seed, seed.is_multiple_of(2)),
        has_driver: seed.is_multiple_of(3),
        ..some(seed)
    });
}

#[test]
fn pauses() {
    simulate(|seed| Mode {
        pauses: true,
        rate: seed.is_multiple_of(3).then_some(2),
        in_flight: in_flight(seed, seed.is_multiple_of(2)),
        by_hand: seed.is_multiple_of(5),
        has_driver: seed.is_multiple_of(7),
        stalled: usize::from(seed.is_multiple_of(4)),
        ..some(seed)
    });
}

#[test]
fn backoff() {
    simulate(|seed| Mode {
        backs_off: true,
        in_flight: in_flight(seed, true),
        rate: seed.is_multiple_of(3).then_some(2),
        pauses: seed.is_multiple_of(2),
        has_driver: seed.is_multiple_of(5),
        ..some(seed)
    });
}
