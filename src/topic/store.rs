//! The messages of a topic: its log, and those that are not due yet.
//!
//! Pure: no lock, no clock.

mod id_line;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::effects::{Effects, Step};
use super::publish::PublishError;
use super::resume::{GapCause, Resumption, Start};
use crate::message::id::{Epoch, Id, Read as ReadId};
use crate::message::{LastEventId, Message};
use crate::ordered::{Key, Ordered};
use crate::source::Limit;
use crate::time::Deadline;
use crate::topic::log::{Log, Read, Retention};
use id_line::IdLine;

#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) retention: Retention,
    pub(super) scheduled: usize,
    pub(super) streams: usize,
}

/// A message that is not due yet.
#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) frame: Bytes,
    /// `EPOCH-dSEQ`, or the event's own.
    pub(super) id: Arc<str>,
}

/// The log with its scheduled messages: before each step what fell due enters, and what is beyond
/// the bounds leaves.
#[derive(Debug)]
pub(super) struct Store {
    bounds: Bounds,
    epoch: Epoch,
    /// The first number of all: what has a lower one was published before this topic was made.
    first: u64,
    log: Log,
    /// When the newest message entered.
    newest_at: SystemTime,
    scheduled: Ordered<Scheduled>,
    /// The ids of the scheduled messages, with their arrivals.
    scheduled_ids: BTreeSet<(Arc<str>, u64)>,
    scheduled_bytes: u64,
    /// How many ids of the second series were given.
    last_delayed: u64,
    arrivals: u64,
    tail: Option<Tail>,
}

/// The newest messages in one chunk, as the first stream has read it that kept up: nothing has
/// entered since.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) from: u64,
    pub(super) messages: u64,
    pub(super) chunk: Bytes,
    /// When the first of them expires.
    pub(super) expires: Deadline,
}

/// What became of the first scheduled message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    NotDue,
    Entered,
    Expired,
}

/// A message that may be published, and what is known of it.
struct Plan {
    id: Id,
    own_id: Option<Arc<str>>,
    /// The frame has no id yet.
    needs_line: bool,
    /// Of the frame with its id.
    len: u64,
    due: Deadline,
    /// What the id of a message that comes back says.
    returned: Option<ReadId>,
}

impl Store {
    pub(super) fn new(bounds: Bounds, epoch: Epoch, first: u64, now: SystemTime) -> Self {
        let mut log = Log::new(bounds.retention);
        log.skip_to(first);
        Self {
            bounds,
            epoch,
            first,
            log,
            newest_at: now,
            scheduled: Ordered::default(),
            scheduled_ids: BTreeSet::new(),
            scheduled_bytes: 0,
            last_delayed: 0,
            arrivals: 0,
            tail: None,
        }
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn most_streams(&self) -> usize {
        self.bounds.streams
    }

    pub(super) fn scheduled(&self) -> usize {
        self.scheduled.len()
    }

    pub(super) fn newest_at(&self) -> SystemTime {
        self.newest_at
    }

    /// Whether anything changes as time passes: a message is scheduled, expires or ages.
    pub(super) fn is_timed(&self) -> bool {
        self.scheduled.len() > 0 || self.log.is_timed()
    }

    /// When the next message falls due.
    #[inline]
    pub(super) fn next_due(&self) -> Deadline {
        if self.scheduled.len() == 0 {
            return Deadline::Never;
        }
        let head = self.scheduled.head();
        head.map_or(Deadline::Never, |(key, ..)| key.due)
    }

    /// When anything changes next: a message falls due, expires or ages.
    pub(super) fn next_change(&self) -> Deadline {
        self.next_due().min(self.log.next_change())
    }

    /// Lets the first scheduled message enter the log, if it is due.
    pub(super) fn enter_first(&mut self, step: &mut Step) -> First {
        if !self.next_due().has_come(step.now) {
            return First::NotDue;
        }
        let Some((key, expires, message)) = self.scheduled.pop() else {
            return First::NotDue;
        };
        self.unschedule(key.seq, &message);
        let has_expired = expires.has_come(step.now);
        if !has_expired {
            let id = Some(message.id);
            // However late the step, it came when it was due.
            let came = key.due.time().unwrap_or(step.now);
            self.log.append([b"", &message.frame], id, expires, came);
            self.newest_at = step.now;
            self.tail = None;
        }
        step.effects.drop_frame(message.frame);
        if has_expired {
            First::Expired
        } else {
            First::Entered
        }
    }

    /// Lets messages leave that have expired or are beyond the bounds, a bounded number in one step;
    /// returns whether there may be more.
    pub(super) fn trim(&mut self, now: SystemTime) -> bool {
        self.log.trim(now)
    }

    /// Publishes a message; returns its id.
    pub(super) fn publish(
        &mut self,
        message: Message,
        step: &mut Step,
    ) -> Result<Id, PublishError> {
        let mut plan = match self.plan(&message, step.now) {
            Ok(plan) => plan,
            Err(refuse) => return Err(refuse(message)),
        };
        if let Some(ReadId::Delayed(number)) = plan.returned {
            self.last_delayed = self.last_delayed.max(number);
        }
        if plan.due.has_come(step.now) {
            self.append(message, &mut plan, step);
        } else {
            self.schedule(message, &mut plan, step.now);
        }
        Ok(plan.id)
    }

    /// What becomes of a message, or why it is refused.
    fn plan(
        &self,
        message: &Message,
        now: SystemTime,
    ) -> Result<Plan, fn(Message) -> PublishError> {
        let due = message.due(now);
        let is_due = due.has_come(now);
        let mut own_id: Option<Arc<str>> = message.event().event_id().map(Arc::from);
        let mut returned = None;
        if message.is_returned()
            && let Some(id) = &own_id
        {
            let read = self.read_returned(id);
            returned = Some(read.ok_or(PublishError::DuplicateId as fn(_) -> _)?);
        }
        let id = match &own_id {
            Some(id) => Id::own(Arc::clone(id)),
            None if is_due => self.epoch.id(self.log.next()),
            None => self.epoch.delayed_id(self.last_delayed.saturating_add(1)),
        };
        let needs_line = own_id.is_none() && message.event().has_data;
        if let Some(ReadId::Numbered(number)) = returned
            && is_due
            && number >= self.log.next()
        {
            // It gets the number that its id says.
            own_id = None;
        }
        let line = if needs_line {
            IdLine::len_of(id.as_bytes())
        } else {
            0
        };
        let len = message.event().frame().len().saturating_add(line);
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        if len > self.bounds.retention.bytes {
            return Err(PublishError::TooLarge);
        }
        let has_capacity = self.scheduled_bytes.saturating_add(len) <= self.bounds.retention.bytes
            && self.scheduled.len() < self.bounds.scheduled;
        if !is_due && !has_capacity {
            return Err(PublishError::Full);
        }
        Ok(Plan {
            id,
            own_id,
            needs_line,
            len,
            due,
            returned,
        })
    }

    /// What the id of a message that comes back says, or `None` if a message with this id is here.
    fn read_returned(&self, id: &str) -> Option<ReadId> {
        if self.newest_scheduled(id).is_some() || self.log.number_of(id).is_some() {
            return None;
        }
        match self.epoch.read(id) {
            ReadId::Numbered(number) if self.log.is_numbered(number) => None,
            read => Some(read),
        }
    }

    fn append(&mut self, message: Message, plan: &mut Plan, step: &mut Step) {
        self.tail = None;
        if let Some(ReadId::Numbered(number)) = plan.returned {
            self.log.skip_to(number);
        }
        let expires = message.expires(plan.due);
        let line = IdLine::new(if plan.needs_line {
            plan.id.as_bytes()
        } else {
            b""
        });
        let parts = [line.as_bytes(), message.event().frame()];
        self.log
            .append(parts, plan.own_id.take(), expires, step.now);
        self.newest_at = step.now;
        // If more than that is beyond the bounds, the next step goes on with it.
        self.log.trim(step.now);
        step.effects.drop_frame(message.into_event().encode());
    }

    fn schedule(&mut self, mut message: Message, plan: &mut Plan, now: SystemTime) {
        if let Some(ReadId::Numbered(number)) = plan.returned {
            // No other message gets this number while it waits.
            self.log.skip_to(number.saturating_add(1));
            self.tail = None;
        }
        if plan.own_id.is_none() {
            self.last_delayed = self.last_delayed.saturating_add(1);
        }
        if plan.needs_line {
            message.event_mut().put_id(plan.id.as_bytes());
        }
        let expires = message.expires(plan.due);
        let own_id = plan.own_id.take();
        let id = own_id.unwrap_or_else(|| Arc::from(plan.id.as_str()));
        let frame = message.into_event().encode();
        self.scheduled_bytes = self.scheduled_bytes.saturating_add(plan.len);
        self.arrivals = self.arrivals.saturating_add(1);
        let seq = self.arrivals;
        self.scheduled_ids.insert((Arc::clone(&id), seq));
        let key = Key { due: plan.due, seq };
        self.scheduled
            .insert(key, expires, Scheduled { frame, id }, now);
    }

    /// Takes a scheduled message back.
    pub(super) fn cancel(&mut self, id: &str, effects: &mut Effects) -> bool {
        let Some(seq) = self.newest_scheduled(id) else {
            return false;
        };
        let Some((_, _, message)) = self.scheduled.remove(seq) else {
            return false;
        };
        self.unschedule(seq, &message);
        effects.drop_frame(message.frame);
        true
    }

    pub(super) fn take_scheduled(&mut self) -> Ordered<Scheduled> {
        self.scheduled_bytes = 0;
        self.scheduled_ids.clear();
        core::mem::take(&mut self.scheduled)
    }

    /// Where a stream begins.
    pub(super) fn position(&self, start: &Start) -> (u64, Resumption) {
        let next = self.log.next();
        let oldest = self.log.oldest();
        match start {
            Start::Now => (next, Resumption::Fresh),
            Start::Oldest => (oldest, Resumption::Fresh),
            Start::Last(count) => (next.saturating_sub(*count).max(oldest), Resumption::Fresh),
            Start::After(id) if id.as_str() == Some("") => (next, Resumption::Fresh),
            Start::After(id) => match self.resume(id) {
                Ok(position) => (position, Resumption::Exact),
                Err((missed, cause)) => (oldest, Resumption::Gap { missed, cause }),
            },
        }
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
            ReadId::Numbered(number) if number >= self.log.next() => Err((None, GapCause::Future)),
            ReadId::Numbered(number) => self.resume_after(number),
            // What waits to fall due was not seen by anybody.
            ReadId::Delayed(number)
                if number == 0
                    || number > self.last_delayed
                    || self.newest_scheduled(id).is_some() =>
            {
                Err((None, GapCause::Future))
            }
            ReadId::Delayed(_) => Err((None, GapCause::Evicted)),
            ReadId::Foreign => Err((None, GapCause::ForeignEpoch)),
            ReadId::Other => Err((None, GapCause::Unknown)),
        }
    }

    fn resume_after(&self, number: u64) -> Result<u64, (Option<u64>, GapCause)> {
        let position = number.saturating_add(1);
        if position < self.first {
            // What of the messages between was still to be seen is not known here.
            return Err((None, GapCause::Evicted));
        }
        match self.log.missed(position) {
            Some(0) => Ok(position),
            missed => Err((missed, GapCause::Evicted)),
        }
    }

    /// Reads from a position on, and moves it.
    pub(super) fn read(&mut self, position: &mut u64, limit: Limit) -> Option<Read> {
        self.log.read(position, limit)
    }

    /// Keeps what was read for others, if it is the newest that there is. Of two such, the shorter:
    /// those that keep up are many.
    pub(super) fn note_tail(&mut self, from: u64, to: u64, read: &Read) {
        // Over a hole the numbers do not say how many messages there are.
        let is_whole = read.messages == to.saturating_sub(from);
        let is_longer = |tail: &Tail| from <= tail.from;
        if is_whole && to == self.log.next() && !self.tail.as_ref().is_some_and(is_longer) {
            self.tail = Some(Tail {
                from,
                messages: read.messages,
                chunk: read.chunk.clone(),
                expires: read.expires,
            });
        }
    }

    #[inline]
    pub(super) fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    /// Streams that keep up must see the end from now on.
    pub(super) fn drop_tail(&mut self, effects: &mut Effects) {
        if let Some(tail) = self.tail.take() {
            effects.drop_frame(tail.chunk);
        }
    }

    fn unschedule(&mut self, seq: u64, message: &Scheduled) {
        let len = u64::try_from(message.frame.len()).unwrap_or(u64::MAX);
        self.scheduled_bytes = self.scheduled_bytes.saturating_sub(len);
        self.scheduled_ids.remove(&(Arc::clone(&message.id), seq));
    }

    /// The newest scheduled message with this id.
    fn newest_scheduled(&self, id: &str) -> Option<u64> {
        if self.scheduled_ids.is_empty() {
            return None;
        }
        let id: Arc<str> = Arc::from(id);
        let of_this_id = (Arc::clone(&id), 0)..=(id, u64::MAX);
        let (_, newest) = self.scheduled_ids.range(of_this_id).next_back()?;
        Some(*newest)
    }
}
