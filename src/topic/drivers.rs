//! The futures that drive a topic, and what each waits for.
//!
//! Pure: no lock, no clock; wakers are handed out, to be woken by the caller.

use core::task::Waker;

use crate::time::Deadline;

/// The drivers of a topic: mostly none, or one.
#[derive(Debug, Default)]
pub(super) struct Drivers {
    list: Vec<Driver>,
    last_id: u64,
}

#[derive(Debug)]
struct Driver {
    id: u64,
    /// None while it has been woken and has not polled yet.
    waker: Option<Waker>,
    /// It is armed for this.
    wake_at: Deadline,
}

impl Drivers {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// A driver waits until then. Returns its id, which a new one gets here, and the waker that it replaced.
    pub(super) fn wait(
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

    /// A driver is gone; returns its waker.
    pub(super) fn remove(&mut self, id: u64) -> Option<Waker> {
        let index = self.list.iter().position(|driver| driver.id == id)?;
        let driver = self.list.swap_remove(index);
        if self.list.is_empty() {
            self.list = Vec::new();
        }
        driver.waker
    }

    /// Takes the wakers of those that wait for longer than until `next`.
    pub(super) fn late(&mut self, next: Deadline) -> impl Iterator<Item = Waker> {
        let late = self
            .list
            .iter_mut()
            .filter(move |driver| next < driver.wake_at);
        late.filter_map(|driver| driver.waker.take())
    }

    /// Takes the wakers of all.
    pub(super) fn all(&mut self) -> impl Iterator<Item = Waker> {
        self.list
            .iter_mut()
            .filter_map(|driver| driver.waker.take())
    }
}
