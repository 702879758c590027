//! Keep-alive and first bytes.

use std::task::Poll;
use std::time::Duration;

use sse_queue::stream::KeepAlive;
use sse_queue::{Event, FakeClock, Pacing};

use super::PACINGS;
use crate::support::queue::{new_queue, queue, quiet_stream};
use crate::support::{Task, ms, secs, settled, without_first_bytes};

/// ```text
/// s      0    10         24..25     37..40
/// sent   :    a          :          :
/// ```
#[test]
fn a_keep_alive_comes_a_period_or_up_to_a_tenth_less_after_the_last_byte() {
    for seed in 0..50 {
        let (clock, queue) = new_queue();
        let stream = queue.stream(clock.ticker()).unwrap().seed(seed);
        let mut stream = Task::new(stream);
        assert_eq!(stream.bytes(), ":\n");
        stream.assert_pending();
        clock.advance(secs(10));
        queue.push("a").unwrap();
        stream.assert_sends("a");
        for _ in 0..3 {
            let last = clock.elapsed();
            while stream.poll_next().is_pending() {
                clock.advance_to_next().unwrap();
            }
            let quiet = clock.elapsed().checked_sub(last).unwrap();
            assert!(ms(13_500) <= quiet && quiet <= secs(15), "{quiet:?}");
            stream.assert_pending();
        }
    }
}

#[test]
fn keep_alives_of_a_crowd_do_not_fall_into_step() {
    let (clock, queue) = new_queue();
    let mut streams: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = Task::new(queue.stream(clock.ticker()).unwrap());
            assert_eq!(stream.bytes(), ":\n");
            stream.assert_pending();
            stream
        })
        .collect();
    let mut most = 0;
    while clock.elapsed() < secs(60) && clock.advance_to_next().is_some() {
        let woken = streams.iter_mut().filter(|stream| stream.take_wakes() > 0);
        let mut sent = 0;
        for stream in woken {
            assert_eq!(stream.bytes(), ":\n");
            stream.assert_pending();
            sent += 1;
        }
        most = most.max(sent);
    }
    assert!(most < 10, "{most} at one time");
}

#[test]
fn no_keep_alive_is_sent_while_data_flows() {
    let (clock, queue) = new_queue();
    let stream = quiet_stream(&queue, &clock).keep_alive(KeepAlive::comment(secs(2)));
    let mut stream = settled(stream);
    for _ in 0..100 {
        clock.advance(secs(1));
        queue.push("x").unwrap();
        stream.assert_sends("x");
    }
}

/// ```text
/// s      0     15     30 ...  60
/// sent   a     :      :       b
/// ```
#[test]
fn a_stream_in_a_long_gap_or_before_a_far_tick_sends_keep_alives() {
    for ticked in [false, true] {
        let (clock, queue) = new_queue();
        let stream = quiet_stream(&queue, &clock).keep_alive(KeepAlive::default());
        let stream = if ticked {
            stream.pacing(Pacing::every(secs(60)))
        } else {
            stream.pacing(Pacing::spaced(secs(60)))
        };
        let mut stream = Task::new(stream);
        queue.push("a").unwrap();
        if ticked {
            stream.assert_pending();
        } else {
            stream.assert_sends("a");
            queue.push("b").unwrap();
        }
        for _ in 0..3 {
            let quiet = clock.advance_to_next().unwrap();
            assert!(ms(13_500) <= quiet && quiet <= secs(15), "{quiet:?}");
            assert_eq!(stream.bytes(), ":\n");
            stream.assert_pending();
        }
        clock.advance(secs(60).checked_sub(clock.elapsed()).unwrap());
        assert_eq!(stream.data(), if ticked { "a" } else { "b" });
    }
}

#[test]
fn a_keep_alive_event_has_no_id() {
    let (clock, queue) = new_queue();
    let event = Event::new("1").name("ping").unwrap();
    let keep_alive = KeepAlive::event(secs(5), event).unwrap();
    let mut stream = settled(quiet_stream(&queue, &clock).keep_alive(keep_alive));
    clock.advance(secs(5));
    assert_eq!(stream.bytes(), "event: ping\ndata: 1\n\n");
    assert!(KeepAlive::event(secs(5), Event::new("").id("").unwrap()).is_err());
}

#[test]
fn a_keep_alive_of_any_period_is_harmless() {
    for period in [Duration::ZERO, Duration::MAX, Duration::from_secs(u64::MAX)] {
        let clock = FakeClock::new();
        clock.advance(secs(1));
        let queue = queue(&clock);
        let stream = quiet_stream(&queue, &clock).keep_alive(KeepAlive::comment(period));
        let mut stream = settled(stream);
        clock.advance(secs(100));
        stream.assert_pending();
    }
}

#[test]
fn the_first_poll_yields_bytes_at_every_pacing_and_they_are_no_message() {
    for pacing in PACINGS {
        let (clock, queue) = new_queue();
        queue.push("x").unwrap();
        let mut stream = Task::new(queue.stream(clock.ticker()).unwrap().pacing(pacing));
        assert_eq!(stream.bytes(), ":\n");
        let with_retry = queue.stream(clock.ticker()).unwrap().retry(ms(1500));
        assert_eq!(
            Task::new(with_retry.pacing(pacing)).bytes(),
            "retry: 1500\n"
        );
        let bare = without_first_bytes(queue.stream(clock.ticker()).unwrap());
        match Task::new(bare.pacing(pacing)).poll_next() {
            Poll::Ready(Some(bytes)) => assert_eq!(bytes, "id: e-1\ndata: x\n\n"),
            other => assert!(other.is_pending()),
        }
    }
}
