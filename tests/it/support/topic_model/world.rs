//! A topic, its model and its clients, step by step.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use futures_core::Stream;
use sse_queue::stream::KeepAlive;
use sse_queue::topic::{PublishError, Resumption, Start};
use sse_queue::{Clock, Event, FakeClock, LastEventId, Message, Pacing, Topic};

use super::client::{Client, Connection, Woken};
use super::model::{Model, Scheduled, epoch};
use super::operation::{Bounds, From, How, Operation, Pace};

pub const MOST_CLIENTS: usize = 6;

pub struct World {
    pub bounds: Bounds,
    pub clock: FakeClock,
    pub topic: Topic,
    pub model: Model,
    pub restarts: usize,
    /// The data of the next message: no two are the same.
    pub data: u64,
    pub clients: [Client; MOST_CLIENTS],
    pub driver: Option<Driver>,
}

pub struct Driver {
    pub drive: Pin<Box<dyn Future<Output = ()>>>,
    pub woken: Arc<Woken>,
}

impl World {
    pub fn new(bounds: Bounds) -> Self {
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

    pub fn step(&mut self, operation: Operation) {
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

    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    pub fn publish(
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
        match (self.topic.publish(message.clone()), id) {
            (Err(PublishError::Full(refused)), None) => assert_eq!(refused, message),
            (published, id) => {
                let published = published.unwrap();
                assert_eq!(Some(published.id()), id.as_deref());
            }
        }
    }

    pub fn cancel(&mut self, which: u8) {
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

    pub fn subscribe(&mut self, client: usize, how: How, start: From) {
        self.disconnect(client);
        let now = self.now();
        self.model.catch_up(now);
        let client = &mut self.clients[client];
        let (oldest, next) = (self.model.oldest, self.model.next());
        let (start, position, resumption) = match start {
            From::Now => (Start::Now, next, Resumption::Fresh),
            From::Oldest => (Start::Oldest, oldest, Resumption::Fresh),
            From::Last(count) => {
                let count = usize::try_from(count).unwrap();
                let position = self.model.last(count);
                (Start::Last(count), position, Resumption::Fresh)
            }
            From::LastSeen => {
                let id = client.last_seen.as_deref();
                let (position, resumption) = match id {
                    Some(id) => self.model.resume(id),
                    None => (next, Resumption::Fresh),
                };
                let start = id.map(LastEventId::new).map_or(Start::Now, Start::After);
                (start, position, resumption)
            }
        };
        let stream = self.topic.stream(start, self.clock.ticker()).unwrap();
        assert_eq!(stream.resumption(), resumption);
        let stream = stream.without_first_comment().lag(how.lag);
        let stream = match how.pace {
            Pace::Immediate => stream,
            Pace::Spaced => stream.pacing(Pacing::spaced(Duration::from_millis(20))),
            Pace::Every => stream.pacing(Pacing::every(Duration::from_millis(15)).batch(70)),
        };
        let keep_alive = if how.has_keep_alive {
            KeepAlive::comment(Duration::from_millis(50))
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

    pub fn disconnect(&mut self, client: usize) {
        if self.clients[client].stream.take().is_some() {
            self.model.catch_up(self.clock.now());
        }
    }

    /// Goes from deadline to deadline, and polls the tasks that were woken at each.
    pub fn advance(&mut self, mut left: Duration) {
        while let Some(by) = self.clock.next_deadline().filter(|by| *by <= left) {
            self.clock.advance(by);
            left -= by;
            self.settle();
        }
        self.clock.advance(left);
    }

    pub fn drive(&mut self) {
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
    pub fn poll_driver(&mut self) -> bool {
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

    pub fn restart(&mut self) {
        self.driver = None;
        for client in &mut self.clients {
            client.stream = None;
        }
        self.restarts += 1;
        self.topic = topic(self.bounds, &self.clock, self.restarts);
        self.model = Model::new(self.bounds, self.restarts);
    }

    /// Streams send what is left and end, at once unless a slow client holds them; then a restart.
    pub fn end(&mut self, is_abort: bool) {
        self.model.catch_up(self.clock.now());
        if is_abort {
            self.topic.abort();
        } else {
            self.topic.close();
        }
        self.model.is_closed = true;
        self.model.is_aborted = is_abort;
        self.settle();
        for at in 0..MOST_CLIENTS {
            while let Some(connection) = &mut self.clients[at].stream {
                assert!(connection.is_held, "{at} was not woken by the end");
                self.poll(at);
            }
        }
        assert!(self.driver.is_none(), "it ends with the topic");
        let stats = self.topic.stats();
        self.model.catch_up(self.clock.now());
        assert_eq!(stats.retained as u64, self.model.retained());
        assert_eq!(stats.bytes as u64, self.model.bytes());
        assert_eq!(stats.scheduled, self.model.scheduled.len());
        assert_eq!(stats.streams, 0);
        self.restart();
    }

    /// Polls the tasks that were woken, until none is left; then every client must have seen all.
    pub fn settle(&mut self) {
        let is_woken = |client: &Client| {
            let connection = client.stream.as_ref();
            connection.is_some_and(|it| !it.is_held && it.woken.0.load(Ordering::Relaxed))
        };
        loop {
            let is_driven = self.poll_driver();
            if let Some(at) = self.clients.iter().position(is_woken) {
                self.poll(at);
            } else if !is_driven {
                break;
            }
        }
        for at in 0..MOST_CLIENTS {
            let Some(connection) = &mut self.clients[at].stream else {
                continue;
            };
            if connection.how.pace == Pace::Immediate && !connection.is_held {
                self.model.catch_up(self.clock.now());
                connection.assert_up_to_date(&self.model, self.clock.now());
            }
        }
    }

    pub fn poll(&mut self, at: usize) {
        let now = self.clock.now();
        let Client { stream, last_seen } = &mut self.clients[at];
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

pub fn topic(bounds: Bounds, clock: &FakeClock, restarts: usize) -> Topic {
    let topic = Topic::builder()
        .clock(clock.clone())
        .history(usize::try_from(bounds.messages).unwrap())
        .history_bytes(usize::try_from(bounds.bytes).unwrap())
        .max_scheduled(usize::MAX)
        .epoch(epoch(restarts))
        .unwrap();
    match bounds.age {
        Some(age) => topic.history_age(age).build(),
        None => topic.build(),
    }
}
