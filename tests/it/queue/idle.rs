//! Idle streams and streams that are polled by hand cost no wake-up.

use sse_queue::Pacing;
use sse_queue::stream::KeepAlive;

use crate::support::queue::{new_queue, push_later, quiet_stream, waiting};
use crate::support::{Task, ms, secs, settled};

#[test]
fn an_idle_queue_wakes_no_stream() {
    let (clock, queue) = new_queue();
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    queue.push("x").unwrap();
    for _ in 0..5 {
        for stream in &mut streams {
            while stream.take_wakes() > 0 && stream.poll_next().is_ready() {}
        }
        clock.advance(secs(1));
    }
    assert_eq!(clock.next_deadline(), None);
    clock.advance(secs(1_000));
    assert_eq!(streams.each_ref().map(Task::take_wakes), [0; 3]);
}

#[test]
fn ten_thousand_idle_streams_cost_no_wake_up_in_an_hour() {
    let (clock, queue) = new_queue();
    let mut streams: Vec<_> = (0..10_000_u64)
        .map(|n| match n % 3 {
            0 => quiet_stream(&queue, &clock),
            1 => quiet_stream(&queue, &clock).pacing(Pacing::spaced(ms(20))),
            _ => quiet_stream(&queue, &clock).pacing(Pacing::every(ms(1 + n))),
        })
        .map(settled)
        .collect();
    clock.advance(secs(3600));
    assert_eq!(clock.wakes(), 0);
    assert_eq!(streams.iter().map(Task::take_wakes).sum::<usize>(), 0);

    // With keep-alive, one wake-up a period and no more.
    streams.truncate(10);
    let mut streams: Vec<_> = streams
        .into_iter()
        .map(|_| {
            let stream = quiet_stream(&queue, &clock).pacing(Pacing::every(ms(10)));
            settled(stream.keep_alive(KeepAlive::comment(secs(15))))
        })
        .collect();
    let before = clock.wakes();
    for _ in 0..240 {
        clock.advance(ms(13_499));
        streams.iter_mut().for_each(Task::assert_pending);
        clock.advance(ms(1_501));
        for stream in &mut streams {
            assert_eq!(stream.bytes(), ":\n");
            stream.assert_pending();
        }
    }
    assert_eq!(clock.wakes() - before, 10 * 240);
}

/// A stream that is polled by hand leaves no waker and is not relied on.
#[test]
fn a_stream_polled_by_hand_takes_no_wake_up_of_another() {
    let (clock, queue) = new_queue();
    let mut by_hand = quiet_stream(&queue, &clock);
    assert_eq!(by_hand.next_ready(), None);
    let mut ticked = quiet_stream(&queue, &clock).pacing(Pacing::every(secs(60)));
    assert_eq!(ticked.next_ready(), None);
    let mut other = waiting(&queue, &clock);
    queue.push("a").unwrap();
    assert_eq!(other.take_wakes(), 1);
    other.assert_sends("a");
    push_later(&queue, "b", secs(1));
    other.take_wakes();
    other.assert_pending();
    clock.advance(secs(1));
    other.assert_woken_for("b");
}
