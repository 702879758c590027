use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use thiserror::Error;

use super::state::{Effects, Item, MOST_AT_ONCE, State};
use crate::lease::{HolderId, Lease, Leases, Lent, Reason};
use crate::message::Message;
use crate::ordered::Key;
use crate::ranges::Ranges;
use crate::remaining::Remaining;
use crate::time::Deadline;
use crate::waiters::Ticket;
use crate::wakers::WakerSet;

/// So many ids that events brought along are remembered behind their messages' end.
const MOST_PAST_IDS: usize = 65_536;

/// Why a message was not confirmed, given back or extended.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::{AckError, FakeClock, Lease, Queue};
///
/// let clock = FakeClock::new();
/// let lease = Lease::new(Duration::from_secs(30));
/// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
/// let receipt = queue.push("x")?;
/// assert_eq!(queue.ack(receipt.id()), Err(AckError::Unknown), "not handed out");
/// queue.try_next();
/// clock.advance(Duration::from_secs(30));
/// assert_eq!(queue.ack(receipt.id()), Err(AckError::Stale), "the lease has ended");
/// # Ok::<(), sse_queue::PushError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AckError {
    /// No message with this id was ever in flight. A service answers it with status 404.
    #[error("no message with this id was in flight")]
    Unknown,
    /// The message was in flight and is not any more: its lease has ended. Somebody else gets it,
    /// or it is among the dead letters. A service answers it with status 410.
    #[error("lease of the message has ended")]
    Stale,
}

/// A message that was handed out as often as it may be, and never confirmed.
///
/// Taken by [`Queue::dead_letters`](crate::Queue::dead_letters). It can be pushed again.
#[derive(Clone)]
pub struct DeadLetter {
    remaining: Remaining,
    reason: Reason,
}

impl DeadLetter {
    /// The encoded event.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sse_queue::{Lease, Queue};
    /// # let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// # let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
    /// queue.push("x")?;
    /// queue.try_next();
    /// queue.nack("e-1", Duration::ZERO)?;
    /// assert_eq!(queue.dead_letters()[0].frame(), "id: e-1\ndata: x\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn frame(&self) -> &Bytes {
        self.remaining.frame()
    }

    /// The id under which it was pushed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sse_queue::{Lease, Queue};
    /// # let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// # let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
    /// queue.push("x")?;
    /// queue.try_next();
    /// queue.nack("e-1", Duration::ZERO)?;
    /// assert_eq!(queue.dead_letters()[0].id(), "e-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        self.remaining.id()
    }

    /// How often it was handed out.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sse_queue::{Lease, Queue};
    /// # let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// # let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
    /// queue.push("x")?;
    /// queue.try_next();
    /// queue.nack("e-1", Duration::ZERO)?;
    /// assert_eq!(queue.dead_letters()[0].attempts(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.remaining.attempts()
    }

    /// Why it came back the last time.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sse_queue::{Lease, Queue, Reason};
    /// # let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// # let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
    /// queue.push("x")?;
    /// queue.try_next();
    /// queue.nack("e-1", Duration::ZERO)?;
    /// assert_eq!(queue.dead_letters()[0].reason(), Reason::Nacked);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

/// Keeps id, due time and expiry, and begins anew with its attempts.
impl From<DeadLetter> for Message {
    fn from(letter: DeadLetter) -> Self {
        letter.remaining.into()
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("message", &self.remaining)
            .field("reason", &self.reason)
            .finish()
    }
}

/// What a queue that delivers at least once has besides.
pub(super) struct Lending {
    pub(super) leases: Leases<Item>,
    pub(super) dead: VecDeque<(Lent<Item>, Reason)>,
    /// Those of the frames in flight and of the dead ones.
    pub(super) bytes: usize,
    past: Past,
    /// Streams that have as much in flight as they may, by what they hold.
    full: BTreeMap<HolderId, Ticket>,
    /// Those who wait until nothing is in flight.
    pub(super) drains: WakerSet,
}

/// How a message that is not in the queue any more ended, as far as that is remembered.
#[derive(Default)]
struct Past {
    confirmed: Ranges,
    stale: Ranges,
    own: HashMap<Arc<str>, End>,
    own_in_order: VecDeque<Arc<str>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Confirmed,
    /// It was in flight, and ended in another way.
    Stale,
}

impl Past {
    fn add(&mut self, seq: u64, own_id: Option<&Arc<str>>, end: End) {
        match (own_id, end) {
            (None, End::Confirmed) => self.confirmed.insert(seq),
            (None, End::Stale) => self.stale.insert(seq),
            (Some(id), end) => {
                if self.own.insert(Arc::clone(id), end).is_none() {
                    self.own_in_order.push_back(Arc::clone(id));
                }
                if self.own.len() > MOST_PAST_IDS
                    && let Some(oldest) = self.own_in_order.pop_front()
                {
                    self.own.remove(&oldest);
                }
            }
        }
    }

    fn get(&self, id: &str, seq: Option<u64>) -> Option<End> {
        if let Some(end) = self.own.get(id) {
            return Some(*end);
        }
        let seq = seq?;
        let confirmed = self.confirmed.contains(seq).then_some(End::Confirmed);
        confirmed.or_else(|| self.stale.contains(seq).then_some(End::Stale))
    }
}

impl Lending {
    pub(super) fn new(terms: Lease) -> Self {
        Self {
            leases: Leases::new(terms),
            dead: VecDeque::new(),
            bytes: 0,
            past: Past::default(),
            full: BTreeMap::new(),
            drains: WakerSet::default(),
        }
    }

    pub(super) fn lend(&mut self, lent: Lent<Item>, holder: Option<HolderId>, now: SystemTime) {
        self.bytes = self.bytes.saturating_add(lent.item.frame.len());
        self.leases.lend(lent, holder, now);
    }

    /// Strikes a message off that is neither in flight nor dead any more.
    fn lets_go(&mut self, item: &Item) {
        self.bytes = self.bytes.saturating_sub(item.frame.len());
    }

    /// Remembers a message that was handed out and has left in another way than by an ack.
    pub(super) fn forget(&mut self, seq: u64, item: &Item) {
        if item.attempts > 0 {
            self.past.add(seq, item.own_id.as_ref(), End::Stale);
        }
    }

    /// The stream is woken when something that it holds is confirmed or comes back.
    pub(super) fn is_full(&mut self, holder: HolderId, ticket: Ticket) {
        self.full.insert(holder, ticket);
    }

    pub(super) fn any_full(&self) -> Option<Ticket> {
        self.full.last_key_value().map(|(_, ticket)| *ticket)
    }

    pub(super) fn no_longer_full(&mut self) -> impl Iterator<Item = Ticket> {
        core::mem::take(&mut self.full).into_values()
    }

    /// Unless another stream has taken over and waits in its place.
    pub(super) fn leaves(&mut self, holder: HolderId, ticket: Ticket) {
        if self.full.get(&holder) == Some(&ticket) {
            self.full.remove(&holder);
        }
    }
}

impl State {
    pub(super) fn ack(&mut self, id: &str, effects: &mut Effects) -> Result<(), AckError> {
        match self.in_flight(id) {
            Ok(seq) => {
                self.confirm(seq, effects);
                self.note_rest(effects);
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
        self.note_rest(effects);
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
            self.note_rest(effects);
        }
        true
    }

    /// Confirms what the client of a stream has seen up to this id, and lets another stream take
    /// over what it has not. Returns whether there is more to confirm.
    pub(super) fn take_over(
        &mut self,
        id: &str,
        stream: u64,
        holder: &mut Option<HolderId>,
        effects: &mut Effects,
    ) -> bool {
        let Ok(seq) = self.in_flight(id) else {
            return false;
        };
        for _ in 0..MOST_AT_ONCE {
            let Some(lending) = &mut self.lending else {
                return false;
            };
            let taken_over = holder.or_else(|| lending.leases.take_over(seq, stream));
            // What was taken without a stream has nobody to take over from.
            let Some(id) = taken_over else {
                return false;
            };
            *holder = taken_over;
            if let Some(ticket) = lending.full.remove(&id) {
                effects.wake(self.takers.nudge(ticket));
            }
            let Some(seen) = lending.leases.seen(id, seq) else {
                return false;
            };
            self.confirm(seen, effects);
            if seen == seq {
                self.owe_the_rest(id);
                return false;
            }
        }
        true
    }

    /// Hands the dead letters over.
    pub(super) fn take_dead(&mut self) -> Vec<(Lent<Item>, Reason)> {
        let Some(lending) = &mut self.lending else {
            return Vec::new();
        };
        let dead: Vec<_> = core::mem::take(&mut lending.dead).into();
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

    fn owe_the_rest(&mut self, holder: HolderId) {
        if let Some(lending) = &mut self.lending {
            lending.leases.owe(holder);
        }
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
        let dead = lending.dead.iter().find(|(lent, _)| lent.seq == seq);
        let item = self.store.get(seq).or_else(|| lending.leases.get(seq));
        let item = item.or_else(|| dead.map(|(lent, _)| &lent.item));
        item.is_some_and(|item| item.own_id.is_none())
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
        match lending.past.get(id, seq) {
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
        effects.frames.push(lent.item.frame);
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
        let (due, seq) = (lent.due, lent.seq);
        let Some(lending) = &mut self.lending else {
            return;
        };
        if lent.expires.has_come(now) {
            lending.lets_go(&lent.item);
            lending.forget(seq, &lent.item);
            self.stats.expired = self.stats.expired.saturating_add(1);
            self.account_for(Key { due, seq }, &lent.item);
            effects.frames.push(lent.item.frame);
        } else if lent.attempts >= lending.leases.terms().max_attempts {
            lending.forget(seq, &lent.item);
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
            effects.wake_all(lending.drains.take_all().into_iter().flatten());
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

impl DeadLetter {
    pub(super) fn new(remaining: Remaining, reason: Reason) -> Self {
        Self { remaining, reason }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::Overflow;
    use super::super::state::{Bounds, Pushed, Taken};
    use super::*;
    use crate::chunk::Chunk;
    use crate::id::Epoch;
    use crate::source::Limit;

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
        let lease = lease.grace(Duration::from_secs(5));
        let epoch = Epoch::new("e").unwrap();
        let mut state = State::new(bounds, epoch, Some(lease), at(0));
        let mut effects = Effects::default();
        for _ in 0..MANY {
            let pushed = state.push(Message::from("x"), None, at(0), &mut effects);
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
