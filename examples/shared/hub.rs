//! The queue or topic between publishers and readers.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use serde_json::{Value, json};
use sse_queue::message::Receipt;
use sse_queue::queue::{AckError, PushError};
use sse_queue::stream::KeepAlive;
use sse_queue::topic::{Filter, PublishError, Resumption, Start};
use sse_queue::{EventStream, LastEventId, Lease, Message, Pacing, Queue, Source, Topic};

use super::answer::Refusal;
use super::args::{Args, Mode};
use super::tokio_time::{TokioClock, TokioTicker};

/// The body of a `GET /events`, boxed because the streams of a queue and a topic differ in type. A
/// service with one of them can name the type and box nothing.
pub(crate) type Frames = Pin<Box<dyn Stream<Item = Result<Bytes, Infallible>> + Send>>;

/// The queue or topic, and how its streams are set up.
pub(crate) struct Hub {
    kind: Kind,
    pacing: Pacing,
    keep_alive: KeepAlive,
    is_leasing: bool,
}

/// How long messages in flight to a lost connection wait for its client to reconnect.
const GRACE: Duration = Duration::from_secs(1);

/// What a client says of a message that it got.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    /// It is done.
    Ack,
    /// It must be handed out again, after a while.
    Nack(Option<Duration>),
}

enum Kind {
    /// Each message goes to one stream.
    Queue(Queue),
    /// Each message goes to every stream.
    Topic(Topic),
}

impl Hub {
    pub(crate) fn new(args: &Args) -> Self {
        let clock = TokioClock::new();
        let kind = match args.mode {
            Mode::Queue => {
                let queue = Queue::builder()
                    .capacity(args.capacity.get())
                    .overflow(args.overflow)
                    .rate(1, args.rate)
                    .max_streams(args.max_streams)
                    .clock(clock);
                let queue = match args.lease {
                    Some(timeout) => {
                        let lease = Lease::new(timeout).grace(GRACE).confirm(args.confirm);
                        queue.at_least_once(lease.max_in_flight(args.max_in_flight.get()))
                    }
                    None => queue,
                };
                Kind::Queue(queue.build())
            }
            Mode::Broadcast => {
                let topic = Topic::builder()
                    .history(args.history.get())
                    .max_scheduled(args.capacity.get())
                    .max_streams(args.max_streams)
                    .clock(clock);
                Kind::Topic(topic.build())
            }
        };
        Self {
            kind,
            pacing: args.pacing,
            keep_alive: args.keep_alive.clone(),
            is_leasing: args.lease.is_some(),
        }
    }

    /// Accepts a message.
    pub(crate) fn send(&self, message: Message) -> Result<Receipt, Refusal> {
        match &self.kind {
            Kind::Queue(queue) => match queue.push(message) {
                Ok(receipt) => Ok(receipt),
                Err(error @ PushError::TooLarge(_)) => Err(Refusal::TooLarge(error.to_string())),
                Err(error @ PushError::DuplicateId(_)) => {
                    Err(Refusal::DuplicateId(error.to_string()))
                }
                // The error begins with the field's name.
                Err(
                    error @ (PushError::ReservedId(_)
                    | PushError::EmptyId(_)
                    | PushError::IdTooLong(_)),
                ) => Err(Refusal::BadMessage(error.to_string())),
                Err(error) => Err(Refusal::Unavailable(error.to_string())),
            },
            Kind::Topic(topic) => match topic.publish(message) {
                Ok(receipt) => Ok(receipt),
                Err(error @ PublishError::TooLarge(_)) => Err(Refusal::TooLarge(error.to_string())),
                Err(
                    error @ (PublishError::ReservedId(_)
                    | PublishError::EmptyId(_)
                    | PublishError::IdTooLong(_)),
                ) => Err(Refusal::BadMessage(error.to_string())),
                Err(error) => Err(Refusal::Unavailable(error.to_string())),
            },
        }
    }

    /// A new stream for a client that may have seen something already.
    pub(crate) fn stream(
        &self,
        seen: Option<LastEventId>,
        wanted: Option<&Filter>,
    ) -> Result<Frames, Refusal> {
        let ticker = TokioTicker::new();
        match &self.kind {
            Kind::Queue(queue) => {
                // Ids can be guessed, and may confirm messages: a service accepts them from clients
                // that it knows.
                let stream = queue.resume(seen, ticker);
                stream.map(|stream| self.paced(stream))
            }
            Kind::Topic(topic) => {
                let stream = topic.resume(seen, Start::Now, ticker);
                stream.map(|stream| {
                    self.paced(match wanted {
                        Some(wanted) => stream.only(wanted),
                        None => stream,
                    })
                })
            }
        }
        .map_err(|_| Refusal::TooManyStreams)
    }

    /// What a client wants that named these tags; `None` if it wants everything.
    pub(crate) fn filter(&self, tags: Vec<String>) -> Result<Option<Filter>, Refusal> {
        match &self.kind {
            Kind::Topic(topic) if !tags.is_empty() => {
                let filter = topic.filter(tags);
                filter
                    .map(Some)
                    .map_err(|error| Refusal::BadMessage(format!("tag: {error}")))
            }
            _ => Ok(None),
        }
    }

    /// Whether a client has seen everything that it wants, and nothing more will come.
    pub(crate) fn is_complete(&self, seen: Option<&LastEventId>, wanted: Option<&Filter>) -> bool {
        let (Kind::Topic(topic), Some(seen)) = (&self.kind, seen) else {
            return false;
        };
        let resumption = match wanted {
            Some(wanted) => wanted.resumption_of(seen),
            None => topic.resumption_of(seen),
        };
        resumption == Resumption::Complete
    }

    /// Whether messages may have tags and keys.
    pub(crate) fn is_broadcast(&self) -> bool {
        matches!(self.kind, Kind::Topic(_))
    }

    /// Confirms or gives back a message that was handed out.
    pub(crate) fn settle(&self, id: &str, verdict: Verdict) -> Result<(), Refusal> {
        let queue = match &self.kind {
            Kind::Queue(queue) if self.is_leasing => queue,
            _ => return Err(Refusal::NotLeasing),
        };
        let settled = match verdict {
            Verdict::Ack => queue.ack(id),
            Verdict::Nack(delay) => queue.nack(id, delay),
        };
        settled.map_err(|error| match error {
            AckError::Stale => Refusal::LeaseEnded(error.to_string()),
            _ => Refusal::NotInFlight(error.to_string()),
        })
    }

    fn paced<S>(&self, stream: EventStream<S, TokioTicker>) -> Frames
    where
        S: Source + Send + 'static,
    {
        let stream = stream.pacing(self.pacing);
        let stream = stream.keep_alive(self.keep_alive.clone());
        Box::pin(stream.into_try_stream())
    }

    /// The counters.
    pub(crate) fn stats(&self) -> Value {
        match &self.kind {
            Kind::Queue(queue) => {
                let stats = queue.stats();
                // Counters without a meaning are null.
                let leased = |counter: u64| self.is_leasing.then_some(counter);
                json!({
                    "pushed": stats.pushed,
                    "delivered": stats.delivered,
                    "dropped": stats.dropped,
                    "expired": stats.expired,
                    "withdrawn": stats.withdrawn,
                    "redelivered": leased(stats.redelivered),
                    "confirmed": leased(stats.confirmed),
                    "in_flight": leased(stats.in_flight as u64),
                    // Dead letters stay, and count towards the capacity, until a service takes
                    // them.
                    "dead": leased(stats.dead as u64),
                    "depth": stats.depth,
                    "bytes": stats.bytes,
                    "streams": stats.streams,
                    "oldest_age_ms": stats.oldest_age.map(millis),
                })
            }
            Kind::Topic(topic) => {
                let stats = topic.stats();
                json!({
                    "published": stats.published,
                    "delivered": stats.delivered,
                    "expired": stats.expired,
                    "withdrawn": stats.withdrawn,
                    "superseded": stats.superseded,
                    "lagged": stats.lagged,
                    "gaps": stats.gaps,
                    "retained": stats.retained,
                    "bytes": stats.bytes,
                    "scheduled": stats.scheduled,
                    "next_due_ms": stats.next_due.map(millis),
                    "streams": stats.streams,
                })
            }
        }
    }

    /// Refuses further messages; streams end when they have sent what is due.
    pub(crate) fn close(&self) {
        match &self.kind {
            Kind::Queue(queue) => queue.close(),
            Kind::Topic(topic) => topic.close(),
        }
    }

    /// Ready once the hub is closed and all streams have ended, and messages in flight are
    /// confirmed.
    pub(crate) async fn ended(&self) {
        let ticker = TokioTicker::new();
        match &self.kind {
            Kind::Queue(queue) => queue.ended(ticker).await,
            Kind::Topic(topic) => topic.ended(ticker).await,
        }
    }

    /// Ends all streams at once.
    pub(crate) fn abort(&self) {
        match &self.kind {
            Kind::Queue(queue) => queue.abort(),
            Kind::Topic(topic) => topic.abort(),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
