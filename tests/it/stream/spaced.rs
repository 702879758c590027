//! Streams with a gap between chunks.

use sse_queue::Pacing;

use crate::support::queue::{new_queue, quiet_stream};
use crate::support::{Task, ms, settled};

/// ```text
/// ms     0    5   10   20        30       50 ...    90
/// push   a    b    c             d                  e
/// sent   a             b,c                d (40)    e
/// ```
#[test]
fn messages_within_the_gap_go_in_one_chunk_after_it() {
    let (clock, queue) = new_queue();
    let mut stream = settled(quiet_stream(&queue, &clock).pacing(Pacing::spaced(ms(20))));
    queue.push("a").unwrap();
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_sends("a");
    for data in ["b", "c"] {
        clock.advance(ms(5));
        queue.push(data).unwrap();
        assert_eq!(stream.take_wakes(), usize::from(data == "b"));
        stream.assert_pending();
    }
    clock.advance(ms(10));
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_sends("b,c");
    clock.advance(ms(10));
    stream.take_wakes();
    queue.push("d").unwrap();
    assert_eq!(stream.take_wakes(), 1, "the first within the gap wakes it");
    stream.assert_pending();
    clock.advance(ms(10));
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_sends("d");
    assert_eq!(
        clock.next_deadline(),
        None,
        "nothing arrives, nothing is armed"
    );
    clock.advance(ms(20));
    clock.advance(ms(30));
    queue.push("e").unwrap();
    assert_eq!(stream.data(), "e", "at once, after a quiet time");
}

#[test]
fn a_spaced_stream_is_woken_twice_a_gap_however_much_is_pushed() {
    let (clock, queue) = new_queue();
    let mut stream =
        settled(quiet_stream(&queue, &clock).pacing(Pacing::spaced(ms(20)).batch(1000)));
    queue.push("x").unwrap();
    stream.data();
    stream.assert_pending();
    stream.take_wakes();
    for _ in 0..50 {
        let mut woken = 0;
        for _ in 0..100 {
            queue.push("x").unwrap();
            if stream.count.take() > 0 {
                stream.assert_pending();
                woken += 1;
            }
        }
        clock.advance(ms(20));
        assert_eq!((woken, stream.take_wakes()), (1, 1));
        assert_eq!(stream.data().split(',').count(), 100);
        stream.assert_pending();
    }
}

/// ```text
/// ms     0    5 spaced(20)    25
/// push   a    b c
/// sent   a    b               c
/// ```
#[test]
fn a_gap_that_is_set_after_a_burst_follows_the_next_one() {
    let (clock, queue) = new_queue();
    let mut stream = quiet_stream(&queue, &clock).pacing(Pacing::spaced(ms(1000)));
    queue.push("a").unwrap();
    assert!(stream.next_ready().is_some());
    clock.advance(ms(5));
    let mut stream = Task::new(stream.pacing(Pacing::spaced(ms(20))));
    queue.push("b").unwrap();
    stream.assert_sends("b");
    queue.push("c").unwrap();
    stream.assert_pending();
    assert_eq!(clock.advance_to_next(), Some(ms(20)));
    stream.assert_sends("c");
}
