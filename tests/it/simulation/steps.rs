//! What happens at random.

use std::task::Poll;
use std::time::Duration;

use sse_queue::Message;
use sse_queue::queue::PushError;

use super::clients::{DynFuture, Producer, Push, Simulation, Terms};
use crate::support::{Task, ms};

impl Simulation {
    pub fn step(&mut self) {
        if self.mode.is_crowd && self.one_in(8) {
            self.crowd();
        }
        if self.mode.jumps && self.one_in(40) {
            let by = ms(self.below(5_000));
            self.note(|| format!("the clock jumps by {by:?}"));
            self.clock.jump(by);
        }
        let has_clients = !self.clients.is_empty();
        match self.below(100) {
            0..30 => self.push(),
            30..36 if self.producers.len() < 3 => self.push_when_ready(),
            36..38 if !self.producers.is_empty() => {
                let at = self.below(self.producers.len() as u64);
                drop(self.producers.remove(to_index(at)));
            }
            38..42 if self.clients.len() < 6 => self.add_client(),
            42..45 if has_clients => self.drop_client(),
            45..50 if has_clients => self.stall(),
            50..54 if has_clients && self.mode.by_hand => self.poll_by_hand(),
            54..57 if self.mode.by_hand => {
                if let Some(chunk) = self.queue.next_ready() {
                    self.got(&chunk, None);
                }
            }
            57..70 if self.mode.in_flight.is_some() => self.settle_a_lease(),
            70..73 if self.mode.has_driver => self.switch_driver(),
            73..75 if self.mode.in_flight.is_some() => self.wait_for_dead_letters(),
            75..78 => self.cancel(),
            78..82 if self.mode.pauses => self.set_paused(!self.model.gate.is_paused),
            _ => {
                let by = match self.below(4) {
                    0 => self.below(10),
                    1 | 2 => self.below(600),
                    _ => self.below(4_000),
                };
                self.advance(ms(by));
            }
        }
        self.run();
        self.check();
    }

    /// Lets time pass from deadline to deadline.
    pub fn advance(&mut self, by: Duration) {
        let end = self.clock.elapsed() + by;
        loop {
            self.run();
            self.check();
            let now = self.clock.elapsed();
            if now >= end {
                return;
            }
            let armed = self.clock.next_deadline();
            let armed = armed.map(|next| now + next.max(Duration::from_nanos(1)));
            let clients = self.clients.iter();
            let back = clients.flat_map(|client| [client.stalled_until, client.busy_until]);
            let back = back.flatten().filter(|until| *until > now);
            let next = back.chain(armed).min().map_or(end, |next| next.min(end));
            self.clock.advance(next.saturating_sub(now));
        }
    }

    fn message(&mut self) -> (Message, Terms) {
        let after = self.one_in(3).then(|| ms(self.below(3_000)));
        let lives = self.one_in(4).then(|| ms(1 + self.below(3_000)));
        let mut message = Message::from("x");
        if let Some(after) = after {
            message = message.after(after);
        }
        if let Some(lives) = lives {
            message = message.expires_after(lives);
        }
        (message, Terms { after, lives })
    }

    fn push(&mut self) {
        let (message, terms) = self.message();
        match self.queue.push(message) {
            Ok(receipt) => self.accepted(&receipt, terms),
            Err(PushError::Full(_)) => {
                self.model.age(self.now());
                let is_refused = self.model.is_full() || !self.producers.is_empty();
                assert!(is_refused, "a queue with capacity refused a message");
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn push_when_ready(&mut self) {
        let (message, terms) = self.message();
        let push = self.queue.push_when_ready(message);
        let mut push = if self.one_in(2) {
            Push::Plain(Task::new(push))
        } else {
            Push::Ticked(Task::new(push.ticker(self.clock.ticker())))
        };
        match push.poll() {
            Poll::Ready(done) => self.accepted(&done.unwrap(), terms),
            Poll::Pending => self.producers.push(Producer { push, terms }),
        }
    }

    fn drop_client(&mut self) {
        let at = self.below(self.clients.len() as u64);
        let client = self.clients.remove(to_index(at));
        let (name, now) = (client.name, self.now());
        self.note(|| format!("stream {name} is dropped"));
        drop(client);
        self.model.age(now);
        self.model.orphan(name, now);
    }

    /// Many at once.
    fn crowd(&mut self) {
        let count = 1 + self.below(150);
        let clients = self.clients.len() as u64;
        match self.below(5) {
            0 => {
                for _ in 0..count.min(200_u64.saturating_sub(clients)) {
                    self.add_client();
                }
            }
            1 => {
                for _ in 0..count.min(clients / 2) {
                    self.drop_client();
                }
            }
            _ => {
                let after = ms(self.below(2) * self.below(1_000));
                let terms = Terms {
                    after: Some(after),
                    lives: None,
                };
                for _ in 0..count {
                    let message = Message::from("x").after(after);
                    if let Ok(receipt) = self.queue.push(message) {
                        self.accepted(&receipt, terms);
                    }
                }
            }
        }
    }

    fn stall(&mut self) {
        let stalled = self.clients.iter();
        let stalled = stalled.filter(|client| client.stalled_until.is_some());
        if stalled.count() >= self.mode.stalled {
            return;
        }
        let at = to_index(self.below(self.clients.len() as u64));
        let until = self.clock.elapsed() + ms(self.below(6_000));
        let name = self.clients[at].name;
        self.note(|| format!("{name} stalls until {until:?}"));
        self.clients[at].stalled_until = Some(until);
    }

    fn poll_by_hand(&mut self) {
        let at = to_index(self.below(self.clients.len() as u64));
        let polls_anyway = self.one_in(2);
        let client = &mut self.clients[at];
        let name = client.name;
        client.waits = false;
        client.polls_anyway = polls_anyway;
        let chunk = client.task.inner.as_mut().next_ready_pinned();
        self.note(|| format!("{name} is polled by hand"));
        if let Some(chunk) = chunk {
            self.got(&chunk, Some(name));
        }
    }

    fn settle_a_lease(&mut self) {
        let now = self.now();
        self.model.age(now);
        let Some(number) = self.one_of(&self.model.in_flight()) else {
            return;
        };
        match self.below(6) {
            0..4 => self.ack(number),
            4 => {
                let delay = ms(self.below(2) * self.below(2_000));
                self.note(|| format!("nack {number}, {delay:?}"));
                let delayed = Some(delay).filter(|delay| !delay.is_zero());
                self.queue.nack(&id(number), delayed).unwrap();
                self.model.nack(number, delay, now);
            }
            // What is extended, orphaned and expires is left to tests of its own.
            _ if self.model.expires(number) => {}
            _ => {
                let by = ms(2_000);
                self.note(|| format!("extend {number}"));
                self.queue.extend_lease(&id(number), by).unwrap();
                self.model.extend(number, by);
            }
        }
    }

    pub fn ack(&mut self, number: u64) {
        self.note(|| format!("ack {number}"));
        self.queue.ack(&id(number)).unwrap();
        self.model.ack(number);
    }

    fn cancel(&mut self) {
        self.model.age(self.now());
        if let Some(number) = self.one_of(&self.model.queued()) {
            self.note(|| format!("cancel {number}"));
            assert!(self.queue.cancel(&id(number)));
            self.model.cancel(number);
        }
    }

    fn switch_driver(&mut self) {
        if self.driver.take().is_some() {
            self.note(|| "the driver leaves".into());
            return;
        }
        let mut driver =
            Task::new(Box::pin(self.queue.drive(self.clock.ticker())) as DynFuture<()>);
        assert!(driver.poll().is_pending());
        self.driver = Some(driver);
        self.note(|| "a driver comes".into());
    }

    pub fn set_paused(&mut self, is_paused: bool) {
        self.note(|| format!("paused: {is_paused}"));
        self.model.gate.is_paused = is_paused;
        if is_paused {
            self.queue.pause();
        } else {
            self.queue.unpause();
        }
        assert_eq!(self.queue.is_paused(), is_paused);
    }

    fn wait_for_dead_letters(&mut self) {
        if self.letters.is_some() {
            return;
        }
        let mut letters = Task::new(Box::pin(self.queue.dead_letters()) as DynFuture<Vec<_>>);
        match letters.poll() {
            Poll::Ready(dead) => self.buried(dead.len()),
            Poll::Pending => self.letters = Some(letters),
        }
    }
}

fn id(number: u64) -> String {
    format!("e-{number}")
}

fn to_index(at: u64) -> usize {
    usize::try_from(at).unwrap()
}
