//! What was handed out and is not confirmed yet.
//!
//! Pure: no lock, no clock; `now` is an argument.
//!
//! | from \ by | hand out | ack | nack | extend | resume | drop | lease end, grace end | expiry | close |
//! |---|---|---|---|---|---|---|---|---|---|
//! | queued | in flight | – | – | – | – | – | – | gone | queued |
//! | in flight | – | gone | queued or dead | in flight | in flight (seen: gone) | orphaned | queued, dead or gone | in flight | in flight |
//! | orphaned | – | gone | queued or dead | orphaned | in flight (seen: gone) | – | queued, dead or gone | gone | orphaned |
//! | dead | – | – | – | – | – | – | – | dead | dead |
//!
//! Seen: gone only with `Confirm::ByResume`; otherwise it stays in flight. The end of a grace leaves
//! alone what was extended. Queued or dead: dead once it was handed out as often as it may be. Gone at the end of a lease:
//! if it has expired by then. Dead ones are taken by the caller. A dash changes nothing.

mod deadlines;
mod seq_map;
#[cfg(all(test, not(loom)))]
mod tests;

use core::num::NonZeroU64;
use core::time::Duration;
use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use crate::time::Deadline;

use deadlines::{End, Ends};
use seq_map::ByNumber;

/// How a queue delivers at least once: see [`QueueBuilder::at_least_once`].
///
/// [`QueueBuilder::at_least_once`]: crate::QueueBuilder::at_least_once
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::{Lease, Queue};
///
/// let lease = Lease::new(Duration::from_secs(30))
///     .grace(Duration::from_secs(2))
///     .max_attempts(5)
///     .max_in_flight(8);
/// let queue = Queue::builder().at_least_once(lease).build();
/// assert_eq!(queue.stats().in_flight, 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a lease does nothing until a queue is built with it"]
pub struct Lease {
    pub(crate) timeout: Duration,
    pub(crate) grace: Duration,
    pub(crate) max_attempts: u32,
    pub(crate) max_in_flight: usize,
    pub(crate) confirm: Confirm,
}

/// What confirms a message in a queue that delivers at least once.
///
/// A client sees a message before it is done with it. A browser that reconnects sends the id that
/// it *saw* last.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::{Confirm, FakeClock, LastEventId, Lease, Queue};
///
/// let clock = FakeClock::new();
/// let confirmed = |confirm| {
///     let lease = Lease::new(Duration::from_secs(30)).confirm(confirm);
///     let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
///     let mut stream = queue.stream(clock.ticker())?.first_bytes(false);
///     queue.push("job")?;
///     stream.next_ready();
///     drop(stream);
///     queue.stream_after(&LastEventId::new("e-1"), clock.ticker())?;
///     Ok::<_, Box<dyn std::error::Error>>(queue.stats().confirmed)
/// };
/// assert_eq!(confirmed(Confirm::ByAck)?, 0);
/// assert_eq!(confirmed(Confirm::ByResume)?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Confirm {
    /// Only [`Queue::ack`](crate::Queue::ack) does. A client that comes back goes on with what it has
    /// in flight: what it has seen stays leased to it, and what it has not seen is sent again first.
    #[default]
    ByAck,
    /// Coming back does, too: it confirms what the client has seen. For browsers that cannot ack.
    ByResume,
}

impl Lease {
    /// A lease that ends `timeout` after a message was handed out, unless it is confirmed before
    /// or extended.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30));
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// queue.push("x")?;
    /// let first = queue.next_ready();
    /// assert_eq!(queue.next_ready(), None);
    /// clock.advance(Duration::from_secs(30));
    /// assert_eq!(queue.next_ready(), first);
    /// # Ok::<(), sse_queue::PushError>(())
    /// ```
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            grace: Duration::from_secs(5),
            max_attempts: 16,
            max_in_flight: 1,
            confirm: Confirm::ByAck,
        }
    }

    /// How long what was handed to a stream that is dropped waits for its client to come back:
    /// 5 s unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30)).grace(Duration::ZERO);
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// queue.push("x")?;
    /// let mut stream = queue.stream(clock.ticker())?.first_bytes(false);
    /// let first = stream.next_ready();
    /// drop(stream);
    /// assert_eq!(queue.next_ready(), first);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How often a message is handed out before it goes to the dead letters: 16 times unless set,
    /// and at least once.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Lease, Queue};
    ///
    /// let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// let queue = Queue::builder().at_least_once(lease).build();
    /// let receipt = queue.push("x")?;
    /// queue.next_ready();
    /// queue.nack(receipt.id(), Duration::ZERO)?;
    /// assert_eq!(queue.take_dead_letters().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// What confirms a message: an ack alone, unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Confirm, Lease};
    ///
    /// let lease = Lease::new(Duration::from_secs(30));
    /// assert_eq!(lease, lease.confirm(Confirm::ByAck));
    /// ```
    pub fn confirm(mut self, confirm: Confirm) -> Self {
        self.confirm = confirm;
        self
    }

    /// How many unconfirmed messages one stream may have: 1 unless set, and at least 1. A stream
    /// that has as many waits, and others go on.
    ///
    /// The lease of a message that waits in a socket runs, too: a client that does one thing at a
    /// time should be given one at a time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let lease = Lease::new(Duration::from_secs(30)).max_in_flight(1);
    /// let queue = Queue::builder().at_least_once(lease).build();
    /// let a = queue.push("a")?;
    /// queue.push("b")?;
    /// let mut stream = queue.stream(FakeClock::new().ticker())?.first_bytes(false);
    /// assert!(stream.next_ready().unwrap().ends_with(b"data: a\n\n"));
    /// assert_eq!(stream.next_ready(), None);
    /// queue.ack(a.id())?;
    /// assert!(stream.next_ready().unwrap().ends_with(b"data: b\n\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_in_flight(mut self, messages: usize) -> Self {
        self.max_in_flight = messages.max(1);
        self
    }
}

/// Why a message came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Its lease ended.
    LeaseEnded,
    /// Its stream was dropped and the client did not come back in time.
    Dropped,
    /// It was given back.
    Nacked,
}

/// Names those who were handed messages, one after the other, by a stream or its successors.
pub(crate) type HolderId = NonZeroU64;

/// What was handed out, by the number of the message.
#[derive(Debug)]
pub(crate) struct Leases<T> {
    terms: Lease,
    flights: ByNumber<Box<Flight<T>>>,
    ends: Ends,
    holders: HashMap<HolderId, Holder>,
    /// When the grace of each holder ends whose stream is gone.
    graces: BTreeSet<(Deadline, HolderId)>,
    /// When each orphaned message expires that ever does.
    expiring: BTreeSet<End>,
    /// The last message that has left each holder, by number.
    departed: ByNumber<HolderId>,
    last_holder: u64,
    last_order: u64,
}

/// A message in flight. It stands in its holder's list, in the order of handing out.
#[derive(Debug)]
struct Flight<T> {
    due: Deadline,
    expires: Deadline,
    until: Deadline,
    /// Where its end stands.
    in_ring: bool,
    attempts: u32,
    /// Its lease was extended: it outlives the grace of its stream.
    extended: bool,
    /// It was handed to several clients: its id does not tell them apart.
    is_several: bool,
    /// Grows from one that is handed out to the next.
    order: u64,
    /// Without one, it was handed to nobody in particular.
    holder: Option<HolderId>,
    /// Numbers begin with one.
    previous: Option<NonZeroU64>,
    next: Option<NonZeroU64>,
    item: T,
}

impl<T> Flight<T> {
    fn previous(&self) -> Option<u64> {
        self.previous.map(NonZeroU64::get)
    }

    fn next(&self) -> Option<u64> {
        self.next.map(NonZeroU64::get)
    }

    fn lent(self, seq: u64) -> Lent<T> {
        Lent {
            seq,
            due: self.due,
            expires: self.expires,
            attempts: self.attempts,
            client: self.client(),
            item: self.item,
        }
    }

    fn client(&self) -> Client {
        if self.is_several {
            return Client::SEVERAL;
        }
        self.holder.map_or(Client::NONE, Client::one)
    }
}

/// To which clients a message was handed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Client(Option<HolderId>);

impl Client {
    /// None yet, or nobody in particular.
    const NONE: Self = Self(None);
    /// More than one, or it is not known: the id does not tell them apart. No holder has this number.
    const SEVERAL: Self = Self(Some(HolderId::MAX));

    fn one(holder: HolderId) -> Self {
        Self(Some(holder))
    }

    /// That of a message that comes with so many attempts made elsewhere.
    pub(crate) fn of(attempts: u32) -> Self {
        if attempts == 0 {
            Self::NONE
        } else {
            Self::SEVERAL
        }
    }

    fn is_one(self) -> bool {
        self.0.is_some_and(|holder| holder != HolderId::MAX)
    }

    fn and(self, holder: Option<HolderId>, attempts: u32) -> Self {
        match (self, holder) {
            (Self::NONE, holder) if attempts == 0 => Self(holder),
            (Self(Some(one)), Some(holder)) if one == holder => self,
            _ => Self::SEVERAL,
        }
    }
}

/// What a stream has taken over from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TakenOver {
    pub(crate) holder: HolderId,
    /// That of the message that the client saw last: see [`Leases::seen`].
    pub(crate) order: u64,
}

#[derive(Debug, Default)]
struct Holder {
    /// The stream that holds; without one, the messages are orphaned.
    stream: Option<u64>,
    grace: Option<Deadline>,
    first: Option<u64>,
    last: Option<u64>,
    count: usize,
    /// How many of them can expire.
    perishable: usize,
    /// What a client that came back has not seen: from here on it is sent again, first.
    owed: Option<u64>,
    /// Of the messages that have left it, the one that was handed out last, and its order.
    departed: Option<(u64, u64)>,
    /// The first message that was handed out after that one.
    after_departed: Option<u64>,
}

/// A message whose lease is over, or about to begin.
#[derive(Debug)]
pub(crate) struct Lent<T> {
    pub(crate) seq: u64,
    pub(crate) due: Deadline,
    pub(crate) expires: Deadline,
    pub(crate) attempts: u32,
    pub(crate) client: Client,
    pub(crate) item: T,
}

impl<T> Leases<T> {
    pub(crate) fn new(terms: Lease) -> Self {
        Self {
            terms,
            flights: ByNumber::default(),
            ends: Ends::default(),
            holders: HashMap::new(),
            graces: BTreeSet::new(),
            expiring: BTreeSet::new(),
            departed: ByNumber::default(),
            last_holder: 0,
            last_order: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.flights.len()
    }

    pub(crate) fn terms(&self) -> Lease {
        self.terms
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&T> {
        self.flights.get(&seq).map(|flight| &flight.item)
    }

    /// The holder of a stream: the one that it has, if nobody took it over, or a new one.
    pub(crate) fn holder_of(&mut self, stream: u64, holder: Option<HolderId>) -> HolderId {
        let own = holder.filter(|id| self.is_held_by(*id, stream));
        own.unwrap_or_else(|| {
            self.last_holder = self.last_holder.saturating_add(1);
            let holder = Holder {
                stream: Some(stream),
                ..Holder::default()
            };
            let id = HolderId::new(self.last_holder).unwrap_or(HolderId::MAX);
            self.holders.insert(id, holder);
            id
        })
    }

    /// The stream of the client that saw this message last, which another may
    /// [take over](Self::take_over) from.
    pub(crate) fn stream_that_saw(&self, seq: u64) -> Option<u64> {
        let (holder, ..) = self.client_of(seq)?;
        self.stream_of(holder)
    }

    /// The stream that holds.
    pub(crate) fn stream_of(&self, holder: HolderId) -> Option<u64> {
        self.holders.get(&holder)?.stream
    }

    /// Whether a lease is over at `now`, though its message was not taken back yet.
    pub(crate) fn is_over(&self, seq: u64, now: SystemTime) -> bool {
        let Some(flight) = self.flights.get(&seq) else {
            return true;
        };
        let holder = flight.holder.and_then(|id| self.holders.get(&id));
        let is_orphaned = holder.is_some_and(|holder| holder.stream.is_none());
        let grace = holder.and_then(|holder| holder.grace);
        let grace = grace.filter(|_| !flight.extended);
        flight.until.has_come(now)
            || grace.is_some_and(|grace| grace.has_come(now))
            || (is_orphaned && flight.expires.has_come(now))
    }

    /// How many more messages the holder may be handed.
    pub(crate) fn room(&self, holder: HolderId) -> usize {
        let count = self.holders.get(&holder).map_or(0, |holder| holder.count);
        self.terms.max_in_flight.saturating_sub(count)
    }

    /// Leases a message to a holder, or to nobody in particular. `attempts` is how often it was
    /// handed out before.
    pub(crate) fn lend(&mut self, lent: Lent<T>, holder: Option<HolderId>, now: SystemTime) {
        let until = Deadline::At(now).plus(self.terms.timeout);
        let client = lent.client.and(holder, lent.attempts);
        if client == Client::SEVERAL {
            // It does not tell any more which client saw it.
            self.departed.remove(&lent.seq);
        }
        self.last_order = self.last_order.saturating_add(1);
        let flight = Flight {
            due: lent.due,
            expires: lent.expires,
            until,
            in_ring: self.ends.insert((until, lent.seq)),
            attempts: lent.attempts.saturating_add(1),
            extended: false,
            is_several: client == Client::SEVERAL,
            order: self.last_order,
            holder,
            previous: None,
            next: None,
            item: lent.item,
        };
        let can_expire = lent.expires != Deadline::Never;
        self.flights.insert(lent.seq, Box::new(flight));
        if let Some(holder) = holder {
            self.link(holder, lent.seq, can_expire);
        }
    }

    /// The message that the holder is to be sent again, if there is one: returns its number and
    /// item.
    pub(crate) fn owed(&self, holder: HolderId) -> Option<(u64, &T)> {
        let seq = self.holders.get(&holder)?.owed?;
        let flight = self.flights.get(&seq)?;
        Some((seq, &flight.item))
    }

    /// Whether an owed message must not be sent again.
    pub(crate) fn is_spent(&self, seq: u64, now: SystemTime) -> bool {
        self.flights.get(&seq).is_some_and(|flight| {
            flight.attempts >= self.terms.max_attempts || flight.expires.has_come(now)
        })
    }

    /// Leases the owed message anew.
    pub(crate) fn lend_owed(&mut self, holder: HolderId, now: SystemTime) {
        let until = Deadline::At(now).plus(self.terms.timeout);
        let Some(seq) = self.holders.get(&holder).and_then(|holder| holder.owed) else {
            return;
        };
        let Some(flight) = self.flights.get_mut(&seq) else {
            return;
        };
        flight.attempts = flight.attempts.saturating_add(1);
        flight.extended = false;
        if let Some(holder) = self.holders.get_mut(&holder) {
            holder.owed = flight.next();
        }
        self.move_end(seq, until, Ends::insert);
    }

    /// Ends the lease of a message and takes it out. Returns the holder that has more room now.
    pub(crate) fn end(&mut self, seq: u64) -> Option<(Lent<T>, Option<HolderId>)> {
        let flight = self.flights.remove(&seq)?;
        self.strike(((flight.until, seq), flight.in_ring));
        self.unlink(seq, &flight);
        let holder = flight.holder;
        Some((flight.lent(seq), holder))
    }

    /// Ends one lease that is over at `now`, if any is.
    pub(crate) fn end_due(
        &mut self,
        now: SystemTime,
    ) -> Option<(Lent<T>, Option<HolderId>, Reason)> {
        while let Some((grace, holder)) = self.graces.first().copied() {
            if !grace.has_come(now) {
                break;
            }
            if let Some(seq) = self.holders.get(&holder).and_then(|holder| holder.first) {
                let flight = self.flights.get(&seq);
                if flight.is_some_and(|flight| flight.extended && !flight.until.has_come(now)) {
                    self.detach(seq);
                    continue;
                }
                let (lent, holder) = self.end(seq)?;
                return Some((lent, holder, Reason::Dropped));
            }
            self.graces.pop_first();
        }
        if let Some((expires, seq)) = self.expiring.first().copied()
            && expires.has_come(now)
        {
            let (lent, holder) = self.end(seq)?;
            return Some((lent, holder, Reason::Dropped));
        }
        let (until, seq) = self.ends.first()?;
        if !until.has_come(now) {
            return None;
        }
        let (lent, holder) = self.end(seq)?;
        Some((lent, holder, Reason::LeaseEnded))
    }

    /// When the next lease or grace ends, or the next orphan expires.
    pub(crate) fn next_end(&self) -> Option<Deadline> {
        let grace = self.graces.first().map(|(grace, _)| *grace);
        let expiry = self.expiring.first().map(|(expiry, _)| *expiry);
        let end = self.ends.first().map(|(end, _)| end);
        grace.into_iter().chain(expiry).chain(end).min()
    }

    /// Makes a lease end later.
    pub(crate) fn extend(&mut self, seq: u64, by: Duration) -> bool {
        let until = self.flights.get(&seq).map(|flight| flight.until.plus(by));
        if let Some(until) = until {
            self.move_end(seq, until, Ends::insert_extended);
            if let Some(flight) = self.flights.get_mut(&seq) {
                flight.extended = true;
            }
        }
        until.is_some()
    }

    /// The stream is gone: what it holds waits for `grace`, or to the end of the leases.
    pub(crate) fn orphan(&mut self, holder: HolderId, stream: u64, grace: Option<Deadline>) {
        if !self.is_held_by(holder, stream) {
            return;
        }
        let Some(held) = self.holders.get_mut(&holder) else {
            return;
        };
        held.stream = None;
        held.owed = None;
        if held.count == 0 {
            self.forget_holder(holder);
            return;
        }
        if let Some(grace) = grace {
            held.grace = Some(grace);
            self.graces.insert((grace, holder));
        }
        self.each_perishable(holder, |expiring, expires| {
            expiring.insert(expires);
        });
    }

    /// A stream takes over what the client has that saw this message last: it is in flight, or the
    /// last of those that have left their holder. What was handed out after it is
    /// [owed](Self::owed).
    pub(crate) fn take_over(&mut self, seq: u64, stream: u64) -> Option<TakenOver> {
        let (id, order, owed) = self.client_of(seq)?;
        let holder = self.holders.get_mut(&id)?;
        holder.stream = Some(stream);
        holder.owed = owed;
        if let Some(grace) = holder.grace.take() {
            self.graces.remove(&(grace, id));
        }
        self.each_perishable(id, |expiring, expires| {
            expiring.remove(&expires);
        });
        Some(TakenOver { holder: id, order })
    }

    /// The holder whose client saw this message last, its order, and what was handed out after it.
    fn client_of(&self, seq: u64) -> Option<(HolderId, u64, Option<u64>)> {
        if let Some(flight) = self.flights.get(&seq) {
            let is_one = flight.client().is_one();
            let holder = flight.holder.filter(|_| is_one)?;
            return Some((holder, flight.order, flight.next()));
        }
        let id = *self.departed.get(&seq)?;
        let holder = self.holders.get(&id)?;
        let (_, order) = holder.departed.filter(|(departed, _)| *departed == seq)?;
        Some((id, order, holder.after_departed))
    }

    /// The first message of the holder, if it was handed out up to this one.
    pub(crate) fn seen(&self, holder: HolderId, order: u64) -> Option<u64> {
        let first = self.holders.get(&holder)?.first?;
        let flight = self.flights.get(&first)?;
        (flight.order <= order).then_some(first)
    }

    /// Lets a message outlive its holder: it is leased to nobody in particular.
    fn detach(&mut self, seq: u64) {
        if let Some(flight) = self.flights.remove(&seq) {
            self.unlink(seq, &flight);
            let detached = Flight {
                is_several: true,
                holder: None,
                previous: None,
                next: None,
                ..*flight
            };
            self.flights.insert(seq, Box::new(detached));
        }
    }

    /// Begins anew; returns what was.
    pub(crate) fn renew(&mut self) -> Self {
        let mut new = Self::new(self.terms);
        new.last_holder = self.last_holder;
        new.last_order = self.last_order;
        core::mem::replace(self, new)
    }

    /// All that is in flight.
    pub(crate) fn into_lent(self) -> impl Iterator<Item = Lent<T>> {
        let flights = self.flights.into_iter();
        flights.map(|(seq, flight)| flight.lent(seq))
    }

    /// Puts the end of a lease to another time, which may be the same.
    fn move_end(&mut self, seq: u64, until: Deadline, insert: fn(&mut Ends, End) -> bool) {
        let Some(flight) = self.flights.get_mut(&seq) else {
            return;
        };
        let before = ((flight.until, seq), core::mem::take(&mut flight.in_ring));
        self.strike(before);
        let in_ring = insert(&mut self.ends, (until, seq));
        if let Some(flight) = self.flights.get_mut(&seq) {
            flight.until = until;
            flight.in_ring = in_ring;
        }
    }

    /// Strikes off an end that does not count any more, which stood in the ring or did not.
    fn strike(&mut self, (end, in_ring): (End, bool)) {
        let flights = &self.flights;
        self.ends.remove(end, in_ring, |(until, seq)| {
            let flight = flights.get(&seq);
            flight.is_some_and(|flight| flight.in_ring && flight.until == until)
        });
    }

    fn is_held_by(&self, holder: HolderId, stream: u64) -> bool {
        let holder = self.holders.get(&holder);
        holder.is_some_and(|holder| holder.stream == Some(stream))
    }

    /// Goes through the messages of a holder that can expire: as many as one stream may have in
    /// flight.
    fn each_perishable(&mut self, holder: HolderId, mut each: impl FnMut(&mut BTreeSet<End>, End)) {
        let Some(holder) = self.holders.get(&holder) else {
            return;
        };
        let (mut left, mut next) = (holder.perishable, holder.first);
        while left > 0
            && let Some(seq) = next
            && let Some(flight) = self.flights.get(&seq)
        {
            if flight.expires != Deadline::Never {
                each(&mut self.expiring, (flight.expires, seq));
                left = left.saturating_sub(1);
            }
            next = flight.next();
        }
    }

    fn forget_holder(&mut self, id: HolderId) {
        let holder = self.holders.remove(&id);
        if let Some((departed, _)) = holder.and_then(|holder| holder.departed)
            && self.departed.get(&departed) == Some(&id)
        {
            self.departed.remove(&departed);
        }
    }

    fn link(&mut self, id: HolderId, seq: u64, can_expire: bool) {
        let Some(holder) = self.holders.get_mut(&id) else {
            return;
        };
        holder.count = holder.count.saturating_add(1);
        let perishable = usize::from(can_expire);
        holder.perishable = holder.perishable.saturating_add(perishable);
        if holder.departed.is_some() && holder.after_departed.is_none() {
            holder.after_departed = Some(seq);
        }
        let previous = holder.last.replace(seq);
        if previous.is_none() {
            holder.first = Some(seq);
        }
        if let Some(flight) = previous.and_then(|seq| self.flights.get_mut(&seq)) {
            flight.next = NonZeroU64::new(seq);
        }
        if let Some(flight) = self.flights.get_mut(&seq) {
            flight.previous = previous.and_then(NonZeroU64::new);
        }
    }

    fn unlink(&mut self, seq: u64, flight: &Flight<T>) {
        let Some(id) = flight.holder else {
            return;
        };
        let Some(holder) = self.holders.get_mut(&id) else {
            return;
        };
        holder.count = holder.count.saturating_sub(1);
        if flight.expires != Deadline::Never {
            holder.perishable = holder.perishable.saturating_sub(1);
            if holder.stream.is_none() {
                self.expiring.remove(&(flight.expires, seq));
            }
        }
        if holder.owed == Some(seq) {
            holder.owed = flight.next();
        }
        if holder.first == Some(seq) {
            holder.first = flight.next();
        }
        if holder.last == Some(seq) {
            holder.last = flight.previous();
        }
        let is_later = holder
            .departed
            .is_none_or(|(_, order)| flight.order > order);
        if is_later && flight.client().is_one() {
            let before = holder.departed.replace((seq, flight.order));
            if let Some((before, _)) = before {
                self.departed.remove(&before);
            }
            self.departed.insert(seq, id);
            holder.after_departed = flight.next();
        } else if holder.after_departed == Some(seq) {
            holder.after_departed = flight.next();
        }
        if holder.count == 0 && holder.stream.is_none() {
            if let Some(grace) = holder.grace {
                self.graces.remove(&(grace, id));
            }
            self.forget_holder(id);
        }
        if let Some(previous) = flight.previous().and_then(|seq| self.flights.get_mut(&seq)) {
            previous.next = flight.next;
        }
        if let Some(next) = flight.next().and_then(|seq| self.flights.get_mut(&seq)) {
            next.previous = flight.previous;
        }
    }
}
