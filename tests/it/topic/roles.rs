//! Which streams of a topic keep its time, and what follows when they read something else first.

use std::task::Poll;

use sse_queue::{
    EventStream, FakeClock, FakeTicker, KeepAlive, Message, Start, Topic, TopicSubscription,
};

use crate::support::{Task, ms, parser, secs, settled};

type TopicStream = EventStream<TopicSubscription, FakeTicker>;

fn topic(clock: &FakeClock) -> Topic {
    let builder = Topic::builder().clock(clock.clone()).epoch("e").unwrap();
    builder.build()
}

fn bare(topic: &Topic, clock: &FakeClock) -> TopicStream {
    let stream = topic.stream(Start::Now, clock.ticker()).unwrap();
    stream.first_bytes(false).keep_alive(KeepAlive::off())
}

/// Such a stream with a waker, that has been polled and waits.
#[track_caller]
fn waiting(topic: &Topic, clock: &FakeClock) -> Task<TopicStream> {
    settled(bare(topic, clock))
}

fn later(data: &str, after: u64) -> Message {
    Message::from(data).after(secs(after))
}

/// Polls the streams that were woken until none is; returns the data that each got.
fn run(streams: &mut [&mut Task<TopicStream>]) -> Vec<String> {
    let mut all = vec![String::new(); streams.len()];
    let mut is_any = true;
    while is_any {
        is_any = false;
        for (stream, all) in streams.iter_mut().zip(&mut all) {
            if stream.wakes() == 0 {
                continue;
            }
            is_any = true;
            while let Poll::Ready(Some(chunk)) = stream.poll_next() {
                let events = parser::parse(&chunk).events;
                all.extend(events.into_iter().map(|event| event.data));
            }
        }
    }
    all
}

/// Lets time pass from deadline to deadline, and [runs](run) the streams at each.
fn pass(clock: &FakeClock, millis: u64, streams: &mut [&mut Task<TopicStream>]) -> Vec<String> {
    let mut all = run(streams);
    let end = clock.elapsed() + ms(millis);
    while clock.elapsed() < end {
        let left = end.saturating_sub(clock.elapsed());
        let next = clock.next_deadline().unwrap_or(left);
        clock.advance(next.max(ms(1)).min(left));
        for (all, new) in all.iter_mut().zip(run(streams)) {
            all.push_str(&new);
        }
    }
    all
}

/// Both are woken to arm for the earlier message, and another stream has read what they find.
#[test]
fn timekeepers_that_take_a_shared_chunk_still_arm_for_an_earlier_message() {
    let clock = FakeClock::new();
    let topic = topic(&clock);
    let [mut one, mut two] = [(); 2].map(|()| waiting(&topic, &clock));
    topic.publish(later("late", 3_600)).unwrap();
    run(&mut [&mut one, &mut two]);
    let mut other = Task::new(bare(&topic, &clock));
    topic.publish(later("soon", 5)).unwrap();
    topic.publish("x").unwrap();
    assert_eq!(other.data(), "x");
    assert_eq!(run(&mut [&mut one, &mut two]), ["x", "x"]);
    other.is_pending();
    let got = pass(&clock, 5_000, &mut [&mut one, &mut two, &mut other]);
    assert_eq!(got, ["soon"; 3]);
}

/// Three streams that wait, of which two are woken to arm for a message, and do not poll: the third
/// first.
fn idle_and_asked(topic: &Topic, clock: &FakeClock) -> (Task<TopicStream>, Vec<Task<TopicStream>>) {
    let mut streams: Vec<_> = (0..3).map(|_| waiting(topic, clock)).collect();
    topic.publish(later("x", 5)).unwrap();
    let idle = streams.iter().position(|stream| !stream.is_woken());
    (streams.remove(idle.unwrap()), streams)
}

#[test]
fn streams_that_leave_before_they_arm_are_replaced_as_timekeepers() {
    let clock = FakeClock::new();
    let topic = topic(&clock);
    let (mut idle, asked) = idle_and_asked(&topic, &clock);
    drop(asked);
    assert_eq!(pass(&clock, 5_000, &mut [&mut idle]), ["x"]);
}

#[test]
fn streams_polled_by_hand_before_they_arm_are_replaced_as_timekeepers() {
    let clock = FakeClock::new();
    let topic = topic(&clock);
    let (mut idle, mut asked) = idle_and_asked(&topic, &clock);
    for stream in &mut asked {
        assert_eq!(stream.inner.next_ready(), None);
    }
    assert_eq!(pass(&clock, 5_000, &mut [&mut idle]), ["x"]);
}

#[test]
fn streams_that_end_by_their_age_before_they_arm_are_replaced_as_timekeepers() {
    let clock = FakeClock::new();
    let topic = topic(&clock);
    let mut aging = [(); 2].map(|()| settled(bare(&topic, &clock).max_age(ms(500))));
    let mut idle = waiting(&topic, &clock);
    topic.publish(later("x", 5)).unwrap();
    assert!(aging.iter().all(Task::is_woken));
    clock.advance(ms(500));
    for stream in &mut aging {
        assert!(stream.bytes().starts_with("retry:"));
        stream.is_over();
    }
    assert_eq!(pass(&clock, 4_500, &mut [&mut idle]), ["x"]);
}

/// Nobody is left who can publish, and the last scheduled message expires before it enters.
#[test]
fn a_stream_that_reads_late_ends_after_the_last_scheduled_message_expired() {
    let clock = FakeClock::new();
    let topic = topic(&clock);
    let [mut one, mut two] = [(); 2].map(|()| waiting(&topic, &clock));
    topic.publish("x").unwrap();
    let never = later("never", 10).expires_after(ms(1));
    topic.publish(never).unwrap();
    drop(topic);
    assert_eq!(one.data(), "x");
    one.is_pending();
    clock.advance(secs(20));
    one.is_over();
    assert_eq!(two.data(), "x");
    two.is_over();
}

/// The first has no time to keep any more when its message has expired, and its client is slow then.
#[test]
fn the_second_timekeeper_is_the_first_for_the_next_message() {
    let clock = FakeClock::new();
    let topic = Topic::builder().clock(clock.clone()).build();
    let stream = || {
        let stream = topic.stream(Start::Now, clock.ticker()).unwrap();
        stream.first_bytes(false).keep_alive(KeepAlive::off())
    };
    let expires = Message::from("expires").after(ms(1));
    topic.publish(expires.expires_after(ms(0))).unwrap();
    let (mut first, mut second) = (Task::new(stream()), Task::new(stream()));
    first.is_pending();
    second.is_pending();
    clock.advance(ms(1));
    first.is_pending();
    drop(first);
    topic.publish(Message::from("x").after(ms(5))).unwrap();
    while second.wakes() > 0 {
        second.is_pending();
    }
    clock.advance(ms(5));
    assert_eq!(second.wakes(), 1);
    assert_eq!(second.data(), "x");
}
