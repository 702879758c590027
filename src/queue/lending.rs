//! What a queue that delivers at least once holds besides: dead letters, history, full streams.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::SystemTime;

use bytes::Bytes;
use thiserror::Error;

use super::ack_history::{AckHistory, End};
use super::item::Item;
use crate::message::Message;
use crate::message::remaining::Remaining;
use crate::queue::lease::{HolderId, Lease, Leases, Lent, Reason};
use crate::queue::wait_queue::Ticket;
use crate::wakers::{Places, WakerList};

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
/// queue.next_ready();
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
/// Taken by [`Queue::take_dead_letters`](crate::Queue::take_dead_letters). It can be pushed again.
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
    /// queue.next_ready();
    /// queue.nack("e-1", Duration::ZERO)?;
    /// assert_eq!(queue.take_dead_letters()[0].frame(), "id: e-1\ndata: x\n\n");
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
    /// queue.next_ready();
    /// queue.nack("e-1", Duration::ZERO)?;
    /// assert_eq!(queue.take_dead_letters()[0].id(), "e-1");
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
    /// queue.next_ready();
    /// queue.nack("e-1", Duration::ZERO)?;
    /// assert_eq!(queue.take_dead_letters()[0].attempts(), 1);
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
    /// queue.next_ready();
    /// queue.nack("e-1", Duration::ZERO)?;
    /// assert_eq!(queue.take_dead_letters()[0].reason(), Reason::Nacked);
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
        Self::from(letter.remaining).returned(0)
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
    /// The numbers of the dead that go by their number.
    pub(super) dead_numbers: BTreeSet<u64>,
    /// Those of the frames in flight and of the dead ones.
    pub(super) bytes: usize,
    pub(super) past: AckHistory,
    /// Streams that have as much in flight as they may, by what they hold.
    pub(super) full: BTreeMap<HolderId, Ticket>,
    /// Those who wait until nothing is in flight.
    pub(super) drains: WakerList,
    /// Theirs in that list.
    pub(super) places: Places,
}

impl Lending {
    pub(super) fn new(terms: Lease) -> Self {
        Self {
            leases: Leases::new(terms),
            dead: VecDeque::new(),
            dead_numbers: BTreeSet::new(),
            bytes: 0,
            past: AckHistory::default(),
            full: BTreeMap::new(),
            drains: WakerList::default(),
            places: Places::default(),
        }
    }

    pub(super) fn lend(&mut self, lent: Lent<Item>, holder: Option<HolderId>, now: SystemTime) {
        self.bytes = self.bytes.saturating_add(lent.item.frame.len());
        self.leases.lend(lent, holder, now);
    }

    /// Strikes a message off that is neither in flight nor dead any more.
    pub(super) fn lets_go(&mut self, item: &Item) {
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

impl DeadLetter {
    pub(super) fn new(remaining: Remaining, reason: Reason) -> Self {
        Self { remaining, reason }
    }
}
