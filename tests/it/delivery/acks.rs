//! Acks and nacks: what they confirm, and what they are refused for.

use std::time::Duration;

use sse_queue::queue::{AckError, Overflow};
use sse_queue::{Event, FakeClock, Lease, Message};

use super::{counts, lease, new_leased_queue, with_own_id};
use crate::support::queue::{
    assert_leases_accounted, builder, drain_data, push_all, push_later, take_one, waiting,
};
use crate::support::secs;

#[test]
fn what_is_handed_out_is_in_flight_until_it_is_confirmed() {
    let (clock, queue) = new_leased_queue();
    let mut stream = waiting(&queue, &clock);
    queue.push("x").unwrap();
    assert_eq!(counts(&queue), (1, 0, 0, 0));
    assert_eq!(stream.data(), "x");
    assert_eq!(counts(&queue), (0, 1, 0, 0));
    stream.assert_pending();
    assert_eq!(queue.ack("e-1"), Ok(()));
    assert_eq!(counts(&queue), (0, 0, 0, 1));
    clock.advance(secs(60));
    stream.assert_pending();
    assert_eq!(queue.stats().redelivered, 0);
    assert_eq!(queue.stats().bytes, 0);
    assert_leases_accounted(&queue);
}

#[test]
fn what_is_confirmed_may_be_confirmed_again_and_nothing_else() {
    let (_clock, queue) = new_leased_queue();
    queue.push("a").unwrap();
    queue.push(with_own_id("mine")).unwrap();
    assert_eq!(drain_data(&queue), "a,x");
    for id in ["e-1", "mine"] {
        for _ in 0..3 {
            assert_eq!(queue.ack(id), Ok(()));
        }
        assert_eq!(queue.nack(id, None), Err(AckError::Stale));
        assert_eq!(queue.extend_lease(id, secs(1)), Err(AckError::Stale));
    }
    assert_eq!(queue.stats().confirmed, 2);
}

#[test]
fn what_was_never_handed_out_is_unknown() {
    let (_clock, queue) = new_leased_queue();
    queue.push("queued").unwrap();
    push_later(&queue, "scheduled", secs(9));
    queue.push("cancelled").unwrap();
    queue.push(with_own_id("mine")).unwrap();
    assert!(queue.cancel("e-3"));
    let ids = [
        "e-1", "e-2", "e-3", "mine", "e-0", "e-9", "f-1", "", "e-1 ", "e-01",
    ];
    for id in ids {
        assert_eq!(queue.ack(id), Err(AckError::Unknown), "{id}");
        assert_eq!(queue.nack(id, None), Err(AckError::Unknown), "{id}");
        assert_eq!(
            queue.extend_lease(id, secs(1)),
            Err(AckError::Unknown),
            "{id}"
        );
    }
    assert_eq!(counts(&queue), (3, 0, 0, 0));
}

#[test]
fn a_queue_that_delivers_at_most_once_has_nothing_in_flight() {
    let clock = FakeClock::new();
    let queue = builder(&clock).build();
    queue.push("x").unwrap();
    take_one(&queue);
    assert_eq!(queue.ack("e-1"), Err(AckError::Unknown));
    assert_eq!(queue.nack("e-1", None), Err(AckError::Unknown));
    assert_eq!(queue.extend_lease("e-1", secs(0)), Err(AckError::Unknown));
    assert!(queue.take_dead_letters().is_empty());
    assert_eq!(queue.stats().in_flight, 0);
    assert_eq!(queue.stats().confirmed, 0);
    queue.push(with_own_id("mine")).unwrap();
    assert!(queue.push(with_own_id("mine")).is_ok(), "ids may repeat");
}

/// Messages that were requeued, dead, taken, cancelled, dropped or expired: each was in flight
/// once.
#[test]
fn what_is_not_in_flight_any_more_is_stale() {
    let clock = FakeClock::new();
    let builder = builder(&clock).capacity(7).overflow(Overflow::DropOldest);
    let queue = builder.at_least_once(lease().max_attempts(2)).build();
    let brief = Message::from("expires").expires_after(secs(31));
    push_all(&queue, &["dropped"]);
    queue.push(brief).unwrap();
    push_all(&queue, &["dead", "cancelled", "back"]);
    queue.push(with_own_id("mine")).unwrap();
    assert_eq!(drain_data(&queue), "dropped,expires,dead,cancelled,back,x");
    clock.advance(secs(30));
    let is_stale = |id: &str| {
        assert_eq!(queue.ack(id), Err(AckError::Stale), "{id}");
        assert_eq!(queue.nack(id, None), Err(AckError::Stale), "{id}");
        assert_eq!(
            queue.extend_lease(id, secs(1)),
            Err(AckError::Stale),
            "{id}"
        );
    };
    let are_stale = || {
        for id in ["e-1", "e-2", "e-3", "e-4", "e-5", "mine"] {
            is_stale(id);
        }
    };
    are_stale();
    push_all(&queue, &["more", "for another"]);
    assert_eq!(queue.stats().dropped, 1);
    assert!(queue.cancel("e-1") && queue.cancel("e-4") && queue.cancel("mine"));
    clock.advance(secs(1));
    assert_eq!(queue.stats().expired, 1);
    take_one(&queue);
    queue.nack("e-3", None).unwrap();
    assert_eq!(queue.stats().dead, 1);
    are_stale();
    assert_eq!(queue.take_dead_letters().len(), 1);
    are_stale();
    assert_leases_accounted(&queue);
}

#[test]
fn a_comment_has_no_id_to_confirm_and_goes_once() {
    let (clock, queue) = new_leased_queue();
    let mut stream = waiting(&queue, &clock);
    let note = queue.push(Event::comment("note")).unwrap();
    queue.push("x").unwrap();
    assert_eq!(stream.bytes(), ": note\nid: e-2\ndata: x\n\n");
    assert_eq!(counts(&queue), (0, 1, 0, 1));
    assert_eq!(queue.ack(note.id()), Err(AckError::Unknown));
    drop(stream);
    clock.advance(secs(30));
    assert_eq!(drain_data(&queue), "x");
    assert_leases_accounted(&queue);
}

#[test]
fn a_message_with_an_own_id_is_not_confirmed_by_its_number() {
    let (clock, queue) = new_leased_queue();
    queue.push(with_own_id("mine")).unwrap();
    take_one(&queue);
    assert_eq!(queue.ack("e-1"), Err(AckError::Unknown));
    assert_eq!(queue.nack("e-1", None), Err(AckError::Unknown));
    assert_eq!(queue.extend_lease("e-1", secs(1)), Err(AckError::Unknown));
    clock.advance(secs(30));
    assert_eq!(counts(&queue), (1, 0, 0, 0));
    assert_eq!(queue.ack("e-1"), Err(AckError::Unknown));
    take_one(&queue);
    assert_eq!(queue.ack("mine"), Ok(()));
}

#[test]
fn an_ack_of_a_message_that_was_taken_back_is_stale() {
    let (_clock, queue) = new_leased_queue();
    push_all(&queue, &["a", "b"]);
    queue.push(with_own_id("mine")).unwrap();
    push_all(&queue, &["d"]);
    for _ in 0..3 {
        take_one(&queue);
    }
    queue.nack("e-2", None).unwrap();
    assert_eq!(queue.take_remaining().len(), 4);
    for id in ["e-1", "e-2", "mine"] {
        assert_eq!(queue.ack(id), Err(AckError::Stale), "{id}");
    }
    assert_eq!(queue.ack("e-4"), Err(AckError::Unknown));
    assert_leases_accounted(&queue);
}

#[test]
fn a_repeated_ack_confirms_nothing_else() {
    let (_clock, queue) = new_leased_queue();
    assert!(queue.push(with_own_id("e-2")).is_err());
    push_all(&queue, &["a", "b"]);
    assert_eq!(drain_data(&queue), "a,b");
    for _ in 0..3 {
        assert_eq!(queue.ack("e-2"), Ok(()));
    }
    assert_eq!(counts(&queue), (0, 1, 0, 1));
}

#[test]
fn acks_in_any_order_may_be_repeated() {
    let clock = FakeClock::new();
    let queue = builder(&clock).capacity(200_000);
    let queue = queue.at_least_once(Lease::new(secs(30))).build();
    for _ in 0..140_000 {
        queue.push("x").unwrap();
    }
    while queue.next_ready().is_some() {}
    for n in (2..140_000).step_by(2) {
        queue.ack(&format!("e-{n}")).unwrap();
    }
    assert_eq!(queue.ack("e-2"), Ok(()));
    assert_eq!(queue.ack("e-139998"), Ok(()));
}

#[test]
fn a_nack_without_delay_requeues_the_message_in_its_order() {
    let (clock, queue) = new_leased_queue();
    push_all(&queue, &["a", "b", "c"]);
    assert_eq!(drain_data(&queue), "a,b,c");
    clock.advance(secs(1));
    queue.push("d").unwrap();
    for id in ["e-3", "e-1"] {
        queue.nack(id, None).unwrap();
    }
    assert_eq!(drain_data(&queue), "a,c,d");
    assert_eq!(queue.stats().redelivered, 2);
    assert_leases_accounted(&queue);
}

/// ```text
/// s    0                1            2
///      a nacked, due: 2 b is due     a is due
/// ```
#[test]
fn a_nack_with_delay_makes_it_due_then() {
    let (clock, queue) = new_leased_queue();
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    push_later(&queue, "b", secs(1));
    stream.assert_sends("a");
    queue.nack("e-1", Some(secs(2))).unwrap();
    stream.assert_pending();
    clock.advance(secs(1));
    stream.assert_sends("b");
    stream.take_wakes();
    assert_eq!(clock.advance_to_next(), Some(secs(1)));
    stream.assert_woken_for("a");
    queue.nack("e-1", Some(Duration::MAX)).unwrap();
    stream.assert_pending();
    assert_eq!(queue.take_remaining()[1].due(), None, "never");
}
