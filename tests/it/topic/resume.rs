//! Streams that resume after an id.

use http::{HeaderMap, HeaderValue};
use sse_queue::topic::{GapCause, Resumption, Start};
use sse_queue::{FakeClock, LastEventId, Pacing, Topic};

use crate::support::topic::{
    after, builder, evicted, gap, later, new_topic, publish_all, publish_numbers, quiet_stream,
    reader, replay, with_id,
};
use crate::support::{Task, parser, secs, settled};

/// `EPOCH-SEQ` 1 to 5 were issued, 3 to 5 are kept. `own` is the id of 2 and 4, `gone` that of 1.
fn five(clock: &FakeClock) -> Topic {
    let topic = builder(clock).history(3).build();
    topic.publish(with_id("1", "gone")).unwrap();
    topic.publish(with_id("2", "own")).unwrap();
    topic.publish("3").unwrap();
    topic.publish(with_id("4", "own")).unwrap();
    topic.publish("5").unwrap();
    topic
}

/// Where a client begins that sends this id, or none.
fn start_of(id: Option<LastEventId>) -> Start {
    id.map_or(Start::Now, Start::After)
}

#[test]
fn last_event_ids_are_read_as_the_table_says() {
    use GapCause::{Evicted, ForeignEpoch, Future, Malformed, Unknown};
    use Resumption::Exact;

    let clock = FakeClock::new();
    let topic = five(&clock);
    let huge = "9".repeat(1_000);
    let longest = "x".repeat(1_024);
    let too_long = "x".repeat(1_025);
    let table: &[(&[u8], Resumption, &str)] = &[
        // Of this epoch.
        (b"e-5", Exact, ""),
        (b"e-4", Exact, "5"),
        (b"e-3", Exact, "4,5"),
        (b"e-2", Exact, "3,4,5"),
        (b"e-1", gap(Some(1), Evicted), "3,4,5"),
        (b"e-0", gap(Some(2), Evicted), "3,4,5"),
        (b"e-6", gap(None, Future), "3,4,5"),
        (b"e-18446744073709551615", gap(None, Future), "3,4,5"),
        (b"e-18446744073709551616", gap(None, Future), "3,4,5"),
        (
            &[b"e-", huge.as_bytes()].concat(),
            gap(None, Future),
            "3,4,5",
        ),
        // Ids of scheduled messages that were never issued.
        (b"e-d0", gap(None, Future), "3,4,5"),
        (b"e-d1", gap(None, Future), "3,4,5"),
        (
            &[b"e-d", huge.as_bytes()].concat(),
            gap(None, Future),
            "3,4,5",
        ),
        // Own ones.
        (b"own", Exact, "5"),
        (b"gone", gap(None, Unknown), "3,4,5"),
        // Of another epoch.
        (b"old-5", gap(None, ForeignEpoch), "3,4,5"),
        (b"old-d5", gap(None, ForeignEpoch), "3,4,5"),
        (
            &[b"f-", huge.as_bytes()].concat(),
            gap(None, ForeignEpoch),
            "3,4,5",
        ),
        // Of no shape.
        (b"5", gap(None, Unknown), "3,4,5"),
        (b"-1", gap(None, Unknown), "3,4,5"),
        (b"e-", gap(None, Unknown), "3,4,5"),
        (b"e-05", gap(None, Unknown), "3,4,5"),
        (b"e-+5", gap(None, Unknown), "3,4,5"),
        (b"e-5-5", gap(None, Unknown), "3,4,5"),
        (b"E-5", gap(None, Unknown), "3,4,5"),
        ("…".as_bytes(), gap(None, Unknown), "3,4,5"),
        (longest.as_bytes(), gap(None, Unknown), "3,4,5"),
        // Not to be read at all.
        (too_long.as_bytes(), gap(None, Malformed), "3,4,5"),
        (b"e-5\xff", gap(None, Malformed), "3,4,5"),
        (b"\xe2\x80", gap(None, Malformed), "3,4,5"),
    ];
    for (value, resumption, seen) in table {
        let name = String::from_utf8_lossy(value);
        let mut headers = HeaderMap::new();
        headers.insert("last-event-id", HeaderValue::from_bytes(value).unwrap());
        let start = start_of(LastEventId::from_headers(&headers));
        let mut stream = reader(&topic, &clock, start);
        assert_eq!(stream.inner.resumption(), *resumption, "{name}");
        if let Resumption::Gap { missed, cause } = resumption {
            let missed = missed.map_or("null".into(), |missed| missed.to_string());
            let sent = format!("{{\"missed\":{missed},\"cause\":\"{cause}\"}}");
            assert_eq!(stream.data(), sent, "{name}");
        }
        assert_eq!(stream.drain_data(), *seen, "{name}");
    }
}

#[test]
fn values_that_no_header_can_hold_are_malformed_too() {
    let clock = FakeClock::new();
    let topic = five(&clock);
    for query in ["last_event_id=e%00", "lastEventId=%0a", "last_event_id=%ff"] {
        let start = start_of(LastEventId::from_query(query));
        let subscription = topic.stream(start, FakeClock::new().ticker()).unwrap();
        assert_eq!(subscription.resumption(), gap(None, GapCause::Malformed));
    }
}

#[test]
fn no_id_begins_now() {
    let clock = FakeClock::new();
    let topic = five(&clock);
    let start = start_of(LastEventId::from_headers(&HeaderMap::new()));
    let mut stream = reader(&topic, &clock, start);
    assert_eq!(stream.inner.resumption(), Resumption::Fresh);
    stream.assert_pending();
}

#[test]
fn the_first_message_of_all_can_be_missed_and_counted() {
    let (_clock, topic) = new_topic();
    let resume = |id| {
        topic
            .stream(after(id), FakeClock::new().ticker())
            .unwrap()
            .resumption()
    };
    assert_eq!(resume("e-0"), Resumption::Exact);
    assert_eq!(resume("e-1"), gap(None, GapCause::Future));
}

/// ```text
/// s        0      5        6
/// e-d1            due
/// resumed  Future Exact    Exact, then Evicted
/// ```
#[test]
fn a_scheduled_id_can_be_resumed_from_while_its_message_is_kept() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(2).build();
    assert_eq!(topic.publish(later("x", secs(5))).unwrap().id(), "e-d1");
    topic.publish("a").unwrap();
    let resume = |id| {
        topic
            .stream(after(id), FakeClock::new().ticker())
            .unwrap()
            .resumption()
    };
    assert_eq!(resume("e-d1"), gap(None, GapCause::Future));
    assert_eq!(resume("e-d2"), gap(None, GapCause::Future));
    clock.advance(secs(5));
    assert_eq!(resume("e-d1"), Resumption::Exact);
    publish_all(&topic, &["b"]);
    assert_eq!(replay(&topic, after("e-d1")), "b");
    assert_eq!(replay(&topic, after("e-1")), "x,b");
    publish_all(&topic, &["c"]);
    assert_eq!(
        replay(&topic, after("e-d1")),
        "b,c",
        "from the oldest that is left"
    );
    publish_all(&topic, &["d"]);
    assert_eq!(resume("e-d1"), gap(None, GapCause::Evicted));
}

#[test]
fn an_own_id_used_again_is_the_newest_message() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(3).build();
    for data in ["1", "2", "3"] {
        topic.publish(with_id(data, "same")).unwrap();
    }
    assert_eq!(replay(&topic, after("same")), "");
    publish_all(&topic, &["4", "5"]);
    assert_eq!(replay(&topic, after("same")), "4,5");
    publish_all(&topic, &["6"]);
    assert_eq!(
        replay(&topic, after("same")),
        "4,5,6",
        "from the oldest that is left"
    );
    publish_all(&topic, &["7"]);
    let resumption = topic
        .stream(after("same"), FakeClock::new().ticker())
        .unwrap()
        .resumption();
    assert_eq!(resumption, gap(None, GapCause::Unknown));
}

#[test]
fn a_restarted_topic_knows_that_an_id_is_not_its_own() {
    let [before, now] = [Topic::new(), Topic::new()];
    let id = before.publish("x").unwrap();
    now.publish("y").unwrap();
    let resumption = now
        .stream(after(id.id()), FakeClock::new().ticker())
        .unwrap()
        .resumption();
    assert_eq!(resumption, gap(None, GapCause::ForeignEpoch));
}

#[test]
fn nothing_lies_between_replay_and_live() {
    let (clock, topic) = new_topic();
    publish_all(&topic, &["a", "b"]);
    let mut stream = reader(&topic, &clock, after("e-1"));
    publish_all(&topic, &["c"]);
    assert_eq!(stream.drain_data(), "b,c");
    publish_all(&topic, &["d"]);
    assert_eq!(stream.drain_data(), "d");
}

#[test]
fn what_is_evicted_before_the_first_poll_counts_in_the_gap() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(2).build();
    publish_numbers(&topic, 1..=5);
    let mut stream = reader(&topic, &clock, after("e-2"));
    publish_numbers(&topic, 6..=6);
    assert_eq!(stream.bytes(), evicted(1));
    assert_eq!(stream.bytes(), evicted(1));
    assert_eq!(stream.drain_data(), "5,6");
}

#[test]
fn a_gap_has_no_id_so_that_the_last_event_id_is_kept() {
    let clock = FakeClock::new();
    let topic = five(&clock);
    let mut stream = reader(&topic, &clock, after("e-1"));
    let parsed = parser::parse(stream.bytes().as_bytes());
    assert_eq!(parsed.last_event_id, "");
    assert_eq!(parsed.events[0].name, "gap");
}

#[test]
fn a_gap_event_can_be_named_or_switched_off() {
    let clock = FakeClock::new();
    let topic = five(&clock);
    let stream = || quiet_stream(&topic, &clock, after("?"));
    let mut named = Task::new(stream().gap_event(Some("lücke")).unwrap());
    assert!(named.bytes().starts_with("event: lücke\ndata: {"));
    let mut off = Task::new(stream().gap_event(None).unwrap());
    assert_eq!(off.drain_data(), "3,4,5");
    for name in ["a\nb", "a\rb"] {
        assert!(stream().gap_event(Some(name)).is_err());
    }
}

#[test]
fn a_gap_that_is_switched_off_does_not_use_up_a_tick() {
    let clock = FakeClock::new();
    let topic = five(&clock);
    let stream = quiet_stream(&topic, &clock, after("?"))
        .gap_event(None)
        .unwrap();
    let mut stream = settled(stream.pacing(Pacing::every(secs(1))));
    clock.advance(secs(1));
    assert_eq!(stream.data(), "3");
}
