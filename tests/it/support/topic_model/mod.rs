//! A topic against a model that is plainly right: all messages in a `Vec`, and per stream the place
//! up to which its client has seen them. Streams are polled only when their wakers fired.
//!
//! The operations are triples of bytes, so that a fuzzer can make them as well.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "each user takes its part; a test that panics fails, as it should"
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_core::Stream;
use sse_queue::{
    Clock, Event, EventStream, FakeClock, FakeTicker, GapCause, KeepAlive, Lag, LastEventId,
    Message, PublishError, Resumption, Start, Topic, TopicDriver, TopicSubscription,
};

use super::parser;

const EPOCHS: [&str; 4] = ["a", "b", "c", "d"];
const OWN_IDS: [&str; 3] = ["x", "y", "z"];
const MOST_CLIENTS: usize = 6;

/// What bounds a topic's history: all are small, so that streams fall behind.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    messages: u64,
    bytes: u64,
    age: Option<Duration>,
}

impl Bounds {
    pub fn decode([messages, bytes, age]: [u8; 3]) -> Self {
        Self {
            messages: u64::from(messages % 100) + 1,
            bytes: 200 + 20 * u64::from(bytes),
            age: some(age, 2).then(|| ms(age)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Publish {
        own_id: Option<&'static str>,
        after: Option<Duration>,
        expires_after: Option<Duration>,
    },
    Burst(u8),
    Cancel(u8),
    Subscribe {
        client: usize,
        how: How,
        start: From,
    },
    /// A slow stream reads its next chunk.
    Read(usize),
    Disconnect(usize),
    Advance(Duration),
    /// A driver comes, or goes.
    Drive,
    /// All streams break off, and another topic takes the place of this one.
    Restart,
    Close,
    Abort,
}

#[derive(Clone, Copy, Debug)]
pub enum From {
    Now,
    Oldest,
    Last(u64),
    /// Where this client, or the one that had its place before, left off.
    LastSeen,
}

/// How a stream is set up, and whether its client takes whatever is there at once.
#[derive(Clone, Copy, Debug)]
pub struct How {
    pace: Pace,
    lag: Lag,
    is_slow: bool,
    has_keep_alive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Immediate,
    Spaced,
    Every,
}

impl Operation {
    pub fn decode([kind, one, two]: [u8; 3]) -> Self {
        let client = usize::from(one) % MOST_CLIENTS;
        match kind % 32 {
            0..=8 => Self::Publish {
                own_id: some(one, 5).then(|| OWN_IDS[usize::from(one / 5) % 3]),
                after: (kind % 32 > 5).then(|| ms(one)),
                expires_after: some(two, 3).then(|| ms(two / 2)),
            },
            9 => Self::Burst(one),
            10 => Self::Cancel(one),
            11..=16 => Self::Subscribe {
                client,
                how: How::decode(two),
                start: match one / 6 % 8 {
                    0 => From::Now,
                    1 => From::Oldest,
                    2 => From::Last(u64::from(two % 9)),
                    _ => From::LastSeen,
                },
            },
            17..=20 => Self::Read(client),
            21..=22 => Self::Disconnect(client),
            23..=28 => Self::Advance(ms(one)),
            29 if some(one, 3) => Self::Restart,
            30 if some(one, 3) => Self::Close,
            31 if some(one, 6) => Self::Abort,
            29 => Self::Drive,
            _ => Self::Advance(ms(one / 16)),
        }
    }
}

impl How {
    fn decode(byte: u8) -> Self {
        Self {
            pace: match byte % 4 {
                0 | 1 => Pace::Immediate,
                2 => Pace::Spaced,
                _ => Pace::Every,
            },
            lag: if some(byte / 4, 4) {
                Lag::End
            } else {
                Lag::Skip
            },
            is_slow: some(byte / 16, 2),
            has_keep_alive: some(byte / 32, 2),
        }
    }
}

/// Does it all, and panics where the topic does something else than the model.
pub fn run(bounds: Bounds, operations: &[Operation]) {
    let mut world = World::new(bounds);
    for operation in operations {
        world.step(*operation);
    }
    world.end(false);
}

/// Once in so many bytes.
fn some(byte: u8, of: u8) -> bool {
    byte.is_multiple_of(of)
}

fn ms(millis: u8) -> Duration {
    Duration::from_millis(u64::from(millis))
}

struct World {
    bounds: Bounds,
    clock: FakeClock,
    topic: Topic,
    model: Model,
    restarts: usize,
    /// What the next message says: no two say the same.
    data: u64,
    clients: [Client; MOST_CLIENTS],
    driver: Option<Driver>,
}

struct Driver {
    drive: Pin<Box<TopicDriver<FakeTicker>>>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Client {
    stream: Option<Connection>,
    /// As the browser keeps it.
    last_seen: Option<String>,
}

struct Connection {
    stream: Pin<Box<EventStream<TopicSubscription, FakeTicker>>>,
    woken: Arc<Woken>,
    how: How,
    /// The number of the message that its client must see next.
    position: u64,
    /// How far the stream may be: it can have passed over what had expired.
    passed: u64,
    /// The gap that its client must be told of first.
    gap: Option<(Option<u64>, GapCause)>,
    /// It gave a chunk, and its client is slow.
    is_held: bool,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl World {
    fn new(bounds: Bounds) -> Self {
        let clock = FakeClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        Self {
            bounds,
            topic: topic(bounds, &clock, 0),
            clock,
            model: Model::new(bounds, 0),
            restarts: 0,
            data: 0,
            clients: Default::default(),
            driver: None,
        }
    }

    fn step(&mut self, operation: Operation) {
        match operation {
            Operation::Publish {
                own_id,
                after,
                expires_after,
            } => self.publish(own_id, after, expires_after),
            Operation::Burst(count) => (0..count).for_each(|_| self.publish(None, None, None)),
            Operation::Cancel(which) => self.cancel(which),
            Operation::Subscribe { client, how, start } => self.subscribe(client, how, start),
            Operation::Read(client) => {
                if let Some(connection) = &mut self.clients[client].stream {
                    connection.is_held = false;
                    connection.woken.0.store(true, Ordering::Relaxed);
                }
            }
            Operation::Disconnect(client) => self.disconnect(client),
            Operation::Advance(by) => self.advance(by),
            Operation::Drive => self.drive(),
            Operation::Restart => self.restart(),
            Operation::Close => self.end(false),
            Operation::Abort => self.end(true),
        }
        self.settle();
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn publish(
        &mut self,
        own_id: Option<&str>,
        after: Option<Duration>,
        expires_after: Option<Duration>,
    ) {
        self.data += 1;
        let mut event = Event::new(self.data.to_string());
        if let Some(id) = own_id {
            event = event.id(id).unwrap();
        }
        let mut message = Message::from(event);
        if let Some(after) = after {
            message = message.after(after);
        }
        if let Some(expires_after) = expires_after {
            message = message.expires_after(expires_after);
        }
        let now = self.clock.now();
        let id = self
            .model
            .publish(self.data, own_id, after, expires_after, now);
        let published = match (self.topic.publish(message.clone()), id) {
            (Err(PublishError::Full(refused)), None) => return assert_eq!(refused, message),
            (published, id) => {
                let published = published.unwrap();
                assert_eq!(Some(published.id()), id.as_deref());
                published
            }
        };
        assert_eq!(published.retained(), self.model.retained());
        let open = self.clients.iter().flat_map(|client| &client.stream);
        assert_eq!(published.streams(), open.count());
    }

    fn cancel(&mut self, which: u8) {
        self.model.catch_up(self.clock.now());
        let scheduled = &mut self.model.scheduled;
        let Some(last) = scheduled.len().checked_sub(1) else {
            assert!(!self.topic.cancel("x"));
            return;
        };
        let id = scheduled[usize::from(which).min(last)].message.id.clone();
        let is_it = |one: &&Scheduled| one.message.id == id;
        let newest = scheduled.iter().filter(is_it).map(|one| one.arrival).max();
        scheduled.retain(|one| Some(one.arrival) != newest);
        assert!(self.topic.cancel(&id));
    }

    fn subscribe(&mut self, client: usize, how: How, start: From) {
        self.disconnect(client);
        let now = self.now();
        self.model.catch_up(now);
        let client = &mut self.clients[client];
        let (oldest, next) = (self.model.oldest, self.model.next());
        let (start, position, resumption) = match start {
            From::Now => (Start::Now, next, Resumption::Fresh),
            From::Oldest => (Start::Oldest, oldest, Resumption::Fresh),
            From::Last(count) => {
                let position = next.saturating_sub(count).max(oldest);
                (Start::Last(count), position, Resumption::Fresh)
            }
            From::LastSeen => {
                let id = client.last_seen.as_deref();
                let (position, resumption) = match id {
                    Some(id) => self.model.resume(id),
                    None => (next, Resumption::Fresh),
                };
                (Start::from(id.map(LastEventId::new)), position, resumption)
            }
        };
        let stream = self.topic.stream(start, self.clock.ticker()).unwrap();
        assert_eq!(stream.resumption(), resumption);
        let stream = stream.first_bytes(false).lag(how.lag);
        let stream = match how.pace {
            Pace::Immediate => stream,
            Pace::Spaced => stream.spaced(Duration::from_millis(20)),
            Pace::Every => stream.every(Duration::from_millis(15)).batch(70),
        };
        let keep_alive = if how.has_keep_alive {
            KeepAlive::every(Duration::from_millis(50))
        } else {
            KeepAlive::off()
        };
        client.stream = Some(Connection {
            stream: Box::pin(stream.keep_alive(keep_alive)),
            woken: Arc::new(Woken(AtomicBool::new(true))),
            how,
            position,
            passed: position,
            gap: match resumption {
                Resumption::Gap { missed, cause } => Some((missed, cause)),
                _ => None,
            },
            is_held: false,
        });
    }

    fn disconnect(&mut self, client: usize) {
        if self.clients[client].stream.take().is_some() {
            self.model.catch_up(self.clock.now());
        }
    }

    /// Goes from deadline to deadline, and lets whoever was woken run at each.
    fn advance(&mut self, mut left: Duration) {
        while let Some(by) = self.clock.next_deadline().filter(|by| *by <= left) {
            self.clock.advance(by);
            left -= by;
            self.settle();
        }
        self.clock.advance(left);
    }

    fn drive(&mut self) {
        if self.driver.take().is_some() {
            self.model.catch_up(self.clock.now());
            return;
        }
        self.driver = Some(Driver {
            drive: Box::pin(self.topic.drive(self.clock.ticker())),
            woken: Arc::new(Woken(AtomicBool::new(true))),
        });
    }

    /// Polls the driver, if it was woken; returns whether it was.
    fn poll_driver(&mut self) -> bool {
        let Some(driver) = &mut self.driver else {
            return false;
        };
        if !driver.woken.0.swap(false, Ordering::Relaxed) {
            return false;
        }
        let waker = Waker::from(Arc::clone(&driver.woken));
        let polled = driver.drive.as_mut().poll(&mut Context::from_waker(&waker));
        self.model.catch_up(self.clock.now());
        assert_eq!(polled.is_ready(), self.model.is_closed);
        if polled.is_ready() {
            self.driver = None;
        }
        true
    }

    fn restart(&mut self) {
        self.driver = None;
        for client in &mut self.clients {
            client.stream = None;
        }
        self.restarts += 1;
        self.topic = topic(self.bounds, &self.clock, self.restarts);
        self.model = Model::new(self.bounds, self.restarts);
    }

    /// Streams give what is left and end, those that nobody holds at once; then a restart.
    fn end(&mut self, is_abort: bool) {
        self.model.catch_up(self.clock.now());
        if is_abort {
            self.topic.abort();
        } else {
            self.topic.close();
        }
        self.model.is_closed = true;
        self.model.is_aborted = is_abort;
        self.settle();
        for place in 0..MOST_CLIENTS {
            while let Some(connection) = &mut self.clients[place].stream {
                assert!(connection.is_held, "{place} was not woken by the end");
                self.poll(place);
            }
        }
        assert!(self.driver.is_none(), "it ends with the topic");
        let stats = self.topic.stats();
        self.model.catch_up(self.clock.now());
        assert_eq!(stats.retained, self.model.retained());
        assert_eq!(stats.bytes, self.model.bytes());
        assert_eq!(stats.scheduled, self.model.scheduled.len());
        assert_eq!(stats.streams, 0);
        self.restart();
    }

    /// Polls whoever was woken, until nobody is; then no stream may owe its client anything.
    fn settle(&mut self) {
        let is_woken = |client: &Client| {
            let connection = client.stream.as_ref();
            connection.is_some_and(|it| !it.is_held && it.woken.0.load(Ordering::Relaxed))
        };
        loop {
            let is_driven = self.poll_driver();
            if let Some(place) = self.clients.iter().position(is_woken) {
                self.poll(place);
            } else if !is_driven {
                break;
            }
        }
        for place in 0..MOST_CLIENTS {
            let Some(connection) = &mut self.clients[place].stream else {
                continue;
            };
            if connection.how.pace == Pace::Immediate && !connection.is_held {
                self.model.catch_up(self.clock.now());
                connection.owes_nothing(&self.model, self.clock.now());
            }
        }
    }

    fn poll(&mut self, place: usize) {
        let now = self.clock.now();
        let Client { stream, last_seen } = &mut self.clients[place];
        let Some(connection) = stream else {
            return;
        };
        connection.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&connection.woken));
        let polled = connection
            .stream
            .as_mut()
            .poll_next(&mut Context::from_waker(&waker));
        self.model.catch_up(now);
        match polled {
            // What has fallen due at this moment comes with the timekeeper's poll.
            Poll::Pending => connection.may_pass(&self.model, now),
            Poll::Ready(Some(chunk)) => {
                connection.check(&chunk, &self.model, now, last_seen);
                connection.is_held = connection.how.is_slow;
                connection.woken.0.store(true, Ordering::Relaxed);
            }
            Poll::Ready(None) => {
                connection.may_end(&self.model, now);
                *stream = None;
            }
        }
    }
}

impl Connection {
    /// The client sees what follows what it saw, or is told what it does not see.
    fn check(
        &mut self,
        chunk: &Bytes,
        model: &Model,
        now: SystemTime,
        last_seen: &mut Option<String>,
    ) {
        assert!(!model.is_aborted, "nothing comes behind an abort");
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
    fn is_shared(&mut self, model: &Model, now: SystemTime, data: &str) -> bool {
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
    fn may_pass(&mut self, model: &Model, now: SystemTime) {
        self.passed = self.passed.max(self.position);
        while model.has_expired(self.passed, now) {
            self.passed += 1;
        }
    }

    /// Goes to the next message that its client must see.
    #[track_caller]
    fn pass_expired(&mut self, model: &Model, now: SystemTime) {
        assert_eq!(self.gap, None, "a gap is told first");
        assert_eq!(model.missed(self.passed), 0, "messages were lost");
        self.position = self.position.max(model.oldest);
        while model.has_expired(self.position, now) {
            self.position += 1;
        }
    }

    #[track_caller]
    fn owes_nothing(&mut self, model: &Model, now: SystemTime) {
        self.pass_expired(model, now);
        self.may_pass(model, now);
        assert_eq!(self.position, model.next(), "messages are there");
    }

    fn may_end(&mut self, model: &Model, now: SystemTime) {
        if model.is_aborted || (self.how.lag == Lag::End && model.missed(self.position) > 0) {
            return;
        }
        assert!(model.is_closed);
        self.owes_nothing(model, now);
    }
}

fn gap_data((missed, cause): (Option<u64>, GapCause)) -> String {
    let missed = missed.map_or("null".to_owned(), |missed| missed.to_string());
    format!("{{\"missed\":{missed},\"cause\":\"{cause}\"}}")
}

fn epoch(restarts: usize) -> &'static str {
    EPOCHS[restarts % EPOCHS.len()]
}

fn topic(bounds: Bounds, clock: &FakeClock, restarts: usize) -> Topic {
    let topic = Topic::builder()
        .clock(clock.clone())
        .history(bounds.messages)
        .history_bytes(bounds.bytes)
        .max_scheduled(usize::MAX)
        .epoch(epoch(restarts))
        .unwrap();
    match bounds.age {
        Some(age) => topic.history_age(age).build(),
        None => topic.build(),
    }
}

/// What a topic is said to be.
struct Model {
    bounds: Bounds,
    epoch: &'static str,
    /// All that ever entered; number 1 comes first.
    log: Vec<Entry>,
    oldest: u64,
    scheduled: Vec<Scheduled>,
    arrivals: u64,
    delayed: u64,
    is_closed: bool,
    is_aborted: bool,
}

#[derive(Clone)]
struct Entry {
    data: u64,
    id: String,
    /// It has an id other than its number.
    has_own_id: bool,
    came: SystemTime,
    expires: Option<SystemTime>,
    /// It expired before it was evicted, and is gone.
    is_gone: bool,
    /// It was evicted as time passed, and nothing has been published since.
    left_with_time: bool,
}

struct Scheduled {
    due: SystemTime,
    arrival: u64,
    message: Entry,
}

impl Entry {
    fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    fn len(&self) -> u64 {
        let frame = format!("id: {}\ndata: {}\n\n", self.id, self.data);
        u64::try_from(frame.len()).unwrap()
    }

    /// What it counts in the log.
    fn cost(&self) -> u64 {
        let id = self
            .has_own_id
            .then(|| 64 + u64::try_from(self.id.len()).unwrap());
        self.len() + 16 + id.unwrap_or_default()
    }
}

impl Model {
    fn new(bounds: Bounds, restarts: usize) -> Self {
        Self {
            bounds,
            epoch: epoch(restarts),
            log: Vec::new(),
            oldest: 1,
            scheduled: Vec::new(),
            arrivals: 0,
            delayed: 0,
            is_closed: false,
            is_aborted: false,
        }
    }

    fn next(&self) -> u64 {
        u64::try_from(self.log.len()).unwrap() + 1
    }

    fn at(&self, number: u64) -> Option<&Entry> {
        self.log.get(usize::try_from(number).unwrap() - 1)
    }

    fn has_expired(&self, number: u64, now: SystemTime) -> bool {
        self.at(number).is_some_and(|entry| entry.has_expired(now))
    }

    fn kept(&self) -> Vec<&Entry> {
        let entries = &self.log[usize::try_from(self.oldest).unwrap() - 1..];
        entries.iter().filter(|entry| !entry.is_gone).collect()
    }

    fn retained(&self) -> u64 {
        u64::try_from(self.kept().len()).unwrap()
    }

    /// How many messages from `position` on were evicted without having expired.
    fn missed(&self, position: u64) -> u64 {
        let range = position..self.oldest;
        let missed = range.filter(|number| self.at(*number).is_some_and(|entry| !entry.is_gone));
        u64::try_from(missed.count()).unwrap()
    }

    fn bytes(&self) -> u64 {
        self.kept().iter().map(|entry| entry.cost()).sum()
    }

    fn catch_up(&mut self, now: SystemTime) {
        if !self.is_closed {
            self.scheduled.sort_by_key(|it| (it.due, it.arrival));
            while self.scheduled.first().is_some_and(|it| it.due <= now) {
                let message = self.scheduled.remove(0).message;
                if !message.has_expired(now) {
                    self.log.push(message);
                }
            }
        }
        self.evict(now);
    }

    fn evict(&mut self, now: SystemTime) {
        let Bounds {
            messages,
            bytes,
            age,
        } = self.bounds;
        let is_old = |entry: &Entry| age.is_some_and(|age| entry.came + age < now);
        let first = usize::try_from(self.oldest).unwrap() - 1;
        for entry in &mut self.log[first..] {
            // Age may have evicted it before it expired.
            let aged = |expires| age.is_some_and(|age| entry.came + age < expires);
            entry.is_gone |= entry.has_expired(now) && !entry.expires.is_some_and(aged);
        }
        while self.retained() > messages
            || self.bytes() > bytes
            || self.kept().first().is_some_and(|entry| is_old(entry))
            || self.at(self.oldest).is_some_and(|entry| entry.is_gone)
        {
            let oldest = usize::try_from(self.oldest).unwrap() - 1;
            self.log[oldest].left_with_time = true;
            self.oldest += 1;
        }
    }

    /// The message's id, or `None` if it does not fit.
    fn publish(
        &mut self,
        data: u64,
        own_id: Option<&str>,
        after: Option<Duration>,
        expires_after: Option<Duration>,
        now: SystemTime,
    ) -> Option<String> {
        self.catch_up(now);
        let due = now + after.unwrap_or_default();
        let is_due = due <= now;
        let id = match own_id {
            Some(id) => id.to_owned(),
            None if is_due => format!("{}-{}", self.epoch, self.next()),
            None => format!("{}-d{}", self.epoch, self.delayed + 1),
        };
        let message = Entry {
            data,
            id: id.clone(),
            has_own_id: own_id.is_some() || !is_due,
            came: due,
            expires: expires_after.map(|after| due + after),
            is_gone: false,
            left_with_time: false,
        };
        for entry in &mut self.log {
            entry.left_with_time = false;
        }
        if is_due {
            self.log.push(message);
            self.evict(now);
            for entry in &mut self.log {
                entry.left_with_time = false;
            }
        } else {
            let waiting: u64 = self.scheduled.iter().map(|it| it.message.len()).sum();
            if waiting + message.len() > self.bounds.bytes {
                return None;
            }
            self.delayed += u64::from(own_id.is_none());
            self.arrivals += 1;
            self.scheduled.push(Scheduled {
                due,
                arrival: self.arrivals,
                message,
            });
        }
        Some(id)
    }

    fn resume(&self, id: &str) -> (u64, Resumption) {
        let is_it = |entry: &Entry| entry.has_own_id && entry.id == id;
        if let Some(place) = self.log.iter().rposition(is_it) {
            let next = u64::try_from(place).unwrap() + 2;
            // What follows the last one that was evicted is all kept.
            if self.missed(next) == 0 {
                return (next, Resumption::Exact);
            }
        }
        let gap = |missed, cause| (self.oldest, Resumption::Gap { missed, cause });
        let Some((epoch, rest)) = id.split_once('-') else {
            return gap(None, GapCause::Unknown);
        };
        if epoch != self.epoch {
            return gap(None, GapCause::ForeignEpoch);
        }
        let Ok(number) = rest.parse::<u64>() else {
            let number: u64 = rest.trim_start_matches('d').parse().unwrap();
            let waits = self.scheduled.iter().any(|it| it.message.id == id);
            let was_seen = (1..=self.delayed).contains(&number) && !waits;
            return gap(
                None,
                if was_seen {
                    GapCause::Evicted
                } else {
                    GapCause::Future
                },
            );
        };
        if number >= self.next() {
            return gap(None, GapCause::Future);
        }
        if number + 1 >= self.oldest {
            return (number + 1, Resumption::Exact);
        }
        match self.missed(number + 1) {
            0 => (number + 1, Resumption::Exact),
            missed => gap(Some(missed), GapCause::Evicted),
        }
    }
}
