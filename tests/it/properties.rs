//! Properties of random operations, each against a model that is plainly right.

mod delivery;
mod encoding;
mod queue;
mod topic;

use proptest::prelude::ProptestConfig;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
