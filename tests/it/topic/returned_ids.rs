//! Messages that are published again keep their ids, and numbers continue after the highest.

use sse_queue::topic::{GapCause, PublishError, Resumption, Start};
use sse_queue::{FakeClock, Message, Queue, Topic};

use crate::support::secs;
use crate::support::topic::{after, builder, gap, new_topic, publish_all, replay, topic, waiting};

/// Messages with the ids `e-1` to `e-5`, as they remain of a queue of the same epoch.
fn returned() -> Vec<Message> {
    let queue = Queue::builder().epoch("e").unwrap().clock(FakeClock::new());
    let queue = queue.build();
    for data in ["1", "2", "3", "4", "5"] {
        queue.push(data).unwrap();
    }
    queue
        .take_remaining()
        .into_iter()
        .map(Message::from)
        .collect()
}

fn publish(topic: &Topic, message: &Message) -> Result<String, PublishError> {
    topic
        .publish(message.clone())
        .map(|published| published.id().to_owned())
}

#[test]
fn a_message_that_is_published_again_keeps_its_number_and_those_below_it_are_not_missed() {
    let (clock, topic) = new_topic();
    let mut stream = waiting(&topic, &clock);
    let returned = returned();
    assert_eq!(publish(&topic, &returned[3]).unwrap(), "e-4");
    assert_eq!(topic.publish("x").unwrap().id(), "e-5");
    assert_eq!(stream.drain_data(), "4,x");
    let resumed = topic
        .stream(after("e-4"), FakeClock::new().ticker())
        .unwrap();
    assert_eq!(resumed.resumption(), Resumption::Exact);
    assert_eq!(topic.stats().lagged, 0);
}

#[test]
fn a_number_that_was_skipped_is_an_own_id_when_it_is_published_again() {
    let topic = topic(&FakeClock::new());
    let returned = returned();
    publish(&topic, &returned[3]).unwrap();
    assert_eq!(publish(&topic, &returned[1]).unwrap(), "e-2");
    assert_eq!(topic.publish("x").unwrap().id(), "e-6", "its position is 5");
    assert_eq!(replay(&topic, after("e-2")), "x");
    assert_eq!(replay(&topic, Start::Oldest), "4,2,x");
}

#[test]
fn a_number_whose_message_is_kept_is_a_duplicate() {
    let topic = topic(&FakeClock::new());
    let returned = returned();
    publish_all(&topic, &["a"]);
    for message in [&returned[0], &returned[2], &returned[2]] {
        let before = topic.stats().published;
        let published = publish(&topic, message);
        if topic.stats().published == before {
            assert!(matches!(published, Err(PublishError::DuplicateId(_))));
        }
    }
    assert_eq!(topic.stats().published, 2);
    assert_eq!(replay(&topic, Start::Oldest), "a,3");
}

#[test]
fn no_other_message_gets_the_number_of_a_scheduled_one() {
    let (clock, topic) = new_topic();
    let third = returned().swap_remove(2).after(secs(5));
    assert_eq!(publish(&topic, &third).unwrap(), "e-3");
    assert_eq!(topic.publish("x").unwrap().id(), "e-4");
    assert!(matches!(
        publish(&topic, &third),
        Err(PublishError::DuplicateId(_))
    ));
    clock.advance(secs(5));
    assert_eq!(replay(&topic, Start::Oldest), "x,3");
    assert_eq!(replay(&topic, after("e-4")), "3");
}

#[test]
fn a_topic_begins_with_its_first_number() {
    let clock = FakeClock::new();
    let topic = builder(&clock).first_number(1_000).build();
    let resume = |id| {
        topic
            .stream(after(id), FakeClock::new().ticker())
            .unwrap()
            .resumption()
    };
    assert_eq!(resume("e-999"), Resumption::Exact);
    assert_eq!(resume("e-998"), gap(None, GapCause::Evicted));
    assert_eq!(resume("e-1000"), gap(None, GapCause::Future));
    let mut stream = waiting(&topic, &clock);
    assert_eq!(topic.publish("a").unwrap().id(), "e-1000");
    assert_eq!(stream.data(), "a");
    assert_eq!(replay(&topic, Start::Last(5)), "a");
}
