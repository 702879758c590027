//! What uses the queue, and the executor that runs it: it polls only tasks that were woken.

use std::collections::BTreeSet;
use std::env;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};
use sse_queue::message::Receipt;
use sse_queue::queue::{DeadLetter, Overflow, PushError, PushWhenReady};
use sse_queue::{Clock, FakeClock, FakeTicker, Pacing, Queue};

use super::Mode;
use super::model::{Model, lease};
use crate::support::queue::{QueueStream, builder, quiet_stream};
use crate::support::{Task, ms, parser};

/// The gap of spaced streams, and the period of ticked ones.
pub const GAP: Duration = ms(700);

/// The period of queues with a rate.
const PERIOD: Duration = ms(900);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    Immediate,
    Spaced,
    Every,
}

/// A stream and its task.
pub struct Client {
    pub name: u64,
    pub task: Task<QueueStream>,
    pub pace: Pace,
    /// Its task does not poll before that, whether it is woken or not.
    pub stalled_until: Option<Duration>,
    /// Its task sends a chunk, and polls again then.
    pub busy_until: Option<Duration>,
    /// Its last poll, by its task, was pending.
    pub waits: bool,
    /// Its task polls it though it was not woken.
    pub polls_anyway: bool,
}

impl Client {
    pub fn is_up(&self, now: Duration) -> bool {
        let is_over = |until: Option<Duration>| until.is_none_or(|until| until <= now);
        is_over(self.stalled_until) && is_over(self.busy_until)
    }
}

/// When a message falls due after its push, and how long it lives from then on.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub after: Option<Duration>,
    pub lives: Option<Duration>,
}

/// A push that waits for capacity.
pub enum Push {
    Plain(Task<PushWhenReady>),
    Ticked(Task<PushWhenReady<FakeTicker>>),
}

impl Push {
    pub fn poll(&mut self) -> Poll<Result<Receipt, PushError>> {
        match self {
            Self::Plain(task) => task.poll(),
            Self::Ticked(task) => task.poll(),
        }
    }

    fn take_wakes(&self) -> usize {
        match self {
            Self::Plain(task) => task.take_wakes(),
            Self::Ticked(task) => task.take_wakes(),
        }
    }
}

pub struct Producer {
    pub push: Push,
    pub terms: Terms,
}

/// A message that is due while a stream waits for it.
pub struct Late {
    pub number: u64,
    pub since: Duration,
    /// The streams that have not polled at some time since then.
    pub absent: BTreeSet<u64>,
}

/// One run.
/// A future of the queue, in a box, for its type has no name.
pub type DynFuture<T> = Pin<Box<dyn Future<Output = T>>>;

pub struct Simulation {
    random: TestRng,
    pub mode: Mode,
    pub clock: FakeClock,
    pub queue: Queue,
    pub model: Model,
    pub clients: Vec<Client>,
    pub producers: Vec<Producer>,
    pub driver: Option<Task<DynFuture<()>>>,
    pub letters: Option<Task<DynFuture<Vec<DeadLetter>>>>,
    pub is_closed: bool,
    pub late: Option<Late>,
    /// Since when there is capacity, and a producer that waits for it.
    pub free_since: Option<Duration>,
    /// Since when there is a dead letter, and a wait for it.
    pub dead_since: Option<Duration>,
    next_name: u64,
    is_traced: bool,
}

impl Simulation {
    pub fn new(seed: u64, mode: Mode) -> Self {
        let clock = FakeClock::new();
        let mut builder = builder(&clock).capacity(mode.capacity);
        if mode.drops_oldest {
            builder = builder.overflow(Overflow::DropOldest);
        }
        if let Some(in_flight) = mode.in_flight {
            builder = builder.at_least_once(lease(in_flight, mode.backs_off));
        }
        let mut model = Model::new(mode.capacity, mode.drops_oldest, mode.in_flight.is_some());
        if let Some(rate) = mode.rate {
            builder = builder.rate(rate, PERIOD);
            model.gate.rate = Some((rate, PERIOD));
        }
        if mode.backs_off {
            model.back_off();
        }
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self {
            random: TestRng::from_seed(RngAlgorithm::ChaCha, &bytes),
            queue: builder.build(),
            model,
            mode,
            clock,
            clients: Vec::new(),
            producers: Vec::new(),
            driver: None,
            letters: None,
            is_closed: false,
            late: None,
            free_since: None,
            dead_since: None,
            next_name: 1,
            is_traced: env::var_os("SIM_TRACE").is_some(),
        }
    }

    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    pub fn note(&self, what: impl FnOnce() -> String) {
        if self.is_traced {
            eprintln!("{:?} {}", self.clock.elapsed(), what());
        }
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.random.random_range(0..n)
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| all[self.random.random_range(0..all.len())])
    }

    pub fn add_client(&mut self) {
        let pace = match self.below(6) {
            0 if self.mode.is_paced => Pace::Spaced,
            1 if self.mode.is_paced => Pace::Every,
            _ => Pace::Immediate,
        };
        let stream = quiet_stream(&self.queue, &self.clock);
        let stream = match pace {
            Pace::Immediate => stream,
            Pace::Spaced => stream.pacing(Pacing::spaced(GAP)),
            Pace::Every => stream.pacing(Pacing::every(GAP).batch(2)),
        };
        let name = self.next_name;
        self.next_name += 1;
        self.note(|| format!("stream {name} is opened, {pace:?}"));
        self.clients.push(Client {
            name,
            task: Task::new(stream),
            pace,
            stalled_until: None,
            busy_until: None,
            waits: false,
            polls_anyway: true,
        });
    }

    /// The queue has accepted a message.
    pub fn accepted(&mut self, receipt: &Receipt, terms: Terms) {
        let now = self.now();
        self.model.age(now);
        let number = number(receipt.id());
        self.note(|| format!("push {number}, {terms:?}"));
        let due = now + terms.after.unwrap_or_default();
        self.model.push(number, due, terms.lives);
    }

    /// The stream with this name has got a chunk, or the queue itself was polled.
    pub fn got(&mut self, chunk: &[u8], name: Option<u64>) {
        let now = self.now();
        self.model.age(now);
        let events = parser::parse(chunk).events;
        assert!(!events.is_empty());
        for event in events {
            let number = number(&event.last_event_id);
            self.note(|| format!("{number} goes to {name:?}"));
            self.model.hand_out(number, name, now);
        }
        if let (Some(name), Some(in_flight)) = (name, self.mode.in_flight) {
            assert!(self.model.in_flight_of(name) <= in_flight);
        }
    }

    /// Polls the tasks that were woken and may poll, until none is left.
    pub fn run(&mut self) {
        for _ in 0..10_000 {
            let mut any = false;
            let mut at = 0;
            while at < self.clients.len() {
                any |= self.poll_client(at);
                at += 1;
            }
            if let Some(driver) = &mut self.driver
                && driver.take_wakes() > 0
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
        panic!("at one moment the queue wakes tasks without end");
    }

    /// Polls a stream as its task does; false if the task has no reason to.
    fn poll_client(&mut self, at: usize) -> bool {
        let now = self.clock.elapsed();
        let client = &mut self.clients[at];
        if !client.is_up(now) {
            return false;
        }
        client.stalled_until = None;
        let was_busy = client.busy_until.take().is_some();
        let polls_anyway = core::mem::take(&mut client.polls_anyway);
        if client.task.take_wakes() == 0 && !was_busy && !polls_anyway {
            return false;
        }
        let name = client.name;
        loop {
            let client = &mut self.clients[at];
            let poll = client.task.poll_next();
            client.waits = poll.is_pending();
            match poll {
                Poll::Pending => {
                    self.note(|| format!("{name} waits"));
                    return true;
                }
                Poll::Ready(Some(chunk)) => {
                    self.got(&chunk, Some(name));
                    if self.one_in(6) {
                        let until = now + ms(self.below(1_500));
                        self.note(|| format!("{name} is busy until {until:?}"));
                        self.clients[at].busy_until = Some(until);
                        return true;
                    }
                }
                Poll::Ready(None) => {
                    assert!(self.is_closed, "a stream of an open queue ended");
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
            if self.producers[at].push.take_wakes() == 0 {
                at += 1;
                continue;
            }
            any = true;
            match self.producers[at].push.poll() {
                Poll::Pending => at += 1,
                Poll::Ready(done) => {
                    let producer = self.producers.remove(at);
                    match done {
                        Err(PushError::Closed(_)) if self.is_closed => {}
                        done => self.accepted(&done.unwrap(), producer.terms),
                    }
                }
            }
        }
        any
    }

    fn poll_letters(&mut self) -> bool {
        let letters = self.letters.as_mut().filter(|task| task.take_wakes() > 0);
        let Some(letters) = letters else {
            return false;
        };
        if let Poll::Ready(dead) = letters.poll() {
            self.letters = None;
            self.buried(dead.len());
        }
        true
    }

    pub fn buried(&mut self, count: usize) {
        self.model.age(self.now());
        self.model.take_dead(count);
    }
}

fn number(id: &str) -> u64 {
    id.strip_prefix("e-").unwrap().parse().unwrap()
}
