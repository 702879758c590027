//! Streams and drivers that keep the time.

use crate::support::topic::{new_topic, publish_all, publish_later, waiting};
use crate::support::{Task, secs};

/// ```text
/// s      0     1          2
/// first        woken
/// second                  woken, and all others
/// ```
#[test]
fn a_timekeeper_that_is_not_polled_delays_the_others_by_one_second() {
    let (clock, topic) = new_topic();
    publish_later(&topic, "x", secs(1));
    let first = waiting(&topic, &clock);
    let [mut second, mut third] = [(); 2].map(|()| waiting(&topic, &clock));
    clock.advance(secs(1));
    assert_eq!(
        [first.take_wakes(), second.take_wakes(), third.take_wakes()],
        [1, 0, 0]
    );
    clock.advance(secs(1));
    second.assert_woken_for("x");
    third.assert_woken_for("x");
}

#[test]
fn each_further_timekeeper_that_is_not_polled_delays_its_message_by_as_long_again() {
    let (clock, topic) = new_topic();
    publish_later(&topic, "x", secs(1));
    let mut streams = [(); 4].map(|()| waiting(&topic, &clock));
    for stuck in 0..2 {
        clock.advance(secs(2));
        for stream in &mut streams[stuck + 1..] {
            stream.assert_sends("x");
        }
        publish_later(&topic, "x", secs(1));
        streams[stuck + 1..]
            .iter_mut()
            .for_each(Task::assert_pending);
    }
}

#[test]
fn streams_that_were_woken_to_keep_the_time_and_are_not_polled_are_replaced() {
    let (clock, topic) = new_topic();
    let mut streams = [(); 4].map(|()| waiting(&topic, &clock));
    publish_later(&topic, "x", secs(5));
    let woken = streams.each_ref().map(Task::take_wakes);
    assert_eq!(woken.iter().sum::<usize>(), 2);
    clock.advance(secs(1));
    publish_later(&topic, "y", secs(60));
    for (stream, wakes) in streams.iter_mut().zip(woken) {
        assert_eq!(
            stream.take_wakes(),
            1 - wakes,
            "the other streams are woken instead"
        );
        if wakes == 0 {
            stream.assert_pending();
        }
    }
    clock.advance(secs(4));
    assert_eq!(streams.iter().map(Task::take_wakes).sum::<usize>(), 1);
}

/// All have read what was there, and have registered their wakers as they did.
#[test]
fn streams_that_keep_up_keep_the_time() {
    let (clock, topic) = new_topic();
    let mut streams = [(); 5].map(|()| waiting(&topic, &clock));
    for _ in 0..3 {
        publish_all(&topic, &["a"]);
        for stream in &mut streams {
            stream.assert_sends("a");
        }
    }
    publish_later(&topic, "x", secs(5));
    for stream in streams.iter_mut().filter(|stream| stream.take_wakes() > 0) {
        stream.assert_pending();
    }
    publish_all(&topic, &["b"]);
    for stream in &mut streams {
        stream.assert_sends("b");
    }
    assert_eq!(clock.next_deadline(), Some(secs(5)));
    clock.advance(secs(5));
    let keeper = streams
        .iter_mut()
        .find(|stream| stream.take_wakes() > 0)
        .unwrap();
    assert_eq!(keeper.data(), "x");
    assert!(streams.iter_mut().all(|stream| stream.drain_data() != "b"));
}
