//! The steps of a queue that is paused, or has a rate.

use std::time::SystemTime;

use super::State;
use crate::ordered::Key;
use crate::queue::gate::Gate;
use crate::queue::lease::HolderId;
use crate::queue::rate::Rate;
use crate::queue::step::Step;
use crate::time::Deadline;

impl State {
    /// Limits what leaves.
    pub(crate) fn limit(&mut self, rate: Rate) {
        self.gate = Some(Box::new(Gate::with_rate(rate)));
    }

    pub(crate) fn pause(&mut self) {
        // What is left of a closed queue leaves at once.
        if !self.is_closing() {
            self.gate.get_or_insert_default().pause();
        }
    }

    pub(crate) fn unpause(&mut self) {
        let gate = self.gate.as_mut();
        if gate.is_some_and(|gate| gate.unpause()) {
            self.consumers.begin_announcing();
        }
    }

    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.is_paused())
    }

    /// Whether a message may leave now. `has_id`: it has one on the wire.
    #[inline]
    pub(super) fn may_leave(&self, has_id: bool, now: SystemTime) -> bool {
        let gate = self.gate.as_ref();
        gate.is_none_or(|gate| gate.lets_pass(has_id, now))
    }

    /// Counts a message that leaves with its id.
    #[inline]
    pub(super) fn count_leaving(&mut self, now: SystemTime) {
        if let Some(gate) = &mut self.gate {
            gate.take(now);
        }
    }

    /// How many messages of those that are due may leave.
    #[inline]
    pub(super) fn leaving(&self, due: usize, now: SystemTime) -> usize {
        match &self.gate {
            None => due,
            Some(gate) => self.leaving_through(gate, due, now),
        }
    }

    #[inline(never)]
    fn leaving_through(&self, gate: &Gate, due: usize, now: SystemTime) -> usize {
        let left = gate.left(now);
        let passes = left == 0 && !gate.is_paused() && self.is_head_unleased(now);
        due.min(left.max(usize::from(passes)))
    }

    /// When a message may go to a waiting stream that may not go to it now.
    #[inline]
    pub(super) fn next_leaving(&self, now: SystemTime) -> Deadline {
        let next = self.backlog.next_due(now);
        match &self.gate {
            None => next,
            Some(gate) => self.next_through(gate, next, now),
        }
    }

    #[inline(never)]
    fn next_through(&self, gate: &Gate, next: Deadline, now: SystemTime) -> Deadline {
        let Some(opens) = gate.opens(now) else {
            return next;
        };
        let Some((Key { due, .. }, expires, item)) = self.backlog.head() else {
            return Deadline::Never;
        };
        if gate.is_paused() {
            Deadline::Never
        } else if item.has_id {
            // Once it has expired, a message that is not counted may be the first.
            due.max(opens).min(expires)
        } else if due.has_come(now) {
            opens
        } else {
            due
        }
    }

    /// When a waiting stream polls again: at `time`, or when its client may get what it is owed.
    #[inline]
    pub(super) fn or_owed(
        &mut self,
        time: Option<SystemTime>,
        holder: Option<HolderId>,
        now: SystemTime,
    ) -> Option<SystemTime> {
        match holder {
            Some(holder) if self.gate.is_some() => {
                let owed = self.wait_owed(holder, now).time();
                time.into_iter().chain(owed).min()
            }
            _ => time,
        }
    }

    #[inline(never)]
    fn wait_owed(&mut self, holder: HolderId, now: SystemTime) -> Deadline {
        if !self.is_owed(holder) {
            return Deadline::Never;
        }
        let gate = self.gate.as_mut();
        gate.map_or(Deadline::Never, |gate| gate.wait_owed(now))
    }

    /// Announces the end of a pause to some more streams.
    #[inline]
    pub(super) fn announce_unpaused(&mut self, step: &mut Step) {
        if self.gate.is_some() {
            self.announce_some(step);
        }
    }

    #[inline(never)]
    fn announce_some(&mut self, step: &mut Step) {
        if let Some(gate) = self.gate.as_mut().filter(|gate| gate.announces()) {
            self.consumers.announce(step);
            if !self.consumers.is_announcing() {
                gate.end_announcing();
            }
        }
    }

    /// Whether the end of a pause has yet to be announced to some streams.
    pub(super) fn announces_unpaused(&self) -> bool {
        let gate = self.gate.as_ref();
        gate.is_some_and(|gate| gate.announces()) && self.consumers.is_announcing()
    }
}
