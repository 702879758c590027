//! A random run of a queue against a plain model: an executor that polls only what was woken.
//!
//! `SIM_SEEDS=from..to` and `SIM_STEPS=n` choose how much of it.

use std::collections::BTreeMap;
use std::env;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use sse_queue::{
    Clock, DeadLetters, FakeClock, FakeTicker, Lease, Message, Overflow, PushError, PushWhenReady,
    Queue, QueueDriver,
};

use super::support::parser;
use super::support::{QueueStream, Task, bare, builder, ms};

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Queued,
    Lent {
        until: SystemTime,
        to: Option<u64>,
        extended: bool,
    },
    Dead,
}

#[derive(Clone, Debug)]
struct Held {
    due: SystemTime,
    expires: Option<SystemTime>,
    attempts: u32,
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Pace {
    Immediate,
    Spaced,
    Every,
}

struct Client {
    name: u64,
    task: Task<QueueStream>,
    pace: Pace,
    stalled_until: Option<Duration>,
    busy_until: Option<Duration>,
    /// It was pending when it was polled last, by its task.
    waits: bool,
    to_poll: bool,
}

struct Producer {
    task: Task<PushWhenReady<FakeTicker>>,
    plain: Option<Task<PushWhenReady>>,
    due: Option<Duration>,
    lives: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
pub struct Mode {
    leases: bool,
    stalls: bool,
    drivers: bool,
    paced: bool,
    drop_oldest: bool,
    by_hand: bool,
    crowd: bool,
    jumps: bool,
    capacity: usize,
    in_flight: usize,
}

struct Sim {
    rng: Rng,
    mode: Mode,
    clock: FakeClock,
    queue: Queue,
    model: BTreeMap<u64, Held>,
    clients: Vec<Client>,
    producers: Vec<Producer>,
    driver: Option<Task<QueueDriver<FakeTicker>>>,
    letters: Option<Task<DeadLetters>>,
    next_name: u64,
    next_number: u64,
    late_since: Option<(u64, Duration)>,
    /// The same for a wait for dead letters.
    dead_since: Option<Duration>,
    pushed: u64,
    delivered: u64,
    expired: u64,
    dropped: u64,
    withdrawn: u64,
    confirmed: u64,
    redelivered: u64,
    fruitless: u64,
    chunks: u64,
    is_closed: bool,
    trace: Vec<String>,
}

const TIMEOUT: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 4;
const GAP: Duration = Duration::from_millis(700);

impl Sim {
    fn new(seed: u64, mode: Mode) -> Self {
        let clock = FakeClock::new();
        clock.advance(ms(10));
        let mut builder = builder(&clock).capacity(mode.capacity);
        if mode.drop_oldest {
            builder = builder.overflow(Overflow::DropOldest);
        }
        if mode.leases {
            let lease = Lease::new(TIMEOUT)
                .grace(GRACE)
                .max_attempts(ATTEMPTS)
                .max_in_flight(mode.in_flight);
            builder = builder.at_least_once(lease);
        }
        Self {
            rng: Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            mode,
            queue: builder.build(),
            clock,
            model: BTreeMap::new(),
            clients: Vec::new(),
            producers: Vec::new(),
            driver: None,
            letters: None,
            next_name: 0,
            next_number: 1,
            late_since: None,
            dead_since: None,
            pushed: 0,
            delivered: 0,
            expired: 0,
            dropped: 0,
            withdrawn: 0,
            confirmed: 0,
            redelivered: 0,
            fruitless: 0,
            chunks: 0,
            is_closed: false,
            trace: Vec::new(),
        }
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if env::var_os("SIM_TRACE").is_some() {
            let line = format!("{:?} {}", self.clock.elapsed(), what());
            eprintln!("{line}");
            self.trace.push(line);
        }
    }

    /// What time does by itself.
    fn age(&mut self) {
        let now = self.now();
        let mut gone = Vec::new();
        for (number, held) in &mut self.model {
            let has_expired = held.expires.is_some_and(|at| at <= now);
            match held.at {
                At::Lent { until, to, .. } => {
                    // What is orphaned and expires is gone at once.
                    let is_orphan =
                        to.is_some_and(|to| !self.clients.iter().any(|client| client.name == to));
                    if has_expired && (is_orphan || until <= now) {
                        gone.push(*number);
                    } else if until <= now {
                        held.at = if held.attempts >= ATTEMPTS {
                            At::Dead
                        } else {
                            At::Queued
                        };
                    }
                }
                At::Queued if has_expired => gone.push(*number),
                At::Queued | At::Dead => {}
            }
        }
        for number in gone {
            self.model.remove(&number);
            self.expired += 1;
        }
    }

    fn head(&self) -> Option<(SystemTime, u64)> {
        let now = self.now();
        let due = self.model.iter();
        let due = due.filter(|(_, held)| held.at == At::Queued && held.due <= now);
        due.map(|(number, held)| (held.due, *number)).min()
    }

    fn in_flight_of(&self, name: u64) -> usize {
        let lent = self.model.values();
        lent.filter(|held| matches!(held.at, At::Lent { to: Some(to), .. } if to == name))
            .count()
    }

    fn accepted(&mut self, id: &str, after: Option<Duration>, lives: Option<Duration>) {
        self.age();
        let number: u64 = id.strip_prefix("e-").unwrap().parse().unwrap();
        assert_eq!(number, self.next_number);
        self.next_number += 1;
        if self.model.len() >= self.mode.capacity {
            assert!(self.mode.drop_oldest, "accepted by a full queue");
            let fresh = self.model.iter();
            let fresh = fresh.filter(|(_, held)| held.attempts == 0 && held.at == At::Queued);
            let (_, oldest) = fresh.map(|(n, held)| (held.due, *n)).min().unwrap();
            self.model.remove(&oldest);
            self.dropped += 1;
        }
        let due = self.now() + after.unwrap_or_default();
        let held = Held {
            due,
            expires: lives.map(|lives| due + lives),
            attempts: 0,
            at: At::Queued,
        };
        self.model.insert(number, held);
        self.pushed += 1;
        self.note(|| format!("accepted {number} after {after:?} lives {lives:?}"));
    }

    fn got(&mut self, chunk: &[u8], name: Option<u64>) {
        self.age();
        self.chunks += 1;
        let text = std::str::from_utf8(chunk).unwrap();
        let ids: Vec<u64> = text
            .lines()
            .filter_map(|line| line.strip_prefix("id: e-"))
            .map(|id| id.parse().unwrap())
            .collect();
        assert!(!ids.is_empty(), "{text}");
        assert_eq!(parser::parse(chunk).events.len(), ids.len());
        self.note(|| format!("{name:?} got {ids:?}"));
        for id in ids {
            let now = self.now();
            let head = self.head();
            assert_eq!(
                head.map(|(_, id)| id),
                Some(id),
                "the first that is due goes first"
            );
            self.delivered += 1;
            if self.mode.leases {
                let held = self.model.get_mut(&id).unwrap();
                self.redelivered += u64::from(held.attempts > 0);
                held.attempts += 1;
                held.at = At::Lent {
                    until: now + TIMEOUT,
                    to: name,
                    extended: false,
                };
                if let Some(name) = name {
                    assert!(self.in_flight_of(name) <= self.mode.in_flight);
                }
            } else {
                self.model.remove(&id);
            }
        }
    }

    fn is_up(&self, client: &Client) -> bool {
        let now = self.clock.elapsed();
        client.stalled_until.is_none_or(|until| until <= now)
            && client.busy_until.is_none_or(|until| until <= now)
    }

    /// Polls whatever was woken and may poll, until all is quiet.
    fn run(&mut self) {
        for round in 0.. {
            assert!(round < 10_000, "it never rests");
            let mut any = false;
            let mut at = 0;
            while at < self.clients.len() {
                any |= self.poll_client(at);
                at += 1;
            }
            if let Some(driver) = &mut self.driver
                && driver.wakes() > 0
            {
                any = true;
                assert!(driver.poll().is_pending());
            }
            any |= self.poll_producers();
            any |= self.poll_letters();
            if !any {
                return;
            }
        }
    }

    fn poll_client(&mut self, at: usize) -> bool {
        let client = &self.clients[at];
        if !self.is_up(client) {
            return false;
        }
        let client = &mut self.clients[at];
        let was_busy = client.busy_until.take().is_some();
        client.stalled_until = None;
        let woken = client.task.wakes() > 0;
        if !woken && !was_busy && !client.to_poll {
            return false;
        }
        client.to_poll = false;
        let name = client.name;
        let mut fruit = false;
        loop {
            let poll = self.clients[at].task.poll_next();
            match poll {
                Poll::Pending => {
                    self.clients[at].waits = true;
                    if woken && !fruit {
                        self.fruitless += 1;
                    }
                    self.note(|| format!("{name} waits"));
                    return true;
                }
                Poll::Ready(Some(chunk)) => {
                    fruit = true;
                    self.clients[at].waits = false;
                    self.got(&chunk, Some(name));
                    if self.rng.one_in(6) {
                        let until = self.clock.elapsed() + ms(self.rng.below(1_500));
                        self.clients[at].busy_until = Some(until);
                        return true;
                    }
                }
                Poll::Ready(None) => {
                    assert!(self.is_closed, "it ended");
                    self.clients.remove(at);
                    return true;
                }
            }
        }
    }

    fn poll_producers(&mut self) -> bool {
        let mut any = false;
        let mut at = 0;
        while at < self.producers.len() {
            let producer = &mut self.producers[at];
            let poll = match &mut producer.plain {
                Some(plain) if plain.wakes() > 0 => plain.poll(),
                None if producer.task.wakes() > 0 => producer.task.poll(),
                _ => {
                    at += 1;
                    continue;
                }
            };
            any = true;
            if let Poll::Ready(done) = poll {
                let producer = self.producers.remove(at);
                match done {
                    Err(PushError::Closed(_)) if self.is_closed => {}
                    done => self.accepted(done.unwrap().id(), producer.due, producer.lives),
                }
            }
        }
        any
    }

    fn poll_letters(&mut self) -> bool {
        let Some(letters) = &mut self.letters else {
            return false;
        };
        if letters.wakes() == 0 {
            return false;
        }
        if let Poll::Ready(dead) = letters.poll() {
            self.letters = None;
            self.buried(dead.len());
        }
        true
    }

    fn buried(&mut self, count: usize) {
        self.age();
        let dead: Vec<_> = self
            .model
            .iter()
            .filter(|(_, held)| held.at == At::Dead)
            .map(|(n, _)| *n)
            .collect();
        assert_eq!(dead.len(), count);
        for number in dead {
            self.model.remove(&number);
            self.withdrawn += 1;
        }
    }

    /// One that has a reservation for its next tick is none.
    fn has_timekeeper(&self) -> bool {
        let keeps =
            |client: &Client| client.waits && self.is_up(client) && client.pace == Pace::Immediate;
        self.driver.is_some() || self.clients.iter().any(keeps)
    }

    /// Nothing is due while a healthy stream waits for it, nor is there capacity while a producer
    /// waits.
    fn check(&mut self) {
        self.age();
        let now = self.clock.elapsed();
        let waits = |client: &Client| {
            client.waits
                && self.is_up(client)
                && client.pace == Pace::Immediate
                && (!self.mode.leases || self.in_flight_of(client.name) < self.mode.in_flight)
        };
        let is_late = self.head().is_some() && self.clients.iter().any(waits);
        if is_late {
            let head = self.head().map_or(0, |(_, number)| number);
            let known = self.late_since.filter(|(number, _)| *number == head);
            let (_, since) = *self.late_since.insert(known.unwrap_or((head, now)));
            // A timekeeper whose client is slow is replaced after a second.
            let mut allowed = ms(1_000);
            if self.mode.stalls {
                allowed += ms(1_100);
            }
            if self.mode.jumps {
                allowed += ms(30_000);
            }
            if self
                .clients
                .iter()
                .any(|client| client.pace != Pace::Immediate)
            {
                allowed += 2 * GAP + if self.mode.stalls { ms(1_000) } else { ms(0) };
            }
            assert!(
                now - since <= allowed,
                "{:?} is due since {since:?}, now {now:?}",
                self.head()
            );
        } else {
            self.late_since = None;
        }
        let kept = self.model.values().filter(|held| held.attempts > 0).count();
        let held = if self.mode.drop_oldest {
            kept
        } else {
            self.model.len()
        };
        if held < self.mode.capacity && !self.mode.stalls && !self.mode.jumps {
            let is_seen = self.has_timekeeper();
            assert!(self.producers.is_empty() || !is_seen, "a producer waits");
        }
        let is_dead = self.model.values().any(|held| held.at == At::Dead);
        let waits = is_dead && self.letters.is_some() && self.has_timekeeper();
        if waits && !self.mode.stalls && !self.mode.jumps {
            let since = *self.dead_since.get_or_insert(now);
            assert!(
                now - since <= ms(1_000),
                "a wait for dead letters sleeps on"
            );
        } else {
            self.dead_since = None;
        }
    }

    fn advance(&mut self, by: Duration) {
        let end = self.clock.elapsed() + by;
        loop {
            self.run();
            self.check();
            let now = self.clock.elapsed();
            let left = end - now;
            if left.is_zero() {
                return;
            }
            let mut step = left;
            if let Some(next) = self.clock.next_deadline() {
                step = step.min(next.max(Duration::from_nanos(1)));
            }
            // Those that come back by themselves.
            for client in &self.clients {
                for until in [client.stalled_until, client.busy_until]
                    .into_iter()
                    .flatten()
                {
                    if until > now {
                        step = step.min(until - now);
                    }
                }
            }
            self.clock.advance(step);
        }
    }

    fn message(&mut self) -> (Message, Option<Duration>, Option<Duration>) {
        let mut message = Message::from("x");
        let due = self.rng.one_in(3).then(|| ms(self.rng.below(3_000)));
        let lives = self.rng.one_in(4).then(|| ms(1 + self.rng.below(3_000)));
        if let Some(due) = due {
            message = message.after(due);
        }
        if let Some(lives) = lives {
            message = message.expires_after(lives);
        }
        (message, due, lives)
    }

    fn add_client(&mut self) {
        let pace = match self.rng.below(6) {
            0 if self.mode.paced => Pace::Spaced,
            1 if self.mode.paced => Pace::Every,
            _ => Pace::Immediate,
        };
        let stream = bare(&self.queue, &self.clock);
        let stream = match pace {
            Pace::Immediate => stream,
            Pace::Spaced => stream.spaced(GAP),
            Pace::Every => stream.every(GAP).batch(2),
        };
        self.next_name += 1;
        self.clients.push(Client {
            name: self.next_name,
            task: Task::new(stream),
            pace,
            stalled_until: None,
            busy_until: None,
            waits: false,
            to_poll: true,
        });
        let name = self.next_name;
        self.note(|| format!("new client {name} {pace:?}"));
    }

    fn drop_client(&mut self) {
        let at = self.rng.below(self.clients.len() as u64) as usize;
        let name = self.clients[at].name;
        self.age();
        // The model knows no extended lease that outlives its stream.
        let extended = |held: &Held| matches!(held.at, At::Lent { to: Some(to), extended: true, .. } if to == name);
        let lent = self.model.iter().filter(|(_, held)| extended(held));
        for number in lent.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.queue.ack(&format!("e-{number}")).unwrap();
            self.model.remove(&number);
            self.confirmed += 1;
        }
        let client = self.clients.remove(at);
        let (name, now) = (client.name, self.now());
        self.age();
        drop(client);
        self.note(|| format!("{name} is dropped"));
        for held in self.model.values_mut() {
            if let At::Lent {
                until,
                to: Some(to),
                extended,
            } = &mut held.at
                && *to == name
                && !*extended
            {
                *until = (*until).min(now + GRACE);
            }
        }
    }

    /// Many at once.
    fn crowd(&mut self) {
        let count = 1 + self.rng.below(150);
        match self.rng.below(5) {
            0 => {
                for _ in 0..count.min(200 - self.clients.len() as u64) {
                    self.add_client();
                }
            }
            1 => {
                for _ in 0..count.min(self.clients.len() as u64 / 2) {
                    self.drop_client();
                }
            }
            2..5 => {
                let due = ms(self.rng.below(2) * self.rng.below(1_000));
                for _ in 0..count {
                    let message = Message::from("x").after(due);
                    if let Ok(receipt) = self.queue.push(message) {
                        self.accepted(receipt.id(), Some(due), None);
                    }
                }
            }
            _ => {}
        }
    }

    fn step(&mut self) {
        if self.mode.crowd && self.rng.one_in(8) {
            self.crowd();
        }
        if self.mode.jumps && self.rng.one_in(40) {
            let by = ms(self.rng.below(5_000));
            self.clock.jump(by);
            self.note(|| format!("jump {by:?}"));
        }
        match self.rng.below(100) {
            0..30 => {
                let (message, due, lives) = self.message();
                match self.queue.push(message) {
                    Ok(receipt) => self.accepted(receipt.id(), due, lives),
                    Err(PushError::Full(_)) => {
                        self.age();
                        let kept = self.model.values().filter(|held| held.attempts > 0).count();
                        let full = self.model.len() >= self.mode.capacity
                            && (!self.mode.drop_oldest || kept >= self.mode.capacity);
                        assert!(full || !self.producers.is_empty(), "it is not full");
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            30..36 if self.producers.len() < 3 => {
                let (message, due, lives) = self.message();
                let has_ticker = self.rng.one_in(2);
                let mut plain =
                    (!has_ticker).then(|| Task::new(self.queue.push_when_ready(message.clone())));
                let ticked = self
                    .queue
                    .push_when_ready(message)
                    .ticker(self.clock.ticker());
                let mut task = Task::new(ticked);
                let poll = match &mut plain {
                    Some(plain) => plain.poll(),
                    None => task.poll(),
                };
                match poll {
                    Poll::Ready(done) => self.accepted(done.unwrap().id(), due, lives),
                    Poll::Pending => self.producers.push(Producer {
                        task,
                        plain,
                        due,
                        lives,
                    }),
                }
            }
            36..38 if !self.producers.is_empty() => {
                let at = self.rng.below(self.producers.len() as u64) as usize;
                drop(self.producers.remove(at));
            }
            38..42 if self.clients.len() < 6 => self.add_client(),
            42..45 if !self.clients.is_empty() => self.drop_client(),
            45..50 if self.mode.stalls => {
                let now = self.clock.elapsed();
                let is_any = self
                    .clients
                    .iter()
                    .any(|client| client.stalled_until.is_some());
                if !is_any && !self.clients.is_empty() {
                    let at = self.rng.below(self.clients.len() as u64) as usize;
                    let until = now + ms(self.rng.below(6_000));
                    self.clients[at].stalled_until = Some(until);
                    let name = self.clients[at].name;
                    self.note(|| format!("{name} stalls until {until:?}"));
                }
            }
            50..54 if self.mode.by_hand && !self.clients.is_empty() => {
                let at = self.rng.below(self.clients.len() as u64) as usize;
                let (name, stream) = {
                    let client = &mut self.clients[at];
                    (client.name, client.task.inner.as_mut())
                };
                let got = stream.next_ready_pinned();
                self.note(|| format!("{name} by hand"));
                self.clients[at].waits = false;
                if let Some(chunk) = got {
                    self.got(&chunk, Some(name));
                }
                self.clients[at].to_poll = self.rng.one_in(2);
            }
            54..57 if self.mode.by_hand => {
                let mut any = false;
                if self.mode.leases || self.rng.one_in(2) {
                    if let Some(chunk) = self.queue.next_ready() {
                        self.got(&chunk, None);
                        any = true;
                    }
                }
                let _ = any;
            }
            57..70 if self.mode.leases => {
                self.age();
                let lent: Vec<_> = self
                    .model
                    .iter()
                    .filter(|(_, held)| matches!(held.at, At::Lent { .. }))
                    .map(|(n, _)| *n)
                    .collect();
                if lent.is_empty() {
                    return;
                }
                let number = lent[self.rng.below(lent.len() as u64) as usize];
                let id = format!("e-{number}");
                let now = self.now();
                match self.rng.below(6) {
                    0..4 => {
                        self.queue.ack(&id).unwrap();
                        self.model.remove(&number);
                        self.confirmed += 1;
                        self.note(|| format!("ack {id}"));
                    }
                    4 => {
                        let delay = ms(self.rng.below(2) * self.rng.below(2_000));
                        self.queue.nack(&id, delay).unwrap();
                        let held = self.model.get_mut(&number).unwrap();
                        if !delay.is_zero() {
                            held.due = now + delay;
                        }
                        if held.expires.is_some_and(|at| at <= now) {
                            self.model.remove(&number);
                            self.expired += 1;
                        } else {
                            held.at = if held.attempts >= ATTEMPTS {
                                At::Dead
                            } else {
                                At::Queued
                            };
                        }
                        self.note(|| format!("nack {id} {delay:?}"));
                    }
                    _ => {
                        self.queue.extend_lease(&id, ms(2_000)).unwrap();
                        let held = self.model.get_mut(&number).unwrap();
                        if let At::Lent {
                            until,
                            extended,
                            to,
                        } = &mut held.at
                        {
                            let is_orphan =
                                to.is_some_and(|to| !self.clients.iter().any(|c| c.name == to));
                            if is_orphan {
                                // The model does not know the lease behind the grace.
                                self.queue.ack(&id).unwrap();
                                self.model.remove(&number);
                                self.confirmed += 1;
                            } else {
                                *until += ms(2_000);
                                *extended = true;
                            }
                        }
                        self.note(|| format!("extend {id}"));
                    }
                }
            }
            70..73 if self.mode.drivers => {
                if self.driver.take().is_none() {
                    let mut driver = Task::new(self.queue.drive(self.clock.ticker()));
                    assert!(driver.poll().is_pending());
                    self.driver = Some(driver);
                    self.note(|| "driver on".into());
                } else {
                    self.note(|| "driver off".into());
                }
            }
            73..75 if self.mode.leases && self.letters.is_none() => {
                let mut letters = Task::new(self.queue.dead_letters());
                match letters.poll() {
                    Poll::Ready(dead) => self.buried(dead.len()),
                    Poll::Pending => self.letters = Some(letters),
                }
            }
            75..78 => {
                self.age();
                let queued: Vec<_> = self
                    .model
                    .iter()
                    .filter(|(_, held)| held.at == At::Queued)
                    .map(|(n, _)| *n)
                    .collect();
                if !queued.is_empty() {
                    let number = queued[self.rng.below(queued.len() as u64) as usize];
                    assert!(self.queue.cancel(&format!("e-{number}")));
                    self.model.remove(&number);
                    self.withdrawn += 1;
                    self.note(|| format!("cancel {number}"));
                }
            }
            _ => {
                let by = match self.rng.below(4) {
                    0 => ms(self.rng.below(10)),
                    1 | 2 => ms(self.rng.below(600)),
                    _ => ms(self.rng.below(4_000)),
                };
                self.advance(by);
            }
        }
        self.run();
        self.check();
    }

    /// Closes at any moment: what is due goes at once, and all end.
    fn close(&mut self) {
        self.driver = None;
        self.is_closed = true;
        let had_clients = !self.clients.is_empty();
        self.age();
        self.queue.close();
        for client in &mut self.clients {
            // Whoever polls by hand must do so again.
            client.to_poll |= !client.waits;
            client.stalled_until = None;
            client.busy_until = client.busy_until.map(|_| Duration::ZERO);
        }
        for _ in 0..1_000 {
            self.run();
            for client in &mut self.clients {
                client.busy_until = client.busy_until.map(|_| Duration::ZERO);
            }
        }
        assert!(self.clients.is_empty(), "{} do not end", self.clients.len());
        assert!(self.producers.is_empty(), "a producer sleeps on");
        assert!(!had_clients || self.head().is_none(), "something due stays");
        let rest = self.queue.take_remaining();
        assert_eq!(rest.len(), self.model.len());
        self.withdrawn += rest.len() as u64;
        self.model.clear();
        self.adds_up();
    }

    fn finish(mut self) -> (u64, u64) {
        if !self.mode.leases && self.rng.one_in(2) {
            self.close();
            return (self.chunks, self.fruitless);
        }
        self.adds_up();
        self.producers.clear();
        self.letters = None;
        self.driver = None;
        for client in &mut self.clients {
            client.stalled_until = None;
        }
        self.mode.paced = false;
        self.add_client();
        if !self.mode.leases {
            self.advance(ms(8_000));
            assert!(self.model.is_empty(), "{:?}", self.model);
            assert_eq!(
                self.clock.next_deadline(),
                None,
                "idle, and somebody is armed"
            );
        }
        self.adds_up();
        (self.chunks, self.fruitless)
    }

    fn adds_up(&mut self) {
        self.run();
        self.age();
        let stats = self.queue.stats();
        let count = |at: fn(&At) -> bool| self.model.values().filter(|held| at(&held.at)).count();
        let depth = count(|at| *at == At::Queued);
        let in_flight = count(|at| matches!(at, At::Lent { .. }));
        let dead = count(|at| *at == At::Dead);
        assert_eq!(
            (stats.depth, stats.in_flight, stats.dead),
            (depth, in_flight, dead),
            "{stats:?}"
        );
        assert_eq!(
            [
                stats.pushed,
                stats.delivered,
                stats.expired,
                stats.dropped,
                stats.withdrawn,
                stats.confirmed,
                stats.redelivered
            ],
            [
                self.pushed,
                self.delivered,
                self.expired,
                self.dropped,
                self.withdrawn,
                self.confirmed,
                self.redelivered
            ],
        );
        assert_eq!(stats.streams, self.clients.len());
        if self.model.is_empty() {
            assert_eq!(stats.bytes, 0);
        }
    }
}

fn seeds() -> std::ops::Range<u64> {
    let seeds = env::var("SIM_SEEDS").unwrap_or("1..20".into());
    let (from, to) = seeds.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

fn simulate(mode: fn(u64) -> Mode) {
    let steps = env::var("SIM_STEPS").map_or(400, |steps| steps.parse().unwrap());
    let (mut chunks, mut fruitless, mut failed) = (0, 0, Vec::new());
    for seed in seeds() {
        let run = std::panic::catch_unwind(|| {
            let mut sim = Sim::new(seed, mode(seed));
            for _ in 0..steps {
                sim.step();
            }
            sim.finish()
        });
        match run {
            Ok((more, wakes)) => {
                chunks += more;
                fruitless += wakes;
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                failed.push((seed, text.unwrap_or_default()));
            }
        }
    }
    eprintln!("{chunks} chunks, {fruitless} polls for nothing");
    for (seed, text) in failed.iter().take(5) {
        eprintln!("seed {seed}: {text}");
    }
    assert!(failed.is_empty(), "{} seeds failed", failed.len());
}

const PLAIN: Mode = Mode {
    leases: false,
    stalls: false,
    drivers: false,
    paced: false,
    drop_oldest: false,
    by_hand: false,
    crowd: false,
    jumps: false,
    capacity: 8,
    in_flight: 1,
};

fn small(seed: u64) -> usize {
    [2, 8, 200][(seed % 3) as usize]
}

#[test]
fn sim_at_most_once() {
    simulate(|seed| Mode {
        capacity: small(seed),
        drop_oldest: seed % 2 == 0,
        ..PLAIN
    });
}

#[test]
fn sim_at_most_once_by_hand_with_drivers() {
    simulate(|seed| Mode {
        capacity: small(seed),
        by_hand: true,
        drivers: true,
        ..PLAIN
    });
}

#[test]
fn sim_at_most_once_paced() {
    simulate(|seed| Mode {
        capacity: small(seed),
        paced: true,
        by_hand: seed % 2 == 0,
        drivers: seed % 5 == 0,
        ..PLAIN
    });
}

#[test]
fn sim_at_least_once() {
    simulate(|seed| Mode {
        capacity: small(seed),
        leases: true,
        drop_oldest: seed % 2 == 0,
        in_flight: 1 + (seed / 2 % 3) as usize,
        ..PLAIN
    });
}

#[test]
fn sim_at_least_once_with_all() {
    simulate(|seed| Mode {
        capacity: small(seed),
        leases: true,
        drop_oldest: seed % 2 == 0,
        by_hand: true,
        drivers: seed / 6 % 2 == 0,
        paced: seed / 12 % 2 == 0,
        in_flight: 1 + (seed / 2 % 3) as usize,
        ..PLAIN
    });
}

#[test]
fn sim_with_one_stalled_stream() {
    simulate(|seed| Mode {
        capacity: small(seed),
        stalls: true,
        ..PLAIN
    });
}

#[test]
fn sim_with_one_stalled_stream_and_a_driver() {
    simulate(|seed| Mode {
        capacity: small(seed),
        stalls: true,
        drivers: true,
        leases: seed % 2 == 0,
        in_flight: 2,
        ..PLAIN
    });
}

#[test]
fn sim_at_least_once_with_one_stalled_stream() {
    simulate(|seed| Mode {
        capacity: small(seed),
        stalls: true,
        leases: true,
        in_flight: 2,
        ..PLAIN
    });
}

#[test]
fn sim_paced_with_one_stalled_stream() {
    simulate(|seed| Mode {
        capacity: small(seed),
        stalls: true,
        paced: true,
        leases: seed % 2 == 0,
        drivers: seed % 5 == 0,
        in_flight: 2,
        ..PLAIN
    });
}

#[test]
fn sim_of_a_crowd() {
    simulate(|seed| Mode {
        capacity: 300,
        crowd: true,
        leases: seed % 2 == 0,
        drivers: seed % 3 == 0,
        drop_oldest: seed % 5 == 0,
        by_hand: seed % 7 == 0,
        in_flight: 1 + (seed / 2 % 3) as usize,
        ..PLAIN
    });
}

#[test]
fn sim_with_jumps_of_the_clock() {
    simulate(|seed| Mode {
        capacity: small(seed),
        jumps: true,
        leases: seed % 2 == 0,
        drivers: seed % 3 == 0,
        by_hand: seed % 7 == 0,
        in_flight: 1 + (seed / 2 % 3) as usize,
        ..PLAIN
    });
}
