//! Tests of the wait queue, by hand and against lists.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;
use std::time::SystemTime;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const NOBODY: [Option<Ticket>; 2] = [None, None];

fn at(secs: u64) -> Deadline {
    Deadline::At(SystemTime::UNIX_EPOCH + Duration::from_secs(secs))
}

/// Counts how often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn wakers<const N: usize>() -> ([Arc<Count>; N], [Waker; N]) {
    let counts = [(); N].map(|()| Arc::new(Count::default()));
    let wakers = counts.clone().map(Waker::from);
    (counts, wakers)
}

/// As the queue does: the waker is cloned if it has to be.
fn with_clone<R>(
    waker: &Waker,
    mut step: impl FnMut(&mut Caller<'_>) -> Result<R, NeedsClone>,
) -> R {
    let mut caller = Caller::new(waker);
    step(&mut caller).unwrap_or_else(|NeedsClone| {
        caller.clone_waker();
        step(&mut caller).unwrap()
    })
}

fn wait(queue: &mut WaitQueue, ticket: Ticket, list: List, waker: &Waker) -> Option<Waker> {
    with_clone(waker, |caller| queue.wait(ticket, list, 1, caller))
}

#[test]
fn the_longest_waiting_is_notified_first_and_the_yielding_last() {
    let (_, [a, b, c, d]) = wakers();
    let mut queue = WaitQueue::default();
    let tickets = [(); 4].map(|()| queue.insert());
    wait(&mut queue, tickets[3], List::Yielding, &d);
    for (ticket, waker) in tickets.iter().zip([&a, &b, &c]) {
        wait(&mut queue, *ticket, List::Waiting, waker);
    }
    // Polled again, it stays where it is.
    wait(&mut queue, tickets[0], List::Waiting, &a);
    queue.leave(tickets[1]);
    wait(&mut queue, tickets[1], List::Waiting, &b);
    for expected in [&a, &c, &b, &d] {
        let (_, waker) = queue.notify(NOBODY, at(1)).unwrap();
        assert!(waker.unwrap().will_wake(expected));
    }
    assert!(queue.notify(NOBODY, at(1)).is_none());
    assert_eq!(queue.credit(), 4);
}

#[test]
fn those_that_are_spared_are_notified_after_all_others() {
    let mut queue = WaitQueue::default();
    let [a, b, c] = [(); 3].map(|()| queue.insert());
    for ticket in [a, b, c] {
        wait(&mut queue, ticket, List::Waiting, Waker::noop());
    }
    let spared = [Some(a), Some(b)];
    for expected in [c, b, a] {
        let (ticket, _) = queue.notify(spared, at(1)).unwrap();
        assert_eq!(ticket, expected);
    }
}

#[test]
fn a_credit_ends_by_a_poll_by_leaving_or_in_time() {
    let mut queue = WaitQueue::default();
    let ticket = queue.insert();
    for end in 0..4 {
        wait(&mut queue, ticket, List::Waiting, Waker::noop());
        queue.notify(NOBODY, at(5));
        assert!(queue.has_credit(ticket));
        assert_eq!((queue.credit(), queue.next_lapse()), (1, at(5)));
        match end {
            0 => queue.leave(ticket),
            1 => drop(wait(&mut queue, ticket, List::Waiting, Waker::noop())),
            2 => {
                assert!(!queue.lapse(at(4)));
                assert!(queue.lapse(at(5)));
            }
            _ => drop(queue.remove(ticket)),
        }
        assert!(!queue.has_credit(ticket));
        assert_eq!((queue.credit(), queue.next_lapse()), (0, Deadline::Never));
    }
    assert_eq!(queue.len(), 0);
}

#[test]
fn reservations_add_up_and_lapse_in_order() {
    let mut queue = WaitQueue::default();
    let [one, two] = [(); 2].map(|()| queue.insert());
    for (ticket, credit, until) in [(one, 3, 9), (one, 4, 8), (two, 1, 7)] {
        with_clone(Waker::noop(), |caller| {
            queue.reserve(ticket, credit, at(until), caller)
        });
    }
    assert_eq!((queue.credit(), queue.credit_but(one)), (5, 1));
    assert_eq!(queue.credit_notified(), 0);
    assert!(!queue.lapse(at(6)));
    assert!(queue.lapse(at(8)));
    assert_eq!((queue.credit(), queue.next_lapse()), (4, at(8)));
    assert!(queue.lapse(at(8)));
    assert_eq!(queue.credit(), 0);
}

#[test]
fn an_old_ticket_means_nothing_once_its_slot_has_a_new_owner() {
    let (_, [a, b]) = wakers();
    let mut queue = WaitQueue::default();
    let old = queue.insert();
    wait(&mut queue, old, List::Waiting, &a);
    assert!(queue.remove(old).is_some());
    let new = queue.insert();
    assert_ne!(old, new);
    assert_eq!(Ticket::from_bits(new.to_bits()), new);
    wait(&mut queue, old, List::Waiting, &a);
    assert!(!queue.has_waiting());
    wait(&mut queue, new, List::Waiting, &b);
    queue.leave(old);
    queue.remove(old);
    assert!(queue.is_first(new));
    assert_eq!(queue.len(), 1);
}

#[test]
fn the_waker_is_cloned_only_where_another_one_is_kept() {
    let (counts, [a, b]) = wakers();
    let mut queue = WaitQueue::default();
    let ticket = queue.insert();
    let mut caller = Caller::new(&a);
    assert_eq!(
        queue.wait(ticket, List::Waiting, 1, &mut caller).err(),
        Some(NeedsClone)
    );
    assert!(!queue.has_waiting(), "nothing has changed");
    assert!(wait(&mut queue, ticket, List::Waiting, &a).is_none());
    let same = queue.wait(ticket, List::Waiting, 1, &mut Caller::new(&a));
    assert!(same.unwrap().is_none(), "the same one stays");
    assert!(
        wait(&mut queue, ticket, List::Waiting, &b)
            .unwrap()
            .will_wake(&a)
    );
    queue.leave(ticket);
    queue.begin_announcing();
    queue.announce(1, Waker::wake);
    assert_eq!(counts[1].0.load(Ordering::Relaxed), 1);
}

#[test]
fn the_end_is_told_to_all_some_at_a_time() {
    let (counts, wakers) = wakers::<100>();
    let mut queue = WaitQueue::default();
    for waker in &wakers {
        let ticket = queue.insert();
        wait(&mut queue, ticket, List::Full, waker);
    }
    queue.begin_announcing();
    for told in [64, 100, 100] {
        queue.announce(64, Waker::wake);
        let woken = counts.iter().map(|count| count.0.load(Ordering::Relaxed));
        assert_eq!(woken.sum::<usize>(), told);
    }
}

#[test]
fn memory_shrinks_after_a_crowd_has_left() {
    let mut queue = WaitQueue::default();
    let mut tickets: Vec<_> = (0..10_000).map(|_| queue.insert()).collect();
    let kept = tickets.remove(3);
    for ticket in tickets {
        queue.remove(ticket);
    }
    // Some of it is given back in each call.
    for _ in 0..10 {
        let ticket = queue.insert();
        queue.remove(ticket);
    }
    assert_eq!((queue.len(), queue.slots.len()), (1, 4));
    assert!(queue.slots.capacity() < 1_000);
    assert_eq!(queue.insert().slot, 0, "the lowest is given first");
    assert!(queue.remove(kept).is_none());
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Wait(usize, bool),
    Notify,
    Leave(usize),
    Renew(usize),
    Lapse(u64),
    ToEnd(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..6_usize, any::<bool>()).prop_map(|(at, yields)| Op::Wait(at, yields)),
        Just(Op::Notify),
        (0..6_usize).prop_map(Op::Leave),
        (0..6_usize).prop_map(Op::Renew),
        (0..9_u64).prop_map(Op::Lapse),
        (0..6_usize).prop_map(Op::ToEnd),
    ]
}

proptest! {
    #[test]
    fn it_does_what_lists_of_tasks_do(ops in vec(op(), 0..80)) {
        let mut queue = WaitQueue::default();
        let mut tickets = [(); 6].map(|()| queue.insert());
        let (mut waiting, mut yielding) = (Vec::new(), Vec::new());
        let mut notified: Vec<(usize, u64)> = Vec::new();
        for (now, op) in (0..).zip(ops) {
            let mut forget = |at: usize, lists: [&mut Vec<usize>; 2]| {
                notified.retain(|(other, _)| *other != at);
                for list in lists {
                    list.retain(|other| *other != at);
                }
            };
            match op {
                Op::Wait(at, yields) => {
                    let (list, own, other) = if yields {
                        (List::Yielding, &mut yielding, &mut waiting)
                    } else {
                        (List::Waiting, &mut waiting, &mut yielding)
                    };
                    wait(&mut queue, tickets[at], list, Waker::noop());
                    if !own.contains(&at) {
                        forget(at, [own, other]);
                        own.push(at);
                    }
                }
                Op::Notify => {
                    let told = queue.notify(NOBODY, at(now + 3)).map(|(ticket, _)| ticket);
                    let list = if waiting.is_empty() { &mut yielding } else { &mut waiting };
                    let expected = (!list.is_empty()).then(|| list.remove(0));
                    prop_assert_eq!(told, expected.map(|at| tickets[at]));
                    notified.extend(expected.map(|at| (at, now + 3)));
                }
                Op::Leave(at) => {
                    queue.leave(tickets[at]);
                    forget(at, [&mut waiting, &mut yielding]);
                }
                Op::Renew(at) => {
                    queue.remove(tickets[at]);
                    tickets[at] = queue.insert();
                    forget(at, [&mut waiting, &mut yielding]);
                }
                Op::Lapse(time) => {
                    let lapsed = notified.first().is_some_and(|(_, until)| *until <= time);
                    prop_assert_eq!(queue.lapse(at(time)), lapsed);
                    if lapsed {
                        notified.remove(0);
                    }
                }
                Op::ToEnd(at) => {
                    queue.move_to_end(tickets[at]);
                    for list in [&mut waiting, &mut yielding] {
                        if list.contains(&at) {
                            list.retain(|other| *other != at);
                            list.push(at);
                        }
                    }
                }
            }
            prop_assert_eq!(queue.credit(), notified.len());
            prop_assert_eq!(queue.has_waiting(), !(waiting.is_empty() && yielding.is_empty()));
            let last = waiting.last().or(yielding.last()).map(|at| tickets[*at]);
            prop_assert_eq!(queue.last_but(NOBODY), last);
        }
        prop_assert_eq!(queue.len(), 6);
    }
}
