//! A queue's lock, which threads enter in turns.

use crate::sync::{Mutex, MutexGuard};

/// A lock that lets waiting threads in.
///
/// A mutex goes to the first thread that asks once it is free. That is mostly the thread that has
/// just released it, because a waiting one must wake up first. So a waiting thread stands at a
/// turnstile until it has entered, and a thread that has moved many messages passes the turnstile
/// before it continues. Handing over the lock each time would cost a switch of threads per message.
pub(super) struct Turns<T> {
    state: Mutex<T>,
    /// Held by the thread that waits for the state. No thread waits for it while it holds the
    /// state.
    turnstile: Mutex<()>,
}

impl<T> Turns<T> {
    pub(super) fn new(state: T) -> Self {
        Self {
            state: Mutex::new(state),
            turnstile: Mutex::new(()),
        }
    }

    /// Enters. If another thread is inside, it enters after those that wait.
    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.state.try_lock().unwrap_or_else(|| self.wait())
    }

    #[inline(never)]
    fn wait(&self) -> MutexGuard<'_, T> {
        let _turn = self.turnstile.lock();
        self.state.lock()
    }

    /// Ends the turn of a thread that is not inside: a waiting one enters first.
    #[inline(never)]
    pub(super) fn end_turn(&self) {
        drop(self.turnstile.lock());
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_that_waits_enters_before_one_that_ends_its_turn() {
        let turns = Arc::new(Turns::new("nobody"));
        let inside = turns.lock();
        let waiting = Arc::clone(&turns);
        let waits = thread::spawn(move || *waiting.lock() = "the one that waited");
        while turns.turnstile.try_lock().is_some() {
            thread::yield_now();
        }
        drop(inside);
        turns.end_turn();
        assert_eq!(*turns.lock(), "the one that waited");
        waits.join().unwrap();
    }

    #[test]
    fn a_turn_ends_at_once_where_nobody_waits() {
        let turns = Turns::new(());
        turns.end_turn();
        drop(turns.lock());
        turns.end_turn();
    }
}
