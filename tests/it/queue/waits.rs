//! Streams, producers, drivers, ends and waits for dead letters are woken for
//! what they wait for, when time passes or when the queue ends.

use std::task::Poll;

use sse_queue::{Event, FakeClock, Lease, Message};

use crate::support::queue::{builder, new_queue, push_brief, push_later, take_one, waiting};
use crate::support::{Task, ms, pass, secs};

fn long() -> Lease {
    Lease::new(secs(3_600))
}

#[test]
fn a_scheduled_comment_reaches_a_full_stream_when_it_is_due() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(long()).build();
    let mut stream = waiting(&queue, &clock);
    queue.push("job").unwrap();
    stream.bytes();
    stream.assert_pending();
    let comment = Message::from(Event::comment("news")).after(secs(5));
    queue.push(comment).unwrap();
    let mut streams = [stream];
    assert_eq!(pass(&clock, ms(4_999), &mut streams).len(), 0);
    assert_eq!(pass(&clock, ms(1), &mut streams).len(), 1);
}

#[test]
fn a_driver_ends_when_the_last_message_has_left_a_closed_queue() {
    let (clock, queue) = new_queue();
    let mut driver = Task::new(queue.drive(clock.ticker()));
    queue.push("x").unwrap();
    queue.close();
    assert!(driver.poll().is_pending());
    driver.take_wakes();
    take_one(&queue);
    assert!(driver.take_wakes() > 0, "closed and empty");
    assert!(driver.poll().is_ready());
}

#[test]
fn a_driver_that_was_never_polled_leaves_the_time_to_the_streams() {
    let (clock, queue) = new_queue();
    let _driver = queue.drive(clock.ticker());
    let mut streams = [waiting(&queue, &clock)];
    push_later(&queue, "x", secs(5));
    assert_eq!(pass(&clock, secs(5), &mut streams).len(), 1);
}

#[test]
fn the_wait_for_the_end_ends_with_the_grace_of_a_stream_that_is_dropped_while_it_waits() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(long().grace(secs(2))).build();
    let mut stream = waiting(&queue, &clock);
    queue.push("job").unwrap();
    stream.bytes();
    let mut ended = Task::new(queue.ended(clock.ticker()));
    assert!(ended.poll().is_pending());
    drop(stream);
    if ended.take_wakes() > 0 {
        assert!(ended.poll().is_pending());
    }
    clock.advance(secs(2));
    assert!(ended.take_wakes() > 0);
    assert!(
        ended.poll().is_pending(),
        "the message is back; the queue is open"
    );
    queue.close();
    assert!(ended.take_wakes() > 0);
    assert!(ended.poll().is_ready());
}

/// The `Clock` jumps past the end of the lease; the ticker does not.
#[test]
fn the_wait_for_the_end_notices_a_jump_of_the_clock_within_30_seconds() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(long()).build();
    queue.push("job").unwrap();
    take_one(&queue);
    queue.close();
    let mut ended = Task::new(queue.ended(clock.ticker()));
    assert!(ended.poll().is_pending());
    clock.jump(secs(3_600));
    clock.advance(secs(30));
    assert!(ended.take_wakes() > 0);
    assert!(ended.poll().is_ready());
}

#[test]
fn a_producer_with_a_ticker_gets_the_capacity_of_a_requeued_message_that_expires() {
    let clock = FakeClock::new();
    let queue = builder(&clock).capacity(1).at_least_once(long()).build();
    push_brief(&queue, "brief", secs(10));
    take_one(&queue);
    let mut push = Task::new(queue.push_when_ready("next").ticker(clock.ticker()));
    assert!(push.poll().is_pending());
    queue.nack("e-1", None).unwrap();
    while push.take_wakes() > 0 {
        assert!(push.poll().is_pending());
    }
    clock.advance(secs(10));
    assert!(push.take_wakes() > 0);
    assert!(push.poll().is_ready());
}

#[test]
fn the_wait_for_dead_letters_lasts_while_a_closed_queue_hands_out() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(30)).max_attempts(1);
    let queue = builder(&clock).at_least_once(lease).build();
    queue.push("job").unwrap();
    let mut letters = Task::new(queue.dead_letters());
    assert!(letters.poll().is_pending());
    queue.close();
    assert!(letters.poll().is_pending(), "one is due, and may die");
    take_one(&queue);
    queue.nack("e-1", None).unwrap();
    assert!(letters.take_wakes() > 0);
    let Poll::Ready(dead) = letters.poll() else {
        panic!("it is dead");
    };
    assert_eq!(dead.len(), 1);
}

/// Removes the tasks that were woken, each of which must be ready; returns their number.
fn count_ended<T>(tasks: &mut Vec<T>, mut is_woken: impl FnMut(&mut T) -> bool) -> usize {
    let before = tasks.len();
    tasks.retain_mut(|task| !is_woken(task));
    before - tasks.len()
}

/// More tasks of each kind than one call wakes: each that is woken wakes more.
#[test]
fn an_abort_ends_all_that_waits_in_a_crowd() {
    let clock = FakeClock::new();
    let queue = builder(&clock)
        .capacity(1)
        .at_least_once(long().max_attempts(1))
        .build();
    queue.push("x").unwrap();
    take_one(&queue);
    let mut streams: Vec<_> = (0..200).map(|_| waiting(&queue, &clock)).collect();
    let mut producers = Vec::new();
    let mut ends = Vec::new();
    let mut letters = Vec::new();
    for _ in 0..200 {
        let mut producer = Task::new(queue.push_when_ready("y"));
        assert!(producer.poll().is_pending());
        producers.push(producer);
        let mut ended = Task::new(queue.ended(clock.ticker()));
        assert!(ended.poll().is_pending());
        ends.push(ended);
        let mut wait = Task::new(queue.dead_letters());
        assert!(wait.poll().is_pending());
        letters.push(wait);
    }
    queue.abort();
    queue.ack("e-1").unwrap();
    loop {
        let streams = count_ended(&mut streams, |stream| {
            let is_woken = stream.take_wakes() > 0;
            if is_woken {
                stream.assert_ended();
            }
            is_woken
        });
        let producers = count_ended(&mut producers, |task| {
            task.take_wakes() > 0 && task.poll().is_ready()
        });
        let ends = count_ended(&mut ends, |task| {
            task.take_wakes() > 0 && task.poll().is_ready()
        });
        let letters = count_ended(&mut letters, |task| {
            task.take_wakes() > 0 && task.poll().is_ready()
        });
        if streams + producers + ends + letters == 0 {
            break;
        }
    }
    let rest = [streams.len(), producers.len(), ends.len(), letters.len()];
    assert_eq!(rest, [0; 4]);
}
