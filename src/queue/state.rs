//! What is behind the queue's lock: the steps that concern several of its parts.

mod confirm;
mod poll;
mod push;

use core::time::Duration;
use std::time::SystemTime;

use super::ack_history::End;
use super::backlog::{self, Backlog};
use super::bounds::Bounds;
use super::consumers::Consumers;
use super::delivery::{AllLent, Delivery};
use super::item::Item;
use super::lease::Lease;
use super::stats::QueueStats;
use super::step::{Caller, MOST_IN_TURN, NeedsClone, Step};
use super::wait_queue::Ticket;
use crate::message::id::Epoch;
use crate::time::Deadline;

pub(super) use poll::{Asked, Burst, Taken};

/// Whatever is behind the queue's lock.
///
/// Each call is one step. [`catch_up`](Self::catch_up) comes before it and does some of what has
/// become due as time passed; [`settle`](Self::settle) follows it and brings the state to rest: if a
/// message is due and a stream waits, somebody was notified.
pub(super) struct State {
    pub(super) backlog: Backlog,
    pub(super) consumers: Consumers,
    /// What a queue has that delivers at least once.
    pub(super) delivery: Option<Box<Delivery>>,
    /// The latest reading of the clock. Readings are taken before the lock, so they can come in
    /// another order: what was due once must stay due.
    latest: SystemTime,
    has_handles: bool,
    /// When it was closed: what is due later stays.
    closed: Option<SystemTime>,
    is_aborted: bool,
    /// Of what all tasks have been told, or are being told.
    announced: Phase,
    /// All drivers have been told, or are being told, that nothing is left to do.
    are_drivers_told: bool,
    pub(super) stats: QueueStats,
    /// How many messages were moved since threads that wait for the lock were let in.
    moved: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    Closing,
    Over,
}

/// How many messages are more than a few.
const CROWD: usize = 1024;

/// A turn of the threads that enter the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Few messages are held.
    OfFew,
    /// So many are held that what they leave behind in the allocator matters.
    OfCrowd,
}

/// What a driver is to do next.
pub(super) enum Driven {
    /// Poll again when it is woken, or after that time.
    Wait(Option<Duration>),
    /// The queue is closed, and nothing is left to do.
    Done,
}

impl State {
    pub(super) fn new(
        bounds: Bounds,
        epoch: Epoch,
        first_number: u64,
        lease: Option<Lease>,
        now: SystemTime,
    ) -> Self {
        Self {
            backlog: Backlog::new(bounds, epoch, first_number),
            consumers: Consumers::new(bounds.streams),
            delivery: lease.map(|lease| Box::new(Delivery::new(lease))),
            latest: now,
            has_handles: true,
            closed: None,
            is_aborted: false,
            announced: Phase::Open,
            are_drivers_told: false,
            stats: QueueStats::default(),
            moved: 0,
        }
    }

    /// The time of a step whose reading of the clock is `now`: never before that of the last one.
    #[inline]
    pub(super) fn time(&mut self, now: SystemTime) -> SystemTime {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// Lets go of what has expired and takes back what is not leased any more: a bounded number of
    /// messages. Returns whether there may be more.
    #[inline]
    pub(super) fn catch_up(&mut self, step: &mut Step) -> bool {
        let is_timeless = self.delivery.is_none() && !self.backlog.is_perishable();
        if is_timeless && !self.consumers.may_lapse() {
            return false;
        }
        self.catch_up_with_time(step)
    }

    fn catch_up_with_time(&mut self, step: &mut Step) -> bool {
        self.consumers.lapse(step.now);
        self.is_behind(step.now) && self.catch_up_some(step)
    }

    /// Whether a message has expired or ended its lease that was not let go of yet.
    fn is_behind(&self, now: SystemTime) -> bool {
        let delivery = self.delivery.as_ref();
        self.backlog.is_any_expired(now)
            || delivery.is_some_and(|delivery| delivery.is_any_over(now))
    }

    fn catch_up_some(&mut self, step: &mut Step) -> bool {
        while step.count_move() {
            let came_back = self.take_back_one(step);
            if !came_back && !self.expire_one(step) {
                return false;
            }
        }
        true
    }

    fn expire_one(&mut self, step: &mut Step) -> bool {
        let Some((key, item)) = self.backlog.pop_expired(step.now) else {
            return false;
        };
        self.stats.expired = self.stats.expired.saturating_add(1);
        self.let_go(key.seq, item, step);
        true
    }

    /// A message has left the queue that waited in it.
    fn let_go(&mut self, number: u64, item: Item, step: &mut Step) {
        self.remember_stale(number, &item);
        step.effects.drop_frame(item.frame);
    }

    /// Remembers that a message has left, if it was handed out before.
    fn remember_stale(&mut self, number: u64, item: &Item) {
        if item.attempts > 0
            && let Some(delivery) = &mut self.delivery
        {
            delivery.remember(number, item, End::Stale);
        }
    }

    pub(super) fn unsubscribe(&mut self, ticket: Ticket, step: &mut Step) {
        let is_closed = self.is_closed();
        let holder = self.consumers.holder(ticket);
        if let (Some(delivery), Some(holder)) = (&mut self.delivery, holder) {
            // Once it is closed nobody can come back: then the lease alone counts.
            let grace = delivery.leases.terms().grace;
            let grace = (!is_closed).then(|| Deadline::At(step.now).plus(grace));
            delivery.leases.orphan(holder, ticket.to_bits(), grace);
        }
        self.consumers.unsubscribe(ticket, step);
    }

    pub(super) fn cancel(&mut self, id: &str, step: &mut Step) -> bool {
        let backlog = &mut self.backlog;
        let number = backlog.newest_with_own(id).or_else(|| backlog.issued(id));
        let Some((key, _, item)) = number.and_then(|number| backlog.remove(number)) else {
            return false;
        };
        self.stats.withdrawn = self.stats.withdrawn.saturating_add(1);
        self.let_go(key.seq, item, step);
        true
    }

    /// Takes everything out; it is counted as withdrawn.
    pub(super) fn take_all(&mut self) -> (backlog::All, Option<AllLent>) {
        let lent = self.delivery.as_mut().map(|delivery| delivery.take_all());
        let in_flight = lent.as_ref().map_or(0, |lent| lent.leases.len());
        let dead = lent.as_ref().map_or(0, |lent| lent.dead.len());
        let all = [self.backlog.len(), in_flight, dead];
        for messages in all {
            let messages = u64::try_from(messages).unwrap_or(u64::MAX);
            self.stats.withdrawn = self.stats.withdrawn.saturating_add(messages);
        }
        self.consumers.have_capacity();
        (self.backlog.take_all(), lent)
    }

    /// Remembers messages that were taken out.
    pub(super) fn forget_all(&mut self, taken: &[backlog::Entry]) {
        for (key, _, item) in taken {
            self.remember_stale(key.seq, item);
        }
    }

    /// Counts messages as expired that were counted as taken out.
    pub(super) fn recount_expired(&mut self, expired: &[backlog::Entry]) {
        self.forget_all(expired);
        let messages = u64::try_from(expired.len()).unwrap_or(u64::MAX);
        self.stats.withdrawn = self.stats.withdrawn.saturating_sub(messages);
        self.stats.expired = self.stats.expired.saturating_add(messages);
    }

    pub(super) fn close(&mut self, now: SystemTime) {
        self.closed.get_or_insert(now);
    }

    pub(super) fn abort(&mut self) {
        self.is_aborted = true;
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// The last handle is gone: nobody can send any more.
    pub(super) fn drop_handles(&mut self) {
        self.has_handles = false;
    }

    pub(super) fn stats(&self, now: SystemTime) -> QueueStats {
        let head = self.backlog.head().and_then(|(key, ..)| key.due.time());
        let delivery = self.delivery.as_ref();
        QueueStats {
            depth: self.backlog.len(),
            in_flight: delivery.map_or(0, |delivery| delivery.leases.len()),
            dead: delivery.map_or(0, |delivery| delivery.dead()),
            bytes: self.backlog.bytes(),
            streams: self.consumers.len(),
            oldest_age: head.and_then(|due| now.duration_since(due).ok()),
            ..self.stats
        }
    }

    /// When a driver is to poll again.
    pub(super) fn drive(
        &mut self,
        ticket: &mut Option<Ticket>,
        caller: &mut Caller<'_>,
        step: &mut Step,
    ) -> Result<Driven, NeedsClone> {
        if self.is_done(step.now) {
            return Ok(Driven::Done);
        }
        let next = self.next_deadline(step.now);
        let next = self.consumers.drive(ticket, next, caller, step)?;
        Ok(Driven::Wait(next.after(step.now)))
    }

    /// Counts messages that were moved. Returns what kind of turn has ended if threads that wait for
    /// the lock are to be let in.
    #[inline]
    pub(super) fn count_moved(&mut self, moved: usize) -> Option<Turn> {
        self.moved = self.moved.saturating_add(moved);
        if self.moved < MOST_IN_TURN {
            return None;
        }
        self.moved = 0;
        let is_crowd = self.backlog.held() > CROWD;
        Some(if is_crowd { Turn::OfCrowd } else { Turn::OfFew })
    }

    /// Whether nothing is left that a driver would do.
    fn is_done(&self, now: SystemTime) -> bool {
        self.is_finished(now) && !self.is_any_in_flight()
    }

    fn is_any_in_flight(&self) -> bool {
        let delivery = self.delivery.as_ref();
        delivery.is_some_and(|delivery| delivery.leases.len() > 0)
    }

    /// Brings the state to rest after a step: wakes whoever must act on it.
    pub(super) fn settle(&mut self, step: &mut Step) {
        self.announce_end(step);
        if self.delivery.is_some() {
            let is_over = self.is_finished(step.now);
            if let Some(delivery) = &mut self.delivery {
                delivery.settle(is_over, step);
            }
        }
        self.consumers.release();
        let anyone_waits = self.consumers.anyone_waits();
        let is_any_full = self.consumers.anyone_is_full();
        if anyone_waits {
            self.backlog.count_due(self.horizon(step.now));
            let due = self.backlog.due();
            if due > 0 {
                self.consumers.notify(due, step);
            } else {
                self.consumers.void_reservations();
            }
        } else if is_any_full && self.is_head_unleased(step.now) {
            self.consumers.notify_full(step);
        }
        if self.consumers.anyone_waits() || is_any_full || self.consumers.is_driven() {
            let next = self.next_deadline(step.now);
            self.consumers.settle_time(next, step);
        }
        self.backlog.settle(step);
    }

    /// Whether the first message is due and needs no lease.
    #[inline]
    fn is_head_unleased(&self, now: SystemTime) -> bool {
        let horizon = self.horizon(now);
        let head = self.backlog.head();
        head.is_some_and(|(key, _, item)| !item.has_id && key.due.has_come(horizon))
    }

    /// Wakes all once when the closing begins, so that pacing ends, and once when all is over: some
    /// in each step.
    #[inline]
    fn announce_end(&mut self, step: &mut Step) {
        let phase = if self.is_aborted || self.is_forgotten() {
            Phase::Over
        } else if self.is_closed() {
            Phase::Closing
        } else {
            return;
        };
        if self.announced < phase {
            self.announced = phase;
            self.consumers.begin_telling();
            self.backlog.begin_telling();
        }
        self.consumers.tell(step);
        self.backlog.tell(step);
        if self.consumers.is_driven() && self.is_done(step.now) {
            if !self.are_drivers_told {
                self.are_drivers_told = true;
                self.consumers.begin_telling_drivers();
            }
            self.consumers.tell_drivers(step);
        }
    }

    /// Whether nobody can push, and nothing is left that ever falls due.
    #[inline]
    fn is_forgotten(&self) -> bool {
        if self.has_handles {
            return false;
        }
        let next = self.backlog.head().and_then(|(key, ..)| key.due.time());
        let delivery = self.delivery.as_ref();
        next.is_none() && delivery.is_none_or(|delivery| delivery.leases.len() == 0)
    }

    #[inline]
    fn is_finished(&self, now: SystemTime) -> bool {
        if self.has_handles && !self.is_closed() {
            return false;
        }
        let next = self.backlog.head();
        let is_due = next.is_some_and(|(key, ..)| key.due.has_come(self.horizon(now)));
        let closed = self.is_closed() && !is_due;
        self.is_aborted || closed || self.is_forgotten()
    }

    #[inline]
    fn horizon(&self, now: SystemTime) -> SystemTime {
        self.closed.unwrap_or(now)
    }

    /// When the next message falls due, may come back, or makes room for a producer. If no stream
    /// waits for a message, nobody can take what falls due.
    #[inline]
    fn next_deadline(&self, now: SystemTime) -> Deadline {
        let mut next = Deadline::Never;
        if let Some(delivery) = &self.delivery {
            next = delivery.next_end();
        }
        if self.consumers.anyone_waits() && !self.is_closed() {
            next = next.min(self.backlog.next_due(now));
        }
        if !self.consumers.anyone_waits() && self.consumers.anyone_is_full() {
            // A message that needs no lease can go to a stream that is full.
            let head = self.backlog.head().filter(|(.., item)| !item.has_id);
            let due = head.map_or(Deadline::Never, |(key, ..)| key.due);
            next = next.min(due);
        }
        if self.backlog.anyone_waits_for_capacity() {
            next = next.min(self.backlog.next_expiry());
        }
        next
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
