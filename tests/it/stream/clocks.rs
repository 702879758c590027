//! Clocks that jump, and clocks that differ.

use std::time::Duration;

use sse_queue::{FakeClock, Pacing, Queue};

use crate::support::clock::Counting;
use crate::support::queue::{new_queue, push_later, quiet_stream, waiting};
use crate::support::{ms, secs, settled};

/// ```text
/// world    0 ----- 5 | jump to 1 h
/// ticker   0 ----- 5 ------ 6 ------ 7
/// ```
#[test]
fn a_jump_of_the_world_neither_stalls_nor_bursts_a_grid() {
    let (clock, queue) = new_queue();
    let mut stream = settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(1))));
    for n in 0..100 {
        queue.push(n.to_string()).unwrap();
    }
    stream.assert_pending();
    for n in 0..10 {
        assert_eq!(clock.advance_to_next(), Some(secs(1)));
        assert_eq!(stream.data(), n.to_string());
        stream.assert_pending();
        clock.jump(secs(3600));
        stream.assert_pending();
    }
}

/// A laptop sleeps, or NTP steps the clock.
#[test]
fn a_jump_over_a_due_time_is_noticed_within_30_seconds() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    push_later(&queue, "x", secs(3600));
    stream.assert_pending();
    stream.take_wakes();
    clock.jump(secs(3600));
    clock.advance(secs(30));
    stream.assert_woken_for("x");
}

#[test]
fn a_jump_over_a_due_time_is_noticed_at_the_next_poll() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    push_later(&queue, "x", secs(60));
    stream.assert_pending();
    clock.jump(secs(60));
    queue.push("y").unwrap();
    assert_eq!(stream.data(), "x,y");
}

/// A tick that is armed for a due time comes too early.
#[test]
fn a_clock_slower_than_its_ticker_makes_messages_late_and_never_spins() {
    for percent in [99, 90, 50, 10] {
        for ticked in [false, true] {
            let clock = FakeClock::new();
            let slower = Counting::new(&clock).percent(percent);
            let queue = Queue::builder().clock(slower.clone()).build();
            let stream = quiet_stream(&queue, &clock);
            let stream = if ticked {
                stream.pacing(Pacing::every(ms(7)))
            } else {
                stream
            };
            let mut stream = settled(stream);
            push_later(&queue, "x", ms(1000));
            stream.assert_pending();
            slower.reads();
            let due = secs(100) / percent;
            while clock.elapsed() < secs(20) {
                let by = clock.advance_to_next().unwrap();
                assert!(by > Duration::ZERO);
                if stream.poll_next().is_ready() {
                    break;
                }
            }
            let late = clock.elapsed().checked_sub(due).unwrap();
            assert!(late <= ms(1100), "{percent} % {late:?}");
            let reads = slower.reads();
            assert!(reads < 400, "{percent} % {reads}");
        }
    }
}

#[test]
fn a_clock_that_stands_still_costs_few_polls() {
    let clock = FakeClock::new();
    let still = Counting::new(&clock).percent(0);
    let queue = Queue::builder().clock(still.clone()).build();
    let mut stream = waiting(&queue, &clock);
    let brief = Duration::from_nanos(1);
    push_later(&queue, "x", brief);
    stream.assert_pending();
    still.reads();
    while clock.elapsed() < secs(3600) {
        assert!(clock.advance_to_next().is_some());
        stream.assert_pending();
    }
    // About one a second.
    assert!(still.reads() < 4_000);
}

#[test]
fn a_wait_for_a_deadline_is_armed_for_at_most_30_seconds() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    push_later(&queue, "x", secs(70));
    stream.assert_pending();
    for wait in [secs(30), secs(30), secs(10)] {
        stream.assert_pending();
        assert_eq!(clock.advance_to_next(), Some(wait));
    }
    assert_eq!(stream.data(), "x");
}
