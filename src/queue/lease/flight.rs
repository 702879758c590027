//! A message in flight, and the clients to which it was handed.

use core::num::NonZeroU64;

use super::deadlines::Slot;
use crate::time::Deadline;

/// Names the streams that were handed messages, one after the other, by the same client.
pub(crate) type HolderId = NonZeroU64;

/// A message in flight. It is in its holder's list, in the order of handing out.
#[derive(Debug)]
pub(super) struct Flight<T> {
    pub(super) due: Deadline,
    pub(super) expires: Deadline,
    pub(super) until: Deadline,
    /// That of its end, if the end came in order.
    pub(super) slot: Option<Slot>,
    pub(super) attempts: u32,
    /// Its lease was extended: it outlives the grace of its stream.
    pub(super) extended: bool,
    /// It was handed to several clients: its id does not identify one of them.
    pub(super) is_several: bool,
    /// Grows from one that is handed out to the next.
    pub(super) order: u64,
    /// Without one, it was handed to nobody in particular.
    pub(super) holder: Option<HolderId>,
    /// Numbers begin with one.
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

/// What its holder's list has of a message.
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

/// To which clients a message was handed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Client(Option<HolderId>);

impl Client {
    /// None yet, or nobody in particular.
    pub(super) const NONE: Self = Self(None);
    /// More than one, or it is not known: the id does not identify one. No holder has this number.
    pub(super) const SEVERAL: Self = Self(Some(HolderId::MAX));

    fn one(holder: HolderId) -> Self {
        Self(Some(holder))
    }

    /// That of a message that is pushed, and whose id may have been handed out before.
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
