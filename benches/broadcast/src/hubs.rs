use core::cell::Cell;
use std::sync::Arc;

use axum::body::BodyDataStream;
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use bytes::Bytes;
use futures_util::stream::Map;
use futures_util::{Stream, StreamExt};
use sse_queue::topic::{Start, TopicSubscription};
use sse_queue::{EventStream, Ticker, Topic};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

/// The length of data in a frame of 150 bytes without an id.
const DATA: usize = 142;
/// The same with a short id.
const DATA_WITH_ID: usize = 132;

/// Something that gives each message to all of its streams.
pub trait Hub {
    /// One connection's body.
    type Stream: Stream<Item = Bytes>;

    /// Publishes a message whose frame has 150 bytes.
    fn publish(&self);

    /// A new connection.
    fn stream(&self) -> Self::Stream;
}

/// A topic of this crate, its keep-alive on.
#[derive(Debug)]
pub struct Ours<F> {
    topic: Topic,
    data: String,
    ticker: F,
}

impl<F> Ours<F> {
    /// A topic with a history of that many messages, whose streams run on these tickers.
    ///
    /// # Panics
    ///
    /// Never: the epoch is a valid one.
    pub fn new(history: usize, ticker: F) -> Self {
        let builder = Topic::builder().epoch("e").expect("a valid epoch");
        let builder = builder.history(history).history_bytes(usize::MAX);
        Self {
            topic: builder.build(),
            data: "x".repeat(DATA_WITH_ID),
            ticker,
        }
    }
}

impl<T: Ticker, F: Fn() -> T> Hub for Ours<F> {
    type Stream = EventStream<TopicSubscription, T>;

    fn publish(&self) {
        self.topic.publish(self.data.as_str()).expect("it is open");
    }

    fn stream(&self) -> Self::Stream {
        let stream = self.topic.stream(Start::Now, (self.ticker)());
        stream.expect("no cap is reached").without_first_comment()
    }
}

/// tokio's `broadcast` of frames that are encoded once. No keep-alive.
#[derive(Debug)]
pub struct TokioBytes {
    sender: broadcast::Sender<Bytes>,
    frame: Vec<u8>,
}

impl TokioBytes {
    /// A channel with that many slots.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let frame = format!("data: {}\n\n", "x".repeat(DATA)).into_bytes();
        let (sender, _) = broadcast::channel(slots);
        Self { sender, frame }
    }
}

impl Hub for TokioBytes {
    type Stream = Map<BroadcastStream<Bytes>, fn(Result<Bytes, BroadcastStreamRecvError>) -> Bytes>;

    fn publish(&self) {
        // Without streams the channel refuses it.
        let _ = self.sender.send(Bytes::copy_from_slice(&self.frame));
    }

    fn stream(&self) -> Self::Stream {
        let stream = BroadcastStream::new(self.sender.subscribe());
        stream.map(|frame| frame.expect("there are slots enough"))
    }
}

/// tokio's `broadcast` of texts, each encoded for each stream by axum's `Sse`, with an id like a
/// topic's. No keep-alive.
#[derive(Debug)]
pub struct TokioEncoded {
    sender: broadcast::Sender<(u64, Arc<str>)>,
    data: String,
    published: Cell<u64>,
}

impl TokioEncoded {
    /// A channel with that many slots.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let (sender, _) = broadcast::channel(slots);
        Self {
            sender,
            data: "x".repeat(DATA_WITH_ID),
            published: Cell::new(0),
        }
    }
}

impl Hub for TokioEncoded {
    type Stream = Map<BodyDataStream, fn(Result<Bytes, axum::Error>) -> Bytes>;

    fn publish(&self) {
        self.published.set(self.published.get() + 1);
        let message = (self.published.get(), Arc::from(self.data.as_str()));
        let _ = self.sender.send(message);
    }

    fn stream(&self) -> Self::Stream {
        let stream = BroadcastStream::new(self.sender.subscribe());
        let event = |(id, data): (u64, Arc<str>)| {
            let id = format!("e-{id}");
            Event::default().id(id).data(&*data)
        };
        let events = stream.map(move |message| message.map(event));
        let body = Sse::new(events).into_response().into_body();
        let frames = body.into_data_stream();
        frames.map(|frame| frame.expect("there are slots enough"))
    }
}

/// `async-broadcast` of frames that are encoded once. No keep-alive.
#[derive(Debug)]
pub struct AsyncBroadcast {
    sender: async_broadcast::Sender<Bytes>,
    receiver: async_broadcast::InactiveReceiver<Bytes>,
    frame: Vec<u8>,
}

impl AsyncBroadcast {
    /// A channel with that many slots.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let frame = format!("data: {}\n\n", "x".repeat(DATA)).into_bytes();
        let (mut sender, receiver) = async_broadcast::broadcast(slots);
        sender.set_overflow(true);
        Self {
            sender,
            receiver: receiver.deactivate(),
            frame,
        }
    }
}

impl Hub for AsyncBroadcast {
    type Stream = async_broadcast::Receiver<Bytes>;

    fn publish(&self) {
        let frame = Bytes::copy_from_slice(&self.frame);
        let _ = self.sender.try_broadcast(frame);
    }

    fn stream(&self) -> Self::Stream {
        self.receiver.activate_cloned()
    }
}
