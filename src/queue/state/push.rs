//! How a message enters a queue.

use std::collections::VecDeque;

use super::State;
use crate::message::{Message, Receipt};
use crate::queue::backlog::{Push, Pushed};
use crate::queue::push_error::PushError;
use crate::queue::step::Step;
use crate::queue::wait_queue::Ticket;

impl State {
    pub(crate) fn push(
        &mut self,
        push: Push,
        line: &mut Option<Ticket>,
        step: &mut Step,
    ) -> Pushed {
        let pushed = self.try_push(push, *line, step);
        if let Pushed::Done(_) = pushed
            && let Some(ticket) = line.take()
        {
            self.backlog.leave_line(ticket, step);
        }
        pushed
    }

    /// Pushes as many messages as one hold of the lock allows, and one at least. Returns what was
    /// not accepted.
    pub(crate) fn push_some(
        &mut self,
        some: &mut VecDeque<Push>,
        receipts: &mut Vec<Receipt>,
        step: &mut Step,
    ) -> Option<Pushed> {
        // What each message drops counts too.
        let mut may_push = true;
        step.count_move();
        while may_push && let Some(push) = some.pop_front() {
            match self.push(push, &mut None, step) {
                Pushed::Done(Ok(receipt)) => receipts.push(receipt),
                refused => return Some(refused),
            }
            may_push = step.count_move();
        }
        None
    }

    fn try_push(&mut self, push: Push, line: Option<Ticket>, step: &mut Step) -> Pushed {
        let refuse =
            |refuse: fn(Message) -> PushError, push: Push| Pushed::Done(Err(refuse(push.message)));
        if self.is_closed() {
            return refuse(PushError::Closed, push);
        }
        if push.message.labels().is_some() {
            return refuse(PushError::Labelled, push);
        }
        let numbered = match self.backlog.number(&push, self.delivery.is_some()) {
            Ok(numbered) => numbered,
            Err(error) => return refuse(error, push),
        };
        let cost = numbered.cost(&push);
        if self.backlog.is_too_large(cost) {
            return refuse(PushError::TooLarge, push);
        }
        // An expired message may have the same id, or take the missing capacity.
        if push.own_id.as_ref().is_some_and(|id| self.is_taken(id)) {
            if self.is_behind(step.now) {
                return Pushed::Again(push);
            }
            return refuse(PushError::DuplicateId, push);
        }
        if !self.backlog.is_next(line) {
            return Pushed::Full(push);
        }
        if !self.backlog.has_capacity(cost) {
            if self.is_behind(step.now) {
                return Pushed::Again(push);
            }
            if !self.backlog.drops_oldest() || !self.backlog.may_have_capacity(cost) {
                return Pushed::Full(push);
            }
            if !self.drop_oldest(cost, step) {
                return Pushed::Again(push);
            }
        }
        self.stats.pushed = self.stats.pushed.saturating_add(1);
        let delivery = self.delivery.as_ref();
        let own_id = push.own_id.as_deref();
        let was_used = delivery
            .is_some_and(|delivery| own_id.is_some_and(|id| delivery.end_of_own(id).is_some()));
        let was_seen = was_used || push.message.was_seen();
        let receipt = self.backlog.enqueue(push, numbered, was_seen, step.now);
        Pushed::Done(Ok(receipt))
    }

    /// Drops messages that were never handed out, the oldest first, until there is capacity, within
    /// the bounds of a step; returns whether there is.
    fn drop_oldest(&mut self, cost: usize, step: &mut Step) -> bool {
        while !self.backlog.has_capacity(cost) {
            if !step.count_move() {
                return false;
            }
            let Some(item) = self.backlog.pop_oldest() else {
                return false;
            };
            self.stats.dropped = self.stats.dropped.saturating_add(1);
            step.effects.drop_frame(item.frame);
        }
        true
    }
}
