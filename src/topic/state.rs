use core::task::Waker;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::TopicStats;
use super::publish::{PublishError, Published};
use super::resume::{GapCause, Resumption, Start};
use crate::message::LastEventId;
use crate::message::Message;
use crate::message::id::{Epoch, Id, Read};
use crate::ordered::{Key, Ordered};
use crate::source::{Limit, TooManyStreams};
use crate::time::Deadline;
use crate::topic::log::{Log, MOST_AT_ONCE, Retention};
use crate::wake::wake;
use crate::wakers::{Old, Places, WakerList, WakerSet};

#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) retention: Retention,
    pub(super) scheduled: usize,
    pub(super) streams: usize,
}

/// A message that is not due yet.
pub(super) struct Scheduled {
    pub(super) frame: Bytes,
    /// `EPOCH-dSEQ`, or the event's own.
    pub(super) id: Arc<str>,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    Closed,
    Aborted,
}

/// What one stream keeps of itself. Its place in the log is all there is: nothing is queued for it.
#[derive(Debug)]
pub(super) struct Cursor {
    /// Where it waits; while it is open no other stream has this place.
    place: usize,
    /// The number of the message that it reads next.
    position: u64,
    /// Where the burst ends that it is reading: what was there when it began.
    target: u64,
}

impl Cursor {
    /// Whether the burst that it is reading goes on.
    pub(super) fn is_in_burst(&self) -> bool {
        self.position < self.target
    }
}

/// Whatever is behind the topic's lock.
///
/// Before each step the log is brought up to the time: what fell due enters, what is beyond the
/// bounds leaves. [`settle`](Self::settle) follows it and wakes whoever must act on it.
pub(super) struct State {
    bounds: Bounds,
    epoch: Epoch,
    log: Log,
    scheduled: Ordered<Scheduled>,
    /// The ids of the scheduled messages, with their arrivals.
    scheduled_ids: BTreeSet<(Arc<str>, u64)>,
    scheduled_bytes: u64,
    /// How many ids of the second series were given.
    last_delayed: u64,
    arrivals: u64,
    /// The time of the last step.
    latest: SystemTime,
    /// What the streams that keep up read next, or all of them read last.
    tail: Option<Tail>,
    places: Places,
    waiting: WakerSet,
    /// Streams that want to hear of the end alone.
    parked: WakerList,
    /// The place of the waiting stream that arms for the next due time, and the time that it knows
    /// of.
    timekeeper: Option<(usize, Deadline)>,
    /// The number up to which the waiting streams have been woken.
    told: u64,
    told_end: bool,
    has_handles: bool,
    phase: Phase,
    stats: TopicStats,
}

/// The newest messages in one chunk, as the first stream has read it that kept up. Nothing has
/// changed since, and nothing does as time goes by: whoever is at its start may take it as it is.
struct Tail {
    from: u64,
    messages: u64,
    chunk: Bytes,
}

/// What a look at the log came to.
pub(super) enum Taken {
    Chunk(Bytes),
    /// This many messages were evicted before the stream read them.
    Lagged(u64),
    /// Whatever was read had expired; there may be more.
    Again,
    Nothing,
    End,
}

impl State {
    pub(super) fn new(bounds: Bounds, epoch: Epoch, now: SystemTime) -> Self {
        Self {
            bounds,
            epoch,
            log: Log::new(bounds.retention),
            scheduled: Ordered::default(),
            scheduled_ids: BTreeSet::new(),
            scheduled_bytes: 0,
            last_delayed: 0,
            arrivals: 0,
            latest: now,
            tail: None,
            places: Places::default(),
            waiting: WakerSet::default(),
            parked: WakerList::default(),
            timekeeper: None,
            told: 1,
            told_end: false,
            has_handles: true,
            phase: Phase::Open,
            stats: TopicStats::default(),
        }
    }

    /// The time of a step whose reading of the clock is `now`: never before that of the last one.
    pub(super) fn time(&mut self, now: Option<SystemTime>) -> SystemTime {
        self.latest = now.map_or(self.latest, |now| now.max(self.latest));
        self.latest
    }

    /// Whether anything changes as time goes by: what is scheduled, expires or ages.
    pub(super) fn is_timed(&self) -> bool {
        self.scheduled.len() > 0 || self.log.is_timed()
    }

    /// Brings the log up to the time, a bounded number of messages in one call; returns whether
    /// there is more to do.
    pub(super) fn catch_up(&mut self, now: SystemTime, effects: &mut Effects) -> bool {
        if !self.is_closed() {
            for _ in 0..MOST_AT_ONCE {
                if !self.enter_first(now, effects) {
                    return self.log.trim(now);
                }
            }
        }
        self.log.trim(now) || !self.is_closed()
    }

    /// Lets the first scheduled message enter the log, if it is due.
    fn enter_first(&mut self, now: SystemTime, effects: &mut Effects) -> bool {
        let Some((key, expires, _)) = self.scheduled.head() else {
            return false;
        };
        if !key.due.has_come(now) {
            return false;
        }
        let Some((key, _, message)) = self.scheduled.pop() else {
            return false;
        };
        self.strike_off(key.seq, &message);
        if expires.has_come(now) {
            self.stats.expired = self.stats.expired.saturating_add(1);
        } else {
            let id = Some(message.id);
            // However late somebody looks, it came when it was due.
            let came = key.due.time().unwrap_or(now);
            self.log.append([b"", &message.frame], id, expires, came);
        }
        effects.frames.push(message.frame);
        true
    }

    pub(super) fn publish(
        &mut self,
        message: Message,
        now: SystemTime,
        effects: &mut Effects,
    ) -> Result<Published, PublishError> {
        if self.is_closed() {
            return Err(PublishError::Closed(message));
        }
        self.tail = None;
        let due = message.due(now);
        let is_due = due.has_come(now);
        let own_id: Option<Arc<str>> = message.event().event_id().map(Arc::from);
        if message.is_returned()
            && let Some(id) = &own_id
        {
            if self.newest_scheduled(id).is_some() || self.log.number_of(id).is_some() {
                return Err(PublishError::DuplicateId(message));
            }
            if let Read::Delayed(number) = self.epoch.read(id) {
                self.last_delayed = self.last_delayed.max(number);
            }
        }
        let id = match &own_id {
            Some(id) => Id::own(Arc::clone(id)),
            None if is_due => self.epoch.id(self.log.next()),
            None => self.epoch.delayed_id(self.last_delayed.saturating_add(1)),
        };
        let needs_id = own_id.is_none() && message.event().has_data;
        let line = IdLine::new(if needs_id { id.as_str() } else { "" });
        let len = message.event().frame().len();
        let len = len.saturating_add(line.as_bytes().len());
        // As it enters the log, what is scheduled has its id as one of its own.
        let logged_id = if is_due {
            own_id.as_deref()
        } else {
            Some(id.as_str())
        };
        if !self.log.fits(len, logged_id) {
            return Err(PublishError::TooLarge(message));
        }
        let len = to_u64(len);
        let expires = message.expires(due);
        if is_due {
            let parts = [line.as_bytes(), message.event().frame()];
            self.log.append(parts, own_id, expires, now);
            // Should more than this be beyond the bounds, the next step comes to it first.
            self.log.trim(now);
            effects.frames.push(message.into_event().encode());
        } else {
            let bytes = self.scheduled_bytes.saturating_add(len);
            let has_room = bytes <= self.bounds.retention.bytes
                && self.scheduled.len() < self.bounds.scheduled;
            if !has_room {
                return Err(PublishError::Full(message));
            }
            self.schedule(message, needs_id, own_id, &id, due, expires, now);
        }
        self.stats.published = self.stats.published.saturating_add(1);
        Ok(Published {
            id,
            streams: self.stats.streams,
            retained: self.log.len(),
        })
    }

    #[expect(clippy::too_many_arguments, reason = "what publish has worked out")]
    fn schedule(
        &mut self,
        mut message: Message,
        needs_id: bool,
        own_id: Option<Arc<str>>,
        id: &Id,
        due: Deadline,
        expires: Deadline,
        now: SystemTime,
    ) {
        if own_id.is_none() {
            self.last_delayed = self.last_delayed.saturating_add(1);
        }
        if needs_id {
            message.event_mut().put_id(id.as_str().as_bytes());
        }
        let id = own_id.unwrap_or_else(|| Arc::from(id.as_str()));
        let frame = message.into_event().encode();
        self.scheduled_bytes = more(self.scheduled_bytes, frame.len());
        self.arrivals = self.arrivals.saturating_add(1);
        let seq = self.arrivals;
        self.scheduled_ids.insert((Arc::clone(&id), seq));
        let item = Scheduled { frame, id };
        self.scheduled.insert(Key { due, seq }, expires, item, now);
    }

    /// Takes a scheduled message back.
    pub(super) fn cancel(&mut self, id: &str, effects: &mut Effects) -> bool {
        let Some(seq) = self.newest_scheduled(id) else {
            return false;
        };
        let Some((_, _, message)) = self.scheduled.remove(seq) else {
            return false;
        };
        self.strike_off(seq, &message);
        self.stats.withdrawn = self.stats.withdrawn.saturating_add(1);
        effects.frames.push(message.frame);
        true
    }

    pub(super) fn take_scheduled(&mut self) -> Ordered<Scheduled> {
        let count = u64::try_from(self.scheduled.len()).unwrap_or(u64::MAX);
        self.stats.withdrawn = self.stats.withdrawn.saturating_add(count);
        self.scheduled_bytes = 0;
        self.scheduled_ids.clear();
        core::mem::take(&mut self.scheduled)
    }

    pub(super) fn subscribe(
        &mut self,
        start: Start,
    ) -> Result<(Cursor, Resumption), TooManyStreams> {
        let limit = self.bounds.streams;
        if self.stats.streams >= limit {
            return Err(TooManyStreams { limit });
        }
        let next = self.log.next();
        let oldest = self.log.oldest();
        let (position, resumption) = match start {
            Start::Now => (next, Resumption::Fresh),
            Start::Oldest => (oldest, Resumption::Fresh),
            Start::Last(count) => (next.saturating_sub(count).max(oldest), Resumption::Fresh),
            Start::After(id) if id.as_str() == Some("") => (next, Resumption::Fresh),
            Start::After(id) => match self.resume(&id) {
                Ok(position) => (position, Resumption::Exact),
                Err((missed, cause)) => (oldest, Resumption::Gap { missed, cause }),
            },
        };
        if let Resumption::Gap { .. } = resumption {
            self.stats.gaps = self.stats.gaps.saturating_add(1);
        }
        self.stats.streams = self.stats.streams.saturating_add(1);
        let cursor = Cursor {
            place: self.places.take(),
            position,
            target: position,
        };
        Ok((cursor, resumption))
    }

    /// Where to go on after an id, or how many messages were missed and why.
    fn resume(&self, id: &LastEventId) -> Result<u64, (Option<u64>, GapCause)> {
        let Some(id) = id.as_str() else {
            return Err((None, GapCause::Malformed));
        };
        if let Some(number) = self.log.number_of(id) {
            return Ok(number.saturating_add(1));
        }
        match self.epoch.read(id) {
            Read::Numbered(number) if number >= self.log.next() => Err((None, GapCause::Future)),
            Read::Numbered(number) => {
                let position = number.saturating_add(1);
                match self.log.missed(position) {
                    Some(0) => Ok(position),
                    missed => Err((missed, GapCause::Evicted)),
                }
            }
            // What waits to fall due was not seen by anybody.
            Read::Delayed(number)
                if number == 0
                    || number > self.last_delayed
                    || self.newest_scheduled(id).is_some() =>
            {
                Err((None, GapCause::Future))
            }
            Read::Delayed(_) => Err((None, GapCause::Evicted)),
            Read::Foreign => Err((None, GapCause::ForeignEpoch)),
            Read::Other => Err((None, GapCause::Unknown)),
        }
    }

    pub(super) fn unsubscribe(&mut self, cursor: &Cursor, effects: &mut Effects) {
        self.resign(cursor);
        effects.old = self.waiting.remove(cursor.place);
        effects.older = self.parked.remove(cursor.place);
        self.places.give_back(cursor.place);
        self.stats.streams = self.stats.streams.saturating_sub(1);
    }

    /// Reads what is there at the cursor.
    pub(super) fn take(&mut self, cursor: &mut Cursor, limit: Limit, is_batch: bool) -> Taken {
        if self.is_aborted() {
            return Taken::End;
        }
        let oldest = self.log.oldest();
        let missed = self.log.missed(cursor.position);
        let lag = missed.unwrap_or(oldest.saturating_sub(cursor.position));
        cursor.position = cursor.position.max(oldest);
        if lag > 0 {
            self.stats.lagged = self.stats.lagged.saturating_add(1);
            return Taken::Lagged(lag);
        }
        if cursor.position >= self.log.next() {
            return if self.is_over() {
                Taken::End
            } else {
                Taken::Nothing
            };
        }
        let before = cursor.position;
        if cursor.target <= before {
            // On a grid, a burst has as many messages as a tick allows.
            let batch = u64::try_from(limit.messages.max(1)).unwrap_or(u64::MAX);
            let most = if is_batch { batch } else { u64::MAX };
            cursor.target = before.saturating_add(most).min(self.log.next());
        }
        let left = cursor.target.saturating_sub(before);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let limit = Limit::new(limit.bytes, left.min(limit.messages));
        match self.log.read(&mut cursor.position, limit) {
            Some(read) => {
                let chunk = read.chunk;
                self.stats.delivered = self.stats.delivered.saturating_add(read.messages);
                // Over a hole the numbers do not say how many messages there are.
                if read.messages == cursor.position.saturating_sub(before) {
                    self.note_tail(before, cursor.position, &chunk);
                }
                Taken::Chunk(chunk)
            }
            None => Taken::Again,
        }
    }

    /// Keeps what was read for others, if it is the newest that there is and stays so. Of two such,
    /// the shorter: those who keep up are many.
    fn note_tail(&mut self, from: u64, to: u64, chunk: &Bytes) {
        let is_longer = |tail: &Tail| from <= tail.from;
        let is_last = to == self.log.next() && !self.is_timed() && !self.is_over();
        if is_last && !self.tail.as_ref().is_some_and(is_longer) {
            self.tail = Some(Tail {
                from,
                messages: to.saturating_sub(from),
                chunk: chunk.clone(),
            });
        }
    }

    /// Takes what is there at the cursor and waits ahead, as [`take`](Self::take) and
    /// [`wait_ahead`](Self::wait_ahead) do, where both are known to come to what they did for the
    /// stream before. Most streams keep up, so this is what most calls come to. Who waits busily is
    /// noted already; and the timekeeper, if there is one, has read all.
    pub(super) fn take_tail(
        &mut self,
        cursor: &mut Cursor,
        waker: &Waker,
        limit: Limit,
    ) -> Option<Bytes> {
        let tail = self.tail.as_ref()?;
        let is_here = cursor.position == tail.from && !cursor.is_in_burst();
        let fits = tail.chunk.len() <= limit.bytes && tail.messages <= to_u64(limit.messages);
        if !(is_here && fits && self.waiting.put_again(cursor.place, waker)) {
            return None;
        }
        cursor.position = tail.from.saturating_add(tail.messages);
        cursor.target = cursor.position;
        self.stats.delivered = self.stats.delivered.saturating_add(tail.messages);
        let chunk = tail.chunk.clone();
        self.parked.pause(cursor.place);
        Some(chunk)
    }

    /// Whether a stream would take something, or its end.
    pub(super) fn is_due(&self, cursor: &Cursor) -> bool {
        self.is_aborted() || self.is_over() || cursor.position < self.log.next()
    }

    /// Waits for the next message.
    pub(super) fn wait(&mut self, cursor: &Cursor, waker: &Waker, effects: &mut Effects) {
        effects.old = self.waiting.put(cursor.place, waker);
        effects.older = self.parked.pause_for(cursor.place, waker);
    }

    /// Waits for the next message already as the stream takes the last that there is, so that it
    /// need not come back to the lock only to wait; else leaves the wait set. Where time plays a
    /// part it leaves: who waits may have to keep the time, which a busy stream does not.
    pub(super) fn wait_ahead(
        &mut self,
        cursor: &Cursor,
        waker: &Waker,
        effects: &mut Effects,
    ) -> bool {
        if self.is_due(cursor) || self.is_timed() {
            self.leave(cursor);
            return false;
        }
        self.resign(cursor);
        self.wait(cursor, waker, effects);
        self.waiting.note_busy();
        true
    }

    /// Whether this waiting stream is the one that must look when the next message falls due. It is
    /// if nobody else is.
    pub(super) fn keep_time(&mut self, cursor: &Cursor) -> bool {
        let is_other = |(keeper, _): (usize, Deadline)| keeper != cursor.place;
        if self.is_closed() || self.timekeeper.is_some_and(is_other) {
            return false;
        }
        // Without a next one there is no time to keep; else nobody would be told of the next.
        let next = self.scheduled.head().map(|(key, ..)| key.due);
        self.timekeeper = next.map(|due| (cursor.place, due));
        self.timekeeper.is_some()
    }

    /// When the next message falls due, for the timekeeper.
    pub(super) fn deadline(&self, cursor: &Cursor) -> Option<SystemTime> {
        let (keeper, due) = self.timekeeper?;
        (keeper == cursor.place).then(|| due.time()).flatten()
    }

    /// Leaves the wait set, and keeps no waker: the caller polls by hand.
    pub(super) fn leave_for_good(&mut self, cursor: &Cursor, effects: &mut Effects) {
        self.resign(cursor);
        effects.old = self.waiting.remove(cursor.place);
        effects.older = self.parked.remove(cursor.place);
    }

    /// Leaves the wait set.
    pub(super) fn leave(&mut self, cursor: &Cursor) {
        self.resign(cursor);
        self.waiting.pause(cursor.place);
        self.parked.pause(cursor.place);
    }

    /// Leaves the wait set, to be woken by the end alone.
    pub(super) fn park(&mut self, cursor: &Cursor, waker: &Waker, effects: &mut Effects) {
        self.resign(cursor);
        self.waiting.pause(cursor.place);
        effects.older = self.parked.put(cursor.place, waker);
    }

    pub(super) fn close(&mut self) {
        self.tail = None;
        self.phase = self.phase.max(Phase::Closed);
    }

    pub(super) fn abort(&mut self) {
        self.tail = None;
        self.phase = Phase::Aborted;
        self.told_end = false;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.phase >= Phase::Closed
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.phase == Phase::Aborted
    }

    /// The last handle is gone: nobody can send any more.
    pub(super) fn drop_handles(&mut self) {
        self.tail = None;
        self.has_handles = false;
    }

    pub(super) fn stats(&self, now: SystemTime) -> TopicStats {
        TopicStats {
            retained: self.log.len(),
            bytes: self.log.bytes(),
            scheduled: self.scheduled.len(),
            next_due: self
                .scheduled
                .head()
                .and_then(|(key, ..)| key.due.after(now)),
            ..self.stats
        }
    }

    /// Wakes whoever must act on the last step.
    pub(super) fn settle(&mut self, effects: &mut Effects) {
        if self.is_over() && !self.told_end {
            self.told_end = true;
            self.wake_all(effects);
            effects.ending = core::mem::take(&mut self.parked);
        }
        if self.told < self.log.next() {
            self.told = self.log.next();
            if !self.waiting.is_empty() {
                effects.has_news = true;
                self.wake_all(effects);
            }
        }
        if !self.waiting.is_empty() && !self.is_closed() {
            self.settle_time(effects);
        }
    }

    /// If something falls due later, one waiting stream shall know when.
    fn settle_time(&mut self, effects: &mut Effects) {
        let Some((key, ..)) = self.scheduled.head() else {
            return;
        };
        match &mut self.timekeeper {
            Some((_, known)) if *known <= key.due => {}
            Some((place, known)) => {
                *known = key.due;
                effects.one = self.waiting.nudge(*place);
            }
            None if self.waiting.some_are_busy() => self.wake_all(effects),
            // Whoever it is finds that nobody keeps the time, and does.
            None => effects.one = self.waiting.nudge_one(),
        }
    }

    fn wake_all(&mut self, effects: &mut Effects) {
        effects.many = Some(self.waiting.take_all());
        self.timekeeper = None;
    }

    /// Takes an emptied list of wakers back.
    ///
    /// Returns what is to be dropped. After the end that is all: a task whose waker is kept could
    /// keep itself alive.
    pub(super) fn give_back(&mut self, list: WakerList) -> (Vec<Option<Waker>>, Option<WakerSet>) {
        let old = self.waiting.give_back(list);
        let rest = self.told_end.then(|| core::mem::take(&mut self.waiting));
        (old, rest)
    }

    /// Strikes a message off that is not scheduled any more.
    fn strike_off(&mut self, seq: u64, message: &Scheduled) {
        self.scheduled_bytes = less(self.scheduled_bytes, message.frame.len());
        self.scheduled_ids.remove(&(Arc::clone(&message.id), seq));
    }

    /// The newest scheduled message with this id.
    fn newest_scheduled(&self, id: &str) -> Option<u64> {
        let id: Arc<str> = Arc::from(id);
        let of_this_id = (Arc::clone(&id), 0)..=(id, u64::MAX);
        let (_, newest) = self.scheduled_ids.range(of_this_id).next_back()?;
        Some(*newest)
    }

    /// Whether nothing will enter the log any more.
    fn is_over(&self) -> bool {
        let waits_in_vain = |(key, ..): (Key, _, _)| key.due == Deadline::Never;
        self.is_closed() || (!self.has_handles && self.scheduled.head().is_none_or(waits_in_vain))
    }

    fn resign(&mut self, cursor: &Cursor) {
        let is_this = |(keeper, _): (usize, Deadline)| keeper == cursor.place;
        if self.timekeeper.is_some_and(is_this) {
            self.timekeeper = None;
        }
    }
}

/// The line that sets an id, or nothing.
struct IdLine {
    line: [u8; 48],
    len: usize,
}

impl IdLine {
    fn new(id: &str) -> Self {
        let mut line = [0; 48];
        let mut len = 0_usize;
        let parts: [&[u8]; 3] = if id.is_empty() {
            [b""; 3]
        } else {
            [b"id: ", id.as_bytes(), b"\n"]
        };
        for part in parts {
            let end = len.saturating_add(part.len());
            if let Some(place) = line.get_mut(len..end) {
                place.copy_from_slice(part);
            }
            len = end;
        }
        Self { line, len }
    }

    fn as_bytes(&self) -> &[u8] {
        self.line.get(..self.len).unwrap_or_default()
    }
}

/// What a step leaves to be done outside the lock: wakers and frames run code of others when they
/// are woken or dropped.
#[derive(Default)]
pub(super) struct Effects {
    /// Those who are woken have something to read.
    pub(super) has_news: bool,
    many: Option<WakerList>,
    ending: WakerList,
    one: Option<Waker>,
    old: Old,
    older: Option<Waker>,
    frames: Frames,
}

/// Frames to be dropped; a step mostly leaves one.
#[derive(Default)]
struct Frames {
    first: Option<Bytes>,
    rest: Vec<Bytes>,
}

impl Frames {
    fn push(&mut self, frame: Bytes) {
        match self.first {
            None => self.first = Some(frame),
            Some(_) => self.rest.push(frame),
        }
    }
}

impl Effects {
    /// Whether streams that wait for messages are woken.
    pub(super) fn wakes_streams(&self) -> bool {
        self.one.is_some() || self.many.is_some()
    }

    /// Wakes; returns the list of those who waited, to be given back.
    pub(super) fn run(&mut self) -> Option<WakerList> {
        let mut many = self.many.take();
        if let Some(many) = &mut many {
            many.wake_all();
        }
        self.ending.wake_all();
        if let Some(waker) = self.one.take() {
            wake(waker);
        }
        many
    }
}

fn more(sum: u64, len: usize) -> u64 {
    sum.saturating_add(to_u64(len))
}

fn less(sum: u64, len: usize) -> u64 {
    sum.saturating_sub(to_u64(len))
}

fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
