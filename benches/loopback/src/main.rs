//! What a served event costs over loopback: this crate's topic on axum, axum's own `Sse`, and
//! frames encoded once and shared. `cargo run --release -p loopback`
//!
//! For each run this program starts itself twice: once as the server, once for all the clients. The
//! servers take turns; each figure is a median of the runs, and each ratio a median of the turns'
//! ratios. The clients check that every event arrives, in order if one connection publishes. Fails
//! if a bar is missed; with `--smoke` it runs everything once, small, and fails only if events are
//! lost.
//!
//! Messages are published within the server if a row says so, otherwise by `POST` over eight
//! connections of the clients' process; latency counts from the `POST` to the read of the event.
//! All sockets have `TCP_NODELAY`. One row needs the example: `cargo build --release --example
//! axum`. The rows with 1 000 clients need 4 096 file descriptors.

#![allow(
    clippy::cast_precision_loss,
    reason = "the counts are far below where it begins"
)]

mod clients;
mod posts;
mod report;
mod run;
mod scenario;
mod server;

use std::env;
use std::process::ExitCode;

use report::Report;
use scenario::{Publisher, Scenario, Who};

/// Why a run failed.
type Failure = Box<dyn core::error::Error + Send + Sync>;
type Outcome<T> = Result<T, Failure>;

const RUNS: usize = 7;
const RUNS_OVER_HTTP: usize = 5;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        [] => measure(),
        ["--smoke"] => smoke().map(|()| true),
        ["--only", scenario] => measure_one(scenario),
        ["serve", who, scenario @ ..] => serve(who, scenario).map(|()| true),
        ["read", port, scenario @ ..] => read(port, scenario).map(|()| true),
        _ => Err("usage: loopback [--smoke | --only SCENARIO]".into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(2)
        }
    }
}

fn measure() -> Outcome<bool> {
    let mut passed = true;
    report::head();
    for scenario in Scenario::all() {
        passed &= compare(&scenario)?;
    }
    Ok(passed)
}

fn measure_one(name: &str) -> Outcome<bool> {
    let named = |scenario: &Scenario| scenario.name == name;
    let scenario = Scenario::all().into_iter().find(named);
    report::head();
    compare(&scenario.ok_or("no such scenario")?)
}

fn compare(scenario: &Scenario) -> Outcome<bool> {
    let mut report = Report::default();
    let runs = match scenario.publisher {
        Publisher::Server => RUNS,
        Publisher::Http(_) => RUNS_OVER_HTTP,
    };
    for _ in 0..runs {
        for who in scenario.contestants() {
            report.add(*who, run::once(*who, scenario)?);
        }
    }
    Ok(report.print(scenario))
}

fn smoke() -> Outcome<()> {
    for scenario in Scenario::all() {
        let scenario = scenario.small();
        for who in scenario.contestants() {
            run::once(*who, &scenario)?;
            println!("{}: {}: all events", scenario.name, who.name());
        }
    }
    Ok(())
}

fn serve(who: &str, scenario: &[&str]) -> Outcome<()> {
    let who = Who::named(who).ok_or("no such server")?;
    let scenario = Scenario::from_args(scenario).ok_or("no such scenario")?;
    if who == Who::Bare {
        return server::bare(&scenario);
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(server::serve(who, &scenario))
}

fn read(port: &str, scenario: &[&str]) -> Outcome<()> {
    let scenario = Scenario::from_args(scenario).ok_or("no such scenario")?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(clients::read_all(port.parse()?, &scenario))
}
