//! Publishing: a message enters the log, or is scheduled.

use std::sync::Arc;
use std::time::SystemTime;

use crate::message::id::{Id, Read as ReadId};
use crate::message::{Labels, Message};
use crate::time::Deadline;
use crate::topic::effects::Step;
use crate::topic::publish_error::PublishError;
use crate::topic::store::Store;
use crate::topic::store::id_line::IdLine;
use crate::topic::store::schedule::Scheduled;

/// The error for a message that is refused.
type Refusal = fn(Message) -> PublishError;

/// How a message is published.
struct Plan {
    id: Id,
    /// The id to store with the message, unless its number is its id.
    own_id: Option<Arc<str>>,
    /// Whether the frame needs a line with the id.
    needs_id_line: bool,
    due: Deadline,
    /// The parsed id of a message that comes back.
    returned: Option<ReadId>,
}

impl Store {
    /// Publishes a message, which may have an id of its own; returns its id.
    pub(crate) fn publish(
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
            self.schedule.record_number(number);
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

    /// Decides under which id and number a message is published, or why it is refused.
    fn plan(
        &self,
        message: &Message,
        mut own_id: Option<Arc<str>>,
        now: SystemTime,
    ) -> Result<Plan, Refusal> {
        let due = message.due(now);
        let is_due = due.has_come(now);
        let returned = match &own_id {
            Some(id) if message.is_returned() => {
                let read = self.read_returned(id);
                Some(read.ok_or(PublishError::DuplicateId as Refusal)?)
            }
            _ => None,
        };
        let id = match &own_id {
            Some(id) => Id::own(Arc::clone(id)),
            None if is_due => self.epoch.id(self.log.next()),
            None => self.epoch.delayed_id(self.schedule.next_number()),
        };
        let needs_id_line = own_id.is_none() && message.event().has_data;
        if let Some(ReadId::Numbered(number)) = returned
            && is_due
            && number >= self.log.next()
        {
            // The message gets the number in its id.
            own_id = None;
        }
        let plan = Plan {
            id,
            own_id,
            needs_id_line,
            due,
            returned,
        };
        self.check_bounds(message, &plan, is_due)?;
        Ok(plan)
    }

    fn check_bounds(&self, message: &Message, plan: &Plan, is_due: bool) -> Result<(), Refusal> {
        let line = if plan.needs_id_line {
            IdLine::len_of(plan.id.as_bytes())
        } else {
            0
        };
        let len = message.event().frame().len().saturating_add(line);
        // A scheduled message enters the log later, with its id as one of its own.
        let logged_id = if is_due {
            plan.own_id.as_deref()
        } else {
            Some(plan.id.as_str())
        };
        let labels = message.labels().map_or(0, Labels::max_cost);
        let run = if self.log.is_tagged() { Labels::RUN } else { 0 };
        if !self.log.fits(len, logged_id, labels.saturating_add(run)) {
            return Err(PublishError::TooLarge);
        }
        if is_due {
            return Ok(());
        }
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let len = len.saturating_add(labels);
        let bytes = self.schedule.bytes().saturating_add(len);
        let has_capacity = bytes <= self.bounds.retention.bytes
            && self.schedule.len() < self.bounds.scheduled
            && self.schedule.share.has_capacity(len);
        if has_capacity {
            Ok(())
        } else {
            Err(PublishError::Full)
        }
    }

    /// Parses the id of a message that comes back; `None` if the topic has a message with this id.
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
        self.cached = None;
        if let Some(ReadId::Numbered(number)) = plan.returned {
            self.log.skip_to(number);
        }
        let expires = message.expires(plan.due);
        let line = IdLine::new(if plan.needs_id_line {
            plan.id.as_bytes()
        } else {
            b""
        });
        let parts = [line.as_bytes(), message.event().frame()];
        let (own_id, labels) = (plan.own_id.take(), message.labels());
        self.log
            .append_any(parts, own_id, labels, expires, step.now);
        self.newest_at = step.now;
        // Evicts at most 64 messages; the next step evicts the rest.
        self.log.trim(step.now);
        self.log.evict_for_budget();
        step.effects.drop_frame(message.into_event().encode());
    }

    fn schedule(&mut self, mut message: Message, plan: &mut Plan, now: SystemTime) {
        if let Some(ReadId::Numbered(number)) = plan.returned {
            // No other message may get this number while this one is scheduled.
            self.log.skip_to(number.saturating_add(1));
            self.cached = None;
        }
        if plan.own_id.is_none() {
            self.schedule.record_number(self.schedule.next_number());
        }
        if plan.needs_id_line {
            message.event_mut().put_id(plan.id.as_bytes());
        }
        let expires = message.expires(plan.due);
        let own_id = plan.own_id.take();
        let id = own_id.unwrap_or_else(|| Arc::from(plan.id.as_str()));
        let labels = message.boxed_labels();
        let frame = message.into_event().encode();
        let scheduled = Scheduled { frame, id, labels };
        self.schedule.insert(plan.due, expires, scheduled, now);
    }
}
