//! How a stream waits for messages and takes them.

use std::time::SystemTime;

use super::State;
use crate::queue::consumers::DEBT;
use crate::queue::item::Item;
use crate::queue::lease::{HolderId, Lent};
use crate::queue::step::{Caller, MAX_PER_HOLD, NeedsClone, Step};
use crate::queue::wait_queue::{List, Ticket};
use crate::source::chunk::Chunk;
use crate::source::{Limit, Pull};
use crate::time::Deadline;

/// The outcome of a poll for a chunk.
pub(crate) enum Taken {
    /// All that is due and fits.
    Chunk,
    /// Nothing is due. When this stream must poll again, if it is a timekeeper.
    Wait(Option<SystemTime>),
    /// More had to be discarded than one hold of the lock allows.
    Again,
    End,
}

enum Gathered {
    /// All that is due and fits; maybe nothing.
    Done,
    Again,
    /// The stream has as many messages in flight as it may.
    Full,
}

/// Whether something is due.
pub(crate) enum Readiness {
    Due,
    /// Nothing is due. When this stream must poll again, if it is a timekeeper.
    Wait(Option<SystemTime>),
}

/// A burst, which continues in the next chunk if one could not hold all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    began: SystemTime,
    /// The number of the last message when the burst began.
    last: u64,
    /// How many more messages it may have.
    left: usize,
}

impl State {
    /// Takes what is due into the chunk, for a stream.
    pub(crate) fn poll_chunk(
        &mut self,
        ticket: Ticket,
        chunk: &mut Chunk,
        burst: &mut Option<Burst>,
        pull: &mut Pull,
        caller: &mut Caller<'_>,
        step: &mut Step,
    ) -> Result<Taken, NeedsClone> {
        if self.is_aborted {
            return Ok(Taken::End);
        }
        let holder = self.holder_of(ticket);
        if pull.registers() && chunk.is_empty() && self.abstains(ticket, holder, step.now) {
            return self.wait(ticket, holder, pull, caller, step);
        }
        let mut limit = pull.limit();
        if let Some(burst) = burst.filter(|_| pull.is_batch()) {
            limit.messages = burst.left;
        }
        let gathered = self.gather(chunk, holder, limit, step);
        if !chunk.is_empty() {
            if pull.registers() {
                self.consumers.leave(ticket, step.now);
            } else {
                self.consumers.leave_unregistered(ticket, step);
            }
            if let Gathered::Again = gathered {
                return Ok(Taken::Again);
            }
            self.note_burst(burst, chunk.len(), holder, pull, step.now);
            return Ok(Taken::Chunk);
        }
        match gathered {
            Gathered::Again => Ok(Taken::Again),
            Gathered::Done if self.is_finished(step.now) => Ok(Taken::End),
            Gathered::Full if self.is_closed() => Ok(Taken::End),
            Gathered::Done | Gathered::Full => {
                *burst = None;
                self.wait(ticket, holder, pull, caller, step)
            }
        }
    }

    /// Takes one due message, without a stream.
    pub(crate) fn next_ready(&mut self, chunk: &mut Chunk, step: &mut Step) -> bool {
        let one = Limit::new(usize::MAX, 1);
        !self.is_aborted && matches!(self.gather(chunk, None, one, step), Gathered::Again)
    }

    /// Whether a timekeeper leaves the due messages to streams that were notified for them.
    #[inline]
    fn abstains(&mut self, ticket: Ticket, holder: Option<HolderId>, now: SystemTime) -> bool {
        if !self.consumers.is_keeper(ticket)
            || self.is_closed()
            || holder.is_some_and(|holder| self.is_owed(holder))
        {
            return false;
        }
        self.backlog.count_due(now);
        let due = self.leaving(self.backlog.due(), now);
        due > 0 && self.consumers.abstains(ticket, due)
    }

    /// Waits, having found nothing. A caller that polls by hand leaves instead, and registers no
    /// waker.
    fn wait(
        &mut self,
        ticket: Ticket,
        holder: Option<HolderId>,
        pull: &Pull,
        caller: &mut Caller<'_>,
        step: &mut Step,
    ) -> Result<Taken, NeedsClone> {
        if !pull.registers() {
            self.consumers.leave_unregistered(ticket, step);
            return Ok(Taken::Wait(None));
        }
        let capacity = holder.map_or(usize::MAX, |holder| self.capacity(holder));
        let list = match (capacity, pull.yields()) {
            (0, _) => List::Full,
            (_, true) => List::Yielding,
            (_, false) => List::Waiting,
        };
        let credit = pull.limit().messages.min(capacity).max(1);
        self.consumers.wait(ticket, list, credit, caller, step)?;
        let next = self.next_deadline(step.now);
        let keeps = self.consumers.keep_time(ticket, next, step.now);
        Ok(Taken::Wait(self.or_owed(keeps, holder, step.now)))
    }

    /// Reports whether more of the burst follows this chunk. The last chunk may hold messages that
    /// came after the burst began. On a grid, a burst has as many messages as a tick allows, in as
    /// many chunks as necessary.
    fn note_burst(
        &self,
        burst: &mut Option<Burst>,
        messages: usize,
        holder: Option<HolderId>,
        pull: &mut Pull,
        now: SystemTime,
    ) {
        if self.backlog.len() == 0 {
            *burst = None;
            return;
        }
        let max = if pull.is_batch() {
            pull.limit().messages
        } else {
            usize::MAX
        };
        let mut this = burst.take().unwrap_or(Burst {
            began: self.horizon(now),
            last: self.backlog.last_number(),
            left: max,
        });
        this.left = this.left.saturating_sub(messages);
        let head = self.backlog.head().filter(|(key, ..)| {
            this.left > 0 && key.due.has_come(this.began) && key.seq <= this.last
        });
        let fits = |item: &Item| holder.is_none_or(|id| !item.has_id || self.capacity(id) > 0);
        if head.is_some_and(|(.., item)| fits(item) && self.may_leave(item.has_id, now)) {
            *burst = Some(this);
            pull.more_follows();
        }
    }

    fn gather(
        &mut self,
        chunk: &mut Chunk,
        holder: Option<HolderId>,
        limit: Limit,
        step: &mut Step,
    ) -> Gathered {
        let horizon = self.horizon(step.now);
        for _ in 0..MAX_PER_HOLD {
            if let Some(holder) = holder {
                match self.redeliver_owed(chunk, holder, limit, step) {
                    Some(true) => continue,
                    Some(false) => return Gathered::Done,
                    None => {}
                }
            }
            let head = self.backlog.head();
            let Some((key, expires, item)) = head.filter(|_| chunk.has_capacity_left(limit)) else {
                return Gathered::Done;
            };
            if !key.due.has_come(horizon) {
                return Gathered::Done;
            }
            if expires.has_come(step.now) {
                if !step.count_move() {
                    return Gathered::Again;
                }
                self.expire_one(step);
                continue;
            }
            if !chunk.fits(&item.frame, limit) || !self.may_leave(item.has_id, step.now) {
                return Gathered::Done;
            }
            let is_leased = item.has_id && self.delivery.is_some();
            if is_leased && holder.is_some_and(|holder| self.capacity(holder) == 0) {
                return Gathered::Full;
            }
            self.take_head(chunk, holder, is_leased, step);
        }
        Gathered::Again
    }

    fn take_head(
        &mut self,
        chunk: &mut Chunk,
        holder: Option<HolderId>,
        is_leased: bool,
        step: &Step,
    ) {
        if !is_leased {
            if let Some((_, _, item)) = self.backlog.pop() {
                if item.has_id {
                    self.count_leaving(step.now);
                }
                // No client can confirm it.
                let confirmed = u64::from(self.delivery.is_some());
                self.stats.confirmed = self.stats.confirmed.saturating_add(confirmed);
                self.stats.delivered = self.stats.delivered.saturating_add(1);
                chunk.push(item.frame);
            }
            return;
        }
        let (Some((key, expires, item)), Some(delivery)) =
            (self.backlog.pop_to_lend(), &mut self.delivery)
        else {
            return;
        };
        if let Some(gate) = &mut self.gate {
            gate.take(step.now);
        }
        let again = u64::from(item.attempts > 0);
        self.stats.redelivered = self.stats.redelivered.saturating_add(again);
        self.stats.delivered = self.stats.delivered.saturating_add(1);
        chunk.push(item.frame.clone());
        let lent = Lent {
            seq: key.seq,
            due: key.due,
            expires,
            attempts: item.attempts,
            client: item.client,
            item,
        };
        delivery.leases.lend(lent, holder, step.now);
    }

    /// Whether something is due that no other stream has reserved. If so, this stream reserves as
    /// much as its limit allows; otherwise it waits.
    pub(crate) fn poll_ready(
        &mut self,
        ticket: Ticket,
        pull: &Pull,
        caller: &mut Caller<'_>,
        step: &mut Step,
    ) -> Result<Readiness, NeedsClone> {
        let holder = self.holder_of(ticket);
        if self.is_aborted || self.is_closed() || self.is_finished(step.now) {
            return Ok(Readiness::Due);
        }
        if holder.is_some_and(|holder| self.is_owed(holder)) && self.may_leave(true, step.now) {
            self.consumers.park(ticket, caller, step)?;
            return Ok(Readiness::Due);
        }
        let capacity = holder.map_or(usize::MAX, |holder| self.capacity(holder));
        let head = self.backlog.head();
        let is_full = capacity == 0 && head.is_none_or(|(.., item)| item.has_id);
        self.backlog.count_due(self.horizon(step.now));
        let due = self.leaving(self.backlog.due(), step.now);
        if !pull.registers() {
            // It polls by hand: it reserves nothing.
            self.consumers.leave_unregistered(ticket, step);
            let is_due = !is_full && self.consumers.is_one_left(ticket, due);
            return Ok(if is_due {
                Readiness::Due
            } else {
                Readiness::Wait(None)
            });
        }
        if !is_full && self.consumers.may_reserve(ticket, due) {
            let credit = pull.limit().messages.min(capacity).max(1);
            let until = pull.returns_within().map_or(Deadline::Never, |time| {
                Deadline::At(step.now).plus(time).plus(DEBT)
            });
            self.consumers
                .reserve(ticket, credit, until, caller, step)?;
            return Ok(Readiness::Due);
        }
        match self.wait(ticket, holder, pull, caller, step)? {
            Taken::Wait(deadline) => Ok(Readiness::Wait(deadline)),
            Taken::Chunk | Taken::Again | Taken::End => Ok(Readiness::Due),
        }
    }
}
