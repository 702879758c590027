//! Delivery at least once, against a naive model: random steps, and after each of them every
//! message is in the one state that the model gives it.

mod checks;
mod model;
mod run;

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use sse_queue::queue::{Confirm, Overflow};
use sse_queue::{FakeClock, Lease};

use self::model::{Kind, TIMEOUT};
use self::run::Run;
use crate::support::queue::builder;
use crate::support::{Task, secs};

#[derive(Clone, Copy, Debug)]
enum Step {
    Push {
        delay: u64,
        lasts: Option<u64>,
        kind: Kind,
    },
    Open,
    /// With the id of a message.
    Resume(usize),
    /// A stream, whether it was woken or not.
    Poll(usize),
    Drop(usize),
    TryNext,
    Ack(usize),
    Nack(usize, u64),
    Extend(usize, u64),
    Cancel(usize),
    Advance(u64),
    /// Polls the tasks that were woken until none is left.
    Run,
    TakeDead,
    TakeAll,
    Pause(bool),
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![
        6 => Just(Kind::Plain),
        1 => Just(Kind::OwnId),
        1 => Just(Kind::Comment),
    ];
    let push = (
        prop_oneof![3 => Just(0), 1 => 1..6_u64],
        prop_oneof![2 => Just(None), 1 => (1..12_u64).prop_map(Some)],
        kind,
    );
    let step = prop_oneof![
        40 => push.prop_map(|(delay, lasts, kind)| Step::Push { delay, lasts, kind }),
        12 => Just(Step::Open),
        12 => any::<usize>().prop_map(Step::Resume),
        20 => any::<usize>().prop_map(Step::Poll),
        12 => any::<usize>().prop_map(Step::Drop),
        4 => Just(Step::TryNext),
        24 => any::<usize>().prop_map(Step::Ack),
        12 => (any::<usize>(), 0..4_u64).prop_map(|(at, delay)| Step::Nack(at, delay)),
        6 => (any::<usize>(), 0..9_u64).prop_map(|(at, by)| Step::Extend(at, by)),
        4 => any::<usize>().prop_map(Step::Cancel),
        24 => (1..6_u64).prop_map(Step::Advance),
        40 => Just(Step::Run),
        4 => Just(Step::TakeDead),
        6 => any::<bool>().prop_map(Step::Pause),
        1 => Just(Step::TakeAll),
        1 => Just(Step::Close),
    ];
    vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn each_message_is_in_the_one_state_that_the_model_gives_it(
        steps in steps(),
        drops_oldest: bool,
        backs_off: bool,
        rate in prop::option::of((1..4_usize, 1..5_u64)),
    ) {
        let overflow = if drops_oldest {
            Overflow::DropOldest
        } else {
            Overflow::Reject
        };
        let mut run = Run::new(overflow, rate, backs_off);
        for step in steps {
            run.step(step);
        }
        run.confirm_all();
    }
}

/// A ended ends when the last lease does, and not before.
#[test]
fn the_wait_for_the_end_under_random_leases_ends_with_the_last() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(
        Lease::new(secs(TIMEOUT))
            .confirm(Confirm::ByResume)
            .max_in_flight(64),
    );
    let queue = queue.build();
    for n in 0..50_u64 {
        queue.push(n.to_string()).unwrap();
        assert!(queue.next_ready().is_some());
        let by = Duration::from_secs(n * 7919 % 31);
        queue.extend_lease(&format!("e-{}", n + 1), by).unwrap();
    }
    queue.close();
    let mut ended = Task::new(queue.ended(clock.ticker()));
    while ended.poll().is_pending() {
        assert!(queue.stats().in_flight > 0);
        assert!(clock.advance_to_next().is_some());
        assert!(ended.take_wakes() > 0);
    }
    assert_eq!(queue.stats().in_flight, 0);
}
