//! Synchronization primitives: the only module that chooses between `std` and `loom`.

#[cfg(not(loom))]
use std::sync as imp;

#[cfg(loom)]
use loom::sync as imp;

use std::sync::TryLockError;

pub(crate) use imp::MutexGuard;
pub(crate) use imp::atomic::{AtomicU64, Ordering};

/// A mutex that ignores poisoning.
///
/// What it protects is changed in steps that cannot panic between two valid states, so the data is
/// valid even if a thread has panicked while it held the lock.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(imp::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Enters without waiting; `None` while another thread holds the lock.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
