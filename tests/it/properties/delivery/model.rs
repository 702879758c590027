//! The state of each message, as a plain list.

use sse_queue::{AckError, Reason};

pub const CAPACITY: usize = 12;

pub const TIMEOUT: u64 = 8;

pub const GRACE: u64 = 3;

pub const ATTEMPTS: u32 = 3;

pub const IN_FLIGHT: usize = 3;

pub const A_CHUNK: usize = 2;

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Plain,
    OwnId,
    Comment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Queued,
    /// With its holder, its deadline and its position in the order of handing out.
    InFlight {
        holder: Option<usize>,
        until: u64,
        nth: usize,
        owed: bool,
        /// It outlives the grace.
        extended: bool,
    },
    Dead(Reason),
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
    pub place: Place,
}

/// What holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Nobody,
    One(usize),
    Several,
}

/// A stream that holds messages, or held them and was dropped, until the grace ends.
#[derive(Debug)]
pub struct Holder {
    pub stream: Option<usize>,
    pub grace: u64,
    /// Of the messages that have left it, the one that was handed out last, and its position.
    pub departed: Option<(usize, usize)>,
}

#[derive(Debug, Default)]
pub struct Model {
    pub now: u64,
    pub drops_oldest: bool,
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
            match message.place {
                Place::Queued if has_expired => message.place = Place::Expired,
                Place::InFlight {
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
                        message.place = Place::InFlight {
                            holder: None,
                            until,
                            nth,
                            owed: false,
                            extended,
                        };
                    } else if is_over && !extended && orphaned.is_some_and(|of| of.grace <= until) {
                        back.push((at, Reason::Dropped));
                    } else if until <= self.now {
                        back.push((at, Reason::LeaseEnded));
                    } else if orphaned.is_some() && has_expired {
                        gone.push(at);
                    }
                }
                _ => {}
            }
        }
        for (at, reason) in back {
            self.come_back(at, reason);
        }
        for at in gone {
            self.depart(at);
            self.messages[at].place = Place::Expired;
        }
    }

    /// Notes that a message leaves its holder.
    pub fn depart(&mut self, at: usize) {
        let message = &self.messages[at];
        if let Place::InFlight {
            holder: Some(holder),
            nth,
            ..
        } = message.place
            && message.client == Client::One(holder)
        {
            let departed = &mut self.holders[holder].departed;
            *departed = (*departed)
                .filter(|(_, last)| *last > nth)
                .or(Some((at, nth)));
        }
    }

    pub fn come_back(&mut self, at: usize, reason: Reason) {
        self.depart(at);
        let message = &mut self.messages[at];
        if message.expires <= self.now {
            message.place = Place::Expired;
        } else if message.attempts >= ATTEMPTS {
            message.place = Place::Dead(reason);
            self.dead.push(at);
        } else {
            message.place = Place::Queued;
        }
    }

    pub fn count(&self, is: impl Fn(&Place) -> bool) -> usize {
        let places = self.messages.iter().map(|message| &message.place);
        places.filter(|place| is(place)).count()
    }

    pub fn in_flight(&self) -> usize {
        self.count(|place| matches!(place, Place::InFlight { .. }))
    }

    pub fn dead(&self) -> usize {
        self.count(|place| matches!(place, Place::Dead(_)))
    }

    pub fn queued(&self) -> usize {
        self.count(|place| *place == Place::Queued)
    }

    /// The queued message that is first in order, if it is due.
    pub fn head(&self) -> Option<usize> {
        let horizon = self.closed.unwrap_or(self.now);
        let all = 0..self.messages.len();
        let queued = all.filter(|at| self.messages[*at].place == Place::Queued);
        let first = queued.min_by_key(|at| (self.messages[*at].due, *at));
        first.filter(|at| self.messages[*at].due <= horizon)
    }

    /// The messages of a holder, in the order of handing out.
    pub fn held_by(&self, by: usize) -> Vec<usize> {
        let mut held: Vec<_> = (0..self.messages.len())
            .filter_map(|at| match self.messages[at].place {
                Place::InFlight { holder, nth, .. } if holder == Some(by) => Some((nth, at)),
                _ => None,
            })
            .collect();
        held.sort_unstable();
        held.into_iter().map(|(_, at)| at).collect()
    }

    pub fn owed_to(&self, holder: usize) -> Option<usize> {
        self.held_by(holder).into_iter().find(|at| {
            let place = self.messages[*at].place;
            matches!(place, Place::InFlight { owed: true, .. })
        })
    }

    pub fn holder_of(&mut self, stream: usize) -> usize {
        let of_stream = |holder: &Holder| holder.stream == Some(stream);
        self.holders.iter().position(of_stream).unwrap_or_else(|| {
            self.holders.push(Holder {
                stream: Some(stream),
                grace: u64::MAX,
                departed: None,
            });
            self.holders.len() - 1
        })
    }

    /// The data of what a stream, or a poll of the queue itself, gets now.
    pub fn take(&mut self, holder: Option<usize>, most: usize) -> Vec<String> {
        let mut chunk = Vec::new();
        loop {
            if let Some(at) = holder.and_then(|holder| self.owed_to(holder)) {
                let message = &mut self.messages[at];
                if message.attempts >= ATTEMPTS || message.expires <= self.now {
                    self.come_back(at, Reason::Dropped);
                } else if chunk.len() < most {
                    message.attempts += 1;
                    if let Place::InFlight {
                        until,
                        owed,
                        extended,
                        ..
                    } = &mut message.place
                    {
                        (*until, *owed, *extended) = (self.now + TIMEOUT, false, false);
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
            let is_full = holder.is_some_and(|holder| self.held_by(holder).len() >= IN_FLIGHT);
            let message = &mut self.messages[at];
            if message.has_id && is_full {
                return chunk;
            }
            chunk.push(message.data.clone());
            self.delivered += 1;
            if message.has_id {
                let anew = message.attempts > 0;
                self.redelivered += u64::from(anew);
                message.attempts += 1;
                message.client = match (message.client, holder) {
                    (Client::Nobody, Some(holder)) if !anew => Client::One(holder),
                    (Client::One(one), Some(holder)) if one == holder => Client::One(one),
                    (Client::Nobody, None) if !anew => Client::Nobody,
                    _ => Client::Several,
                };
                message.place = Place::InFlight {
                    holder,
                    until: self.now + TIMEOUT,
                    nth: self.handed_out,
                    owed: false,
                    extended: false,
                };
                self.handed_out += 1;
            } else {
                message.place = Place::Confirmed;
            }
        }
    }

    /// The holder whose client saw this message last, and its position in the order of handing out.
    pub fn client_of(&self, at: usize) -> Option<(usize, usize)> {
        let message = &self.messages[at];
        if let Place::InFlight { holder, nth, .. } = message.place {
            let is_one = matches!(message.client, Client::One(_));
            return Some((holder.filter(|_| is_one)?, nth));
        }
        let Client::One(client) = message.client else {
            return None;
        };
        let holder = &self.holders[client];
        let is_there = holder.stream.is_some() || !self.held_by(client).is_empty();
        let departed = holder.departed.filter(|(departed, _)| *departed == at);
        departed.filter(|_| is_there).map(|(_, nth)| (client, nth))
    }

    pub fn resume(&mut self, at: usize, stream: usize) {
        let Some((holder, seen)) = self.client_of(at) else {
            return;
        };
        let departed = self.holders[holder].departed;
        self.holders[holder] = Holder {
            stream: Some(stream),
            grace: u64::MAX,
            departed,
        };
        for at in self.held_by(holder) {
            if let Place::InFlight { nth, owed, .. } = &mut self.messages[at].place {
                *owed = true;
                if *nth <= seen {
                    self.depart(at);
                    self.messages[at].place = Place::Confirmed;
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
            if let Place::InFlight { owed, .. } = &mut self.messages[at].place {
                *owed = false;
            }
        }
        let grace = match self.closed {
            None => self.now + GRACE,
            Some(_) => u64::MAX,
        };
        let departed = self.holders[holder].departed;
        self.holders[holder] = Holder {
            stream: None,
            grace,
            departed,
        };
    }

    /// Why a message cannot be acked, nacked or extended.
    pub fn refusal(&self, at: usize) -> Option<AckError> {
        let message = &self.messages[at];
        match message.place {
            Place::InFlight { .. } => None,
            Place::Confirmed if message.has_id => Some(AckError::Stale),
            _ if message.attempts > 0 => Some(AckError::Stale),
            _ => Some(AckError::Unknown),
        }
    }
}
