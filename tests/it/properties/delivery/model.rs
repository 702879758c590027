//! The state of each message, as a plain list.

use sse_queue::queue::{AckError, DeadLetterReason};

use crate::support::gate::Gate;
use crate::support::secs;

pub const CAPACITY: usize = 12;

pub const TIMEOUT: u64 = 8;

pub const GRACE: u64 = 3;

pub const ATTEMPTS: u32 = 3;

/// How long a message waits after its first attempt, if it waits.
pub const BACKOFF: u64 = 2;

pub const IN_FLIGHT: usize = 3;

pub const A_CHUNK: usize = 2;

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Plain,
    OwnId,
    Comment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Queued,
    /// With its holder, its deadline and its position in the order of handing out.
    InFlight {
        holder: Option<usize>,
        until: u64,
        nth: usize,
        resend: bool,
        /// It outlives the grace.
        extended: bool,
    },
    Dead(DeadLetterReason),
    Confirmed,
    Expired,
    Dropped,
    Withdrawn,
}

#[derive(Debug)]
pub struct Modelled {
    pub id: String,
    pub data: String,
    pub has_id: bool,
    pub due: u64,
    pub expires: u64,
    pub attempts: u32,
    pub client: Client,
    pub state: State,
}

/// What holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    None,
    One(usize),
    Several,
}

/// A stream that holds messages, or held them and was dropped, until the grace ends.
#[derive(Debug)]
pub struct Holder {
    pub stream: Option<usize>,
    pub grace: u64,
    /// Of the messages that have left it, the one that was handed out last, and its position.
    pub last_left: Option<(usize, usize)>,
}

#[derive(Debug, Default)]
pub struct Model {
    pub now: u64,
    pub drops_oldest: bool,
    pub backs_off: bool,
    pub gate: Gate,
    pub messages: Vec<Modelled>,
    pub holders: Vec<Holder>,
    pub handed_out: usize,
    /// The order of deaths.
    pub dead: Vec<usize>,
    pub closed: Option<u64>,
    pub delivered: u64,
    pub redelivered: u64,
}

impl Model {
    /// Ends the leases, graces and messages whose time is over.
    pub fn pass(&mut self) {
        let (mut back, mut gone) = (Vec::new(), Vec::new());
        for (at, message) in self.messages.iter_mut().enumerate() {
            let has_expired = message.expires <= self.now;
            match message.state {
                State::Queued if has_expired => message.state = State::Expired,
                State::InFlight {
                    holder,
                    until,
                    nth,
                    extended,
                    ..
                } => {
                    let holder = holder.map(|holder| &self.holders[holder]);
                    let orphaned = holder.filter(|holder| holder.stream.is_none());
                    let is_over = orphaned.is_some_and(|holder| holder.grace <= self.now);
                    // What ended first counts, however late the step.
                    let expired_first =
                        orphaned.is_some_and(|holder| message.expires <= holder.grace);
                    if expired_first && has_expired {
                        gone.push(at);
                    } else if is_over && extended && until > self.now {
                        message.state = State::InFlight {
                            holder: None,
                            until,
                            nth,
                            resend: false,
                            extended,
                        };
                    } else if let Some(of) = orphaned
                        && is_over
                        && !extended
                        && of.grace <= until
                    {
                        back.push((at, DeadLetterReason::Dropped, of.grace));
                    } else if until <= self.now {
                        back.push((at, DeadLetterReason::LeaseEnded, until));
                    } else if orphaned.is_some() && has_expired {
                        gone.push(at);
                    }
                }
                _ => {}
            }
        }
        for (at, reason, ended) in back {
            self.postpone(at, ended);
            self.release(at, reason);
        }
        for at in gone {
            self.leave_holder(at);
            self.messages[at].state = State::Expired;
        }
    }

    /// Notes that a message leaves its holder.
    pub fn leave_holder(&mut self, at: usize) {
        let message = &self.messages[at];
        if let State::InFlight {
            holder: Some(holder),
            nth,
            ..
        } = message.state
            && message.client == Client::One(holder)
        {
            let last_left = &mut self.holders[holder].last_left;
            *last_left = (*last_left)
                .filter(|(_, last)| *last > nth)
                .or(Some((at, nth)));
        }
    }

    /// It waits for its next attempt, from when its lease ended.
    pub fn postpone(&mut self, at: usize, ended: u64) {
        let message = &mut self.messages[at];
        if self.backs_off {
            let wait = BACKOFF * 2_u64.pow(message.attempts - 1);
            message.due = (ended + wait).min(message.expires);
        }
    }

    pub fn release(&mut self, at: usize, reason: DeadLetterReason) {
        self.leave_holder(at);
        let message = &mut self.messages[at];
        if message.expires <= self.now {
            message.state = State::Expired;
        } else if message.attempts >= ATTEMPTS {
            message.state = State::Dead(reason);
            self.dead.push(at);
        } else {
            message.state = State::Queued;
        }
    }

    pub fn count(&self, is: impl Fn(&State) -> bool) -> usize {
        let states = self.messages.iter().map(|message| &message.state);
        states.filter(|state| is(state)).count()
    }

    pub fn in_flight(&self) -> usize {
        self.count(|state| matches!(state, State::InFlight { .. }))
    }

    pub fn dead(&self) -> usize {
        self.count(|state| matches!(state, State::Dead(_)))
    }

    pub fn queued(&self) -> usize {
        self.count(|state| *state == State::Queued)
    }

    /// The queued message that is first in order, if it is due.
    pub fn head(&self) -> Option<usize> {
        let horizon = self.closed.unwrap_or(self.now);
        let all = 0..self.messages.len();
        let queued = all.filter(|at| self.messages[*at].state == State::Queued);
        let first = queued.min_by_key(|at| (self.messages[*at].due, *at));
        first.filter(|at| self.messages[*at].due <= horizon)
    }

    /// Whether the rate and a pause let a message leave now.
    pub fn may_leave(&self, at: usize) -> bool {
        let passes = !self.messages[at].has_id && !self.gate.is_paused;
        passes || self.gate.is_open(secs(self.now))
    }

    /// The messages of a holder, in the order of handing out.
    pub fn held_by(&self, by: usize) -> Vec<usize> {
        let mut held: Vec<_> = (0..self.messages.len())
            .filter_map(|at| match self.messages[at].state {
                State::InFlight { holder, nth, .. } if holder == Some(by) => Some((nth, at)),
                _ => None,
            })
            .collect();
        held.sort_unstable();
        held.into_iter().map(|(_, at)| at).collect()
    }

    pub fn next_redelivery(&self, holder: usize) -> Option<usize> {
        self.held_by(holder).into_iter().find(|at| {
            let state = self.messages[*at].state;
            matches!(state, State::InFlight { resend: true, .. })
        })
    }

    pub fn holder_of(&mut self, stream: usize) -> usize {
        let of_stream = |holder: &Holder| holder.stream == Some(stream);
        self.holders.iter().position(of_stream).unwrap_or_else(|| {
            self.holders.push(Holder {
                stream: Some(stream),
                grace: u64::MAX,
                last_left: None,
            });
            self.holders.len() - 1
        })
    }

    /// The data of what a stream, or a poll of the queue itself, gets now.
    pub fn take(&mut self, holder: Option<usize>, most: usize) -> Vec<String> {
        let mut chunk = Vec::new();
        loop {
            let owed = holder.and_then(|holder| self.next_redelivery(holder));
            let is_spent = |at: usize| {
                let message = &self.messages[at];
                message.attempts >= ATTEMPTS || message.expires <= self.now
            };
            let is_full = chunk.len() >= most;
            let leaves = |at: &usize| is_spent(*at) || is_full || self.may_leave(*at);
            if let Some(at) = owed.filter(leaves) {
                let message = &mut self.messages[at];
                if message.attempts >= ATTEMPTS || message.expires <= self.now {
                    self.release(at, DeadLetterReason::Dropped);
                } else if chunk.len() < most {
                    self.gate.take(secs(self.now));
                    message.attempts += 1;
                    if let State::InFlight {
                        until,
                        resend,
                        extended,
                        ..
                    } = &mut message.state
                    {
                        (*until, *resend, *extended) = (self.now + TIMEOUT, false, false);
                    }
                    chunk.push(message.data.clone());
                    self.delivered += 1;
                    self.redelivered += 1;
                } else {
                    return chunk;
                }
                continue;
            }
            let Some(at) = self.head().filter(|_| chunk.len() < most) else {
                return chunk;
            };
            let may_leave = self.may_leave(at);
            let is_full = holder.is_some_and(|holder| self.held_by(holder).len() >= IN_FLIGHT);
            let message = &mut self.messages[at];
            if message.has_id && is_full || !may_leave {
                return chunk;
            }
            if message.has_id {
                self.gate.take(secs(self.now));
            }
            chunk.push(message.data.clone());
            self.delivered += 1;
            if message.has_id {
                let is_redelivery = message.attempts > 0;
                self.redelivered += u64::from(is_redelivery);
                message.attempts += 1;
                message.client = match (message.client, holder) {
                    (Client::None, Some(holder)) if !is_redelivery => Client::One(holder),
                    (Client::One(one), Some(holder)) if one == holder => Client::One(one),
                    (Client::None, None) if !is_redelivery => Client::None,
                    _ => Client::Several,
                };
                message.state = State::InFlight {
                    holder,
                    until: self.now + TIMEOUT,
                    nth: self.handed_out,
                    resend: false,
                    extended: false,
                };
                self.handed_out += 1;
            } else {
                message.state = State::Confirmed;
            }
        }
    }

    /// The holder whose client saw this message last, and its position in the order of handing out.
    pub fn client_of(&self, at: usize) -> Option<(usize, usize)> {
        let message = &self.messages[at];
        if let State::InFlight { holder, nth, .. } = message.state {
            let is_one = matches!(message.client, Client::One(_));
            return Some((holder.filter(|_| is_one)?, nth));
        }
        let Client::One(client) = message.client else {
            return None;
        };
        let holder = &self.holders[client];
        let is_there = holder.stream.is_some() || !self.held_by(client).is_empty();
        let last_left = holder.last_left.filter(|(last_left, _)| *last_left == at);
        last_left.filter(|_| is_there).map(|(_, nth)| (client, nth))
    }

    pub fn resume(&mut self, at: usize, stream: usize) {
        let Some((holder, seen)) = self.client_of(at) else {
            return;
        };
        let last_left = self.holders[holder].last_left;
        self.holders[holder] = Holder {
            stream: Some(stream),
            grace: u64::MAX,
            last_left,
        };
        for at in self.held_by(holder) {
            if let State::InFlight { nth, resend, .. } = &mut self.messages[at].state {
                *resend = true;
                if *nth <= seen {
                    self.leave_holder(at);
                    self.messages[at].state = State::Confirmed;
                }
            }
        }
    }

    pub fn leave(&mut self, stream: usize) {
        let of_stream = |holder: &Holder| holder.stream == Some(stream);
        let Some(holder) = self.holders.iter().position(of_stream) else {
            return;
        };
        for at in self.held_by(holder) {
            if let State::InFlight { resend, .. } = &mut self.messages[at].state {
                *resend = false;
            }
        }
        let grace = match self.closed {
            None => self.now + GRACE,
            Some(_) => u64::MAX,
        };
        let last_left = self.holders[holder].last_left;
        self.holders[holder] = Holder {
            stream: None,
            grace,
            last_left,
        };
    }

    /// Why a message cannot be acked, nacked or extended.
    pub fn refusal(&self, at: usize) -> Option<AckError> {
        let message = &self.messages[at];
        match message.state {
            State::InFlight { .. } => None,
            State::Confirmed if message.has_id => Some(AckError::Stale),
            _ if message.attempts > 0 => Some(AckError::Stale),
            _ => Some(AckError::Unknown),
        }
    }
}
