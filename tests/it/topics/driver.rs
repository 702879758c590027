//! A registry that nobody calls.

use sse_queue::{FakeClock, Topics};

use crate::support::topics::{KEEP, builder, new_topics};
use crate::support::{Task, secs};

#[test]
fn a_driver_notices_and_evicts_while_nobody_calls() {
    let (clock, topics) = new_topics();
    let topic = topics.topic(&1).unwrap();
    let mut closed = Task::new(topic.closed());
    assert!(closed.poll().is_pending());
    let mut driver = Task::new(topics.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    drop(topic);
    let mut passed = secs(0);
    while !closed.is_woken() {
        passed += clock.advance_to_next().unwrap();
        assert!(driver.poll().is_pending());
        assert!(passed <= KEEP + secs(30), "{passed:?}");
    }
    assert!(passed >= KEEP, "{passed:?}");
}

#[test]
fn a_driver_evicts_a_crowd_in_parts() {
    let clock = FakeClock::new();
    let topics: Topics<u64> = builder(&clock).keep(secs(0)).build();
    let mut driver = Task::new(topics.drive(clock.ticker()));
    let all: Vec<_> = (0..200).map(|key| topics.topic(&key).unwrap()).collect();
    let mut closed: Vec<_> = all.iter().map(|topic| Task::new(topic.closed())).collect();
    assert!(closed.iter_mut().all(|closed| closed.poll().is_pending()));
    drop(all);
    let mut gone = Vec::new();
    for _ in 0..4 {
        assert!(driver.poll().is_pending());
        gone.push(closed.iter().filter(|closed| closed.is_woken()).count());
        clock.advance_to_next();
    }
    assert_eq!(gone, [64, 128, 192, 200]);
}

#[test]
fn a_dropped_driver_leaves_nothing_behind() {
    let (clock, topics) = new_topics::<u64>();
    let mut driver = Task::new(topics.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    drop(driver);
    assert_eq!(clock.next_deadline(), None);
    topics.close();
}
