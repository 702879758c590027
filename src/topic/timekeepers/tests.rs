//! Tests of the timekeepers.

use super::*;

const START: SystemTime = SystemTime::UNIX_EPOCH;

fn at(millis: u64) -> SystemTime {
    START + Duration::from_millis(millis)
}

fn due(millis: u64) -> Deadline {
    Deadline::At(at(millis))
}

#[test]
fn the_first_is_armed_for_the_due_time_and_the_second_for_a_second_later() {
    let mut keepers = Timekeepers::new(START);
    assert_eq!(keepers.take_role(7, due(5_000)), Some(at(5_000)));
    assert_eq!(keepers.take_role(8, due(5_000)), Some(at(6_000)));
    assert_eq!(keepers.take_role(9, due(5_000)), None);
    assert_eq!(
        keepers.take_role(7, due(4_000)),
        Some(at(4_000)),
        "it keeps its role"
    );
    assert_eq!(keepers.slots().collect::<Vec<_>>(), [7, 8]);
}

#[test]
fn the_second_becomes_the_first_when_the_first_leaves() {
    let mut keepers = Timekeepers::new(START);
    keepers.take_role(7, due(5_000));
    keepers.take_role(8, due(5_000));
    keepers.release(7);
    assert_eq!(keepers.bring_forward(due(5_000)).collect::<Vec<_>>(), [8]);
    assert_eq!(keepers.wanted(due(5_000), at(1)), 1, "another second");
    assert_eq!(keepers.take_role(8, due(5_000)), Some(at(5_000)));
    assert_eq!(keepers.take_role(9, due(5_000)), Some(at(6_000)));
}

#[test]
fn an_earlier_due_time_brings_each_timekeeper_forward_once() {
    let mut keepers = Timekeepers::new(START);
    keepers.take_role(7, due(5_000));
    keepers.take_role(8, due(5_000));
    assert_eq!(keepers.bring_forward(due(6_000)).count(), 0);
    assert_eq!(
        keepers.bring_forward(due(3_000)).collect::<Vec<_>>(),
        [7, 8]
    );
    assert_eq!(keepers.bring_forward(due(3_000)).count(), 0);
}

#[test]
fn others_are_notified_if_none_of_the_first_polls_within_a_second() {
    let mut keepers = Timekeepers::new(START);
    assert_eq!(keepers.wanted(due(9_000), at(0)), 2);
    keepers.record_notified(due(9_000), at(0));
    assert_eq!(keepers.wanted(due(9_000), at(999)), 0);
    assert_eq!(keepers.wanted(due(9_000), at(1_000)), 2);
    assert_eq!(
        keepers.wanted(due(8_000), at(1)),
        2,
        "an earlier one is another matter"
    );
}

#[test]
fn a_role_ends_when_nothing_is_scheduled() {
    let mut keepers = Timekeepers::new(START);
    keepers.take_role(7, due(5_000));
    assert_eq!(keepers.take_role(7, Deadline::Never), None);
    assert_eq!(keepers.slots().count(), 0);
}
