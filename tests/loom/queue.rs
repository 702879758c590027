//! A queue: streams, producers, drivers and waits for dead letters.
//!
//! Planted mistakes show that these models can fail: `settle` left out when a stream is dropped
//! (red are `a_dropped_stream_…` and `a_stream_takes_over_…`), checking and registering as two
//! holds of the lock, a ticket that leaves the line without passing its capacity on, an end that is
//! announced to nobody, a timekeeper's role that is not passed on.

use std::task::{Context, Waker};
use std::time::Duration;

use loom::thread;
use sse_queue::queue::PushError;
use sse_queue::{FakeClock, Lease, Message, Pacing, Queue};

use crate::support::{
    QueueStream, block_on, block_on_until, drain, later, next, next_in_time, next_until, poll_once,
    queue_builder, queue_stream, spawn_with, with_clock,
};

fn queue(clock: &FakeClock) -> Queue {
    queue_builder(clock).build()
}

/// A queue of one message at most.
fn small(clock: &FakeClock) -> Queue {
    queue_builder(clock).capacity(1).build()
}

/// How many chunks a stream sends to its end: each holds one message.
fn count_to_end(stream: QueueStream) -> usize {
    drain(stream).matches("data: ").count()
}

/// One stream waits, is woken for the message and dropped before it polls; or it was faster.
#[test]
fn a_dropped_stream_hands_its_message_over() {
    loom::model(|| {
        let (clock, queue) = with_clock(small);
        let mut leaver = queue_stream(&queue, &clock);
        let mut stayer = queue_stream(&queue, &clock);
        // In line before the stayer, so that it is the one that is woken.
        assert!(poll_once(&mut leaver).is_pending());
        let stays = thread::spawn(move || next(&mut stayer));
        let leaves = thread::spawn(move || drop(leaver));
        queue.push("x").unwrap();
        leaves.join().unwrap();
        assert!(stays.join().unwrap().is_some());
    });
}

#[test]
fn a_message_goes_to_one_of_two_streams_that_poll_and_leave() {
    loom::model(|| {
        let (clock, queue) = with_clock(small);
        let mut leaver = queue_stream(&queue, &clock);
        let stayer = queue_stream(&queue, &clock);
        let leaves = thread::spawn(move || poll_once(&mut leaver).is_ready());
        let stays = thread::spawn(move || count_to_end(stayer));
        queue.push("x").unwrap();
        let left_with_it = leaves.join().unwrap();
        queue.close();
        assert_eq!(stays.join().unwrap() + usize::from(left_with_it), 1);
    });
}

/// Whether the close comes before the push or after it.
#[test]
fn a_close_ends_a_stream_and_gives_what_was_accepted() {
    loom::model(|| {
        let (clock, queue) = with_clock(small);
        let stream = queue_stream(&queue, &clock);
        let drains = thread::spawn(move || count_to_end(stream));
        let pushes = spawn_with(&queue, |queue| queue.push("x").is_ok());
        queue.close();
        let pushed = pushes.join().unwrap();
        assert_eq!(drains.join().unwrap(), usize::from(pushed));
    });
}

/// A message is reserved for it until its next tick, whatever it is doing.
#[test]
fn a_close_reaches_a_ticked_stream() {
    loom::model(|| {
        let (clock, queue) = with_clock(small);
        let stream = queue_stream(&queue, &clock).pacing(Pacing::every(Duration::from_secs(1)));
        let drains = thread::spawn(move || count_to_end(stream));
        queue.push("x").unwrap();
        queue.close();
        assert_eq!(drains.join().unwrap(), 1);
    });
}

/// Two producers wait; one of them gives up; the other gets in.
#[test]
fn freed_capacity_reaches_the_producer_that_still_waits() {
    loom::model(|| {
        let queue = small(&FakeClock::new());
        queue.push("a").unwrap();
        let mut gives_up = Box::pin(queue.push_when_ready("b"));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(gives_up.as_mut().poll(&mut cx).is_pending());
        let waits = queue.push_when_ready("c");
        let waits = thread::spawn(move || block_on(waits));
        let drops = thread::spawn(move || drop(gives_up));
        assert!(queue.next_ready().is_some());
        drops.join().unwrap();
        assert!(waits.join().unwrap().is_ok());
        assert!(queue.next_ready().unwrap().ends_with(b"data: c\n\n"));
    });
}

#[test]
fn a_close_ends_the_wait_for_capacity() {
    loom::model(|| {
        let queue = small(&FakeClock::new());
        queue.push("a").unwrap();
        let waits = queue.push_when_ready("b");
        let waits = thread::spawn(move || block_on(waits));
        let takes = spawn_with(&queue, |queue| queue.next_ready().is_some());
        queue.close();
        assert!(takes.join().unwrap());
        let pushed = waits.join().unwrap();
        assert!(matches!(pushed, Ok(_) | Err(PushError::Closed(_))));
        assert_eq!(queue.stats().depth, usize::from(pushed.is_ok()));
    });
}

#[test]
fn the_last_handle_ends_a_stream_whichever_thread_drops_it() {
    loom::model(|| {
        let (clock, queue) = with_clock(small);
        let stream = queue_stream(&queue, &clock);
        let drains = thread::spawn(move || count_to_end(stream));
        let drops = spawn_with(&queue, drop);
        queue.push("x").unwrap();
        drop(queue);
        drops.join().unwrap();
        assert_eq!(drains.join().unwrap(), 1);
    });
}

/// The timekeeper leaves while the other stream arms.
#[test]
fn a_stream_takes_over_when_the_timekeeper_leaves() {
    loom::model(|| {
        let (clock, queue) = with_clock(small);
        queue.push(later("x", 1)).unwrap();
        let mut keeper = queue_stream(&queue, &clock);
        let mut other = queue_stream(&queue, &clock);
        assert!(poll_once(&mut keeper).is_pending());
        let stays = thread::spawn(move || next_in_time(&mut other, &clock));
        drop(keeper);
        assert!(stays.join().unwrap().is_some());
    });
}

/// It arms for a later message while the earlier one is pushed.
#[test]
fn a_timekeeper_arms_again_for_an_earlier_message() {
    loom::model(|| {
        let (clock, queue) = with_clock(queue);
        let mut keeper = queue_stream(&queue, &clock);
        let takes = thread::spawn(move || next_in_time(&mut keeper, &clock));
        for secs in [5, 1] {
            queue.push(later("x", secs)).unwrap();
        }
        assert!(takes.join().unwrap().is_some());
    });
}

/// The message is scheduled before, while or after the driver arms.
#[test]
fn a_driver_hands_out_what_is_scheduled_as_it_starts_and_ends_with_the_queue() {
    loom::model(|| {
        let (clock, queue) = with_clock(queue);
        let driver = queue.drive(clock.ticker());
        let mut takes = queue_stream(&queue, &clock);
        assert!(poll_once(&mut takes).is_pending());
        let drives = thread::spawn(move || block_on_until(&clock, Duration::from_secs(1), driver));
        queue.push(later("x", 1)).unwrap();
        assert!(next(&mut takes).is_some());
        queue.close();
        drives.join().unwrap();
    });
}

#[test]
fn the_stream_keeps_the_time_when_a_driver_leaves_as_a_message_is_scheduled() {
    loom::model(|| {
        let (clock, queue) = with_clock(queue);
        let mut driver = Box::pin(queue.drive(clock.ticker()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(driver.as_mut().poll(&mut cx).is_pending());
        let mut takes = queue_stream(&queue, &clock);
        let leaves = thread::spawn(move || drop(driver));
        let pushes = thread::spawn(move || {
            queue.push(later("x", 1)).unwrap();
            queue
        });
        assert!(next_until(&mut takes, &clock, Duration::from_secs(3)).is_some());
        leaves.join().unwrap();
        pushes.join().unwrap();
    });
}

/// The first in line is woken, and never polls again.
#[test]
fn a_stream_that_starts_to_wait_gets_what_a_stalled_one_was_notified_for() {
    loom::model(|| {
        let (clock, queue) = with_clock(queue);
        let mut stalled = queue_stream(&queue, &clock);
        assert!(poll_once(&mut stalled).is_pending());
        let mut other = queue_stream(&queue, &clock);
        let takes = thread::spawn(move || next_until(&mut other, &clock, Duration::from_secs(3)));
        queue.push("x").unwrap();
        assert!(takes.join().unwrap().is_some());
        drop(stalled);
    });
}

/// A stream takes what is there as it expires; only one of the producers has a ticker.
#[test]
fn capacity_that_a_poll_or_an_expiry_frees_reaches_both_producers() {
    loom::model(|| {
        let (clock, queue) = with_clock(small);
        let second = Duration::from_secs(1);
        let brief = Message::from("a").expires_after(second);
        queue.push(brief).unwrap();
        let plain = queue.push_when_ready("b");
        let ticked = queue.push_when_ready("c").ticker(clock.ticker());
        let plain = thread::spawn(move || block_on(plain));
        let takes = thread::spawn(move || {
            let mut takes = queue_stream(&queue, &FakeClock::new());
            let mut taken = 0;
            while taken < 2 {
                let chunk = next(&mut takes).unwrap();
                taken += usize::from(!chunk.ends_with(b"data: a\n\n"));
            }
        });
        block_on_until(&clock, second, ticked).unwrap();
        plain.join().unwrap().unwrap();
        takes.join().unwrap();
    });
}

/// The end of the pause wakes the stream, or the push does.
#[test]
fn a_message_that_is_pushed_as_a_pause_ends_reaches_a_stream_that_waits() {
    loom::model(|| {
        let (clock, queue) = with_clock(queue);
        queue.pause();
        let mut stream = queue_stream(&queue, &clock);
        let takes = thread::spawn(move || next(&mut stream));
        let unpauses = spawn_with(&queue, |queue| queue.unpause());
        queue.push("x").unwrap();
        unpauses.join().unwrap();
        assert!(takes.join().unwrap().is_some());
    });
}

/// One message in each second.
fn limited(clock: &FakeClock) -> Queue {
    queue_builder(clock).rate(1, Duration::from_secs(1)).build()
}

/// The period is spent before, while or after the stream begins to wait.
#[test]
fn a_stream_that_begins_to_wait_as_a_period_is_spent_gets_what_the_next_one_lets_out() {
    loom::model(|| {
        let (clock, queue) = with_clock(limited);
        queue.push("a").unwrap();
        queue.push("b").unwrap();
        let mut stream = queue_stream(&queue, &clock);
        let until = Duration::from_secs(1);
        let waits = thread::spawn(move || next_until(&mut stream, &clock, until));
        let taken = usize::from(queue.next_ready().is_some());
        assert!(waits.join().unwrap().is_some());
        assert_eq!(queue.stats().depth, 1 - taken);
    });
}

/// It keeps the time before, while or after the stream begins to wait.
#[test]
fn a_driver_lets_out_what_the_next_period_may_to_a_stream_that_begins_to_wait() {
    loom::model(|| {
        let (clock, queue) = with_clock(limited);
        queue.push("a").unwrap();
        queue.push("b").unwrap();
        assert!(queue.next_ready().is_some());
        let driver = queue.drive(clock.ticker());
        let mut stream = queue_stream(&queue, &clock);
        let drives = thread::spawn(move || block_on_until(&clock, Duration::from_secs(1), driver));
        assert!(next(&mut stream).is_some());
        queue.close();
        drives.join().unwrap();
    });
}

/// A queue with one message in flight, for the last time.
fn in_flight() -> Queue {
    let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    let queue = queue_builder(&FakeClock::new())
        .at_least_once(lease)
        .build();
    queue.push("x").unwrap();
    assert!(queue.next_ready().is_some());
    queue
}

/// How many dead letters a wait gives while one thread settles the message and another closes.
fn dead_letters_at_a_close(settle: fn(Queue)) -> usize {
    let queue = in_flight();
    let letters = queue.dead_letters();
    let waits = thread::spawn(move || block_on(letters));
    let settles = spawn_with(&queue, settle);
    queue.close();
    settles.join().unwrap();
    waits.join().unwrap().len()
}

#[test]
fn the_wait_for_dead_letters_ends_when_the_queue_closes_as_the_last_is_confirmed() {
    loom::model(|| {
        let letters = dead_letters_at_a_close(|queue| queue.ack("e-1").unwrap());
        assert_eq!(letters, 0);
    });
}

#[test]
fn the_wait_for_dead_letters_gets_what_dies_as_the_queue_closes() {
    loom::model(|| {
        let nack = |queue: Queue| queue.nack("e-1", None).unwrap();
        assert_eq!(dead_letters_at_a_close(nack), 1);
    });
}

#[test]
fn a_dead_letter_is_taken_once_and_what_is_pushed_meanwhile_is_counted() {
    loom::model(|| {
        let queue = in_flight();
        queue.nack("e-1", None).unwrap();
        let takes = spawn_with(&queue, |queue| queue.take_dead_letters().len());
        let remaining = queue.take_remaining().len();
        queue.push("y").unwrap();
        assert_eq!(takes.join().unwrap() + remaining, 1);
        let stats = queue.stats();
        assert_eq!(stats.depth, 1);
        assert!(stats.bytes > 192, "{stats:?}");
    });
}
