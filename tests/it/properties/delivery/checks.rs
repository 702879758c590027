//! What settles a message, and what must hold after each step.

use sse_queue::queue::{DeadLetterReason, Peeked};

use super::Step;
use super::model::{Modelled, State};
use super::run::Run;
use crate::support::secs;

impl Run {
    pub fn settle(&mut self, step: Step) {
        let (Step::Ack(at) | Step::Nack(at, _) | Step::Extend(at, _) | Step::Cancel(at)) = step
        else {
            return;
        };
        let Some(at) = self.any(at) else {
            return;
        };
        let refusal = self.model.refusal(at);
        let (now, message) = (self.model.now, &mut self.model.messages[at]);
        let is_confirmed = message.state == State::Confirmed && message.has_id;
        let done = match step {
            Step::Ack(_) => self.queue.ack(&message.id),
            Step::Nack(_, delay) => {
                let delay = Some(secs(delay)).filter(|delay| !delay.is_zero());
                self.queue.nack(&message.id, delay)
            }
            Step::Extend(_, by) => self.queue.extend_lease(&message.id, secs(by)),
            _ => {
                // What has expired can be cancelled until the queue is brought up to date.
                let _ = self.queue.stats();
                let can_be = message.state == State::Queued;
                assert_eq!(self.queue.cancel(&message.id), can_be);
                if can_be {
                    message.state = State::Withdrawn;
                }
                return;
            }
        };
        match (refusal, step) {
            (Some(_), Step::Ack(_)) if is_confirmed => assert_eq!(done, Ok(())),
            (Some(refusal), _) => assert_eq!(done, Err(refusal)),
            (None, _) => assert_eq!(done, Ok(())),
        }
        if refusal.is_some() {
            return;
        }
        match (step, &mut message.state) {
            (Step::Ack(_), _) => {
                self.model.leave_holder(at);
                self.model.messages[at].state = State::Confirmed;
            }
            (
                Step::Extend(_, by),
                State::InFlight {
                    until, extended, ..
                },
            ) => (*until, *extended) = (*until + by, true),
            (Step::Nack(_, delay), _) => {
                if delay > 0 {
                    message.due = (now + delay).min(message.expires);
                } else {
                    self.model.postpone(at, now);
                }
                self.model.release(at, DeadLetterReason::Nacked);
            }
            _ => {}
        }
    }

    pub fn take_all(&mut self) {
        let remaining = self.queue.take_remaining();
        let remaining: Vec<_> = remaining
            .iter()
            .map(|left| (left.id(), left.attempts()))
            .collect();
        let model = &mut self.model;
        for message in &mut model.messages {
            let is_out = matches!(message.state, State::InFlight { .. } | State::Dead(_));
            if is_out && message.expires <= model.now {
                message.state = State::Expired;
            }
        }
        let mut left: Vec<_> = (0..model.messages.len())
            .filter(|at| {
                let state = model.messages[*at].state;
                matches!(
                    state,
                    State::Queued | State::InFlight { .. } | State::Dead(_)
                )
            })
            .collect();
        left.sort_by_key(|at| (model.messages[*at].due, *at));
        let expected: Vec<_> = left
            .iter()
            .map(|at| &model.messages[*at])
            .map(|message| (message.id.as_str(), message.attempts))
            .collect();
        assert_eq!(remaining, expected);
        for at in left {
            model.messages[at].state = State::Withdrawn;
        }
        model.dead.clear();
        for holder in &mut model.holders {
            holder.last_left = None;
        }
    }

    pub fn compare(&self) {
        let (stats, model) = (self.queue.stats(), &self.model);
        let count = |state| model.count(|of| *of == state) as u64;
        assert_eq!(stats.pushed, model.messages.len() as u64);
        assert_eq!(stats.confirmed, count(State::Confirmed), "confirmed");
        assert_eq!(stats.expired, count(State::Expired), "expired");
        assert_eq!(stats.dropped, count(State::Dropped), "dropped");
        assert_eq!(stats.withdrawn, count(State::Withdrawn), "withdrawn");
        assert_eq!(stats.in_flight, model.in_flight(), "in flight");
        assert_eq!(stats.dead, model.dead(), "dead");
        assert_eq!(stats.depth, model.queued(), "queued");
        assert_eq!(stats.delivered, model.delivered, "delivered");
        assert_eq!(stats.redelivered, model.redelivered, "redelivered");
        self.compare_shown();
        if stats.in_flight + stats.dead + stats.depth == 0 {
            assert_eq!(stats.bytes, 0);
        }
    }

    /// What the queue shows is what the model holds, in order.
    fn compare_shown(&self) {
        let model = &self.model;
        let horizon = model.closed.unwrap_or(model.now);
        let shows = |shown: Vec<Peeked>, is: &dyn Fn(&Modelled) -> bool, by_due: bool| {
            let all = model.messages.iter().enumerate();
            let mut expected: Vec<_> = all.filter(|(_, message)| is(message)).collect();
            expected.sort_by_key(|(at, message)| (by_due.then_some(message.due), *at));
            let expected = expected.iter();
            let expected = expected.map(|(_, message)| (message.id.as_str(), message.attempts));
            let shown = shown.iter();
            let shown = shown.map(|message| (message.id(), message.attempts()));
            assert!(shown.eq(expected));
        };
        let waits = |message: &Modelled| message.state == State::Queued;
        let is_ready = |message: &Modelled| waits(message) && message.due <= horizon;
        shows(self.queue.peek_ready(usize::MAX), &is_ready, true);
        let is_scheduled = |message: &Modelled| waits(message) && message.due > horizon;
        shows(self.queue.peek_scheduled(usize::MAX), &is_scheduled, true);
        let is_out = |message: &Modelled| matches!(message.state, State::InFlight { .. });
        let is_out = |message: &Modelled| is_out(message) && message.expires > model.now;
        shows(self.queue.peek_in_flight(usize::MAX), &is_out, false);
    }

    /// Confirms whatever comes until nothing does: nothing is lost, and nothing hangs.
    pub fn confirm_all(&mut self) {
        if self.model.closed.is_some() {
            return;
        }
        self.step(Step::Pause(false));
        self.step(Step::Open);
        for _ in 0..200 {
            self.step(Step::Run);
            for at in 0..self.model.messages.len() {
                if matches!(self.model.messages[at].state, State::InFlight { .. }) {
                    self.step(Step::Ack(at));
                }
            }
            if self.model.in_flight() + self.model.queued() == 0 {
                return;
            }
            self.step(Step::Run);
            self.step(Step::Advance(1));
        }
        panic!("a message is left");
    }
}
