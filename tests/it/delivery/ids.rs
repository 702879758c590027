//! Ids of messages in flight: which are refused, and what they stand for when several clients saw
//! them.

use std::task::Poll;

use sse_queue::message::Remaining;
use sse_queue::queue::{AckError, PushError};
use sse_queue::{Event, FakeClock, LastEventId, Lease, Message, Pacing, Queue};

use super::{lease, leased_queue, new_leased_queue, queue_with, resumed, with_own_id};
use crate::support::queue::{
    assert_leases_accounted, builder, drain_data, new_queue, push_all, push_brief, push_later,
    quiet_stream, reader, take_one,
};
use crate::support::{Task, secs};

#[test]
fn an_own_id_is_refused_while_the_queue_holds_its_message() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_attempts(1));
    let refused = || {
        let refused = queue.push(with_own_id("mine")).unwrap_err();
        assert!(matches!(refused, PushError::DuplicateId(_)));
        assert_eq!(refused.into_message(), with_own_id("mine").into());
        let mut waits = Task::new(queue.push_when_ready(with_own_id("mine")));
        assert!(matches!(
            waits.poll(),
            Poll::Ready(Err(PushError::DuplicateId(_)))
        ));
    };
    queue.push(with_own_id("mine")).unwrap();
    refused();
    take_one(&queue);
    refused();
    queue.nack("mine", None).unwrap();
    refused();
    assert_eq!(queue.take_dead_letters().len(), 1);
    queue.push(with_own_id("mine")).unwrap();
    assert!(queue.cancel("mine"));
    queue.push(with_own_id("mine")).unwrap();
    take_one(&queue);
    queue.ack("mine").unwrap();
    queue.push(with_own_id("mine")).unwrap();
    assert_eq!(queue.ack("mine"), Err(AckError::Unknown), "not yet");
    assert_leases_accounted(&queue);
}

#[test]
fn a_duplicate_in_line_passes_its_capacity_to_the_next() {
    let clock = FakeClock::new();
    let builder = builder(&clock).capacity(1);
    let queue = builder.at_least_once(lease()).build();
    queue.push("a").unwrap();
    let mut first = Task::new(queue.push_when_ready(with_own_id("mine")));
    let mut second = Task::new(queue.push_when_ready(with_own_id("mine")));
    let mut third = Task::new(queue.push_when_ready("b"));
    assert!(first.poll().is_pending());
    assert!(second.poll().is_pending());
    assert!(third.poll().is_pending());
    assert_eq!(queue.take_remaining().len(), 1);
    assert!(first.poll().is_ready());
    assert!(second.poll().is_ready());
    assert!(third.poll().is_pending());
    assert_eq!(queue.take_remaining().len(), 1);
    assert_eq!(third.take_wakes(), 1);
    assert!(third.poll().is_ready());
}

#[test]
fn an_expired_message_frees_its_id_before_any_poll() {
    let (clock, queue) = new_leased_queue();
    let brief = Message::from(with_own_id("mine")).expires_after(secs(1));
    queue.push(brief).unwrap();
    clock.advance(secs(1));
    assert_eq!(queue.push(with_own_id("mine")).unwrap().id(), "mine");
    assert_leases_accounted(&queue);
}

#[test]
fn no_two_held_messages_have_the_same_id() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_attempts(1));
    let is_refused = || {
        matches!(
            queue.push(with_own_id("e-2")),
            Err(PushError::ReservedId(_))
        )
    };
    assert!(is_refused(), "not given yet");
    queue.push("a").unwrap();
    queue.push("b").unwrap();
    assert!(is_refused(), "given");
    take_one(&queue);
    queue.nack("e-1", None).unwrap();
    for letter in queue.take_dead_letters() {
        let again = letter.clone();
        assert_eq!(queue.push(letter).unwrap().id(), "e-1");
        let twice = queue.push(again);
        assert!(matches!(twice, Err(PushError::DuplicateId(_))));
    }
    take_one(&queue);
    take_one(&queue);
    assert_eq!(queue.ack("e-1"), Ok(()));
    assert_eq!(queue.stats().confirmed, 1);
}

#[test]
fn ids_of_any_other_shape_go_through() {
    let (_clock, queue) = new_leased_queue();
    for id in [
        "1795498212020-0",
        "3-12345",
        "order-42",
        "f-1",
        "e-01",
        "e-x",
    ] {
        assert_eq!(queue.push(with_own_id(id)).unwrap().id(), id);
        take_one(&queue);
        assert_eq!(queue.ack(id), Ok(()), "{id}");
    }
    for id in ["e-0", "e-7", "e-d7", "e-18446744073709551616"] {
        let refused = queue.push(with_own_id(id));
        assert!(matches!(refused, Err(PushError::ReservedId(_))), "{id}");
    }
}

#[test]
fn ids_that_no_client_could_send_back_are_refused() {
    let (_clock, queue) = new_leased_queue();
    let refused = queue.push(with_own_id("")).unwrap_err();
    assert!(matches!(refused, PushError::EmptyId(_)));
    let most = "x".repeat(LastEventId::MAX_LEN);
    assert_eq!(queue.push(with_own_id(&most)).unwrap().id(), most);
    let refused = queue.push(with_own_id(&format!("{most}x"))).unwrap_err();
    assert!(matches!(refused, PushError::IdTooLong(_)));
    assert_eq!(
        refused.into_message(),
        with_own_id(&format!("{most}x")).into()
    );
}

#[test]
fn what_remains_keeps_its_ids_in_a_new_queue_of_the_same_epoch() {
    let clock = FakeClock::new();
    let old = leased_queue(&clock);
    push_all(&old, &["a", "b", "c"]);
    old.push(with_own_id("mine")).unwrap();
    take_one(&old);
    old.ack("e-1").unwrap();
    let new = leased_queue(&clock);
    for message in old.take_remaining() {
        let id = message.id().to_owned();
        assert_eq!(new.push(message).unwrap().id(), id);
    }
    assert_eq!(new.push("next").unwrap().id(), "e-5", "after the highest");
    assert_eq!(drain_data(&new), "b,c,x,next");
    for id in ["e-2", "e-3", "mine", "e-5"] {
        assert_eq!(new.ack(id), Ok(()), "{id}");
    }
    assert_eq!(new.stats().confirmed, 4);
}

/// It falls due while a stream reads the others, in more than one chunk.
#[test]
fn what_falls_due_after_the_close_is_left_even_in_a_burst() {
    let (clock, queue) = new_queue();
    push_all(&queue, &["a", "b"]);
    push_later(&queue, "late", secs(1));
    queue.close();
    clock.advance(secs(2));
    let mut stream = Task::new(quiet_stream(&queue, &clock).pacing(Pacing::immediate().batch(1)));
    assert_eq!([stream.data(), stream.data()], ["a", "b"]);
    stream.assert_ended();
    assert_eq!(queue.take_remaining().len(), 1);
}

/// What remains of a message that a nack delayed beyond its expiry, 5 s after its push.
fn delayed_beyond_expiry(queue: &Queue) -> Remaining {
    push_brief(queue, "x", secs(5));
    take_one(queue);
    queue.nack("e-1", Some(secs(10))).unwrap();
    queue.take_remaining().remove(0)
}

#[test]
fn a_message_that_is_delayed_beyond_its_expiry_can_be_rebuilt_from_its_parts() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, Lease::new(secs(60)));
    let taken = delayed_beyond_expiry(&queue);
    let again = Remaining::from_parts(
        taken.frame().to_vec(),
        Some(taken.id()),
        taken.due(),
        taken.expires(),
        taken.attempts(),
    );
    assert_eq!(again, Ok(taken));
}

#[test]
fn a_message_that_is_pushed_again_with_a_delay_beyond_its_expiry_keeps_its_expiry() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, Lease::new(secs(60)));
    let taken = delayed_beyond_expiry(&queue);
    queue.push(taken).unwrap();
    clock.advance(secs(5));
    assert_eq!((queue.stats().expired, queue.stats().depth), (1, 0));
}

/// A message with that id was confirmed, and another was pushed and sent to a second client.
#[test]
fn an_own_id_that_two_clients_were_handed_takes_nothing_over() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, Lease::new(secs(60)).max_in_flight(2));
    let job = |data: &str| Event::new(data).id("job").unwrap();
    let (mut one, mut two) = (reader(&queue, &clock), reader(&queue, &clock));
    queue.push(job("first")).unwrap();
    queue.push("other").unwrap();
    assert_eq!(one.data(), "first,other");
    queue.ack("job").unwrap();
    queue.push(job("second")).unwrap();
    assert_eq!(two.data(), "second");
    queue.push("third").unwrap();
    assert_eq!(two.data(), "third");
    // The first client resumes: it has not seen what followed the first job.
    drop(one);
    let mut back = resumed(&queue, &clock, "job");
    queue.push("fourth").unwrap();
    assert_eq!(
        back.data(),
        "fourth",
        "the third job is in flight to the second client"
    );
}

/// The dead letter starts afresh, but its id was seen before.
#[test]
fn the_id_of_a_dead_letter_that_another_client_gets_takes_nothing_over() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(60)).max_attempts(1).max_in_flight(2);
    let queue = queue_with(&clock, lease);
    let (mut one, mut two) = (reader(&queue, &clock), reader(&queue, &clock));
    queue.push("a").unwrap();
    assert_eq!(one.data(), "a");
    queue.nack("e-1", None).unwrap();
    drop(one);
    let letter = queue.take_dead_letters().remove(0);
    queue.push(letter).unwrap();
    assert_eq!(two.data(), "a");
    let _back = resumed(&queue, &clock, "e-1");
    // It is still in flight to the second client, without a grace.
    queue.push("b").unwrap();
    queue.push("c").unwrap();
    assert_eq!(two.data(), "b", "it has one in flight, and may have two");
}
