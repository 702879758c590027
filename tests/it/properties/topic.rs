//! Topics under random operations, against a naive model.

use proptest::prelude::*;

use crate::support::topic_model::{Bounds, Operation, run};

proptest! {
    /// No silent gap, no duplicate, one order for all, no lost wake-up.
    #[test]
    fn a_topic_does_what_its_model_does(
        bounds in any::<[u8; 3]>().prop_map(Bounds::decode),
        operations in prop::collection::vec(any::<[u8; 3]>().prop_map(Operation::decode), 1..200),
    ) {
        run(bounds, &operations);
    }
}
