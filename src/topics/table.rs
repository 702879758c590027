//! The topics of a registry by code, and which of them are known to be idle.
//!
//! Pure: no lock, no clock, and no caller's code: keys are compared outside.
//!
//! A key's hash gives its code, its *home*. The next free code is taken instead if another key has
//! that one; such an entry is a *stray*. Hashes are of 51 bits, so strays are all but unheard of,
//! unless a key's `Hash` is bad.
//!
//! ```text
//! idle   oldest <-> .. <-> newest      in the order in which they became idle, since when
//! ```

use core::ops::Bound;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::code::Code;

/// The topics of a registry. `E` is what it keeps of each.
#[derive(Debug)]
pub(super) struct Table<E> {
    entries: BTreeMap<Code, Entry<E>>,
    /// The home and the code of each stray.
    strays: BTreeSet<(Code, Code)>,
    /// The idle entries that became idle first and last.
    oldest: Option<Code>,
    newest: Option<Code>,
    idle: usize,
    /// The number of entries that were ever made.
    made: u64,
    /// The time of the last step.
    latest: SystemTime,
}

#[derive(Debug)]
struct Entry<E> {
    content: E,
    home: Code,
    /// Counts the entries; the first is 1.
    serial: u64,
    idle: Option<Idle>,
    /// When an ended topic was first seen without a user. Users who come later do not prolong its
    /// life.
    ended: Option<SystemTime>,
}

/// The place of an idle entry among the idle ones.
#[derive(Clone, Copy, Debug)]
struct Idle {
    since: SystemTime,
    older: Option<Code>,
    newer: Option<Code>,
}

impl<E> Table<E> {
    pub(super) fn new(now: SystemTime) -> Self {
        Self {
            entries: BTreeMap::new(),
            strays: BTreeSet::new(),
            oldest: None,
            newest: None,
            idle: 0,
            made: 0,
            latest: now,
        }
    }

    /// Advances the time to a reading of the clock, if there is one, and returns it. It never
    /// decreases.
    pub(super) fn advance_time(&mut self, now: Option<SystemTime>) -> SystemTime {
        self.latest = now.map_or(self.latest, |now| now.max(self.latest));
        self.latest
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn idle(&self) -> usize {
        self.idle
    }

    pub(super) fn made(&self) -> u64 {
        self.made
    }

    pub(super) fn content(&self, code: Code) -> Option<&E> {
        self.entries.get(&code).map(|entry| &entry.content)
    }

    /// The entries after `code`, or all.
    pub(super) fn after(&self, code: Option<Code>) -> impl Iterator<Item = (Code, &E)> {
        let from = code.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.entries.range((from, Bound::Unbounded));
        entries.map(|(code, entry)| (*code, &entry.content))
    }

    /// The first entry with this home that was made after the one with the serial `after`: its
    /// code and its serial. Its key may be another one.
    pub(super) fn candidate(&self, home: Code, after: u64) -> Option<(Code, u64)> {
        let strays = self.strays.range((home, Code::of_hash(0))..);
        let strays = strays.take_while(|(other, _)| *other == home);
        let codes = strays.map(|(_, code)| *code);
        let candidates = core::iter::once(home).chain(codes).filter_map(|code| {
            let entry = self.entries.get(&code)?;
            let is_new = entry.home == home && entry.serial > after;
            is_new.then_some((entry.serial, code))
        });
        candidates.min().map(|(serial, code)| (code, serial))
    }

    /// The code for a new entry with this home.
    pub(super) fn free_code(&self, home: Code) -> Code {
        let mut code = home;
        while self.entries.contains_key(&code) {
            code = code.next();
        }
        code
    }

    /// Adds an entry under a [free code](Self::free_code).
    pub(super) fn insert(&mut self, home: Code, code: Code, content: E) {
        self.made = self.made.saturating_add(1);
        if code != home {
            self.strays.insert((home, code));
        }
        let entry = Entry {
            content,
            home,
            serial: self.made,
            idle: None,
            ended: None,
        };
        self.entries.insert(code, entry);
    }

    pub(super) fn remove(&mut self, code: Code) -> Option<E> {
        self.unlink(code);
        let entry = self.entries.remove(&code)?;
        if code != entry.home {
            self.strays.remove(&(entry.home, code));
        }
        Some(entry.content)
    }

    /// The entry is used.
    pub(super) fn set_used(&mut self, code: Code) {
        self.unlink(code);
    }

    /// The entry is idle, from now on unless that is known already. It goes first if it has ended
    /// and been kept for long enough before.
    pub(super) fn set_idle(&mut self, code: Code, has_ended: bool, keep: Duration) {
        let now = self.latest;
        let (oldest, newest) = (self.oldest, self.newest);
        let Some(entry) = self.entries.get_mut(&code) else {
            return;
        };
        if entry.idle.is_some() {
            return;
        }
        if has_ended {
            entry.ended.get_or_insert(now);
        }
        let since = entry.ended.unwrap_or(now);
        let goes_first = oldest.is_some() && is_over(since, keep, now);
        let (older, newer) = if goes_first {
            (None, oldest)
        } else {
            (newest, None)
        };
        entry.idle = Some(Idle {
            since,
            older,
            newer,
        });
        self.idle = self.idle.saturating_add(1);
        self.join(older, Some(code));
        self.join(Some(code), newer);
    }

    /// The entry that has been idle for longest.
    pub(super) fn oldest(&self) -> Option<Code> {
        self.oldest
    }

    /// The entry that has been idle for longest, if it has been idle for that long.
    pub(super) fn outdated(&self, keep: Duration) -> Option<Code> {
        let code = self.oldest?;
        let idle = self.entries.get(&code)?.idle?;
        is_over(idle.since, keep, self.latest).then_some(code)
    }

    /// How long until an entry has been idle for that long.
    pub(super) fn next_outdated(&self, keep: Duration) -> Option<Duration> {
        let idle = self.entries.get(&self.oldest?)?.idle?;
        let elapsed = self.latest.duration_since(idle.since).unwrap_or_default();
        Some(keep.saturating_sub(elapsed))
    }

    /// Takes an entry out of the idle ones.
    fn unlink(&mut self, code: Code) {
        let entry = self.entries.get_mut(&code);
        if let Some(idle) = entry.and_then(|entry| entry.idle.take()) {
            self.idle = self.idle.saturating_sub(1);
            self.join(idle.older, idle.newer);
        }
    }

    /// Makes two idle entries neighbours. `None` is the end of the line.
    fn join(&mut self, older: Option<Code>, newer: Option<Code>) {
        match older.and_then(|code| self.idle_mut(code)) {
            Some(idle) => idle.newer = newer,
            None => self.oldest = newer,
        }
        match newer.and_then(|code| self.idle_mut(code)) {
            Some(idle) => idle.older = older,
            None => self.newest = older,
        }
    }

    fn idle_mut(&mut self, code: Code) -> Option<&mut Idle> {
        self.entries.get_mut(&code)?.idle.as_mut()
    }
}

fn is_over(since: SystemTime, keep: Duration, now: SystemTime) -> bool {
    now.duration_since(since).is_ok_and(|idle| idle >= keep)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
