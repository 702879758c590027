//! Messages for browsers: a time-ordered queue, encoded once and paced into Server-Sent Events.
//!
//! Producers push messages; the crate keeps them in time order and turns them into event streams,
//! one [`Stream`](futures_core::Stream) of [`Bytes`](bytes::Bytes) for each connection, paced by a
//! ticker that the caller plugs in. It knows no runtime and no web framework, does no I/O and has
//! no `unsafe` code.
//!
//! ```
//! use std::time::Duration;
//! use sse_queue::{FakeClock, Message, Pacing, Queue};
//!
//! let clock = FakeClock::new();
//! let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
//! let mut stream = queue.stream(clock.ticker())?.pacing(Pacing::every(Duration::from_secs(1)));
//! assert_eq!(stream.next_ready().unwrap(), ":\n", "so that the page knows it is connected");
//!
//! queue.push(Message::from("later").after(Duration::from_secs(5)))?;
//! queue.push("now")?;
//!
//! clock.advance(Duration::from_secs(1));
//! assert_eq!(stream.next_ready().unwrap(), "id: e-2\ndata: now\n\n");
//! assert_eq!(stream.next_ready(), None);
//! clock.advance(Duration::from_secs(4));
//! assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: later\n\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A service gives the stream to its framework as a response's body: [`header::response`] around
//! [`into_try_stream`](EventStream::into_try_stream). The crate's examples are two whole servers,
//! `axum` and `hyper`, and `no_runtime`, which needs neither.
//!
//! # The nouns
//!
//! | | |
//! |---|---|
//! | [`Event`] | one event: data, name, id, `retry`, or a comment. Valid by construction |
//! | [`Message`] | an event, plus when it falls due and how long after that it stays good |
//! | [`Queue`] | competing consumers: each message goes to one stream, the earliest due first |
//! | [`Topic`] | broadcast: each message goes to all streams, from a log that can be replayed |
//! | [`EventStream`] | one connection's body, made of a source and a ticker |
//! | [`Source`] | where a stream takes frames from: a queue, a topic, [any stream of events](EventStream::from_events), or an engine of your own |
//! | [`Lease`] | how a queue delivers at least once |
//! | [`Clock`] | what time it is in the world: due times, expiry, age |
//! | [`Ticker`] | elapsed time and a wake-up after some of it: pacing, keep-alive, due messages |
//! | [`SystemClock`], [`ThreadTicker`] | real time, from std alone, under any executor or none |
//! | [`FakeClock`], [`FakeTicker`] | time that a test owns |
//! | [`LastEventId`] | what a client that comes back says it saw last |
//! | [`header`] | the response's headers, and what the request's say |
//!
//! # Ordering
//!
//! A queue's order is due time, then arrival, across all producers. A message is due when it is
//! pushed, unless it says otherwise with [`after`](Message::after) or [`at`](Message::at); one
//! whose time lies in the past goes ahead of what fell due after it. Nothing is handed out before
//! it is due, or once it has [expired](Message::expires_after).
//!
//! A topic numbers its messages as they enter the log, and every stream sees that order. A
//! scheduled message enters when it is due, before whatever is done next with the topic; one whose
//! time lies in the past enters at once, behind those that are there.
//!
//! # Pacing
//!
//! Without settings all that is due goes at once, several messages in a chunk of up to
//! [64 KiB](EventStream::max_chunk), from a queue at most [16](EventStream::max_messages). A chunk
//! holds whole events.
//!
//! * [`spaced`](EventStream::spaced): what comes after a quiet time goes at once; what comes within
//!   the gap after a chunk goes together behind it. The cost of a write is shared by all that is in
//!   it, which is what makes a full rate cheap.
//! * [`every`](EventStream::every): at most one [batch](EventStream::batch) at each tick of a grid.
//!   Ticks that were missed are skipped, never made up in a burst.
//!
//! Pacing runs on the stream's ticker alone, and so does [keep-alive](EventStream#keep-alive), except
//! that a topic's clock may say for how long a stream has been quiet: no jump of the wall clock
//! stalls a stream or makes it burst. Due times and expiry are the clock's. A stream that has
//! nothing to send is not woken, apart from its keep-alive, and apart from the two streams that wake
//! for the next due time and a second later, or every 30 s until then, so that a jump of the wall
//! clock is noticed. [`Queue::drive`] and [`Topic::drive`] do that in place of the streams.
//!
//! # Overflow
//!
//! Everything is bounded, with a default. A queue holds at most
//! [65 536 messages](QueueBuilder::capacity) and [256 MiB](QueueBuilder::capacity_bytes) of memory.
//! When it is full, [`push`](Queue::push) hands the message back; with [`Overflow::DropOldest`] it
//! makes room instead, and counts what it drops; [`push_when_ready`](Queue::push_when_ready) waits.
//! A topic keeps as much, drops the oldest, and never waits for a stream. Both cap their streams at
//! [100 000](QueueBuilder::max_streams); beyond that [`TooManyStreams`] is for a service to answer
//! with status 429.
//!
//! # Lagging
//!
//! A topic's stream is a place in the log. Nothing is queued for it, so a slow one costs the others
//! nothing. What it has not read when the log drops it is lost to that stream, and never silently:
//! with [`Lag::Skip`] an event named `gap` says how many messages are missing, as in
//! `{"missed":12,"cause":"evicted"}`, and the stream goes on with the oldest that is kept; with
//! [`Lag::End`] the stream ends, and its client is told when it comes back. The `gap` event has no
//! id, so it does not move the place that the client resumes from. It can be
//! [renamed or switched off](EventStream::gap_event).
//!
//! # Resuming
//!
//! Each message of a topic has an id: its event's own, or `EPOCH-SEQ`, or `EPOCH-dSEQ` where it was
//! scheduled. The epoch is the topic's and differs after a restart. A browser that comes back sends
//! the last id that it saw; [`Start::After`] takes it, and [`resumption`](EventStream::resumption)
//! says what came of it before the response is made:
//!
//! | the client's id | [`Resumption`] | the stream goes on with |
//! |---|---|---|
//! | none, or empty | `Fresh` | what is published next: `Start::from(None)` is [`Start::Now`] |
//! | an event's own, or a scheduled message's, all that follows is kept | `Exact` | the message behind it; of several with this id, behind the newest |
//! | `EPOCH-SEQ`, all that follows is kept | `Exact` | the message behind it, kept itself or not |
//! | `EPOCH-SEQ`, some that follow are not kept | `Gap`, [`Evicted`](GapCause::Evicted), how many | the oldest message that is kept |
//! | `EPOCH-dSEQ`, some that follow are not kept | `Gap`, [`Evicted`](GapCause::Evicted) | the same |
//! | either, not given yet or not due yet | `Gap`, [`Future`](GapCause::Future) | the same |
//! | either, with another epoch | `Gap`, [`ForeignEpoch`](GapCause::ForeignEpoch) | the same |
//! | anything else: an event's own, too, where some that follow are not kept | `Gap`, [`Unknown`](GapCause::Unknown) | the same |
//! | not UTF-8, with a NUL, CR or LF, or over [1024 bytes](LastEventId::MAX_LEN) | `Gap`, [`Malformed`](GapCause::Malformed) | the same |
//!
//! A stream that begins with a gap says so first, in the `gap` event. There is no seam between what
//! is replayed and what is live: subscribing and finding the place are one step.
//!
//! # Delivery
//!
//! A queue delivers at most once, unless told otherwise: a message that was handed to a stream has
//! left the queue, whether or not its client got to see it. A client can come back sooner than its
//! old connection is found dead, and a message can go to the old one.
//!
//! With [`at_least_once`](QueueBuilder::at_least_once) a message that is handed out is leased, until
//! [`ack`](Queue::ack) confirms it. It returns to its position in time order when its lease ends, when
//! its stream was dropped and the client did not come back within a [grace](Lease::grace), or by
//! [`nack`](Queue::nack). After the last of its [attempts](Lease::max_attempts) it is among the
//! [dead letters](Queue::take_dead_letters). So a client must bear a message that comes twice, and
//! either confirm each in time or [extend](Queue::extend_lease) its lease. What is in flight counts
//! towards the queue's bounds.
//!
//! What a client has *seen* is not what it has *done*. A browser that reconnects sends the id that it
//! saw last, which the service passes to [`stream_after`](Queue::stream_after). By default that
//! confirms nothing: the client goes on with what it has in flight, and what was lost on the way is
//! sent again first. [`Confirm::ByResume`] makes coming back confirm what was seen, for browsers that
//! cannot ack. A stream has one message in flight unless
//! [`max_in_flight`](Lease::max_in_flight) says otherwise, since the lease of a message that waits in
//! a socket runs, too.
//!
//! ```
//! use std::time::Duration;
//! use sse_queue::{FakeClock, Lease, Queue};
//!
//! let clock = FakeClock::new();
//! let lease = Lease::new(Duration::from_secs(30));
//! let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
//! let id = queue.push("job")?.id().to_owned();
//!
//! let mut stream = queue.stream(clock.ticker())?.without_first_comment();
//! let job = stream.next_ready();
//! assert!(job.is_some());
//! clock.advance(Duration::from_secs(30));
//! assert_eq!(stream.next_ready(), job, "nobody confirmed it");
//! queue.ack(&id)?;
//! assert_eq!(queue.stats().in_flight, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A topic delivers each message to each stream once, in order, as long as it is kept and good. A
//! client that lost its connection within an event has not seen its id, and gets it again.
//!
//! Nothing outlives its process.
//!
//! # Closing
//!
//! An event stream does not end by itself, so a server that waits for its responses to end waits
//! for ever. Shut down in this order:
//!
//! 1. [`close`](Queue::close): nothing can be pushed any more; streams give what was due, without
//!    pacing, then their [farewell](EventStream::farewell), then end.
//! 2. After 3 s, [`abort`](Queue::abort): streams that are still polled end at once.
//! 3. A stream whose client does not read is not polled. Drop its connection.
//!
//! The example servers do this. [`take_remaining`](Queue::take_remaining) then returns what was
//! never delivered, or never confirmed, for another queue or for a disk. Between the first step and
//! the second, [`drain`](Queue::drain) waits for the leases that are open.
//!
//! Dropping a stream is how a departed client is noticed: it leaves its queue or topic at once.
//! Frameworks drop it when a write fails, which the keep-alive sees to. Once all handles of a queue
//! or topic are dropped its streams end when nothing is left to come. To make clients move to
//! another machine, [`max_age`](EventStream::max_age) ends streams by themselves, spread over time.
//!
//! # Security notes
//!
//! * Ids are no secrets: the numbers count up, and every client of a topic sees its epoch. Decide
//!   who may read a stream before it is made; an id must open nothing. Where an id confirms a
//!   message, pass on those of clients that you have authenticated.
//! * A `POST` of `text/plain` needs no preflight: any web page can send one to your service, also
//!   to one on localhost. Look at `Sec-Fetch-Site` and `Origin`, as the example servers do, or take
//!   JSON alone.
//! * Line ends cannot inject fields: in data they are split into lines, in names and ids they are
//!   [refused](EventError). Events named `open` or `error` are legal and reach a page's listeners
//!   for the browser's own events of these names; leave those names to the browser where senders
//!   are not trusted.
//! * [`header::response`] sets no CORS headers: other sites cannot read the stream.
//! * A browser comes back after a stream has ended or broken, and after no other status than 200.
//!   So 204 tells it to stop for good; and a 429 or 503 does the same, unless the page itself tries
//!   again.
//! * A browser opens six HTTP/1.1 connections to an origin, over all its tabs: the seventh
//!   `EventSource` waits, and so does every request. HTTP/2 allows many more.
//! * `Debug` shows no data.
//!
//! # Testing
//!
//! [`FakeClock`] is one hand on all of time: it is the queue's clock, and it makes the tickers. No
//! test needs to sleep or to start a runtime. [`EventStream::next_ready`] and [`Queue::next_ready`]
//! take what is ready without an executor, [`FakeClock::advance`] moves time and stops at each
//! deadline, [`FakeClock::next_deadline`] says what a stream waits for, and [`FakeClock::wakes`]
//! counts wake-ups. A fixed [`epoch`](QueueBuilder::epoch) makes ids the same in every run.
//!
//! # Platforms
//!
//! The crate needs std. On `wasm32-unknown-unknown`, which has neither clock nor threads,
//! [`SystemClock::new`] panics and [`ThreadTicker::new`] fails: bring a [`Clock`] and a [`Ticker`]
//! on the host's timers. Rust 1.88 or newer.

#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        reason = "a test that overflows fails, as it should"
    )
)]

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
mod wake;
mod watchers;

pub use event::Event;
pub use message::last_event_id::LastEventId;
pub use message::timed::Message;
pub use queue::handle::Queue;
pub use queue::lease::Lease;
pub use source::Source;
pub use stream::event_stream::EventStream;
pub use stream::public_pacing::Pacing;
pub use time::{Clock, FakeClock, FakeTicker, SystemClock, ThreadTicker, Ticker};
pub use topic::handle::Topic;

/// The code in the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
