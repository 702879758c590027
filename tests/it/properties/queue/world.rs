//! A queue, its streams and producers, and the list, step by step.

use std::collections::VecDeque;
use std::task::Poll;

use sse_queue::queue::{Overflow, PushError, PushWhenReady};
use sse_queue::{Event, FakeClock, Message, Pacing, Queue};

use super::model::{BYTES, MESSAGES, Naive};
use super::{Pace, Step};
use crate::support::parser::parse;
use crate::support::queue::{QueueStream, builder, quiet_stream};
use crate::support::{Task, ms};

pub struct World {
    pub clock: FakeClock,
    pub jumped: u64,
    pub overflow: Overflow,
    pub queue: Queue,
    pub naive: Naive,
    pub streams: Vec<Task<QueueStream>>,
    pub line: VecDeque<(Task<PushWhenReady>, String)>,
    pub number: u64,
    /// Whether a stream may keep a message waiting.
    pub is_paced: bool,
}

impl World {
    pub fn new(overflow: Overflow) -> Self {
        let clock = FakeClock::new();
        let queue = builder(&clock)
            .capacity(MESSAGES)
            .capacity_bytes(BYTES)
            .overflow(overflow)
            .build();
        Self {
            jumped: 0,
            overflow,
            naive: Naive::default(),
            streams: Vec::new(),
            line: VecDeque::new(),
            number: 0,
            is_paced: false,
            clock,
            queue,
        }
    }

    pub fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap() + self.jumped
    }

    pub fn data(&mut self, len: usize) -> String {
        self.number += 1;
        format!("{:0>len$}", self.number)
    }

    pub fn step(&mut self, step: Step) {
        match step {
            Step::Push {
                delay,
                ttl,
                own,
                len,
            } => self.push(delay, ttl, own, len),
            Step::PushWhenReady { len } => {
                let data = self.data(len);
                let task = Task::new(self.queue.push_when_ready(data.as_str()));
                self.line.push_back((task, data));
                self.poll_push(self.line.len() - 1);
            }
            Step::DropPush(index) => {
                if !self.line.is_empty() {
                    let at = index.index(self.line.len());
                    self.line.remove(at);
                }
            }
            Step::Advance(by) => self.clock.advance(ms(by)),
            Step::Jump(by) => {
                self.clock.jump(ms(by));
                self.jumped += by;
            }
            Step::Take => self.take(),
            Step::Open(pace) => self.open(pace),
            Step::Poll(index) => {
                if !self.streams.is_empty() {
                    self.poll(index.index(self.streams.len()));
                }
            }
            Step::Drop(index) => {
                if !self.streams.is_empty() {
                    drop(self.streams.swap_remove(index.index(self.streams.len())));
                }
            }
            Step::Run => self.run(),
            Step::Cancel(index) => {
                let seq = index.index(usize::try_from(self.naive.last_seq).unwrap() + 2);
                let id = format!("e-{seq}");
                self.cancel(&id);
            }
            Step::CancelOwn(own) => self.cancel(&format!("own{own}")),
            Step::Remaining => self.take_remaining(),
            Step::Close => {
                self.queue.close();
                self.naive.closed = Some(self.now());
            }
        }
    }

    pub fn push(&mut self, delay: Option<u64>, ttl: Option<u64>, own: Option<u8>, len: usize) {
        let now = self.now();
        let data = self.data(len);
        let own = own.map(|own| format!("own{own}"));
        let mut event = Event::new(&data);
        if let Some(own) = &own {
            event = event.id(own).unwrap();
        }
        let mut message = Message::new(event);
        if let Some(delay) = delay {
            message = message.after(ms(delay));
        }
        if let Some(ttl) = ttl {
            message = message.expires_after(ms(ttl));
        }
        let pushed = self.queue.push(message.clone());
        if self.line.is_empty() {
            let push = (delay.unwrap_or(0), ttl, own, data);
            assert_eq!(pushed.is_ok(), self.naive.push(now, self.overflow, push));
        } else if self.naive.closed.is_none() {
            // Producers in line come first; a refused push still removes expired messages.
            assert!(matches!(pushed, Err(PushError::Full(_))));
        }
        if let Err(refused) = pushed {
            assert_eq!(refused.into_message(), message);
        }
    }

    pub fn take(&mut self) {
        let now = self.now();
        let taken = self.queue.next_ready();
        let taken = taken.map_or(Vec::new(), |frame| parse(&frame).events);
        let is_due = !self.naive.due(now).is_empty();
        assert_eq!(taken.len(), usize::from(is_due));
        self.naive.took(now, &taken);
    }

    pub fn open(&mut self, pace: Pace) {
        let stream = quiet_stream(&self.queue, &self.clock);
        let stream = match pace {
            Pace::AtOnce { messages } => stream.pacing(Pacing::immediate().batch(messages)),
            Pace::Spaced(gap) => stream.pacing(Pacing::spaced(ms(gap))),
            Pace::Every { period, batch } => stream.pacing(Pacing::every(ms(period)).batch(batch)),
        };
        let task = Task::new(stream);
        self.is_paced |= !matches!(pace, Pace::AtOnce { .. });
        // As an executor does, it is polled a first time.
        self.streams.push(task);
        self.poll(self.streams.len() - 1);
    }

    pub fn take_remaining(&mut self) {
        let remaining = self.queue.take_remaining();
        self.naive.expire(self.now());
        self.naive
            .entries
            .sort_by_key(|entry| (entry.due, entry.seq));
        self.naive.withdrawn += self.naive.entries.len() as u64;
        let ids: Vec<_> = remaining
            .iter()
            .map(sse_queue::message::Remaining::id)
            .collect();
        let expected: Vec<_> = self.naive.entries.drain(..).map(|entry| entry.id).collect();
        assert_eq!(ids, expected);
    }

    pub fn cancel(&mut self, id: &str) {
        // An expired message may be gone already, or not yet.
        let stats = self.queue.stats();
        self.naive.expire(self.now());
        assert_eq!(
            self.queue.cancel(id),
            self.naive.cancel(id),
            "{id} {stats:?}"
        );
    }

    /// Polls a stream until it is pending; returns whether it lives.
    pub fn poll(&mut self, at: usize) -> bool {
        loop {
            let now = self.now();
            match self.streams[at].poll_next() {
                Poll::Pending => return true,
                Poll::Ready(None) => {
                    assert!(
                        self.naive.closed.is_some(),
                        "it ends, and the queue is open"
                    );
                    assert!(
                        self.naive.due(now).is_empty(),
                        "it ends, and something is due"
                    );
                    drop(self.streams.swap_remove(at));
                    return false;
                }
                Poll::Ready(Some(bytes)) => self.naive.took(now, &parse(&bytes).events),
            }
        }
    }

    pub fn poll_push(&mut self, at: usize) {
        let now = self.now();
        let (task, data) = &mut self.line[at];
        let Poll::Ready(result) = task.poll() else {
            return;
        };
        let data = data.clone();
        self.line.remove(at);
        let expected = self.naive.push(now, self.overflow, (0, None, None, data));
        assert_eq!(result.is_ok(), expected);
        if result.is_ok() {
            assert_eq!(at, 0, "it overtook");
        }
    }

    /// An executor: polls the tasks that were woken, until none is left.
    pub fn run(&mut self) {
        for _ in 0..10_000 {
            if let Some(at) = self.streams.iter().position(|task| task.take_wakes() > 0) {
                self.poll(at);
            } else if let Some(at) = self.line.iter().position(|(task, _)| task.take_wakes() > 0) {
                self.poll_push(at);
            } else {
                return;
            }
        }
        panic!("they wake one another for ever");
    }

    pub fn check_stats(&mut self) {
        let stats = self.queue.stats();
        self.naive.expire(self.now());
        let naive = &self.naive;
        assert_eq!(
            (
                stats.pushed,
                stats.delivered,
                stats.dropped,
                stats.expired,
                stats.withdrawn
            ),
            (
                naive.pushed,
                naive.delivered,
                naive.dropped,
                naive.expired,
                naive.withdrawn
            ),
        );
        let bytes: usize = naive.entries.iter().map(|entry| entry.bytes).sum();
        assert_eq!((stats.depth, stats.bytes), (naive.entries.len(), bytes));
        assert_eq!(stats.streams, self.streams.len());
    }

    /// Without pacing, nothing due waits, and something is armed no later than the next due time.
    pub fn assert_keeps_the_time(&mut self) {
        let now = self.now();
        if self.is_paced || self.naive.closed.is_some() {
            return;
        }
        assert!(self.naive.due(now).is_empty(), "it could have been sent");
        let next = self.naive.entries.iter().map(|entry| entry.due).min();
        if let Some(next) = next.filter(|_| self.jumped == 0) {
            let armed = self.clock.next_deadline();
            assert!(armed.is_some_and(|armed| armed <= ms(next - now)));
        }
    }

    /// From here on only tasks that were woken are polled. Nothing that is due may be left.
    pub fn assert_comes_to_rest(&mut self) {
        self.run();
        if self.streams.is_empty() {
            self.step(Step::Open(Pace::AtOnce { messages: 16 }));
        }
        self.run();
        for _ in 0..1000 {
            self.assert_keeps_the_time();
            if self.clock.advance_to_next().is_none() {
                break;
            }
            self.run();
        }
        let now = self.now();
        assert_eq!(self.clock.next_deadline(), None, "it ticks for ever");
        assert!(
            self.naive.due(now).is_empty(),
            "a wake-up was lost: {:?}",
            self.naive.due(now)
        );
        if self.naive.closed.is_some() {
            assert!(self.streams.is_empty(), "a stream does not end");
            assert!(self.line.is_empty(), "a push was not handed back");
        } else {
            assert!(
                self.naive.entries.is_empty(),
                "the time of a message was missed"
            );
            assert!(
                self.line.is_empty(),
                "there is capacity, and a producer waits for it"
            );
        }
    }
}
