//! A topic as its documentation describes it: all messages in a `Vec`.

use std::time::{Duration, SystemTime};

use sse_queue::topic::{GapCause, Resumption};

use super::operation::Bounds;

pub const EPOCHS: [&str; 4] = ["a", "b", "c", "d"];

/// A topic as its documentation describes it.
pub struct Model {
    pub bounds: Bounds,
    pub epoch: &'static str,
    /// All that ever entered; number 1 comes first.
    pub log: Vec<Entry>,
    pub oldest: u64,
    pub scheduled: Vec<Scheduled>,
    pub arrivals: u64,
    pub delayed: u64,
    pub is_closed: bool,
    pub is_aborted: bool,
}

#[derive(Clone)]
pub struct Entry {
    pub data: u64,
    pub id: String,
    /// It has an id other than its number.
    pub has_own_id: bool,
    pub came: SystemTime,
    pub expires: Option<SystemTime>,
    /// It expired before it was evicted, and is gone.
    pub is_gone: bool,
    /// It was evicted as time passed, and nothing has been published since.
    pub left_with_time: bool,
}

pub struct Scheduled {
    pub due: SystemTime,
    pub arrival: u64,
    pub message: Entry,
}

impl Entry {
    pub fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    pub fn len(&self) -> u64 {
        let frame = format!("id: {}\ndata: {}\n\n", self.id, self.data);
        u64::try_from(frame.len()).unwrap()
    }

    /// What it counts in the log.
    pub fn cost(&self) -> u64 {
        let id = self
            .has_own_id
            .then(|| 64 + u64::try_from(self.id.len()).unwrap());
        self.len() + 16 + id.unwrap_or_default()
    }
}

impl Model {
    pub fn new(bounds: Bounds, restarts: usize) -> Self {
        Self {
            bounds,
            epoch: epoch(restarts),
            log: Vec::new(),
            oldest: 1,
            scheduled: Vec::new(),
            arrivals: 0,
            delayed: 0,
            is_closed: false,
            is_aborted: false,
        }
    }

    pub fn next(&self) -> u64 {
        u64::try_from(self.log.len()).unwrap() + 1
    }

    pub fn at(&self, number: u64) -> Option<&Entry> {
        self.log.get(usize::try_from(number).unwrap() - 1)
    }

    pub fn has_expired(&self, number: u64, now: SystemTime) -> bool {
        self.at(number).is_some_and(|entry| entry.has_expired(now))
    }

    pub fn kept(&self) -> Vec<&Entry> {
        let entries = &self.log[usize::try_from(self.oldest).unwrap() - 1..];
        entries.iter().filter(|entry| !entry.is_gone).collect()
    }

    pub fn retained(&self) -> u64 {
        u64::try_from(self.kept().len()).unwrap()
    }

    /// The position of the last `count` messages that are kept.
    pub fn last(&self, count: usize) -> u64 {
        let is_kept = |number: &u64| self.at(*number).is_some_and(|entry| !entry.is_gone);
        let kept: Vec<u64> = (self.oldest..self.next()).filter(is_kept).collect();
        let first = kept.len().saturating_sub(count);
        kept.get(first).copied().unwrap_or(self.next())
    }

    /// How many messages from `position` on were evicted without having expired.
    pub fn missed(&self, position: u64) -> u64 {
        let range = position..self.oldest;
        let missed = range.filter(|number| self.at(*number).is_some_and(|entry| !entry.is_gone));
        u64::try_from(missed.count()).unwrap()
    }

    pub fn bytes(&self) -> u64 {
        self.kept().iter().map(|entry| entry.cost()).sum()
    }

    pub fn catch_up(&mut self, now: SystemTime) {
        if !self.is_closed {
            self.scheduled.sort_by_key(|it| (it.due, it.arrival));
            while self.scheduled.first().is_some_and(|it| it.due <= now) {
                let message = self.scheduled.remove(0).message;
                if !message.has_expired(now) {
                    self.log.push(message);
                }
            }
        }
        self.evict(now);
    }

    pub fn evict(&mut self, now: SystemTime) {
        let Bounds {
            messages,
            bytes,
            age,
        } = self.bounds;
        let is_old = |entry: &Entry| age.is_some_and(|age| entry.came + age < now);
        let first = usize::try_from(self.oldest).unwrap() - 1;
        for entry in &mut self.log[first..] {
            // Age may have evicted it before it expired.
            let aged = |expires| age.is_some_and(|age| entry.came + age < expires);
            entry.is_gone |= entry.has_expired(now) && !entry.expires.is_some_and(aged);
        }
        while self.retained() > messages
            || self.bytes() > bytes
            || self.kept().first().is_some_and(|entry| is_old(entry))
            || self.at(self.oldest).is_some_and(|entry| entry.is_gone)
        {
            let oldest = usize::try_from(self.oldest).unwrap() - 1;
            self.log[oldest].left_with_time = true;
            self.oldest += 1;
        }
    }

    /// The message's id, or `None` if it does not fit.
    pub fn publish(
        &mut self,
        data: u64,
        own_id: Option<&str>,
        after: Option<Duration>,
        expires_after: Option<Duration>,
        now: SystemTime,
    ) -> Option<String> {
        self.catch_up(now);
        let due = now + after.unwrap_or_default();
        let is_due = due <= now;
        let id = match own_id {
            Some(id) => id.to_owned(),
            None if is_due => format!("{}-{}", self.epoch, self.next()),
            None => format!("{}-d{}", self.epoch, self.delayed + 1),
        };
        let message = Entry {
            data,
            id: id.clone(),
            has_own_id: own_id.is_some() || !is_due,
            came: due,
            expires: expires_after.map(|after| due + after),
            is_gone: false,
            left_with_time: false,
        };
        for entry in &mut self.log {
            entry.left_with_time = false;
        }
        if is_due {
            self.log.push(message);
            self.evict(now);
            for entry in &mut self.log {
                entry.left_with_time = false;
            }
        } else {
            let waiting: u64 = self.scheduled.iter().map(|it| it.message.len()).sum();
            if waiting + message.len() > self.bounds.bytes {
                return None;
            }
            self.delayed += u64::from(own_id.is_none());
            self.arrivals += 1;
            self.scheduled.push(Scheduled {
                due,
                arrival: self.arrivals,
                message,
            });
        }
        Some(id)
    }

    pub fn resume(&self, id: &str) -> (u64, Resumption) {
        let is_it = |entry: &Entry| entry.has_own_id && entry.id == id;
        if let Some(place) = self.log.iter().rposition(is_it) {
            let next = u64::try_from(place).unwrap() + 2;
            // What follows the last one that was evicted is all kept.
            if self.missed(next) == 0 {
                return (next, Resumption::Exact);
            }
        }
        let gap = |missed, cause| (self.oldest, Resumption::Gap { missed, cause });
        let Some((epoch, rest)) = id.split_once('-') else {
            return gap(None, GapCause::Unknown);
        };
        if epoch != self.epoch {
            return gap(None, GapCause::ForeignEpoch);
        }
        let Ok(number) = rest.parse::<u64>() else {
            let number: u64 = rest.trim_start_matches('d').parse().unwrap();
            let waits = self.scheduled.iter().any(|it| it.message.id == id);
            let was_seen = (1..=self.delayed).contains(&number) && !waits;
            return gap(
                None,
                if was_seen {
                    GapCause::Evicted
                } else {
                    GapCause::Future
                },
            );
        };
        if number >= self.next() {
            return gap(None, GapCause::Future);
        }
        if number + 1 >= self.oldest {
            return (number + 1, Resumption::Exact);
        }
        match self.missed(number + 1) {
            0 => (number + 1, Resumption::Exact),
            missed => gap(Some(missed), GapCause::Evicted),
        }
    }
}

pub fn epoch(restarts: usize) -> &'static str {
    EPOCHS[restarts % EPOCHS.len()]
}
