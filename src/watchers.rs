//! Tasks that wait for one thing to come about, such as the end of a queue.
//!
//! Pure: no lock, no clock; wakers are handed out, to be woken and dropped by the caller.

use core::task::Waker;
use std::collections::BTreeMap;

/// Tasks that wait for one thing to come about. A task that was woken is not in the list; if it
/// finds that it must go on waiting, it enters the list again.
///
/// `None` until a task waits: most lists are never used.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Option<Box<List>>);

#[derive(Debug, Default)]
struct List {
    wakers: BTreeMap<u64, Waker>,
    last_id: u64,
}

impl Watchers {
    /// Waits, under an id that a task gets with its first call. Returns the waker that was replaced.
    pub(crate) fn wait(&mut self, id: &mut Option<u64>, waker: Waker) -> Option<Waker> {
        let List { wakers, last_id } = &mut **self.0.get_or_insert_default();
        let id = *id.get_or_insert_with(|| {
            *last_id = last_id.wrapping_add(1);
            *last_id
        });
        wakers.insert(id, waker)
    }

    /// Waits no longer. Returns the waker that was kept.
    pub(crate) fn remove(&mut self, id: u64) -> Option<Waker> {
        self.0.as_mut()?.wakers.remove(&id)
    }

    /// Takes the waker of the task that has waited longest.
    pub(crate) fn pop(&mut self) -> Option<Waker> {
        let first = self.0.as_mut()?.wakers.pop_first();
        first.map(|(_, waker)| waker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_woken_once_for_each_wait_and_never_after_it_has_left() {
        let mut watchers = Watchers::default();
        let (mut first, mut second) = (None, None);
        assert!(watchers.wait(&mut first, Waker::noop().clone()).is_none());
        assert!(watchers.wait(&mut second, Waker::noop().clone()).is_none());
        assert_ne!(first, second);
        assert!(watchers.wait(&mut first, Waker::noop().clone()).is_some());
        assert!(watchers.pop().is_some());
        assert!(watchers.remove(second.unwrap()).is_some());
        assert!(watchers.pop().is_none());
        watchers.wait(&mut first, Waker::noop().clone());
        assert!(
            watchers.remove(first.unwrap()).is_some(),
            "it waits again, under the same id"
        );
    }
}
