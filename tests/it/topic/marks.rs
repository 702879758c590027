//! How a message with a tag reaches many streams and filters, some in each step.

use sse_queue::topic::Start;
use sse_queue::{FakeClock, Message, Pacing, Topic};

use crate::support::topic::{TopicStream, after, new_topic, publish_later, quiet_stream, waiting};
use crate::support::{Task, secs, settled};

fn tagged(topic: &Topic, tag: &str, data: &str) {
    topic.publish(Message::from(data).tag(tag)).unwrap();
}

fn reader(topic: &Topic, clock: &FakeClock, tags: &[&str]) -> Task<TopicStream> {
    let filter = topic.filter(tags.iter().copied()).unwrap();
    settled(quiet_stream(topic, clock, Start::Now).only(&filter))
}

/// Polls each stream that is woken, until none is.
fn run_woken(streams: &mut [Task<TopicStream>], read: &mut [String]) {
    while let Some(next) = streams.iter().position(|stream| stream.take_wakes() > 0) {
        read[next] += &streams[next].drain_data();
    }
}

#[test]
fn a_stream_that_polls_before_its_turn_is_woken_for_the_next_message() {
    let (clock, topic) = new_topic();
    let mut crowd: Vec<_> = (0..100).map(|_| reader(&topic, &clock, &["red"])).collect();
    let mut read = vec![String::new(); crowd.len()];
    tagged(&topic, "red", "1");
    let early = crowd.iter().position(|stream| !stream.is_woken()).unwrap();
    read[early] += &crowd[early].drain_data();
    run_woken(&mut crowd, &mut read);
    tagged(&topic, "red", "2");
    run_woken(&mut crowd, &mut read);
    assert!(read.iter().all(|read| read == "12"), "{read:?}");
}

#[test]
fn filters_whose_streams_do_not_wait_do_not_keep_a_message_from_one_that_does() {
    let (clock, topic) = new_topic();
    let mut paced: Vec<_> = (0..300)
        .map(|_| {
            let filter = topic.filter(["news"]).unwrap();
            let stream = quiet_stream(&topic, &clock, Start::Now).only(&filter);
            settled(stream.pacing(Pacing::spaced(secs(60))))
        })
        .collect();
    let mut read = vec![String::new(); paced.len()];
    let mut waits = reader(&topic, &clock, &["red"]);
    // The first goes out at once, and the second when the gap is over.
    for data in ["1", "2"] {
        tagged(&topic, "news", data);
        run_woken(&mut paced, &mut read);
    }
    tagged(&topic, "news", "3");
    tagged(&topic, "red", "r");
    let mut data = String::new();
    while waits.take_wakes() > 0 {
        data += &waits.drain_data();
    }
    assert_eq!(data, "r");
}

#[test]
fn a_filter_without_tags_hears_of_a_message_that_falls_due_before_the_first_tagged_one() {
    let (clock, topic) = new_topic();
    let mut keepers = [(); 2].map(|()| waiting(&topic, &clock));
    publish_later(&topic, "for all", secs(1));
    let red = Message::from("r").tag("red").after(secs(1));
    topic.publish(red).unwrap();
    for keeper in &mut keepers {
        keeper.assert_pending();
    }
    let mut none = reader(&topic, &clock, &[]);
    clock.advance(secs(1));
    assert!(!none.is_woken(), "it is no timekeeper");
    assert!(keepers[0].is_woken());
    assert_eq!(keepers[0].drain_data(), "for all,r");
    none.assert_woken_for("for all");
}

#[test]
fn what_is_published_before_a_filter_is_set_is_not_lost_after_an_empty_id() {
    for start in [after(""), Start::Last(0), Start::Now] {
        let (clock, topic) = new_topic();
        let red = topic.filter(["red"]).unwrap();
        let stream = quiet_stream(&topic, &clock, start.clone());
        tagged(&topic, "red", "r");
        let mut stream = Task::new(stream.only(&red));
        assert_eq!(stream.drain_data(), "r", "{start:?}");
    }
}
