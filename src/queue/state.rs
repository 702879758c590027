//! The state behind a queue's lock: the steps that concern several of its parts.

mod confirm;
mod end;
mod gate;
mod peek;
mod poll;
mod push;

use std::time::SystemTime;

use super::ack_history::End;
use super::backlog::{self, Backlog};
use super::bounds::Bounds;
use super::consumers::Consumers;
use super::delivery::{AllLent, Delivery};
use super::gate::Gate;
use super::item::Item;
use super::lease::Lease;
use super::stats::QueueStats;
use super::step::{MAX_PER_TURN, Step};
use super::wait_queue::Ticket;
use crate::message::id::Epoch;
use crate::time::Deadline;
use crate::watchers::Watchers;
use end::Phase;

pub(super) use end::Driven;
pub(super) use peek::{Among, Peek};
pub(super) use poll::{Burst, Readiness, Taken};

/// The state behind a queue's lock.
///
/// Each call is one step. [`catch_up`](Self::catch_up) precedes it and does some of what has become
/// due as time passed; [`settle`](Self::settle) follows it and restores the invariant: if a message
/// is due and a stream waits, a stream has been notified.
pub(super) struct State {
    pub(super) backlog: Backlog,
    pub(super) consumers: Consumers,
    /// Only in a queue that delivers at least once.
    pub(super) delivery: Option<Box<Delivery>>,
    /// Only in a queue that is open, and has a rate or was paused.
    gate: Option<Box<Gate>>,
    /// The latest reading of the clock. Readings are taken before the lock, so they can arrive in
    /// another order; a message that was due once must stay due.
    latest: SystemTime,
    has_handles: bool,
    /// When it was closed: messages that are due later stay.
    closed: Option<SystemTime>,
    is_aborted: bool,
    /// What is being announced to all tasks, or has been.
    announced: Phase,
    /// Tasks that wait for the beginning of the end.
    closed_watchers: Watchers,
    /// Tasks that wait for the end.
    ended_watchers: Watchers,
    /// The end is being announced to all drivers, or has been.
    is_announced_to_drivers: bool,
    pub(super) stats: QueueStats,
    /// Messages that were moved since waiting threads were let in.
    moved: usize,
}

/// More messages than this are a crowd.
const CROWD: usize = 1024;

/// A turn of the threads that enter the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Few messages are held.
    OfFew,
    /// So many are held that the memory which they leave behind in the allocator matters.
    OfCrowd,
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
            gate: None,
            latest: now,
            has_handles: true,
            closed: None,
            is_aborted: false,
            announced: Phase::Open,
            closed_watchers: Watchers::default(),
            ended_watchers: Watchers::default(),
            is_announced_to_drivers: false,
            stats: QueueStats::default(),
            moved: 0,
        }
    }

    /// The time of a step whose reading of the clock is `now`: never before that of the last one.
    #[inline]
    pub(super) fn advance_time(&mut self, now: SystemTime) -> SystemTime {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// Discards expired messages and returns those whose lease has ended, a bounded number of them.
    /// Returns whether there may be more.
    #[inline]
    pub(super) fn catch_up(&mut self, step: &mut Step) -> bool {
        // Most queues hold nothing that time changes.
        let is_timeless = self.delivery.is_none() && !self.backlog.can_expire();
        if is_timeless && !self.consumers.may_lapse() {
            return false;
        }
        self.consumers.lapse(step.now);
        !is_timeless && self.catch_up_with_time(step)
    }

    #[inline(never)]
    fn catch_up_with_time(&mut self, step: &mut Step) -> bool {
        self.is_behind(step.now) && self.catch_up_some(step)
    }

    /// Whether an expired message was not discarded yet, or one whose lease has ended not returned.
    fn is_behind(&self, now: SystemTime) -> bool {
        let delivery = self.delivery.as_ref();
        self.backlog.is_any_expired(now)
            || delivery.is_some_and(|delivery| delivery.is_any_over(now))
    }

    fn catch_up_some(&mut self, step: &mut Step) -> bool {
        while step.count_move() {
            let came_back = self.return_one(step);
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
        self.discard(key.seq, item, step);
        true
    }

    /// Drops a message that has left the backlog for good.
    fn discard(&mut self, number: u64, item: Item, step: &mut Step) {
        self.record_stale(number, &item);
        step.effects.drop_frame(item.frame);
    }

    /// Records that a message is no longer in flight and not confirmed, if it was handed out
    /// before.
    fn record_stale(&mut self, number: u64, item: &Item) {
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
            // Once the queue is closed no client can come back, so only the lease counts.
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
        self.discard(key.seq, item, step);
        true
    }

    /// Takes all messages out, and counts them as withdrawn.
    pub(super) fn take_all(&mut self) -> (backlog::All, Option<AllLent>) {
        let lent = self.delivery.as_mut().map(|delivery| delivery.take_all());
        let in_flight = lent.as_ref().map_or(0, |lent| lent.leases.len());
        let dead = lent.as_ref().map_or(0, |lent| lent.dead.len());
        let all = [self.backlog.len(), in_flight, dead];
        for messages in all {
            let messages = u64::try_from(messages).unwrap_or(u64::MAX);
            self.stats.withdrawn = self.stats.withdrawn.saturating_add(messages);
        }
        self.consumers.free_all_capacity();
        (self.backlog.take_all(), lent)
    }

    /// Records messages that were taken out.
    pub(super) fn record_all_stale(&mut self, taken: &[backlog::Entry]) {
        for (key, _, item) in taken {
            self.record_stale(key.seq, item);
        }
    }

    /// Counts as expired what was counted as withdrawn.
    pub(super) fn recount_expired(&mut self, expired: &[backlog::Entry]) {
        self.record_all_stale(expired);
        let messages = u64::try_from(expired.len()).unwrap_or(u64::MAX);
        self.stats.withdrawn = self.stats.withdrawn.saturating_sub(messages);
        self.stats.expired = self.stats.expired.saturating_add(messages);
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

    /// Counts messages that were moved. Returns the kind of turn that has ended, if waiting threads
    /// must be let in.
    #[inline]
    pub(super) fn count_moved(&mut self, moved: usize) -> Option<Turn> {
        self.moved = self.moved.saturating_add(moved);
        if self.moved < MAX_PER_TURN {
            return None;
        }
        self.moved = 0;
        let is_crowd = self.backlog.held() > CROWD;
        Some(if is_crowd { Turn::OfCrowd } else { Turn::OfFew })
    }

    fn is_any_in_flight(&self) -> bool {
        let delivery = self.delivery.as_ref();
        delivery.is_some_and(|delivery| delivery.leases.len() > 0)
    }

    /// Restores the invariant after a step: notifies every task that must act on it.
    pub(super) fn settle(&mut self, step: &mut Step) {
        // Streams last: a crowd of them may belong to clients that do not read, and use up all that
        // a step may wake without being polled.
        let is_closing = self.is_closing();
        if is_closing {
            self.wake_watchers(step);
        }
        if self
            .delivery
            .as_ref()
            .is_some_and(|delivery| delivery.has_takers())
        {
            self.settle_takers(step);
        }
        if is_closing {
            self.announce_end(step);
        }
        self.consumers.release();
        self.announce_unpaused(step);
        let has_waiting = self.consumers.has_waiting();
        let is_any_full = self.consumers.has_full();
        if has_waiting {
            self.backlog.count_due(self.horizon(step.now));
            let due = self.leaving(self.backlog.due(), step.now);
            if due > 0 {
                self.consumers.notify(due, step);
            } else {
                self.consumers.void_reservations();
            }
        } else if is_any_full && !self.is_paused() && self.is_head_unleased(step.now) {
            self.consumers.notify_full(step);
        }
        if self.consumers.has_waiting() || is_any_full || self.consumers.is_driven() {
            let next = self.next_deadline(step.now);
            self.consumers.settle_time(next, step);
        }
        self.backlog.settle(step);
    }

    /// Wakes tasks that wait for dead letters.
    fn settle_takers(&mut self, step: &mut Step) {
        let is_over = self.is_finished(step.now);
        if let Some(delivery) = &mut self.delivery {
            delivery.settle(is_over, step);
        }
    }

    /// Whether the first message is due and needs no lease.
    #[inline]
    fn is_head_unleased(&self, now: SystemTime) -> bool {
        let horizon = self.horizon(now);
        let head = self.backlog.head();
        head.is_some_and(|(key, _, item)| !item.has_id && key.due.has_come(horizon))
    }

    #[inline]
    fn horizon(&self, now: SystemTime) -> SystemTime {
        self.closed.unwrap_or(now)
    }

    /// When the next message falls due, may return, or frees capacity for a producer. If no stream
    /// waits, no stream can take a message that falls due.
    #[inline]
    fn next_deadline(&self, now: SystemTime) -> Deadline {
        if self.delivery.is_none() && self.gate.is_none() && self.backlog.is_timeless() {
            return Deadline::Never;
        }
        self.next_of_all(now)
    }

    fn next_of_all(&self, now: SystemTime) -> Deadline {
        let mut next = Deadline::Never;
        if let Some(delivery) = &self.delivery {
            next = delivery.next_end();
        }
        if self.consumers.has_waiting() && !self.is_closed() {
            next = next.min(self.next_leaving(now));
        }
        if !self.consumers.has_waiting() && self.consumers.has_full() && !self.is_paused() {
            // A message that needs no lease can go to a stream that is full.
            let head = self.backlog.head().filter(|(.., item)| !item.has_id);
            let due = head.map_or(Deadline::Never, |(key, ..)| key.due);
            next = next.min(due);
        }
        // Once the queue is closed, the last due message may leave it by expiring.
        if self.backlog.has_waiting_producers() || self.is_closed() {
            next = next.min(self.backlog.next_expiry());
        }
        next
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
