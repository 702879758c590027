//! The clients that have messages in flight, and which.

use core::num::NonZeroU64;
use std::collections::BTreeSet;

use super::super::deadlines::End;
use super::super::flight::{HolderId, Link};
use super::{Leases, TakenOver};
use crate::time::Deadline;

/// A client. Its messages form a list, in the order in which they were handed out.
#[derive(Debug, Default)]
pub(super) struct Holder {
    /// Its stream; without one, its messages are orphaned.
    pub(super) stream: Option<u64>,
    pub(super) grace: Option<Deadline>,
    pub(super) first: Option<u64>,
    pub(super) last: Option<u64>,
    pub(super) count: usize,
    /// When its messages expire, those that ever do.
    pub(super) expiries: BTreeSet<End>,
    /// The first message that the client has not seen when it came back: this one and those after
    /// it are sent again before anything else.
    pub(super) owed: Option<u64>,
    /// The last handed-out message of those that have left it, and its order.
    pub(super) departed: Option<(u64, u64)>,
    /// The first message that was handed out after that.
    pub(super) after_departed: Option<u64>,
}

impl Holder {
    /// When its first message expires, if its stream was dropped.
    fn orphan_expiry(&self) -> Option<Deadline> {
        let first = self.expiries.first();
        let first = first.filter(|_| self.stream.is_none())?;
        Some(first.0)
    }

    /// Adds a message at the end of the list; returns the one before it.
    fn push(&mut self, seq: u64, expires: Deadline) -> Option<u64> {
        self.count = self.count.saturating_add(1);
        if expires != Deadline::Never {
            self.expiries.insert((expires, seq));
        }
        if self.departed.is_some() && self.after_departed.is_none() {
            self.after_departed = Some(seq);
        }
        if self.first.is_none() {
            self.first = Some(seq);
        }
        self.last.replace(seq)
    }

    /// Removes a message from the list. Returns whether it is the last handed-out one of those that
    /// have left, and the previous such message.
    fn remove(&mut self, link: &Link) -> (bool, Option<u64>) {
        let seq = link.seq;
        self.count = self.count.saturating_sub(1);
        if link.expires != Deadline::Never {
            self.expiries.remove(&(link.expires, seq));
        }
        if self.owed == Some(seq) {
            self.owed = link.next();
        }
        if self.first == Some(seq) {
            self.first = link.next();
        }
        if self.last == Some(seq) {
            self.last = link.previous();
        }
        let is_later = self.departed.is_none_or(|(_, order)| link.order > order);
        if is_later && link.is_of_one {
            let before = self.departed.replace((seq, link.order));
            self.after_departed = link.next();
            return (true, before.map(|(before, _)| before));
        }
        if self.after_departed == Some(seq) {
            self.after_departed = link.next();
        }
        (false, None)
    }
}

/// Holders.
impl<T> Leases<T> {
    /// The holder of a stream: the one that it has, unless another stream took it over, or a new
    /// one.
    pub(crate) fn holder_of(&mut self, stream: u64, holder: Option<HolderId>) -> HolderId {
        let own = holder.filter(|id| self.is_held_by(*id, stream));
        own.unwrap_or_else(|| {
            self.last_holder = self.last_holder.saturating_add(1);
            let holder = Holder {
                stream: Some(stream),
                ..Holder::default()
            };
            self.holders.insert(self.last_holder, Box::new(holder));
            HolderId::new(self.last_holder).unwrap_or(HolderId::MAX)
        })
    }

    /// The stream of the client that saw this message last, from which another may [take
    /// over](Self::take_over).
    pub(crate) fn stream_that_saw(&self, seq: u64) -> Option<u64> {
        let (holder, ..) = self.client_of(seq)?;
        self.stream_of(holder)
    }

    /// The stream of a holder.
    pub(crate) fn stream_of(&self, holder: HolderId) -> Option<u64> {
        self.holders.get(holder.get())?.stream
    }

    /// How many more messages the holder may have in flight.
    pub(crate) fn capacity(&self, holder: HolderId) -> usize {
        let holder = self.holders.get(holder.get());
        let count = holder.map_or(0, |holder| holder.count);
        self.terms.max_in_flight.saturating_sub(count)
    }

    /// The message that must be sent to the holder again next: its number and item.
    #[inline]
    pub(crate) fn owed(&self, holder: HolderId) -> Option<(u64, &T)> {
        // In most queues no client ever comes back.
        if self.has_owed {
            self.first_owed(holder)
        } else {
            None
        }
    }

    fn first_owed(&self, holder: HolderId) -> Option<(u64, &T)> {
        let seq = self.holders.get(holder.get())?.owed?;
        Some((seq, self.get(seq)?))
    }

    /// The stream was dropped: its messages wait for `grace`, or for the end of their leases.
    pub(crate) fn orphan(&mut self, id: HolderId, stream: u64, grace: Option<Deadline>) {
        let holder = self.holders.get_mut(id.get());
        let Some(holder) = holder.filter(|holder| holder.stream == Some(stream)) else {
            return;
        };
        holder.stream = None;
        holder.owed = None;
        if holder.count == 0 {
            self.forget_holder(id);
            return;
        }
        if let Some(grace) = grace {
            holder.grace = Some(grace);
            self.graces.insert((grace, id));
        }
        if let Some(expiry) = holder.orphan_expiry() {
            self.expiries.insert((expiry, id));
        }
    }

    /// A stream takes over what the client that saw this message last has: the message is in
    /// flight, or the last of those that have left their holder. What was handed out after it is
    /// [owed](Self::owed).
    pub(crate) fn take_over(&mut self, seq: u64, stream: u64) -> Option<TakenOver> {
        let (id, order, owed) = self.client_of(seq)?;
        let holder = self.holders.get_mut(id.get())?;
        if let Some(expiry) = holder.orphan_expiry() {
            self.expiries.remove(&(expiry, id));
        }
        holder.stream = Some(stream);
        holder.owed = owed;
        self.has_owed |= owed.is_some();
        if let Some(grace) = holder.grace.take() {
            self.graces.remove(&(grace, id));
        }
        Some(TakenOver { holder: id, order })
    }

    /// The first message of the holder, if it was handed out up to this one.
    pub(crate) fn seen(&self, holder: HolderId, order: u64) -> Option<u64> {
        let first = self.holders.get(holder.get())?.first?;
        let flight = self.flights.get(first)?;
        (flight.order <= order).then_some(first)
    }

    /// The holder whose client saw this message last, its order, and what was handed out after it.
    fn client_of(&self, seq: u64) -> Option<(HolderId, u64, Option<u64>)> {
        if let Some(flight) = self.flights.get(seq) {
            let is_one = flight.client().is_one();
            let holder = flight.holder.filter(|_| is_one)?;
            return Some((holder, flight.order, flight.next()));
        }
        let id = *self.departed.get(seq)?;
        let holder = self.holders.get(id.get())?;
        let (_, order) = holder.departed.filter(|(departed, _)| *departed == seq)?;
        Some((id, order, holder.after_departed))
    }

    fn is_held_by(&self, holder: HolderId, stream: u64) -> bool {
        let holder = self.holders.get(holder.get());
        holder.is_some_and(|holder| holder.stream == Some(stream))
    }

    /// Adds a message at the end of a holder's list; returns the one before it.
    pub(super) fn link(&mut self, id: HolderId, seq: u64, expires: Deadline) -> Option<NonZeroU64> {
        let holder = self.holders.get_mut(id.get())?;
        let before = holder.orphan_expiry();
        let previous = holder.push(seq, expires);
        let after = holder.orphan_expiry();
        self.move_expiry(id, before, after);
        let flight = self.flights.get_mut(previous?)?;
        flight.next = NonZeroU64::new(seq);
        NonZeroU64::new(previous?)
    }

    /// Removes a message from its holder's list.
    pub(super) fn unlink(&mut self, link: &Link) {
        let Some(id) = link.holder else {
            return;
        };
        let Some(holder) = self.holders.get_mut(id.get()) else {
            return;
        };
        let expiry = holder.orphan_expiry();
        let (is_last, departed) = holder.remove(link);
        if let Some(departed) = departed {
            self.departed.remove(departed);
        }
        if is_last {
            self.departed.insert(link.seq, id);
        }
        let next_expiry = holder.orphan_expiry();
        if holder.count == 0 && holder.stream.is_none() {
            if let Some(grace) = holder.grace {
                self.graces.remove(&(grace, id));
            }
            self.forget_holder(id);
        }
        self.move_expiry(id, expiry, next_expiry);
        if let Some(previous) = link.previous()
            && let Some(flight) = self.flights.get_mut(previous)
        {
            flight.next = link.next;
        }
        if let Some(next) = link.next()
            && let Some(flight) = self.flights.get_mut(next)
        {
            flight.previous = link.previous;
        }
    }

    fn move_expiry(&mut self, id: HolderId, before: Option<Deadline>, after: Option<Deadline>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.expiries.remove(&(before, id));
        }
        if let Some(after) = after {
            self.expiries.insert((after, id));
        }
    }

    fn forget_holder(&mut self, id: HolderId) {
        let holder = self.holders.remove(id.get());
        if let Some((departed, _)) = holder.and_then(|holder| holder.departed)
            && self.departed.get(departed) == Some(&id)
        {
            self.departed.remove(departed);
        }
    }
}
