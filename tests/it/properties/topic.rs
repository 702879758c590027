//! Topics under random operations, against a naive model.

use proptest::prelude::*;

use crate::support::label_model;
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

    /// Streams get what they want, and only that: no silent gap, no wrong count, no lost wake-up and
    /// none for others.
    #[test]
    fn tags_keys_and_filters_do_what_their_model_does(
        history in any::<u8>(),
        operations in prop::collection::vec(
            any::<[u8; 3]>().prop_map(label_model::Operation::decode),
            1..300,
        ),
    ) {
        label_model::run(history, &operations);
    }
}
