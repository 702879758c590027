//! Waiting for the beginning of the end, and for the end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use sse_queue::topic::Start;
use sse_queue::{FakeClock, FakeTicker, Lease, Message, Queue, Topic};

use crate::support::queue::{reader, waiting};
use crate::support::{Task, secs};

type Wait = Pin<Box<dyn Future<Output = ()>>>;

/// A queue and a topic, by what they have in common.
trait Hub {
    fn close(&self);
    fn abort(&self);
    fn closed(&self) -> Wait;
    fn ended(&self, clock: &FakeClock) -> Wait;
    fn stream(&self, clock: &FakeClock) -> Box<dyn Send>;
}

impl Hub for Queue {
    fn close(&self) {
        self.close();
    }
    fn abort(&self) {
        self.abort();
    }
    fn closed(&self) -> Wait {
        Box::pin(self.closed())
    }
    fn ended(&self, clock: &FakeClock) -> Wait {
        Box::pin(self.ended(clock.ticker()))
    }
    fn stream(&self, clock: &FakeClock) -> Box<dyn Send> {
        Box::new(self.stream(clock.ticker()).unwrap())
    }
}

impl Hub for Topic {
    fn close(&self) {
        self.close();
    }
    fn abort(&self) {
        self.abort();
    }
    fn closed(&self) -> Wait {
        Box::pin(self.closed())
    }
    fn ended(&self, clock: &FakeClock) -> Wait {
        Box::pin(self.ended(clock.ticker()))
    }
    fn stream(&self, clock: &FakeClock) -> Box<dyn Send> {
        Box::new(self.stream(Start::Now, clock.ticker()).unwrap())
    }
}

fn hubs() -> [Box<dyn Hub>; 2] {
    [Box::new(Queue::new()), Box::new(Topic::new())]
}

#[test]
fn closed_is_ready_after_close_and_abort_and_wakes_every_task() {
    for ends in [|hub: &dyn Hub| hub.close(), |hub: &dyn Hub| hub.abort()] {
        for hub in hubs() {
            let mut waits: Vec<_> = (0..200).map(|_| Task::new(hub.closed())).collect();
            for wait in &mut waits {
                assert!(wait.poll().is_pending());
            }
            ends(&*hub);
            let mut polled = 0;
            while let Some(wait) = waits.iter_mut().find(|wait| wait.is_woken()) {
                assert!(wait.take_wakes() > 0);
                assert!(wait.poll().is_ready());
                polled += 1;
            }
            assert_eq!(polled, 200, "each that was woken wakes others");
            assert!(Task::new(hub.closed()).poll().is_ready());
        }
    }
}

#[test]
fn one_call_of_close_wakes_at_most_64_tasks() {
    for hub in hubs() {
        let mut waits: Vec<_> = (0..200).map(|_| Task::new(hub.closed())).collect();
        for wait in &mut waits {
            assert!(wait.poll().is_pending());
        }
        hub.close();
        assert_eq!(waits.iter().filter(|wait| wait.is_woken()).count(), 64);
    }
}

#[test]
fn the_last_handle_closes_too_and_waits_hold_none() {
    for hub in hubs() {
        let clock = FakeClock::new();
        let mut closed = Task::new(hub.closed());
        let mut ended = Task::new(hub.ended(&clock));
        assert!(closed.poll().is_pending() && ended.poll().is_pending());
        drop(hub);
        assert!(closed.take_wakes() > 0 && ended.take_wakes() > 0);
        assert!(closed.poll().is_ready() && ended.poll().is_ready());
    }
}

#[test]
fn ended_waits_for_the_last_stream() {
    for hub in hubs() {
        let clock = FakeClock::new();
        let streams = [hub.stream(&clock), hub.stream(&clock)];
        let mut ended = Task::new(hub.ended(&clock));
        assert!(ended.poll().is_pending());
        hub.close();
        ended.take_wakes();
        assert!(ended.poll().is_pending());
        let [first, last] = streams;
        drop(first);
        assert!(ended.poll().is_pending());
        ended.take_wakes();
        drop(last);
        assert_eq!(ended.take_wakes(), 1);
        assert!(ended.poll().is_ready());
    }
}

#[test]
fn a_wait_that_is_dropped_leaves_no_waker_behind() {
    for hub in hubs() {
        let clock = FakeClock::new();
        let stream = hub.stream(&clock);
        for mut wait in [Task::new(hub.closed()), Task::new(hub.ended(&clock))] {
            assert!(wait.poll().is_pending());
            let count = Arc::clone(&wait.count);
            drop(wait);
            assert_eq!(Arc::strong_count(&count), 1);
        }
        drop(stream);
    }
}

#[test]
fn a_wait_moves_with_its_task() {
    for hub in hubs() {
        let clock = FakeClock::new();
        let stream = hub.stream(&clock);
        let (mut closed, mut ended) = (Task::new(hub.closed()), Task::new(hub.ended(&clock)));
        for wait in [&mut closed, &mut ended] {
            assert!(wait.poll().is_pending());
            wait.move_to_another_task();
            assert!(wait.poll().is_pending());
        }
        hub.close();
        assert!(closed.take_wakes() > 0);
        drop(stream);
        assert!(ended.take_wakes() > 0);
    }
}

#[test]
fn ended_waits_for_messages_in_flight_and_ends_their_leases_by_its_own_ticker() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(30));
    let queue = Queue::builder()
        .clock(clock.clone())
        .at_least_once(lease)
        .build();
    queue.push("job").unwrap();
    assert!(queue.next_ready().is_some());
    queue.close();
    let mut ended = Task::new(queue.ended(clock.ticker()));
    assert!(ended.poll().is_pending());
    assert_eq!(clock.advance_to_next(), Some(secs(30)));
    assert_eq!(ended.take_wakes(), 1);
    assert!(ended.poll().is_ready());
    assert_eq!(queue.take_remaining().len(), 1, "it came back");
}

#[test]
fn ended_keeps_the_time_of_a_queue_that_is_open() {
    let clock = FakeClock::new();
    let queue = Queue::builder().clock(clock.clone()).build();
    let mut ended = Task::new(queue.ended(clock.ticker()));
    let mut stream = Task::new(
        queue
            .stream(clock.ticker())
            .unwrap()
            .without_first_comment(),
    );
    assert!(stream.poll_next().is_pending() && ended.poll().is_pending());
    stream.take_wakes();
    queue.push(Message::from("later").after(secs(5))).unwrap();
    assert!(ended.take_wakes() > 0, "it must arm for the message");
    assert!(ended.poll().is_pending());
    clock.advance(secs(5));
    assert!(ended.take_wakes() > 0);
    assert!(ended.poll().is_pending());
    assert_eq!(stream.take_wakes(), 1, "for the message, and not before");
    assert_eq!(stream.data(), "later");
}

#[test]
fn what_is_scheduled_keeps_no_ended_waiting() {
    let clock = FakeClock::new();
    let queue = Queue::builder().clock(clock.clone()).build();
    queue.push(Message::from("later").after(secs(5))).unwrap();
    let topic = Topic::builder().clock(clock.clone()).build();
    topic
        .publish(Message::from("later").after(secs(5)))
        .unwrap();
    queue.close();
    topic.close();
    assert!(Task::new(queue.ended(clock.ticker())).poll().is_ready());
    assert!(Task::new(topic.ended(clock.ticker())).poll().is_ready());
    assert_eq!(
        (queue.take_remaining().len(), topic.take_remaining().len()),
        (1, 1)
    );
}

/// Clients that do not read: their tasks are woken, but do not poll.
#[test]
fn a_crowd_of_stalled_streams_keeps_no_other_task_waiting() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(30));
    let queue = Queue::builder()
        .clock(clock.clone())
        .at_least_once(lease)
        .capacity(1)
        .build();
    let stalled: Vec<_> = (0..200).map(|_| waiting(&queue, &clock)).collect();
    let mut closed = Task::new(queue.closed());
    let mut letters = Task::new(queue.dead_letters());
    let mut drives = Task::new(queue.drive(clock.ticker()));
    assert!(closed.poll().is_pending() && letters.poll().is_pending());
    assert!(drives.poll().is_pending());
    drives.take_wakes();
    queue.close();
    let woken = [&closed.count, &letters.count, &drives.count].map(|count| count.take());
    assert_eq!(woken, [1; 3]);
    assert!(closed.poll().is_ready() && letters.poll().is_ready() && drives.poll().is_ready());
    drop(stalled);
}

#[test]
fn a_wait_that_is_ready_leaves_no_tick_and_no_waker_behind() {
    for is_ended in [false, true] {
        let clock = FakeClock::new();
        let lease = Lease::new(secs(30));
        let queue = Queue::builder()
            .clock(clock.clone())
            .at_least_once(lease)
            .build();
        let job = queue.push("job").unwrap();
        assert!(queue.next_ready().is_some());
        queue.close();
        let wait: Wait = if is_ended {
            Box::pin(queue.ended(clock.ticker()))
        } else {
            Box::pin(queue.drive(clock.ticker()))
        };
        let mut wait = Task::new(wait);
        assert!(wait.poll().is_pending());
        assert_eq!(clock.next_deadline(), Some(secs(30)));
        queue.ack(job.id()).unwrap();
        assert!(wait.poll().is_ready());
        assert_eq!(clock.next_deadline(), None);
        assert_eq!(Arc::strong_count(&wait.count), 2, "it and its own waker");
    }
}

#[test]
fn a_stream_that_has_ended_counts_until_it_is_dropped() {
    let clock = FakeClock::new();
    let queue = Queue::builder().clock(clock.clone()).build();
    let mut stream = reader(&queue, &clock);
    queue.close();
    stream.assert_ended();
    let mut ended = Task::new(queue.ended(clock.ticker()));
    assert!(ended.poll().is_pending());
    drop(stream);
    assert_eq!(ended.take_wakes(), 1);
    assert!(ended.poll().is_ready());
}

#[test]
fn ended_is_ready_when_all_that_is_in_flight_was_taken_out() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(30));
    let queue = Queue::builder().at_least_once(lease).build();
    queue.push("job").unwrap();
    assert!(queue.next_ready().is_some());
    queue.abort();
    let mut ended = Task::new(queue.ended(clock.ticker()));
    assert!(ended.poll().is_pending());
    assert_eq!(queue.take_remaining().len(), 1);
    assert!(ended.take_wakes() > 0 && ended.poll().is_ready());
}

#[test]
fn waits_can_be_spawned_and_need_no_pin() {
    fn check(_: impl Future + Send + Sync + Unpin + 'static) {}
    let clock = FakeClock::new();
    let ticker = || -> FakeTicker { clock.ticker() };
    let (queue, topic) = (Queue::new(), Topic::new());
    check(queue.closed());
    check(queue.ended(ticker()));
    check(queue.drive(ticker()));
    check(queue.dead_letters());
    check(queue.push_when_ready("x"));
    check(topic.closed());
    check(topic.ended(ticker()));
    check(topic.drive(ticker()));
}

#[test]
fn ended_tells_a_whole_crowd_of_a_queue_though_no_stream_is_polled() {
    let clock = FakeClock::new();
    let queue = Queue::builder().clock(clock.clone()).build();
    let stalled: Vec<_> = (0..200).map(|_| waiting(&queue, &clock)).collect();
    let mut ended = Task::new(queue.ended(clock.ticker()));
    assert!(ended.poll().is_pending());
    ended.take_wakes();
    queue.close();
    while ended.take_wakes() > 0 {
        assert!(ended.poll().is_pending());
    }
    let woken = stalled.iter().filter(|stream| stream.is_woken()).count();
    assert_eq!(woken, 200);
}
