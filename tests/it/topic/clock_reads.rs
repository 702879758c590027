//! How often a topic reads its clock: expiry, age and schedules cost nothing where they do not
//! matter.

use sse_queue::topic::TopicBuilder;
use sse_queue::{FakeClock, Message, Topic};

use crate::support::clock::Counting;
use crate::support::secs;
use crate::support::topic::{later, new_topic, publish_all, publish_later, waiting};

/// How often the clock is read for ten messages to fifty streams.
fn reads(builder: TopicBuilder, held: Option<Message>, message: impl Fn() -> Message) -> usize {
    let clock = FakeClock::new();
    let counting = Counting::new(&clock);
    let topic = builder.clock(counting.clone()).build();
    if let Some(held) = held {
        topic.publish(held).unwrap();
    }
    let mut streams: Vec<_> = (0..50).map(|_| waiting(&topic, &clock)).collect();
    let mut round = || {
        topic.publish(message()).unwrap();
        for stream in &mut streams {
            stream.assert_sends("m");
        }
    };
    (0..3).for_each(|_| round());
    counting.reads();
    (0..10).for_each(|_| round());
    counting.reads()
}

#[test]
fn a_delivery_reads_no_clock_whatever_else_the_topic_holds() {
    let plain = || Message::from("m");
    let day = secs(86_400);
    assert_eq!(
        reads(Topic::builder(), None, plain),
        10,
        "once for a publish"
    );
    let expiring = Message::from("x").expires_after(day);
    let aged = Topic::builder().history_age(day);
    // The first stream that reads, and the two timekeepers.
    for (builder, held, most) in [
        (Topic::builder(), Some(expiring), 20),
        (aged, None, 20),
        (Topic::builder(), Some(later("x", day)), 50),
    ] {
        let reads = reads(builder, held, plain);
        assert!(reads <= most, "{reads}");
    }
}

#[test]
fn each_stream_reads_the_clock_for_a_chunk_in_which_a_message_expires() {
    let expiring = || Message::from("m").expires_after(secs(60));
    assert!(reads(Topic::builder(), None, expiring) >= 500);
}

#[test]
fn what_has_fallen_due_comes_with_the_chunk_before_it_though_no_stream_keeps_the_time() {
    let (clock, topic) = new_topic();
    let mut streams = [(); 2].map(|()| waiting(&topic, &clock));
    for _ in 0..3 {
        publish_all(&topic, &["a"]);
        for stream in &mut streams {
            assert_eq!(stream.drain_data(), "a");
        }
    }
    publish_later(&topic, "x", secs(1));
    publish_all(&topic, &["b"]);
    assert_eq!(streams[0].data(), "b");
    clock.advance(secs(1));
    assert_eq!(streams[1].drain_data(), "b,x");
}
