//! Ids that several clients have seen, and messages that outlive their queue or their time.

use std::time::Duration;

use sse_queue::{Event, FakeClock, KeepAlive, LastEventId, Lease, Message, Queue, Remaining};

use crate::support::{QueueStream, Task, secs};

fn jobs(clock: &FakeClock, lease: Lease) -> Queue {
    crate::support::builder(clock).at_least_once(lease).build()
}

fn worker(queue: &Queue, clock: &FakeClock) -> Task<QueueStream> {
    Task::new(crate::support::bare(queue, clock))
}

fn come_back(queue: &Queue, clock: &FakeClock, id: &str) -> Task<QueueStream> {
    let stream = queue
        .stream_after(&LastEventId::new(id), clock.ticker())
        .unwrap();
    Task::new(stream.first_bytes(false).keep_alive(KeepAlive::off()))
}

/// It falls due while a stream reads the others, in more than one chunk.
#[test]
fn what_falls_due_after_the_close_is_left_even_in_a_burst() {
    let clock = FakeClock::new();
    let queue = crate::support::queue(&clock);
    for data in ["a", "b"] {
        queue.push(data).unwrap();
    }
    queue.push(Message::from("late").after(secs(1))).unwrap();
    queue.close();
    clock.advance(secs(2));
    let mut stream = Task::new(crate::support::bare(&queue, &clock).max_messages(1));
    assert_eq!([stream.data(), stream.data()], ["a", "b"]);
    stream.is_over();
    assert_eq!(queue.take_remaining().len(), 1);
}

/// It was given back for longer than it is valid.
#[test]
fn the_parts_of_a_message_that_is_delayed_beyond_its_expiry_can_be_put_together() {
    let clock = FakeClock::new();
    let queue = jobs(&clock, Lease::new(secs(60)));
    let id = queue
        .push(Message::from("x").expires_after(secs(5)))
        .unwrap()
        .id()
        .to_owned();
    assert!(queue.next_ready().is_some());
    queue.nack(&id, secs(10)).unwrap();
    let taken = queue.take_remaining().remove(0);
    let again = Remaining::from_parts(
        taken.frame().to_vec(),
        Some(taken.id()),
        taken.due(),
        taken.expires(),
        taken.attempts(),
    );
    assert_eq!(again, Ok(taken));
}

/// The same, pushed as it is: it is of no use to anybody after its expiry.
#[test]
fn a_message_that_comes_back_delayed_beyond_its_expiry_expires_when_it_did_before() {
    let clock = FakeClock::new();
    let queue = jobs(&clock, Lease::new(secs(60)));
    let id = queue
        .push(Message::from("x").expires_after(secs(5)))
        .unwrap()
        .id()
        .to_owned();
    assert!(queue.next_ready().is_some());
    queue.nack(&id, secs(10)).unwrap();
    let taken = queue.take_remaining().remove(0);
    queue.push(taken).unwrap();
    clock.advance(secs(5));
    assert_eq!((queue.stats().expired, queue.stats().depth), (1, 0));
}

/// One with that id was confirmed, and another was pushed and handed to somebody else.
#[test]
fn an_own_id_that_two_clients_were_handed_takes_nothing_over() {
    let clock = FakeClock::new();
    let queue = jobs(&clock, Lease::new(secs(60)).max_in_flight(2));
    let job = |data: &str| Event::new(data).id("job").unwrap();
    let (mut one, mut two) = (worker(&queue, &clock), worker(&queue, &clock));
    queue.push(job("first")).unwrap();
    queue.push("other").unwrap();
    assert_eq!(one.data(), "first,other");
    queue.ack("job").unwrap();
    queue.push(job("second")).unwrap();
    assert_eq!(two.data(), "second");
    queue.push("third").unwrap();
    assert_eq!(two.data(), "third");
    // The first client comes back: it has not seen what followed the first job.
    drop(one);
    let mut back = come_back(&queue, &clock, "job");
    queue.push("fourth").unwrap();
    assert_eq!(
        back.data(),
        "fourth",
        "the third job is with the second client"
    );
}

/// The dead letter begins anew, but its id was seen before.
#[test]
fn the_id_of_a_dead_letter_that_another_client_gets_takes_nothing_over() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(60)).max_attempts(1).max_in_flight(2);
    let queue = jobs(&clock, lease);
    let (mut one, mut two) = (worker(&queue, &clock), worker(&queue, &clock));
    queue.push("a").unwrap();
    assert_eq!(one.data(), "a");
    queue.nack("e-1", Duration::ZERO).unwrap();
    drop(one);
    let letter = queue.take_dead_letters().remove(0);
    queue.push(letter).unwrap();
    assert_eq!(two.data(), "a");
    let _back = come_back(&queue, &clock, "e-1");
    // It is still with the second client, and waits for no grace when that leaves.
    queue.push("b").unwrap();
    queue.push("c").unwrap();
    assert_eq!(two.data(), "b", "it has one in flight, and may have two");
}
