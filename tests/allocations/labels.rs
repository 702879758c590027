//! What tags, keys and filters take in memory.

use allocation_counter::measure;
use sse_queue::{Message, Topic};

/// What a topic holds after some work, in bytes.
fn held_after(work: impl FnOnce() -> Topic) -> usize {
    let mut topic = None;
    let held = measure(|| topic = Some(work()));
    drop(topic);
    usize::try_from(held.bytes_current).unwrap()
}

#[test]
fn what_is_superseded_between_evicted_messages_takes_no_memory() {
    let held = |messages: usize| {
        held_after(|| {
            let topic = Topic::builder().history(100).build();
            // From now on, messages are listed by tag.
            drop(topic.filter(["red"]).unwrap());
            for _ in 0..messages {
                topic.publish("stays").unwrap();
                topic.publish(Message::from("x").key("k")).unwrap();
            }
            topic
        })
    };
    let (few, many) = (held(2_000), held(40_000));
    assert!(many <= few + 1_000, "{few} bytes, and then {many}");
}

#[test]
fn filters_and_tags_that_are_gone_leave_no_memory() {
    let held = held_after(|| {
        let topic = Topic::builder().history(0).build();
        let filter = |number: i32| topic.filter([number.to_string()]).unwrap();
        let filters: Vec<_> = (0..10_000).map(filter).collect();
        drop(filters);
        topic
    });
    assert!(held < 20_000, "{held} bytes");
}
