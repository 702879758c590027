//! Which tasks wait, in which order, and which are notified.
//!
//! Pure: no lock, no clock; wakers are handed out, to be woken and dropped by the caller.
//!
//! | state | meaning | left by |
//! |---|---|---|
//! | idle | takes, is parked, or was not polled yet | `wait`, `reserve` |
//! | waiting | found nothing and wants to be woken | `notify`, `leave`, `reserve` |
//! | yielding | the same, after all that are waiting | the same |
//! | full | may take nothing but what needs no lease | `notify`, `leave`, `wait` |
//! | notified | was woken, and has a credit of so many messages | `wait`, `leave`, `reserve`, `lapse` |
//! | reserved | takes so many messages at its next tick | `leave`, `wait`, `lapse` |
//!
//! `remove` works in every state. Credit or a reservation that is not used in time lapses: its
//! messages are then for others.

mod credit;
mod lists;

use core::task::Waker;
use std::collections::BTreeSet;

use super::lease::HolderId;
use super::step::{Caller, NeedsClone};
use crate::time::Deadline;

/// A slot and its generation: a ticket whose slot was given to another task matches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    slot: u32,
    generation: u32,
}

impl Ticket {
    /// The ticket as a unique number.
    pub(super) fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    pub(super) fn from_bits(bits: u64) -> Self {
        Self {
            slot: u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX),
            generation: u32::try_from(bits >> 32).unwrap_or(u32::MAX),
        }
    }
}

/// The lists of waiting and notified tasks. Tasks are notified in this order of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Waiting,
    Yielding,
    Full,
    Notified,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Idle,
    In(List),
    Reserved,
}

#[derive(Debug)]
struct Slot {
    waker: Option<Waker>,
    generation: u32,
    state: State,
    /// The neighbours in the list of its state.
    previous: Option<u32>,
    next: Option<u32>,
    /// How many messages the task takes once it is notified, or at its tick.
    credit: usize,
    /// When the credit or reservation lapses.
    until: Deadline,
    /// The round in which the reservation was made.
    round: u64,
    holder: Option<HolderId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    first: Option<u32>,
    last: Option<u32>,
}

/// A slab of wakers, with lists through the tasks that wait.
#[derive(Debug, Default)]
pub(super) struct WaitQueue {
    slots: Vec<Slot>,
    /// The lowest is used first, so that the slab shrinks after a crowd has left.
    free: BTreeSet<u32>,
    lists: [Ends; 4],
    reserved: BTreeSet<(Deadline, u32)>,
    last_generation: u32,
    /// How many messages notified and reserved tasks take.
    credit: usize,
    /// The same, of notified tasks only.
    notified: usize,
    /// Reservations of earlier rounds are void.
    round: u64,
    /// The slot up to which the end was announced to all tasks.
    announced: usize,
}

impl WaitQueue {
    pub(super) fn insert(&mut self) -> Ticket {
        self.last_generation = self.last_generation.wrapping_add(1);
        let generation = self.last_generation;
        let new = Slot {
            waker: None,
            generation,
            state: State::Idle,
            previous: None,
            next: None,
            credit: 0,
            until: Deadline::Never,
            round: 0,
            holder: None,
        };
        if let Some(free) = self.free.pop_first()
            && let Some(slot) = self.slots.get_mut(free as usize)
        {
            *slot = new;
            let slot = free;
            return Ticket { slot, generation };
        }
        // More slots would take a quarter of a terabyte.
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(new);
        Ticket { slot, generation }
    }

    /// Frees the slot. Returns the waker, to be dropped outside the lock.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Waker> {
        self.leave(ticket);
        let slot = self.slot(ticket)?;
        slot.state = State::Free;
        let waker = slot.waker.take();
        self.free.insert(ticket.slot);
        self.shrink();
        waker
    }

    /// Removes free slots at the end, a bounded number.
    fn shrink(&mut self) {
        const MOST: usize = 1024;

        for _ in 0..MOST {
            if self
                .slots
                .last()
                .is_none_or(|slot| slot.state != State::Free)
            {
                break;
            }
            self.slots.pop();
            self.free.pop_last();
        }
        let capacity = self.slots.capacity();
        if capacity > 64 && self.slots.len() < capacity / 8 {
            self.slots.shrink_to(self.slots.len().saturating_mul(2));
        }
    }

    /// How many slots are taken.
    pub(super) fn len(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }

    /// Waits in a list, at its end or at its present position, and gives up its credit. `credit` is
    /// what it takes once it is notified. Returns the waker that was replaced.
    pub(super) fn wait(
        &mut self,
        ticket: Ticket,
        list: List,
        credit: usize,
        caller: &mut Caller<'_>,
    ) -> Result<Option<Waker>, NeedsClone> {
        let displaced = self.set_waker(ticket, caller)?;
        self.move_to(ticket, list);
        if let Some(slot) = self.slot(ticket) {
            slot.credit = credit;
        }
        Ok(displaced)
    }

    /// Registers the caller's waker, for the end. Returns the one that was replaced.
    #[inline]
    pub(super) fn set_waker(
        &mut self,
        ticket: Ticket,
        caller: &mut Caller<'_>,
    ) -> Result<Option<Waker>, NeedsClone> {
        match self.slot(ticket) {
            Some(slot) => caller.register(&mut slot.waker),
            None => Ok(None),
        }
    }

    /// Takes the waker of a task, without changing its state.
    pub(super) fn take_waker(&mut self, ticket: Ticket) -> Option<Waker> {
        self.slot(ticket)?.waker.take()
    }

    /// Becomes idle: it has taken something, or does not want to be woken.
    #[inline]
    pub(super) fn leave(&mut self, ticket: Ticket) {
        let Some(slot) = self.slot(ticket) else {
            return;
        };
        match slot.state {
            State::In(list) => self.unlink(ticket.slot, list),
            State::Reserved => self.unreserve(ticket.slot),
            State::Idle | State::Free => {}
        }
    }

    /// Notifies the task that has waited longest, and gives it credit until `until`. The two
    /// `spared` tasks come after all others of their list, the first of them last. Returns the
    /// ticket and the waker.
    pub(super) fn notify(
        &mut self,
        [first, second]: [Option<Ticket>; 2],
        until: Deadline,
    ) -> Option<(Ticket, Option<Waker>)> {
        for list in [List::Waiting, List::Yielding] {
            let orders = [[first, second], [first, None], [None, None]];
            let ticket = orders
                .into_iter()
                .find_map(|spared| self.first_but(list, spared));
            if let Some(ticket) = ticket {
                return Some((ticket, self.notify_in(ticket, list, until)));
            }
        }
        None
    }

    /// Notifies the task that has waited longest, if none is spared.
    #[inline]
    pub(super) fn notify_first(&mut self, until: Deadline) -> Option<(Ticket, Option<Waker>)> {
        let waiting = self.first_in(List::Waiting);
        let list = if waiting.is_some() {
            List::Waiting
        } else {
            List::Yielding
        };
        let ticket = waiting.or_else(|| self.first_in(list))?;
        Some((ticket, self.notify_in(ticket, list, until)))
    }

    /// Notifies a full task, for a message that needs no lease.
    pub(super) fn notify_full(&mut self, until: Deadline) -> Option<(Ticket, Option<Waker>)> {
        let slot = self.first(List::Full)?;
        let ticket = self.ticket(slot)?;
        self.slot(ticket)?.credit = 1;
        Some((ticket, self.notify_in(ticket, List::Full, until)))
    }

    fn notify_in(&mut self, ticket: Ticket, list: List, until: Deadline) -> Option<Waker> {
        self.unlink(ticket.slot, list);
        self.link(ticket.slot, List::Notified);
        let slot = self.slot(ticket)?;
        slot.until = until;
        let (credit, waker) = (slot.credit, slot.waker.take());
        self.credit = self.credit.saturating_add(credit);
        self.notified = self.notified.saturating_add(credit);
        waker
    }

    /// Takes the waker of the task that has waited longest, without changing its state.
    pub(super) fn wake_first(&mut self) -> Option<Waker> {
        let first = self.first(List::Waiting)?;
        self.slots.get_mut(first as usize)?.waker.take()
    }

    /// Begins to announce the end to all tasks, in whatever state they are.
    pub(super) fn begin_announcing(&mut self) {
        self.announced = 0;
    }

    /// Whether some slots were not visited since announcing began.
    pub(super) fn is_announcing(&self) -> bool {
        self.announced < self.slots.len()
    }

    /// Takes at most `max` wakers of tasks to which the end must be announced, and visits a bounded
    /// number of slots.
    pub(super) fn announce(&mut self, max: usize, mut each: impl FnMut(Waker)) {
        const MAX_VISITED: usize = 1024;

        let mut left = max;
        for slot in self.slots.iter_mut().skip(self.announced).take(MAX_VISITED) {
            if left == 0 {
                break;
            }
            self.announced = self.announced.saturating_add(1);
            if let Some(waker) = slot.waker.take() {
                left = left.saturating_sub(1);
                each(waker);
            }
        }
    }

    /// Whether no task goes before this one: it has credit, has waited longest, or none waits.
    #[inline]
    pub(super) fn is_its_turn(&self, ticket: Ticket) -> bool {
        match self.peek(ticket).map(|slot| slot.state) {
            Some(State::In(List::Notified) | State::Reserved) => true,
            Some(State::In(List::Waiting)) => self.is_first(ticket),
            _ => !self.has_any(List::Waiting),
        }
    }

    /// Whether this task waits, in whatever list.
    pub(super) fn waits(&self, ticket: Ticket) -> bool {
        let slot = self.peek(ticket);
        slot.is_some_and(|slot| matches!(slot.state, State::In(list) if list != List::Notified))
    }

    pub(super) fn holder(&self, ticket: Ticket) -> Option<HolderId> {
        self.peek(ticket)?.holder
    }

    pub(super) fn set_holder(&mut self, ticket: Ticket, holder: Option<HolderId>) {
        if let Some(slot) = self.slot(ticket) {
            slot.holder = holder;
        }
    }

    #[inline]
    fn ticket(&self, slot: u32) -> Option<Ticket> {
        let generation = self.slots.get(slot as usize)?.generation;
        Some(Ticket { slot, generation })
    }

    #[inline]
    fn peek(&self, ticket: Ticket) -> Option<&Slot> {
        let slot = self.slots.get(ticket.slot as usize)?;
        (slot.generation == ticket.generation && slot.state != State::Free).then_some(slot)
    }

    #[inline]
    fn slot(&mut self, ticket: Ticket) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(ticket.slot as usize)?;
        (slot.generation == ticket.generation && slot.state != State::Free).then_some(slot)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
