//! What a queue holds and counts, as a plain map: every question is answered by a search of all of
//! it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use sse_queue::Lease;
use sse_queue::queue::QueueStats;

use crate::support::gate::Gate;
use crate::support::ms;

const TIMEOUT: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 4;
/// What queues wait that back off: after the first attempt, and at most.
const BACKOFF: [Duration; 2] = [ms(400), ms(1_000)];

/// The terms of the queues that deliver at least once.
pub fn lease(in_flight: usize, backs_off: bool) -> Lease {
    let lease = Lease::new(TIMEOUT)
        .grace(GRACE)
        .max_attempts(ATTEMPTS)
        .max_in_flight(in_flight);
    let [first, most] = BACKOFF;
    if backs_off {
        lease.backoff(first, most)
    } else {
        lease
    }
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Queued,
    /// `to` is a stream's name, or none for a poll of the queue itself.
    InFlight {
        to: Option<u64>,
        until: SystemTime,
        /// When the grace of a dropped stream ends.
        grace: Option<SystemTime>,
        is_extended: bool,
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

impl Held {
    fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// It waits for its next attempt, from when its lease ended.
    fn postpone(&mut self, backoff: Option<[Duration; 2]>, ended: SystemTime) {
        if let Some([first, most]) = backoff {
            let wait = (first * 2_u32.pow(self.attempts - 1)).min(most);
            let due = ended + wait;
            self.due = self.expires.map_or(due, |expires| expires.min(due));
        }
    }

    /// Its lease or grace ends: it is requeued, or dead.
    fn requeue(&mut self) {
        self.at = if self.attempts >= ATTEMPTS {
            At::Dead
        } else {
            At::Queued
        };
    }
}

/// The counters that add up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    depth: usize,
    in_flight: usize,
    dead: usize,
    pushed: u64,
    delivered: u64,
    redelivered: u64,
    confirmed: u64,
    expired: u64,
    dropped: u64,
    withdrawn: u64,
}

impl From<QueueStats> for Counts {
    fn from(stats: QueueStats) -> Self {
        Self {
            depth: stats.depth,
            in_flight: stats.in_flight,
            dead: stats.dead,
            pushed: stats.pushed,
            delivered: stats.delivered,
            redelivered: stats.redelivered,
            confirmed: stats.confirmed,
            expired: stats.expired,
            dropped: stats.dropped,
            withdrawn: stats.withdrawn,
        }
    }
}

/// A queue without streams that wait.
#[derive(Debug)]
pub struct Model {
    capacity: usize,
    drops_oldest: bool,
    is_leased: bool,
    held: BTreeMap<u64, Held>,
    next_number: u64,
    counts: Counts,
    pub gate: Gate,
    /// How long what returns waits after its first attempt, and at most.
    backoff: Option<[Duration; 2]>,
}

impl Model {
    pub fn new(capacity: usize, drops_oldest: bool, is_leased: bool) -> Self {
        Self {
            capacity,
            drops_oldest,
            is_leased,
            held: BTreeMap::new(),
            next_number: 1,
            counts: Counts::default(),
            gate: Gate::default(),
            backoff: None,
        }
    }

    pub fn back_off(&mut self) {
        self.backoff = Some(BACKOFF);
    }

    /// Ends the leases, graces and messages whose time is over.
    pub fn age(&mut self, now: SystemTime) {
        let before = self.held.len();
        let backoff = self.backoff;
        self.held.retain(|_, held| {
            let has_expired = held.has_expired(now);
            match held.at {
                At::Queued => !has_expired,
                At::Dead => true,
                At::InFlight {
                    until,
                    grace,
                    is_extended,
                    ..
                } => {
                    let is_left = grace.filter(|_| !is_extended);
                    let has_ended = until <= now || is_left.is_some_and(|grace| grace <= now);
                    // What is in flight to no client expires like what is queued.
                    if has_expired && (has_ended || grace.is_some()) {
                        return false;
                    }
                    if has_ended {
                        let ended = is_left.map_or(until, |grace| grace.min(until));
                        held.postpone(backoff, ended);
                        held.requeue();
                    }
                    true
                }
            }
        });
        self.counts.expired += (before - self.held.len()) as u64;
    }

    /// The message that goes next, if one is due.
    pub fn head(&self, now: SystemTime) -> Option<u64> {
        let due = self.held.iter();
        let due = due.filter(|(_, held)| held.at == At::Queued && held.due <= now);
        let first = due.map(|(number, held)| (held.due, *number)).min();
        first.map(|(_, number)| number)
    }

    /// The message that goes next, if one may leave.
    pub fn leaving(&self, now: SystemTime) -> Option<u64> {
        self.head(now)
            .filter(|_| self.gate.is_open(since_epoch(now)))
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether a push that waits for nothing is refused.
    pub fn is_full(&self) -> bool {
        let handed_out = self.held.values().filter(|held| held.attempts > 0).count();
        let counted = if self.drops_oldest {
            handed_out
        } else {
            self.held.len()
        };
        counted >= self.capacity
    }

    pub fn expires(&self, number: u64) -> bool {
        self.held[&number].expires.is_some()
    }

    pub fn has_dead(&self) -> bool {
        self.held.values().any(|held| held.at == At::Dead)
    }

    pub fn queued(&self) -> Vec<u64> {
        self.numbers(|at| *at == At::Queued)
    }

    pub fn in_flight(&self) -> Vec<u64> {
        self.numbers(|at| matches!(at, At::InFlight { .. }))
    }

    pub fn in_flight_of(&self, name: u64) -> usize {
        self.numbers(|at| matches!(at, At::InFlight { to, .. } if *to == Some(name)))
            .len()
    }

    fn numbers(&self, is_there: impl Fn(&At) -> bool) -> Vec<u64> {
        let there = self.held.iter().filter(|(_, held)| is_there(&held.at));
        there.map(|(number, _)| *number).collect()
    }

    pub fn counts(&self) -> Counts {
        Counts {
            depth: self.queued().len(),
            in_flight: self.in_flight().len(),
            dead: self.numbers(|at| *at == At::Dead).len(),
            ..self.counts
        }
    }

    pub fn push(&mut self, number: u64, due: SystemTime, lives: Option<Duration>) {
        assert_eq!(number, self.next_number, "numbers have no holes");
        self.next_number += 1;
        if self.held.len() >= self.capacity {
            assert!(self.drops_oldest, "a full queue accepted a message");
            let fresh = self.held.iter();
            let fresh = fresh.filter(|(_, held)| held.attempts == 0);
            let (_, oldest) = fresh.map(|(n, held)| (held.due, *n)).min().unwrap();
            self.held.remove(&oldest);
            self.counts.dropped += 1;
        }
        let held = Held {
            due,
            expires: lives.map(|lives| due + lives),
            attempts: 0,
            at: At::Queued,
        };
        self.held.insert(number, held);
        self.counts.pushed += 1;
    }

    pub fn hand_out(&mut self, number: u64, to: Option<u64>, now: SystemTime) {
        assert_eq!(self.head(now), Some(number), "the first that is due goes");
        self.gate.take(since_epoch(now));
        self.counts.delivered += 1;
        if !self.is_leased {
            self.held.remove(&number);
            return;
        }
        let held = self.held.get_mut(&number).unwrap();
        self.counts.redelivered += u64::from(held.attempts > 0);
        held.attempts += 1;
        held.at = At::InFlight {
            to,
            until: now + TIMEOUT,
            grace: None,
            is_extended: false,
        };
    }

    /// The stream is dropped.
    pub fn orphan(&mut self, name: u64, now: SystemTime) {
        for held in self.held.values_mut() {
            if let At::InFlight { to, grace, .. } = &mut held.at
                && *to == Some(name)
            {
                *grace = Some(now + GRACE);
            }
        }
    }

    pub fn ack(&mut self, number: u64) {
        self.held.remove(&number).unwrap();
        self.counts.confirmed += 1;
    }

    pub fn nack(&mut self, number: u64, delay: Duration, now: SystemTime) {
        let held = self.held.get_mut(&number).unwrap();
        if held.has_expired(now) {
            self.held.remove(&number);
            self.counts.expired += 1;
            return;
        }
        if delay.is_zero() {
            held.postpone(self.backoff, now);
        } else {
            held.due = now + delay;
        }
        held.requeue();
    }

    pub fn extend(&mut self, number: u64, by: Duration) {
        let held = self.held.get_mut(&number).unwrap();
        let At::InFlight {
            until, is_extended, ..
        } = &mut held.at
        else {
            panic!("{number} is not in flight");
        };
        *until += by;
        *is_extended = true;
    }

    pub fn cancel(&mut self, number: u64) {
        self.held.remove(&number).unwrap();
        self.counts.withdrawn += 1;
    }

    /// All dead letters are taken, of which there are `count`.
    pub fn take_dead(&mut self, count: usize) {
        let dead = self.numbers(|at| *at == At::Dead);
        assert_eq!(dead.len(), count, "all dead letters");
        for number in dead {
            self.cancel(number);
        }
    }

    /// All that remains is taken: `count` messages.
    pub fn take_remaining(&mut self, count: usize) {
        assert_eq!(self.held.len(), count, "all that remains");
        self.held.clear();
        self.counts.withdrawn += count as u64;
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap()
}
