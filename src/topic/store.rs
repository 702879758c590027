//! The messages of a topic: its log, and those that are not due yet.
//!
//! Pure: no lock, no clock.

mod id_line;
mod schedule;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::effects::{Effects, Step};
use super::publish_error::PublishError;
use super::resume::{GapCause, Resumption, Start};
use crate::message::id::{Epoch, Id, Read as ReadId};
use crate::message::{LastEventId, Message};
use crate::source::Limit;
use crate::time::Deadline;
use crate::topic::log::{Log, Read, Retention, to_u64};
use id_line::IdLine;
use schedule::{Schedule, Scheduled};

pub(super) use schedule::All;

#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) retention: Retention,
    pub(super) scheduled: usize,
    pub(super) streams: usize,
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
    schedule: Schedule,
    /// The highest number in an id of a message that came back and enters under another number.
    highest_moved: u64,
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
            schedule: Schedule::default(),
            highest_moved: 0,
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
        self.schedule.len()
    }

    pub(super) fn newest_at(&self) -> SystemTime {
        self.newest_at
    }

    /// Whether anything changes as time passes: a message is scheduled, expires or ages.
    pub(super) fn is_timed(&self) -> bool {
        self.schedule.len() > 0 || self.log.is_timed()
    }

    /// When the next message falls due.
    #[inline]
    pub(super) fn next_due(&self) -> Deadline {
        self.schedule.next_due()
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
        let Some((key, expires, message)) = self.schedule.pop() else {
            return First::NotDue;
        };
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
        let has_more = self.log.trim(now);
        let oldest = self.log.oldest();
        if self.tail.as_ref().is_some_and(|tail| tail.from < oldest) {
            self.tail = None;
        }
        has_more
    }

    /// Publishes a message, which may bring an id of its own; returns its id.
    pub(super) fn publish(
        &mut self,
        message: Message,
        own_id: Option<Arc<str>>,
        step: &mut Step,
    ) -> Result<Id, PublishError> {
        let mut plan = match self.plan(&message, own_id, step.now) {
            Ok(plan) => plan,
            Err(refuse) => return Err(refuse(message)),
        };
        if let Some(ReadId::Delayed(number)) = plan.returned {
            self.schedule.note_given(number);
        }
        if let Some(ReadId::Numbered(number)) = plan.returned
            && (plan.own_id.is_some() || !plan.due.has_come(step.now))
        {
            self.highest_moved = self.highest_moved.max(number);
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
        mut own_id: Option<Arc<str>>,
        now: SystemTime,
    ) -> Result<Plan, fn(Message) -> PublishError> {
        let due = message.due(now);
        let is_due = due.has_come(now);
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
            None => self.epoch.delayed_id(self.schedule.next_number()),
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
        // What is scheduled enters the log with its id as one of its own.
        let logged_id = if is_due {
            own_id.as_deref()
        } else {
            Some(id.as_str())
        };
        if !self.log.fits(len, logged_id) {
            return Err(PublishError::TooLarge);
        }
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let bytes = self.schedule.bytes().saturating_add(len);
        let has_capacity =
            bytes <= self.bounds.retention.bytes && self.schedule.len() < self.bounds.scheduled;
        if !is_due && !has_capacity {
            return Err(PublishError::Full);
        }
        Ok(Plan {
            id,
            own_id,
            needs_line,
            due,
            returned,
        })
    }

    /// What the id of a message that comes back says, or `None` if a message with this id is here.
    fn read_returned(&self, id: &str) -> Option<ReadId> {
        if self.schedule.newest(id).is_some() || self.log.number_of(id).is_some() {
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
            self.schedule.note_given(self.schedule.next_number());
        }
        if plan.needs_line {
            message.event_mut().put_id(plan.id.as_bytes());
        }
        let expires = message.expires(plan.due);
        let own_id = plan.own_id.take();
        let id = own_id.unwrap_or_else(|| Arc::from(plan.id.as_str()));
        let frame = message.into_event().encode();
        self.schedule
            .insert(plan.due, expires, Scheduled { frame, id }, now);
    }

    /// Takes a scheduled message back.
    pub(super) fn cancel(&mut self, id: &str, effects: &mut Effects) -> bool {
        let message = self.schedule.remove_newest(id);
        let is_here = message.is_some();
        if let Some(message) = message {
            effects.drop_frame(message.frame);
        }
        is_here
    }

    pub(super) fn take_scheduled(&mut self) -> All {
        self.schedule.take()
    }

    /// Where a stream begins.
    pub(super) fn position(&self, start: &Start) -> (u64, Resumption) {
        let next = self.log.next();
        let oldest = self.log.oldest();
        match start {
            Start::Now => (next, Resumption::Fresh),
            Start::Oldest => (oldest, Resumption::Fresh),
            Start::Last(count) => {
                let first = next.saturating_sub(to_u64(*count));
                (first.max(oldest), Resumption::Fresh)
            }
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
            ReadId::Numbered(_) if self.schedule.newest(id).is_some() => {
                Err((None, GapCause::Future))
            }
            // It may have entered under another number, and left.
            ReadId::Numbered(number)
                if (1..=self.highest_moved).contains(&number) && !self.log.is_numbered(number) =>
            {
                Err((None, GapCause::Evicted))
            }
            ReadId::Numbered(number) => self.resume_after(number),
            // What waits to fall due was not seen by anybody.
            ReadId::Delayed(number)
                if number == 0
                    || number >= self.schedule.next_number()
                    || self.schedule.newest(id).is_some() =>
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
}
