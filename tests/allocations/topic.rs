//! What topics allocate, counted: by message, by block, by idle stream.

use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use sse_queue::topic::{Start, TopicSubscription};
use sse_queue::{EventStream, FakeClock, Message, Topic};

use super::{Never, poll};

type Idle = EventStream<TopicSubscription, Never>;

const STREAMS: usize = 10_000;
/// The most messages of a block.
const BLOCK: usize = 64;

fn topic() -> Topic {
    // So much that eviction frees a block as often as one is made.
    Topic::builder()
        .clock(FakeClock::new())
        .history(1_000)
        .build()
}

fn waiting(topic: &Topic) -> Idle {
    let mut stream = topic
        .stream(Start::Now, Never)
        .unwrap()
        .without_first_comment();
    assert!(poll(&mut stream).is_pending());
    stream
}

fn publish(topic: &Topic, data: &str) -> AllocationInfo {
    measure(|| drop(topic.publish(data).unwrap()))
}

/// One buffer for the message, and once in 64 messages four for the block: the bytes of all, where
/// each ends, and once it is full the header that shares them and the list of its pieces.
#[test]
fn a_publish_without_readers_allocates_its_own_buffer_and_a_64th_of_a_block() {
    let topic = topic();
    let data = "x".repeat(150);
    for _ in 0..5_000 {
        publish(&topic, &data);
    }

    let counts: Vec<_> = (0..640)
        .map(|_| publish(&topic, &data).count_total)
        .collect();
    let beyond: Vec<_> = counts.iter().filter(|count| **count > 1).collect();
    println!("{} of 640 allocate more: {beyond:?}", beyond.len());
    assert!(beyond.len() <= 640 / BLOCK + 1, "{beyond:?}");
    assert!(beyond.iter().all(|count| **count <= 1 + 4), "{beyond:?}");
}

#[test]
fn a_publish_to_ten_thousand_idle_streams_allocates_its_own_buffer_alone() {
    let topic = topic();
    let data = "x".repeat(150);
    let mut streams: Vec<_> = (0..STREAMS).map(|_| waiting(&topic)).collect();
    let mut round = || {
        let published = publish(&topic, &data);
        let delivered = measure(|| {
            for stream in &mut streams {
                assert!(poll(stream).is_ready());
                assert!(poll(stream).is_pending());
            }
        });
        (published.count_total, delivered.count_total)
    };
    for _ in 0..2 * BLOCK {
        round();
    }
    let rounds: Vec<_> = (0..4 * BLOCK).map(|_| round()).collect();
    let beyond: Vec<_> = rounds
        .iter()
        .filter(|(published, delivered)| *published > 1 || *delivered > 0)
        .collect();
    println!(
        "{} rounds of {} allocate more: {beyond:?}",
        beyond.len(),
        rounds.len()
    );
    // A block's buffer and its list of ends with the publish; then with the first read of it the
    // header that shares it, and as the number of its pieces doubles, their list.
    let of_a_block: u64 = beyond
        .iter()
        .map(|(published, delivered)| published - 1 + delivered)
        .sum();
    assert!(of_a_block <= 4 * (2 + 1 + 5) + 8, "{of_a_block}");
    let publishes = beyond.iter().filter(|(published, _)| *published > 1);
    assert!(publishes.count() <= 4 + 1);
}

#[test]
fn a_scheduled_message_enters_without_a_further_wake_list() {
    let clock = FakeClock::new();
    let topic = Topic::builder().clock(clock.clone()).build();
    let mut streams: Vec<_> = (0..STREAMS).map(|_| waiting(&topic)).collect();
    let mut round = || {
        let message = Message::from("x").after(Duration::from_millis(1));
        drop(topic.publish(message).unwrap());
        clock.advance(Duration::from_millis(1));
        let entering = measure(|| assert_eq!(topic.stats().scheduled, 0));
        for stream in &mut streams {
            assert!(poll(stream).is_ready());
            assert!(poll(stream).is_pending());
        }
        entering.bytes_total
    };
    for _ in 0..2 * BLOCK {
        round();
    }
    let most = (0..2 * BLOCK).map(|_| round()).max().unwrap();
    assert!(
        most < 16 * 1024,
        "{most} bytes at once, for {STREAMS} streams"
    );
}

#[test]
fn an_idle_stream_takes_at_most_160_bytes_beside_its_settings_and_ticker() {
    let topic = topic();
    let mut streams: Vec<Idle> = Vec::with_capacity(STREAMS);
    let held = measure(|| streams.extend((0..STREAMS).map(|_| waiting(&topic))));
    let in_topic = usize::try_from(held.bytes_current).unwrap() / STREAMS;
    let subscription = size_of::<TopicSubscription>();
    println!("{subscription} bytes in the subscription, {in_topic} in its topic");
    println!("{} bytes in the stream", size_of::<Idle>());
    assert!(
        subscription + in_topic <= 160,
        "{subscription} + {in_topic}"
    );
}

#[test]
fn a_topic_frees_what_ten_thousand_streams_allocated() {
    let topic = topic();
    let warm: Vec<_> = (0..STREAMS).map(|_| waiting(&topic)).collect();
    topic.publish("x").unwrap();
    drop(warm);
    let again = measure(|| {
        for _ in 0..10 {
            let streams: Vec<_> = (0..STREAMS).map(|_| waiting(&topic)).collect();
            drop(streams);
        }
    });
    let lists = i64::try_from(STREAMS * 64).unwrap();
    assert!(
        again.bytes_current <= lists,
        "{} bytes",
        again.bytes_current
    );
}

/// Whatever order they leave in.
#[test]
fn a_topic_shrinks_again_after_a_crowd_of_ten_thousand() {
    for is_reversed in [false, true] {
        let topic = topic();
        drop(waiting(&topic));
        publish(&topic, "x");
        let left = measure(|| {
            let mut streams: Vec<_> = (0..STREAMS).map(|_| waiting(&topic)).collect();
            publish(&topic, "x");
            for stream in &mut streams {
                assert!(poll(stream).is_ready());
                assert!(poll(stream).is_pending());
            }
            if is_reversed {
                streams.reverse();
            }
            streams.drain(..).for_each(drop);
            drop(waiting(&topic));
        });
        println!("{} bytes", left.bytes_current);
        assert!(left.bytes_current < 8 * 1024, "{}", left.bytes_current);
    }
}
