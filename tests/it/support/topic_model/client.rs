//! A client: what it has seen, and what it must see next.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::SystemTime;

use bytes::Bytes;
use sse_queue::topic::{GapCause, Lag, TopicSubscription};
use sse_queue::{EventStream, FakeTicker};

use super::super::parser;
use super::model::Model;
use super::operation::How;

#[derive(Default)]
pub struct Client {
    pub stream: Option<Connection>,
    /// As the browser keeps it.
    pub last_seen: Option<String>,
}

pub struct Connection {
    pub stream: Pin<Box<EventStream<TopicSubscription, FakeTicker>>>,
    pub woken: Arc<Woken>,
    pub how: How,
    /// The number of the message that its client must see next.
    pub position: u64,
    /// How far the stream may be: it can have passed over what had expired.
    pub passed: u64,
    /// The gap that the stream must send first.
    pub gap: Option<(Option<u64>, GapCause)>,
    /// It sent a chunk, and its client is slow.
    pub is_held: bool,
}

pub struct Woken(pub AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Connection {
    /// The client sees what follows what it saw, or a gap for what it does not see.
    pub fn check(
        &mut self,
        chunk: &Bytes,
        model: &Model,
        now: SystemTime,
        last_seen: &mut Option<String>,
    ) {
        assert!(!model.is_aborted, "nothing comes after an abort");
        let parsed = parser::parse(chunk);
        assert_eq!(parsed.events.is_empty(), &chunk[..] == b":\n");
        for event in parsed.events {
            if event.name == "gap" {
                if let Some(gap) = self.gap.take() {
                    assert_eq!(event.data, gap_data(gap));
                    continue;
                }
                assert_eq!(self.how.lag, Lag::Skip);
                let is_it = |position| {
                    let missed = Some(model.missed(position)).filter(|missed| *missed > 0);
                    missed.is_some() && event.data == gap_data((missed, GapCause::Evicted))
                };
                assert!((self.position..=self.passed).any(is_it), "{event:?}");
                self.position = model.oldest;
                self.passed = model.oldest;
                continue;
            }
            if !self.is_shared(model, now, &event.data) {
                self.pass_expired(model, now);
            }
            let message = model.at(self.position).unwrap();
            let expected = (message.data.to_string(), message.id.clone());
            assert_eq!((event.data, event.last_event_id.clone()), expected);
            self.position += 1;
            *last_seen = Some(event.last_event_id);
        }
        self.may_pass(model, now);
    }

    /// Whether the next event is one that has left the log only since time has passed: streams that
    /// keep up share a chunk, and do not read the clock for it. Goes to it.
    pub fn is_shared(&mut self, model: &Model, now: SystemTime, data: &str) -> bool {
        let mut position = self.position;
        while model.has_expired(position, now) {
            position += 1;
        }
        let message = model.at(position);
        let is_it = message.is_some_and(|it| it.left_with_time && it.data.to_string() == data);
        if !is_it || self.gap.is_some() {
            return false;
        }
        self.position = position;
        self.passed = self.passed.max(position + 1);
        true
    }

    /// The stream was polled: it may have passed over what has expired.
    pub fn may_pass(&mut self, model: &Model, now: SystemTime) {
        self.passed = self.passed.max(self.position);
        while model.has_expired(self.passed, now) {
            self.passed += 1;
        }
    }

    /// Goes to the next message that its client must see.
    #[track_caller]
    pub fn pass_expired(&mut self, model: &Model, now: SystemTime) {
        assert_eq!(self.gap, None, "a gap is sent first");
        assert_eq!(model.missed(self.passed), 0, "messages were lost");
        self.position = self.position.max(model.oldest);
        while model.has_expired(self.position, now) {
            self.position += 1;
        }
    }

    #[track_caller]
    pub fn assert_up_to_date(&mut self, model: &Model, now: SystemTime) {
        self.pass_expired(model, now);
        self.may_pass(model, now);
        assert_eq!(self.position, model.next(), "messages are there");
    }

    pub fn may_end(&mut self, model: &Model, now: SystemTime) {
        if model.is_aborted || (self.how.lag == Lag::End && model.missed(self.position) > 0) {
            return;
        }
        assert!(model.is_closed);
        self.assert_up_to_date(model, now);
    }
}

pub fn gap_data((missed, cause): (Option<u64>, GapCause)) -> String {
    let missed = missed.map_or("null".to_owned(), |missed| missed.to_string());
    format!("{{\"missed\":{missed},\"cause\":\"{cause}\"}}")
}
