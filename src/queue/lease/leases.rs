//! Everything in flight, in the order in which it ends, and the clients that hold it.

mod holder;

use core::time::Duration;
use std::collections::BTreeSet;
use std::time::SystemTime;

use super::deadlines::{End, Ends, Slot};
use super::flight::{Client, Flight, HolderId, Lent};
use super::{DeadLetterReason, Lease};
use crate::seq_map::SeqMap;
use crate::time::Deadline;
use holder::Holder;

/// How many extended leases one step takes at most from a holder whose grace is over.
const MAX_DETACHED: usize = 64;

/// Messages in flight, by number.
///
/// Each step works on one message, no matter how many a holder has: nothing traverses a holder's
/// list.
#[derive(Debug)]
pub(crate) struct Leases<T> {
    terms: Lease,
    flights: SeqMap<Box<Flight<T>>>,
    ends: Ends,
    holders: SeqMap<Box<Holder>>,
    /// When the grace of each holder without a stream ends.
    graces: BTreeSet<(Deadline, HolderId)>,
    /// When the first message of each holder without a stream expires, if any ever does.
    expiries: BTreeSet<(Deadline, HolderId)>,
    /// The last message that has left each holder, by number.
    departed: SeqMap<HolderId>,
    last_holder: u64,
    last_order: u64,
    /// Whether any client has come back to messages that it had not seen.
    has_owed: bool,
}

/// A message in flight, as it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlight<'a, T> {
    pub(crate) item: &'a T,
    pub(crate) due: Deadline,
    pub(crate) expires: Deadline,
    /// When its lease ends.
    pub(crate) until: Deadline,
    /// How many times it was handed out, including this time.
    pub(crate) attempts: u32,
}

/// Why a lease has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Lease,
    /// Its stream was dropped, and the client did not come back in time.
    Grace,
    /// Its stream was dropped, and the message has expired.
    Expiry,
}

/// A lease that is over.
#[derive(Debug)]
pub(crate) struct Ended<T> {
    pub(crate) lent: Lent<T>,
    /// It has capacity again.
    pub(crate) holder: Option<HolderId>,
    pub(crate) reason: DeadLetterReason,
    /// When it ended, which may be long before the call.
    pub(crate) at: Deadline,
}

/// What a stream has taken over from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TakenOver {
    pub(crate) holder: HolderId,
    /// The order of the message that the client saw last: see [`Leases::seen`].
    pub(crate) order: u64,
}

impl<T> Leases<T> {
    pub(crate) fn new(terms: Lease) -> Self {
        Self {
            terms,
            flights: SeqMap::default(),
            ends: Ends::default(),
            holders: SeqMap::default(),
            graces: BTreeSet::new(),
            expiries: BTreeSet::new(),
            departed: SeqMap::default(),
            last_holder: 0,
            last_order: 0,
            has_owed: false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.flights.len()
    }

    pub(crate) fn terms(&self) -> Lease {
        self.terms
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&T> {
        self.flights.get(seq).map(|flight| &flight.item)
    }

    /// Each message in flight from a number on: its number, its item, and what is known of it.
    pub(crate) fn iter_from(&self, first: u64) -> impl Iterator<Item = (u64, InFlight<'_, T>)> {
        let flights = self.flights.iter_from(first);
        flights.map(|(seq, flight)| {
            let in_flight = InFlight {
                item: &flight.item,
                due: flight.due,
                expires: flight.expires,
                until: flight.until,
                attempts: flight.attempts,
            };
            (seq, in_flight)
        })
    }

    /// Leases a message to a holder, or to none. `attempts` counts how many times it was handed out
    /// before.
    pub(crate) fn lend(&mut self, lent: Lent<T>, holder: Option<HolderId>, now: SystemTime) {
        let until = Deadline::At(now).plus(self.terms.timeout);
        let client = lent.client.and(holder, lent.attempts);
        if client == Client::SEVERAL {
            // Its id no longer identifies the client that saw it.
            self.departed.remove(lent.seq);
        }
        self.last_order = self.last_order.saturating_add(1);
        let flight = Flight {
            due: lent.due,
            expires: lent.expires,
            until,
            slot: self.ends.insert((until, lent.seq)),
            attempts: lent.attempts.saturating_add(1),
            extended: false,
            is_several: client == Client::SEVERAL,
            order: self.last_order,
            holder,
            previous: holder.and_then(|holder| self.link(holder, lent.seq, lent.expires)),
            next: None,
            item: lent.item,
        };
        self.flights.insert(lent.seq, Box::new(flight));
    }

    /// Whether an owed message must not be sent again.
    pub(crate) fn is_spent(&self, seq: u64, now: SystemTime) -> bool {
        self.flights.get(seq).is_some_and(|flight| {
            flight.attempts >= self.terms.max_attempts || flight.expires.has_come(now)
        })
    }

    /// Leases the owed message again.
    pub(crate) fn lend_owed(&mut self, id: HolderId, now: SystemTime) {
        let until = Deadline::At(now).plus(self.terms.timeout);
        let Some(holder) = self.holders.get_mut(id.get()) else {
            return;
        };
        let Some(seq) = holder.owed else {
            return;
        };
        let Some(flight) = self.flights.get_mut(seq) else {
            return;
        };
        flight.attempts = flight.attempts.saturating_add(1);
        flight.extended = false;
        holder.owed = flight.next();
        self.move_end(seq, until, Ends::insert);
    }

    /// Ends the lease of a message and takes it out. Returns the holder that has capacity again.
    pub(crate) fn end(&mut self, seq: u64) -> Option<(Lent<T>, Option<HolderId>)> {
        let flight = self.flights.remove(seq)?;
        self.ends.remove((flight.until, seq), flight.slot);
        self.unlink(&flight.link(seq));
        let holder = flight.holder;
        Some((flight.lent(seq), holder))
    }

    /// Ends one lease that is over at `now`: the first that ended, however late the call.
    ///
    /// Returns `None` if none is over, or if this step has done its share without ending one;
    /// [`next_end`](Self::next_end) is then still in the past.
    pub(crate) fn end_due(&mut self, now: SystemTime) -> Option<Ended<T>> {
        for _ in 0..MAX_DETACHED {
            let (seq, over, at) = self.first_over(now)?;
            if over == Over::Grace && self.flights.get(seq)?.extended {
                self.detach(seq);
                continue;
            }
            let (lent, holder) = self.end(seq)?;
            let reason = match over {
                Over::Lease => DeadLetterReason::LeaseEnded,
                Over::Grace | Over::Expiry => DeadLetterReason::Dropped,
            };
            return Some(Ended {
                lent,
                holder,
                reason,
                at,
            });
        }
        None
    }

    /// The message whose lease ended first, why, and when.
    fn first_over(&self, now: SystemTime) -> Option<(u64, Over, Deadline)> {
        let never = Deadline::Never;
        let grace = self.graces.first().map_or(never, |(grace, _)| *grace);
        let expiry = self.expiries.first().map_or(never, |(expiry, _)| *expiry);
        let end = self.ends.first().map_or(never, |(end, _)| end);
        let first = grace.min(expiry).min(end);
        if !first.has_come(now) {
            None
        } else if expiry == first {
            Some((self.first_expired(now)?, Over::Expiry, first))
        } else if grace == first {
            Some((self.first_after_grace(now)?, Over::Grace, first))
        } else {
            Some((self.first_ended(now)?, Over::Lease, first))
        }
    }

    /// Whether a lease is over at `now`, although its message was not returned yet.
    pub(crate) fn is_over(&self, seq: u64, now: SystemTime) -> bool {
        let Some(flight) = self.flights.get(seq) else {
            return true;
        };
        if flight.until.has_come(now) {
            return true;
        }
        let holder = flight.holder.and_then(|id| self.holders.get(id.get()));
        let Some(orphaned) = holder.filter(|holder| holder.stream.is_none()) else {
            return false;
        };
        let grace = orphaned.grace.filter(|_| !flight.extended);
        flight.expires.has_come(now) || grace.is_some_and(|grace| grace.has_come(now))
    }

    /// When the next lease or grace ends, or the next orphan expires.
    pub(crate) fn next_end(&self) -> Option<Deadline> {
        let end = self.ends.first().map(|(end, _)| end);
        if self.graces.is_empty() && self.expiries.is_empty() {
            return end;
        }
        let grace = self.graces.first().map(|(grace, _)| *grace);
        let expiry = self.expiries.first().map(|(expiry, _)| *expiry);
        grace.into_iter().chain(expiry).chain(end).min()
    }

    /// Makes a lease end later.
    pub(crate) fn extend(&mut self, seq: u64, by: Duration) -> bool {
        let Some(flight) = self.flights.get_mut(seq) else {
            return false;
        };
        flight.extended = true;
        let until = flight.until.plus(by);
        self.move_end(seq, until, Ends::insert_extended);
        true
    }

    /// Takes everything; returns it.
    pub(crate) fn renew(&mut self) -> Self {
        let mut new = Self::new(self.terms);
        new.last_holder = self.last_holder;
        new.last_order = self.last_order;
        core::mem::replace(self, new)
    }

    /// All that is in flight, by number.
    pub(crate) fn into_lent(self) -> impl Iterator<Item = Lent<T>> {
        let flights = self.flights.into_entries();
        flights.map(|(seq, flight)| flight.lent(seq))
    }

    /// The first message of a holder whose grace is over.
    fn first_after_grace(&self, now: SystemTime) -> Option<u64> {
        let (grace, id) = self.graces.first()?;
        let holder = grace.has_come(now).then(|| self.holders.get(id.get()))?;
        holder?.first
    }

    /// A message that has expired after its stream was dropped.
    fn first_expired(&self, now: SystemTime) -> Option<u64> {
        let (expires, id) = self.expiries.first()?;
        let holder = expires.has_come(now).then(|| self.holders.get(id.get()))?;
        holder?.expiries.first().map(|(_, seq)| *seq)
    }

    fn first_ended(&self, now: SystemTime) -> Option<u64> {
        let (until, seq) = self.ends.first()?;
        until.has_come(now).then_some(seq)
    }

    /// Takes a message from its holder: it stays leased, to none.
    fn detach(&mut self, seq: u64) {
        if let Some(flight) = self.flights.get_mut(seq) {
            let link = flight.link(seq);
            flight.is_several = true;
            flight.holder = None;
            flight.previous = None;
            flight.next = None;
            self.unlink(&link);
        }
    }

    /// Moves the end of a lease to another time, possibly the same.
    fn move_end(&mut self, seq: u64, until: Deadline, insert: fn(&mut Ends, End) -> Option<Slot>) {
        if let Some(flight) = self.flights.get_mut(seq) {
            self.ends.remove((flight.until, seq), flight.slot);
            flight.until = until;
            flight.slot = insert(&mut self.ends, (until, seq));
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
