//! Delivery at least once, against a naive model: random steps, and after each of them every
//! message is where the model says, in one place.

use std::task::Poll;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use sse_queue::{
    AckError, Confirm, Event, FakeClock, LastEventId, Lease, Message, Overflow, PushError, Queue,
    Reason,
};

use crate::support::{QueueStream, Task, bare, builder, parser, secs};

const CAPACITY: usize = 12;
const TIMEOUT: u64 = 8;
const GRACE: u64 = 3;
const ATTEMPTS: u32 = 3;
const IN_FLIGHT: usize = 3;
const A_CHUNK: usize = 2;

#[derive(Clone, Copy, Debug)]
enum Step {
    Push {
        delay: u64,
        lasts: Option<u64>,
        kind: Kind,
    },
    Open,
    /// With the id of a message.
    Resume(usize),
    /// A stream, whether it was woken or not.
    Poll(usize),
    Drop(usize),
    TryNext,
    Ack(usize),
    Nack(usize, u64),
    Extend(usize, u64),
    Cancel(usize),
    Advance(u64),
    /// Polls whatever was woken until nothing is.
    Run,
    Bury,
    TakeAll,
    Close,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    OwnId,
    Comment,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![
        6 => Just(Kind::Plain),
        1 => Just(Kind::OwnId),
        1 => Just(Kind::Comment),
    ];
    let push = (
        prop_oneof![3 => Just(0), 1 => 1..6_u64],
        prop_oneof![2 => Just(None), 1 => (1..12_u64).prop_map(Some)],
        kind,
    );
    let step = prop_oneof![
        40 => push.prop_map(|(delay, lasts, kind)| Step::Push { delay, lasts, kind }),
        12 => Just(Step::Open),
        12 => any::<usize>().prop_map(Step::Resume),
        20 => any::<usize>().prop_map(Step::Poll),
        12 => any::<usize>().prop_map(Step::Drop),
        4 => Just(Step::TryNext),
        24 => any::<usize>().prop_map(Step::Ack),
        12 => (any::<usize>(), 0..4_u64).prop_map(|(at, delay)| Step::Nack(at, delay)),
        6 => (any::<usize>(), 0..9_u64).prop_map(|(at, by)| Step::Extend(at, by)),
        4 => any::<usize>().prop_map(Step::Cancel),
        24 => (1..6_u64).prop_map(Step::Advance),
        40 => Just(Step::Run),
        4 => Just(Step::Bury),
        1 => Just(Step::TakeAll),
        1 => Just(Step::Close),
    ];
    vec(step, 1..120)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Queued,
    /// With whom, until when, as the how many-th that was handed out; whether it is owed.
    InFlight {
        holder: Option<usize>,
        until: u64,
        nth: usize,
        owed: bool,
        /// It outlives the grace.
        extended: bool,
    },
    Dead(Reason),
    Confirmed,
    Expired,
    Dropped,
    Withdrawn,
}

#[derive(Debug)]
struct Modelled {
    id: String,
    data: String,
    has_id: bool,
    due: u64,
    expires: u64,
    attempts: u32,
    client: Client,
    place: Place,
}

/// To whom it was handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Nobody,
    One(usize),
    Several,
}

/// Those who hold: a stream, or nobody any more until the grace ends.
#[derive(Debug)]
struct Holder {
    stream: Option<usize>,
    grace: u64,
    /// Of the messages that have left it, the one that was handed out last, and as the how many-th.
    departed: Option<(usize, usize)>,
}

#[derive(Debug, Default)]
struct Model {
    now: u64,
    drops_oldest: bool,
    messages: Vec<Modelled>,
    holders: Vec<Holder>,
    handed_out: usize,
    /// The order of deaths.
    dead: Vec<usize>,
    closed: Option<u64>,
    delivered: u64,
    redelivered: u64,
}

impl Model {
    /// Whatever ends by itself up to now.
    fn pass(&mut self) {
        let (mut back, mut gone) = (Vec::new(), Vec::new());
        for (at, message) in self.messages.iter_mut().enumerate() {
            let has_expired = message.expires <= self.now;
            match message.place {
                Place::Queued if has_expired => message.place = Place::Expired,
                Place::InFlight {
                    holder,
                    until,
                    nth,
                    extended,
                    ..
                } => {
                    let holder = holder.map(|holder| &self.holders[holder]);
                    let orphaned = holder.filter(|holder| holder.stream.is_none());
                    let is_over = orphaned.is_some_and(|holder| holder.grace <= self.now);
                    // What was over first counts, however late the step.
                    let expired_first =
                        orphaned.is_some_and(|holder| message.expires <= holder.grace);
                    if expired_first && has_expired {
                        gone.push(at);
                    } else if is_over && extended && until > self.now {
                        message.place = Place::InFlight {
                            holder: None,
                            until,
                            nth,
                            owed: false,
                            extended,
                        };
                    } else if is_over && !extended && orphaned.is_some_and(|of| of.grace <= until) {
                        back.push((at, Reason::Dropped));
                    } else if until <= self.now {
                        back.push((at, Reason::LeaseEnded));
                    } else if orphaned.is_some() && has_expired {
                        gone.push(at);
                    }
                }
                _ => {}
            }
        }
        for (at, reason) in back {
            self.come_back(at, reason);
        }
        for at in gone {
            self.depart(at);
            self.messages[at].place = Place::Expired;
        }
    }

    /// Notes that a message leaves the one that holds it.
    fn depart(&mut self, at: usize) {
        let message = &self.messages[at];
        if let Place::InFlight {
            holder: Some(holder),
            nth,
            ..
        } = message.place
            && message.client == Client::One(holder)
        {
            let departed = &mut self.holders[holder].departed;
            *departed = (*departed)
                .filter(|(_, last)| *last > nth)
                .or(Some((at, nth)));
        }
    }

    fn come_back(&mut self, at: usize, reason: Reason) {
        self.depart(at);
        let message = &mut self.messages[at];
        if message.expires <= self.now {
            message.place = Place::Expired;
        } else if message.attempts >= ATTEMPTS {
            message.place = Place::Dead(reason);
            self.dead.push(at);
        } else {
            message.place = Place::Queued;
        }
    }

    fn count(&self, is: impl Fn(&Place) -> bool) -> usize {
        let places = self.messages.iter().map(|message| &message.place);
        places.filter(|place| is(place)).count()
    }

    fn in_flight(&self) -> usize {
        self.count(|place| matches!(place, Place::InFlight { .. }))
    }

    fn dead(&self) -> usize {
        self.count(|place| matches!(place, Place::Dead(_)))
    }

    fn queued(&self) -> usize {
        self.count(|place| *place == Place::Queued)
    }

    /// The queued message that is first in order, if it is due.
    fn head(&self) -> Option<usize> {
        let horizon = self.closed.unwrap_or(self.now);
        let all = 0..self.messages.len();
        let queued = all.filter(|at| self.messages[*at].place == Place::Queued);
        let first = queued.min_by_key(|at| (self.messages[*at].due, *at));
        first.filter(|at| self.messages[*at].due <= horizon)
    }

    /// The messages of a holder, in the order of handing out.
    fn held_by(&self, by: usize) -> Vec<usize> {
        let mut held: Vec<_> = (0..self.messages.len())
            .filter_map(|at| match self.messages[at].place {
                Place::InFlight { holder, nth, .. } if holder == Some(by) => Some((nth, at)),
                _ => None,
            })
            .collect();
        held.sort_unstable();
        held.into_iter().map(|(_, at)| at).collect()
    }

    fn owed_to(&self, holder: usize) -> Option<usize> {
        self.held_by(holder).into_iter().find(|at| {
            let place = self.messages[*at].place;
            matches!(place, Place::InFlight { owed: true, .. })
        })
    }

    fn holder_of(&mut self, stream: usize) -> usize {
        let of_stream = |holder: &Holder| holder.stream == Some(stream);
        self.holders.iter().position(of_stream).unwrap_or_else(|| {
            self.holders.push(Holder {
                stream: Some(stream),
                grace: u64::MAX,
                departed: None,
            });
            self.holders.len() - 1
        })
    }

    /// What a stream, or somebody without one, is given now: the data.
    fn take(&mut self, holder: Option<usize>, most: usize) -> Vec<String> {
        let mut chunk = Vec::new();
        loop {
            if let Some(at) = holder.and_then(|holder| self.owed_to(holder)) {
                let message = &mut self.messages[at];
                if message.attempts >= ATTEMPTS || message.expires <= self.now {
                    self.come_back(at, Reason::Dropped);
                } else if chunk.len() < most {
                    message.attempts += 1;
                    if let Place::InFlight {
                        until,
                        owed,
                        extended,
                        ..
                    } = &mut message.place
                    {
                        (*until, *owed, *extended) = (self.now + TIMEOUT, false, false);
                    }
                    chunk.push(message.data.clone());
                    self.delivered += 1;
                    self.redelivered += 1;
                } else {
                    return chunk;
                }
                continue;
            }
            let Some(at) = self.head().filter(|_| chunk.len() < most) else {
                return chunk;
            };
            let is_full = holder.is_some_and(|holder| self.held_by(holder).len() >= IN_FLIGHT);
            let message = &mut self.messages[at];
            if message.has_id && is_full {
                return chunk;
            }
            chunk.push(message.data.clone());
            self.delivered += 1;
            if message.has_id {
                let anew = message.attempts > 0;
                self.redelivered += u64::from(anew);
                message.attempts += 1;
                message.client = match (message.client, holder) {
                    (Client::Nobody, Some(holder)) if !anew => Client::One(holder),
                    (Client::One(one), Some(holder)) if one == holder => Client::One(one),
                    (Client::Nobody, None) if !anew => Client::Nobody,
                    _ => Client::Several,
                };
                message.place = Place::InFlight {
                    holder,
                    until: self.now + TIMEOUT,
                    nth: self.handed_out,
                    owed: false,
                    extended: false,
                };
                self.handed_out += 1;
            } else {
                message.place = Place::Confirmed;
            }
        }
    }

    /// Whose client saw this message last, and as the how many-th it was handed out.
    fn client_of(&self, at: usize) -> Option<(usize, usize)> {
        let message = &self.messages[at];
        if let Place::InFlight { holder, nth, .. } = message.place {
            let is_one = matches!(message.client, Client::One(_));
            return Some((holder.filter(|_| is_one)?, nth));
        }
        let Client::One(client) = message.client else {
            return None;
        };
        let holder = &self.holders[client];
        let is_there = holder.stream.is_some() || !self.held_by(client).is_empty();
        let departed = holder.departed.filter(|(departed, _)| *departed == at);
        departed.filter(|_| is_there).map(|(_, nth)| (client, nth))
    }

    fn resume(&mut self, at: usize, stream: usize) {
        let Some((holder, seen)) = self.client_of(at) else {
            return;
        };
        let departed = self.holders[holder].departed;
        self.holders[holder] = Holder {
            stream: Some(stream),
            grace: u64::MAX,
            departed,
        };
        for at in self.held_by(holder) {
            if let Place::InFlight { nth, owed, .. } = &mut self.messages[at].place {
                *owed = true;
                if *nth <= seen {
                    self.depart(at);
                    self.messages[at].place = Place::Confirmed;
                }
            }
        }
    }

    fn leave(&mut self, stream: usize) {
        let of_stream = |holder: &Holder| holder.stream == Some(stream);
        let Some(holder) = self.holders.iter().position(of_stream) else {
            return;
        };
        for at in self.held_by(holder) {
            if let Place::InFlight { owed, .. } = &mut self.messages[at].place {
                *owed = false;
            }
        }
        let grace = match self.closed {
            None => self.now + GRACE,
            Some(_) => u64::MAX,
        };
        let departed = self.holders[holder].departed;
        self.holders[holder] = Holder {
            stream: None,
            grace,
            departed,
        };
    }

    /// Why a message cannot be confirmed, given back or extended.
    fn refusal(&self, at: usize) -> Option<AckError> {
        let message = &self.messages[at];
        match message.place {
            Place::InFlight { .. } => None,
            Place::Confirmed if message.has_id => Some(AckError::Stale),
            _ if message.attempts > 0 => Some(AckError::Stale),
            _ => Some(AckError::Unknown),
        }
    }
}

struct Run {
    clock: FakeClock,
    queue: Queue,
    streams: Vec<Option<Task<QueueStream>>>,
    /// Whether each was not polled yet, or yielded something then: it is polled again unwoken.
    yielded: Vec<bool>,
    /// Whether each was woken and not polled since.
    woken: Vec<bool>,
    model: Model,
}

fn events(bytes: &[u8]) -> Vec<String> {
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
    fn new(overflow: Overflow) -> Self {
        let clock = FakeClock::new();
        let lease = Lease::new(secs(TIMEOUT))
            .confirm(Confirm::ByResume)
            .grace(secs(GRACE))
            .max_attempts(ATTEMPTS)
            .max_in_flight(IN_FLIGHT);
        let queue = builder(&clock).capacity(CAPACITY).overflow(overflow);
        Self {
            queue: queue.at_least_once(lease).build(),
            clock,
            streams: Vec::new(),
            yielded: Vec::new(),
            woken: Vec::new(),
            model: Model {
                drops_oldest: overflow == Overflow::DropOldest,
                ..Model::default()
            },
        }
    }

    /// A message that was accepted.
    fn any(&self, at: usize) -> Option<usize> {
        at.checked_rem(self.model.messages.len())
    }

    fn step(&mut self, step: Step) {
        if let Step::Advance(by) = step {
            // To compare is to look: that is left to whoever the tickers wake.
            self.clock.advance(secs(by));
            self.model.now += by;
            return;
        }
        self.model.pass();
        match step {
            Step::Push { delay, lasts, kind } => self.push(delay, lasts, kind),
            Step::Open => self.open(bare(&self.queue, &self.clock)),
            Step::Resume(at) => {
                let at = self.any(at);
                let id = at.map_or("none", |at| &self.model.messages[at].id);
                let ticker = self.clock.ticker();
                let stream = self.queue.stream_after(&LastEventId::new(id), ticker);
                let stream = stream.unwrap().first_bytes(false);
                self.open(stream.keep_alive(sse_queue::KeepAlive::off()));
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
            Step::Bury => {
                let letters = self.queue.take_dead_letters();
                let letters: Vec<_> = letters
                    .iter()
                    .map(|letter| (letter.id(), letter.attempts(), letter.reason()))
                    .collect();
                let dead = std::mem::take(&mut self.model.dead);
                let mut expected = Vec::new();
                for at in &dead {
                    let message = &self.model.messages[*at];
                    let Place::Dead(reason) = message.place else {
                        panic!("{message:?} is not dead");
                    };
                    expected.push((message.id.as_str(), message.attempts, reason));
                }
                // Those who die in one step have no order among them in the model.
                let sorted = |mut letters: Vec<(&str, u32, Reason)>| {
                    letters.sort_by_key(|(id, ..)| (*id).to_owned());
                    format!("{letters:?}")
                };
                assert_eq!(sorted(letters), sorted(expected));
                for at in dead {
                    self.model.messages[at].place = Place::Withdrawn;
                }
            }
            Step::TakeAll => self.take_all(),
            Step::Close => {
                self.queue.close();
                self.model.closed.get_or_insert(self.model.now);
            }
        }
        self.model.pass();
        self.compare();
    }

    fn push(&mut self, delay: u64, lasts: Option<u64>, kind: Kind) {
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
        let is_queued = |message: &Modelled| message.place == Place::Queued;
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
            model.messages[first.unwrap()].place = Place::Dropped;
        }
        let due = model.now + delay;
        model.messages.push(Modelled {
            id: pushed.unwrap().id().to_owned(),
            data,
            has_id: !matches!(kind, Kind::Comment),
            due,
            expires: lasts.map_or(u64::MAX, |lasts| due + lasts),
            attempts: 0,
            client: Client::Nobody,
            place: Place::Queued,
        });
    }

    fn open(&mut self, stream: QueueStream) {
        self.yielded.push(true);
        self.woken.push(false);
        self.streams
            .push(Some(Task::new(stream.max_messages(A_CHUNK))));
    }

    /// Returns whether there may be more.
    fn poll(&mut self, at: usize) -> bool {
        self.note_wakes();
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
            // It keeps the time, and leaves what is due to the one that was woken for it.
            self.model.take(Some(holder), 0);
            return false;
        }
        assert_eq!(taken, self.model.take(Some(holder), A_CHUNK));
        self.yielded[at] = !taken.is_empty();
        self.yielded[at]
    }

    fn note_wakes(&mut self) {
        for (stream, woken) in self.streams.iter().zip(&mut self.woken) {
            *woken |= stream.as_ref().is_some_and(|stream| stream.wakes() > 0);
        }
    }

    /// Whether another open stream was woken and not polled since.
    fn others_are_woken(&self, at: usize) -> bool {
        let streams = self.streams.iter().enumerate();
        let mut open = streams.filter(|(other, stream)| {
            *other != at
                && stream
                    .as_ref()
                    .is_some_and(|stream| !stream.inner.is_terminated())
        });
        open.any(|(other, _)| self.woken[other])
    }

    /// As an executor does: whoever was woken is polled until it waits.
    fn run(&mut self) {
        loop {
            self.note_wakes();
            let is_ready = |at: &usize| self.woken[*at] || self.yielded[*at];
            let ready: Vec<_> = (0..self.streams.len()).filter(is_ready).collect();
            if ready.is_empty() {
                break;
            }
            for at in ready {
                while self.poll(at) {}
            }
        }
        self.nobody_starves();
    }

    /// What is due waits only where every stream is full.
    fn nobody_starves(&mut self) {
        if self.model.head().is_none() {
            return;
        }
        for at in 0..self.streams.len() {
            let is_open = |stream: &Task<QueueStream>| !stream.inner.is_terminated();
            if self.streams[at].as_ref().is_some_and(is_open) {
                let holder = self.model.holder_of(at);
                let held = self.model.held_by(holder).len();
                assert!(held >= IN_FLIGHT, "stream {at} sleeps");
            }
        }
    }

    fn settle(&mut self, step: Step) {
        let (Step::Ack(at) | Step::Nack(at, _) | Step::Extend(at, _) | Step::Cancel(at)) = step
        else {
            return;
        };
        let Some(at) = self.any(at) else {
            return;
        };
        let refusal = self.model.refusal(at);
        let (now, message) = (self.model.now, &mut self.model.messages[at]);
        let is_confirmed = message.place == Place::Confirmed && message.has_id;
        let done = match step {
            Step::Ack(_) => self.queue.ack(&message.id),
            Step::Nack(_, delay) => self.queue.nack(&message.id, secs(delay)),
            Step::Extend(_, by) => self.queue.extend_lease(&message.id, secs(by)),
            _ => {
                // What has expired can be cancelled until somebody has looked.
                let _ = self.queue.stats();
                let can_be = message.place == Place::Queued;
                assert_eq!(self.queue.cancel(&message.id), can_be);
                if can_be {
                    message.place = Place::Withdrawn;
                }
                return;
            }
        };
        match (refusal, step) {
            (Some(_), Step::Ack(_)) if is_confirmed => assert_eq!(done, Ok(())),
            (Some(refusal), _) => assert_eq!(done, Err(refusal)),
            (None, _) => assert_eq!(done, Ok(())),
        }
        if refusal.is_some() {
            return;
        }
        match (step, &mut message.place) {
            (Step::Ack(_), _) => {
                self.model.depart(at);
                self.model.messages[at].place = Place::Confirmed;
            }
            (
                Step::Extend(_, by),
                Place::InFlight {
                    until, extended, ..
                },
            ) => (*until, *extended) = (*until + by, true),
            (Step::Nack(_, delay), _) => {
                if delay > 0 {
                    message.due = (now + delay).min(message.expires);
                }
                self.model.come_back(at, Reason::Nacked);
            }
            _ => {}
        }
    }

    fn take_all(&mut self) {
        let remaining = self.queue.take_remaining();
        let remaining: Vec<_> = remaining
            .iter()
            .map(|left| (left.id(), left.attempts()))
            .collect();
        let model = &mut self.model;
        for message in &mut model.messages {
            let is_out = matches!(message.place, Place::InFlight { .. } | Place::Dead(_));
            if is_out && message.expires <= model.now {
                message.place = Place::Expired;
            }
        }
        let mut left: Vec<_> = (0..model.messages.len())
            .filter(|at| {
                let place = model.messages[*at].place;
                matches!(
                    place,
                    Place::Queued | Place::InFlight { .. } | Place::Dead(_)
                )
            })
            .collect();
        left.sort_by_key(|at| (model.messages[*at].due, *at));
        let expected: Vec<_> = left
            .iter()
            .map(|at| &model.messages[*at])
            .map(|message| (message.id.as_str(), message.attempts))
            .collect();
        assert_eq!(remaining, expected);
        for at in left {
            model.messages[at].place = Place::Withdrawn;
        }
        model.dead.clear();
        for holder in &mut model.holders {
            holder.departed = None;
        }
    }

    fn compare(&self) {
        let (stats, model) = (self.queue.stats(), &self.model);
        let count = |place| model.count(|of| *of == place) as u64;
        assert_eq!(stats.pushed, model.messages.len() as u64);
        assert_eq!(stats.confirmed, count(Place::Confirmed), "confirmed");
        assert_eq!(stats.expired, count(Place::Expired), "expired");
        assert_eq!(stats.dropped, count(Place::Dropped), "dropped");
        assert_eq!(stats.withdrawn, count(Place::Withdrawn), "withdrawn");
        assert_eq!(stats.in_flight, model.in_flight(), "in flight");
        assert_eq!(stats.dead, model.dead(), "dead");
        assert_eq!(stats.depth, model.queued(), "queued");
        assert_eq!(stats.delivered, model.delivered, "delivered");
        assert_eq!(stats.redelivered, model.redelivered, "redelivered");
        if stats.in_flight + stats.dead + stats.depth == 0 {
            assert_eq!(stats.bytes, 0);
        }
    }

    /// Confirms whatever comes until nothing does: nothing is lost, and nothing hangs.
    fn wind_up(&mut self) {
        if self.model.closed.is_some() {
            return;
        }
        self.step(Step::Open);
        for _ in 0..200 {
            self.step(Step::Run);
            for at in 0..self.model.messages.len() {
                if matches!(self.model.messages[at].place, Place::InFlight { .. }) {
                    self.step(Step::Ack(at));
                }
            }
            if self.model.in_flight() + self.model.queued() == 0 {
                return;
            }
            self.step(Step::Run);
            self.step(Step::Advance(1));
        }
        panic!("something stays");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn each_message_is_in_one_place_and_that_is_where_it_belongs(
        steps in steps(),
        drops_oldest: bool,
    ) {
        let mut run = Run::new(if drops_oldest {
            Overflow::DropOldest
        } else {
            Overflow::Reject
        });
        for step in steps {
            run.step(step);
        }
        run.wind_up();
    }
}

/// Drains, too: they end when the last lease does, and not before.
#[test]
fn a_drain_under_random_leases_ends_with_the_last() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(
        Lease::new(secs(TIMEOUT))
            .confirm(Confirm::ByResume)
            .max_in_flight(64),
    );
    let queue = queue.build();
    for n in 0..50_u64 {
        queue.push(n.to_string()).unwrap();
        assert!(queue.next_ready().is_some());
        let by = Duration::from_secs(n * 7919 % 31);
        queue.extend_lease(&format!("e-{}", n + 1), by).unwrap();
    }
    queue.close();
    let mut drain = Task::new(queue.drain(clock.ticker()));
    while drain.poll().is_pending() {
        assert!(queue.stats().in_flight > 0);
        assert!(clock.advance_to_next().is_some());
        assert!(drain.wakes() > 0);
    }
    assert_eq!(queue.stats().in_flight, 0);
}
