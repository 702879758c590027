//! Messages for browsers: a time-ordered queue, encoded once and paced into Server-Sent Events.
//!
//! Producers push messages; the crate keeps them in time order and turns them into event streams,
//! one [`Stream`](futures_core::Stream) of [`Bytes`](bytes::Bytes) for each connection, paced by a
//! ticker that the caller supplies. It needs no runtime and no web framework, does no I/O and has
//! no `unsafe` code.
//!
//! An axum handler for a broadcast, which lets returning clients resume:
//!
//! ```
//! use axum::body::Body;
//! use axum::extract::State;
//! use axum::http::{HeaderMap, StatusCode};
//! use axum::response::Response;
//! use sse_queue::topic::Start;
//! use sse_queue::{LastEventId, ThreadTicker, Topic, header};
//!
//! #[derive(Clone)]
//! struct App {
//!     topic: Topic,
//!     ticker: ThreadTicker,
//! }
//!
//! async fn events(State(app): State<App>, headers: HeaderMap) -> Result<Response, StatusCode> {
//!     let last = LastEventId::from_headers(&headers);
//!     let stream = app.topic.resume(last, Start::Now, app.ticker.clone());
//!     let stream = stream.map_err(|_| StatusCode::TOO_MANY_REQUESTS)?;
//!     Ok(header::response(Body::from_stream(stream.into_try_stream())))
//! }
//!
//! # pollster::block_on(async {
//! # use futures_util::StreamExt;
//! let app = App { topic: Topic::builder().epoch("e")?.build(), ticker: ThreadTicker::new()? };
//! app.topic.publish("seen")?;
//! app.topic.publish("missed")?;
//! let headers = HeaderMap::from_iter([("last-event-id".parse()?, "e-1".parse()?)]);
//! let response = events(State(app), headers).await.unwrap();
//! assert_eq!(response.headers()["content-type"], "text/event-stream");
//! let mut body = response.into_body().into_data_stream();
//! assert_eq!(body.next().await.unwrap()?, ":\n", "tells the page that it is connected");
//! assert_eq!(body.next().await.unwrap()?, "id: e-2\ndata: missed\n\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! The page:
//!
//! ```js
//! const source = new EventSource("/events");
//! source.onmessage = (event) => show(event.data);
//! source.addEventListener("gap", (event) => {
//!   const { missed, cause } = JSON.parse(event.data);
//!   reload(`${missed ?? "some"} messages were missed: ${cause}`);
//! });
//! ```
//!
//! # Where to look
//!
//! | to | see |
//! |---|---|
//! | mount a stream on a framework | [`header::response`], [`EventStream::into_try_stream`], [frameworks](_guide::frameworks) |
//! | give each message to one client | [`Queue`] |
//! | give each message to all clients | [`Topic`] |
//! | have a topic for each room, document or run | [`Topics`], [Topics by key](#topics-by-key) |
//! | let one connection follow many rooms | [`Message::tag`], [`EventStream::only`], [Tags and keys](#tags-and-keys) |
//! | send only the newest state of each thing | [`Message::key`], [Tags and keys](#tags-and-keys) |
//! | let a client come back | [`Topic::resume`], [`Queue::resume`], [Resuming](#resuming) |
//! | let workers confirm what they have done | [`Lease`], [`Queue::ack`], [Delivery](#delivery) |
//! | send later, or not after a while | [`Message`] |
//! | slow a stream down | [`Pacing`] |
//! | limit all streams of a queue together, or stop them for a while | [`QueueBuilder::rate`](queue::QueueBuilder::rate), [`Queue::pause`] |
//! | push or confirm many messages with one call | [`Queue::push_all`], [`Queue::ack_all`] |
//! | inspect a queue | [`Queue::peek_ready`], [`Queue::stats`] |
//! | greet a client, or send it a snapshot first | [`EventStream::greeting`], [`greeting_with_position`](EventStream::greeting_with_position) |
//! | shut down | [`Queue::close`], [`Queue::ended`], [Closing](#closing) |
//! | end one client's stream | [`EventStream::end_handle`] |
//! | stop working when a topic has no reader | [`Topic::deserted`] |
//! | test without sleeping | [`FakeClock`], [testing](_guide::testing) |
//! | stream from an engine of your own | [`Source`], [`EventStream::from_events`] |
//! | stream an answer token by token, for clients that come back | [streaming tokens](_guide::streaming_tokens) |
//! | know what a departed client costs | [clients](_guide::clients) |
//! | read whole programs | [examples](_guide::examples) |
//! | understand the code | [architecture](_guide::architecture) |
//!
//! # Overview
//!
//! | type | what it is |
//! |---|---|
//! | [`Event`] | one event: data, name, id, `retry`, or a comment. Valid by construction |
//! | [`Message`] | an event, plus when it falls due, how long after that it stays valid, its tag and its key |
//! | [`Queue`] | competing consumers: each message goes to one stream, the earliest due first |
//! | [`Topic`] | broadcast: each message goes to all streams, from a log that can be replayed |
//! | [`Topics`] | topics by key: created on first use, evicted when unused, bounded together |
//! | [`EventStream`] | one connection's body, made of a source and a ticker |
//! | [`Pacing`] | when a stream may send |
//! | [`Source`] | where a stream takes frames from: a queue, a topic, [any stream of events](EventStream::from_events), or an engine of your own |
//! | [`Lease`] | how a queue delivers at least once |
//! | [`Clock`] | wall-clock time: due times, expiry, age |
//! | [`Ticker`] | elapsed time, and a wake-up after some of it: pacing, keep-alive, due messages |
//! | [`SystemClock`], [`ThreadTicker`] | real time, from std alone, under any executor or none |
//! | [`FakeClock`], [`FakeTicker`] | time that a test owns |
//! | [`LastEventId`] | what a reconnecting client says it saw last |
//! | [`header`] | the headers of requests and responses |
//!
//! # Ordering
//!
//! A queue orders messages by due time, then by arrival, across all producers. A message is due
//! when it is pushed, unless [`after`](Message::after) or [`at`](Message::at) says otherwise; one
//! with a due time in the past precedes those that fell due after it. Nothing is handed out before
//! it is due, or after it has [expired](Message::expires_after).
//!
//! A topic numbers its messages as they enter the log, and every stream sees that order. A
//! scheduled message enters the log when it is due, before the next operation on the topic; one
//! with a due time in the past enters at once, after the messages that the log already has.
//!
//! # Pacing
//!
//! By default everything that is due is sent at once, in chunks of up to
//! [64 KiB](EventStream::max_chunk_bytes); a chunk from a queue has at most [16](Pacing::batch)
//! messages. A chunk holds whole events. [`Pacing`] changes when chunks are sent:
//!
//! * [`spaced`](Pacing::spaced): a message that arrives after a quiet period is sent at once; those
//!   that arrive within the gap after it are sent together when the gap ends. All events in one
//!   write share its cost, which makes a high rate cheap.
//! * [`every`](Pacing::every): at most one [batch](Pacing::batch) at each tick of a grid. Missed ticks
//!   are skipped, never made up in a burst.
//!
//! A queue's [`rate`](queue::QueueBuilder::rate) limits how many messages leave it in each period,
//! over all its streams together, for consumers that share a limit. [`pause`](Queue::pause) holds
//! back everything until [`unpause`](Queue::unpause).
//!
//! Pacing uses only the stream's ticker, so jumps of the wall clock never stall a stream or make it
//! burst. So does [keep-alive](EventStream#keep-alive), except that a topic's stream may take the
//! time of its last chunk from the topic's clock. Due times, expiry and a queue's rate follow the clock
//! of the queue or topic. An idle stream wakes only for its keep-alive, with one exception: up to two
//! streams keep the time of their queue or topic. One wakes at the next due time and the other a
//! second later, and both at least every 30 s, so that a jump of the wall clock is noticed. With
//! [`Queue::drive`] or [`Topic::drive`] no stream has to do that.
//!
//! # Overflow
//!
//! Everything is bounded, and each bound has a default. A queue holds at most
//! [65 536 messages](queue::QueueBuilder::capacity) and
//! [256 MiB](queue::QueueBuilder::capacity_bytes) of memory. When it is full,
//! [`push`](Queue::push) hands the message back; with
//! [`Overflow::DropOldest`](queue::Overflow::DropOldest) it drops messages to make space, and
//! counts them; [`push_when_ready`](Queue::push_when_ready) waits. A topic has the same default
//! bounds, evicts its oldest messages, and never waits for a stream. Both allow at most
//! [100 000](queue::QueueBuilder::max_streams) streams; answer
//! [`TooManyStreams`](stream::TooManyStreams) with status 429.
//!
//! # Lagging
//!
//! A topic's stream is a position in the log. Nothing is queued for it, so a slow one costs the others
//! nothing. Messages that the log evicts before a stream has read them are lost to that stream, but
//! never silently. With [`Lag::Skip`](topic::Lag::Skip) the client gets an event named `gap` that says
//! how many messages are missing, such as `{"missed":12,"cause":"evicted"}`, and the stream continues
//! from the oldest that is kept. With [`Lag::End`](topic::Lag::End) the stream ends, and its client
//! learns of the gap when it comes back. The `gap` event has no id, so it does not change the position
//! from which the client resumes. It can be [renamed or switched off](EventStream::gap_event).
//!
//! # Tags and keys
//!
//! A message of a topic can have a [tag](Message::tag), such as the room that it is for. A stream
//! with a [filter](EventStream::only) gets the messages whose tag is in a set, and those without a
//! tag. The set can change while the stream is open. All tags share one log and one order of ids, so
//! one connection can follow many rooms and resume exactly. A stream is not woken for messages that
//! it does not want, and reading past them costs it nothing.
//!
//! A message can have a [key](Message::key): it then supersedes the older message with the same key,
//! whatever the tags of the two, for every stream that has not read the older one yet. That is not a
//! gap. A new stream from [`Start::Oldest`](topic::Start::Oldest) gets the newest message of each
//! key, as far as the log keeps it.
//!
//! Tags and keys are not sent to clients, and a queue refuses them.
//!
//! ```
//! use sse_queue::topic::Start;
//! use sse_queue::{FakeClock, Message, Topic};
//!
//! let topic = Topic::builder().epoch("e")?.build();
//! let rooms = topic.filter(["lobby"])?;
//! let stream = topic.stream(Start::Now, FakeClock::new().ticker())?.only(&rooms);
//! let mut stream = stream.without_first_comment();
//! for (room, users) in [("lobby", "1 user"), ("garden", "7 users"), ("lobby", "2 users")] {
//!     topic.publish(Message::from(users).tag(room).key(room))?;
//! }
//! assert_eq!(stream.next_ready().unwrap(), "id: e-3\ndata: 2 users\n\n");
//! assert_eq!(stream.next_ready(), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Topics by key
//!
//! [`Topics`] has a topic for each room, document or run. A topic is created when its key is first
//! used. When no handle of it and no stream is left, it is kept for
//! [a while](topics::TopicsBuilder::keep), so that clients can come back, and is then evicted with its
//! messages. The [number of topics](topics::TopicsBuilder::max_topics) and the
//! [memory](topics::TopicsBuilder::max_bytes) of all their messages are bounded.
//!
//! | | tags in one [`Topic`] | [`Topics`] |
//! |---|---|---|
//! | one connection follows | many tags, which can change | one topic |
//! | ids and order | shared by all tags | separate for each topic |
//! | history | shared: a busy tag evicts the messages of others | separate, within a common bound |
//! | closing | all at once | one at a time, or all |
//!
//! The key of a topic is not the [key](Message::key) of a message: the former finds a topic, the
//! latter supersedes a message within one.
//!
//! ```
//! use sse_queue::topic::Start;
//! use sse_queue::{FakeClock, Topics};
//!
//! let clock = FakeClock::new();
//! let documents = Topics::<String>::builder().clock(clock.clone()).build();
//! let stream = documents.topic("draft")?.stream(Start::Now, clock.ticker())?;
//! let mut stream = stream.without_first_comment();
//!
//! let receipt = documents.publish("draft", "edited")?.expect("the stream keeps its topic");
//! let frame = format!("id: {}\ndata: edited\n\n", receipt.id());
//! assert_eq!(stream.next_ready().unwrap(), frame);
//! assert_eq!(documents.publish("unknown", "edited")?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Resuming
//!
//! Each message of a topic has an id: its event's own, or `EPOCH-SEQ`, or `EPOCH-dSEQ` if it was
//! scheduled. The epoch identifies the topic, and changes with a restart. A browser that reconnects
//! sends the last id that it saw, which [`Topic::resume`] takes;
//! [`resumption`](EventStream::resumption) returns the outcome before the response is made:
//!
//! | the client's id | [`Resumption`](topic::Resumption) | the stream continues with |
//! |---|---|---|
//! | none, or empty | `Fresh` | what the caller chose |
//! | an event's own, or a scheduled message's; all that follows is kept | `Exact` | the message after it; if several have this id, after the newest |
//! | `EPOCH-SEQ`; all that follows is kept | `Exact` | the message after it, even if that one is gone itself |
//! | either of these; nothing follows, and the topic has [closed](Topic::close), or nobody can publish any more | `Complete` | nothing: it ends at once. Answer 204, so that the browser does not reconnect |
//! | `EPOCH-SEQ`; some that follow are not kept | `Gap`, [`Evicted`](topic::GapCause::Evicted), how many | the oldest message that is kept |
//! | `EPOCH-dSEQ`; some that follow are not kept | `Gap`, [`Evicted`](topic::GapCause::Evicted) | the same |
//! | `EPOCH-SEQ` or `EPOCH-dSEQ` of a message that is not in the log yet | `Gap`, [`Future`](topic::GapCause::Future) | the same |
//! | `EPOCH-SEQ` or `EPOCH-dSEQ` with another epoch | `Gap`, [`ForeignEpoch`](topic::GapCause::ForeignEpoch) | the same |
//! | any other, including an event's own if some that follow are not kept | `Gap`, [`Unknown`](topic::GapCause::Unknown) | the same |
//! | not UTF-8, with a NUL, CR or LF, or over [1024 bytes](LastEventId::MAX_LEN) | `Gap`, [`Malformed`](topic::GapCause::Malformed) | the same |
//!
//! A stream that begins with a gap says so first, in the `gap` event, which goes out with the first
//! bytes; no id goes out before it. A stream sends no id of its own before its first message, so a
//! client that is cut off until then comes back as a new one, unless
//! [`greeting_with_position`](EventStream::greeting_with_position) or
//! [`position_first`](EventStream::position_first) gives it the position where the stream begins.
//!
//! Subscribing and finding the position are one step, so nothing is lost or repeated between replayed
//! and live messages.
//!
//! # Delivery
//!
//! By default a queue delivers at most once: a message that was handed to a stream has left the
//! queue, whether its client saw it or not. If a client reconnects before its old connection is
//! known to be dead, messages may still go to the old one, and are lost.
//!
//! With [`at_least_once`](queue::QueueBuilder::at_least_once) a message that is handed out is leased
//! until [`ack`](Queue::ack) confirms it. It returns to its position in time order when its lease
//! ends, when its stream is dropped and the client does not reconnect within the
//! [grace](Lease::grace), or when [`nack`](Queue::nack) gives it back: at once, or after a
//! [backoff](Lease::backoff) that grows with its attempts. After the last of its
//! [attempts](Lease::max_attempts) it becomes a [dead letter](Queue::take_dead_letters). So a client
//! must tolerate duplicates, and must confirm each message in time or
//! [extend](Queue::extend_lease) its lease. Messages in flight count towards the queue's bounds.
//!
//! What a client has *seen* is not what it has *done*. A browser that reconnects sends the id that it
//! saw last, which the service passes to [`Queue::resume`]. By default that confirms nothing: the
//! client keeps what it has in flight, and what was lost on the way is sent again first. With
//! [`Confirm::ByResume`](queue::Confirm::ByResume), for browsers that cannot ack, reconnecting
//! confirms what was seen. A stream has one message in flight unless
//! [`max_in_flight`](Lease::max_in_flight) says otherwise, because a lease also runs while its
//! message waits in a socket.
//!
//! ```
//! use std::time::Duration;
//! use sse_queue::{FakeClock, Lease, Queue};
//!
//! let clock = FakeClock::new();
//! let lease = Lease::new(Duration::from_secs(30));
//! let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
//! let receipt = queue.push("job")?;
//!
//! let mut stream = queue.stream(clock.ticker())?.without_first_comment();
//! let job = stream.next_ready();
//! assert!(job.is_some());
//! clock.advance(Duration::from_secs(30));
//! assert_eq!(stream.next_ready(), job, "it was not confirmed");
//! queue.ack(receipt.id())?;
//! assert_eq!(queue.stats().in_flight, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A topic delivers each message to each stream once, in order, as long as it is kept and has not
//! expired. A client that lost its connection within an event has not seen its id, and gets the event
//! again.
//!
//! No message survives a restart of the process.
//!
//! # Closing
//!
//! An event stream does not end by itself, so a server that waits for its responses to end waits
//! forever. Shut down in this order:
//!
//! 1. [`close`](Queue::close): nothing can be pushed any more; streams deliver what was due, without
//!    pacing, then their [farewell](EventStream::farewell), then end. [`closed`](Queue::closed) tells
//!    other tasks.
//! 2. Wait for [`ended`](Queue::ended): no stream is left, and no message is in flight.
//! 3. If that takes too long, such as 3 s, [`abort`](Queue::abort): streams that are still polled
//!    end at once.
//! 4. A stream whose client does not read is not polled, and does not end. Drop its connection, or
//!    let the process exit: see [the guide](_guide::frameworks#shutdown).
//!
//! [`take_remaining`](Queue::take_remaining) then returns what was never delivered, or never
//! confirmed, to be pushed to another queue or stored.
//!
//! Dropping a stream tells its queue or topic that the client has gone: it leaves at once.
//! Frameworks drop it when a write fails, and the keep-alive makes sure that there is a write: see
//! [clients](_guide::clients). Once all handles of a queue or topic are dropped, its streams end
//! when nothing is left to deliver. [`max_age`](EventStream::max_age) ends each stream after a time
//! that is partly random, for example to move clients to another machine. To end chosen streams,
//! such as those of a client whose right to read them is revoked, keep their
//! [`end_handle`](EventStream::end_handle)s. [`deserted`](Topic::deserted) tells a service that a
//! topic has had no stream for a while.
//!
//! # Security notes
//!
//! * Ids are not secret: the numbers count up, and every client of a topic sees its epoch. Decide
//!   whether a client may read a stream before you create it; an id must not grant access. If an id
//!   confirms a message, accept it only from an authenticated client.
//! * A `POST` of `text/plain` needs no preflight: any web page can send one to your service, even
//!   to one on localhost. Check `Sec-Fetch-Site` and `Origin`, as the example servers do, or accept
//!   only JSON.
//! * Line ends cannot inject fields: in data they are split into lines, in names and ids they are
//!   [refused](event::EventError). Events named `open` or `error` are legal and reach a page's
//!   listeners for the browser's own events of these names; leave those names to the browser if
//!   senders are not trusted.
//! * [`header::response`] sets no CORS headers: other sites cannot read the stream.
//! * A browser reconnects after a stream has ended or broken, but not after any status other than
//!   200. So 204 makes it stop for good; a 429 or 503 does the same, unless the page itself tries
//!   again.
//! * A browser opens six HTTP/1.1 connections to an origin, over all its tabs: the seventh
//!   `EventSource` waits, and so does every request. HTTP/2 allows many more.
//! * `Debug` shows no data.
//!
//! # Testing
//!
//! [`FakeClock`] controls all time: it is the clock of the queue or topic, and it makes the
//! tickers. No test needs to sleep or to start a runtime. [`FakeClock::run`] returns what a stream
//! yields in a span of time, and when; [`EventStream::next_ready`] and [`Queue::next_ready`] take
//! what is ready without an executor. A fixed [`epoch`](queue::QueueBuilder::epoch) makes ids the
//! same in every run. The guide has a page on [testing](_guide::testing), including under tokio's
//! paused time.
//!
//! # Platforms
//!
//! The crate needs std. `wasm32-unknown-unknown` has neither clock nor threads: there
//! [`SystemClock::new`] panics and [`ThreadTicker::new`] fails, so bring a [`Clock`] and a [`Ticker`]
//! on the host's timers. Rust 1.88 or newer.

#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        reason = "a test that overflows fails, as it should"
    )
)]

pub mod _guide;
mod budget;
mod closed;
pub mod event;
pub mod header;
pub mod message;
mod ordered;
pub mod queue;
mod seq_map;
mod source;
pub mod stream;
mod sync;
mod time;
pub mod topic;
pub mod topics;
mod wake;
mod watchers;

pub use event::sse_event::Event;
pub use message::last_event_id::LastEventId;
pub use message::timed::Message;
pub use queue::handle::Queue;
pub use queue::lease::Lease;
pub use source::Source;
pub use stream::event_stream::EventStream;
pub use stream::pacing::Pacing;
pub use time::{Clock, FakeClock, FakeTicker, SystemClock, ThreadTicker, Ticker};
pub use topic::handle::Topic;
pub use topics::handle::Topics;

/// The code in the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
