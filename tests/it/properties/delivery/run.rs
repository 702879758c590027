//! A queue, its streams and the model, step by step.

use std::task::Poll;

use futures_core::FusedStream;
use sse_queue::queue::{Confirm, DeadLetterReason, Overflow, PushError};
use sse_queue::{Event, FakeClock, Lease, Message, Pacing, Queue};

use super::Step;
use super::model::{
    A_CHUNK, ATTEMPTS, BACKOFF, CAPACITY, Client, GRACE, IN_FLIGHT, Kind, Model, Modelled, State,
    TIMEOUT,
};
use crate::support::gate::Gate;
use crate::support::queue::{QueueStream, builder, quiet_stream, resumed_stream};
use crate::support::{Task, parser, secs};

pub struct Run {
    pub clock: FakeClock,
    pub queue: Queue,
    pub streams: Vec<Option<Task<QueueStream>>>,
    /// Whether each was not polled yet, or yielded something: its task polls it again without a
    /// wake-up.
    pub yielded: Vec<bool>,
    /// Whether each was woken and not polled since.
    pub woken: Vec<bool>,
    pub model: Model,
}

pub fn events(bytes: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(bytes).unwrap();
    let frames = text.split_inclusive('\n').filter_map(|line| {
        let line = line.trim_end();
        line.strip_prefix("data: ")
            .or_else(|| line.strip_prefix(": "))
    });
    assert!(parser::parse(bytes).ignored == 0);
    frames.map(str::to_owned).collect()
}

impl Run {
    /// At most `rate` messages leave in so many seconds.
    pub fn new(overflow: Overflow, rate: Option<(usize, u64)>, backs_off: bool) -> Self {
        let clock = FakeClock::new();
        let mut lease = Lease::new(secs(TIMEOUT))
            .confirm(Confirm::ByResume)
            .grace(secs(GRACE))
            .max_attempts(ATTEMPTS)
            .max_in_flight(IN_FLIGHT);
        if backs_off {
            lease = lease.backoff(secs(BACKOFF), secs(u64::MAX));
        }
        let queue = builder(&clock).capacity(CAPACITY).overflow(overflow);
        let (messages, period) = rate.unwrap_or_default();
        let queue = queue.rate(messages, secs(period)).at_least_once(lease);
        let gate = Gate::of(rate.map(|(messages, period)| (messages, secs(period))));
        Self {
            queue: queue.build(),
            clock,
            streams: Vec::new(),
            yielded: Vec::new(),
            woken: Vec::new(),
            model: Model {
                drops_oldest: overflow == Overflow::DropOldest,
                backs_off,
                gate,
                ..Model::default()
            },
        }
    }

    /// A message that was accepted.
    pub fn any(&self, at: usize) -> Option<usize> {
        at.checked_rem(self.model.messages.len())
    }

    pub fn step(&mut self, step: Step) {
        if let Step::Advance(by) = step {
            // Comparing brings the queue up to date: that is left to the tasks that the tickers
            // wake.
            self.clock.advance(secs(by));
            self.model.now += by;
            return;
        }
        self.model.pass();
        match step {
            Step::Push { delay, lasts, kind } => self.push(delay, lasts, kind),
            Step::Open => self.open(quiet_stream(&self.queue, &self.clock)),
            Step::Resume(at) => {
                let at = self.any(at);
                let id = at.map_or("none", |at| &self.model.messages[at].id);
                self.open(resumed_stream(&self.queue, &self.clock, id));
                if let Some(at) = at {
                    self.model.resume(at, self.streams.len() - 1);
                }
            }
            Step::Poll(at) => {
                if let Some(at) = at.checked_rem(self.streams.len()) {
                    self.poll(at);
                }
            }
            Step::Drop(at) => {
                if let Some(at) = at.checked_rem(self.streams.len()) {
                    self.streams[at] = None;
                    self.model.leave(at);
                }
            }
            Step::TryNext => {
                let taken = self.queue.next_ready();
                let taken = taken.map_or_else(Vec::new, |bytes| events(&bytes));
                assert_eq!(taken, self.model.take(None, 1));
            }
            Step::Ack(_) | Step::Nack(..) | Step::Extend(..) | Step::Cancel(_) => self.settle(step),
            Step::Advance(_) => {}
            Step::Run => self.run(),
            Step::TakeDead => {
                let letters = self.queue.take_dead_letters();
                let letters: Vec<_> = letters
                    .iter()
                    .map(|letter| (letter.id(), letter.attempts(), letter.reason()))
                    .collect();
                let dead = std::mem::take(&mut self.model.dead);
                let mut expected = Vec::new();
                for at in &dead {
                    let message = &self.model.messages[*at];
                    let State::Dead(reason) = message.state else {
                        panic!("{message:?} is not dead");
                    };
                    expected.push((message.id.as_str(), message.attempts, reason));
                }
                // Messages that die in one step have no order among them in the model.
                let sorted = |mut letters: Vec<(&str, u32, DeadLetterReason)>| {
                    letters.sort_by_key(|(id, ..)| (*id).to_owned());
                    format!("{letters:?}")
                };
                assert_eq!(sorted(letters), sorted(expected));
                for at in dead {
                    self.model.messages[at].state = State::Withdrawn;
                }
            }
            Step::TakeAll => self.take_all(),
            Step::Pause(true) => {
                self.queue.pause();
                self.model.gate.is_paused = self.model.closed.is_none();
            }
            Step::Pause(false) => {
                self.queue.unpause();
                self.model.gate.is_paused = false;
            }
            Step::Close => {
                self.queue.close();
                self.model.gate = Gate::default();
                self.model.closed.get_or_insert(self.model.now);
            }
        }
        self.model.pass();
        self.compare();
    }

    pub fn push(&mut self, delay: u64, lasts: Option<u64>, kind: Kind) {
        let model = &mut self.model;
        let data = format!("m{}", model.messages.len());
        let event = match kind {
            Kind::Plain => Event::new(&data),
            Kind::OwnId => Event::new(&data).id(&format!("own-{data}")).unwrap(),
            Kind::Comment => Event::comment(&data),
        };
        let mut message = Message::from(event).after(secs(delay));
        if let Some(lasts) = lasts {
            message = message.expires_after(secs(lasts));
        }
        let pushed = self.queue.push(message);
        if model.closed.is_some() {
            assert!(matches!(pushed, Err(PushError::Closed(_))));
            return;
        }
        let lent = model.in_flight() + model.dead();
        let held = lent + model.queued();
        let is_queued = |message: &Modelled| message.state == State::Queued;
        let came_back = |message: &&Modelled| is_queued(message) && message.attempts > 0;
        let came_back = model.messages.iter().filter(came_back).count();
        let most = if model.drops_oldest {
            lent + came_back
        } else {
            held
        };
        if most >= CAPACITY {
            assert!(matches!(pushed, Err(PushError::Full(_))));
            return;
        }
        if held >= CAPACITY {
            let all = 0..model.messages.len();
            // What was handed out is never dropped.
            let fresh = |at: &usize| model.messages[*at].attempts == 0;
            let fresh = all.filter(|at| is_queued(&model.messages[*at]) && fresh(at));
            let first = fresh.min_by_key(|at| (model.messages[*at].due, *at));
            model.messages[first.unwrap()].state = State::Dropped;
        }
        let due = model.now + delay;
        model.messages.push(Modelled {
            id: pushed.unwrap().id().to_owned(),
            data,
            has_id: !matches!(kind, Kind::Comment),
            due,
            expires: lasts.map_or(u64::MAX, |lasts| due + lasts),
            attempts: 0,
            client: Client::None,
            state: State::Queued,
        });
    }

    pub fn open(&mut self, stream: QueueStream) {
        self.yielded.push(true);
        self.woken.push(false);
        self.streams.push(Some(Task::new(
            stream.pacing(Pacing::immediate().batch(A_CHUNK)),
        )));
    }

    /// Returns whether there may be more.
    pub fn poll(&mut self, at: usize) -> bool {
        self.record_wakes();
        (self.yielded[at], self.woken[at]) = (false, false);
        let leaves_it = self.others_are_woken(at);
        let Some(stream) = &mut self.streams[at] else {
            return false;
        };
        if stream.inner.is_terminated() {
            return false;
        }
        let taken = match stream.poll_next() {
            Poll::Ready(Some(bytes)) => events(&bytes),
            Poll::Ready(None) => {
                assert!(self.model.closed.is_some());
                Vec::new()
            }
            Poll::Pending => Vec::new(),
        };
        let holder = self.model.holder_of(at);
        if taken.is_empty() && leaves_it {
            // It keeps the time, and leaves what is due to the stream that was woken for it.
            self.model.take(Some(holder), 0);
            return false;
        }
        assert_eq!(taken, self.model.take(Some(holder), A_CHUNK));
        self.yielded[at] = !taken.is_empty();
        self.yielded[at]
    }

    pub fn record_wakes(&mut self) {
        for (stream, woken) in self.streams.iter().zip(&mut self.woken) {
            *woken |= stream
                .as_ref()
                .is_some_and(|stream| stream.take_wakes() > 0);
        }
    }

    /// Whether another open stream was woken and not polled since.
    pub fn others_are_woken(&self, at: usize) -> bool {
        let streams = self.streams.iter().enumerate();
        let mut open = streams.filter(|(other, stream)| {
            *other != at
                && stream
                    .as_ref()
                    .is_some_and(|stream| !stream.inner.is_terminated())
        });
        open.any(|(other, _)| self.woken[other])
    }

    /// As an executor does: polls each task that was woken until it is pending.
    pub fn run(&mut self) {
        loop {
            self.record_wakes();
            let is_ready = |at: &usize| self.woken[*at] || self.yielded[*at];
            let ready: Vec<_> = (0..self.streams.len()).filter(is_ready).collect();
            if ready.is_empty() {
                break;
            }
            for at in ready {
                while self.poll(at) {}
            }
        }
        self.assert_none_starves();
    }

    /// What is due waits only where every stream is full, or nothing may leave.
    pub fn assert_none_starves(&mut self) {
        self.assert_none_is_owed();
        let next = self.model.head();
        if next.is_none_or(|next| !self.model.may_leave(next)) {
            return;
        }
        for at in 0..self.streams.len() {
            let is_open = |stream: &Task<QueueStream>| !stream.inner.is_terminated();
            if self.streams[at].as_ref().is_some_and(is_open) {
                let holder = self.model.holder_of(at);
                let held = self.model.held_by(holder).len();
                assert!(held >= IN_FLIGHT, "stream {at} was not woken");
            }
        }
    }

    fn assert_none_is_owed(&mut self) {
        for at in 0..self.streams.len() {
            let is_open = |stream: &Task<QueueStream>| !stream.inner.is_terminated();
            if self.streams[at].as_ref().is_some_and(is_open) {
                let holder = self.model.holder_of(at);
                let owed = self.model.next_redelivery(holder);
                let owed = owed.filter(|owed| self.model.may_leave(*owed));
                assert_eq!(owed, None, "stream {at} was not woken");
            }
        }
    }
}
