//! The numbers and ids of a queue's messages.
//!
//! Pure: no lock, no clock.

use std::sync::Arc;

use super::{Backlog, Numbered, Push};
use crate::message::id::{HIGHEST_GIVEN, Id, Read};
use crate::message::{LastEventId, Message};
use crate::queue::push_error::PushError;

impl Backlog {
    /// The number and id of a message, or why it is refused.
    pub(crate) fn number(
        &self,
        push: &Push,
        needs_unique_ids: bool,
    ) -> Result<Numbered, fn(Message) -> PushError> {
        let next = self.last_number.saturating_add(1);
        let Some(own) = &push.own_id else {
            return Ok(Numbered {
                number: next,
                id: self.epoch.id(next),
                needs_id: push.message.event().has_data,
                own_id: None,
            });
        };
        if own.len() > LastEventId::MAX_LEN {
            return Err(PushError::IdTooLong);
        }
        if own.is_empty() && needs_unique_ids {
            return Err(PushError::EmptyId);
        }
        let is_returned = push.message.is_returned();
        let (number, own_id) = match self.epoch.read(own) {
            Read::Numbered(number) if is_returned && number <= HIGHEST_GIVEN => {
                // It keeps its number if that was not assigned yet; numbers continue after it.
                let goes_by_number = number >= next;
                let own_id = (!goes_by_number).then(|| Arc::clone(own));
                (number.max(next), own_id)
            }
            Read::Delayed(_) if is_returned => (next, Some(Arc::clone(own))),
            Read::Numbered(_) | Read::Delayed(_) => return Err(PushError::ReservedId),
            Read::Foreign | Read::Other => (next, Some(Arc::clone(own))),
        };
        Ok(Numbered {
            number,
            id: Id::own(Arc::clone(own)),
            needs_id: false,
            own_id,
        })
    }

    /// The number of the newest message with this id of its own: waiting, in flight or dead.
    pub(crate) fn newest_with_own(&self, id: &str) -> Option<u64> {
        if self.own_ids.is_empty() {
            return None;
        }
        let id: Arc<str> = Arc::from(id);
        let of_this_id = (Arc::clone(&id), 0)..=(id, u64::MAX);
        let (_, newest) = self.own_ids.range(of_this_id).next_back()?;
        Some(*newest)
    }

    /// The number of the waiting message that this queue assigned this id to.
    pub(crate) fn issued(&self, id: &str) -> Option<u64> {
        let number = self.epoch.seq(id)?;
        self.get(number)?.own_id.is_none().then_some(number)
    }

    /// The number in an id of this queue's form; its message may have another id.
    pub(crate) fn number_in(&self, id: &str) -> Option<u64> {
        let number = self.epoch.seq(id);
        number.filter(|number| *number <= self.last_number)
    }

    pub(crate) fn last_number(&self) -> u64 {
        self.last_number
    }
}
