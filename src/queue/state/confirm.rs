//! The steps of a queue that delivers at least once.

use core::time::Duration;

use super::State;
use crate::ordered::Key;
use crate::queue::ack_history::End;
use crate::queue::dead_letter::AckError;
use crate::queue::delivery::Dead;
use crate::queue::item::Item;
use crate::queue::lease::{Confirm, DeadLetterReason, Ended, HolderId, Lent, TakenOver};
use crate::queue::step::{Caller, MAX_PER_HOLD, NeedsClone, Step};
use crate::queue::wait_queue::Ticket;
use crate::source::Limit;
use crate::source::chunk::Chunk;
use crate::time::Deadline;

/// The steps that only a queue has that delivers at least once.
impl State {
    /// Sends a message again that the client has not seen. `None` if there is none that may leave
    /// now, false if it does not fit.
    pub(super) fn redeliver_owed(
        &mut self,
        chunk: &mut Chunk,
        holder: HolderId,
        limit: Limit,
        step: &mut Step,
    ) -> Option<bool> {
        let delivery = self.delivery.as_mut()?;
        let (number, item) = delivery.leases.owed(holder)?;
        if delivery.leases.is_spent(number, step.now) {
            self.end_lease(number, DeadLetterReason::Dropped, step);
            return Some(true);
        }
        if !chunk.has_capacity_left(limit) || !chunk.fits(&item.frame, limit) {
            return Some(false);
        }
        if let Some(gate) = &mut self.gate {
            if !gate.lets_pass(true, step.now) {
                return None;
            }
            gate.take(step.now);
        }
        chunk.push(item.frame.clone());
        delivery.leases.lend_owed(holder, step.now);
        self.stats.delivered = self.stats.delivered.saturating_add(1);
        self.stats.redelivered = self.stats.redelivered.saturating_add(1);
        Some(true)
    }

    pub(super) fn is_owed(&self, holder: HolderId) -> bool {
        let delivery = self.delivery.as_ref();
        delivery.is_some_and(|delivery| delivery.is_owed(holder))
    }

    /// How many more messages a holder may have in flight.
    pub(super) fn capacity(&self, holder: HolderId) -> usize {
        let delivery = self.delivery.as_ref();
        delivery.map_or(usize::MAX, |delivery| delivery.capacity(holder))
    }

    /// The holder of a stream, in a queue that delivers at least once.
    pub(super) fn holder_of(&mut self, ticket: Ticket) -> Option<HolderId> {
        let delivery = self.delivery.as_mut()?;
        let known = self.consumers.holder(ticket);
        let holder = delivery.leases.holder_of(ticket.to_bits(), known);
        if known != Some(holder) {
            self.consumers.set_holder(ticket, Some(holder));
        }
        Some(holder)
    }

    /// Waits for dead letters; `None` while there are none, and true if there will be no more.
    pub(crate) fn poll_dead(
        &mut self,
        ticket: &mut Option<Ticket>,
        caller: &mut Caller<'_>,
        step: &mut Step,
    ) -> Result<Option<bool>, NeedsClone> {
        let is_over = self.is_finished(step.now);
        let Some(delivery) = &mut self.delivery else {
            return Ok(Some(true));
        };
        let is_over = is_over && delivery.leases.len() == 0;
        if is_over || delivery.dead() > 0 {
            return Ok(Some(is_over));
        }
        delivery.wait_for_dead(ticket, caller, step)?;
        Ok(None)
    }

    pub(crate) fn leave_dead(&mut self, ticket: Ticket, step: &mut Step) {
        if let Some(delivery) = &mut self.delivery {
            delivery.leave_dead(ticket, step);
        }
    }

    pub(crate) fn ack(&mut self, id: &str, step: &mut Step) -> Result<(), AckError> {
        match self.in_flight(id, step) {
            Ok(number) => {
                self.confirm(number, step);
                Ok(())
            }
            // An ack may be repeated.
            Err(Missing::Confirmed) => Ok(()),
            Err(missing) => Err(missing.into()),
        }
    }

    pub(crate) fn nack(
        &mut self,
        id: &str,
        delay: Option<Duration>,
        step: &mut Step,
    ) -> Result<(), AckError> {
        let number = self.in_flight(id, step)?;
        let delivery = self.delivery.as_mut();
        let ended = delivery.and_then(|delivery| delivery.leases.end(number));
        if let Some((mut lent, holder)) = ended {
            let delay = delay.or_else(|| self.backoff(lent.attempts));
            postpone(&mut lent, delay, Deadline::At(step.now));
            self.come_back(lent, holder, DeadLetterReason::Nacked, step);
        }
        Ok(())
    }

    pub(crate) fn extend(&mut self, id: &str, by: Duration, step: &Step) -> Result<(), AckError> {
        let number = self.in_flight(id, step)?;
        if let Some(delivery) = &mut self.delivery {
            delivery.leases.extend(number, by);
        }
        Ok(())
    }

    /// Returns one message whose lease has ended, if there is one.
    pub(super) fn return_one(&mut self, step: &mut Step) -> bool {
        let delivery = self.delivery.as_mut();
        let ended = delivery.and_then(|delivery| delivery.leases.end_due(step.now));
        let Some(ended) = ended else {
            return false;
        };
        let Ended {
            mut lent,
            holder,
            reason,
            at,
        } = ended;
        // Whenever a step notices it, the wait began as the lease ended.
        let delay = self.backoff(lent.attempts);
        postpone(&mut lent, delay, at);
        self.come_back(lent, holder, reason, step);
        true
    }

    /// Lets a stream take over what the client that saw `id` last has in flight, and confirms what
    /// it has seen if the queue confirms by that. Returns whether there is more to confirm.
    pub(crate) fn take_over(
        &mut self,
        id: &str,
        ticket: Ticket,
        taken_over: &mut Option<TakenOver>,
        step: &mut Step,
    ) -> bool {
        if taken_over.is_none() {
            let (Some(number), Some(delivery)) = (self.seen_last(id), &mut self.delivery) else {
                return false;
            };
            if let Some(stream) = delivery.leases.stream_that_saw(number) {
                // It holds nothing now, so it may take more.
                self.consumers.free_capacity(Ticket::from_bits(stream));
            }
            *taken_over = delivery.leases.take_over(number, ticket.to_bits());
            let holder = taken_over.map(|taken_over| taken_over.holder);
            self.consumers.set_holder(ticket, holder);
        }
        let Some(TakenOver { holder, order }) = *taken_over else {
            return false;
        };
        for _ in 0..MAX_PER_HOLD {
            let delivery = self.delivery.as_ref();
            let by_resume =
                delivery.filter(|delivery| delivery.leases.terms().confirm == Confirm::ByResume);
            let seen = by_resume.and_then(|delivery| delivery.leases.seen(holder, order));
            let Some(seen) = seen else {
                return false;
            };
            self.confirm(seen, step);
        }
        true
    }

    /// The number of the newest message with this id that was ever in flight.
    fn seen_last(&self, id: &str) -> Option<u64> {
        let delivery = self.delivery.as_ref()?;
        let own = self.backlog.newest_with_own(id);
        let own = own.or_else(|| delivery.end_of_own(id).map(|(_, number)| number));
        own.or_else(|| self.backlog.number_in(id))
    }

    /// Takes some dead letters.
    pub(crate) fn take_dead(&mut self, max: usize) -> Vec<Dead> {
        let delivery = self.delivery.as_mut();
        let dead = delivery.map_or_else(Vec::new, |delivery| delivery.take_dead(max));
        for (lent, _) in &dead {
            let (due, seq) = (lent.due, lent.seq);
            self.backlog.release(Key { due, seq }, &lent.item, true);
            self.stats.withdrawn = self.stats.withdrawn.saturating_add(1);
        }
        dead
    }

    /// Whether the queue holds a message with this id, if ids must be unique.
    pub(super) fn is_taken(&self, id: &str) -> bool {
        let Some(delivery) = &self.delivery else {
            return false;
        };
        if self.backlog.newest_with_own(id).is_some() {
            return true;
        }
        let Some(number) = self.backlog.number_in(id) else {
            return false;
        };
        let item = self.backlog.get(number);
        let item = item.or_else(|| delivery.leases.get(number));
        item.is_some_and(|item| item.own_id.is_none()) || delivery.is_dead(number)
    }

    /// The number of the message in flight with this id.
    fn in_flight(&self, id: &str, step: &Step) -> Result<u64, Missing> {
        let delivery = self.delivery.as_ref().ok_or(Missing::Unknown)?;
        let own = self.backlog.newest_with_own(id);
        let number = own.or_else(|| self.backlog.number_in(id));
        // A message with an id of its own is not known by its number.
        let goes_by = |item: &Item| own.is_some() || item.own_id.is_none();
        if let Some(number) = number {
            if delivery.leases.get(number).is_some_and(goes_by) {
                // Its lease may have ended without the message having been returned.
                let is_over = delivery.leases.is_over(number, step.now);
                return if is_over {
                    Err(Missing::Stale)
                } else {
                    Ok(number)
                };
            }
            if let Some(item) = self.backlog.get(number).filter(|item| goes_by(item)) {
                let was_out = item.attempts > 0;
                return Err(if was_out {
                    Missing::Stale
                } else {
                    Missing::Unknown
                });
            }
        }
        let past = delivery.end_of_own(id).map(|(end, _)| end);
        match past.or_else(|| delivery.end_of_number(number?)) {
            Some(End::Confirmed) => Err(Missing::Confirmed),
            Some(End::Stale) => Err(Missing::Stale),
            None => Err(Missing::Unknown),
        }
    }

    fn confirm(&mut self, number: u64, step: &mut Step) {
        let Some(delivery) = &mut self.delivery else {
            return;
        };
        let Some((lent, holder)) = delivery.leases.end(number) else {
            return;
        };
        delivery.remember(number, &lent.item, End::Confirmed);
        self.stats.confirmed = self.stats.confirmed.saturating_add(1);
        self.release_lent(lent, step);
        self.free_capacity_of(holder);
    }

    fn end_lease(&mut self, number: u64, reason: DeadLetterReason, step: &mut Step) {
        let delivery = self.delivery.as_mut();
        let ended = delivery.and_then(|delivery| delivery.leases.end(number));
        if let Some((lent, holder)) = ended {
            self.come_back(lent, holder, reason, step);
        }
    }

    /// How long a message waits after so many attempts, if it waits at all.
    fn backoff(&self, attempts: u32) -> Option<Duration> {
        self.delivery
            .as_ref()?
            .leases
            .terms()
            .backoff_after(attempts)
    }

    /// Puts a message whose lease has ended back into the backlog, or among the dead letters.
    fn come_back(
        &mut self,
        mut lent: Lent<Item>,
        holder: Option<HolderId>,
        reason: DeadLetterReason,
        step: &mut Step,
    ) {
        self.free_capacity_of(holder);
        lent.item.attempts = lent.attempts;
        lent.item.client = lent.client;
        let Some(delivery) = &mut self.delivery else {
            return;
        };
        let (due, seq) = (lent.due, lent.seq);
        if lent.expires.has_come(step.now) {
            delivery.remember(seq, &lent.item, End::Stale);
            self.stats.expired = self.stats.expired.saturating_add(1);
            self.release_lent(lent, step);
        } else if lent.attempts >= delivery.leases.terms().max_attempts {
            delivery.remember(seq, &lent.item, End::Stale);
            delivery.bury(lent, reason);
        } else {
            let entry = (Key { due, seq }, lent.expires, lent.item);
            self.backlog.put_back(entry, self.horizon(step.now));
        }
    }

    /// Releases what a message in flight counted towards the bounds.
    fn release_lent(&mut self, lent: Lent<Item>, step: &mut Step) {
        let (due, seq) = (lent.due, lent.seq);
        self.backlog.release(Key { due, seq }, &lent.item, true);
        step.effects.drop_frame(lent.item.frame);
    }

    /// The stream of this holder may take more now.
    fn free_capacity_of(&mut self, holder: Option<HolderId>) {
        let delivery = self.delivery.as_ref();
        let stream = delivery.and_then(|delivery| delivery.leases.stream_of(holder?));
        if let Some(stream) = stream {
            self.consumers.free_capacity(Ticket::from_bits(stream));
        }
    }
}

/// Lets a message that returns fall due so long after its lease ended, if that is set.
fn postpone(lent: &mut Lent<Item>, delay: Option<Duration>, ended: Deadline) {
    if let Some(delay) = delay {
        // A message that expires before it is due again is due when it expires: it goes to no
        // client.
        lent.due = ended.plus(delay).min(lent.expires);
    }
}

/// Why a message is not in flight.
enum Missing {
    Confirmed,
    Stale,
    Unknown,
}

impl From<Missing> for AckError {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Unknown => Self::Unknown,
            // A nack or an extension of a confirmed message is too late.
            Missing::Stale | Missing::Confirmed => Self::Stale,
        }
    }
}
