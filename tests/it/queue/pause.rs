//! A paused queue hands out nothing, and all else goes on.

use std::time::Duration;

use sse_queue::{Event, FakeClock, Lease, Pacing};

use crate::support::queue::{
    builder, drain_data, new_queue, push_all, push_brief, push_later, quiet_stream, resumed_stream,
    waiting,
};
use crate::support::{Task, secs, settled};

#[test]
fn a_paused_queue_hands_out_nothing_and_wakes_no_stream() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    queue.pause();
    push_all(&queue, &["a", "b"]);
    queue.push(Event::comment("c")).unwrap();
    assert_eq!(stream.take_wakes(), 0);
    stream.assert_pending();
    assert_eq!(queue.next_ready(), None);
    assert_eq!(queue.stats().depth, 3);
    queue.unpause();
    assert_eq!(stream.take_wakes(), 1);
    assert_eq!(stream.data(), "a,b");
}

#[test]
fn a_stream_that_was_woken_before_the_pause_waits() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    queue.push("a").unwrap();
    queue.pause();
    stream.assert_pending();
    stream.take_wakes();
    queue.unpause();
    stream.assert_woken_for("a");
}

#[test]
fn what_falls_due_in_a_pause_leaves_when_it_ends() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    push_later(&queue, "a", secs(1));
    stream.assert_pending();
    queue.pause();
    clock.advance(secs(2));
    stream.assert_pending();
    stream.take_wakes();
    queue.unpause();
    stream.assert_woken_for("a");
}

#[test]
fn what_is_scheduled_in_a_pause_has_a_timekeeper_after_it() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    queue.pause();
    push_later(&queue, "a", secs(1));
    stream.assert_pending();
    queue.unpause();
    stream.assert_pending();
    clock.advance(secs(1));
    assert_eq!(stream.data(), "a");
}

#[test]
fn messages_expire_in_a_pause() {
    let (clock, queue) = new_queue();
    queue.pause();
    push_brief(&queue, "a", secs(1));
    clock.advance(secs(1));
    assert_eq!(queue.stats().expired, 1);
}

#[test]
fn keep_alives_go_on_in_a_pause() {
    let (clock, queue) = new_queue();
    let mut stream = Task::new(queue.stream(clock.ticker()).unwrap());
    assert_eq!(stream.bytes(), ":\n");
    queue.pause();
    queue.push("a").unwrap();
    stream.assert_pending();
    clock.advance(secs(15));
    assert_eq!(stream.bytes(), ":\n");
}

#[test]
fn close_ends_the_pause_so_that_streams_end() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    queue.pause();
    queue.push("a").unwrap();
    queue.close();
    assert!(!queue.is_paused());
    queue.pause();
    assert!(!queue.is_paused(), "a closed queue cannot be paused");
    assert_eq!(stream.data(), "a");
    stream.assert_ended();
}

#[test]
fn the_drop_of_the_last_handle_ends_the_pause() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    queue.pause();
    queue.push("a").unwrap();
    drop(queue);
    assert_eq!(stream.data(), "a");
    stream.assert_ended();
}

#[test]
fn a_ticked_stream_sends_at_a_tick_after_the_pause() {
    let (clock, queue) = new_queue();
    let mut stream = settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(10))));
    queue.push("a").unwrap();
    stream.assert_pending();
    queue.pause();
    clock.advance(secs(10));
    stream.assert_pending();
    clock.advance(secs(3));
    queue.unpause();
    stream.assert_pending();
    clock.advance(secs(7));
    stream.assert_sends("a");
}

#[test]
fn leases_end_in_a_pause_and_acks_count() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(30)).max_in_flight(2);
    let queue = builder(&clock).at_least_once(lease).build();
    push_all(&queue, &["a", "b"]);
    assert_eq!(drain_data(&queue), "a,b");
    queue.pause();
    queue.ack("e-1").unwrap();
    clock.advance(secs(30));
    let stats = queue.stats();
    assert_eq!((stats.confirmed, stats.in_flight, stats.depth), (1, 0, 1));
    assert_eq!(queue.next_ready(), None);
    queue.unpause();
    assert_eq!(drain_data(&queue), "b");
}

/// What a client is owed is in flight, and not in the backlog.
#[test]
fn a_client_that_came_back_in_a_pause_is_sent_what_it_is_owed_after_it() {
    let clock = FakeClock::new();
    let lease = Lease::new(Duration::from_secs(600)).max_in_flight(2);
    let queue = builder(&clock).at_least_once(lease).build();
    let mut stream = waiting(&queue, &clock);
    push_all(&queue, &["a", "b"]);
    assert_eq!(stream.data(), "a,b");
    for _ in 0..2 {
        queue.pause();
        let mut back = Task::new(resumed_stream(&queue, &clock, "e-1"));
        back.assert_pending();
        back.take_wakes();
        queue.unpause();
        back.assert_woken_for("b");
    }
}

#[test]
fn abort_ends_the_pause_and_the_streams() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    queue.pause();
    queue.push("a").unwrap();
    queue.abort();
    assert!(!queue.is_paused());
    stream.assert_ended();
    assert_eq!(queue.take_remaining().len(), 1);
}

#[test]
fn the_wait_for_the_end_waits_through_a_pause_and_ends_after_the_close() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    let mut ended = Task::new(Box::pin(queue.ended(clock.ticker())));
    queue.pause();
    queue.push("a").unwrap();
    assert!(ended.poll().is_pending());
    assert_eq!(clock.next_deadline(), None, "nothing falls due in a pause");
    queue.close();
    assert_eq!(stream.data(), "a");
    stream.assert_ended();
    drop(stream);
    assert!(ended.take_wakes() > 0);
    assert!(ended.poll().is_ready());
}

#[test]
fn a_driver_keeps_the_time_again_after_a_pause() {
    let (clock, queue) = new_queue();
    let mut driver = Task::new(Box::pin(queue.drive(clock.ticker())));
    let mut stream = waiting(&queue, &clock);
    queue.pause();
    push_later(&queue, "a", secs(5));
    assert!(driver.poll().is_pending());
    queue.unpause();
    assert!(driver.take_wakes() > 0);
    assert!(driver.poll().is_pending());
    stream.assert_pending();
    stream.take_wakes();
    clock.advance(secs(5));
    assert!(driver.take_wakes() > 0);
    assert!(driver.poll().is_pending());
    stream.assert_woken_for("a");
}

/// More streams than one hold of the lock wakes, and those that it wakes do not poll.
#[test]
fn a_driver_tells_all_clients_that_the_pause_has_ended() {
    let clock = FakeClock::new();
    let lease = Lease::new(Duration::from_secs(600)).max_in_flight(2);
    let queue = builder(&clock).at_least_once(lease).build();
    let mut driver = Task::new(Box::pin(queue.drive(clock.ticker())));
    assert!(driver.poll().is_pending());
    let mut clients = Vec::new();
    queue.pause();
    for at in 0..300_u64 {
        queue.unpause();
        let mut stream = waiting(&queue, &clock);
        push_all(&queue, &["seen", "owed"]);
        assert_eq!(stream.data(), "seen,owed");
        queue.pause();
        let seen = format!("e-{}", 2 * at + 1);
        clients.push(Task::new(resumed_stream(&queue, &clock, &seen)));
    }
    for client in &mut clients {
        client.assert_pending();
        client.take_wakes();
    }
    queue.unpause();
    while driver.take_wakes() > 0 {
        assert!(driver.poll().is_pending());
    }
    assert!(clients.iter().all(|client| client.take_wakes() > 0));
    assert!(clients.iter_mut().all(|client| client.data() == "owed"));
}
