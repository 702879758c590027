//! One hold of the lock moves a bounded number of messages, and wakes a bounded number of tasks.

use core::task::Waker;
use core::time::Duration;
use std::collections::VecDeque;
use std::time::SystemTime;

use super::*;
use crate::message::Message;
use crate::queue::backlog::{Push, Pushed};
use crate::queue::bounds::Overflow;
use crate::queue::lease::Confirm;
use crate::queue::step::{Caller, NeedsClone};
use crate::source::chunk::Chunk;
use crate::source::{Limit, Pull};

const MANY: usize = 1_000;
const MOST: usize = 64;

fn at(secs: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
}

fn step(secs: u64) -> Step {
    Step::new(at(secs))
}

fn poll<R>(
    state: &mut State,
    mut work: impl FnMut(&mut State, &mut Caller<'_>) -> Result<R, NeedsClone>,
) -> R {
    let mut caller = Caller::new(Waker::noop());
    work(state, &mut caller).unwrap_or_else(|NeedsClone| {
        caller.clone_waker();
        work(state, &mut caller).unwrap()
    })
}

fn state(lease: Option<Lease>) -> State {
    state_of(MANY, lease)
}

/// With a bound of so many messages.
fn state_of(messages: usize, lease: Option<Lease>) -> State {
    state_with(messages, Overflow::Reject, lease)
}

fn state_with(messages: usize, overflow: Overflow, lease: Option<Lease>) -> State {
    let bounds = Bounds {
        messages,
        bytes: usize::MAX,
        streams: MANY,
        overflow,
    };
    State::new(bounds, Epoch::new("e").unwrap(), 1, lease, at(0))
}

fn push(state: &mut State, message: Message) {
    let push = Push {
        message,
        own_id: None,
    };
    let pushed = state.push(push, &mut None, &mut step(0));
    assert!(matches!(pushed, Pushed::Done(Ok(_))));
}

fn take(state: &mut State, ticket: Ticket, limit: Limit, secs: u64) -> Chunk {
    let mut chunk = Chunk::default();
    let mut pull = Pull::new(limit);
    while let Taken::Again = poll(state, |state, caller| {
        let burst = &mut None;
        state.poll_chunk(
            ticket,
            &mut chunk,
            burst,
            &mut pull,
            caller,
            &mut step(secs),
        )
    }) {}
    chunk
}

/// A stream that was handed many messages at 0 s.
fn handed_out() -> (State, Ticket) {
    let lease = Lease::new(Duration::from_secs(30)).max_in_flight(MANY);
    let lease = lease
        .grace(Duration::from_secs(5))
        .confirm(Confirm::ByResume);
    let mut state = state(Some(lease));
    for _ in 0..MANY {
        push(&mut state, Message::from("x"));
    }
    let ticket = state.consumers.subscribe().unwrap();
    take(&mut state, ticket, Limit::new(usize::MAX, usize::MAX), 0);
    assert_eq!(in_flight(&state), MANY);
    (state, ticket)
}

fn in_flight(state: &State) -> usize {
    state.stats(at(0)).in_flight
}

/// Each hold of the lock moves a bounded number, and together they move all.
fn comes_back_by_and_by(state: &mut State, secs: u64) {
    let mut left = in_flight(state);
    while state.catch_up(&mut step(secs)) {
        assert!(left - in_flight(state) <= MOST);
        left = in_flight(state);
    }
    assert!(left <= MOST);
    assert_eq!((in_flight(state), state.backlog.len()), (0, MANY));
}

#[test]
fn one_hold_of_the_lock_takes_back_64_whose_leases_ended() {
    let (mut state, _) = handed_out();
    comes_back_by_and_by(&mut state, 30);
}

#[test]
fn one_hold_of_the_lock_takes_back_64_whose_stream_is_gone() {
    let (mut state, ticket) = handed_out();
    state.unsubscribe(ticket, &mut step(0));
    assert_eq!(in_flight(&state), MANY);
    comes_back_by_and_by(&mut state, 5);
}

#[test]
fn one_hold_of_the_lock_lets_go_of_64_that_have_expired() {
    let mut state = state(None);
    for _ in 0..MANY {
        push(
            &mut state,
            Message::from("x").expires_after(Duration::from_secs(1)),
        );
    }
    let mut left = MANY;
    while left > 0 {
        let mut step = step(1);
        state.catch_up(&mut step);
        state.next_ready(&mut Chunk::default(), &mut step);
        assert_eq!(state.backlog.len(), left.saturating_sub(MOST));
        left = state.backlog.len();
    }
    assert_eq!((state.backlog.len(), state.stats.expired), (0, 1_000));
}

#[test]
fn a_turn_ends_after_256_messages_however_many_holds_they_take() {
    for moved in [1, MOST] {
        let mut state = state(None);
        let turn = 256 / moved;
        let holds = (1..=3 * turn).filter(|_| state.count_moved(moved).is_some());
        assert_eq!(holds.count(), 3, "with {moved} in a hold");
    }
}

#[test]
fn a_turn_is_of_a_crowd_where_more_than_1024_messages_are_held() {
    let mut state = state_of(usize::MAX, None);
    for turn in [Turn::OfFew, Turn::OfCrowd] {
        assert_eq!(state.count_moved(256), Some(turn));
        (0..1_025).for_each(|_| push(&mut state, Message::from("x")));
    }
}

/// What has ended its lease is stale, also as long as it was not taken back.
#[test]
fn an_ack_of_what_is_not_taken_back_yet_comes_too_late() {
    let (mut state, _) = handed_out();
    assert!(state.catch_up(&mut step(30)));
    let late = state.ack("e-1000", &mut step(30));
    assert_eq!(late, Err(crate::queue::AckError::Stale));
}

/// The lock is let go of while it confirms, and somebody else confirms the last that it saw.
#[test]
fn a_client_whose_id_is_acked_while_it_comes_back_gets_the_rest() {
    let (mut state, _) = handed_out();
    let ticket = state.consumers.subscribe().unwrap();
    let mut taken_over = None;
    assert!(state.take_over("e-900", ticket, &mut taken_over, &mut step(0)));
    state.ack("e-900", &mut step(0)).unwrap();
    while state.take_over("e-900", ticket, &mut taken_over, &mut step(0)) {}
    assert_eq!(in_flight(&state), MANY - 900);
    let chunk = take(&mut state, ticket, Limit::new(usize::MAX, 1), 1);
    assert_eq!(chunk.join().unwrap(), "id: e-901\ndata: x\n\n");
}

#[test]
fn one_hold_of_the_lock_confirms_64_of_those_that_a_client_saw() {
    let (mut state, _) = handed_out();
    let ticket = state.consumers.subscribe().unwrap();
    let (mut taken_over, mut left) = (None, MANY);
    while state.take_over("e-1000", ticket, &mut taken_over, &mut step(0)) {
        assert!(left - in_flight(&state) <= MOST);
        left = in_flight(&state);
    }
    assert!(left <= MOST);
    assert_eq!(in_flight(&state), 0);
}

fn crowd(state: &mut State) {
    for _ in 0..MANY {
        let ticket = state.consumers.subscribe().unwrap();
        take(state, ticket, Limit::new(usize::MAX, 1), 0);
    }
}

#[test]
fn a_step_wakes_64_streams_and_the_next_steps_the_others() {
    let mut state = state(None);
    crowd(&mut state);
    for _ in 0..MANY {
        push(&mut state, Message::from("x"));
    }
    let mut steps = 0;
    loop {
        let mut step = step(0);
        state.settle(&mut step);
        let woken = MOST - step.effects.wakes_left();
        assert!(woken <= MOST);
        if woken == 0 {
            break;
        }
        steps += 1;
    }
    assert_eq!(steps, MANY.div_ceil(MOST));
}

#[test]
fn the_end_wakes_64_streams_in_a_step() {
    let mut state = state(None);
    crowd(&mut state);
    state.close(at(0));
    let mut woken = 0;
    for _ in 0..MANY.div_ceil(MOST) {
        let mut step = step(0);
        state.settle(&mut step);
        woken += MOST - step.effects.wakes_left();
    }
    assert_eq!(woken, MANY);
}

fn many_pushes() -> VecDeque<Push> {
    let push = |_| Push {
        message: Message::from("y"),
        own_id: None,
    };
    (0..MANY).map(push).collect()
}

#[test]
fn one_hold_of_the_lock_pushes_64_of_many() {
    let mut state = state(None);
    let (mut some, mut receipts) = (many_pushes(), Vec::new());
    let refused = state.push_some(&mut some, &mut receipts, &mut step(0));
    assert!(refused.is_none());
    assert_eq!((receipts.len(), some.len()), (MOST, MANY - MOST));
}

#[test]
fn one_hold_of_the_lock_drops_and_pushes_64_together() {
    let mut state = state_with(MANY, Overflow::DropOldest, None);
    for _ in 0..MANY {
        push(&mut state, Message::from("x"));
    }
    let (mut some, mut receipts) = (many_pushes(), Vec::new());
    while !some.is_empty() {
        let (dropped, pushed) = (state.stats.dropped, receipts.len());
        if let Some(Pushed::Again(push)) = state.push_some(&mut some, &mut receipts, &mut step(0)) {
            some.push_front(push);
        }
        let dropped = usize::try_from(state.stats.dropped - dropped).unwrap();
        assert!(dropped + receipts.len() - pushed <= MOST);
    }
    assert_eq!((receipts.len(), state.stats.dropped), (MANY, 1_000));
    assert_eq!(state.backlog.len(), MANY);
}
