//! Wakers that are all woken together.
//!
//! Pure: no lock; wakers are handed out, to be woken and dropped by the caller.

use core::task::Waker;

/// Gives out slots in a [`WakerList`], and again when they were given back.
#[derive(Debug, Default)]
pub(crate) struct Places {
    free: Vec<usize>,
    next: usize,
}

impl Places {
    pub(crate) fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            let slot = self.next;
            self.next = slot.saturating_add(1);
            slot
        })
    }

    pub(crate) fn give_back(&mut self, slot: usize) {
        self.free.push(slot);
    }
}

/// Wakers by slot.
#[derive(Debug, Default)]
pub(crate) struct WakerList {
    wakers: Vec<Option<Waker>>,
    len: usize,
}

impl WakerList {
    /// Waits in a slot. Returns the waker that it had.
    pub(crate) fn put(&mut self, slot: usize, waker: &Waker) -> Option<Waker> {
        let len = self.wakers.len().max(slot.saturating_add(1));
        self.wakers.resize_with(len, || None);
        let own = self.wakers.get_mut(slot)?;
        if own.as_ref().is_some_and(|own| own.will_wake(waker)) {
            return None;
        }
        let old = own.replace(waker.clone());
        if old.is_none() {
            self.len = self.len.saturating_add(1);
        }
        old
    }

    /// Waits no more. Returns the waker.
    pub(crate) fn remove(&mut self, slot: usize) -> Option<Waker> {
        let waker = self.wakers.get_mut(slot)?.take();
        if waker.is_some() {
            self.len = self.len.saturating_sub(1);
        }
        waker
    }

    /// All wakers.
    pub(crate) fn into_wakers(self) -> impl Iterator<Item = Waker> {
        self.wakers.into_iter().flatten()
    }

    /// Whether no task waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_slot_is_used_again_when_it_was_given_back() {
        let mut slots = Places::default();
        let [zero, one] = [(); 2].map(|()| slots.take());
        assert_eq!([zero, one], [0, 1]);
        slots.give_back(zero);
        assert_eq!([slots.take(), slots.take()], [0, 2]);
    }

    #[test]
    fn a_list_holds_the_wakers_of_those_that_wait() {
        let mut list = WakerList::default();
        let waker = Waker::from(Arc::new(Task));
        assert!(list.put(3, &waker).is_none());
        assert!(list.put(1, &waker).is_none());
        assert!(list.put(1, &waker).is_none());
        assert!(list.remove(3).is_some());
        assert!(!list.is_empty());
        assert_eq!(list.into_wakers().count(), 1);
    }
}
