//! Waking tasks so that one waker that panics harms no other.

use core::task::Waker;

/// Wakes a task. A waker is a stranger's code: if it panics, the panic ends here, after the panic
/// hook has reported it, so that the other tasks are woken and what the caller holds is not lost.
#[cfg(not(loom))]
pub(crate) fn wake(waker: Waker) {
    guard(move || waker.wake());
}

/// The same by reference.
#[cfg(not(loom))]
pub(crate) fn wake_by_ref(waker: &Waker) {
    guard(|| waker.wake_by_ref());
}

#[cfg(not(loom))]
fn guard(wake: impl FnOnce()) {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    if let Err(payload) = catch_unwind(AssertUnwindSafe(wake)) {
        // Its destructor is a stranger's code too, and may panic again.
        core::mem::forget(payload);
    }
}

/// Under loom a panic is a fault of the model, which must not be caught.
#[cfg(loom)]
pub(crate) fn wake(waker: Waker) {
    waker.wake();
}

/// The same by reference.
#[cfg(loom)]
pub(crate) fn wake_by_ref(waker: &Waker) {
    waker.wake_by_ref();
}
