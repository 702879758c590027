//! Waiting for the end while messages are in flight.

use sse_queue::FakeClock;
use sse_queue::message::Remaining;

use super::{counts, leased_queue, resumed};
use crate::support::queue::{assert_leases_accounted, push_all, reader};
use crate::support::{Task, secs};

#[test]
fn the_end_comes_with_the_last_lease_by_the_ticker_of_the_wait() {
    let clock = FakeClock::new();
    let queue = leased_queue(&clock);
    push_all(&queue, &["a", "b"]);
    assert!(queue.next_ready().is_some());
    clock.advance(secs(10));
    assert!(queue.next_ready().is_some());
    queue.close();
    let mut ended = Task::new(queue.ended(clock.ticker()));
    assert!(ended.poll().is_pending());
    assert_eq!(clock.advance_to_next(), Some(secs(20)));
    assert!(ended.take_wakes() > 0);
    assert!(ended.poll().is_pending());
    queue.extend_lease("e-2", secs(5)).unwrap();
    assert_eq!(clock.advance_to_next(), Some(secs(10)));
    assert!(ended.poll().is_pending());
    assert_eq!(clock.advance_to_next(), Some(secs(5)));
    assert!(ended.poll().is_ready());
    assert_eq!(counts(&queue), (2, 0, 0, 0));
    let remaining = queue.take_remaining();
    let attempts: Vec<_> = remaining.iter().map(Remaining::attempts).collect();
    assert_eq!(attempts, [1, 1]);
    assert_leases_accounted(&queue);
}

#[test]
fn all_who_wait_for_the_end_are_woken_by_the_last_ack() {
    let clock = FakeClock::new();
    let queue = leased_queue(&clock);
    push_all(&queue, &["a", "b"]);
    assert!(queue.next_ready().is_some() && queue.next_ready().is_some());
    queue.close();
    let mut waits = [(); 3].map(|()| Task::new(queue.ended(clock.ticker())));
    for wait in &mut waits {
        assert!(wait.poll().is_pending());
    }
    queue.ack("e-1").unwrap();
    for wait in &mut waits {
        assert!(wait.poll().is_pending(), "one is in flight");
        wait.take_wakes();
    }
    queue.ack("e-2").unwrap();
    for wait in &mut waits {
        assert!(wait.take_wakes() > 0);
        assert!(wait.poll().is_ready());
    }
}

#[test]
fn the_end_comes_when_everything_is_taken_out() {
    let clock = FakeClock::new();
    let queue = leased_queue(&clock);
    queue.push("x").unwrap();
    assert!(queue.next_ready().is_some());
    queue.close();
    let mut ended = Task::new(queue.ended(clock.ticker()));
    assert!(ended.poll().is_pending());
    assert_eq!(queue.take_remaining().len(), 1);
    assert!(ended.take_wakes() > 0);
    assert!(ended.poll().is_ready());
}

#[test]
fn the_end_comes_when_a_client_that_resumes_confirms_the_last_message_and_leaves() {
    let clock = FakeClock::new();
    let queue = leased_queue(&clock);
    queue.push("a").unwrap();
    let mut stream = reader(&queue, &clock);
    assert_eq!(stream.data(), "a");
    let mut ended = Task::new(queue.ended(clock.ticker()));
    assert!(ended.poll().is_pending());
    drop(stream);
    let back = resumed(&queue, &clock, "e-1");
    queue.close();
    assert!(ended.poll().is_pending(), "a stream is open");
    ended.take_wakes();
    drop(back);
    assert!(ended.take_wakes() > 0);
    assert!(ended.poll().is_ready());
}
