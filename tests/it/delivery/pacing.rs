//! Leases on streams that are paced.

use sse_queue::{FakeClock, Lease, Pacing};

use super::{holding, new_leased_queue, queue_with};
use crate::support::queue::{push_all, quiet_stream, resumed_stream};
use crate::support::{secs, settled};

/// ```text
/// s    0       10      20               30
///              a       full             b
/// ack                        at 25
/// ```
#[test]
fn a_full_ticked_stream_continues_at_its_tick() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, Lease::new(secs(600)).max_in_flight(1));
    let mut stream = settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(10))));
    push_all(&queue, &["a", "b"]);
    stream.assert_pending();
    clock.advance(secs(10));
    stream.assert_sends("a");
    clock.advance(secs(15));
    stream.assert_pending();
    stream.take_wakes();
    queue.ack("e-1").unwrap();
    assert_eq!(stream.take_wakes(), 1);
    stream.assert_pending();
    clock.advance(secs(5));
    stream.assert_woken_for("b");
}

/// No message may be reserved for the full stream.
#[test]
fn a_full_ticked_stream_leaves_the_rest_to_others() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, Lease::new(secs(600)).max_in_flight(1));
    let mut full = settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(10))));
    let mut other = settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(10))));
    push_all(&queue, &["a", "b", "c"]);
    full.assert_pending();
    other.assert_pending();
    clock.advance(secs(10));
    full.assert_sends("a");
    other.assert_sends("b");
    full.take_wakes();
    other.take_wakes();
    queue.ack("e-2").unwrap();
    assert_eq!((full.take_wakes(), other.take_wakes()), (0, 1));
    other.assert_pending();
    clock.advance(secs(10));
    assert_eq!(other.data(), "c");
}

/// ```text
/// s    0       7       10      37       40
///              push    a       ends     a
/// ```
#[test]
fn a_lease_that_ends_between_two_ticks_is_seen_at_the_next() {
    let clock = FakeClock::new();
    let queue = queue_with(&clock, Lease::new(secs(27)).max_in_flight(64));
    let mut stream = settled(quiet_stream(&queue, &clock).pacing(Pacing::every(secs(10))));
    clock.advance(secs(7));
    queue.push("a").unwrap();
    stream.assert_pending();
    clock.advance(secs(3));
    stream.assert_sends("a");
    clock.advance(secs(27));
    stream.assert_pending();
    stream.take_wakes();
    clock.advance(secs(3));
    stream.assert_woken_for("a");
}

#[test]
fn a_ticked_stream_sends_redelivered_messages_at_its_ticks() {
    let (clock, queue) = new_leased_queue();
    let _stream = holding(&queue, &clock, &["a", "b", "c"]);
    let stream = resumed_stream(&queue, &clock, "e-1").pacing(Pacing::every(secs(1)));
    let mut stream = settled(stream);
    for data in ["b", "c"] {
        clock.advance(secs(1));
        stream.assert_sends(data);
    }
}

/// ```text
/// s    0      5                 20
///      a      nacked, armed     a
/// ```
#[test]
fn a_spaced_stream_sends_a_requeued_message_after_its_gap() {
    let (clock, queue) = new_leased_queue();
    let mut stream = settled(quiet_stream(&queue, &clock).pacing(Pacing::spaced(secs(20))));
    queue.push("a").unwrap();
    stream.assert_sends("a");
    clock.advance(secs(5));
    stream.take_wakes();
    queue.nack("e-1", None).unwrap();
    assert_eq!(stream.take_wakes(), 1, "to arm for the end of its gap");
    stream.assert_pending();
    clock.advance(secs(14));
    assert_eq!(stream.take_wakes(), 0);
    clock.advance(secs(1));
    stream.assert_woken_for("a");
}
