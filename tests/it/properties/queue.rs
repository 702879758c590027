//! The queue equals a sorted list, and loses no wake-up.

mod model;
mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use sse_queue::queue::Overflow;

use self::world::World;
use super::config;

#[derive(Clone, Copy, Debug)]
enum Step {
    Push {
        delay: Option<u64>,
        ttl: Option<u64>,
        own: Option<u8>,
        len: usize,
    },
    PushWhenReady {
        len: usize,
    },
    DropPush(prop::sample::Index),
    Advance(u64),
    Jump(u64),
    Take,
    Open(Pace),
    Poll(prop::sample::Index),
    Drop(prop::sample::Index),
    Run,
    Cancel(prop::sample::Index),
    CancelOwn(u8),
    Remaining,
    Close,
}

#[derive(Clone, Copy, Debug)]
enum Pace {
    AtOnce { messages: usize },
    Spaced(u64),
    Every { period: u64, batch: usize },
}

fn pace() -> impl Strategy<Value = Pace> {
    prop_oneof![
        (1_usize..4).prop_map(|messages| Pace::AtOnce { messages }),
        (1_u64..20).prop_map(Pace::Spaced),
        (1_u64..20, 1_usize..4).prop_map(|(period, batch)| Pace::Every { period, batch }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let delay = proptest::option::weighted(0.4, 0_u64..40);
    let ttl = proptest::option::weighted(0.3, 0_u64..40);
    let own = proptest::option::weighted(0.2, 0_u8..3);
    prop_oneof![
        12 => (delay, ttl, own, 1_usize..30).prop_map(|(delay, ttl, own, len)| Step::Push { delay, ttl, own, len }),
        3 => (1_usize..30).prop_map(|len| Step::PushWhenReady { len }),
        1 => any::<prop::sample::Index>().prop_map(Step::DropPush),
        6 => (0_u64..15).prop_map(Step::Advance),
        1 => (0_u64..30).prop_map(Step::Jump),
        4 => Just(Step::Take),
        3 => pace().prop_map(Step::Open),
        5 => any::<prop::sample::Index>().prop_map(Step::Poll),
        2 => any::<prop::sample::Index>().prop_map(Step::Drop),
        4 => Just(Step::Run),
        2 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        1 => (0_u8..3).prop_map(Step::CancelOwn),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rare = prop_oneof![6 => Just(None), 1 => Just(Some(Step::Remaining)), 1 => Just(Some(Step::Close))];
    (vec(step(), 1..60), rare, vec(step(), 0..15)).prop_map(|(mut steps, rare, more)| {
        steps.extend(rare);
        steps.extend(more);
        steps
    })
}

proptest! {
    #![proptest_config(config(1024))]

    /// Whatever is done, in whatever order: the queue sends what the list gives, and then all of it
    /// when only tasks that were woken are polled.
    #[test]
    fn the_queue_equals_a_sorted_list_and_loses_no_wake_up(
        steps in steps(),
        overflow in prop_oneof![Just(Overflow::Reject), Just(Overflow::DropOldest)],
    ) {
        let mut world = World::new(overflow);
        for step in steps {
            world.step(step);
            world.check_stats();
        }
        world.assert_comes_to_rest();
        world.check_stats();
    }
}
