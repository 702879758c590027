//! The lists of tasks that wait or are notified: doubly linked, through the slots.
//!
//! Pure: no lock, no clock.

use super::{List, State, Ticket, WaitQueue};

impl WaitQueue {
    #[inline]
    pub(super) fn first(&self, list: List) -> Option<u32> {
        self.lists.get(list as usize)?.first
    }

    /// The first task of a list.
    pub(crate) fn first_in(&self, list: List) -> Option<Ticket> {
        self.ticket(self.first(list)?)
    }

    /// The first task of a list that is not spared.
    pub(super) fn first_but(&self, list: List, spared: [Option<Ticket>; 2]) -> Option<Ticket> {
        let mut next = self.first(list);
        while let Some(slot) = next
            && let Some(ticket) = self.ticket(slot)
        {
            if !spared.contains(&Some(ticket)) {
                return Some(ticket);
            }
            next = self.slots.get(slot as usize)?.next;
        }
        None
    }

    /// The last task of those that wait and are not in `except`; a full one if there is no other.
    pub(crate) fn last_but(&self, except: [Option<Ticket>; 2]) -> Option<Ticket> {
        for list in [List::Waiting, List::Yielding, List::Full] {
            let mut slot = self.lists.get(list as usize)?.last;
            while let Some(at) = slot
                && let Some(ticket) = self.ticket(at)
            {
                if !except.contains(&Some(ticket)) {
                    return Some(ticket);
                }
                slot = self.slots.get(at as usize)?.previous;
            }
        }
        None
    }

    /// Whether this task is the one that has waited longest.
    pub(crate) fn is_first(&self, ticket: Ticket) -> bool {
        self.first(List::Waiting) == Some(ticket.slot)
    }

    #[inline]
    pub(crate) fn is_in(&self, ticket: Ticket, list: List) -> bool {
        self.peek(ticket)
            .is_some_and(|slot| slot.state == State::In(list))
    }

    /// Whether any task is in the list.
    #[inline]
    pub(crate) fn has_any(&self, list: List) -> bool {
        self.first(list).is_some()
    }

    /// Whether any task waits to be notified.
    #[inline]
    pub(crate) fn has_waiting(&self) -> bool {
        self.has_any(List::Waiting) || self.has_any(List::Yielding)
    }

    /// Moves a task to the end of a list, unless it is in that list.
    pub(crate) fn move_to(&mut self, ticket: Ticket, list: List) {
        match self.slot(ticket).map(|slot| slot.state) {
            None => {}
            Some(State::Idle) => self.link(ticket.slot, list),
            Some(state) if state == State::In(list) => {}
            Some(_) => {
                self.leave(ticket);
                self.link(ticket.slot, list);
            }
        }
    }

    /// Moves a waiting task to the end of its list.
    pub(crate) fn move_to_end(&mut self, ticket: Ticket) {
        if let Some(slot) = self.slot(ticket)
            && let State::In(list) = slot.state
            && list != List::Notified
        {
            self.leave(ticket);
            self.link(ticket.slot, list);
        }
    }

    #[inline]
    pub(super) fn link(&mut self, index: u32, list: List) {
        let Some(ends) = self.lists.get_mut(list as usize) else {
            return;
        };
        let previous = ends.last.replace(index);
        if previous.is_none() {
            ends.first = Some(index);
        }
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.state = State::In(list);
            slot.previous = previous;
            slot.next = None;
        }
        if let Some(slot) = previous.and_then(|previous| self.slots.get_mut(previous as usize)) {
            slot.next = Some(index);
        }
    }

    #[inline]
    pub(super) fn unlink(&mut self, index: u32, list: List) {
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return;
        };
        slot.state = State::Idle;
        let (previous, next) = (slot.previous.take(), slot.next.take());
        if list == List::Notified {
            self.credit = self.credit.saturating_sub(slot.credit);
            self.notified = self.notified.saturating_sub(slot.credit);
        }
        if let Some(ends) = self.lists.get_mut(list as usize) {
            if previous.is_none() {
                ends.first = next;
            }
            if next.is_none() {
                ends.last = previous;
            }
        }
        if let Some(slot) = previous.and_then(|previous| self.slots.get_mut(previous as usize)) {
            slot.next = next;
        }
        if let Some(slot) = next.and_then(|next| self.slots.get_mut(next as usize)) {
            slot.previous = previous;
        }
    }
}
