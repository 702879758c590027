//! Waking tasks so that a waker that panics does not affect the others.

use core::task::Waker;

/// Wakes a task. A waker is the caller's code: if it panics, the panic hook reports it and the
/// panic ends here, so that the other tasks are woken.
#[cfg(not(loom))]
pub(crate) fn wake(waker: Waker) {
    guard(move || waker.wake());
}

/// Like [`wake`], by reference.
#[cfg(not(loom))]
pub(crate) fn wake_by_ref(waker: &Waker) {
    guard(|| waker.wake_by_ref());
}

#[cfg(not(loom))]
fn guard(wake: impl FnOnce()) {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    if let Err(payload) = catch_unwind(AssertUnwindSafe(wake)) {
        // The payload's destructor is the caller's code too, and may panic again.
        core::mem::forget(payload);
    }
}

/// Under loom a panic means that the model fails, so it must not be caught.
#[cfg(loom)]
pub(crate) fn wake(waker: Waker) {
    waker.wake();
}

/// Like [`wake`], by reference.
#[cfg(loom)]
pub(crate) fn wake_by_ref(waker: &Waker) {
    waker.wake_by_ref();
}
