//! What must hold at each moment, and at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use super::clients::{Client, GAP, Late, Pace, Simulation};
use super::model::Counts;
use crate::support::gate::Gate;
use crate::support::ms;

/// How long one stream may hold up the others that was woken and does not poll, or that keeps the
/// time and is busy with a chunk.
const SECOND: Duration = ms(1_000);

/// How long a jump of the clock may go unnoticed.
const JUMP: Duration = ms(30_000);

/// Longer than any lease, however often it is extended.
const ENDLESS: Duration = ms(600_000);

impl Simulation {
    /// Nothing that is due stays for long while a healthy stream waits for it, nor does capacity
    /// while a producer waits for it, nor a dead letter while it is waited for.
    pub fn check(&mut self) {
        self.model.age(self.now());
        self.check_due();
        self.check_producers();
        self.check_dead_letters();
    }

    fn check_due(&mut self) {
        let now = self.clock.elapsed();
        let wants = |client: &Client| {
            let in_flight = || self.model.in_flight_of(client.name);
            self.waits(client) && self.mode.in_flight.is_none_or(|most| in_flight() < most)
        };
        let head = self.model.leaving(self.now());
        let Some(head) = head.filter(|_| self.clients.iter().any(wants)) else {
            self.late = None;
            return;
        };
        let absent = self.clients.iter().filter(|client| !self.waits(client));
        let absent: Vec<_> = absent.map(|client| client.name).collect();
        let known = self.late.take().filter(|late| late.number == head);
        let mut late = known.unwrap_or_else(|| Late {
            number: head,
            since: now,
            absent: BTreeSet::new(),
        });
        late.absent.extend(absent);
        let (time, most) = (now.saturating_sub(late.since), self.most_late(&late));
        assert!(time <= most, "{head} is {time:?} late, and not {most:?}");
        self.late = Some(late);
    }

    /// How late a message may be: each stream that does not poll may hold up the others.
    fn most_late(&self, late: &Late) -> Duration {
        let absent = u32::try_from(late.absent.len()).unwrap();
        let mut most = absent * SECOND;
        if self.mode.jumps {
            most += JUMP;
        }
        if self.mode.is_paced {
            // It was meant for a stream at its tick.
            most += 2 * GAP;
        }
        most
    }

    fn check_producers(&mut self) {
        let waits = !self.producers.is_empty() && self.is_watched();
        let sleeps = waits && !self.model.is_full();
        let late = since(&mut self.free_since, sleeps, self.clock.elapsed());
        assert!(late <= SECOND, "a producer is not woken");
    }

    fn check_dead_letters(&mut self) {
        let waits = self.letters.is_some() && self.is_watched();
        let sleeps = waits && self.model.has_dead();
        let late = since(&mut self.dead_since, sleeps, self.clock.elapsed());
        assert!(late <= SECOND, "a wait for dead letters is not woken");
    }

    /// Its task was pending and can be woken. A ticked or spaced stream may wait for its time.
    fn waits(&self, client: &Client) -> bool {
        client.waits && client.is_up(self.clock.elapsed()) && client.pace == Pace::Immediate
    }

    /// Whether something keeps the queue's time, and polls.
    fn is_watched(&self) -> bool {
        let keeps = self.driver.is_some() || self.clients.iter().any(|client| self.waits(client));
        keeps && self.mode.stalled == 0 && !self.mode.jumps
    }

    pub fn finish(mut self) {
        self.adds_up();
        if self.mode.in_flight.is_none() && self.one_in(2) {
            self.close();
        } else {
            self.empty();
        }
    }

    /// Closes the queue: what is due goes at once, and streams and producers end.
    fn close(&mut self) {
        self.note(|| "close".into());
        self.model.gate = Gate::default();
        self.driver = None;
        self.is_closed = true;
        let had_clients = !self.clients.is_empty();
        self.model.age(self.now());
        self.queue.close();
        for client in &mut self.clients {
            // A stream without a waker is polled until it ends.
            client.polls_anyway |= !client.waits;
            client.stalled_until = None;
        }
        for _ in 0..1_000 {
            for client in &mut self.clients {
                client.busy_until = client.busy_until.map(|_| Duration::ZERO);
            }
            self.run();
        }
        assert!(self.clients.is_empty(), "{} stay", self.clients.len());
        assert!(self.producers.is_empty(), "a producer is not woken");
        let is_due = self.model.head(self.now()).is_some();
        assert!(!had_clients || !is_due, "something due stays");
        let rest = self.queue.take_remaining();
        self.model.take_remaining(rest.len());
        self.adds_up();
    }

    /// One more stream gets the rest: then nothing is held, and nothing is armed.
    fn empty(&mut self) {
        self.producers.clear();
        self.set_paused(false);
        self.driver = None;
        for client in &mut self.clients {
            client.stalled_until = None;
        }
        self.mode.is_paced = false;
        self.add_client();
        for _ in 0..1_000 {
            self.advance(ms(500));
            for number in self.model.in_flight() {
                self.ack(number);
            }
            if self.model.queued().is_empty() {
                break;
            }
        }
        self.advance(ENDLESS);
        self.adds_up();
        let dead = self.queue.take_dead_letters();
        self.buried(dead.len());
        assert!(self.model.is_empty(), "{:?}", self.model);
        assert_eq!(self.clock.next_deadline(), None, "idle, and armed");
        self.letters = None;
        self.adds_up();
    }

    fn adds_up(&mut self) {
        self.run();
        self.model.age(self.now());
        let stats = self.queue.stats();
        assert_eq!(Counts::from(stats), self.model.counts());
        assert_eq!(stats.streams, self.clients.len());
        assert_eq!(stats.bytes == 0, self.model.is_empty());
    }
}

/// For how long something has been so.
fn since(since: &mut Option<Duration>, is_so: bool, now: Duration) -> Duration {
    if !is_so {
        *since = None;
        return Duration::ZERO;
    }
    now.saturating_sub(*since.get_or_insert(now))
}
