//! What keeps a queue's time: a driver, the streams, a producer; and the signal for dead letters.

use std::task::Poll;

use sse_queue::{Event, FakeClock, Lease, Pacing, Queue};

use crate::support::queue::{
    builder, new_queue, push_brief, push_later, quiet_stream, take_one, waiting,
};
use crate::support::{Task, ms, secs, settled};

fn lease() -> Lease {
    Lease::new(secs(30)).max_attempts(1)
}

#[test]
fn with_a_driver_no_stream_keeps_the_time() {
    let (clock, queue) = new_queue();
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    push_later(&queue, "x", secs(5));
    assert_eq!(streams.each_ref().map(Task::take_wakes), [0; 3]);
    assert_eq!(driver.take_wakes(), 1, "it arms for the message");
    assert!(driver.poll().is_pending());
    assert_eq!(clock.advance_to_next(), Some(secs(5)));
    assert_eq!(streams.each_ref().map(Task::take_wakes), [0; 3]);
    assert!(driver.poll().is_pending());
    assert_eq!(streams.each_ref().map(Task::take_wakes), [1, 0, 0]);
    assert_eq!(streams[0].data(), "x");
}

#[test]
fn a_driver_hands_on_what_a_stream_that_does_not_poll_was_woken_for() {
    let (clock, queue) = new_queue();
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    let stalled = waiting(&queue, &clock);
    let mut other = waiting(&queue, &clock);
    queue.push("x").unwrap();
    assert_eq!(
        [
            stalled.take_wakes(),
            other.take_wakes(),
            driver.take_wakes()
        ],
        [1, 0, 1]
    );
    assert!(driver.poll().is_pending());
    assert_eq!(clock.advance_to_next(), Some(secs(1)));
    assert!(driver.poll().is_pending());
    other.assert_woken_for("x");
}

#[test]
fn a_driver_that_is_dropped_leaves_the_time_to_the_streams() {
    let (clock, queue) = new_queue();
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    let mut stream = waiting(&queue, &clock);
    push_later(&queue, "x", secs(5));
    stream.assert_pending();
    assert_eq!(stream.take_wakes(), 0);
    drop(driver);
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_pending();
    assert_eq!(clock.advance_to_next(), Some(secs(5)));
    assert_eq!(stream.data(), "x");
}

#[test]
fn the_second_of_two_drivers_goes_on_when_the_first_is_dropped() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    let mut drivers = [(); 2].map(|()| Task::new(queue.drive(clock.ticker())));
    for driver in &mut drivers {
        assert!(driver.poll().is_pending());
    }
    push_later(&queue, "x", secs(5));
    let [first, mut second] = drivers;
    assert_eq!(
        [first.take_wakes(), second.take_wakes()],
        [1, 1],
        "each keeps the time"
    );
    drop(first);
    assert!(second.poll().is_pending());
    clock.advance(secs(5));
    assert!(second.poll().is_pending());
    stream.assert_woken_for("x");
}

#[test]
fn a_driver_completes_when_the_queue_is_closed_and_all_has_left() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(lease()).build();
    let mut driver = Task::new(queue.drive(clock.ticker()));
    queue.push("due").unwrap();
    push_later(&queue, "later", secs(60));
    assert!(driver.poll().is_pending());
    queue.close();
    assert!(driver.poll().is_pending(), "one was due");
    take_one(&queue);
    assert!(driver.poll().is_pending(), "it is in flight");
    driver.take_wakes();
    queue.ack("e-1").unwrap();
    assert_eq!(driver.take_wakes(), 1);
    assert!(driver.poll().is_ready());
    assert_eq!(queue.take_remaining().len(), 1);
}

#[test]
fn a_driver_holds_no_handle() {
    let (clock, queue) = new_queue();
    let mut driver = Task::new(queue.drive(clock.ticker()));
    let mut stream = waiting(&queue, &clock);
    assert!(driver.poll().is_pending());
    push_later(&queue, "x", secs(5));
    drop(queue);
    assert!(driver.poll().is_pending());
    clock.advance(secs(5));
    assert!(driver.poll().is_pending());
    assert_eq!(stream.data(), "x");
    assert!(driver.poll().is_ready());
    stream.assert_ended();
}

/// A queue that is full of a message which expires in 5 s.
fn full(clock: &FakeClock) -> Queue {
    let queue = builder(clock).capacity(1).build();
    push_brief(&queue, "brief", secs(5));
    queue
}

#[test]
fn a_producer_with_a_ticker_gets_the_capacity_of_what_expires() {
    let clock = FakeClock::new();
    let queue = full(&clock);
    let mut push = Task::new(queue.push_when_ready("next").ticker(clock.ticker()));
    assert!(push.poll().is_pending());
    assert_eq!(clock.advance_to_next(), Some(secs(5)));
    assert_eq!(push.take_wakes(), 1);
    assert!(push.poll().is_ready());
    assert_eq!(queue.stats().expired, 1);
}

#[test]
fn a_driver_gives_a_producer_the_capacity_of_what_expires() {
    let clock = FakeClock::new();
    let queue = full(&clock);
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    let mut push = Task::new(queue.push_when_ready("next"));
    assert!(push.poll().is_pending());
    assert_eq!(driver.take_wakes(), 1, "it arms for the expiry");
    assert!(driver.poll().is_pending());
    assert_eq!(clock.advance_to_next(), Some(secs(5)));
    assert!(driver.poll().is_pending());
    assert_eq!(push.take_wakes(), 1);
    assert!(push.poll().is_ready());
}

#[test]
fn a_stream_that_is_full_gives_a_producer_the_capacity_of_what_expires() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(3_600));
    let queue = builder(&clock).capacity(2).at_least_once(lease).build();
    let mut stream = waiting(&queue, &clock);
    queue.push("in flight").unwrap();
    stream.assert_sends("in flight");
    push_brief(&queue, "brief", secs(5));
    let mut push = Task::new(queue.push_when_ready("next"));
    assert!(push.poll().is_pending());
    stream.assert_pending();
    assert_eq!(clock.advance_to_next(), Some(secs(5)));
    stream.assert_pending();
    assert_eq!(push.take_wakes(), 1);
    assert!(push.poll().is_ready());
}

#[test]
fn dead_letters_have_a_signal() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(lease()).build();
    let mut letters = Task::new(queue.dead_letters());
    assert!(letters.poll().is_pending());
    for data in ["a", "b"] {
        queue.push(data).unwrap();
        take_one(&queue);
    }
    assert_eq!(letters.take_wakes(), 0);
    queue.nack("e-1", None).unwrap();
    assert_eq!(letters.take_wakes(), 1);
    let Poll::Ready(taken) = letters.poll() else {
        panic!("one is dead");
    };
    assert_eq!(taken.len(), 1);
    assert_eq!(queue.stats().dead, 0);

    // The timekeeper sees the end of the other lease.
    let mut letters = Task::new(queue.dead_letters());
    assert!(letters.poll().is_pending());
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    clock.advance(secs(30));
    assert!(driver.poll().is_pending());
    assert_eq!(letters.take_wakes(), 1);
}

#[test]
fn the_wait_for_dead_letters_ends_with_the_queue() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(lease()).build();
    queue.push("x").unwrap();
    take_one(&queue);
    let mut letters = Task::new(queue.dead_letters());
    assert!(letters.poll().is_pending());
    queue.close();
    assert!(letters.poll().is_pending(), "what is in flight may die");
    queue.ack("e-1").unwrap();
    assert!(letters.take_wakes() > 0);
    let Poll::Ready(taken) = letters.poll() else {
        panic!("nothing dies any more");
    };
    assert!(taken.is_empty());
    let at_most_once = Queue::new();
    assert!(Task::new(at_most_once.dead_letters()).poll().is_ready());
}

#[test]
fn a_wait_for_dead_letters_that_is_dropped_takes_none() {
    let queue = builder(&FakeClock::new()).at_least_once(lease()).build();
    let mut letters = Task::new(queue.dead_letters());
    assert!(letters.poll().is_pending());
    queue.push("x").unwrap();
    take_one(&queue);
    queue.nack("e-1", None).unwrap();
    drop(letters);
    assert_eq!(queue.take_dead_letters().len(), 1);
}

#[test]
fn a_crowd_of_waits_is_woken_some_at_a_time_and_none_is_forgotten() {
    let queue = builder(&FakeClock::new()).at_least_once(lease()).build();
    let mut waits: Vec<_> = (0..300).map(|_| Task::new(queue.dead_letters())).collect();
    for wait in &mut waits {
        assert!(wait.poll().is_pending());
    }
    queue.close();
    let woken = waits.iter().filter(|wait| wait.take_wakes() > 0).count();
    assert!((1..=64).contains(&woken), "{woken}");
    let mut ended = 0;
    for wait in &mut waits[..woken] {
        ended += usize::from(wait.poll().is_ready());
    }
    while let Some(wait) = waits[woken..].iter_mut().find(|wait| wait.take_wakes() > 0) {
        assert!(wait.poll().is_ready());
        ended += 1;
    }
    assert_eq!(ended, 300);
}

#[test]
fn numbers_begin_where_the_builder_says() {
    let clock = FakeClock::new();
    let queue = builder(&clock).first_number(1_000).build();
    assert_eq!(queue.push("x").unwrap().id(), "e-1000");
    let queue = builder(&clock).first_number(0).build();
    assert_eq!(queue.push("x").unwrap().id(), "e-1");
    let queue = builder(&clock).first_number(u64::MAX).build();
    assert_eq!(queue.push("x").unwrap().id(), format!("e-{}", 1_u64 << 48));
    assert_eq!(
        queue.push("x").unwrap().id(),
        format!("e-{}", (1_u64 << 48) + 1)
    );
}

#[test]
fn a_comment_for_a_full_queue_stream_comes_at_its_tick() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(lease()).build();
    let stream = quiet_stream(&queue, &clock).pacing(Pacing::every(ms(100)));
    let mut stream = settled(stream);
    queue.push("job").unwrap();
    stream.assert_pending();
    clock.advance(ms(100));
    stream.assert_sends("job");
    queue.push(Event::comment("news")).unwrap();
    assert!(stream.take_wakes() > 0);
    stream.assert_pending();
    clock.advance(ms(100));
    assert_eq!(stream.bytes(), ": news\n");
}

#[test]
fn a_driver_of_a_closed_queue_ends_when_the_last_due_message_expires() {
    let (clock, queue) = new_queue();
    push_brief(&queue, "x", secs(5));
    queue.close();
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    assert_eq!(clock.advance_to_next(), Some(secs(5)));
    assert_eq!(driver.take_wakes(), 1);
    assert!(driver.poll().is_ready());
}
