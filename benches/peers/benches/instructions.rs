//! Counted instructions of one event built and encoded, by this crate and by its peers.
//!
//! `cargo bench -p peers --bench instructions` needs valgrind, and fails if this crate takes more
//! than half of what axum's `Event` takes. Counts, unlike seconds, hardly vary between runs.
//!
//! The program runs itself under callgrind, for a few events and for many, so that the difference
//! holds only the events. (Gungraun would do the counting, but can hold a figure only against its
//! own past, not against a peer's, and wants a runner of the same version installed.)

use std::env;
use std::hint::black_box;
use std::io;
use std::process::{Command, ExitCode};

use bytes::Bytes;
use peers::{Fields, Refusal};

/// The maximum ratio of this crate's count to axum's.
const BAR: f64 = 0.5;

const FEW: u32 = 100;
const MANY: u32 = 1_100;

/// The argument with which the program runs itself.
const CHILD: &str = "--encode";

type Outcome<T> = Result<T, Refusal>;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().collect();
    let passed = match args.iter().position(|arg| arg == CHILD) {
        Some(at) => encode(args.get(at + 1), args.get(at + 2)).map(|()| true),
        None => compare(),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn compare() -> Outcome<bool> {
    let ours = count("sse-queue")?;
    let body = count("axum's body")?;
    let axum = count("axum")?;
    // The body is not the encoder's: it is subtracted from axum's count.
    let bar = f64::from(ours) / f64::from(axum.saturating_sub(body));

    println!("instructions for one event of 256 bytes of data, a name and an id\n");
    row("sse-queue", ours, ours);
    row("axum, its body taken off", axum.saturating_sub(body), ours);
    row("axum", axum, ours);
    for peer in ["sse-stream", "actix-web-lab", "warp"] {
        row(peer, count(peer)?, ours);
    }
    let passed = bar <= BAR;
    let verdict = if passed { "passed" } else { "FAILED" };
    println!("\nsse-queue / axum, its body taken off: {bar:.2}, at most {BAR:.2}: {verdict}");
    Ok(passed)
}

fn row(who: &str, count: u32, ours: u32) {
    let times = f64::from(count) / f64::from(ours);
    println!("{who:<26}{count:>8}{times:>8.2}x");
}

/// Instructions per event.
fn count(who: &str) -> Outcome<u32> {
    let many = collected(who, MANY)?.saturating_sub(collected(who, FEW)?);
    Ok(u32::try_from(many / u64::from(MANY - FEW))?)
}

/// Instructions of a whole run.
fn collected(who: &str, events: u32) -> Outcome<u64> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args([CHILD, who, &events.to_string()])
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "valgrind is not installed".into(),
            _ => format!("valgrind: {error}"),
        })?;
    let report = String::from_utf8_lossy(&run.stderr);
    report
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, count)| count.trim().parse().ok())
        .filter(|_| run.status.success())
        .ok_or_else(|| format!("valgrind counted nothing for {who}:\n{report}").into())
}

fn encode(who: Option<&String>, events: Option<&String>) -> Outcome<()> {
    let fields = Fields::typical();
    let events = events.ok_or("no number of events")?.parse()?;
    match who.map(String::as_str) {
        Some("sse-queue") => repeat(events, peers::ours(fields)),
        Some("axum") => repeat(events, peers::axum(fields)),
        Some("axum's body") => repeat(events, peers::axum_body_alone()),
        Some("sse-stream") => repeat(events, peers::sse_stream(fields)),
        Some("actix-web-lab") => repeat(events, peers::actix_web_lab(fields)),
        Some("warp") => repeat(events, peers::warp(fields)),
        who => Err(format!("no encoder {who:?}").into()),
    }
}

fn repeat(events: u32, mut encode: impl FnMut() -> Result<Bytes, Refusal>) -> Outcome<()> {
    for _ in 0..events {
        black_box(encode()?);
    }
    Ok(())
}
