//! What is behind the queue's lock.

use core::task::Waker;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use super::effects::Effects;
use super::item::Item;
use super::lending::Lending;
use super::receipt::{PushError, Receipt};
use super::{Overflow, QueueStats};
use crate::message::id::{Epoch, Id, Read};
use crate::message::{LastEventId, Message};
use crate::ordered::{Key, Ordered};
use crate::queue::lease::{Client, HolderId, Lease, Leases, Lent, Reason};
use crate::queue::wait_queue::{Ticket, Waiters};
use crate::source::chunk::Chunk;
use crate::source::{Limit, TooManyStreams};
use crate::time::Deadline;

/// The most messages that one hold of the lock lets go of on the way.
pub(super) const MOST_AT_ONCE: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) messages: usize,
    pub(super) bytes: usize,
    pub(super) streams: usize,
    pub(super) overflow: Overflow,
}

/// Whatever is behind the queue's lock.
///
/// Each call is one step; [`settle`](Self::settle) follows it and brings the state to rest: if a
/// message is due and a stream waits, somebody owes a look.
pub(super) struct State {
    bounds: Bounds,
    epoch: Epoch,
    pub(super) store: Ordered<Item>,
    /// The ids that events brought along, with the numbers of their messages.
    own_ids: BTreeSet<(Arc<str>, u64)>,
    bytes: usize,
    last_seq: u64,
    /// The latest reading of the clock. Readings are taken before the lock, so they can come in
    /// another order: what was due once must stay due.
    latest: SystemTime,
    pub(super) takers: Waiters,
    /// The waiting stream that arms for the next due time, and the time that it knows of. It may
    /// be one that is full.
    timekeeper: Option<(Ticket, Deadline)>,
    /// Those who wait for room to push.
    line: Waiters,
    /// A message left, or may be dropped now, or a place in line was left: the first in line may
    /// have room now.
    pub(super) room_came_up: bool,
    has_handles: bool,
    /// When it was closed: what is due later stays.
    closed: Option<SystemTime>,
    aborted: bool,
    /// What everybody has been woken for already.
    told: Told,
    pub(super) stats: QueueStats,
    last_stream: u64,
    /// What a queue has that delivers at least once.
    pub(super) lending: Option<Box<Lending>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    Closing,
    End,
}

/// A message that is to be pushed, with what is found out about it outside the lock.
pub(super) struct Push {
    pub(super) message: Message,
    pub(super) own_id: Option<Arc<str>>,
}

pub(super) enum Pushed {
    Done(Result<Receipt, PushError>),
    Full(Push),
    /// There was more to let go of than one hold of the lock allows.
    Again(Push),
}

/// The number that a message gets, and the id that it goes by.
struct Numbered {
    seq: u64,
    id: Id,
    /// The id must be written into the frame.
    needs_id: bool,
    /// The id, where it is not that of the number.
    own_id: Option<Arc<str>>,
}

impl Numbered {
    /// The bytes of the frame once it has its id.
    fn size(&self, push: &Push) -> usize {
        let frame = push.message.event().frame().len();
        if !self.needs_id {
            return frame;
        }
        let line = "id: \n".len().saturating_add(self.id.as_bytes().len());
        frame.saturating_add(line)
    }
}

/// The highest number that a message may bring back: numbers go on after it, and must not run out.
const HIGHEST_RETURNED: u64 = 1 << 48;

pub(super) enum Taken {
    /// All that is due and fits; maybe nothing.
    Done,
    /// There was more to let go of than one hold of the lock allows.
    Again,
    /// The stream has as much in flight as it may.
    Full,
    End,
}

/// What is in flight, and what is dead.
pub(super) type AllLent = (Leases<Item>, VecDeque<(Lent<Item>, Reason)>);

/// The answer to whether something is due.
pub(super) enum Asked {
    Due,
    /// Not now; when it may be, if this stream is the timekeeper.
    Wait(Option<SystemTime>),
}

impl State {
    pub(super) fn new(bounds: Bounds, epoch: Epoch, lease: Option<Lease>, now: SystemTime) -> Self {
        Self {
            bounds,
            epoch,
            store: Ordered::default(),
            own_ids: BTreeSet::new(),
            bytes: 0,
            last_seq: 0,
            latest: now,
            takers: Waiters::default(),
            timekeeper: None,
            line: Waiters::default(),
            room_came_up: false,
            has_handles: true,
            closed: None,
            aborted: false,
            told: Told::Nothing,
            stats: QueueStats::default(),
            last_stream: 0,
            lending: lease.map(|lease| Box::new(Lending::new(lease))),
        }
    }

    /// The time of a step whose reading of the clock is `now`: never before that of the last one.
    pub(super) fn time(&mut self, now: SystemTime) -> SystemTime {
        self.latest = self.latest.max(now);
        self.latest
    }

    pub(super) fn push(
        &mut self,
        push: Push,
        place: Option<Ticket>,
        now: SystemTime,
        effects: &mut Effects,
    ) -> Pushed {
        if self.is_closed() {
            self.end_wait(place, effects);
            return Pushed::Done(Err(PushError::Closed(push.message)));
        }
        let numbered = match self.number(&push) {
            Ok(numbered) => numbered,
            Err(refuse) => {
                self.end_wait(place, effects);
                return Pushed::Done(Err(refuse(push.message)));
            }
        };
        let size = numbered.size(&push);
        if size > self.bounds.bytes || self.bounds.messages == 0 {
            self.end_wait(place, effects);
            return Pushed::Done(Err(PushError::TooLarge(push.message)));
        }
        if push.own_id.as_ref().is_some_and(|id| self.is_taken(id)) {
            // It may be that of a message that has expired.
            if self.purge(now, effects) {
                return Pushed::Again(push);
            }
            if push.own_id.as_ref().is_some_and(|id| self.is_taken(id)) {
                self.end_wait(place, effects);
                return Pushed::Done(Err(PushError::DuplicateId(push.message)));
            }
        }
        let is_next = place.map_or(!self.line.anybody_waits(), |place| {
            self.line.is_first(place)
        });
        if !is_next {
            // What has expired may be the room that the first in line waits for.
            self.purge(now, effects);
            return Pushed::Full(push);
        }
        if !self.has_room(size) {
            if self.purge(now, effects) {
                return Pushed::Again(push);
            }
            match self.bounds.overflow {
                Overflow::DropOldest if !self.can_make_room(size) => return Pushed::Full(push),
                Overflow::DropOldest => {
                    if !self.drop_oldest(size, effects) {
                        return Pushed::Again(push);
                    }
                }
                Overflow::Reject if self.has_room(size) => {}
                Overflow::Reject => return Pushed::Full(push),
            }
        }
        self.end_wait(place, effects);
        Pushed::Done(Ok(self.enqueue(push, numbered, now)))
    }

    /// The number and id of a message that is pushed, or why it is refused.
    fn number(&self, push: &Push) -> Result<Numbered, fn(Message) -> PushError> {
        let next = self.last_seq.saturating_add(1);
        let Some(own) = &push.own_id else {
            let needs_id = push.message.event().has_data;
            let id = self.epoch.id(next);
            return Ok(Numbered {
                seq: next,
                id,
                needs_id,
                own_id: None,
            });
        };
        if own.len() > LastEventId::MAX_LEN {
            return Err(PushError::IdTooLong);
        }
        if own.is_empty() && self.lending.is_some() {
            return Err(PushError::EmptyId);
        }
        let is_returned = push.message.is_returned();
        let (seq, own_id) = match self.epoch.read(own) {
            Read::Numbered(number) if is_returned && number <= HIGHEST_RETURNED => {
                // It keeps its number, if that is still to come; those after it go on from there.
                let goes_by_number = number >= next;
                let own_id = (!goes_by_number).then(|| Arc::clone(own));
                (number.max(next), own_id)
            }
            Read::Delayed(_) if is_returned => (next, Some(Arc::clone(own))),
            Read::Numbered(_) | Read::Delayed(_) => return Err(PushError::ReservedId),
            Read::Foreign | Read::Other => (next, Some(Arc::clone(own))),
        };
        Ok(Numbered {
            seq,
            id: Id::own(Arc::clone(own)),
            needs_id: false,
            own_id,
        })
    }

    fn enqueue(&mut self, push: Push, numbered: Numbered, now: SystemTime) -> Receipt {
        let mut message = push.message;
        let seq = numbered.seq;
        self.last_seq = seq;
        let due = message.due(now);
        let expires = message.expires(due);
        let attempts = message.attempts();
        if numbered.needs_id {
            message.event_mut().put_id(numbered.id.as_bytes());
        }
        if let Some(own_id) = &numbered.own_id {
            self.own_ids.insert((Arc::clone(own_id), seq));
        }
        let has_id = numbered.needs_id || push.own_id.is_some();
        let frame = message.into_event().encode();
        self.bytes = self.bytes.saturating_add(frame.len());
        self.stats.pushed = self.stats.pushed.saturating_add(1);
        let item = Item {
            frame,
            own_id: numbered.own_id,
            attempts,
            client: Client::of(attempts),
            has_id,
        };
        self.store.insert(Key { due, seq }, expires, item, now);
        Receipt { id: numbered.id }
    }

    /// Stands in line for room, at the end or where it stands already.
    pub(super) fn wait_for_room(
        &mut self,
        place: Option<Ticket>,
        waker: &Waker,
        effects: &mut Effects,
    ) -> Ticket {
        let place = place.unwrap_or_else(|| self.line.insert());
        effects.drop_later(self.line.wait(place, waker));
        place
    }

    pub(super) fn leave_line(&mut self, place: Ticket, effects: &mut Effects) {
        self.room_came_up |= self.line.is_first(place);
        effects.drop_later(self.line.remove(place));
    }

    /// Adds what is due to the chunk, within `limit`, for whoever asks.
    pub(super) fn take(
        &mut self,
        chunk: &mut Chunk,
        holder: Option<HolderId>,
        now: SystemTime,
        limit: Limit,
        effects: &mut Effects,
    ) -> Taken {
        if self.aborted {
            return Taken::End;
        }
        match self.gather(chunk, holder, now, limit, effects) {
            Taken::Done if chunk.is_empty() && self.is_finished(now) => Taken::End,
            Taken::Full if self.is_closed() => Taken::End,
            taken => taken,
        }
    }

    fn gather(
        &mut self,
        chunk: &mut Chunk,
        holder: Option<HolderId>,
        now: SystemTime,
        limit: Limit,
        effects: &mut Effects,
    ) -> Taken {
        let horizon = self.horizon(now);
        for _ in 0..MOST_AT_ONCE {
            if let Some(holder) = holder {
                match self.gather_owed(chunk, holder, now, limit, effects) {
                    Some(true) => continue,
                    Some(false) => return Taken::Done,
                    None => {}
                }
            }
            let head = self.store.head();
            let Some((key, expires, item)) = head.filter(|_| chunk.has_place(limit)) else {
                return Taken::Done;
            };
            if !key.due.has_come(horizon) {
                return Taken::Done;
            }
            if expires.has_come(now) {
                self.expire_head(effects);
                continue;
            }
            if !chunk.fits(&item.frame, limit) {
                return Taken::Done;
            }
            if holder.is_some_and(|holder| item.has_id && self.room(holder) == 0) {
                return if chunk.is_empty() {
                    Taken::Full
                } else {
                    Taken::Done
                };
            }
            let Some((key, expires, item)) = self.store.pop() else {
                return Taken::Done;
            };
            self.stats.delivered = self.stats.delivered.saturating_add(1);
            match &mut self.lending {
                Some(lending) if item.has_id => {
                    let again = u64::from(item.attempts > 0);
                    self.stats.redelivered = self.stats.redelivered.saturating_add(again);
                    chunk.push(item.frame.clone());
                    let lent = Lent {
                        seq: key.seq,
                        due: key.due,
                        expires,
                        attempts: item.attempts,
                        client: item.client,
                        item,
                    };
                    lending.lend(lent, holder, now);
                }
                lending => {
                    // Nobody can confirm it.
                    let confirmed = u64::from(lending.is_some());
                    self.stats.confirmed = self.stats.confirmed.saturating_add(confirmed);
                    self.account_for(key, &item);
                    chunk.push(item.frame);
                }
            }
        }
        Taken::Again
    }

    /// Whether something is due that nobody else has promised to take. If so, this one promises to
    /// take as much as its limit allows; otherwise it waits.
    pub(super) fn ask(
        &mut self,
        ticket: Ticket,
        holder: Option<HolderId>,
        now: SystemTime,
        limit: Limit,
        (waker, registers): (&Waker, bool),
        effects: &mut Effects,
    ) -> Asked {
        if self.aborted || self.is_closed() || self.is_finished(now) {
            return Asked::Due;
        }
        let mut room = usize::MAX;
        if let Some(holder) = holder {
            if self.is_owed(holder) {
                effects.drop_later(self.takers.set_waker(ticket, waker));
                return Asked::Due;
            }
            room = self.room(holder);
            if room == 0 && !registers {
                self.leave_for_good(ticket, Some(holder), effects);
                return Asked::Wait(None);
            }
            if room == 0 {
                return Asked::Wait(self.wait_for_place(ticket, holder, now, waker, effects));
            }
        }
        let horizon = self.horizon(now);
        let others = self.takers.promised();
        let others = others.saturating_sub(self.takers.promised_by(ticket));
        let _ = self.store.count_to(horizon);
        if !registers {
            // It polls by hand: it keeps nothing from the others.
            self.leave_for_good(ticket, holder, effects);
            return if self.store.due() > others {
                Asked::Due
            } else {
                Asked::Wait(None)
            };
        }
        // One that has just taken leaves the rest to those who wait: they may have an earlier tick.
        if self.takers.is_its_turn(ticket) && self.store.due() > others {
            let messages = limit.messages.clamp(1, room);
            effects.drop_later(self.takers.promise(ticket, messages, waker));
            // At its tick it may be late for what falls due before.
            self.resign(ticket);
            return Asked::Due;
        }
        self.wait(ticket, waker, effects);
        Asked::Wait(self.keep_time(ticket, now))
    }

    /// Waits for something to fall due, having found nothing.
    pub(super) fn wait(&mut self, ticket: Ticket, waker: &Waker, effects: &mut Effects) {
        effects.drop_later(self.takers.wait(ticket, waker));
    }

    /// When the next message falls due, if this waiting stream is the timekeeper. It is if nobody
    /// else is.
    pub(super) fn keep_time(&mut self, ticket: Ticket, now: SystemTime) -> Option<SystemTime> {
        if self.is_closed() || self.timekeeper.is_some_and(|(keeper, _)| keeper != ticket) {
            return None;
        }
        // Whoever keeps the time of nothing keeps none: the next message finds another.
        let next = self.next_look(now);
        self.timekeeper = next.map(|next| (ticket, next));
        next?.time()
    }

    /// Whether something is left of a burst that began with this time and this last number.
    pub(super) fn is_in_burst(
        &self,
        (began, last): (SystemTime, u64),
        holder: Option<HolderId>,
    ) -> bool {
        let head = self.store.head();
        let head = head.filter(|(key, ..)| key.due.has_come(began) && key.seq <= last);
        let has_capacity = |item: &Item| holder.is_none_or(|h| !item.has_id || self.room(h) > 0);
        head.is_some_and(|(.., item)| has_capacity(item))
    }

    /// The number of the last message that was pushed.
    pub(super) fn last_number(&self) -> u64 {
        self.last_seq
    }

    /// Leaves the wait set.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.takers.leave(ticket);
        self.resign(ticket);
    }

    /// Leaves the wait set, and keeps no waker: the caller polls by hand.
    pub(super) fn leave_for_good(
        &mut self,
        ticket: Ticket,
        holder: Option<HolderId>,
        effects: &mut Effects,
    ) {
        self.leave(ticket);
        if let (Some(lending), Some(holder)) = (&mut self.lending, holder) {
            lending.leaves(holder, ticket);
        }
        effects.drop_later(self.takers.nudge(ticket));
    }

    /// Leaves the wait set, to be woken by the beginning of the end alone.
    pub(super) fn park(
        &mut self,
        ticket: Ticket,
        holder: Option<HolderId>,
        waker: &Waker,
        effects: &mut Effects,
    ) {
        self.leave(ticket);
        if let (Some(lending), Some(holder)) = (&mut self.lending, holder) {
            lending.leaves(holder, ticket);
        }
        effects.drop_later(self.takers.set_waker(ticket, waker));
    }

    pub(super) fn subscribe(&mut self) -> Result<(Ticket, u64), TooManyStreams> {
        if self.takers.len() >= self.bounds.streams {
            let limit = self.bounds.streams;
            return Err(TooManyStreams { limit });
        }
        self.last_stream = self.last_stream.saturating_add(1);
        Ok((self.takers.insert(), self.last_stream))
    }

    pub(super) fn unsubscribe(
        &mut self,
        ticket: Ticket,
        stream: u64,
        holder: Option<HolderId>,
        now: SystemTime,
        effects: &mut Effects,
    ) {
        let is_closed = self.is_closed();
        if let (Some(lending), Some(holder)) = (&mut self.lending, holder) {
            // Once it is closed nobody can come back: then the lease alone counts.
            let grace = Deadline::At(now).plus(lending.leases.terms().grace);
            let grace = (!is_closed).then_some(grace);
            lending.leases.orphan(holder, stream, grace);
            lending.leaves(holder, ticket);
        }
        self.resign(ticket);
        effects.drop_later(self.takers.remove(ticket));
    }

    pub(super) fn cancel(&mut self, id: &str, effects: &mut Effects) -> bool {
        let seq = self.newest_with_own(id).or_else(|| self.issued(id));
        let removed = seq.and_then(|seq| self.store.remove(seq));
        let Some((key, _, item)) = removed else {
            return false;
        };
        self.forget(key.seq, &item);
        self.account_for(key, &item);
        self.stats.withdrawn = self.stats.withdrawn.saturating_add(1);
        effects.drop_frame(item.frame);
        true
    }

    /// Remembers that a message has left which was handed out before.
    fn forget(&mut self, seq: u64, item: &Item) {
        if let Some(lending) = &mut self.lending {
            lending.forget(seq, item);
        }
    }

    /// Remembers messages that were taken back.
    pub(super) fn forget_all(&mut self, taken: &[(Key, Deadline, Item)]) {
        for (key, _, item) in taken {
            self.forget(key.seq, item);
        }
    }

    pub(super) fn take_all(&mut self, effects: &mut Effects) -> (Ordered<Item>, Option<AllLent>) {
        let depth = u64::try_from(self.held()).unwrap_or(u64::MAX);
        self.stats.withdrawn = self.stats.withdrawn.saturating_add(depth);
        self.bytes = 0;
        self.room_came_up = true;
        self.own_ids.clear();
        let lent = self.lending.as_mut().map(|lending| {
            for ticket in lending.no_longer_full() {
                effects.wake(self.takers.nudge(ticket));
            }
            lending.bytes = 0;
            lending.dead_numbers.clear();
            (lending.leases.renew(), core::mem::take(&mut lending.dead))
        });
        (core::mem::take(&mut self.store), lent)
    }

    /// Counts messages as expired that were counted as taken out.
    pub(super) fn recount_expired(&mut self, expired: &[(Key, Deadline, Item)]) {
        self.forget_all(expired);
        let messages = u64::try_from(expired.len()).unwrap_or(u64::MAX);
        self.stats.withdrawn = self.stats.withdrawn.saturating_sub(messages);
        self.stats.expired = self.stats.expired.saturating_add(messages);
    }

    pub(super) fn close(&mut self, now: SystemTime) {
        self.closed.get_or_insert(now);
    }

    pub(super) fn abort(&mut self) {
        self.aborted = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// The last handle is gone: nobody can send any more.
    pub(super) fn drop_handles(&mut self) {
        self.has_handles = false;
    }

    pub(super) fn stats(&self, now: SystemTime) -> QueueStats {
        let head = self.store.head().and_then(|(key, ..)| key.due.time());
        QueueStats {
            depth: self.store.len(),
            in_flight: self
                .lending
                .as_ref()
                .map_or(0, |lending| lending.leases.len()),
            dead: self
                .lending
                .as_ref()
                .map_or(0, |lending| lending.dead.len()),
            bytes: self.bytes,
            streams: self.takers.len(),
            oldest_age: head.and_then(|due| now.duration_since(due).ok()),
            ..self.stats
        }
    }

    /// Lets go of what has expired; returns whether there may be more.
    pub(super) fn purge(&mut self, now: SystemTime, effects: &mut Effects) -> bool {
        for _ in 0..MOST_AT_ONCE {
            let Some((key, item)) = self.store.pop_expired(now) else {
                return false;
            };
            self.forget(key.seq, &item);
            self.account_for(key, &item);
            self.stats.expired = self.stats.expired.saturating_add(1);
            effects.drop_frame(item.frame);
        }
        true
    }

    /// Brings the state to rest after a step: wakes whoever must act on it.
    pub(super) fn settle(&mut self, now: SystemTime, effects: &mut Effects) {
        self.tell_the_end(effects);
        self.note_rest(effects);
        if self.takers.anybody_waits() {
            self.settle_debt(now, effects);
            self.settle_time(now, effects);
        } else if self.any_full().is_some() {
            self.settle_time(now, effects);
        }
        if self.line.anybody_waits() && self.store.next_expiry().has_come(now) {
            // What has expired may be the capacity that it waits for.
            self.purge(now, effects);
        }
        // It stays in line until it has pushed, so that nobody overtakes it.
        if core::mem::take(&mut self.room_came_up) && self.may_have_room() {
            effects.wake(self.line.nudge_first());
        }
    }

    /// If something is due that nobody will look at, the longest waiting shall.
    fn settle_debt(&mut self, now: SystemTime, effects: &mut Effects) {
        if self.takers.anybody_is_woken() {
            return;
        }
        let promised = self.takers.promised();
        // More than one step counts, if there are many: the steps of those that are woken go on.
        let _ = self.store.count_to(self.horizon(now));
        if self.store.due() > promised {
            effects.wake(self.takers.wake_first());
        }
    }

    /// A stream that waits because it has as much in flight as it may.
    fn any_full(&self) -> Option<Ticket> {
        self.lending.as_ref()?.any_full()
    }

    /// If something falls due later, one waiting stream shall know when.
    fn settle_time(&mut self, now: SystemTime, effects: &mut Effects) {
        if self.is_closed() {
            return;
        }
        let Some(next) = self.next_look(now) else {
            return;
        };
        match &mut self.timekeeper {
            Some((_, known)) if *known <= next => {}
            Some((keeper, known)) => {
                *known = next;
                effects.wake(self.takers.nudge(*keeper));
            }
            None => {
                // The last in line is the one that stays longest.
                let Some(last) = self.takers.last().or_else(|| self.any_full()) else {
                    return;
                };
                self.timekeeper = Some((last, next));
                effects.wake(self.takers.nudge(last));
            }
        }
    }

    /// Wakes all once when the closing begins, so that pacing ends, and once when all is over.
    fn tell_the_end(&mut self, effects: &mut Effects) {
        let to_tell = if self.aborted || self.is_forgotten() {
            Told::End
        } else if self.is_closed() {
            Told::Closing
        } else {
            return;
        };
        if self.told < to_tell {
            self.told = to_tell;
            effects.wake_all(self.takers.nudge_all());
            effects.wake_all(self.line.nudge_all());
        }
    }

    /// Whether nobody can push, and nothing is left that ever falls due.
    fn is_forgotten(&self) -> bool {
        let next = self.store.head().and_then(|(key, ..)| key.due.time());
        let is_all_confirmed = self
            .lending
            .as_ref()
            .is_none_or(|lending| lending.leases.len() == 0);
        !self.has_handles && next.is_none() && is_all_confirmed
    }

    fn is_finished(&self, now: SystemTime) -> bool {
        let next = self.store.head();
        let is_due = next.is_some_and(|(key, ..)| key.due.has_come(self.horizon(now)));
        let closed = self.is_closed() && !is_due;
        self.aborted || closed || self.is_forgotten()
    }

    fn horizon(&self, now: SystemTime) -> SystemTime {
        self.closed.unwrap_or(now)
    }

    fn has_room(&self, size: usize) -> bool {
        let bytes = self.bytes.saturating_add(size);
        self.held() < self.bounds.messages && bytes <= self.bounds.bytes
    }

    pub(super) fn drops_oldest(&self) -> bool {
        self.bounds.overflow == Overflow::DropOldest
    }

    /// Whether a push may find room, or make some.
    fn may_have_room(&self) -> bool {
        match self.bounds.overflow {
            Overflow::Reject => self.has_room(1),
            Overflow::DropOldest => self.can_make_room(1),
        }
    }

    /// Whether there would be room if all were dropped that may be: what is in flight or dead may
    /// not.
    fn can_make_room(&self, size: usize) -> bool {
        let (messages, bytes) = self.lent();
        messages < self.bounds.messages && bytes.saturating_add(size) <= self.bounds.bytes
    }

    /// How many messages the queue answers for.
    fn held(&self) -> usize {
        self.store.len().saturating_add(self.lent().0)
    }

    /// How many messages are in flight or dead, and the bytes of their frames.
    fn lent(&self) -> (usize, usize) {
        self.lending.as_ref().map_or((0, 0), |lending| {
            let messages = lending.leases.len().saturating_add(lending.dead.len());
            (messages, lending.bytes)
        })
    }

    /// When the next message falls due, or may come back. If all streams are full, nobody can take
    /// what falls due.
    fn next_look(&self, now: SystemTime) -> Option<Deadline> {
        let next_end = self
            .lending
            .as_ref()
            .and_then(|lending| lending.leases.next_end());
        let next_due = self.store.next_due(now);
        let next_due = next_due.filter(|_| self.takers.anybody_waits());
        let next_expiry = Some(self.store.next_expiry());
        let next_expiry = next_expiry.filter(|_| self.line.anybody_waits());
        let all = next_end.into_iter().chain(next_due).chain(next_expiry);
        all.min().filter(|next| *next != Deadline::Never)
    }

    /// Returns whether there is room now.
    fn drop_oldest(&mut self, size: usize, effects: &mut Effects) -> bool {
        for _ in 0..MOST_AT_ONCE {
            if self.has_room(size) {
                return true;
            }
            if let Some((key, _, item)) = self.store.pop() {
                self.forget(key.seq, &item);
                self.account_for(key, &item);
                self.stats.dropped = self.stats.dropped.saturating_add(1);
                effects.drop_frame(item.frame);
            }
        }
        self.has_room(size)
    }

    fn expire_head(&mut self, effects: &mut Effects) {
        if let Some((key, _, item)) = self.store.pop() {
            self.forget(key.seq, &item);
            self.account_for(key, &item);
            self.stats.expired = self.stats.expired.saturating_add(1);
            effects.drop_frame(item.frame);
        }
    }

    /// Strikes a message off that has left the store.
    pub(super) fn account_for(&mut self, key: Key, item: &Item) {
        self.room_came_up = true;
        self.bytes = self.bytes.saturating_sub(item.frame.len());
        if let Some(own_id) = &item.own_id {
            self.own_ids.remove(&(Arc::clone(own_id), key.seq));
        }
    }

    pub(super) fn newest_with_own(&self, id: &str) -> Option<u64> {
        if self.own_ids.is_empty() {
            return None;
        }
        let id: Arc<str> = Arc::from(id);
        let of_this_id = (Arc::clone(&id), 0)..=(id, u64::MAX);
        let (_, newest) = self.own_ids.range(of_this_id).next_back()?;
        Some(*newest)
    }

    /// The number of the message to which this queue gave the id.
    fn issued(&self, id: &str) -> Option<u64> {
        let seq = self.epoch.seq(id)?;
        self.store.get(seq)?.own_id.is_none().then_some(seq)
    }

    /// The number in an id of this queue's form; its message may go by another id.
    pub(super) fn epoch_seq(&self, id: &str) -> Option<u64> {
        self.epoch.seq(id).filter(|seq| *seq <= self.last_seq)
    }

    fn end_wait(&mut self, place: Option<Ticket>, effects: &mut Effects) {
        if let Some(place) = place {
            self.leave_line(place, effects);
        }
    }

    fn resign(&mut self, ticket: Ticket) {
        if self.timekeeper.is_some_and(|(keeper, _)| keeper == ticket) {
            self.timekeeper = None;
        }
    }
}
