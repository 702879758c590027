//! Which waiting streams are armed for the next due time.
//!
//! Pure: no lock, no clock.
//!
//! ```text
//! first    |------------ due         polls, and everybody has the message
//! second   |------------------ due + 1 s         only if the first is not polled
//! ```

use core::time::Duration;
use std::time::SystemTime;

use crate::time::Deadline;

/// How much later the second is armed, and how soon others are asked if none of those polls that
/// were woken.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// How many streams are armed for a due time.
const ROLES: usize = 2;

/// The streams that are armed for the next due time, and which due time streams were woken for.
#[derive(Debug)]
pub(super) struct Timekeepers {
    roles: [Option<Role>; ROLES],
    /// Streams were woken when this was the next due time, and whichever polls can take a role.
    asked_for: Deadline,
    asked_at: SystemTime,
}

/// A timekeeper.
#[derive(Clone, Copy, Debug)]
struct Role {
    slot: usize,
    /// It is armed for this, or was woken to arm for it.
    wake_at: Deadline,
}

impl Timekeepers {
    pub(super) fn new(now: SystemTime) -> Self {
        Self {
            roles: [None; ROLES],
            asked_for: Deadline::Never,
            asked_at: now,
        }
    }

    /// A stream waits while `next` is the next due time: when it must poll, if it is a timekeeper.
    pub(super) fn take_role(&mut self, slot: usize, next: Deadline) -> Option<SystemTime> {
        let own = self
            .roles
            .iter()
            .position(|role| role.is_some_and(|role| role.slot == slot));
        if next == Deadline::Never {
            // There is no time to keep; the next message that has one finds another timekeeper, or the
            // second, which is the first then.
            let [first, second] = &mut self.roles;
            match own {
                Some(0) => *first = second.take(),
                Some(_) => *second = None,
                None => {}
            }
            return None;
        }
        let vacant = self.roles.iter().position(Option::is_none);
        let index = own.into_iter().chain(vacant).min()?;
        if let Some(role) = own.and_then(|own| self.roles.get_mut(own)) {
            *role = None;
        }
        let wake_at = later(next, index);
        *self.roles.get_mut(index)? = Some(Role { slot, wake_at });
        wake_at.time()
    }

    /// A stream does not wait any more: another one must take its role. The second becomes the first,
    /// and is [late](Self::late) for that.
    pub(super) fn release(&mut self, slot: usize) {
        let is_own = |role: &Option<Role>| role.is_some_and(|role| role.slot == slot);
        let Some(index) = self.roles.iter().position(is_own) else {
            return;
        };
        let [first, second] = &mut self.roles;
        if index == 0 {
            *first = second.take();
        } else {
            *second = None;
        }
        self.asked_for = Deadline::Never;
    }

    /// Of the streams that were woken some take no role: there is none, or they are gone.
    pub(super) fn forget_asked(&mut self) {
        self.asked_for = Deadline::Never;
    }

    /// All that wait have been woken: the first that poll and wait again take the roles.
    pub(super) fn release_all(&mut self, next: Deadline, now: SystemTime) {
        self.roles = [None; ROLES];
        self.note_asked(next, now);
    }

    /// The timekeepers that are armed too late for this due time: they must be woken.
    pub(super) fn late(&mut self, next: Deadline) -> impl Iterator<Item = usize> {
        let roles = self.roles.iter_mut().enumerate();
        roles.filter_map(move |(index, role)| {
            let role = role.as_mut()?;
            let wake_at = later(next, index);
            let is_late = wake_at < role.wake_at;
            role.wake_at = role.wake_at.min(wake_at);
            is_late.then_some(role.slot)
        })
    }

    /// How many streams must be woken to take the roles that are vacant: none if some were, and may
    /// still come.
    pub(super) fn wanted(&self, next: Deadline, now: SystemTime) -> usize {
        let since = now.duration_since(self.asked_at).unwrap_or_default();
        if self.asked_for <= next && since < GRACE {
            return 0;
        }
        self.vacant()
    }

    /// Streams have been woken to take the roles that are vacant.
    pub(super) fn note_asked(&mut self, next: Deadline, now: SystemTime) {
        self.asked_for = next;
        self.asked_at = now;
    }

    /// Whether a stream is armed for the due time itself.
    pub(super) fn has_first(&self) -> bool {
        matches!(self.roles, [Some(_), _])
    }

    /// Whether this stream is a timekeeper.
    pub(super) fn has_role(&self, slot: usize) -> bool {
        let mut roles = self.roles.iter().flatten();
        roles.any(|role| role.slot == slot)
    }

    /// How many roles nobody has.
    pub(super) fn vacant(&self) -> usize {
        self.roles.iter().filter(|role| role.is_none()).count()
    }

    /// The slots of the timekeepers.
    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.roles.iter().flatten().map(|role| role.slot)
    }
}

/// When the timekeeper of that rank polls.
fn later(next: Deadline, rank: usize) -> Deadline {
    let rank = u32::try_from(rank).unwrap_or(u32::MAX);
    next.plus(GRACE.saturating_mul(rank))
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
