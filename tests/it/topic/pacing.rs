//! Paced streams of a topic.

use sse_queue::topic::Start;
use sse_queue::{Message, Pacing};

use crate::support::topic::{
    new_topic, publish_all, publish_brief, publish_later, publish_numbers, quiet_stream, reader,
};
use crate::support::{Task, ms, secs, settled};

fn numbers(range: core::ops::RangeInclusive<u64>) -> String {
    let numbers: Vec<_> = range.map(|number| number.to_string()).collect();
    numbers.join(",")
}

/// ```text
/// ms         0    1..9        10                 20
/// published  0    1 to 999
/// sent       0                1 to 999, at once  -
/// ```
#[test]
fn spaced_sends_all_that_came_in_one_burst_however_many_blocks_it_fills() {
    let (clock, topic) = new_topic();
    let mut stream =
        settled(quiet_stream(&topic, &clock, Start::Now).pacing(Pacing::spaced(ms(10))));
    publish_numbers(&topic, 0..=0);
    stream.assert_sends("0");
    publish_numbers(&topic, 1..=999);
    stream.assert_pending();
    clock.advance(ms(10));
    assert_eq!(stream.drain_data(), numbers(1..=999));
    publish_numbers(&topic, 1_000..=1_000);
    stream.assert_pending();
    clock.advance(ms(10));
    assert_eq!(stream.data(), "1000");
}

#[test]
fn a_burst_is_what_was_there_when_it_began() {
    let (clock, topic) = new_topic();
    let mut stream =
        settled(quiet_stream(&topic, &clock, Start::Now).pacing(Pacing::spaced(ms(10))));
    publish_numbers(&topic, 1..=100);
    let first = stream.data();
    assert!(!first.ends_with(",100"), "more than one block");
    publish_numbers(&topic, 101..=101);
    assert_eq!(format!("{first},{}", stream.drain_data()), numbers(1..=100));
    clock.advance(ms(10));
    assert_eq!(stream.data(), "101");
}

/// ```text
/// ms    0               1               10
///       64 of 100 sent  rest expires    b
///                         b?
/// ```
#[test]
fn a_burst_whose_rest_expired_is_over_and_has_its_gap() {
    let (clock, topic) = new_topic();
    let mut stream =
        settled(quiet_stream(&topic, &clock, Start::Now).pacing(Pacing::spaced(ms(10))));
    for number in 1..=100_u64 {
        let message = Message::from(number.to_string()).expires_after(ms(1));
        topic.publish(message).unwrap();
    }
    assert!(stream.data().starts_with("1,2,"));
    clock.advance(ms(1));
    stream.assert_pending();
    topic.publish("b").unwrap();
    stream.assert_pending();
    clock.advance(ms(10));
    assert_eq!(stream.data(), "b");
}

#[test]
fn a_burst_on_a_grid_whose_rest_expired_is_over() {
    let (clock, topic) = new_topic();
    let stream = quiet_stream(&topic, &clock, Start::Now).pacing(Pacing::every(secs(1)).batch(100));
    let mut stream = settled(stream);
    for number in 1..=100_u64 {
        let message = Message::from(number.to_string()).expires_after(ms(1_500));
        topic.publish(message).unwrap();
    }
    stream.assert_pending();
    clock.advance(secs(1));
    assert!(stream.data().starts_with("1,2,"));
    clock.advance(ms(600));
    stream.assert_pending();
    topic.publish("b").unwrap();
    stream.assert_pending();
    clock.advance(ms(400));
    assert_eq!(stream.data(), "b");
}

/// ```text
/// s      0    0.5       1      1.5   2    10
/// x, y   x    x expires nothing            y due
/// b                            b     sent
/// ```
#[test]
fn a_tick_that_sends_nothing_keeps_the_grid() {
    let (clock, topic) = new_topic();
    let mut stream =
        settled(quiet_stream(&topic, &clock, Start::Now).pacing(Pacing::every(secs(1))));
    publish_brief(&topic, "x", ms(500));
    publish_later(&topic, "y", secs(10));
    stream.assert_pending();
    clock.advance(secs(1));
    stream.assert_pending();
    clock.advance(ms(500));
    topic.publish("b").unwrap();
    stream.assert_pending();
    clock.advance(ms(500));
    assert_eq!(stream.data(), "b");
}

#[test]
fn a_batch_on_a_grid_crosses_the_borders_of_blocks() {
    let (clock, topic) = new_topic();
    let stream = quiet_stream(&topic, &clock, Start::Now).pacing(Pacing::every(secs(1)).batch(150));
    let mut stream = settled(stream);
    publish_numbers(&topic, 1..=400);
    stream.assert_pending();
    for range in [1..=150, 151..=300, 301..=400] {
        clock.advance(secs(1));
        assert_eq!(stream.drain_data(), numbers(range));
    }
}

#[test]
fn a_chunk_holds_whole_frames_up_to_the_limits() {
    let (clock, topic) = new_topic();
    publish_all(&topic, &["a", "b", "c", "d", "e"]);
    let start = || quiet_stream(&topic, &clock, Start::Oldest);
    let mut small = Task::new(start().max_chunk_bytes(2 * "id: e-1\ndata: a\n\n".len()));
    assert_eq!(small.data(), "a,b");
    assert_eq!(small.data(), "c,d");
    let mut tiny = Task::new(start().max_chunk_bytes(1));
    assert_eq!(tiny.data(), "a");
    let mut few = Task::new(start().pacing(Pacing::immediate().batch(3)));
    assert_eq!((few.data(), few.data()), ("a,b,c".into(), "d,e".into()));
}

#[test]
fn a_frame_larger_than_a_chunk_goes_alone() {
    let (clock, topic) = new_topic();
    let large = "x".repeat(100_000);
    publish_all(&topic, &["a", &large, "b"]);
    let mut stream = reader(&topic, &clock, Start::Oldest);
    assert_eq!(stream.data(), "a");
    assert_eq!(stream.data().len(), 100_000);
    assert_eq!(stream.data(), "b");
}
