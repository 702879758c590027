//! How messages are shown that stay in the queue.
//!
//! Pure: no lock, no clock; `now` is in the step.

use super::State;
use crate::message::id::Epoch;
use crate::ordered::Key;
use crate::ordered::walk::Read;
use crate::queue::backlog::Position;
use crate::queue::item::Item;
use crate::queue::lease::InFlight;
use crate::queue::peeked::Peeked;
use crate::queue::step::{MAX_PER_HOLD, Step};
use crate::time::Deadline;

/// Which messages are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Among {
    Ready,
    Scheduled,
    InFlight,
}

/// Which messages are shown, and how far that has come.
#[derive(Debug)]
pub(crate) struct Peek {
    epoch: Epoch,
    among: Among,
    /// How many more are shown.
    left: usize,
    is_over: bool,
    waiting: Position,
    /// The number from which to go on among those in flight.
    in_flight: u64,
}

impl Peek {
    pub(crate) fn new(epoch: Epoch, among: Among, max: usize) -> Self {
        Self {
            epoch,
            among,
            left: max,
            is_over: false,
            waiting: Position::default(),
            in_flight: 0,
        }
    }

    /// Whether nothing is left to be shown.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }
}

impl State {
    /// Shows some more messages.
    pub(crate) fn peek(&self, peek: &mut Peek, step: &Step) -> Vec<Peeked> {
        // Expired messages are visited too.
        let most = MAX_PER_HOLD.min(peek.left);
        let visited = match peek.among {
            Among::Ready | Among::Scheduled => self.peek_waiting(peek, most, step),
            Among::InFlight => self.peek_in_flight(peek, most, step),
        };
        let is_last = visited.len() < most;
        let shown: Vec<_> = visited.into_iter().flatten().collect();
        peek.left = peek.left.saturating_sub(shown.len());
        peek.is_over = is_last || peek.left == 0;
        shown
    }

    fn peek_waiting(&self, peek: &mut Peek, most: usize, step: &Step) -> Vec<Option<Peeked>> {
        let (backlog, position) = (&self.backlog, peek.waiting);
        let horizon = self.horizon(step.now);
        let visit = |(key, expires, item): Read<'_, Item>| {
            backlog.pass(&mut peek.waiting, key);
            let is_shown = !expires.has_come(step.now);
            let shown = || item.shown(peek.epoch, key, expires, item.attempts);
            is_shown.then(|| Peeked::new(shown(), Deadline::Never))
        };
        if let Among::Scheduled = peek.among {
            let scheduled = backlog.scheduled_from(position, horizon);
            return scheduled.take(most).map(visit).collect();
        }
        let due = backlog.due_from(position, horizon);
        due.take(most).map(visit).collect()
    }

    fn peek_in_flight(&self, peek: &mut Peek, most: usize, step: &Step) -> Vec<Option<Peeked>> {
        let Some(delivery) = &self.delivery else {
            return Vec::new();
        };
        let in_flight = delivery.leases.iter_from(peek.in_flight);
        let visited = in_flight.take(most).map(|(seq, flight)| {
            peek.in_flight = seq.saturating_add(1);
            let InFlight { due, expires, .. } = flight;
            // Its lease may have ended without the message having been returned.
            let is_over = delivery.leases.is_over(seq, step.now);
            let is_shown = !is_over && !expires.has_come(step.now);
            let key = Key { due, seq };
            let shown = || flight.item.shown(peek.epoch, key, expires, flight.attempts);
            is_shown.then(|| Peeked::new(shown(), flight.until))
        });
        visited.collect()
    }
}
