//! Who waits, in which order, and who owes a look.
//!
//! Pure: no lock, no clock; wakers are handed out, to be woken and dropped by the caller.
//!
//! | state | in line | meaning | left by |
//! |---|---|---|---|
//! | away | no | takes, or is parked, or was not polled yet | `wait`, `promise` |
//! | waiting | yes | has found nothing and wants to be woken | `wake_first`, `leave`, `promise` |
//! | woken | no | owes a look, now | `wait` (found nothing), `leave` (took), `promise` |
//! | promised | no | owes a look at its next tick, for so many messages | `leave`, `wait` |
//!
//! `remove` works in every state; whatever was owed then is owed by nobody.

use core::task::Waker;

/// Names a slot; a slot that was given to somebody else does not answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    slot: u32,
    generation: u32,
}

/// A slab of wakers, with a line through those that wait.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    slots: Vec<Slot>,
    free: Option<u32>,
    first: Option<u32>,
    last: Option<u32>,
    len: usize,
    /// How many are woken.
    woken: usize,
    /// How many messages are promised to be taken.
    promised: usize,
}

#[derive(Debug)]
struct Slot {
    waker: Option<Waker>,
    generation: u32,
    state: State,
    /// Neighbours in line; of a free slot, `next` is the next free one.
    previous: Option<u32>,
    next: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Away,
    Waiting,
    Woken,
    Promised(u32),
}

impl Waiters {
    pub(crate) fn insert(&mut self) -> Ticket {
        self.len = self.len.saturating_add(1);
        if let Some(free) = self.free
            && let Some(slot) = self.slots.get_mut(free as usize)
        {
            self.free = slot.next.take();
            slot.state = State::Away;
            return Ticket {
                slot: free,
                generation: slot.generation,
            };
        }
        self.slots.push(Slot {
            waker: None,
            generation: 0,
            state: State::Away,
            previous: None,
            next: None,
        });
        Ticket {
            // More slots than that would take a quarter of a terabyte.
            slot: u32::try_from(self.slots.len().saturating_sub(1)).unwrap_or(u32::MAX),
            generation: 0,
        }
    }

    /// Gives the slot back. Returns the waker, to be dropped outside the lock.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Waker> {
        self.leave(ticket);
        let free = self.free;
        let slot = self.slot(ticket)?;
        slot.state = State::Free;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next = free;
        let waker = slot.waker.take();
        self.free = Some(ticket.slot);
        self.len = self.len.saturating_sub(1);
        waker
    }

    /// Stands in line, at its end or where it stands already, and pays what was owed. Returns the
    /// waker of before.
    pub(crate) fn wait(&mut self, ticket: Ticket, waker: &Waker) -> Option<Waker> {
        let slot = self.slot(ticket)?;
        if slot.state != State::Waiting {
            self.leave(ticket);
            self.link(ticket.slot);
        }
        self.set_waker(ticket, waker)
    }

    /// Owes a look for `messages` at a later time. Returns the waker of before.
    pub(crate) fn promise(
        &mut self,
        ticket: Ticket,
        messages: usize,
        waker: &Waker,
    ) -> Option<Waker> {
        self.leave(ticket);
        let slot = self.slot(ticket)?;
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        slot.state = State::Promised(messages);
        self.promised = self.promised.saturating_add(messages as usize);
        self.set_waker(ticket, waker)
    }

    /// Is away from now on: it has taken something, or does not want to be woken.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        let Some(slot) = self.slot(ticket) else {
            return;
        };
        match slot.state {
            State::Waiting => self.unlink(ticket.slot),
            State::Woken => self.woken = self.woken.saturating_sub(1),
            State::Promised(messages) => {
                self.promised = self.promised.saturating_sub(messages as usize);
            }
            State::Away | State::Free => {}
        }
        if let Some(slot) = self.slot(ticket) {
            slot.state = State::Away;
        }
    }

    /// Keeps `waker` for [`wake_all`](Self::wake_all). Returns the waker of before.
    pub(crate) fn set_waker(&mut self, ticket: Ticket, waker: &Waker) -> Option<Waker> {
        let slot = self.slot(ticket)?;
        match &mut slot.waker {
            Some(old) if old.will_wake(waker) => None,
            old => old.replace(waker.clone()),
        }
    }

    /// Takes the longest waiting out of line; it owes a look.
    pub(crate) fn wake_first(&mut self) -> Option<Waker> {
        let first = self.first?;
        self.unlink(first);
        self.woken = self.woken.saturating_add(1);
        let slot = self.slots.get_mut(first as usize)?;
        slot.state = State::Woken;
        slot.waker.take()
    }

    /// The waker of the longest waiting, which stays in line.
    pub(crate) fn nudge_first(&mut self) -> Option<Waker> {
        self.slots.get_mut(self.first? as usize)?.waker.take()
    }

    /// Whether this one is the longest waiting.
    pub(crate) fn is_first(&self, ticket: Ticket) -> bool {
        self.first == Some(ticket.slot)
    }

    /// The one that came into line last.
    pub(crate) fn last(&self) -> Option<Ticket> {
        let slot = self.last?;
        let generation = self.slots.get(slot as usize)?.generation;
        Some(Ticket { slot, generation })
    }

    /// The waker of somebody, whose state stays as it is.
    pub(crate) fn nudge(&mut self, ticket: Ticket) -> Option<Waker> {
        self.slot(ticket)?.waker.take()
    }

    /// All wakers there are, also of those that are parked; states stay as they are.
    pub(crate) fn nudge_all(&mut self) -> impl Iterator<Item = Waker> {
        self.slots.iter_mut().filter_map(|slot| slot.waker.take())
    }

    pub(crate) fn anybody_waits(&self) -> bool {
        self.first.is_some()
    }

    pub(crate) fn anybody_is_woken(&self) -> bool {
        self.woken > 0
    }

    /// Whether nobody comes before this one: it owes a look, or nobody else does and it waits
    /// longest, or nobody waits.
    pub(crate) fn is_its_turn(&mut self, ticket: Ticket) -> bool {
        match self.slot(ticket).map(|slot| slot.state) {
            Some(State::Woken | State::Promised(_)) => true,
            _ => !self.anybody_is_woken() && (!self.anybody_waits() || self.is_first(ticket)),
        }
    }

    /// How many messages those who promised to look will take.
    pub(crate) fn promised(&self) -> usize {
        self.promised
    }

    /// How many messages this one has promised to take.
    pub(crate) fn promised_by(&mut self, ticket: Ticket) -> usize {
        match self.slot(ticket).map(|slot| slot.state) {
            Some(State::Promised(messages)) => messages as usize,
            _ => 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn slot(&mut self, ticket: Ticket) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(ticket.slot as usize)?;
        (slot.generation == ticket.generation && slot.state != State::Free).then_some(slot)
    }

    fn link(&mut self, index: u32) {
        let last = self.last.replace(index);
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.state = State::Waiting;
            slot.previous = last;
            slot.next = None;
        }
        match last.and_then(|last| self.slots.get_mut(last as usize)) {
            Some(slot) => slot.next = Some(index),
            None => self.first = Some(index),
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return;
        };
        let (previous, next) = (slot.previous.take(), slot.next.take());
        match previous.and_then(|at| self.slots.get_mut(at as usize)) {
            Some(slot) => slot.next = next,
            None => self.first = next,
        }
        match next.and_then(|at| self.slots.get_mut(at as usize)) {
            Some(slot) => slot.previous = previous,
            None => self.last = previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn wakers<const N: usize>() -> ([Arc<Count>; N], [Waker; N]) {
        let counts = [(); N].map(|()| Arc::new(Count::default()));
        let wakers = counts.clone().map(Waker::from);
        (counts, wakers)
    }

    #[test]
    fn the_longest_waiting_is_woken_first() {
        let (_, [a, b, c]) = wakers();
        let mut waiters = Waiters::default();
        let tickets = [(); 3].map(|()| waiters.insert());
        for (ticket, waker) in tickets.iter().zip([&a, &b, &c]) {
            waiters.wait(*ticket, waker);
        }
        // Polled again, it keeps its place.
        waiters.wait(tickets[0], &a);
        waiters.leave(tickets[1]);
        waiters.wait(tickets[1], &b);
        for expected in [&a, &c, &b] {
            assert!(waiters.wake_first().unwrap().will_wake(expected));
        }
        assert!(waiters.wake_first().is_none());
        assert!(waiters.anybody_is_woken());
    }

    #[test]
    fn a_debt_ends_by_a_look_or_by_leaving() {
        let (_, [a]) = wakers();
        let mut waiters = Waiters::default();
        let ticket = waiters.insert();
        for end in [Waiters::leave, |waiters: &mut Waiters, ticket| {
            waiters.wait(ticket, Waker::noop());
        }] {
            waiters.wait(ticket, &a);
            waiters.wake_first();
            assert!(waiters.anybody_is_woken());
            end(&mut waiters, ticket);
            assert!(!waiters.anybody_is_woken());
        }
        waiters.wait(ticket, &a);
        waiters.wake_first();
        waiters.remove(ticket);
        assert!(!waiters.anybody_is_woken());
        assert_eq!(waiters.len(), 0);
    }

    #[test]
    fn promises_add_up_and_are_taken_back() {
        let mut waiters = Waiters::default();
        let (one, two) = (waiters.insert(), waiters.insert());
        waiters.promise(one, 3, Waker::noop());
        waiters.promise(one, 4, Waker::noop());
        waiters.promise(two, 1, Waker::noop());
        assert_eq!((waiters.promised(), waiters.promised_by(one)), (5, 4));
        waiters.leave(one);
        waiters.remove(two);
        assert_eq!(waiters.promised(), 0);
    }

    #[test]
    fn an_old_ticket_means_nothing_once_its_slot_has_a_new_owner() {
        let (_, [a, b]) = wakers();
        let mut waiters = Waiters::default();
        let old = waiters.insert();
        waiters.wait(old, &a);
        assert!(waiters.remove(old).is_some());
        let new = waiters.insert();
        assert_ne!(old, new);
        waiters.wait(old, &a);
        assert!(!waiters.anybody_waits());
        waiters.wait(new, &b);
        waiters.leave(old);
        waiters.remove(old);
        assert!(waiters.is_first(new));
        assert_eq!(waiters.len(), 1);
    }

    #[test]
    fn the_replaced_waker_is_handed_out() {
        let (counts, [a, b]) = wakers();
        let mut waiters = Waiters::default();
        let ticket = waiters.insert();
        assert!(waiters.wait(ticket, &a).is_none());
        assert!(waiters.wait(ticket, &a).is_none(), "the same one stays");
        assert!(waiters.wait(ticket, &b).unwrap().will_wake(&a));
        waiters.leave(ticket);
        let all: Vec<_> = waiters.nudge_all().collect();
        all.into_iter().for_each(Waker::wake);
        assert_eq!(counts[1].0.load(Ordering::Relaxed), 1);
    }
}
