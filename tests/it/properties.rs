//! Properties: what goes in comes out, and the queue equals a sorted list.

mod delivery;
mod topic;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use eventsource_stream::Eventsource;
use futures_util::stream::{self, StreamExt};
use proptest::collection::vec;
use proptest::prelude::*;
use sse_queue::{Event, FakeClock, Message, Overflow, PushError, PushWhenReady, Queue};

use crate::support::parser::{Parsed, Seen, parse};
use crate::support::{QueueStream, Task, bare, builder, ms};

// Encoding.

/// Text in which what matters is frequent.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop_oneof![Just("\n"), Just("\r"), Just("\r\n"), Just("\n\r")],
        4 => prop_oneof![Just(" "), Just(":"), Just("data"), Just("id: 1"), Just("\u{feff}")],
        2 => prop_oneof![Just("\0"), Just("\u{85}"), Just("\u{2028}"), Just("\x0b"), Just("")],
    ];
    let piece =
        prop_oneof![2 => piece.prop_map(str::to_owned), 1 => ".{0,40}", 1 => "[a-z]{0,300}"];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// The text as a client gets it: every line end as LF.
fn with_lf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn line() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.replace(['\r', '\n'], "-"))
}

fn id() -> impl Strategy<Value = String> {
    line().prop_map(|line| line.replace('\0', "-"))
}

prop_compose! {
    fn event()(
        data in text(),
        name in proptest::option::of(line()),
        id in proptest::option::of(id()),
        retry in proptest::option::of(any::<u64>()),
    ) -> (Event, Seen) {
        let mut event = Event::new(&data);
        if let Some(name) = &name {
            event = event.name(name).unwrap();
        }
        if let Some(id) = &id {
            event = event.id(id).unwrap();
        }
        if let Some(retry) = retry {
            event = event.retry(Duration::from_millis(retry));
        }
        let name = name.filter(|name| !name.is_empty());
        let seen = Seen {
            name: name.unwrap_or_else(|| "message".to_owned()),
            data: with_lf(&data),
            last_event_id: id.unwrap_or_default(),
        };
        (event, seen)
    }
}

/// The events that the published parser makes of the stream in these chunks.
fn published(chunks: Vec<Bytes>) -> Vec<(String, String, String)> {
    let chunks = stream::iter(chunks.into_iter().map(Ok::<_, Infallible>));
    let events = chunks.eventsource().map(Result::unwrap);
    let mut events = std::pin::pin!(events);
    let mut seen = Vec::new();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    while let Poll::Ready(Some(event)) = events.poll_next_unpin(&mut cx) {
        seen.push((event.event, event.data, event.id));
    }
    seen
}

fn cut(bytes: &Bytes, cuts: &[prop::sample::Index]) -> Vec<Bytes> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|at| bytes.slice(at[0]..at[1]))
        .collect()
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn whatever_goes_in_comes_out(events in vec(event(), 1..5)) {
        let mut bytes = bytes::BytesMut::new();
        let mut id = String::new();
        let mut expected = Vec::new();
        for (event, mut seen) in events {
            if event.event_id().is_some() {
                id.clone_from(&seen.last_event_id);
            }
            seen.last_event_id.clone_from(&id);
            event.encode_into(&mut bytes);
            expected.push(seen);
        }
        let parsed = parse(&bytes);
        prop_assert_eq!(parsed.ignored, 0);
        prop_assert_eq!(parsed.events, expected);
    }

    #[test]
    fn any_chunking_gives_the_same_events(
        events in vec(event(), 1..4),
        cuts in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut bytes = bytes::BytesMut::new();
        let mut expected = Vec::new();
        for (event, seen) in &events {
            event.encode_into(&mut bytes);
            expected.push((seen.name.clone(), seen.data.clone()));
        }
        let bytes = bytes.freeze();
        let seen = published(cut(&bytes, &cuts));
        let seen: Vec<_> = seen.into_iter().map(|(name, data, _)| (name, data)).collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn writing_in_pieces_equals_one_text(pieces in vec(text(), 0..6)) {
        let mut event = Event::new("");
        for piece in &pieces {
            event.write_str(piece).unwrap();
        }
        prop_assert_eq!(event, Event::new(pieces.concat()));
    }

    #[test]
    fn a_comment_is_nothing_but_comments(text in text()) {
        let bytes = Event::comment(&text).encode();
        let lines = with_lf(&text).split('\n').count();
        let nothing = Parsed { comments: lines, ..Parsed::default() };
        prop_assert_eq!(parse(&bytes), nothing);
    }

    #[test]
    fn a_frame_of_ours_is_accepted_unchanged((event, _) in event()) {
        let again = Event::from_frame(event.clone().encode()).unwrap();
        prop_assert_eq!(&again, &event);
        prop_assert_eq!(again.event_id(), event.event_id());
        prop_assert_eq!(again.event_name(), event.event_name());
    }

    #[test]
    fn an_accepted_frame_means_the_same_event(frame in foreign_frame(), more in text()) {
        let Ok(event) = Event::from_frame(frame.clone()) else {
            return Ok(());
        };
        let theirs = parse(frame.as_bytes());
        let ours = parse(&event.clone().encode());
        prop_assert!(ours.events.len() <= 1);
        prop_assert_eq!(&ours, &theirs);

        // What is written to it goes behind its data, and changes nothing else.
        let mut event = event;
        event.write_str(&more).unwrap();
        let written = parse(&event.encode());
        let before = theirs.events.first().map_or("", |event| &event.data);
        prop_assert_eq!(&written.events[0].data, &format!("{before}{}", with_lf(&more)));
        prop_assert_eq!(written.ignored, 0);
    }
}

/// Lines such as a server might send, right and wrong.
fn foreign_frame() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        6 => prop_oneof![Just("data"), Just("data:"), Just("data: x"), Just("data:x"), Just("data:  ")],
        3 => prop_oneof![Just("id"), Just("id: 7"), Just("id:\0"), Just("event: a"), Just("event:")],
        2 => prop_oneof![Just("retry: 5"), Just("retry: x"), Just(": note"), Just(":"), Just("data : x")],
        1 => prop_oneof![Just("\u{feff}data: x"), Just("\u{feff}"), Just("Data: x"), Just("datax")],
    ];
    let end = prop_oneof![Just("\n"), Just("\r"), Just("\r\n")];
    let tail = prop_oneof![6 => Just("\n"), 1 => Just(""), 1 => Just("\r\n"), 1 => Just("\n\n")];
    (vec((line, end), 0..7), tail).prop_map(|(lines, tail)| {
        let lines = lines.into_iter().map(|(line, end)| format!("{line}{end}"));
        lines.collect::<String>() + tail
    })
}

// The queue.

#[derive(Clone, Debug)]
enum Step {
    Push {
        delay: Option<u64>,
        ttl: Option<u64>,
        own: Option<u8>,
        len: usize,
    },
    PushWhenReady {
        len: usize,
    },
    DropPush(prop::sample::Index),
    Advance(u64),
    Jump(u64),
    Take,
    Open(Pace),
    Poll(prop::sample::Index),
    Drop(prop::sample::Index),
    Run,
    Cancel(prop::sample::Index),
    CancelOwn(u8),
    Remaining,
    Close,
}

#[derive(Clone, Copy, Debug)]
enum Pace {
    AtOnce { messages: usize },
    Spaced(u64),
    Every { period: u64, batch: usize },
}

fn pace() -> impl Strategy<Value = Pace> {
    prop_oneof![
        (1_usize..4).prop_map(|messages| Pace::AtOnce { messages }),
        (1_u64..20).prop_map(Pace::Spaced),
        (1_u64..20, 1_usize..4).prop_map(|(period, batch)| Pace::Every { period, batch }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let delay = proptest::option::weighted(0.4, 0_u64..40);
    let ttl = proptest::option::weighted(0.3, 0_u64..40);
    let own = proptest::option::weighted(0.2, 0_u8..3);
    prop_oneof![
        12 => (delay, ttl, own, 1_usize..30).prop_map(|(delay, ttl, own, len)| Step::Push { delay, ttl, own, len }),
        3 => (1_usize..30).prop_map(|len| Step::PushWhenReady { len }),
        1 => any::<prop::sample::Index>().prop_map(Step::DropPush),
        6 => (0_u64..15).prop_map(Step::Advance),
        1 => (0_u64..30).prop_map(Step::Jump),
        4 => Just(Step::Take),
        3 => pace().prop_map(Step::Open),
        5 => any::<prop::sample::Index>().prop_map(Step::Poll),
        2 => any::<prop::sample::Index>().prop_map(Step::Drop),
        4 => Just(Step::Run),
        2 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        1 => (0_u8..3).prop_map(Step::CancelOwn),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rare = prop_oneof![6 => Just(None), 1 => Just(Some(Step::Remaining)), 1 => Just(Some(Step::Close))];
    (vec(step(), 1..60), rare, vec(step(), 0..15)).prop_map(|(mut steps, rare, more)| {
        steps.extend(rare);
        steps.extend(more);
        steps
    })
}

#[derive(Clone, Debug)]
struct Entry {
    /// Milliseconds of the world.
    due: u64,
    expires: Option<u64>,
    seq: u64,
    id: String,
    data: String,
    bytes: usize,
}

/// A list, sorted each time that it is looked at. Every promise is its own few lines.
#[derive(Debug, Default)]
struct Naive {
    entries: Vec<Entry>,
    last_seq: u64,
    closed: Option<u64>,
    pushed: u64,
    delivered: u64,
    dropped: u64,
    expired: u64,
    withdrawn: u64,
}

const MESSAGES: usize = 6;
const BYTES: usize = 1_300;

impl Naive {
    fn expire(&mut self, now: u64) {
        let before = self.entries.len();
        self.entries
            .retain(|entry| entry.expires.is_none_or(|at| at > now));
        self.expired += (before - self.entries.len()) as u64;
    }

    fn has_room(&self, bytes: usize) -> bool {
        let held: usize = self.entries.iter().map(|entry| entry.bytes).sum();
        self.entries.len() < MESSAGES && held + bytes <= BYTES
    }

    fn first(&self) -> Option<usize> {
        (0..self.entries.len()).min_by_key(|at| (self.entries[*at].due, self.entries[*at].seq))
    }

    /// The frame's bytes, or `None` where it is refused.
    fn push(
        &mut self,
        now: u64,
        overflow: Overflow,
        step: (u64, Option<u64>, Option<String>, String),
    ) -> bool {
        let (delay, ttl, own, data) = step;
        let seq = self.last_seq + 1;
        let of_own_id = own.as_ref().map_or(0, |own| own.len() + 64);
        let id = own.unwrap_or_else(|| format!("e-{seq}"));
        let frame = format!("id: {id}\ndata: {data}\n\n");
        let bytes = frame.len() + 192 + of_own_id;
        if self.closed.is_some() {
            return false;
        }
        if !self.has_room(bytes) {
            self.expire(now);
        }
        while !self.has_room(bytes) {
            if overflow == Overflow::Reject {
                return false;
            }
            let first = self.first().unwrap();
            self.entries.remove(first);
            self.dropped += 1;
        }
        self.last_seq = seq;
        self.pushed += 1;
        let due = now + delay;
        let expires = ttl.map(|ttl| due + ttl);
        self.entries.push(Entry {
            due,
            expires,
            seq,
            id,
            data,
            bytes,
        });
        true
    }

    /// What is due, in order.
    fn due(&mut self, now: u64) -> VecDeque<Entry> {
        self.expire(now);
        let horizon = self.closed.unwrap_or(now);
        let mut due: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| entry.due <= horizon)
            .cloned()
            .collect();
        due.sort_by_key(|entry| (entry.due, entry.seq));
        due.into()
    }

    fn took(&mut self, now: u64, taken: &[Seen]) {
        let mut due = self.due(now);
        for seen in taken {
            let entry = due.pop_front().unwrap();
            assert_eq!((&seen.data, &seen.last_event_id), (&entry.data, &entry.id));
            self.entries.retain(|other| other.seq != entry.seq);
            self.delivered += 1;
        }
    }

    fn cancel(&mut self, id: &str) -> bool {
        let newest = self
            .entries
            .iter()
            .filter(|entry| entry.id == id)
            .max_by_key(|entry| entry.seq);
        let Some(seq) = newest.map(|entry| entry.seq) else {
            return false;
        };
        self.entries.retain(|entry| entry.seq != seq);
        self.withdrawn += 1;
        true
    }
}

struct World {
    clock: FakeClock,
    jumped: u64,
    overflow: Overflow,
    queue: Queue,
    naive: Naive,
    streams: Vec<Task<QueueStream>>,
    line: VecDeque<(Task<PushWhenReady>, String)>,
    number: u64,
    /// Whether a stream may keep a message waiting.
    is_paced: bool,
}

impl World {
    fn new(overflow: Overflow) -> Self {
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

    fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap() + self.jumped
    }

    fn data(&mut self, len: usize) -> String {
        self.number += 1;
        format!("{:0>len$}", self.number)
    }

    #[allow(
        clippy::needless_pass_by_value,
        clippy::too_many_lines,
        reason = "a step is a table"
    )]
    fn step(&mut self, step: Step) {
        let now = self.now();
        match step {
            Step::Push {
                delay,
                ttl,
                own,
                len,
            } => {
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
                    // Those in line come first; a refused push lets expired messages go all the same.
                    assert!(matches!(pushed, Err(PushError::Full(_))));
                }
                if let Err(refused) = pushed {
                    assert_eq!(refused.into_message(), message);
                }
            }
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
            Step::Take => {
                let taken = self.queue.next_ready();
                let taken = taken.map_or(Vec::new(), |frame| parse(&frame).events);
                let is_due = !self.naive.due(now).is_empty();
                assert_eq!(taken.len(), usize::from(is_due));
                self.naive.took(now, &taken);
            }
            Step::Open(pace) => {
                let stream = bare(&self.queue, &self.clock);
                let stream = match pace {
                    Pace::AtOnce { messages } => stream.max_messages(messages),
                    Pace::Spaced(gap) => stream.spaced(ms(gap)),
                    Pace::Every { period, batch } => stream.every(ms(period)).batch(batch),
                };
                let task = Task::new(stream);
                self.is_paced |= !matches!(pace, Pace::AtOnce { .. });
                // As an executor does, it is polled a first time.
                self.streams.push(task);
                self.poll(self.streams.len() - 1);
            }
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
            Step::Remaining => {
                let remaining = self.queue.take_remaining();
                self.naive.expire(now);
                self.naive
                    .entries
                    .sort_by_key(|entry| (entry.due, entry.seq));
                self.naive.withdrawn += self.naive.entries.len() as u64;
                let ids: Vec<_> = remaining.iter().map(sse_queue::Remaining::id).collect();
                let expected: Vec<_> = self.naive.entries.drain(..).map(|entry| entry.id).collect();
                assert_eq!(ids, expected);
            }
            Step::Close => {
                self.queue.close();
                self.naive.closed = Some(now);
            }
        }
    }

    fn cancel(&mut self, id: &str) {
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
    fn poll(&mut self, at: usize) -> bool {
        loop {
            let now = self.now();
            match self.streams[at].poll_next() {
                Poll::Pending => return true,
                Poll::Ready(None) => {
                    assert!(
                        self.naive.closed.is_some(),
                        "it ends, and nobody has closed"
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

    fn poll_push(&mut self, at: usize) {
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

    /// An executor: polls whoever was woken, until nobody is.
    fn run(&mut self) {
        for _ in 0..10_000 {
            if let Some(at) = self.streams.iter().position(|task| task.wakes() > 0) {
                self.poll(at);
            } else if let Some(at) = self.line.iter().position(|(task, _)| task.wakes() > 0) {
                self.poll_push(at);
            } else {
                return;
            }
        }
        panic!("they wake one another for ever");
    }

    fn check_stats(&mut self) {
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

    /// Without pacing, nothing due waits, and somebody looks no later than the next falls due.
    fn keeps_the_time(&mut self) {
        let now = self.now();
        if self.is_paced || self.naive.closed.is_some() {
            return;
        }
        assert!(self.naive.due(now).is_empty(), "it could have gone");
        let next = self.naive.entries.iter().map(|entry| entry.due).min();
        if let Some(next) = next.filter(|_| self.jumped == 0) {
            let armed = self.clock.next_deadline();
            assert!(armed.is_some_and(|armed| armed <= ms(next - now)));
        }
    }

    /// From here on only those are polled who were woken. Nothing may be left lying that is due.
    fn comes_to_rest(&mut self) {
        self.run();
        if self.streams.is_empty() {
            self.step(Step::Open(Pace::AtOnce { messages: 16 }));
        }
        self.run();
        for _ in 0..1000 {
            self.keeps_the_time();
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
                "there is room, and somebody waits for it"
            );
        }
    }
}

proptest! {
    #![proptest_config(config(1024))]

    /// Whatever is done, in which order: the queue gives what the list gives, and then, polling those alone who were
    /// woken, all of it.
    #[test]
    fn the_queue_equals_a_sorted_list_and_loses_no_wake_up(
        steps in steps(),
        overflow in prop_oneof![Just(Overflow::Reject), Just(Overflow::DropOldest)],
    ) {
        let mut world = World::new(overflow);
        for step in steps {
            world.step(step);
            world.check_stats();
        }
        world.comes_to_rest();
        world.check_stats();
    }
}
