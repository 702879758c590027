//! What tags and keys hold in memory, counted after each step, against the bound of the history.

use allocation_counter::measure;
use sse_queue::{FakeClock, Message, Topic};

const BOUNDS: [usize; 3] = [2_000, 40_000, 600_000];
/// The length of the data.
const DATA: [usize; 2] = [1, 200];

/// Publishes messages with these labels until the history was full twice, and compares what it holds
/// with its bound.
fn assert_bounded(labels: impl Fn(usize) -> (Option<String>, Option<String>)) {
    for bound in BOUNDS {
        for len in DATA {
            let builder = Topic::builder().clock(FakeClock::new());
            let builder = builder.history(usize::MAX).history_bytes(bound);
            let topic = builder.build();
            let data = "x".repeat(len);
            let (mut bytes, mut counted) = (0, 0);
            let mut number = 0;
            while counted < 2 * bound && number < bound {
                let held = measure(|| {
                    let (tag, key) = labels(number);
                    let mut message = Message::from(&*data);
                    if let Some(tag) = tag {
                        message = message.tag(tag);
                    }
                    if let Some(key) = key {
                        message = message.key(key);
                    }
                    drop(topic.publish(message).unwrap());
                    let _ = topic.stats();
                });
                number += 1;
                counted += len + 30;
                bytes += held.bytes_current;
                let most = i64::try_from(bound * 5 / 4 + 4_096).unwrap();
                assert!(
                    bytes <= most,
                    "{bytes} bytes held of at most {most} after {number} messages of {len}"
                );
            }
        }
    }
}

#[test]
fn a_few_tags_are_within_the_bound() {
    assert_bounded(|number| (Some(format!("room {}", number * 7 % 10)), None));
}

#[test]
fn a_tag_for_each_message_is_within_the_bound() {
    assert_bounded(|number| (Some(format!("room {number}")), None));
}

#[test]
fn a_tag_for_every_other_message_is_within_the_bound() {
    assert_bounded(|number| {
        let tag = format!("room {}", number / 2);
        ((number % 2 == 0).then_some(tag), None)
    });
}

#[test]
fn a_key_for_each_message_is_within_the_bound() {
    assert_bounded(|number| (None, Some(format!("job {number}"))));
}

#[test]
fn keys_that_change_all_the_time_are_within_the_bound() {
    assert_bounded(|number| (None, Some(format!("job {}", number * 7 % 50))));
}

#[test]
fn tags_and_keys_together_are_within_the_bound() {
    assert_bounded(|number| {
        let tag = format!("room {}", number * 7 % 300);
        (Some(tag), Some(format!("job {}", number * 13 % 500)))
    });
}

/// Each message that stays is alone among numbers of messages that were superseded.
#[test]
fn messages_between_superseded_ones_are_within_the_bound() {
    for bound in BOUNDS {
        let builder = Topic::builder().clock(FakeClock::new());
        let topic = builder.history(usize::MAX).history_bytes(bound).build();
        let mut bytes = measure(|| drop(topic.filter(["red"]).unwrap())).bytes_current;
        for number in 0..bound / 10 {
            bytes += measure(|| {
                topic.publish("stays").unwrap();
                topic.publish(Message::from("x").key("k")).unwrap();
                let _ = topic.stats();
            })
            .bytes_current;
            let most = i64::try_from(bound * 5 / 4 + 8_192).unwrap();
            assert!(bytes <= most, "{bytes} of {most} after {number} messages");
        }
    }
}

#[test]
fn filters_that_come_and_go_leave_nothing_behind() {
    let topic = Topic::builder().clock(FakeClock::new()).build();
    drop(topic.filter(["room"]).unwrap());
    let held = measure(|| {
        for number in 0..10_000 {
            let names = (0..10).map(|tag| format!("room {}", number * 10 + tag));
            drop(topic.filter(names).unwrap());
        }
    });
    assert!(held.bytes_current < 4_000, "{}", held.bytes_current);
}

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
