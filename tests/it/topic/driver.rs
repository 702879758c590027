//! Drivers, which keep the time of a topic.

use std::task::Poll;
use std::time::{Duration, SystemTime};

use futures_core::Stream;
use sse_queue::topic::Start;
use sse_queue::{Clock, FakeClock, Topic};

use crate::support::topic::{
    builder, later, new_topic, publish_all, publish_brief, publish_later, quiet_stream, waiting,
};
use crate::support::{Task, secs};

fn driver(topic: &Topic, clock: &FakeClock) -> Task<impl Future<Output = ()> + use<>> {
    let mut driver = Task::new(topic.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    driver
}

#[test]
fn with_a_driver_no_stream_keeps_the_time() {
    let (clock, topic) = new_topic();
    let mut driver = driver(&topic, &clock);
    let mut streams = [(); 3].map(|()| waiting(&topic, &clock));
    publish_later(&topic, "x", secs(5));
    assert!(streams.iter().all(|stream| stream.take_wakes() == 0));
    assert_eq!(driver.take_wakes(), 1, "to arm for the due time");
    assert!(driver.poll().is_pending());
    assert_eq!(clock.next_deadline(), Some(secs(5)));
    clock.advance(secs(5));
    assert_eq!(driver.take_wakes(), 1);
    assert!(driver.poll().is_pending());
    for stream in &mut streams {
        stream.assert_woken_for("x");
    }
}

#[test]
fn streams_keep_the_time_again_when_the_driver_is_dropped() {
    let (clock, topic) = new_topic();
    let driver = driver(&topic, &clock);
    publish_later(&topic, "x", secs(5));
    let mut stream = waiting(&topic, &clock);
    drop(driver);
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_pending();
    clock.advance(secs(5));
    stream.assert_woken_for("x");
}

#[test]
fn a_driver_wakes_a_crowd_to_the_last_though_no_stream_is_polled() {
    let (clock, topic) = new_topic();
    let mut driver = driver(&topic, &clock);
    let streams: Vec<_> = (0..300).map(|_| waiting(&topic, &clock)).collect();
    publish_all(&topic, &["a"]);
    while driver.take_wakes() > 0 {
        assert!(driver.poll().is_pending());
    }
    assert!(streams.iter().all(|stream| stream.take_wakes() == 1));
}

/// ```text
/// s       0    2         10
/// a       |----expired
/// b       |--------------aged
/// ```
#[test]
fn a_driver_frees_what_expires_and_what_ages() {
    let clock = FakeClock::new();
    let topic = builder(&clock).history_age(secs(10)).build();
    let mut driver = driver(&topic, &clock);
    publish_brief(&topic, "a", secs(2));
    publish_all(&topic, &["b"]);
    for _ in 0..2 {
        assert_eq!(driver.take_wakes(), 1);
        assert!(driver.poll().is_pending());
        clock.advance(clock.next_deadline().unwrap());
    }
    assert!(driver.poll().is_pending());
    assert_eq!(
        clock.next_deadline(),
        None,
        "nothing is left that passes with time"
    );
    assert!(clock.now() > SystemTime::UNIX_EPOCH + secs(10));
}

#[test]
fn a_driver_does_not_end_before_it_has_woken_a_crowd_to_the_last() {
    let (clock, topic) = new_topic();
    let mut driver = driver(&topic, &clock);
    let last = later("x", secs(5)).expires_after(Duration::ZERO);
    topic.publish(last).unwrap();
    let streams: Vec<_> = (0..300).map(|_| waiting(&topic, &clock)).collect();
    drop(topic);
    clock.advance(secs(5));
    while driver.poll().is_pending() {
        assert!(driver.take_wakes() > 0);
    }
    assert!(streams.iter().all(|stream| stream.take_wakes() == 1));
}

/// `jump` moves the clock and not the ticker.
#[test]
fn a_driver_is_on_time_for_two_deadlines_less_than_a_millisecond_apart() {
    let (clock, topic) = new_topic();
    let mut driver = driver(&topic, &clock);
    let mut stream = waiting(&topic, &clock);
    publish_later(&topic, "a", Duration::from_millis(10));
    publish_later(&topic, "b", Duration::from_micros(10_300));
    for (data, after) in [("a", 10_000), ("b", 300)] {
        assert!(driver.poll().is_pending());
        assert_eq!(clock.next_deadline(), Some(Duration::from_micros(after)));
        clock.advance(Duration::from_micros(after));
        assert!(driver.take_wakes() > 0 && driver.poll().is_pending());
        stream.assert_woken_for(data);
    }
}

#[test]
fn a_driver_notices_a_jump_of_the_clock_within_half_a_minute() {
    let (clock, topic) = new_topic();
    publish_later(&topic, "x", secs(3600));
    let mut driver = driver(&topic, &clock);
    let mut stream = waiting(&topic, &clock);
    clock.jump(secs(3600));
    clock.advance(secs(30));
    assert_eq!(driver.take_wakes(), 1);
    assert!(driver.poll().is_pending());
    stream.assert_woken_for("x");
}

#[test]
fn of_two_drivers_either_keeps_the_time() {
    let (clock, topic) = new_topic();
    let mut drivers = [(); 2].map(|()| driver(&topic, &clock));
    let mut stream = waiting(&topic, &clock);
    publish_later(&topic, "x", secs(5));
    assert_eq!(drivers.each_ref().map(Task::take_wakes), [1, 1]);
    let [_, second] = &mut drivers;
    assert!(second.poll().is_pending());
    clock.advance(secs(5));
    assert_eq!(second.take_wakes(), 1);
    assert!(second.poll().is_pending());
    stream.assert_woken_for("x");
}

#[test]
fn a_driver_ends_with_the_topic() {
    let (clock, topic) = new_topic();
    let mut closed = driver(&topic, &clock);
    publish_later(&topic, "x", secs(5));
    topic.close();
    assert!(closed.take_wakes() > 0);
    assert!(closed.poll().is_ready());
    assert_eq!(clock.next_deadline(), None);

    let topic = builder(&clock).build();
    let mut left = driver(&topic, &clock);
    publish_later(&topic, "x", secs(5));
    drop(topic);
    assert!(left.poll().is_pending(), "a message is still to come");
    clock.advance(secs(5));
    assert!(left.poll().is_ready());
}

#[test]
fn wakers_may_use_the_topic_as_they_are_woken_and_dropped() {
    let (clock, topic) = new_topic();
    let nosy = || std::task::Waker::from(std::sync::Arc::new(Nosy(topic.clone())));
    let mut stream = Box::pin(quiet_stream(&topic, &clock, Start::Now));
    let mut driver = Box::pin(topic.drive(clock.ticker()));
    for _ in 0..3 {
        let waker = nosy();
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(stream.as_mut().poll_next(&mut cx).is_pending());
        assert!(driver.as_mut().poll(&mut cx).is_pending());
    }
    publish_all(&topic, &["a"]);
    let waker = nosy();
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(matches!(
        stream.as_mut().poll_next(&mut cx),
        Poll::Ready(Some(_))
    ));
    assert_eq!(stream.as_mut().next_ready_pinned(), None);
}

/// Uses its topic when it is woken and when it is dropped.
struct Nosy(Topic);

impl std::task::Wake for Nosy {
    fn wake(self: std::sync::Arc<Self>) {
        assert!(self.0.stats().streams > 0);
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        let _ = self.0.stats();
    }
}
