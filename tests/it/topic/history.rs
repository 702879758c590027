//! What a topic keeps for later.

use sse_queue::topic::Start;
use sse_queue::{FakeClock, Pacing};

use crate::support::topic::{
    after, builder, evicted, new_topic, publish_all, publish_brief, publish_later, publish_numbers,
    quiet_stream, reader, replay, waiting,
};
use crate::support::{secs, settled};

#[test]
fn history_is_exact_by_messages_bytes_and_age() {
    let clock = FakeClock::new();
    let by_messages = builder(&clock).history(100).build();
    let by_bytes = builder(&clock).history_bytes(1_000).build();
    let by_age = builder(&clock).history_age(secs(100)).build();
    for number in 1..=500_u64 {
        for topic in [&by_messages, &by_bytes, &by_age] {
            topic.publish(number.to_string()).unwrap();
        }
        clock.advance(secs(1));
    }
    assert_eq!(by_messages.stats().retained, 100);
    let each = "id: e-500\ndata: 500\n\n".len();
    let fits = 1_000 / (each + 16);
    assert_eq!(by_bytes.stats().retained, fits);
    assert!(by_bytes.stats().bytes <= 1_000);
    assert_eq!(
        by_age.stats().retained,
        100,
        "0 to 100 s ago, the last 1 s ago"
    );
    clock.advance(secs(1));
    assert_eq!(by_age.stats().retained, 99);
    clock.advance(secs(1_000));
    assert_eq!((by_age.stats().retained, by_age.stats().bytes), (0, 0));
}

/// ```text
/// s        0            10      60     71
/// due                   x
/// kept                  |--------------|
/// polled                               here
/// ```
#[test]
fn the_age_counts_from_the_due_time_however_late_the_next_call_is() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history_age(secs(60)).build();
    publish_later(&topic, "x", secs(10));
    clock.advance(secs(71));
    assert_eq!(topic.stats().retained, 0);
    assert_eq!(replay(&topic, Start::Oldest), "");
}

#[test]
fn a_message_that_expired_is_not_sent_to_a_stream_that_comes_late() {
    let (clock, topic) = new_topic();
    topic.publish("a").unwrap();
    publish_brief(&topic, "b", secs(2));
    topic.publish("c").unwrap();
    let mut slow = reader(&topic, &clock, Start::Oldest);
    assert_eq!(replay(&topic, Start::Oldest), "a,b,c");
    clock.advance(secs(2));
    assert_eq!(slow.drain_data(), "a,c");
    assert_eq!(replay(&topic, after("e-1")), "c");
}

#[test]
fn a_stream_that_finds_only_expired_messages_waits_for_the_next() {
    let (clock, topic) = new_topic();
    let mut stream = reader(&topic, &clock, Start::Oldest);
    for _ in 0..200 {
        publish_brief(&topic, "x", secs(1));
    }
    clock.advance(secs(1));
    stream.assert_pending();
    topic.publish("a").unwrap();
    stream.assert_woken_for("a");
}

#[test]
fn expired_messages_leave_a_batch_to_the_others() {
    let (clock, topic) = new_topic();
    publish_brief(&topic, "a", secs(1));
    publish_all(&topic, &["b"]);
    let mut stream =
        settled(quiet_stream(&topic, &clock, Start::Oldest).pacing(Pacing::every(secs(1))));
    clock.advance(secs(1));
    assert_eq!(stream.data(), "b");
}

#[test]
fn a_stream_that_never_reads_holds_no_memory() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(100).build();
    let mut stuck = reader(&topic, &clock, Start::Now);
    publish_numbers(&topic, 1..=10_000);
    let stats = topic.stats();
    assert_eq!((stats.retained, stats.streams), (100, 1));
    assert_eq!(stuck.bytes(), evicted(9_900));
    assert!(stuck.drain_data().starts_with("9901,"));
}

#[test]
fn a_slow_stream_takes_nothing_from_the_others() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(10).build();
    let mut slow = waiting(&topic, &clock);
    let mut fast = waiting(&topic, &clock);
    for number in 1..=1_000_u64 {
        topic.publish(number.to_string()).unwrap();
        assert_eq!(fast.data(), number.to_string());
        fast.assert_pending();
    }
    assert_eq!(slow.take_wakes(), 1, "woken once, not for each message");
    assert_eq!(slow.bytes(), evicted(990));
}
