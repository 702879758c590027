//! A topic with tags and keys against a model that is plainly right: all messages in a `Vec`, each
//! with its fate, and for each stream a position and the tags that it wants.
//!
//! The operations are triples of bytes, so that a fuzzer can make them.

use std::fmt::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_core::Stream;
use sse_queue::stream::KeepAlive;
use sse_queue::topic::{Filter, GapCause, Resumption, Start, TopicSubscription};
use sse_queue::{EventStream, FakeClock, FakeTicker, LastEventId, Message, Topic};

const TAGS: [&str; 3] = ["red", "green", "blue"];
const KEYS: [&str; 3] = ["one", "two", "three"];
/// How many evicted messages with a tag are counted by tag, in a log as small as this.
const COUNTED: usize = 64;

#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Publish {
        tag: Option<usize>,
        key: Option<usize>,
        brief: bool,
    },
    Open {
        from: From,
        tags: Option<u8>,
    },
    /// A stream reads all that is there.
    Read(usize),
    Insert(usize, usize),
    Remove(usize, usize),
    /// A stream gets another filter while it is open.
    Only(usize, u8),
    Advance(u64),
    Drop(usize),
}

#[derive(Clone, Copy, Debug)]
pub enum From {
    Now,
    Oldest,
    Last(usize),
    /// After the message with this number.
    After(u64),
}

impl Operation {
    pub fn decode([kind, a, b]: [u8; 3]) -> Self {
        let stream = usize::from(a % 8);
        let tag = usize::from(b % 3);
        let some = |byte: u8| usize::from(byte % 4).checked_sub(1);
        match kind % 16 {
            0..=6 => Self::Publish {
                tag: some(a),
                key: some(b),
                brief: b > 200,
            },
            7 | 8 => Self::Open {
                from: match a % 4 {
                    0 => From::Now,
                    1 => From::Oldest,
                    2 => From::Last(usize::from(a / 4) % 20),
                    _ => From::After(u64::from(a / 4)),
                },
                tags: (b < 200).then_some(b % 8),
            },
            9..=11 => Self::Read(stream),
            12 => Self::Insert(stream, tag),
            13 => Self::Remove(stream, tag),
            14 if b < 128 => Self::Only(stream, b % 8),
            14 => Self::Advance(u64::from(b % 4)),
            _ => Self::Drop(stream),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Retained,
    Evicted,
    /// It expired or was superseded.
    Gone,
}

struct Held {
    number: u64,
    tag: Option<usize>,
    key: Option<usize>,
    expires: Option<u64>,
    fate: Fate,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Client {
    stream: Pin<Box<EventStream<TopicSubscription, FakeTicker>>>,
    woken: Arc<Woken>,
    /// The filter, and since which number it has each tag.
    filter: Option<(Filter, [Option<u64>; 3])>,
    position: u64,
    /// The gap with which it begins.
    first_gap: String,
    /// It has read everything, and waits.
    waits: bool,
}

impl Client {
    fn wants(&self, held: &Held) -> bool {
        match (&self.filter, held.tag) {
            (None, _) | (_, None) => true,
            (Some((_, since)), Some(tag)) => since[tag].is_some_and(|from| held.number >= from),
        }
    }
}

struct World {
    clock: FakeClock,
    topic: Topic,
    history: usize,
    now: u64,
    messages: Vec<Held>,
    clients: Vec<Client>,
}

/// Does all operations, and panics where the topic differs from the model.
pub fn run(history: u8, operations: &[Operation]) {
    let clock = FakeClock::new();
    let history = usize::from(history % 24) + 1;
    let builder = Topic::builder().clock(clock.clone()).epoch("e").unwrap();
    let mut world = World {
        topic: builder.history(history).build(),
        clock,
        history,
        now: 0,
        messages: Vec::new(),
        clients: Vec::new(),
    };
    for operation in operations {
        world.step(*operation);
    }
    for client in 0..world.clients.len() {
        world.read(client);
    }
}

impl World {
    fn step(&mut self, operation: Operation) {
        let count = self.clients.len();
        let client = |index: usize| (count > 0).then(|| index % count);
        match operation {
            Operation::Publish { tag, key, brief } => self.publish(tag, key, brief),
            Operation::Open { from, tags } => self.open(from, tags),
            Operation::Read(index) => {
                if let Some(index) = client(index) {
                    self.read(index);
                }
            }
            Operation::Insert(index, tag) => {
                let next = self.next();
                let filter = client(index).and_then(|index| self.clients[index].filter.as_mut());
                if let Some((filter, since)) = filter {
                    let is_new = filter.insert(TAGS[tag]).unwrap();
                    assert_eq!(is_new, since[tag].is_none());
                    since[tag].get_or_insert(next);
                }
            }
            Operation::Remove(index, tag) => {
                let filter = client(index).and_then(|index| self.clients[index].filter.as_mut());
                if let Some((filter, since)) = filter {
                    assert_eq!(filter.remove(TAGS[tag]), since[tag].take().is_some());
                }
            }
            Operation::Only(index, tags) => {
                if let Some(index) = client(index) {
                    self.narrow(index, tags);
                }
            }
            Operation::Advance(seconds) => {
                self.now += seconds;
                self.clock.advance(Duration::from_secs(seconds));
            }
            Operation::Drop(index) => {
                if let Some(index) = client(index) {
                    self.clients.swap_remove(index);
                }
            }
        }
        self.expire();
        assert_eq!(self.topic.stats().retained, self.retained().count());
    }

    fn publish(&mut self, tag: Option<usize>, key: Option<usize>, brief: bool) {
        self.expire();
        let number = self.next();
        let mut message = Message::from(number.to_string());
        if let Some(tag) = tag {
            message = message.tag(TAGS[tag]);
        }
        if let Some(key) = key {
            message = message.key(KEYS[key]);
            let older = |held: &&mut Held| held.key == Some(key) && held.fate == Fate::Retained;
            if let Some(older) = self.messages.iter_mut().find(older) {
                older.fate = Fate::Gone;
            }
        }
        if brief {
            message = message.expires_after(Duration::from_secs(2));
        }
        self.messages.push(Held {
            number,
            tag,
            key,
            expires: brief.then_some(self.now + 2),
            fate: Fate::Retained,
        });
        let excess = self.retained().count().saturating_sub(self.history);
        let retained = self.messages.iter_mut();
        let retained = retained.filter(|held| held.fate == Fate::Retained);
        retained
            .take(excess)
            .for_each(|held| held.fate = Fate::Evicted);

        let receipt = self.topic.publish(message).unwrap();
        assert_eq!(receipt.id(), format!("e-{number}"));
        let newest = self.messages.last().unwrap();
        for client in self.clients.iter_mut().filter(|client| client.waits) {
            let is_woken = client.woken.0.swap(false, Ordering::Relaxed);
            assert_eq!(
                is_woken,
                client.wants(newest),
                "of those who want it, all are woken"
            );
            client.waits = !is_woken;
        }
    }

    fn open(&mut self, from: From, tags: Option<u8>) {
        self.expire();
        let next = self.next();
        let start = match from {
            From::Now => Start::Now,
            From::Oldest => Start::Oldest,
            From::Last(count) => Start::Last(count),
            From::After(number) => {
                let id = format!("e-{}", number.min(next - 1));
                Start::After(LastEventId::new(&id))
            }
        };
        let stream = self.topic.stream(start, self.clock.ticker()).unwrap();
        let stream = stream.without_first_comment().keep_alive(KeepAlive::off());
        let filter = tags.map(|tags| self.filter(tags, 0));
        let stream = match &filter {
            Some((filter, _)) => stream.only(filter),
            None => stream,
        };
        let resumption = stream.resumption();
        let mut client = Client {
            stream: Box::pin(stream),
            woken: Arc::default(),
            filter,
            position: next,
            first_gap: String::new(),
            waits: false,
        };
        let wanted: Vec<u64> = self
            .retained()
            .filter(|held| client.wants(held))
            .map(|held| held.number)
            .collect();
        client.position = match from {
            From::Now => next,
            From::Oldest => self.oldest(),
            From::Last(count) => {
                let first = wanted.len().saturating_sub(count);
                wanted.get(first).copied().unwrap_or(next)
            }
            From::After(number) => number.min(next - 1) + 1,
        };
        match from {
            From::After(_) => {
                self.check_resumption(&client, resumption);
                if let Resumption::Gap { missed, .. } = resumption {
                    client.first_gap = gap(missed);
                    client.position = self.oldest();
                }
            }
            _ => assert_eq!(resumption, Resumption::Fresh),
        }
        self.clients.push(client);
    }

    fn check_resumption(&self, client: &Client, resumption: Resumption) {
        let missed = self.missed(client);
        match resumption {
            Resumption::Exact => assert_eq!(missed, 0),
            Resumption::Gap {
                missed: count,
                cause: GapCause::Evicted,
            } => match count {
                Some(count) => assert_eq!((count, count > 0), (missed, true)),
                None => assert!(self.is_forgotten(client.position)),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Gives an open stream another filter: its tags apply from where the stream is.
    fn narrow(&mut self, index: usize, tags: u8) {
        let (filter, since) = self.filter(tags, 0);
        let mut client = self.clients.swap_remove(index);
        if !client.waits {
            // Once it has been polled, it begins nowhere anew.
            self.read_of(&mut client);
        }
        let stream = *Pin::into_inner(client.stream);
        client.stream = Box::pin(stream.only(&filter));
        client.filter = Some((filter, since));
        client.waits = false;
        self.clients.push(client);
    }

    fn filter(&self, tags: u8, since: u64) -> (Filter, [Option<u64>; 3]) {
        let chosen = [0, 1, 2].map(|tag| (tags >> tag) & 1 == 1);
        let names = TAGS.iter().zip(chosen).filter(|(_, chosen)| *chosen);
        let filter = self.topic.filter(names.map(|(name, _)| *name)).unwrap();
        (filter, chosen.map(|chosen| chosen.then_some(since)))
    }

    fn read(&mut self, index: usize) {
        let mut client = self.clients.swap_remove(index);
        self.read_of(&mut client);
        self.clients.push(client);
    }

    /// Reads all that is there, and compares it.
    fn read_of(&mut self, client: &mut Client) {
        self.expire();
        let waker = Waker::from(Arc::clone(&client.woken));
        let mut cx = Context::from_waker(&waker);
        let mut sent = String::new();
        while let Poll::Ready(chunk) = client.stream.as_mut().poll_next(&mut cx) {
            let chunk = chunk.expect("the topic is open");
            sent.push_str(str::from_utf8(&chunk).unwrap());
        }
        client.waits = true;
        client.woken.0.store(false, Ordering::Relaxed);
        let missed = self.missed(client);
        let mut expected = std::mem::take(&mut client.first_gap);
        let unknown = gap(None);
        if sent[expected.len()..].starts_with(&unknown) && self.is_forgotten(client.position) {
            expected.push_str(&unknown);
            client.position = client.position.max(self.oldest());
        } else if missed > 0 {
            expected.push_str(&gap(Some(missed)));
            client.position = client.position.max(self.oldest());
        }
        let position = client.position;
        let wanted = self
            .retained()
            .filter(|held| held.number >= position && client.wants(held));
        let mut after = position;
        for Held { number, .. } in wanted {
            write!(expected, "id: e-{number}\ndata: {number}\n\n").unwrap();
            after = number + 1;
        }
        assert_eq!(sent, expected);
        client.position = after;
        if client.filter.is_none() {
            client.position = self.next();
        }
    }

    /// How many messages a client missed that it wanted.
    fn missed(&self, client: &Client) -> u64 {
        let missed = |held: &&Held| {
            held.fate == Fate::Evicted && held.number >= client.position && client.wants(held)
        };
        self.messages.iter().filter(missed).count() as u64
    }

    /// Whether more was evicted since this position than is counted by tag.
    fn is_forgotten(&self, position: u64) -> bool {
        let evicted = |held: &&Held| {
            held.fate == Fate::Evicted && held.tag.is_some() && held.number >= position
        };
        self.messages.iter().filter(evicted).count() > COUNTED
    }

    fn expire(&mut self) {
        let now = self.now;
        let expired = |held: &&mut Held| {
            held.fate == Fate::Retained && held.expires.is_some_and(|at| at <= now)
        };
        self.messages
            .iter_mut()
            .filter(expired)
            .for_each(|held| held.fate = Fate::Gone);
    }

    fn retained(&self) -> impl Iterator<Item = &Held> {
        self.messages
            .iter()
            .filter(|held| held.fate == Fate::Retained)
    }

    fn oldest(&self) -> u64 {
        self.retained()
            .next()
            .map_or(self.next(), |held| held.number)
    }

    fn next(&self) -> u64 {
        self.messages.len() as u64 + 1
    }
}

fn gap(missed: Option<u64>) -> String {
    let count = missed.map_or("null".to_owned(), |missed| missed.to_string());
    format!("event: gap\ndata: {{\"missed\":{count},\"cause\":\"evicted\"}}\n\n")
}
