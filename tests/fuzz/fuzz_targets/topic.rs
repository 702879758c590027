//! A topic does what its model does, whatever is done with it.

#![no_main]

#[path = "../../it/support/parser.rs"]
mod parser;
#[path = "../../it/support/topic_model/mod.rs"]
mod topic_model;

use libfuzzer_sys::fuzz_target;
use topic_model::{Bounds, Operation, run};

fuzz_target!(|input: ([u8; 3], Vec<[u8; 3]>)| {
    let (bounds, operations) = input;
    let operations = operations.into_iter().map(Operation::decode);
    run(Bounds::decode(bounds), &operations.collect::<Vec<_>>());
});
