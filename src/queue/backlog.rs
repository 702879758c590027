//! The messages that wait in a queue, their bounds, and the producers that wait for capacity.
//!
//! Pure: no lock, no clock; `now` is in the step.

mod ids;
mod line;
mod reading;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use super::bounds::{Bounds, Overflow};
use super::item::Item;
use super::push_error::PushError;
use super::wait_queue::WaitQueue;
use crate::message::id::{Epoch, Id};
use crate::message::{Message, Receipt};
use crate::ordered::{Key, Ordered};
use crate::queue::lease::Client;
use crate::time::Deadline;

pub(super) use reading::Position;

/// The messages of a queue.
pub(super) struct Backlog {
    bounds: Bounds,
    epoch: Epoch,
    /// Never handed out.
    fresh: Ordered<Item>,
    /// Handed out, and returned.
    returned: Ordered<Item>,
    /// Application-supplied ids, with the numbers of their messages, including those in flight and
    /// dead.
    own_ids: BTreeSet<(Arc<str>, u64)>,
    /// All messages that the queue holds, including those in flight and dead, and what they count
    /// towards its bound in bytes.
    held: usize,
    bytes: usize,
    /// The same, of those that were handed out: in flight, dead or returned. No push may drop them.
    kept: usize,
    kept_bytes: usize,
    last_number: u64,
    producers: WaitQueue,
    /// The expiry that producers with a ticker are armed for.
    producers_armed: Deadline,
    /// Capacity was freed, or dropping may free it, or a producer has left the line: the first in
    /// line may push.
    is_freed: bool,
}

/// A message to be pushed, with what is prepared outside the lock.
pub(super) struct Push {
    pub(super) message: Message,
    pub(super) own_id: Option<Arc<str>>,
}

pub(super) enum Pushed {
    Done(Result<Receipt, PushError>),
    Full(Push),
    /// More had to be discarded than one hold of the lock allows.
    Again(Push),
}

/// A message that has left the backlog.
pub(super) type Entry = (Key, Deadline, Item);

/// The number and the id of a message.
pub(super) struct Numbered {
    number: u64,
    id: Id,
    /// The id must be written into the frame.
    needs_id: bool,
    /// The id, if it is not that of the number.
    own_id: Option<Arc<str>>,
}

impl Numbered {
    /// What the message counts towards the bound in bytes.
    pub(super) fn cost(&self, push: &Push) -> usize {
        let mut frame = push.message.event().frame().len();
        if self.needs_id {
            let line = "id: \n".len().saturating_add(self.id.as_bytes().len());
            frame = frame.saturating_add(line);
        }
        Item::cost_of(frame, self.own_id.as_deref())
    }
}

impl Backlog {
    pub(super) fn new(bounds: Bounds, epoch: Epoch, first_number: u64) -> Self {
        Self {
            bounds,
            epoch,
            fresh: Ordered::default(),
            returned: Ordered::default(),
            own_ids: BTreeSet::new(),
            held: 0,
            bytes: 0,
            kept: 0,
            kept_bytes: 0,
            last_number: first_number.saturating_sub(1),
            producers: WaitQueue::default(),
            producers_armed: Deadline::Never,
            is_freed: false,
        }
    }

    /// Whether a message with this cost could never be held.
    #[inline]
    pub(super) fn is_too_large(&self, cost: usize) -> bool {
        cost > self.bounds.bytes || self.bounds.messages == 0
    }

    #[inline]
    pub(super) fn has_capacity(&self, cost: usize) -> bool {
        let bytes = self.bytes.saturating_add(cost);
        self.held < self.bounds.messages && bytes <= self.bounds.bytes
    }

    pub(super) fn drops_oldest(&self) -> bool {
        self.bounds.overflow == Overflow::DropOldest
    }

    /// Whether dropping everything that may be dropped would free enough capacity.
    pub(super) fn may_have_capacity(&self, cost: usize) -> bool {
        match self.bounds.overflow {
            Overflow::Reject => self.has_capacity(cost),
            Overflow::DropOldest => {
                let bytes = self.kept_bytes.saturating_add(cost);
                self.kept < self.bounds.messages && bytes <= self.bounds.bytes
            }
        }
    }

    /// Inserts a message, whose id may have been handed to a client before.
    pub(super) fn enqueue(
        &mut self,
        push: Push,
        numbered: Numbered,
        was_seen: bool,
        now: SystemTime,
    ) -> Receipt {
        let mut message = push.message;
        self.last_number = numbered.number;
        let due = message.due(now);
        let expires = message.expires(due);
        let attempts = message.attempts();
        if numbered.needs_id {
            message.event_mut().put_id(numbered.id.as_bytes());
        }
        if let Some(own_id) = &numbered.own_id {
            self.own_ids.insert((Arc::clone(own_id), numbered.number));
        }
        let has_id = numbered.needs_id || push.own_id.is_some();
        let item = Item {
            frame: message.into_event().encode(),
            own_id: numbered.own_id,
            attempts,
            client: Client::of(was_seen),
            has_id,
        };
        self.held = self.held.saturating_add(1);
        self.bytes = self.bytes.saturating_add(item.cost());
        let seq = numbered.number;
        self.insert(Key { due, seq }, expires, item, now);
        Receipt::new(numbered.id)
    }

    /// Puts a message back that was handed out.
    pub(super) fn put_back(&mut self, (key, expires, item): Entry, now: SystemTime) {
        self.returned.insert(key, expires, item, now);
    }

    fn insert(&mut self, key: Key, expires: Deadline, item: Item, now: SystemTime) {
        if item.attempts > 0 {
            self.keep(&item);
            self.returned.insert(key, expires, item, now);
        } else {
            self.fresh.insert(key, expires, item, now);
        }
    }

    /// How many messages wait.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.fresh.len().saturating_add(self.returned.len())
    }

    /// What all messages count towards the bound in bytes, including those in flight and dead.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All messages that the queue holds, including those in flight and dead, and what they count
    /// towards its bound in bytes.
    #[inline]
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// The message that leaves first.
    #[inline]
    pub(super) fn head(&self) -> Option<(Key, Deadline, &Item)> {
        if self.len() == 0 {
            return None;
        }
        self.first()
    }

    fn first(&self) -> Option<(Key, Deadline, &Item)> {
        let fresh = self.fresh.head();
        if self.returned.len() == 0 {
            return fresh;
        }
        let returned = self.returned.head();
        match (fresh, returned) {
            (Some(fresh), Some(returned)) if fresh.0 < returned.0 => Some(fresh),
            (fresh, None) => fresh,
            (_, returned) => returned,
        }
    }

    /// Removes the first message for good.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.pop_first()?;
        self.release(entry.0, &entry.2, entry.2.attempts > 0);
        Some(entry)
    }

    /// Removes the first message to lease it: it still counts towards the bounds.
    #[inline]
    pub(super) fn pop_to_lend(&mut self) -> Option<Entry> {
        let entry = self.pop_first()?;
        if entry.2.attempts == 0 {
            self.keep(&entry.2);
        }
        Some(entry)
    }

    #[inline]
    fn pop_first(&mut self) -> Option<Entry> {
        if self.returned.len() == 0 {
            return self.fresh.pop();
        }
        pop_first(&mut self.fresh, &mut self.returned)
    }

    /// Removes a waiting message for good.
    pub(super) fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.fresh.remove(number);
        let entry = entry.or_else(|| self.returned.remove(number))?;
        self.release(entry.0, &entry.2, entry.2.attempts > 0);
        Some(entry)
    }

    /// A waiting message.
    pub(super) fn get(&self, number: u64) -> Option<&Item> {
        let item = self.fresh.get(number);
        item.or_else(|| self.returned.get(number))
    }

    /// Removes one expired message for good.
    pub(super) fn pop_expired(&mut self, now: SystemTime) -> Option<(Key, Item)> {
        let expired = self.fresh.pop_expired(now);
        let (key, item) = expired.or_else(|| self.returned.pop_expired(now))?;
        self.release(key, &item, item.attempts > 0);
        Some((key, item))
    }

    /// Whether any message can expire.
    #[inline]
    pub(super) fn can_expire(&self) -> bool {
        self.fresh.can_expire() || self.returned.can_expire()
    }

    /// Whether all messages were due when they arrived, and none can expire.
    #[inline]
    pub(super) fn is_timeless(&self) -> bool {
        let has_no_scheduled = self.fresh.has_no_scheduled() && self.returned.has_no_scheduled();
        has_no_scheduled && !self.can_expire()
    }

    /// Whether an expired message has not been discarded.
    #[inline]
    pub(super) fn is_any_expired(&self, now: SystemTime) -> bool {
        self.can_expire() && self.next_expiry().has_come(now)
    }

    /// When the first message expires.
    #[inline]
    pub(super) fn next_expiry(&self) -> Deadline {
        let fresh = self.fresh.next_expiry();
        if self.returned.can_expire() {
            return fresh.min(self.returned.next_expiry());
        }
        fresh
    }

    /// Counts due messages, a bounded number in one step.
    #[inline]
    pub(super) fn count_due(&mut self, now: SystemTime) {
        let _ = self.fresh.count_to(now);
        let _ = self.returned.count_to(now);
    }

    /// How many messages are known to be due.
    #[inline]
    pub(super) fn due(&self) -> usize {
        self.fresh.due().saturating_add(self.returned.due())
    }

    /// When the next message that is not due now falls due.
    #[inline]
    pub(super) fn next_due(&self, now: SystemTime) -> Deadline {
        if self.fresh.has_no_scheduled() && self.returned.has_no_scheduled() {
            return Deadline::Never;
        }
        let fresh = self.fresh.next_due(now).unwrap_or(Deadline::Never);
        let returned = self.returned.next_due(now).unwrap_or(Deadline::Never);
        fresh.min(returned)
    }

    /// Removes the oldest message that was never handed out, for good.
    pub(super) fn pop_oldest(&mut self) -> Option<Item> {
        let (key, _, item) = self.fresh.pop()?;
        self.release(key, &item, false);
        Some(item)
    }

    /// Takes all messages and ids, to be dropped outside the lock. Those in flight and dead were
    /// taken before.
    pub(super) fn take_all(&mut self) -> All {
        self.held = 0;
        self.bytes = 0;
        self.kept = 0;
        self.kept_bytes = 0;
        self.is_freed = true;
        All {
            fresh: core::mem::take(&mut self.fresh),
            returned: core::mem::take(&mut self.returned),
            own_ids: core::mem::take(&mut self.own_ids),
        }
    }

    /// No push may drop this message any more: it is handed out, or was pushed with earlier
    /// attempts.
    fn keep(&mut self, item: &Item) {
        self.kept = self.kept.saturating_add(1);
        self.kept_bytes = self.kept_bytes.saturating_add(item.cost());
    }

    /// Releases what a message counts towards the bounds. `is_kept`: it was handed out.
    pub(super) fn release(&mut self, key: Key, item: &Item, is_kept: bool) {
        let cost = item.cost();
        self.is_freed = true;
        self.held = self.held.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(cost);
        if is_kept {
            self.kept = self.kept.saturating_sub(1);
            self.kept_bytes = self.kept_bytes.saturating_sub(cost);
        }
        if let Some(own_id) = &item.own_id {
            self.own_ids.remove(&(Arc::clone(own_id), key.seq));
        }
    }
}

/// Everything that was in a backlog.
pub(super) struct All {
    fresh: Ordered<Item>,
    returned: Ordered<Item>,
    #[expect(dead_code, reason = "dropped outside the lock")]
    own_ids: BTreeSet<(Arc<str>, u64)>,
}

impl All {
    pub(super) fn insert(&mut self, (key, expires, item): Entry) {
        self.returned
            .insert(key, expires, item, SystemTime::UNIX_EPOCH);
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        pop_first(&mut self.fresh, &mut self.returned)
    }
}

/// Removes the first message of both.
fn pop_first(fresh: &mut Ordered<Item>, returned: &mut Ordered<Item>) -> Option<Entry> {
    let next = fresh.head().map(|(key, ..)| key);
    let back = returned.head().map(|(key, ..)| key);
    match (next, back) {
        (Some(next), Some(back)) if next < back => fresh.pop(),
        (Some(_), None) => fresh.pop(),
        _ => returned.pop(),
    }
}
