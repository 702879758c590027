//! The promises on time and wakes, each beside its bar: `cargo bench -p costs --bench costs`.
//!
//! `-- --list` names the suites, `-- NAME` runs those whose name contains it, and `-- --smoke` runs
//! all of them once, small. Ratios and times are medians of five rounds in which both sides take
//! turns. Fails if a bar is missed.

mod delivery;
mod handles;
mod labels;
mod queue_ticks;
mod ticker_storm;
mod tokio_tasks;
mod wakes;
mod worst_queue;
mod worst_topic;

use std::process::ExitCode;

use costs::Suite;

const SUITES: &[Suite] = &[
    ("ticks", queue_ticks::ticks),
    ("promises", queue_ticks::promises),
    ("delivery", delivery::delivery),
    ("own-ids", delivery::own_ids),
    ("handles", handles::handles),
    ("tag-publish", labels::publish),
    ("tag-read", labels::read),
    ("key-newest", labels::newest),
    ("workers", wakes::workers),
    ("publish-wakes", wakes::publish),
    ("publish-tokio", tokio_tasks::publish),
    ("ticker-storm", ticker_storm::storm),
    ("worst-push", worst_queue::push),
    ("worst-ack", worst_queue::ack),
    ("worst-cancel", worst_queue::cancel),
    ("worst-lease-end", worst_queue::lease_end),
    ("worst-expiry", worst_queue::expiry),
    ("worst-take-remaining", worst_queue::take_remaining),
    ("worst-close", worst_queue::close),
    ("worst-topic", worst_topic::publish),
];

fn main() -> ExitCode {
    costs::run(SUITES)
}
