//! What the types promise.

use futures_util::stream::Pending;
use sse_queue::{
    Event, EventStream, Events, FakeClock, FakeTicker, Message, PushError, PushWhenReady, Queue,
    QueueSubscription, Remaining, SystemClock, ThreadTicker, TryEventStream,
};

use crate::support::queue::QueueStream;

fn is_unpin_and_crosses_threads<T: Send + Sync + Unpin>() {}

#[test]
fn every_public_type_crosses_threads_and_can_be_moved() {
    is_unpin_and_crosses_threads::<QueueStream>();
    is_unpin_and_crosses_threads::<EventStream<QueueSubscription, ThreadTicker>>();
    is_unpin_and_crosses_threads::<TryEventStream<QueueSubscription, FakeTicker>>();
    is_unpin_and_crosses_threads::<EventStream<Events<Pending<Event>>, FakeTicker>>();
    is_unpin_and_crosses_threads::<Queue>();
    is_unpin_and_crosses_threads::<PushWhenReady>();
    is_unpin_and_crosses_threads::<(FakeClock, SystemClock)>();
    is_unpin_and_crosses_threads::<(Event, Message, Remaining, PushError)>();
}
