//! Every order in which threads can meet a stream within its gap, up to a few preemptions:
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --test gap_loom`
//!
//! Such a stream asks its topic whether something is due, and takes no lock as long as nothing has
//! come. A task that nobody wakes is a deadlock, and loom says so: both models fail if the stream
//! waits without comparing the counts of wake-ups.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use loom::sync::{Condvar, Mutex};
use loom::thread;
use sse_queue::{FakeClock, KeepAlive, Start, Topic};

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

/// Reads to the end, in one task.
fn drain(mut stream: impl Stream<Item = Bytes> + Unpin, alarm: &Arc<Alarm>) -> String {
    let waker = Waker::from(Arc::clone(alarm));
    let mut all = String::new();
    loop {
        match pin!(&mut stream).poll_next(&mut Context::from_waker(&waker)) {
            Poll::Ready(Some(chunk)) => all += str::from_utf8(&chunk).unwrap(),
            Poll::Ready(None) => return all,
            Poll::Pending => {
                let mut is_rung = alarm.is_rung.lock().unwrap();
                while !*is_rung {
                    is_rung = alarm.bell.wait(is_rung).unwrap();
                }
                *is_rung = false;
            }
        }
    }
}

/// A stream that has just sent a message meets what another thread does to its topic; returns what
/// it sends from then on.
fn within_a_gap(other: impl FnOnce(Topic) + Send + 'static) -> String {
    let clock = FakeClock::new();
    let topic = Topic::builder()
        .clock(clock.clone())
        .epoch("e")
        .unwrap()
        .build();
    let stream = topic.stream(Start::Now, clock.ticker()).unwrap();
    let stream = stream.first_bytes(false).keep_alive(KeepAlive::off());
    let mut stream = stream.spaced(Duration::from_secs(3600));
    topic.publish("a").unwrap();
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    let first = pin!(&mut stream).poll_next(&mut Context::from_waker(&waker));
    assert_eq!(first, Poll::Ready(Some("id: e-1\ndata: a\n\n".into())));
    let meeting = thread::spawn(move || other(topic));
    let rest = drain(stream, &alarm);
    meeting.join().unwrap();
    rest
}

#[test]
fn a_close_ends_a_stream_within_its_gap() {
    loom::model(|| assert_eq!(within_a_gap(|topic| topic.close()), ""));
}

#[test]
fn what_came_within_the_gap_goes_out_when_the_topic_closes() {
    loom::model(|| {
        let rest = within_a_gap(|topic| {
            topic.publish("b").unwrap();
            topic.close();
        });
        assert_eq!(rest, "id: e-2\ndata: b\n\n");
    });
}
