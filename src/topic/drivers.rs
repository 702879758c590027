//! The drivers of a topic, and the deadline of each.
//!
//! Pure: no lock, no clock. The caller wakes the wakers that are returned.

use core::task::Waker;

use crate::time::Deadline;

/// The drivers of a topic: usually none or one.
#[derive(Debug, Default)]
pub(super) struct Drivers {
    list: Vec<Driver>,
    last_id: u64,
}

#[derive(Debug)]
struct Driver {
    id: u64,
    /// `None` from when the driver is woken until it polls.
    waker: Option<Waker>,
    /// The deadline that its ticker is armed for.
    wake_at: Deadline,
}

impl Drivers {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Registers a driver's waker and deadline. Returns the driver's id, which is new if `id` is
    /// not registered, and the displaced waker.
    pub(super) fn register(
        &mut self,
        id: Option<u64>,
        waker: Waker,
        wake_at: Deadline,
    ) -> (u64, Option<Waker>) {
        if let Some(driver) = self.list.iter_mut().find(|driver| Some(driver.id) == id) {
            driver.wake_at = wake_at;
            return (driver.id, driver.waker.replace(waker));
        }
        self.last_id = self.last_id.saturating_add(1);
        self.list.push(Driver {
            id: self.last_id,
            waker: Some(waker),
            wake_at,
        });
        (self.last_id, None)
    }

    /// Removes a driver; returns its waker.
    pub(super) fn remove(&mut self, id: u64) -> Option<Waker> {
        let index = self.list.iter().position(|driver| driver.id == id)?;
        let driver = self.list.swap_remove(index);
        if self.list.is_empty() {
            self.list = Vec::new();
        }
        driver.waker
    }

    /// Takes the wakers of drivers whose deadline is later than `next`.
    pub(super) fn take_late(&mut self, next: Deadline) -> impl Iterator<Item = Waker> {
        let late = self
            .list
            .iter_mut()
            .filter(move |driver| next < driver.wake_at);
        late.filter_map(|driver| driver.waker.take())
    }

    /// Takes all wakers.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Waker> {
        self.list
            .iter_mut()
            .filter_map(|driver| driver.waker.take())
    }
}
