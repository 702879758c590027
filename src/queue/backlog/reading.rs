//! Reading the messages that wait, while they stay in the queue.
//!
//! Pure: no lock, no clock.

use std::time::SystemTime;

use super::Backlog;
use crate::ordered::Key;
use crate::ordered::walk::{self, Read, merged};
use crate::queue::item::Item;

/// How far the waiting messages were read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    fresh: walk::Position,
    returned: walk::Position,
}

impl Backlog {
    /// The waiting messages after a position that are due at `now`, in order.
    pub(crate) fn due_from(
        &self,
        position: Position,
        now: SystemTime,
    ) -> impl Iterator<Item = Read<'_, Item>> {
        let returned = self.returned.due_from(position.returned, now);
        merged(self.fresh.due_from(position.fresh, now), returned)
    }

    /// The waiting messages after a position that fall due after `now`, in order.
    pub(crate) fn scheduled_from(
        &self,
        position: Position,
        now: SystemTime,
    ) -> impl Iterator<Item = Read<'_, Item>> {
        let returned = self.returned.scheduled_from(position.returned, now);
        merged(self.fresh.scheduled_from(position.fresh, now), returned)
    }

    /// Moves a position past a waiting message.
    pub(crate) fn pass(&self, position: &mut Position, key: Key) {
        self.fresh.pass(&mut position.fresh, key);
        self.returned.pass(&mut position.returned, key);
    }
}
