//! The last attempt, and dead letters.

use std::time::SystemTime;

use sse_queue::queue::DeadLetterReason;
use sse_queue::{FakeClock, Message};

use super::{counts, holding, lease, queue_with, resumed};
use crate::support::queue::{assert_leases_accounted, drain_data, push_all, push_brief, reader};
use crate::support::secs;

#[test]
fn after_its_last_attempt_a_message_is_dead_and_says_why() {
    let reasons = [
        DeadLetterReason::LeaseEnded,
        DeadLetterReason::Dropped,
        DeadLetterReason::Nacked,
    ];
    for reason in reasons {
        let clock = FakeClock::new();
        let queue = queue_with(&clock, lease().max_attempts(3));
        let start = SystemTime::UNIX_EPOCH;
        let message = Message::from("x").at(start).expires_after(secs(1000));
        queue.push(message).unwrap();
        for attempt in 1..=3 {
            assert_eq!(queue.stats().dead, 0, "{attempt}");
            let mut stream = reader(&queue, &clock);
            assert_eq!(stream.data(), "x");
            match reason {
                DeadLetterReason::LeaseEnded => clock.advance(secs(30)),
                DeadLetterReason::Nacked => queue.nack("e-1", None).unwrap(),
                _ => {
                    drop(stream);
                    clock.advance(secs(5));
                }
            }
        }
        assert_eq!(counts(&queue), (0, 0, 1, 0));
        assert_leases_accounted(&queue);
        let letters = queue.take_dead_letters();
        assert_eq!(letters.len(), 1);
        let letter = &letters[0];
        assert_eq!((letter.attempts(), letter.reason()), (3, reason));
        assert_eq!((letter.id(), letter.frame().len()), ("e-1", 17));
        assert_eq!(queue.stats().withdrawn, 1);
        assert_eq!(queue.stats().bytes, 0);
        assert_leases_accounted(&queue);

        queue.push(letters[0].clone()).unwrap();
        let again = queue.take_remaining();
        assert_eq!((again[0].id(), again[0].attempts()), ("e-1", 0));
        assert_eq!(again[0].due(), Some(start));
        assert_eq!(again[0].expires(), Some(start + secs(1000)));
    }
}

#[test]
fn dead_letters_come_in_the_order_of_their_deaths() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_attempts(1));
    push_all(&queue, &["a", "b", "c"]);
    assert_eq!(drain_data(&queue), "a,b,c");
    for id in ["e-2", "e-3", "e-1"] {
        queue.nack(id, None).unwrap();
    }
    let letters = queue.take_dead_letters();
    let ids: Vec<_> = letters
        .iter()
        .map(sse_queue::queue::DeadLetter::id)
        .collect();
    assert_eq!(ids, ["e-2", "e-3", "e-1"]);
}

#[test]
fn a_dead_message_does_not_expire() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_attempts(1));
    push_brief(&queue, "x", secs(1));
    assert_eq!(drain_data(&queue), "x");
    queue.nack("e-1", None).unwrap();
    clock.advance(secs(60));
    assert_eq!((queue.stats().dead, queue.stats().expired), (1, 0));
}

/// A redelivery counts as an attempt.
#[test]
fn a_message_that_a_resuming_client_was_sent_the_last_time_is_dead() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, lease().max_attempts(2));
    let _stream = holding(&queue, &clock, &["a", "b", "c"]);
    let mut stream = resumed(&queue, &clock, "e-1");
    assert_eq!(stream.data(), "b,c");
    let mut stream = resumed(&queue, &clock, "e-2");
    stream.assert_pending();
    let letters = queue.take_dead_letters();
    assert_eq!((letters[0].id(), letters[0].attempts()), ("e-3", 2));
    assert_eq!(letters[0].reason(), DeadLetterReason::Dropped);
    assert_leases_accounted(&queue);
}
