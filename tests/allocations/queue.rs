//! What is allocated, counted: by event, by message, by idle stream.

use std::task::Poll;
use std::time::Duration;

use allocation_counter::measure;
use bytes::Bytes;
use sse_queue::event::EventError;
use sse_queue::queue::QueueSubscription;
use sse_queue::{Event, EventStream, FakeClock, Lease, Pacing, Queue};

use super::{Never, poll};

type Idle = EventStream<QueueSubscription, Never>;

fn encode(data: &str) -> Result<Bytes, EventError> {
    Ok(Event::new(data).name("price")?.id("7")?.encode())
}

#[test]
fn an_event_is_built_and_encoded_in_one_allocation() {
    let data = "x".repeat(256);
    let mut frame = None;
    let encoding = measure(|| frame = encode(&data).ok());
    assert_eq!(encoding.count_total, 1);

    let frame = frame.unwrap();
    let sharing = measure(|| drop(frame.clone()));
    assert!(sharing.count_total <= 1, "{}", sharing.count_total);
    let sharing_again = measure(|| drop(frame.clone()));
    assert_eq!(sharing_again.count_total, 0);
}

#[test]
fn a_message_passes_a_warm_queue_without_a_further_allocation() {
    let queue = Queue::builder().clock(FakeClock::new()).build();
    let mut stream = queue.stream(Never).unwrap().without_first_comment();
    let data = "x".repeat(256);
    let mut pass = || {
        assert!(poll(&mut stream).is_pending());
        queue.push(data.as_str()).unwrap();
        assert!(poll(&mut stream).is_ready());
    };
    (0..1_000).for_each(|_| pass());

    let passing = measure(|| (0..1_000).for_each(|_| pass()));
    assert_eq!(passing.count_total, 1_000, "the frame's own buffer alone");
    assert_eq!(passing.count_current, 0);
}

#[test]
fn an_idle_stream_takes_at_most_400_bytes() {
    const STREAMS: usize = 10_000;

    let queue = Queue::builder().clock(FakeClock::new()).build();
    let mut streams: Vec<Idle> = Vec::with_capacity(STREAMS);
    let held = measure(|| {
        for _ in 0..STREAMS {
            let stream = queue.stream(Never).unwrap();
            let mut stream = stream.pacing(Pacing::every(Duration::from_secs(1)));
            assert!(poll(&mut stream).is_ready(), "the first bytes");
            assert!(poll(&mut stream).is_pending());
            streams.push(stream);
        }
    });
    let in_queue = usize::try_from(held.bytes_current).unwrap() / STREAMS;
    let stream = size_of::<Idle>();
    println!("{stream} bytes in the stream, {in_queue} in its queue");
    assert!(stream + in_queue <= 400, "{stream} + {in_queue} bytes");
}

/// What a message takes while it is leased, apart from the buffer of its frame.
#[test]
fn a_message_in_flight_takes_at_most_208_bytes_beside_its_frame() {
    const MESSAGES: usize = 100_000;

    let lease = Lease::new(Duration::from_secs(30)).max_in_flight(MESSAGES);
    let queue = Queue::builder().clock(FakeClock::new()).capacity(MESSAGES);
    let queue = queue.at_least_once(lease).build();
    let mut stream = queue.stream(Never).unwrap().without_first_comment();
    let mut frames = Vec::with_capacity(MESSAGES);
    let held = measure(|| {
        for _ in 0..MESSAGES {
            queue.push("x").unwrap();
            frames.push(poll(&mut stream));
        }
    });
    let held = usize::try_from(held.bytes_current).unwrap();
    assert_eq!(queue.stats().in_flight, MESSAGES);
    drop((stream, queue));
    // All that is left now is the frames.
    let left = measure(|| drop(frames));
    let left = usize::try_from(-left.bytes_current).unwrap();
    let vec = MESSAGES * size_of::<Poll<Option<Bytes>>>();
    let beside = (held - (left - vec)) / MESSAGES;
    println!(
        "{beside} bytes beside a frame of {}",
        (left - vec) / MESSAGES
    );
    assert!(beside <= 208, "{beside} bytes");
}

#[test]
fn a_lease_takes_two_allocations_beside_the_frames_own() {
    let lease = Lease::new(Duration::from_secs(30));
    let queue = Queue::builder().clock(FakeClock::new());
    let queue = queue.at_least_once(lease).epoch("e").unwrap().build();
    let mut stream = queue.stream(Never).unwrap().without_first_comment();
    let mut pass = || {
        assert!(poll(&mut stream).is_pending());
        let receipt = queue.push("x").unwrap();
        assert!(poll(&mut stream).is_ready());
        queue.ack(receipt.id()).unwrap();
    };
    (0..1_000).for_each(|_| pass());
    let passing = measure(|| (0..1_000).for_each(|_| pass()));
    // The count of the frame's owners, and the lease; and one block of the history of acks.
    assert!(passing.count_total <= 3_001, "{}", passing.count_total);
    assert!(passing.count_current <= 1);
}
