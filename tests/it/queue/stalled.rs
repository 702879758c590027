//! Streams and drivers that are woken and not polled: how long the others wait.

use sse_queue::{Event, FakeClock, Lease, Pacing};

use crate::support::queue::{builder, new_queue, push_later, quiet_stream, reader, waiting};
use crate::support::{Task, ms, pass, run, secs};

#[test]
fn a_comment_for_a_full_stream_that_stalls_goes_to_another_full_one_within_a_second() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(3_600));
    let queue = builder(&clock).at_least_once(lease).build();
    let mut streams = [(); 2].map(|()| waiting(&queue, &clock));
    for stream in &mut streams {
        queue.push("job").unwrap();
        stream.bytes();
        stream.assert_pending();
    }
    run(&mut streams);
    clock.advance(secs(5));
    run(&mut streams);
    queue.push(Event::comment("news")).unwrap();
    let [stalled, other] = streams;
    assert!(stalled.is_woken());
    assert_eq!(pass(&clock, secs(1), &mut [other]).len(), 1);
}

#[test]
fn a_driver_polls_about_once_a_second_while_a_stream_stalls() {
    let (clock, queue) = new_queue();
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    let stalled = waiting(&queue, &clock);
    queue.push("x").unwrap();
    assert!(stalled.is_woken());
    let mut polls = 0;
    let end = clock.elapsed() + secs(10);
    while clock.elapsed() < end {
        if driver.take_wakes() > 0 {
            polls += 1;
            assert!(driver.poll().is_pending());
        }
        let Some(next) = clock.next_deadline() else {
            break;
        };
        clock.advance(next.max(ms(1)));
    }
    assert!(polls <= 12, "{polls} polls in 10 s");
}

#[test]
fn a_stream_that_waits_beside_a_stalled_one_comes_to_rest() {
    let (clock, queue) = new_queue();
    let stalled = waiting(&queue, &clock);
    queue.push("x").unwrap();
    assert!(stalled.is_woken());
    clock.advance(secs(2));
    let mut other = reader(&queue, &clock);
    other.assert_sends("x");
    let mut polls = 0;
    while other.take_wakes() > 0 && polls < 1_000 {
        polls += 1;
        other.assert_pending();
    }
    assert!(polls <= 2, "{polls} polls at one moment");
}

/// It is polled without a waker, twice a second.
#[test]
fn a_ticked_stream_polled_by_hand_gets_what_a_stalled_one_was_woken_for() {
    let (clock, queue) = new_queue();
    let mut by_hand = quiet_stream(&queue, &clock).pacing(Pacing::every(secs(1)));
    assert_eq!(by_hand.next_ready(), None);
    let stalled = waiting(&queue, &clock);
    queue.push("x").unwrap();
    assert!(stalled.is_woken());
    let mut taken = None;
    for _ in 0..8 {
        clock.advance(ms(500));
        taken = taken.or(by_hand.next_ready());
    }
    assert!(taken.is_some(), "4 s later");
}

/// ```text
/// s       0                   0.3              10        11
/// first   armed for 10        stalls           due
/// second  armed for 11        is dropped
/// third                                                  gets it
/// ```
#[test]
fn a_second_timekeeper_that_is_dropped_is_replaced() {
    let (clock, queue) = new_queue();
    let mut streams: Vec<_> = (0..3).map(|_| waiting(&queue, &clock)).collect();
    push_later(&queue, "x", secs(10));
    let is_woken: Vec<_> = streams.iter().map(Task::is_woken).collect();
    assert_eq!(is_woken, [false, true, true]);
    run(&mut streams);
    let first = streams.pop().unwrap();
    let second = streams.pop().unwrap();
    let mut others = streams;
    assert_eq!(clock.next_deadline(), Some(secs(10)));
    clock.advance(ms(300));
    drop(second);
    run(&mut others);
    assert!(!first.is_woken());
    assert_eq!(pass(&clock, ms(10_700), &mut others).len(), 1);
}

/// ```text
/// s       0                   0.3                        5.3     6.3
/// push    due at 20           due at 5.3
/// first   armed for 20        is woken, and stalls       due
/// others                                                         one gets it
/// ```
#[test]
fn a_message_that_is_due_before_the_last_one_has_a_second_timekeeper_too() {
    let (clock, queue) = new_queue();
    let mut streams: Vec<_> = (0..3).map(|_| waiting(&queue, &clock)).collect();
    push_later(&queue, "late", secs(20));
    for stream in &mut streams {
        stream.assert_pending();
        stream.take_wakes();
    }
    let first = streams.pop().unwrap();
    clock.advance(ms(300));
    push_later(&queue, "early", secs(5));
    assert!(first.is_woken());
    assert_eq!(pass(&clock, secs(6), &mut streams).len(), 1);
}

#[test]
fn with_a_driver_two_stalled_streams_hold_up_a_third_for_two_seconds() {
    let (clock, queue) = new_queue();
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    let [_first, _second, third] = [(); 3].map(|()| waiting(&queue, &clock));
    let mut others = [third];
    queue.push("x").unwrap();
    let mut taken = 0;
    for _ in 0..=20 {
        while driver.take_wakes() > 0 {
            assert!(driver.poll().is_pending());
        }
        taken += run(&mut others).len();
        clock.advance(ms(100));
    }
    assert_eq!(taken, 1);
}

#[test]
fn the_second_driver_keeps_the_time_while_the_first_stalls() {
    let (clock, queue) = new_queue();
    let mut drivers = [(); 2].map(|()| Task::new(queue.drive(clock.ticker())));
    for driver in &mut drivers {
        assert!(driver.poll().is_pending());
    }
    let mut stream = waiting(&queue, &clock);
    push_later(&queue, "x", secs(5));
    let [_stalled, mut second] = drivers;
    for _ in 0..6 {
        if second.take_wakes() > 0 {
            assert!(second.poll().is_pending());
        }
        clock.advance(secs(1));
    }
    if second.take_wakes() > 0 {
        assert!(second.poll().is_pending());
    }
    stream.assert_woken_for("x");
}

/// Streams that were woken but are not polled, as in a `select!` whose other branch is busy.
#[test]
fn a_stream_that_does_not_poll_holds_up_the_others_for_a_second() {
    for stalled in 1..4 {
        let (clock, queue) = new_queue();
        let mut streams: Vec<_> = (0..5).map(|_| waiting(&queue, &clock)).collect();
        for n in 0..16 * stalled {
            queue.push(n.to_string()).unwrap();
        }
        let mut others = streams.split_off(stalled);
        assert!(streams.iter().all(|stream| stream.take_wakes() == 1));
        for other in &mut others {
            if other.take_wakes() > 0 {
                other.assert_pending();
            }
        }
        clock.advance(secs(1));
        let mut taken = 0;
        while let Some(woken) = others.iter_mut().find(|other| other.take_wakes() > 0) {
            while woken.poll_next().is_ready() {
                taken += 1;
            }
        }
        assert_eq!((taken, queue.stats().depth), (stalled, 0));
    }
}

#[test]
fn a_timekeeper_that_does_not_poll_holds_up_the_others_for_a_second() {
    let (clock, queue) = new_queue();
    push_later(&queue, "x", secs(5));
    let stalled = waiting(&queue, &clock);
    let mut other = waiting(&queue, &clock);
    let mut third = waiting(&queue, &clock);
    clock.advance(secs(5));
    assert_eq!(
        [stalled.take_wakes(), other.take_wakes(), third.take_wakes()],
        [1, 0, 0],
        "it is armed, and does not poll"
    );
    clock.advance(secs(1));
    assert_eq!([other.take_wakes(), third.take_wakes()], [1, 0]);
    assert_eq!(other.data(), "x");
    third.assert_pending();
}

#[test]
fn a_ticked_stream_that_is_not_polled_at_its_tick_holds_up_the_others_for_a_second() {
    let (clock, queue) = new_queue();
    let mut stalled = Task::new(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(10))));
    stalled.assert_pending();
    queue.push("x").unwrap();
    stalled.assert_pending();
    let mut other = Task::new(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(10))));
    other.assert_pending();
    clock.advance(secs(10));
    assert_eq!(stalled.take_wakes(), 2, "for the push, and at its tick");
    other.assert_pending();
    clock.advance(secs(1));
    other.assert_pending();
    clock.advance(secs(9));
    assert_eq!(other.data(), "x");
}
