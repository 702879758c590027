//! Messages that outlive their queue or topic: taken out, stored, rebuilt and pushed again.

use std::time::{Duration, SystemTime};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sse_queue::event::{EventError, Field, FrameError};
use sse_queue::message::{Remaining, RemainingError};
use sse_queue::queue::{DeadLetterReason, QueueBuilder};
use sse_queue::{Event, FakeClock, Lease, Message, Pacing, Queue, Topic};

use crate::support::{secs, without_first_bytes};

const DUE: SystemTime = SystemTime::UNIX_EPOCH;

/// The message as a store returns it that keeps each part in a column of its own.
fn through_a_store(message: &Remaining) -> Remaining {
    let frame = message.frame().to_vec();
    let (id, due, expires) = (message.id().to_owned(), message.due(), message.expires());
    Remaining::from_parts(frame, Some(&id), due, expires, message.attempts()).unwrap()
}

fn builder(clock: &FakeClock, epoch: &str) -> QueueBuilder {
    Queue::builder().clock(clock.clone()).epoch(epoch).unwrap()
}

/// A message, and whether it is handed out once, in vain, before the end.
fn message() -> impl Strategy<Value = (Message, bool)> {
    let event = prop_oneof![
        6 => "[a-z\n]{0,20}".prop_map(Event::new),
        1 => "[a-z]{1,9}".prop_map(Event::comment),
    ];
    let own_id = option::weighted(0.4, "[a-z]{1,5}_[0-9]{1,3}");
    let delay = option::weighted(
        0.4,
        prop_oneof![(0..9_u64).prop_map(secs), Just(Duration::MAX)],
    );
    let time = option::weighted(0.4, (100..109_u64).prop_map(secs));
    (event, own_id, delay, time, any::<bool>()).prop_map(|(event, id, delay, time, in_vain)| {
        // Comments bring no id.
        let event = match id {
            Some(id) => event.clone().id(&id).unwrap_or(event),
            None => event,
        };
        let message = Message::from(event);
        let message = delay.into_iter().fold(message, Message::after);
        let message = time.into_iter().fold(message, Message::expires_after);
        (message, in_vain)
    })
}

proptest! {
    /// The oracle is what was taken out.
    #[test]
    fn what_remains_in_a_queue_is_the_same_after_a_store_and_another_queue(
        messages in vec(message(), 0..20),
        has_the_same_epoch: bool,
    ) {
        let clock = FakeClock::new();
        let lease = || Lease::new(secs(60)).max_in_flight(100);
        let old = builder(&clock, "old").at_least_once(lease()).build();
        let mut stream = without_first_bytes(old.stream(clock.ticker()).unwrap()).pacing(Pacing::immediate().batch(100));
        for (message, in_vain) in messages {
            // Two of the same own id are refused.
            let Ok(receipt) = old.push(message) else { continue };
            if in_vain && stream.next_ready().is_some() {
                let _ = old.nack(receipt.id(), Some(secs(1)));
            }
        }
        drop(stream);
        clock.advance(secs(50));
        let taken = old.take_remaining();

        let epoch = if has_the_same_epoch { "old" } else { "new" };
        let new = builder(&clock, epoch).at_least_once(lease()).build();
        // A comment gets a new number, so it comes after all messages that keep theirs.
        let is_comment = |message: &Remaining| message.frame().starts_with(b":");
        let (comments, mut kept): (Vec<_>, Vec<_>) = taken.into_iter().partition(is_comment);
        for message in kept.iter().chain(&comments) {
            let rebuilt = through_a_store(message);
            prop_assert_eq!(&rebuilt, message);
            new.push(rebuilt).unwrap();
        }
        let again = new.take_remaining().into_iter();
        let (again_comments, mut again): (Vec<_>, Vec<_>) = again.partition(is_comment);
        prop_assert_eq!(again_comments.len(), comments.len());
        kept.sort_by(|one, other| one.id().cmp(other.id()));
        again.sort_by(|one, other| one.id().cmp(other.id()));
        prop_assert_eq!(again, kept);
    }

    #[test]
    fn what_remains_in_a_topic_is_the_same_after_a_store_and_another_topic(
        messages in vec(message(), 0..20),
    ) {
        let topic = |clock: &FakeClock| {
            Topic::builder().clock(clock.clone()).epoch("t").unwrap().build()
        };
        let clock = FakeClock::new();
        let old = topic(&clock);
        for (message, _) in messages {
            old.publish(message.after(secs(5))).unwrap();
        }
        let taken = old.take_remaining();

        let new = topic(&clock);
        let mut ids = Vec::new();
        let mut kept = Vec::new();
        for message in taken {
            let rebuilt = through_a_store(&message);
            prop_assert_eq!(&rebuilt, &message);
            // Of two with the same own id, the second is refused.
            if !message.frame().starts_with(b":") && !ids.contains(&message.id().to_owned()) {
                ids.push(message.id().to_owned());
                new.publish(rebuilt).unwrap();
                kept.push(message);
            }
        }
        prop_assert_eq!(new.take_remaining(), kept);
    }
}

#[test]
fn attempts_before_a_restart_count_towards_the_most() {
    let clock = FakeClock::new();
    let lease = || Lease::new(secs(60)).max_attempts(3);
    let hand_out_in_vain = |queue: &Queue| {
        let stream = queue.stream(clock.ticker()).unwrap();
        assert!(without_first_bytes(stream).next_ready().is_some());
        queue.nack("job", None).unwrap();
    };
    let old = builder(&clock, "old").at_least_once(lease()).build();
    old.push(Event::new("x").id("job").unwrap()).unwrap();
    hand_out_in_vain(&old);
    hand_out_in_vain(&old);
    let taken = old.take_remaining();
    assert_eq!(taken[0].attempts(), 2);

    let new = builder(&clock, "new").at_least_once(lease()).build();
    new.push(through_a_store(&taken[0])).unwrap();
    hand_out_in_vain(&new);
    let dead = new.take_dead_letters();
    assert_eq!(dead[0].reason(), DeadLetterReason::Nacked);
}

#[test]
fn parts_that_do_not_belong_together_are_refused_by_name() {
    let data = "id: a\ndata: x\n\n";
    let rebuild = |frame: &'static str, id, due, expires| {
        Remaining::from_parts(frame, id, due, expires, 0).unwrap_err()
    };
    let (now, later) = (Some(DUE), Some(DUE + secs(1)));
    let nul = RemainingError::Id(EventError::Nul {
        field: Field::Id,
        at: 1,
    });
    let cases = [
        (
            rebuild("data: x\n", None, now, None),
            FrameError::Unfinished.into(),
        ),
        (rebuild("", None, now, None), FrameError::Empty.into()),
        (rebuild(data, Some("b"), now, None), RemainingError::OtherId),
        (rebuild(data, Some(""), now, None), RemainingError::OtherId),
        (
            rebuild("data: x\n\n", Some("a"), now, None),
            RemainingError::OtherId,
        ),
        (rebuild(": x\n", Some("a\0"), now, None), nul),
        (
            rebuild(data, Some("a"), later, now),
            RemainingError::ExpiresBeforeDue,
        ),
        (
            rebuild(data, Some("a"), None, later),
            RemainingError::ExpiresBeforeDue,
        ),
    ];
    for (error, expected) in cases {
        assert_eq!(error, expected);
        let text = error.to_string();
        assert!(
            ["frame", "id", "message"]
                .iter()
                .any(|part| text.starts_with(part)),
            "{text}"
        );
    }
}

#[test]
fn an_id_that_the_frame_says_or_that_is_none_may_be_left_out() {
    for (frame, id) in [
        ("id: a\ndata: x\n\n", "a"),
        ("id: \ndata: x\n\n", ""),
        ("data: x\n\n", ""),
        (": note\n", ""),
    ] {
        let message = Remaining::from_parts(frame, None, Some(DUE), None, 7).unwrap();
        assert_eq!((message.id(), message.attempts()), (id, 7));
        assert_eq!(message.frame(), frame);
        assert_eq!(through_a_store(&message), message);
    }
    let comment = Remaining::from_parts(": note\n", Some("e-3"), None, None, 0).unwrap();
    assert_eq!(comment.id(), "e-3");
}
