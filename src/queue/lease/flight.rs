//! A message in flight, and the clients that it was handed to.

use core::num::NonZeroU64;

use super::deadlines::Slot;
use crate::time::Deadline;

/// A client: the streams, one after the other, that were handed messages for it.
pub(crate) type HolderId = NonZeroU64;

/// A message in flight. It is in its holder's list, in the order in which messages were handed out.
#[derive(Debug)]
pub(super) struct Flight<T> {
    pub(super) due: Deadline,
    pub(super) expires: Deadline,
    pub(super) until: Deadline,
    /// The slot of its end, if the end came in order.
    pub(super) slot: Option<Slot>,
    pub(super) attempts: u32,
    /// Its lease was extended: it outlives the grace of its stream.
    pub(super) extended: bool,
    /// It was handed to several clients, so its id identifies none of them.
    pub(super) is_several: bool,
    /// Increases with each message that is handed out.
    pub(super) order: u64,
    /// `None` if it was handed out without a stream.
    pub(super) holder: Option<HolderId>,
    /// Numbers begin with 1.
    pub(super) previous: Option<NonZeroU64>,
    pub(super) next: Option<NonZeroU64>,
    pub(super) item: T,
}

impl<T> Flight<T> {
    pub(super) fn next(&self) -> Option<u64> {
        self.next.map(NonZeroU64::get)
    }

    pub(super) fn link(&self, seq: u64) -> Link {
        Link {
            seq,
            order: self.order,
            expires: self.expires,
            holder: self.holder,
            is_of_one: self.client().is_one(),
            previous: self.previous,
            next: self.next,
        }
    }

    pub(super) fn lent(self, seq: u64) -> Lent<T> {
        Lent {
            seq,
            due: self.due,
            expires: self.expires,
            attempts: self.attempts,
            client: self.client(),
            item: self.item,
        }
    }

    pub(super) fn client(&self) -> Client {
        if self.is_several {
            return Client::SEVERAL;
        }
        self.holder.map_or(Client::NONE, Client::one)
    }
}

/// The links of the holder's list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) order: u64,
    pub(super) expires: Deadline,
    pub(super) holder: Option<HolderId>,
    /// Its id identifies the client.
    pub(super) is_of_one: bool,
    pub(super) previous: Option<NonZeroU64>,
    pub(super) next: Option<NonZeroU64>,
}

impl Link {
    pub(super) fn previous(&self) -> Option<u64> {
        self.previous.map(NonZeroU64::get)
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.next.map(NonZeroU64::get)
    }
}

/// The clients that a message was handed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Client(Option<HolderId>);

impl Client {
    /// None yet, or none that is a stream.
    pub(super) const NONE: Self = Self(None);
    /// More than one, or unknown: the id identifies none. No holder has this number.
    pub(super) const SEVERAL: Self = Self(Some(HolderId::MAX));

    fn one(holder: HolderId) -> Self {
        Self(Some(holder))
    }

    /// The state of a message that is pushed, and whose id may have been handed out before.
    pub(crate) fn of(was_seen: bool) -> Self {
        if was_seen { Self::SEVERAL } else { Self::NONE }
    }

    pub(super) fn is_one(self) -> bool {
        self.0.is_some_and(|holder| holder != HolderId::MAX)
    }

    pub(super) fn and(self, holder: Option<HolderId>, attempts: u32) -> Self {
        match (self, holder) {
            (Self::NONE, holder) if attempts == 0 => Self(holder),
            (Self(Some(one)), Some(holder)) if one == holder => self,
            _ => Self::SEVERAL,
        }
    }
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
