//! Where messages go in and streams come out.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use serde_json::{Value, json};
use sse_queue::{EventStream, KeepAlive, Message, PushError, Queue, Receipt, Source};

use super::answer::Refusal;
use super::args::{Args, Pacing};
use super::tokio_time::{TokioClock, TokioTicker};

/// The body of a `GET /events`, boxed for the sake of hubs whose streams differ in type: where there
/// is one kind, name it and box nothing.
pub(crate) type Frames = Pin<Box<dyn Stream<Item = Result<Bytes, Infallible>> + Send>>;

/// What stands between those who send and those who read.
pub(crate) struct Hub {
    kind: Kind,
    pacing: Pacing,
    keep_alive: KeepAlive,
}

enum Kind {
    /// Each message goes to one stream.
    Queue(Queue),
}

impl Hub {
    pub(crate) fn new(args: &Args) -> Self {
        let queue = Queue::builder()
            .capacity(args.capacity.get())
            .overflow(args.overflow)
            .max_streams(args.max_streams)
            .clock(TokioClock::new())
            .build();
        Self {
            kind: Kind::Queue(queue),
            pacing: args.pacing,
            keep_alive: args.keep_alive.clone(),
        }
    }

    pub(crate) fn push(&self, message: Message) -> Result<Receipt, Refusal> {
        match &self.kind {
            Kind::Queue(queue) => queue.push(message).map_err(|error| match error {
                PushError::TooLarge(_) => Refusal::TooLarge(error.to_string()),
                _ => Refusal::Unavailable(error.to_string()),
            }),
        }
    }

    /// A new stream for one connection.
    pub(crate) fn stream(&self) -> Result<Frames, Refusal> {
        match &self.kind {
            Kind::Queue(queue) => match queue.stream(TokioTicker::new()) {
                Ok(stream) => Ok(self.paced(stream)),
                Err(_) => Err(Refusal::TooManyStreams),
            },
        }
    }

    fn paced<S>(&self, stream: EventStream<S, TokioTicker>) -> Frames
    where
        S: Source + Send + 'static,
    {
        let stream = stream.keep_alive(self.keep_alive.clone());
        let stream = match self.pacing {
            Pacing::Immediate => stream,
            Pacing::Spaced(gap) => stream.spaced(gap),
            Pacing::Every { period, batch } => stream.every(period).batch(batch.get()),
        };
        Box::pin(stream.into_try_stream())
    }

    /// The counters.
    pub(crate) fn stats(&self) -> Value {
        match &self.kind {
            Kind::Queue(queue) => {
                let stats = queue.stats();
                json!({
                    "pushed": stats.pushed,
                    "delivered": stats.delivered,
                    "dropped": stats.dropped,
                    "expired": stats.expired,
                    "withdrawn": stats.withdrawn,
                    "depth": stats.depth,
                    "bytes": stats.bytes,
                    "streams": stats.streams,
                    "oldest_age_ms": stats.oldest_age.map(millis),
                })
            }
        }
    }

    /// Takes no more messages; streams end when they have given what is due.
    pub(crate) fn close(&self) {
        match &self.kind {
            Kind::Queue(queue) => queue.close(),
        }
    }

    /// Ends all streams with what they have given so far.
    pub(crate) fn abort(&self) {
        match &self.kind {
            Kind::Queue(queue) => queue.abort(),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
