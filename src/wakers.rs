//! Wakers that are all woken together.
//!
//! Pure: no lock; wakers are handed out, to be woken and dropped by the caller.

use core::task::Waker;

/// A place in a [`WakerSet`]; it is void once all have been taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seat {
    /// Zero is a seat that was never taken.
    generation: u64,
    place: usize,
}

/// Wakers that are taken out all at once, by handing over the list as it is.
#[derive(Debug)]
pub(crate) struct WakerSet {
    generation: u64,
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
    /// Whether some of those who wait may be busy still, so that it can be long until they look.
    some_are_busy: bool,
    /// An empty list with room, for when the other is handed out.
    spare: Vec<Option<Waker>>,
}

impl Default for WakerSet {
    fn default() -> Self {
        Self {
            generation: 1,
            wakers: Vec::new(),
            free: Vec::new(),
            some_are_busy: false,
            spare: Vec::new(),
        }
    }
}

impl WakerSet {
    /// Keeps a waker at its seat, or at a new one. Returns the waker of before.
    pub(crate) fn put(&mut self, seat: &mut Seat, waker: &Waker) -> Option<Waker> {
        if !self.is_valid(*seat) {
            let place = self.free.pop().unwrap_or(self.wakers.len());
            if place == self.wakers.len() {
                self.wakers.push(None);
            }
            *seat = Seat {
                generation: self.generation,
                place,
            };
        }
        match self.wakers.get_mut(seat.place)? {
            Some(old) if old.will_wake(waker) => None,
            old => old.replace(waker.clone()),
        }
    }

    /// As [`put`](Self::put), for somebody who will look when it has done something else.
    pub(crate) fn put_busy(&mut self, seat: &mut Seat, waker: &Waker) -> Option<Waker> {
        self.some_are_busy = true;
        self.put(seat, waker)
    }

    /// Whether it may be long until one that is woken looks.
    pub(crate) fn some_are_busy(&self) -> bool {
        self.some_are_busy
    }

    /// Gives a seat up. Returns its waker.
    pub(crate) fn remove(&mut self, seat: &mut Seat) -> Option<Waker> {
        if !self.is_valid(*seat) {
            return None;
        }
        let place = core::mem::take(seat).place;
        self.free.push(place);
        self.wakers.get_mut(place)?.take()
    }

    /// Takes the waker of a seat, which stays.
    pub(crate) fn nudge(&mut self, seat: Seat) -> Option<Waker> {
        let is_valid = self.is_valid(seat);
        self.wakers.get_mut(seat.place)?.take_if(|_| is_valid)
    }

    /// Takes one waker, whoever's it is; its seat stays.
    pub(crate) fn nudge_one(&mut self) -> Option<Waker> {
        self.wakers.iter_mut().rev().find_map(Option::take)
    }

    /// Takes all wakers and ends all seats.
    pub(crate) fn take_all(&mut self) -> Vec<Option<Waker>> {
        self.generation = self.generation.wrapping_add(1).max(1);
        self.free.clear();
        self.some_are_busy = false;
        let spare = core::mem::take(&mut self.spare);
        core::mem::replace(&mut self.wakers, spare)
    }

    /// Takes an emptied list back, to save the next one's allocation.
    pub(crate) fn give_back(&mut self, list: Vec<Option<Waker>>) {
        if list.is_empty() && list.capacity() > self.spare.capacity() {
            self.spare = list;
        }
    }

    /// Whether nobody sits here.
    pub(crate) fn is_empty(&self) -> bool {
        self.wakers.len() == self.free.len()
    }

    fn is_valid(&self, seat: Seat) -> bool {
        seat.generation == self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_taken_once_and_seats_end() {
        let mut set = WakerSet::default();
        let mut seats = [Seat::default(); 3];
        for seat in &mut seats {
            assert!(set.put(seat, Waker::noop()).is_none());
        }
        assert!(set.remove(&mut seats[1]).is_some());
        let mut all = set.take_all();
        assert_eq!(all.iter().flatten().count(), 2);
        assert!(set.is_empty());
        assert!(set.remove(&mut seats[0]).is_none());
        assert!(set.nudge(seats[2]).is_none());

        all.clear();
        let room = all.capacity();
        set.give_back(all);
        set.put(&mut seats[2], Waker::noop());
        assert!(!set.is_empty());
        set.take_all();
        set.put(&mut seats[2], Waker::noop());
        assert_eq!(set.take_all().capacity(), room);
    }

    #[test]
    fn a_seat_is_used_again_when_it_was_given_up() {
        let mut set = WakerSet::default();
        let (mut one, mut two) = (Seat::default(), Seat::default());
        for _ in 0..100 {
            set.put(&mut one, Waker::noop());
            set.put(&mut two, Waker::noop());
            set.remove(&mut one);
        }
        assert_eq!(set.wakers.len(), 2);
        assert!(set.nudge_one().is_some());
        assert!(set.nudge_one().is_none());
        assert!(!set.is_empty(), "a nudged seat stays");
    }
}
