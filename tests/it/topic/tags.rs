//! Streams that want some tags.

use std::time::Duration;

use sse_queue::topic::{Filter, GapCause, Lag, Resumption, Start, TooManyTags};
use sse_queue::{Event, FakeClock, Message, Pacing, Topic};

use crate::support::topic::{TopicStream, after, builder, gap, new_topic, quiet_stream, topic};
use crate::support::{Task, ms, secs, settled};

fn tagged(topic: &Topic, tag: &str, data: &str) {
    topic.publish(Message::from(data).tag(tag)).unwrap();
}

fn only(topic: &Topic, clock: &FakeClock, start: Start, tags: &[&str]) -> TopicStream {
    let filter = topic.filter(tags.iter().copied()).unwrap();
    quiet_stream(topic, clock, start).only(&filter)
}

fn reader(topic: &Topic, clock: &FakeClock, tags: &[&str]) -> Task<TopicStream> {
    settled(only(topic, clock, Start::Now, tags))
}

#[test]
fn a_message_wakes_only_the_streams_that_want_it() {
    let (clock, topic) = new_topic();
    let mut red = reader(&topic, &clock, &["red"]);
    let mut both = reader(&topic, &clock, &["red", "blue"]);
    let mut none = reader(&topic, &clock, &[]);
    let mut all = settled(quiet_stream(&topic, &clock, Start::Now));

    tagged(&topic, "blue", "b");
    assert!(!red.is_woken() && !none.is_woken());
    both.assert_woken_for("b");
    all.assert_woken_for("b");
    red.assert_pending();

    topic.publish("for all").unwrap();
    for stream in [&mut red, &mut both, &mut none, &mut all] {
        stream.assert_woken_for("for all");
    }
}

#[test]
fn a_crowd_that_wants_a_tag_is_woken_64_at_a_time_and_no_other_stream_is() {
    let (clock, topic) = new_topic();
    let others: Vec<_> = (0..500)
        .map(|_| reader(&topic, &clock, &["other"]))
        .collect();
    let mut crowd: Vec<_> = (0..300).map(|_| reader(&topic, &clock, &["red"])).collect();
    tagged(&topic, "red", "r");
    let woken = |crowd: &[Task<TopicStream>]| crowd.iter().filter(|one| one.is_woken()).count();
    assert_eq!(woken(&crowd), 64);

    while let Some(next) = crowd.iter().position(Task::is_woken) {
        let mut stream = crowd.swap_remove(next);
        stream.assert_woken_for("r");
    }
    assert!(crowd.is_empty(), "each stream that is polled wakes others");
    assert_eq!(woken(&others), 0);
}

#[test]
fn two_messages_in_a_row_reach_the_whole_crowd() {
    let (clock, topic) = new_topic();
    let mut crowd: Vec<_> = (0..200).map(|_| reader(&topic, &clock, &["red"])).collect();
    tagged(&topic, "red", "one");
    let first = crowd.iter().position(Task::is_woken).unwrap();
    crowd[first].assert_woken_for("one");
    crowd[first].assert_pending();
    tagged(&topic, "red", "two");
    let mut read = vec![String::new(); crowd.len()];
    read[first].push_str("one");
    while let Some(next) = crowd.iter().position(|stream| stream.take_wakes() > 0) {
        read[next] += &crowd[next].drain_data();
    }
    assert!(read.iter().all(|read| read.replace(',', "") == "onetwo"));
}

#[test]
fn a_tag_that_is_added_applies_to_what_comes_later() {
    let (clock, topic) = new_topic();
    let rooms = topic.filter(["red"]).unwrap();
    let mut stream = settled(quiet_stream(&topic, &clock, Start::Now).only(&rooms));
    tagged(&topic, "blue", "before");
    assert_eq!(rooms.insert("blue"), Ok(true));
    assert!(!stream.is_woken());
    tagged(&topic, "blue", "after");
    stream.assert_woken_for("after");

    tagged(&topic, "blue", "unread");
    assert!(rooms.remove("blue"));
    tagged(&topic, "red", "r");
    assert_eq!(stream.drain_data(), "r");
}

#[test]
fn a_stream_that_lags_loses_nothing_when_a_tag_is_added() {
    let (clock, topic) = new_topic();
    let rooms = topic.filter(["red"]).unwrap();
    let mut stream = settled(quiet_stream(&topic, &clock, Start::Now).only(&rooms));
    tagged(&topic, "red", "r1");
    tagged(&topic, "blue", "unheard");
    rooms.insert("blue").unwrap();
    tagged(&topic, "blue", "b");
    tagged(&topic, "red", "r2");
    assert_eq!(stream.drain_data(), "r1,b,r2");
}

#[test]
fn streams_share_a_filter_and_see_its_changes() {
    let (clock, topic) = new_topic();
    let rooms = topic.filter(["red"]).unwrap();
    let open = || settled(quiet_stream(&topic, &clock, Start::Now).only(&rooms));
    let (mut one, mut two) = (open(), open());
    rooms.clone().insert("blue").unwrap();
    tagged(&topic, "blue", "b");
    one.assert_woken_for("b");
    two.assert_woken_for("b");
}

#[test]
fn a_filter_counts_and_names_its_tags() {
    let (_, topic) = new_topic();
    let filter: Filter = topic.filter(["red", "blue", "red"]).unwrap();
    let names: Vec<String> = filter.tags().map(|tag| tag.to_string()).collect();
    assert_eq!(names, ["blue", "red"]);
    for number in filter.tags().len()..Filter::MAX_TAGS {
        assert_eq!(filter.insert(number.to_string()), Ok(true));
    }
    let refused: TooManyTags = filter.insert("one more").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "filter has all 1024 tags that it may have"
    );
    assert_eq!(filter.insert("red"), Ok(false));
    assert!(!filter.contains("one more"));
}

#[test]
fn a_client_resumes_exactly_if_only_messages_for_others_were_evicted() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(3).build();
    tagged(&topic, "red", "1");
    for _ in 0..10 {
        tagged(&topic, "blue", "other");
    }
    tagged(&topic, "red", "12");
    let mut stream = Task::new(only(&topic, &clock, after("e-1"), &["red"]));
    assert_eq!(stream.inner.resumption(), Resumption::Exact);
    assert_eq!(stream.drain_data(), "12");
    assert_eq!(topic.stats().gaps, 0);

    let blue = only(&topic, &clock, after("e-1"), &["blue"]);
    assert_eq!(blue.resumption(), gap(Some(8), GapCause::Evicted));
    let green = only(&topic, &clock, after("e-1"), &["green"]);
    assert_eq!(
        green.resumption(),
        Resumption::Exact,
        "a tag that nobody has used"
    );
    assert_eq!(topic.stats().gaps, 1);
}

#[test]
fn a_slow_stream_learns_how_many_of_its_messages_it_missed() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(4).build();
    let mut red = reader(&topic, &clock, &["red"]);
    for number in 0..5 {
        tagged(&topic, "red", &format!("r{number}"));
        tagged(&topic, "blue", &format!("b{number}"));
    }
    assert_eq!(
        red.bytes(),
        "event: gap\ndata: {\"missed\":3,\"cause\":\"evicted\"}\n\n"
    );
    assert_eq!(red.drain_data(), "r3,r4");

    let ends = only(&topic, &clock, Start::Now, &["red"]).lag(Lag::End);
    let mut ends = settled(ends);
    for _ in 0..9 {
        tagged(&topic, "blue", "b");
    }
    ends.assert_pending();
    for _ in 0..5 {
        tagged(&topic, "red", "r");
    }
    ends.assert_ended();
}

#[test]
fn an_own_id_leads_back_to_its_place_although_what_followed_was_for_others() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history(4).build();
    let own = Event::new("r").id("order-42").unwrap();
    topic.publish(Message::new(own).tag("red")).unwrap();
    for _ in 0..4 {
        tagged(&topic, "blue", "b");
    }
    let stream = only(&topic, &clock, after("order-42"), &["red"]);
    assert_eq!(stream.resumption(), Resumption::Exact);
}

#[test]
fn the_last_messages_are_counted_among_those_that_the_stream_wants() {
    let (clock, topic) = new_topic();
    topic.publish("untagged").unwrap();
    for number in 0..300 {
        let tag = if number % 100 == 0 { "red" } else { "blue" };
        tagged(&topic, tag, &number.to_string());
    }
    let last = |count, tags: &[&str]| {
        Task::new(only(&topic, &clock, Start::Last(count), tags)).drain_data()
    };
    assert_eq!(last(2, &["red"]), "100,200");
    assert_eq!(last(9, &["red"]), "untagged,0,100,200");
    assert_eq!(last(0, &["red"]), "");
    assert_eq!(last(150, &["blue"]).split(',').count(), 150);
    assert_eq!(last(3, &["red", "blue"]), "297,298,299");
}

#[test]
fn a_closed_topic_is_complete_for_whoever_has_seen_what_is_for_them() {
    let (clock, topic) = new_topic();
    tagged(&topic, "red", "r");
    tagged(&topic, "blue", "b");
    topic.close();
    let resumption = |tags: &[&str]| only(&topic, &clock, after("e-1"), tags).resumption();
    assert_eq!(resumption(&["red"]), Resumption::Complete);
    assert_eq!(resumption(&["blue"]), Resumption::Exact);
    let mut red = Task::new(only(&topic, &clock, Start::Oldest, &["red"]));
    assert_eq!(red.data(), "r");
    red.assert_ended();
}

#[test]
fn a_tick_takes_as_many_messages_as_the_stream_wants() {
    let (clock, topic) = new_topic();
    let pacing = Pacing::every(ms(100)).batch(2);
    let mut stream = settled(only(&topic, &clock, Start::Now, &["red"]).pacing(pacing));
    for number in 0..6 {
        tagged(&topic, "red", &number.to_string());
        tagged(&topic, "blue", "other");
    }
    for pair in ["0,1", "2,3", "4,5"] {
        stream.assert_pending();
        clock.advance(ms(100));
        assert_eq!(stream.drain_data(), pair);
    }
}

#[test]
fn a_burst_of_a_spaced_stream_is_all_that_it_wants() {
    let (clock, topic) = new_topic();
    let pacing = Pacing::spaced(ms(100));
    let mut stream = settled(only(&topic, &clock, Start::Now, &["red"]).pacing(pacing));
    tagged(&topic, "red", "first");
    stream.assert_sends("first");
    for number in 0..200 {
        tagged(&topic, "red", &number.to_string());
        tagged(&topic, "blue", "other");
    }
    stream.assert_pending();
    clock.advance(ms(100));
    assert_eq!(stream.drain_data().split(',').count(), 200);
}

#[test]
fn a_scheduled_message_keeps_its_tag_and_key() {
    let (clock, topic) = new_topic();
    let mut red = reader(&topic, &clock, &["red"]);
    let mut blue = reader(&topic, &clock, &["blue"]);
    let message = Message::from("r").tag("red").key("k").after(secs(5));
    topic.publish(message).unwrap();
    let taken = topic.take_remaining().remove(0);
    assert_eq!((taken.tag(), taken.key()), (Some("red"), Some("k")));
    topic.publish(taken).unwrap();
    blue.assert_pending();
    red.assert_pending();
    clock.advance(Duration::from_secs(5));
    red.assert_sends("r");
    blue.assert_pending();
}

#[test]
#[should_panic(expected = "the filter belongs to another topic")]
fn a_filter_of_another_topic_is_refused() {
    let (clock, one) = new_topic();
    let filter = topic(&clock).filter(["red"]).unwrap();
    let _ = quiet_stream(&one, &clock, Start::Now).only(&filter);
}

#[test]
fn tags_count_towards_the_bound_in_bytes() {
    let (_, topic) = new_topic();
    topic.publish("x").unwrap();
    let plain = topic.stats().bytes;
    tagged(&topic, "red", "x");
    assert_eq!(topic.stats().bytes, 2 * plain + "red".len() + 64 + 192);
    topic
        .publish(Message::from("x").tag("red").key("key"))
        .unwrap();
    let labels = 2 * ("red".len() + 64) + 192 + "key".len() + 64;
    assert_eq!(topic.stats().bytes, 3 * plain + labels);
    topic.publish(Message::from("x").key("key")).unwrap();
    let labels = "red".len() + 64 + 192 + "key".len() + 64 + 32;
    assert_eq!(
        topic.stats().bytes,
        3 * plain + labels,
        "the older one has left"
    );
}

#[test]
fn a_stream_stops_relying_on_its_filter_when_it_is_dropped() {
    let (clock, topic) = new_topic();
    for _ in 0..3 {
        let stream = reader(&topic, &clock, &["red"]);
        tagged(&topic, "red", "r");
        assert!(stream.is_woken());
    }
    assert_eq!(topic.stats().streams, 0);
    tagged(&topic, "red", "nobody");
    let mut all = Task::new(quiet_stream(&topic, &clock, Start::Oldest));
    assert_eq!(all.drain_data(), "r,r,r,nobody");
}
