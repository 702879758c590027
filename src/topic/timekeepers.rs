//! The timekeepers: the waiting streams that are armed for the next due time.
//!
//! Pure: no lock, no clock.
//!
//! ```text
//! first    |------------ due                     polls, and the message enters the log
//! second   |------------------ due + 1 s         matters only if the first is not polled
//! ```

use core::time::Duration;
use std::time::SystemTime;

use crate::time::Deadline;

/// How much later the second is armed, and how long streams that were woken to take a role have
/// before others are.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// The number of streams that are armed for a due time.
const ROLES: usize = 2;

/// The streams with a role, and whether others have been notified to take the vacant ones.
#[derive(Debug)]
pub(super) struct Timekeepers {
    roles: [Option<Role>; ROLES],
    /// The next due time when streams were last notified to take vacant roles; never if none were,
    /// or if those cannot be relied on.
    notified_for: Deadline,
    notified_at: SystemTime,
}

/// The role of one timekeeper.
#[derive(Clone, Copy, Debug)]
struct Role {
    slot: usize,
    /// What it is armed for, or has been notified to arm for.
    wake_at: Deadline,
}

impl Timekeepers {
    pub(super) fn new(now: SystemTime) -> Self {
        Self {
            roles: [None; ROLES],
            notified_for: Deadline::Never,
            notified_at: now,
        }
    }

    /// Gives a waiting stream a role if one is vacant, or updates the one that it has. Returns when
    /// the stream must poll, if it is a timekeeper; `next` is the next due time.
    pub(super) fn take_role(&mut self, slot: usize, next: Deadline) -> Option<SystemTime> {
        let own = self
            .roles
            .iter()
            .position(|role| role.is_some_and(|role| role.slot == slot));
        if next == Deadline::Never {
            // With nothing due, the stream gives up its role. The next scheduled message notifies
            // another stream, unless a second timekeeper is left, which becomes the first.
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
        let wake_at = wake_at(next, index);
        *self.roles.get_mut(index)? = Some(Role { slot, wake_at });
        wake_at.time()
    }

    /// Takes the role from a stream that no longer waits, so that another one must take it. The
    /// second becomes the first, and must be [brought forward](Self::bring_forward).
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
        self.notified_for = Deadline::Never;
    }

    /// Forgets that streams were notified, because some of them may not take a role.
    pub(super) fn forget_notified(&mut self) {
        self.notified_for = Deadline::Never;
    }

    /// Vacates both roles, because all waiting streams were notified: the first that wait again
    /// take them.
    pub(super) fn release_all(&mut self, next: Deadline, now: SystemTime) {
        self.roles = [None; ROLES];
        self.record_notified(next, now);
    }

    /// Brings both roles forward to an earlier due time. Returns the timekeepers that are armed too
    /// late for it, which must be woken.
    pub(super) fn bring_forward(&mut self, next: Deadline) -> impl Iterator<Item = usize> {
        let roles = self.roles.iter_mut().enumerate();
        roles.filter_map(move |(index, role)| {
            let role = role.as_mut()?;
            let wake_at = wake_at(next, index);
            let is_late = wake_at < role.wake_at;
            role.wake_at = role.wake_at.min(wake_at);
            is_late.then_some(role.slot)
        })
    }

    /// How many streams must be notified to take vacant roles: none if some were, less than a
    /// second ago.
    pub(super) fn wanted(&self, next: Deadline, now: SystemTime) -> usize {
        let since = now.duration_since(self.notified_at).unwrap_or_default();
        if self.notified_for <= next && since < GRACE {
            return 0;
        }
        self.vacant()
    }

    /// Records that streams were notified to take vacant roles.
    pub(super) fn record_notified(&mut self, next: Deadline, now: SystemTime) {
        self.notified_for = next;
        self.notified_at = now;
    }

    /// Whether a stream is armed for the due time itself, not a second later.
    pub(super) fn has_first(&self) -> bool {
        matches!(self.roles, [Some(_), _])
    }

    /// Whether this stream is a timekeeper.
    pub(super) fn has_role(&self, slot: usize) -> bool {
        let mut roles = self.roles.iter().flatten();
        roles.any(|role| role.slot == slot)
    }

    /// The number of vacant roles.
    pub(super) fn vacant(&self) -> usize {
        self.roles.iter().filter(|role| role.is_none()).count()
    }

    /// The slots of the timekeepers.
    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.roles.iter().flatten().map(|role| role.slot)
    }
}

/// When the timekeeper with this rank polls.
fn wake_at(next: Deadline, rank: usize) -> Deadline {
    let rank = u32::try_from(rank).unwrap_or(u32::MAX);
    next.plus(GRACE.saturating_mul(rank))
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
