//! The gaps that clients get when numbers alone do not give their size.

use sse_queue::message::Remaining;
use sse_queue::topic::{Resumption, Start};
use sse_queue::{Clock, FakeClock, LastEventId};

use crate::support::secs;
use crate::support::topic::{builder, publish_brief, reader};

/// More runs of expired messages lie before the history than are remembered.
#[test]
fn a_gap_is_null_beyond_more_runs_of_expired_messages_than_are_remembered() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(2).history_bytes(10_000).build();
    let mut stream = reader(&topic, &clock, Start::Now);
    for _ in 0..100 {
        topic.publish("kept").unwrap();
        publish_brief(&topic, "brief", secs(1));
        clock.advance(secs(2));
    }
    assert_eq!(stream.data(), "{\"missed\":null,\"cause\":\"evicted\"}");
}

/// It was scheduled, and what follows its number was seen before it fell due.
#[test]
fn the_id_of_a_message_that_was_published_again_counts_no_message_before_it_as_missed() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(2).build();
    let due = clock.now() + secs(5);
    let back = Remaining::from_parts("id: e-5\ndata: back\n\n", Some("e-5"), Some(due), None, 0);
    assert_eq!(topic.publish(back.unwrap()).unwrap().id(), "e-5");
    for id in ["e-6", "e-7"] {
        assert_eq!(topic.publish("before").unwrap().id(), id);
    }
    clock.advance(secs(5));
    // The client has seen e-6, e-7, and then e-5 as the eighth message.
    for _ in 0..4 {
        topic.publish("after").unwrap();
    }
    let source = topic
        .stream(
            Start::After(LastEventId::new("e-5")),
            FakeClock::new().ticker(),
        )
        .unwrap();
    let Resumption::Gap { missed, .. } = source.resumption() else {
        panic!("two were evicted");
    };
    assert!(matches!(missed, None | Some(2)), "{missed:?}");
}

/// As above, while it is still scheduled: no client can have seen it.
#[test]
fn the_id_of_a_numbered_message_that_waits_is_from_the_future() {
    let clock = FakeClock::new();
    let topic = builder(&clock).build();
    let due = clock.now() + secs(5);
    let back = Remaining::from_parts("id: e-5\ndata: back\n\n", Some("e-5"), Some(due), None, 0);
    topic.publish(back.unwrap()).unwrap();
    topic.publish("x").unwrap();
    let source = topic
        .stream(
            Start::After(LastEventId::new("e-5")),
            FakeClock::new().ticker(),
        )
        .unwrap();
    assert_ne!(source.resumption(), Resumption::Exact);
}
