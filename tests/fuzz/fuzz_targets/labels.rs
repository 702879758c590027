//! Tags, keys and filters do what their model does, whatever is done with them.

#![no_main]

#[path = "../../it/support/label_model.rs"]
mod label_model;

use label_model::{Operation, run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<[u8; 3]>)| {
    let (history, operations) = input;
    let operations = operations.into_iter().map(Operation::decode);
    run(history, &operations.collect::<Vec<_>>());
});
