//! What the types promise.

use futures_util::stream::Pending;
use sse_queue::message::Remaining;
use sse_queue::queue::{PushError, PushWhenReady, QueueSubscription};
use sse_queue::stream::{EndHandle, Events, TryEventStream};
use sse_queue::{
    Event, EventStream, FakeClock, FakeTicker, Message, Queue, SystemClock, ThreadTicker,
};

use crate::support::queue::QueueStream;

fn is_unpin_and_crosses_threads<T: Send + Sync + Unpin>() {}

#[test]
fn every_public_type_crosses_threads_and_can_be_moved() {
    is_unpin_and_crosses_threads::<QueueStream>();
    is_unpin_and_crosses_threads::<EventStream<QueueSubscription, ThreadTicker>>();
    is_unpin_and_crosses_threads::<TryEventStream<QueueSubscription, FakeTicker>>();
    is_unpin_and_crosses_threads::<EventStream<Events<Pending<Event>>, FakeTicker>>();
    is_unpin_and_crosses_threads::<(Queue, EndHandle)>();
    is_unpin_and_crosses_threads::<PushWhenReady>();
    is_unpin_and_crosses_threads::<(FakeClock, SystemClock)>();
    is_unpin_and_crosses_threads::<(Event, Message, Remaining, PushError)>();
}
