//! Each message goes to every stream.

use futures_core::Stream;
use sse_queue::topic::{PublishError, Resumption, Start};
use sse_queue::{Event, FakeClock, LastEventId, Message};

use crate::support::secs;
use crate::support::topic::{
    after, builder, evicted, later, new_topic, publish_all, publish_later, quiet_stream, reader,
    topic, waiting, with_id,
};

#[test]
fn every_stream_gets_every_message_in_one_order() {
    let (clock, topic) = new_topic();
    let mut streams = [(); 3].map(|()| waiting(&topic, &clock));
    publish_all(&topic, &["a", "b"]);
    assert_eq!(streams[0].data(), "a,b");
    publish_all(&topic, &["c"]);
    assert_eq!(streams[1].drain_data(), "a,b,c");
    assert_eq!(streams[0].drain_data(), "c");
    assert_eq!(streams[2].drain_data(), "a,b,c");
}

#[test]
fn each_start_begins_where_it_says() {
    for (start, seen) in [
        (Start::Now, ""),
        (Start::Oldest, "b,c,d,e"),
        (Start::Last(0), ""),
        (Start::Last(1), "e"),
        (Start::Last(4), "b,c,d,e"),
        (Start::Last(5), "b,c,d,e"),
        (Start::Last(usize::MAX), "b,c,d,e"),
        (after("e-3"), "d,e"),
        (after("e-5"), ""),
    ] {
        let clock = FakeClock::new();
        let topic = builder(&clock).history(4).build();
        publish_all(&topic, &["a", "b", "c", "d", "e"]);
        let mut stream = reader(&topic, &clock, start.clone());
        assert_eq!(stream.drain_data(), seen, "{start:?}");
        topic.publish("live").unwrap();
        assert_eq!(stream.drain_data(), "live", "{start:?}");
    }
}

#[test]
fn a_stream_begins_with_the_subscription_not_with_the_first_poll() {
    let (clock, topic) = new_topic();
    let mut stream = reader(&topic, &clock, Start::Now);
    publish_all(&topic, &["a"]);
    assert_eq!(stream.drain_data(), "a");
}

#[test]
fn a_comment_goes_to_all_and_has_no_id() {
    let (clock, topic) = new_topic();
    let mut stream = waiting(&topic, &clock);
    topic.publish(Event::comment("note")).unwrap();
    topic.publish("a").unwrap();
    assert_eq!(stream.bytes(), ": note\nid: e-2\ndata: a\n\n");
}

#[test]
fn only_ids_of_this_topic_and_ids_that_no_client_could_send_back_are_refused() {
    let (_clock, topic) = new_topic();
    for id in ["e-1", "e-d1", "e-0", "e-18446744073709551616"] {
        let error = topic.publish(with_id("x", id)).unwrap_err();
        assert!(matches!(error, PublishError::ReservedId(_)), "{id}");
        assert_eq!(error.into_message(), Message::from(with_id("x", id)));
    }
    let error = topic.publish(with_id("x", "")).unwrap_err();
    assert!(matches!(error, PublishError::EmptyId(_)));
    let most = "x".repeat(sse_queue::LastEventId::MAX_LEN);
    let error = topic
        .publish(with_id("x", &format!("{most}x")))
        .unwrap_err();
    assert!(matches!(error, PublishError::IdTooLong(_)));
    let others = [
        "other-7",
        "other-d7",
        "1795498212020-0",
        "3-12345",
        "order-42",
    ];
    let shapeless = ["1", "e-", "E-1", "e-01", "e-d", "e-1-1", "…", &most];
    for id in others.into_iter().chain(shapeless) {
        assert_eq!(topic.publish(with_id("x", id)).unwrap().id(), id);
    }
    assert_eq!(topic.stats().published, 13);
}

#[test]
fn a_client_resumes_exactly_after_a_brokers_id() {
    let (_clock, topic) = new_topic();
    for id in ["1795498212020-0", "1795498212020-1"] {
        topic.publish(with_id("x", id)).unwrap();
    }
    let start = Start::After(LastEventId::new("1795498212020-0"));
    let subscription = topic.stream(start, FakeClock::new().ticker()).unwrap();
    assert_eq!(subscription.resumption(), Resumption::Exact);
}

#[test]
fn a_scheduled_message_keeps_its_id_in_a_new_topic_of_the_same_epoch() {
    let clock = FakeClock::new();
    let (old, new) = (topic(&clock), topic(&clock));
    for data in ["a", "b"] {
        old.publish(later(data, secs(1))).unwrap();
    }
    for message in old.take_remaining() {
        let (id, twice) = (message.id().to_owned(), message.clone());
        assert_eq!(new.publish(message).unwrap().id(), id);
        let error = new.publish(twice).unwrap_err();
        assert!(matches!(error, PublishError::DuplicateId(_)));
    }
    assert_eq!(new.publish(later("c", secs(1))).unwrap().id(), "e-d3");
    let mut stream = waiting(&new, &clock);
    clock.advance(secs(1));
    assert_eq!(stream.data(), "a,b,c");
}

#[test]
fn an_empty_last_event_id_is_none() {
    let (_clock, topic) = new_topic();
    topic.publish("x").unwrap();
    let start = Start::After(LastEventId::new(""));
    let subscription = topic.stream(start, FakeClock::new().ticker()).unwrap();
    assert_eq!(subscription.resumption(), Resumption::Fresh);
}

#[test]
fn a_stream_polled_by_hand_takes_no_wake_up_of_another() {
    let (clock, topic) = new_topic();
    publish_later(&topic, "x", secs(1));
    let mut by_hand = quiet_stream(&topic, &clock, Start::Now);
    assert_eq!(by_hand.next_ready(), None);
    let mut other = waiting(&topic, &clock);
    clock.advance(secs(1));
    other.assert_woken_for("x");
    assert!(by_hand.next_ready().is_some());
}

#[test]
fn a_waker_that_panics_takes_no_wake_up_of_another() {
    struct Panics;

    impl std::task::Wake for Panics {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("a waker that panics");
        }
    }

    let (clock, topic) = new_topic();
    let mut bad = quiet_stream(&topic, &clock, Start::Now);
    let waker = std::task::Waker::from(std::sync::Arc::new(Panics));
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(std::pin::Pin::new(&mut bad).poll_next(&mut cx).is_pending());
    let mut good = waiting(&topic, &clock);
    for _ in 0..3 {
        topic.publish("x").unwrap();
        assert_eq!(good.take_wakes(), 1);
        good.assert_sends("x");
    }
    topic.close();
    assert_eq!(good.take_wakes(), 1);
}

#[test]
fn a_refused_message_is_returned_unchanged() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history_bytes(102).max_scheduled(1).build();
    let large = Message::from("x".repeat(102));
    let error = topic.publish(large.clone()).unwrap_err();
    assert_eq!(error, PublishError::TooLarge(large));

    publish_later(&topic, "a", secs(1));
    let more = later("b", secs(1)).expires_after(secs(9));
    let error = topic.publish(more.clone()).unwrap_err();
    assert_eq!(error, PublishError::Full(more));

    topic.close();
    let error = topic.publish("c").unwrap_err();
    assert_eq!(error, PublishError::Closed("c".into()));
    assert_eq!(topic.stats().published, 1);
}

#[test]
fn refused_messages_use_up_no_ids() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history_bytes(102).build();
    for message in [Message::from("x".repeat(102)), later("y", secs(1))] {
        let _ = topic.publish(message);
    }
    assert_eq!(topic.publish("a").unwrap().id(), "e-1");
    assert!(
        topic.publish(later(&"x".repeat(25), secs(1))).is_err(),
        "it would count more than the history may"
    );
    assert_eq!(topic.publish(later("z", secs(1))).unwrap().id(), "e-d2");
}

#[test]
fn the_limit_on_streams_is_reported_and_freed_by_a_drop() {
    let clock = FakeClock::new();
    let topic = builder(&clock).max_streams(2).build();
    let one = quiet_stream(&topic, &clock, Start::Now);
    let _two = quiet_stream(&topic, &clock, Start::Oldest);
    let error = topic
        .stream(Start::Now, FakeClock::new().ticker())
        .unwrap_err();
    assert_eq!((error.limit, topic.stats().streams), (2, 2));
    drop(one);
    assert!(topic.stream(after("?"), FakeClock::new().ticker()).is_ok());
    assert_eq!(topic.stats().gaps, 1);
}

#[test]
fn the_counters_count() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(2).build();
    let mut slow = waiting(&topic, &clock);
    let mut fast = waiting(&topic, &clock);
    for data in ["a", "b", "c"] {
        topic.publish(data).unwrap();
        fast.bytes();
    }
    assert_eq!(slow.bytes(), evicted(1));
    assert_eq!(slow.drain_data(), "b,c");
    let late = later("late", secs(5));
    topic.publish(late.clone().expires_after(secs(0))).unwrap();
    let id = topic.publish(late.clone()).unwrap();
    assert!(topic.cancel(id.id()));
    publish_later(&topic, "last", secs(9));
    clock.advance(secs(6));
    let _unknown = topic.stream(after("?"), FakeClock::new().ticker()).unwrap();

    let stats = topic.stats();
    assert_eq!((stats.published, stats.delivered), (6, 5));
    assert_eq!((stats.expired, stats.withdrawn), (1, 1));
    assert_eq!((stats.lagged, stats.gaps, stats.streams), (1, 1, 3));
    assert_eq!((stats.retained, stats.bytes), (2, 2 * (17 + 16)));
    assert_eq!((stats.scheduled, stats.next_due), (1, Some(secs(3))));
}
