//! Hubs whose handles and streams have all been dropped: nobody can reach what they hold.

use sse_queue::{FakeClock, Lease, Message, Queue, Topic};

use crate::support::queue::waiting;
use crate::support::{Task, secs};

#[test]
fn a_driver_of_a_queue_that_nobody_can_reach_completes_though_messages_are_left() {
    let clock = FakeClock::new();
    let queue = Queue::builder().clock(clock.clone()).build();
    let mut driver = Task::new(queue.drive(clock.ticker()));
    let stream = waiting(&queue, &clock);
    queue.push("x").unwrap();
    let later = Message::from("y").after(secs(60));
    queue.push(later).unwrap();
    assert!(driver.poll().is_pending());
    drop(queue);
    assert!(driver.poll().is_pending(), "a stream may take them");
    driver.take_wakes();
    drop(stream);
    assert!(driver.take_wakes() > 0 && driver.poll().is_ready());
}

#[test]
fn the_last_handle_completes_the_driver_of_a_queue_without_streams() {
    for is_closed in [false, true] {
        let clock = FakeClock::new();
        let queue = Queue::builder().clock(clock.clone()).build();
        let mut driver = Task::new(queue.drive(clock.ticker()));
        queue.push("x").unwrap();
        if is_closed {
            queue.close();
        }
        assert!(driver.poll().is_pending());
        driver.take_wakes();
        drop(queue);
        assert!(driver.take_wakes() > 0 && driver.poll().is_ready());
    }
}

#[test]
fn a_lease_that_ends_completes_the_driver_of_a_queue_that_nobody_can_reach() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(30));
    let queue = Queue::builder()
        .clock(clock.clone())
        .at_least_once(lease)
        .build();
    let mut driver = Task::new(queue.drive(clock.ticker()));
    queue.push("x").unwrap();
    assert!(queue.next_ready().is_some());
    assert!(driver.poll().is_pending());
    drop(queue);
    assert!(driver.poll().is_pending(), "it is in flight");
    assert_eq!(clock.advance_to_next(), Some(secs(30)));
    assert!(driver.take_wakes() > 0 && driver.poll().is_ready());
}

#[test]
fn a_driver_of_a_topic_that_nobody_can_reach_completes_when_its_schedule_has() {
    let clock = FakeClock::new();
    let topic = Topic::builder().clock(clock.clone()).build();
    let mut driver = Task::new(topic.drive(clock.ticker()));
    topic.publish(Message::from("x").after(secs(20))).unwrap();
    assert!(driver.poll().is_pending());
    drop(topic);
    assert!(driver.poll().is_pending());
    assert_eq!(clock.advance_to_next(), Some(secs(20)));
    assert!(driver.take_wakes() > 0 && driver.poll().is_ready());
}

#[test]
fn a_run_passes_a_ticker_of_another_that_was_armed_and_never_polled() {
    use sse_queue::Ticker;
    let clock = FakeClock::new();
    let queue = Queue::builder().clock(clock.clone()).build();
    let mut other = Box::pin(clock.ticker());
    other.as_mut().arm(Some(secs(0)));
    let mut stream = queue.stream(clock.ticker()).unwrap();
    assert_eq!(clock.run(&mut stream, secs(1)).len(), 1);
    assert_eq!(clock.elapsed(), secs(1));
}
