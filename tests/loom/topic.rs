//! Every order in which threads can meet at a topic, up to a few preemptions:
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --test topic_loom`
//!
//! A task that is not woken is a deadlock, and loom says so. Under loom a step wakes one stream, so
//! that two are a crowd. That these models can fail was seen by planting mistakes: the signal stored
//! after the lock is let go of (red is `a_close_ends_all_…`), a shared chunk that is left when the
//! topic ends (red is `streams_that_keep_up_end`), a waker that comes back though its stream has left
//! (red is `a_stream_that_is_dropped_while_…`), a driver that is not woken for an earlier due time (red
//! is `a_driver_…`).

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use loom::sync::{Condvar, Mutex};
use loom::thread;
use sse_queue::{
    EventStream, FakeClock, FakeTicker, KeepAlive, LastEventId, Message, Start, Topic,
    TopicSubscription,
};

type TopicStream = EventStream<TopicSubscription, FakeTicker>;

/// Not `park` and `unpark`: those of loom lose a token to a thread that waits for a lock.
#[derive(Default)]
struct Alarm {
    is_rung: Mutex<bool>,
    bell: Condvar,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.is_rung.lock().unwrap() = true;
        self.bell.notify_one();
    }
}

impl Alarm {
    fn sleep(&self) {
        let mut is_rung = self.is_rung.lock().unwrap();
        while !*is_rung {
            is_rung = self.bell.wait(is_rung).unwrap();
        }
        *is_rung = false;
    }
}

/// A stream in a task of its own.
struct Task {
    stream: TopicStream,
    alarm: Arc<Alarm>,
    waker: Waker,
}

impl Task {
    fn new(stream: TopicStream) -> Self {
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(Arc::clone(&alarm));
        Self {
            stream,
            alarm,
            waker,
        }
    }

    fn poll(&mut self) -> Poll<Option<Bytes>> {
        pin!(&mut self.stream).poll_next(&mut Context::from_waker(&self.waker))
    }

    /// The next chunk; sleeps until it is woken.
    fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Poll::Ready(chunk) = self.poll() {
                return chunk;
            }
            self.alarm.sleep();
        }
    }

    /// Reads until so many events are there.
    fn read(&mut self, events: usize) -> String {
        let mut all = String::new();
        while all.matches("data: ").count() < events {
            all += str::from_utf8(&self.next().unwrap()).unwrap();
        }
        all
    }

    /// Reads to the end.
    fn drain(mut self) -> String {
        let mut all = String::new();
        while let Some(chunk) = self.next() {
            all += str::from_utf8(&chunk).unwrap();
        }
        all
    }
}

/// Reads until so many events are there, in a new task.
fn read(stream: TopicStream, events: usize) -> (String, TopicStream) {
    let mut task = Task::new(stream);
    (task.read(events), task.stream)
}

/// Reads to the end, in a new task.
fn drain(stream: TopicStream) -> String {
    Task::new(stream).drain()
}

fn once(stream: &mut TopicStream) -> Poll<Option<Bytes>> {
    pin!(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}

fn topic(clock: &FakeClock) -> Topic {
    let builder = Topic::builder().clock(clock.clone());
    builder.epoch("e").unwrap().build()
}

fn stream(topic: &Topic, clock: &FakeClock, start: Start) -> TopicStream {
    let stream = topic.stream(start, clock.ticker()).unwrap();
    stream.first_bytes(false).keep_alive(KeepAlive::off())
}

/// Two streams wait while two messages come: both see both, and in one order.
#[test]
fn two_streams_see_what_two_threads_publish_in_one_order() {
    loom::model(|| {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let [one, two] = [(); 2].map(|()| stream(&topic, &clock, Start::Now));
        let publisher = topic.clone();
        let publishing = thread::spawn(move || drop(publisher.publish("a").unwrap()));
        let reading = thread::spawn(move || read(one, 2));
        topic.publish("b").unwrap();
        let (seen, _two) = read(two, 2);
        publishing.join().unwrap();
        assert_eq!(reading.join().unwrap().0, seen);
    });
}

/// Two streams that have kept up in their tasks for a message: they share what they take, and
/// wait with wakers that the topic has kept.
fn keeping_up(topic: &Topic, clock: &FakeClock) -> [Task; 2] {
    let mut tasks = [(); 2].map(|()| Task::new(stream(topic, clock, Start::Now)));
    assert!(tasks.iter_mut().all(|task| task.poll().is_pending()));
    topic.publish("x").unwrap();
    for task in &mut tasks {
        task.read(1);
    }
    tasks
}

#[test]
fn streams_that_keep_up_go_on_seeing_all() {
    loom::model(|| {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let [mut one, mut two] = keeping_up(&topic, &clock);
        let publisher = topic.clone();
        let publishing = thread::spawn(move || drop(publisher.publish("a").unwrap()));
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
            let clock = FakeClock::new();
            let topic = topic(&clock);
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
        let clock = FakeClock::new();
        let topic = topic(&clock);
        topic.publish("a").unwrap();
        let publisher = topic.clone();
        let publishing = thread::spawn(move || drop(publisher.publish("b").unwrap()));
        let start = Start::After(LastEventId::new("e-1"));
        let (seen, mut stream) = read(stream(&topic, &clock, start), 1);
        assert_eq!(seen, "id: e-2\ndata: b\n\n");
        publishing.join().unwrap();
        assert!(once(&mut stream).is_pending());
    });
}

/// One stream leaves while a message comes: the other one is woken for it.
#[test]
fn a_stream_that_is_dropped_takes_nobody_s_wake_up_along() {
    loom::model(|| {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let [mut one, two] = [(); 2].map(|()| stream(&topic, &clock, Start::Now));
        assert!(once(&mut one).is_pending());
        let publisher = topic.clone();
        let publishing = thread::spawn(move || drop(publisher.publish("a").unwrap()));
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
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let [one, two] = [(); 2].map(|()| stream(&topic, &clock, Start::Now));
        let publisher = topic.clone();
        let publishing = thread::spawn(move || publisher.publish("a").is_ok());
        let reading = thread::spawn(move || drain(one));
        topic.close();
        let seen = drain(two);
        assert_eq!(!seen.is_empty(), publishing.join().unwrap());
        assert_eq!(reading.join().unwrap(), seen);
    });
}

/// A stream in its gap listens to the end alone, and hears it whenever it comes.
#[test]
fn a_close_ends_a_stream_that_parks() {
    loom::model(|| {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let stream = stream(&topic, &clock, Start::Now);
        let mut stream = stream.spaced(Duration::from_secs(3600));
        topic.publish("a").unwrap();
        assert!(once(&mut stream).is_ready());
        let closer = topic.clone();
        let closing = thread::spawn(move || closer.close());
        assert_eq!(drain(stream), "");
        closing.join().unwrap();
    });
}

#[test]
fn an_abort_ends_streams_and_publishers_at_any_moment() {
    loom::model(|| {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let stream = stream(&topic, &clock, Start::Now);
        let aborter = topic.clone();
        let aborting = thread::spawn(move || aborter.abort());
        let publisher = topic.clone();
        let publishing = thread::spawn(move || drop(publisher.publish("a")));
        drain(stream);
        aborting.join().unwrap();
        publishing.join().unwrap();
    });
}

#[test]
fn the_last_handle_dropped_ends_a_stream_that_waits() {
    loom::model(|| {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let stream = stream(&topic, &clock, Start::Now);
        let other = topic.clone();
        let dropping = thread::spawn(move || drop(other));
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
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut tasks = [(); 2].map(|()| Task::new(stream(&topic, &clock, Start::Now)));
        assert!(tasks.iter_mut().all(|task| task.poll().is_pending()));
        let [mut one, mut two] = tasks;
        let publishing = thread::spawn(move || drop(topic.publish("a").unwrap()));
        let reading = thread::spawn(move || (one.read(1), one));
        assert_eq!(two.read(1), "id: e-1\ndata: a\n\n");
        publishing.join().unwrap();
        reading.join().unwrap();
    });
}

/// The first stream is woken, and dropped instead of polled: the second is woken all the same.
#[test]
fn a_stream_that_is_dropped_while_its_waker_is_out_leaves_nothing_behind() {
    loom::model(|| {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut tasks = [(); 2].map(|()| Task::new(stream(&topic, &clock, Start::Now)));
        assert!(tasks.iter_mut().all(|task| task.poll().is_pending()));
        let [one, mut two] = tasks;
        let alarm = Arc::clone(&one.alarm);
        let publisher = topic.clone();
        let publishing = thread::spawn(move || drop(publisher.publish("a").unwrap()));
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
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let mut task = Task::new(stream(&topic, &clock, Start::Now));
        assert!(task.poll().is_pending());
        let publisher = topic.clone();
        let publishing = thread::spawn(move || drop(publisher.publish("a").unwrap()));
        let other = thread::spawn(move || drop(topic.publish("b").unwrap()));
        task.read(2);
        publishing.join().unwrap();
        other.join().unwrap();
    });
}

/// The driver is armed, or woken to arm, for whatever is scheduled while it begins to wait.
#[test]
fn a_driver_keeps_the_time_of_what_is_published_meanwhile() {
    loom::model(|| {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(Arc::clone(&alarm));
        let mut driver = Box::pin(topic.drive(clock.ticker()));
        let publisher = topic.clone();
        let publishing = thread::spawn(move || {
            let later = Message::from("a").after(Duration::from_secs(1));
            drop(publisher.publish(later).unwrap());
        });
        loop {
            let mut cx = Context::from_waker(&waker);
            assert!(driver.as_mut().poll(&mut cx).is_pending());
            if clock.next_deadline().is_some() {
                break;
            }
            alarm.sleep();
        }
        publishing.join().unwrap();
        clock.advance_to_next();
        alarm.sleep();
        assert!(
            driver
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let closing = thread::spawn(move || topic.close());
        while driver
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
        {
            alarm.sleep();
        }
        closing.join().unwrap();
    });
}

/// Either stream may keep the time; it leaves, and the other one must.
#[test]
fn the_role_of_the_timekeeper_is_handed_on_when_it_leaves() {
    loom::model(|| {
        let clock = FakeClock::new();
        let topic = topic(&clock);
        let [mut one, two] = [(); 2].map(|()| stream(&topic, &clock, Start::Now));
        assert!(once(&mut one).is_pending());
        let later = Message::from("a").after(Duration::from_secs(1));
        topic.publish(later).unwrap();
        assert!(once(&mut one).is_pending());
        let leaving = thread::spawn(move || drop(one));

        let mut task = Task::new(two);
        while task.poll().is_pending() {
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
