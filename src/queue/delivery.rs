//! The steps of a queue that delivers at least once.

use core::task::Waker;
use core::time::Duration;
use std::time::SystemTime;

use super::ack_history::End;
use super::effects::Effects;
use super::item::Item;
use super::lending::AckError;
use super::state::{MOST_AT_ONCE, State};
use crate::ordered::Key;
use crate::queue::lease::{Confirm, HolderId, Lent, Reason, TakenOver};
use crate::queue::wait_queue::Ticket;
use crate::source::Limit;
use crate::source::chunk::Chunk;
use crate::time::Deadline;

/// What is different in a queue that delivers at least once.
impl State {
    /// Adds a message that the client has not seen, sent to a stream before. `None` if there is
    /// none, false if it does not fit.
    pub(super) fn gather_owed(
        &mut self,
        chunk: &mut Chunk,
        holder: HolderId,
        now: SystemTime,
        limit: Limit,
        effects: &mut Effects,
    ) -> Option<bool> {
        let lending = self.lending.as_mut()?;
        let (seq, item) = lending.leases.owed(holder)?;
        if lending.leases.is_spent(seq, now) {
            self.bury(seq, now, effects);
            return Some(true);
        }
        if !chunk.has_place(limit) || !chunk.fits(&item.frame, limit) {
            return Some(false);
        }
        chunk.push(item.frame.clone());
        lending.leases.lend_owed(holder, now);
        self.stats.delivered = self.stats.delivered.saturating_add(1);
        self.stats.redelivered = self.stats.redelivered.saturating_add(1);
        Some(true)
    }

    pub(super) fn is_owed(&self, holder: HolderId) -> bool {
        let lending = self.lending.as_ref();
        lending.is_some_and(|lending| lending.leases.owed(holder).is_some())
    }

    /// How many more messages a holder may have in flight.
    pub(super) fn room(&self, holder: HolderId) -> usize {
        let lending = self.lending.as_ref();
        lending.map_or(usize::MAX, |lending| lending.leases.room(holder))
    }

    /// What a stream holds, in a queue that delivers at least once.
    pub(super) fn holder_of(&mut self, stream: u64, holder: Option<HolderId>) -> Option<HolderId> {
        let lending = self.lending.as_mut()?;
        Some(lending.leases.holder_of(stream, holder))
    }

    /// Waits until something that the stream holds is confirmed or comes back; returns when the next
    /// lease ends, if this stream is the timekeeper.
    pub(super) fn wait_for_place(
        &mut self,
        ticket: Ticket,
        holder: HolderId,
        now: SystemTime,
        waker: &Waker,
        effects: &mut Effects,
    ) -> Option<SystemTime> {
        self.park(ticket, Some(holder), waker, effects);
        self.lending.as_mut()?.is_full(holder, ticket);
        self.keep_time(ticket, now)
    }

    /// Waits until nothing is in flight; returns how long until the next lease ends, or `None` if
    /// nothing is.
    pub(super) fn drain(
        &mut self,
        place: &mut Option<usize>,
        now: SystemTime,
        waker: &Waker,
        effects: &mut Effects,
    ) -> Option<Duration> {
        let lending = self.lending.as_mut()?;
        if lending.leases.len() == 0 {
            return None;
        }
        let place = *place.get_or_insert_with(|| lending.places.take());
        effects.drop_later(lending.drains.put(place, waker));
        let next = lending.leases.next_end()?;
        Some(next.after(now).unwrap_or(Duration::MAX))
    }

    pub(super) fn leave_drain(&mut self, place: &mut Option<usize>, effects: &mut Effects) {
        if let Some(lending) = &mut self.lending
            && let Some(place) = place.take()
        {
            effects.drop_later(lending.drains.remove(place));
            lending.places.give_back(place);
        }
    }

    pub(super) fn ack(&mut self, id: &str, effects: &mut Effects) -> Result<(), AckError> {
        match self.in_flight(id) {
            Ok(seq) => {
                self.confirm(seq, effects);
                Ok(())
            }
            // What was confirmed may be confirmed again.
            Err(Missing::Confirmed) => Ok(()),
            Err(missing) => Err(missing.into()),
        }
    }

    pub(super) fn nack(
        &mut self,
        id: &str,
        delay: Duration,
        now: SystemTime,
        effects: &mut Effects,
    ) -> Result<(), AckError> {
        let seq = self.in_flight(id)?;
        let ended = self
            .lending
            .as_mut()
            .and_then(|lending| lending.leases.end(seq));
        if let Some((mut lent, holder)) = ended {
            if !delay.is_zero() {
                lent.due = Deadline::At(now).plus(delay);
            }
            self.come_back(lent, holder, Reason::Nacked, now, effects);
        }
        Ok(())
    }

    pub(super) fn extend(&mut self, id: &str, by: Duration) -> Result<(), AckError> {
        let seq = self.in_flight(id)?;
        if let Some(lending) = &mut self.lending {
            lending.leases.extend(seq, by);
        }
        Ok(())
    }

    /// Takes back what is not leased any more, a bounded number in one call; returns whether there
    /// may be more.
    pub(super) fn reclaim(&mut self, now: SystemTime, effects: &mut Effects) -> bool {
        for _ in 0..MOST_AT_ONCE {
            let lending = self.lending.as_mut();
            let ended = lending.and_then(|lending| lending.leases.end_due(now));
            let Some((lent, holder, reason)) = ended else {
                return false;
            };
            self.come_back(lent, holder, reason, now, effects);
        }
        true
    }

    /// Lets a stream take over what the client that saw `id` last has in flight, and confirms what
    /// it has seen if the queue confirms by that. Returns whether there is more to confirm.
    pub(super) fn take_over(
        &mut self,
        id: &str,
        stream: u64,
        taken_over: &mut Option<TakenOver>,
        effects: &mut Effects,
    ) -> bool {
        if taken_over.is_none() {
            let seq = self.seen_last(id);
            let lending = self.lending.as_mut();
            *taken_over = lending.and_then(|lending| lending.leases.take_over(seq?, stream));
            // Its stream may wait until it may have more.
            self.has_place_again(taken_over.map(|taken_over| taken_over.holder), effects);
        }
        let Some(TakenOver { holder, order }) = *taken_over else {
            return false;
        };
        for _ in 0..MOST_AT_ONCE {
            let lending = self.lending.as_ref();
            let lending =
                lending.filter(|lending| lending.leases.terms().confirm == Confirm::ByResume);
            let Some(seen) = lending.and_then(|lending| lending.leases.seen(holder, order)) else {
                return false;
            };
            self.confirm(seen, effects);
        }
        true
    }

    /// The number of the newest message with this id that was ever in flight.
    fn seen_last(&self, id: &str) -> Option<u64> {
        let lending = self.lending.as_ref()?;
        let own = self.newest_with_own(id);
        let own = own.or_else(|| lending.past.own(id).map(|(_, seq)| seq));
        own.or_else(|| self.epoch_seq(id))
    }

    /// Hands the dead letters over.
    pub(super) fn take_dead(&mut self) -> Vec<(Lent<Item>, Reason)> {
        let Some(lending) = &mut self.lending else {
            return Vec::new();
        };
        let dead: Vec<_> = core::mem::take(&mut lending.dead).into();
        lending.dead_numbers.clear();
        for (lent, _) in &dead {
            lending.lets_go(&lent.item);
        }
        for (lent, _) in &dead {
            let (due, seq) = (lent.due, lent.seq);
            self.account_for(Key { due, seq }, &lent.item);
            self.stats.withdrawn = self.stats.withdrawn.saturating_add(1);
        }
        dead
    }

    /// Whether the queue answers for a message with this id, where ids must be unique.
    pub(super) fn is_taken(&self, id: &str) -> bool {
        let Some(lending) = &self.lending else {
            return false;
        };
        if self.newest_with_own(id).is_some() {
            return true;
        }
        let Some(seq) = self.epoch_seq(id) else {
            return false;
        };
        let item = self.store.get(seq).or_else(|| lending.leases.get(seq));
        let is_held = item.is_some_and(|item| item.own_id.is_none());
        is_held || lending.dead_numbers.contains(&seq)
    }

    /// The number of the message in flight with this id.
    fn in_flight(&self, id: &str) -> Result<u64, Missing> {
        let lending = self.lending.as_ref().ok_or(Missing::Unknown)?;
        let own = self.newest_with_own(id);
        let seq = own.or_else(|| self.epoch_seq(id));
        // A message with an id of its own does not go by its number.
        let goes_by = |item: &Item| own.is_some() || item.own_id.is_none();
        if let Some(seq) = seq {
            if lending.leases.get(seq).is_some_and(goes_by) {
                return Ok(seq);
            }
            if let Some(item) = self.store.get(seq).filter(|item| goes_by(item)) {
                let was_out = item.attempts > 0;
                return Err(if was_out {
                    Missing::Stale
                } else {
                    Missing::Unknown
                });
            }
        }
        let past = lending.past.own(id).map(|(end, _)| end);
        match past.or_else(|| lending.past.number(seq?)) {
            Some(End::Confirmed) => Err(Missing::Confirmed),
            Some(End::Stale) => Err(Missing::Stale),
            None => Err(Missing::Unknown),
        }
    }

    fn confirm(&mut self, seq: u64, effects: &mut Effects) {
        let Some(lending) = &mut self.lending else {
            return;
        };
        let Some((lent, holder)) = lending.leases.end(seq) else {
            return;
        };
        lending.lets_go(&lent.item);
        lending
            .past
            .add(seq, lent.item.own_id.as_ref(), End::Confirmed);
        self.stats.confirmed = self.stats.confirmed.saturating_add(1);
        let due = lent.due;
        self.account_for(Key { due, seq }, &lent.item);
        effects.drop_frame(lent.item.frame);
        self.has_place_again(holder, effects);
    }

    /// Puts a message whose lease has ended where it belongs.
    fn come_back(
        &mut self,
        mut lent: Lent<Item>,
        holder: Option<HolderId>,
        reason: Reason,
        now: SystemTime,
        effects: &mut Effects,
    ) {
        self.has_place_again(holder, effects);
        lent.item.attempts = lent.attempts;
        lent.item.client = lent.client;
        let (due, seq) = (lent.due, lent.seq);
        let Some(lending) = &mut self.lending else {
            return;
        };
        if lent.expires.has_come(now) {
            lending.lets_go(&lent.item);
            lending.forget(seq, &lent.item);
            self.stats.expired = self.stats.expired.saturating_add(1);
            self.account_for(Key { due, seq }, &lent.item);
            effects.drop_frame(lent.item.frame);
        } else if lent.attempts >= lending.leases.terms().max_attempts {
            lending.forget(seq, &lent.item);
            if lent.item.own_id.is_none() {
                lending.dead_numbers.insert(seq);
            }
            lending.dead.push_back((lent, reason));
        } else {
            lending.lets_go(&lent.item);
            self.room_came_up |= self.drops_oldest();
            self.store
                .insert(Key { due, seq }, lent.expires, lent.item, now);
        }
    }

    /// Buries an owed message that was handed out as often as it may be, or has expired.
    pub(super) fn bury(&mut self, seq: u64, now: SystemTime, effects: &mut Effects) {
        let ended = self
            .lending
            .as_mut()
            .and_then(|lending| lending.leases.end(seq));
        if let Some((lent, holder)) = ended {
            self.come_back(lent, holder, Reason::Dropped, now, effects);
        }
    }

    fn has_place_again(&mut self, holder: Option<HolderId>, effects: &mut Effects) {
        let lending = self.lending.as_mut();
        if let Some(ticket) = lending.and_then(|lending| lending.full.remove(&holder?)) {
            effects.wake(self.takers.nudge(ticket));
        }
    }

    /// If nothing is in flight any more, those who wait for that are woken.
    pub(super) fn note_rest(&mut self, effects: &mut Effects) {
        if let Some(lending) = &mut self.lending
            && lending.leases.len() == 0
            && !lending.drains.is_empty()
        {
            effects.wake_all(core::mem::take(&mut lending.drains).into_wakers());
        }
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
            // To give back or extend what is confirmed comes too late.
            Missing::Stale | Missing::Confirmed => Self::Stale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Overflow;
    use super::super::state::{Bounds, Push, Pushed, Taken};
    use super::*;
    use crate::message::Message;
    use crate::message::id::Epoch;
    use crate::queue::lease::Lease;

    const MANY: usize = 1_000;
    const MOST: usize = 64;

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
    }

    /// A stream that was handed many messages at 0 s.
    fn handed_out() -> (State, Ticket, u64, Option<HolderId>) {
        let bounds = Bounds {
            messages: MANY,
            bytes: usize::MAX,
            streams: 2,
            overflow: Overflow::Reject,
        };
        let lease = Lease::new(Duration::from_secs(30)).max_in_flight(MANY);
        let lease = lease
            .grace(Duration::from_secs(5))
            .confirm(Confirm::ByResume);
        let epoch = Epoch::new("e").unwrap();
        let mut state = State::new(bounds, epoch, Some(lease), at(0));
        let mut effects = Effects::default();
        for _ in 0..MANY {
            let push = Push {
                message: Message::from("x"),
                own_id: None,
            };
            let pushed = state.push(push, None, at(0), &mut effects);
            assert!(matches!(pushed, Pushed::Done(Ok(_))));
        }
        let (ticket, stream) = state.subscribe().unwrap();
        let holder = state.holder_of(stream, None);
        let limit = Limit::new(usize::MAX, usize::MAX);
        let mut chunk = Chunk::default();
        while let Taken::Again = state.take(&mut chunk, holder, at(0), limit, &mut effects) {}
        assert_eq!(in_flight(&state), MANY);
        (state, ticket, stream, holder)
    }

    fn in_flight(state: &State) -> usize {
        state.stats(at(0)).in_flight
    }

    /// Each hold of the lock moves a bounded number, and together they move all.
    fn comes_back_by_and_by(state: &mut State, now: SystemTime) {
        let mut left = in_flight(state);
        while state.reclaim(now, &mut Effects::default()) {
            assert!(left - in_flight(state) <= MOST);
            left = in_flight(state);
        }
        assert!(left <= MOST);
        assert_eq!((in_flight(state), state.store.len()), (0, MANY));
    }

    #[test]
    fn one_hold_of_the_lock_takes_back_64_whose_leases_ended() {
        let (mut state, ..) = handed_out();
        comes_back_by_and_by(&mut state, at(30));
    }

    #[test]
    fn one_hold_of_the_lock_takes_back_64_whose_stream_is_gone() {
        let (mut state, ticket, stream, holder) = handed_out();
        state.unsubscribe(ticket, stream, holder, at(0), &mut Effects::default());
        assert_eq!(in_flight(&state), MANY);
        comes_back_by_and_by(&mut state, at(5));
    }

    /// The lock is let go of while it confirms, and somebody else confirms the last that it saw.
    #[test]
    fn a_client_whose_id_is_acked_while_it_comes_back_gets_the_rest() {
        let (mut state, ..) = handed_out();
        let (_, stream) = state.subscribe().unwrap();
        let (mut taken_over, mut effects) = (None, Effects::default());
        assert!(state.take_over("e-900", stream, &mut taken_over, &mut effects));
        state.ack("e-900", &mut effects).unwrap();
        while state.take_over("e-900", stream, &mut taken_over, &mut effects) {}
        assert_eq!(in_flight(&state), MANY - 900);
        let mut chunk = Chunk::default();
        let limit = Limit::new(usize::MAX, 1);
        let holder = taken_over.map(|taken_over| taken_over.holder);
        state.take(&mut chunk, holder, at(1), limit, &mut effects);
        assert_eq!(chunk.join().unwrap(), "id: e-901\ndata: x\n\n");
    }

    #[test]
    fn one_hold_of_the_lock_confirms_64_of_those_that_a_client_saw() {
        let (mut state, ..) = handed_out();
        let (_, stream) = state.subscribe().unwrap();
        let (mut holder, mut left) = (None, MANY);
        while state.take_over("e-1000", stream, &mut holder, &mut Effects::default()) {
            assert!(left - in_flight(&state) <= MOST);
            left = in_flight(&state);
        }
        assert!(left <= MOST);
        assert_eq!(in_flight(&state), 0);
    }
}
