//! A topic: streams, publishers and a driver.
//!
//! Under loom a step wakes one stream, so that two are a crowd. Planted mistakes show that these
//! models can fail: the signal stored after the lock is released (red is `a_close_ends_all_…`), a
//! shared chunk that is left when the topic ends (red is `streams_that_keep_up_end`), a waker that
//! is stored again though its stream has left (red is `a_stream_that_is_dropped_while_…`), a driver
//! that is not woken for an earlier due time (red is `a_driver_…`).

use std::sync::Arc;
use std::time::Duration;

use loom::thread;
use sse_queue::topic::Start;
use sse_queue::{FakeClock, LastEventId, Pacing, Topic};

use crate::support::{
    Task, TopicStream, block_on_until, drain, later, new_topic, poll_once, spawn_with, topic_stream,
};

/// Publishes in another thread.
fn publish(topic: &Topic, data: &'static str) -> thread::JoinHandle<()> {
    spawn_with(topic, move |topic| drop(topic.publish(data).unwrap()))
}

/// Reads until `events` events have arrived, in a task of its own.
fn read(stream: TopicStream, events: usize) -> (String, TopicStream) {
    let mut task = Task::new(stream);
    (task.read(events), task.inner)
}

/// Two streams in tasks of their own that wait.
fn waiting_tasks(topic: &Topic, clock: &FakeClock) -> [Task<TopicStream>; 2] {
    [(); 2].map(|()| {
        let mut task = Task::new(topic_stream(topic, clock, Start::Now));
        assert!(task.poll_next().is_pending());
        task
    })
}

/// Two streams wait while two messages come: both see both, and in one order.
#[test]
fn two_streams_see_what_two_threads_publish_in_one_order() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let [one, two] = [(); 2].map(|()| topic_stream(&topic, &clock, Start::Now));
        let publishing = publish(&topic, "a");
        let reading = thread::spawn(move || read(one, 2));
        topic.publish("b").unwrap();
        let (seen, _two) = read(two, 2);
        publishing.join().unwrap();
        assert_eq!(reading.join().unwrap().0, seen);
    });
}

/// Two streams that have kept up in their tasks for a message: they share what they take, and
/// wait with wakers that the topic has kept.
fn keeping_up(topic: &Topic, clock: &FakeClock) -> [Task<TopicStream>; 2] {
    let mut tasks = waiting_tasks(topic, clock);
    topic.publish("x").unwrap();
    for task in &mut tasks {
        task.read(1);
    }
    tasks
}

#[test]
fn streams_that_keep_up_go_on_seeing_all() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let [mut one, mut two] = keeping_up(&topic, &clock);
        let publishing = publish(&topic, "a");
        let reading = thread::spawn(move || (one.read(2), one));
        topic.publish("b").unwrap();
        let seen = two.read(2);
        publishing.join().unwrap();
        assert_eq!(reading.join().unwrap().0, seen);
    });
}

/// However the topic ends: what one has read the other gets too, or its end.
#[test]
fn streams_that_keep_up_end() {
    for end in [Topic::close, Topic::abort, |_: &Topic| {}] {
        loom::model(move || {
            let (clock, topic) = new_topic();
            let [mut one, two] = keeping_up(&topic, &clock);
            topic.publish("m").unwrap();
            assert_eq!(one.read(1), "id: e-2\ndata: m\n\n");
            let reading = thread::spawn(move || two.drain());
            end(&topic);
            drop(topic);
            // It may be woken first, and has to hand that on.
            assert_eq!(one.drain(), "");
            let seen = reading.join().unwrap();
            assert!(
                ["", "id: e-2\ndata: m\n\n"].contains(&seen.as_str()),
                "{seen}"
            );
        });
    }
}

/// Number and position are taken under one lock: there is no seam.
#[test]
fn a_stream_that_resumes_while_a_message_comes_sees_it_once() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        topic.publish("a").unwrap();
        let publishing = publish(&topic, "b");
        let start = Start::After(LastEventId::new("e-1"));
        let (seen, mut stream) = read(topic_stream(&topic, &clock, start), 1);
        assert_eq!(seen, "id: e-2\ndata: b\n\n");
        publishing.join().unwrap();
        assert!(poll_once(&mut stream).is_pending());
    });
}

/// One stream leaves while a message comes: the other one is woken for it.
#[test]
fn a_stream_that_is_dropped_takes_no_wake_up_of_another_along() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let [mut one, two] = [(); 2].map(|()| topic_stream(&topic, &clock, Start::Now));
        assert!(poll_once(&mut one).is_pending());
        let publishing = publish(&topic, "a");
        let leaving = thread::spawn(move || drop(one));
        let (seen, _two) = read(two, 1);
        assert_eq!(seen, "id: e-1\ndata: a\n\n");
        publishing.join().unwrap();
        leaving.join().unwrap();
        assert_eq!(topic.stats().streams, 1);
    });
}

/// Streams that wait, at any moment, get what was accepted and then their end.
#[test]
fn a_close_ends_all_and_loses_nothing_that_was_accepted() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let [one, two] = [(); 2].map(|()| topic_stream(&topic, &clock, Start::Now));
        let publishing = spawn_with(&topic, |topic| topic.publish("a").is_ok());
        let reading = thread::spawn(move || drain(one));
        topic.close();
        let seen = drain(two);
        assert_eq!(!seen.is_empty(), publishing.join().unwrap());
        assert_eq!(reading.join().unwrap(), seen);
    });
}

/// A stream in its gap listens to the end alone, and ends whenever that comes.
#[test]
fn a_close_ends_a_stream_that_parks() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let stream = topic_stream(&topic, &clock, Start::Now);
        let mut stream = stream.pacing(Pacing::spaced(Duration::from_secs(3600)));
        topic.publish("a").unwrap();
        assert!(poll_once(&mut stream).is_ready());
        let closing = spawn_with(&topic, |topic| topic.close());
        assert_eq!(drain(stream), "");
        closing.join().unwrap();
    });
}

#[test]
fn an_abort_ends_streams_and_publishers_at_any_moment() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let stream = topic_stream(&topic, &clock, Start::Now);
        let aborting = spawn_with(&topic, |topic| topic.abort());
        let publishing = spawn_with(&topic, |topic| drop(topic.publish("a")));
        drain(stream);
        aborting.join().unwrap();
        publishing.join().unwrap();
    });
}

#[test]
fn the_last_handle_dropped_ends_a_stream_that_waits() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let stream = topic_stream(&topic, &clock, Start::Now);
        let dropping = spawn_with(&topic, drop);
        let reading = thread::spawn(move || drain(stream));
        drop(topic);
        dropping.join().unwrap();
        assert_eq!(reading.join().unwrap(), "");
    });
}

/// A publish wakes one stream, and leaves the other to that one's poll: under loom, one is a crowd.
#[test]
fn a_stream_that_polls_hands_the_wake_up_on_to_the_next() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let [mut one, mut two] = waiting_tasks(&topic, &clock);
        let publishing = publish(&topic, "a");
        let reading = thread::spawn(move || (one.read(1), one));
        assert_eq!(two.read(1), "id: e-1\ndata: a\n\n");
        publishing.join().unwrap();
        reading.join().unwrap();
    });
}

/// The first stream is woken, and dropped instead of polled: the second is woken all the same.
#[test]
fn a_stream_that_is_dropped_while_its_waker_is_out_leaves_no_waker() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let [one, mut two] = waiting_tasks(&topic, &clock);
        let alarm = Arc::clone(&one.alarm);
        let publishing = publish(&topic, "a");
        let leaving = thread::spawn(move || drop(one));
        assert_eq!(two.read(1), "id: e-1\ndata: a\n\n");
        publishing.join().unwrap();
        leaving.join().unwrap();
        assert_eq!(Arc::strong_count(&alarm), 1, "no waker is kept");
        assert_eq!(topic.stats().streams, 1);
    });
}

/// Two threads publish, and each may announce what the other one has to wake.
#[test]
fn a_stream_that_waits_again_while_its_waker_is_out_sees_what_comes_next() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let mut task = Task::new(topic_stream(&topic, &clock, Start::Now));
        assert!(task.poll_next().is_pending());
        let publishing = publish(&topic, "a");
        let other = publish(&topic, "b");
        task.read(2);
        publishing.join().unwrap();
        other.join().unwrap();
    });
}

/// The driver is armed, or woken to arm, for whatever is scheduled while it begins to wait.
#[test]
fn a_driver_keeps_the_time_of_what_is_published_meanwhile() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let mut driver = Task::new(Box::pin(topic.drive(clock.ticker())));
        let publishing = spawn_with(&topic, |topic| drop(topic.publish(later("a", 1)).unwrap()));
        loop {
            assert!(driver.poll().is_pending());
            if clock.next_deadline().is_some() {
                break;
            }
            driver.alarm.sleep();
        }
        publishing.join().unwrap();
        clock.advance_to_next();
        driver.alarm.sleep();
        assert!(driver.poll().is_pending());
        let closing = thread::spawn(move || topic.close());
        while driver.poll().is_pending() {
            driver.alarm.sleep();
        }
        closing.join().unwrap();
    });
}

/// Either stream may keep the time; it leaves, and the other one must.
#[test]
fn the_role_of_the_timekeeper_is_handed_on_when_it_leaves() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let [mut one, two] = [(); 2].map(|()| topic_stream(&topic, &clock, Start::Now));
        assert!(poll_once(&mut one).is_pending());
        topic.publish(later("a", 1)).unwrap();
        assert!(poll_once(&mut one).is_pending());
        let leaving = thread::spawn(move || drop(one));

        let mut task = Task::new(two);
        while task.poll_next().is_pending() {
            // The stream that leaves never polls again: only what this one arms moves the time.
            if clock.next_deadline().is_none() {
                task.alarm.sleep();
            } else {
                clock.advance_to_next();
            }
        }
        leaving.join().unwrap();
    });
}

/// The last stream leaves while a task begins to wait for that: it is woken, or has seen it.
#[test]
fn a_task_that_waits_for_the_last_stream_to_leave_sees_it_leave() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let stream = topic_stream(&topic, &clock, Start::Now);
        let leaving = thread::spawn(move || drop(stream));
        let deserted = topic.deserted(Duration::from_secs(1), clock.ticker());
        block_on_until(&clock, Duration::from_secs(1), deserted);
        leaving.join().unwrap();
        assert_eq!(topic.stats().streams, 0);
    });
}

/// A stream opens while a task waits: the task is woken, and waits for that stream too.
#[test]
fn a_stream_that_opens_holds_up_a_task_that_waits_for_none() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let deserted = topic.deserted(Duration::from_secs(1), clock.ticker());
        let mut waiting = Task::new(Box::pin(deserted));
        assert!(waiting.poll().is_pending());
        let opening = spawn_with(&topic, {
            let clock = clock.clone();
            move |topic| topic_stream(&topic, &clock, Start::Now)
        });
        assert!(waiting.poll().is_pending(), "its time has not come");
        let stream = opening.join().unwrap();
        waiting.alarm.sleep();
        clock.advance(Duration::from_secs(5));
        assert!(waiting.poll().is_pending());
        drop(stream);
        assert!(waiting.poll().is_pending(), "the time has begun again");
        clock.advance(Duration::from_secs(1));
        assert!(waiting.poll().is_ready());
    });
}

/// A stream is ended while a message comes: its task is woken, and sees its end; nothing follows.
#[test]
fn a_stream_that_is_ended_while_a_message_comes_ends() {
    loom::model(|| {
        let (clock, topic) = new_topic();
        let mut stream = topic_stream(&topic, &clock, Start::Now);
        let handle = stream.end_handle();
        let ending = thread::spawn(move || handle.end());
        let mut task = Task::new(stream);
        topic.publish("a").unwrap();
        let mut seen = String::new();
        while let Some(chunk) = task.next() {
            seen += str::from_utf8(&chunk).unwrap();
        }
        ending.join().unwrap();
        assert!(seen.is_empty() || seen.matches("data: ").count() == 1);
        assert!(task.next().is_none());
    });
}
