//! Wakers that are all woken together.
//!
//! Pure: no lock; wakers are handed out, to be woken and dropped by the caller.
//!
//! A list of wakers goes out to be woken by reference, and comes back. Who waits again meanwhile
//! does so in the other list:
//!
//! ```text
//!            take_all             give_back
//!   list ---------------> woken ---------------> spare
//!     ^                                            |
//!     +------------------ take_all ----------------+
//! ```
//!
//! So each waker is cloned once for either list, not each time that somebody waits.

use core::task::Waker;

use crate::wake::wake_by_ref;

/// Of a list that so many have left while it was out, nothing is kept.
const MOST_LEFT: usize = 64;
const BITS: usize = u64::BITS as usize;

/// Gives out places in a [`WakerSet`] or [`WakerList`], and again when they were given back.
#[derive(Debug, Default)]
pub(crate) struct Places {
    free: Vec<usize>,
    next: usize,
}

impl Places {
    pub(crate) fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            let place = self.next;
            self.next = place.saturating_add(1);
            place
        })
    }

    pub(crate) fn give_back(&mut self, place: usize) {
        self.free.push(place);
    }
}

/// Wakers by place, and who of them waits.
#[derive(Debug, Default)]
pub(crate) struct WakerList {
    wakers: Vec<Option<Waker>>,
    /// A bit for each who waits.
    waits: Vec<u64>,
    len: usize,
}

impl WakerList {
    /// Waits at a place. Returns the waker of before.
    pub(crate) fn put(&mut self, place: usize, waker: &Waker) -> Option<Waker> {
        if self.put_again(place, waker) {
            return None;
        }
        let len = self.wakers.len().max(place.saturating_add(1));
        self.wakers.resize_with(len, || None);
        self.waits.resize(len.div_ceil(BITS), 0);
        let old = self.wakers.get_mut(place)?.replace(waker.clone());
        self.note(place);
        old
    }

    /// Waits at a place with the waker that is kept there. False if there is none, or it wakes
    /// somebody else.
    fn put_again(&mut self, place: usize, waker: &Waker) -> bool {
        let is_same = self.keeps(place, waker);
        if is_same {
            self.note(place);
        }
        is_same
    }

    /// Waits no more. Returns the waker.
    pub(crate) fn remove(&mut self, place: usize) -> Option<Waker> {
        self.strike_off(place);
        self.wakers.get_mut(place)?.take()
    }

    /// Waits no more, but may come back: the waker is kept.
    pub(crate) fn pause(&mut self, place: usize) {
        self.strike_off(place);
    }

    /// Waits no more, but may come back with this waker: another one is not kept, but returned.
    pub(crate) fn pause_for(&mut self, place: usize, waker: &Waker) -> Option<Waker> {
        self.pause(place);
        if self.keeps(place, waker) {
            return None;
        }
        self.remove(place)
    }

    /// Wakes all who wait, who then do so no more.
    pub(crate) fn wake_all(&mut self) {
        self.len = 0;
        for (word, wakers) in self.waits.iter_mut().zip(self.wakers.chunks(BITS)) {
            let mut bits = core::mem::take(word);
            while bits != 0 {
                let place = usize::try_from(bits.trailing_zeros()).unwrap_or_default();
                bits &= bits.wrapping_sub(1);
                if let Some(Some(waker)) = wakers.get(place) {
                    wake_by_ref(waker);
                }
            }
        }
    }

    /// All wakers, where nobody's is kept who does not wait.
    pub(crate) fn into_wakers(self) -> impl Iterator<Item = Waker> {
        self.wakers.into_iter().flatten()
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn keeps(&self, place: usize, waker: &Waker) -> bool {
        matches!(self.wakers.get(place), Some(Some(own)) if own.will_wake(waker))
    }

    fn note(&mut self, place: usize) {
        let (word, bit) = bit_of(place);
        if let Some(word) = self.waits.get_mut(word)
            && *word & bit == 0
        {
            *word |= bit;
            self.len = self.len.saturating_add(1);
        }
    }

    /// Whether it was noted.
    fn strike_off(&mut self, place: usize) -> bool {
        let (word, bit) = bit_of(place);
        let Some(word) = self.waits.get_mut(word).filter(|word| **word & bit != 0) else {
            return false;
        };
        *word &= !bit;
        self.len = self.len.saturating_sub(1);
        true
    }

    /// The last place that is noted.
    fn last(&self) -> Option<usize> {
        let word = self.waits.iter().rposition(|word| *word != 0)?;
        let bit = usize::try_from(self.waits.get(word)?.ilog2()).ok()?;
        word.checked_mul(BITS)?.checked_add(bit)
    }
}

/// Wakers by place, for those who wait again and again. All are taken out at once by handing over
/// the list as it is.
#[derive(Debug, Default)]
pub(crate) struct WakerSet {
    list: WakerList,
    /// The other list, empty while it is out. Nobody waits in it; its wakers are kept for the next
    /// time.
    spare: WakerList,
    /// How many lists are out.
    out: usize,
    /// The places that were left meanwhile: a list that comes back must not keep their wakers.
    left: Vec<usize>,
    /// Whether some of those who wait may be busy still, so that it can be long until they look.
    some_are_busy: bool,
}

/// Wakers to be dropped by the caller.
pub(crate) type Old = [Option<Waker>; 2];

impl WakerSet {
    /// Waits at a place with the waker that is kept there. False if there is none, or it wakes
    /// somebody else.
    pub(crate) fn put_again(&mut self, place: usize, waker: &Waker) -> bool {
        self.list.put_again(place, waker)
    }

    /// Waits at a place. Returns the wakers of before.
    pub(crate) fn put(&mut self, place: usize, waker: &Waker) -> Old {
        if self.put_again(place, waker) {
            return Old::default();
        }
        let old = self.list.put(place, waker);
        if old.is_some() {
            // It has moved to another task: nothing shall keep the one of before.
            self.leave(place);
        }
        let is_other = !self.spare.keeps(place, waker);
        let older = is_other.then(|| self.spare.remove(place)).flatten();
        [old, older]
    }

    /// Says that it can be long until one who waits looks.
    pub(crate) fn note_busy(&mut self) {
        self.some_are_busy = true;
    }

    /// Whether it may be long until one who is woken looks.
    pub(crate) fn some_are_busy(&self) -> bool {
        self.some_are_busy
    }

    /// Waits no more, but may come back: its wakers are kept.
    pub(crate) fn pause(&mut self, place: usize) {
        self.list.strike_off(place);
    }

    /// Leaves a place for good. Returns its wakers.
    pub(crate) fn remove(&mut self, place: usize) -> Old {
        self.leave(place);
        [self.list.remove(place), self.spare.remove(place)]
    }

    /// Takes the waker of whoever waits at a place, and then does so no more.
    pub(crate) fn nudge(&mut self, place: usize) -> Option<Waker> {
        let waits = self.list.strike_off(place);
        waits.then(|| self.list.remove(place)).flatten()
    }

    /// Takes the waker of somebody who waits, whoever it is.
    pub(crate) fn nudge_one(&mut self) -> Option<Waker> {
        let place = self.list.last()?;
        self.nudge(place)
    }

    /// Takes the list of all who wait, to be woken and [given back](Self::give_back).
    pub(crate) fn take_all(&mut self) -> WakerList {
        self.out = self.out.saturating_add(1);
        self.some_are_busy = false;
        let spare = core::mem::take(&mut self.spare);
        core::mem::replace(&mut self.list, spare)
    }

    /// Takes a list back whose wakers have been woken. Returns what is to be dropped.
    pub(crate) fn give_back(&mut self, mut list: WakerList) -> Vec<Option<Waker>> {
        self.out = self.out.saturating_sub(1);
        let is_kept = self.spare.wakers.is_empty() && self.left.len() < MOST_LEFT;
        let old = if is_kept {
            let old = self.left.iter().map(|place| list.remove(*place));
            let old = old.collect();
            self.spare = list;
            old
        } else {
            list.wakers
        };
        if self.out == 0 {
            self.left.clear();
        }
        old
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The waker that a place had up to now is not to come back.
    fn leave(&mut self, place: usize) {
        if self.out > 0 && self.left.len() < MOST_LEFT {
            self.left.push(place);
        }
    }
}

/// The word of a place, and its bit there.
fn bit_of(place: usize) -> (usize, u64) {
    (place / BITS, 1 << (place % BITS))
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Someone with a place, and how many hold its waker.
    struct Someone {
        place: usize,
        count: Arc<Count>,
        waker: Waker,
    }

    impl Someone {
        fn new(place: usize) -> Self {
            let count = Arc::new(Count::default());
            let waker = Waker::from(Arc::clone(&count));
            Self {
                place,
                count,
                waker,
            }
        }

        fn woken(&self) -> usize {
            self.count.0.load(Ordering::Relaxed)
        }

        /// How many clones of its waker there are.
        fn clones(&self) -> usize {
            Arc::strong_count(&self.count) - 2
        }
    }

    fn people<const N: usize>() -> [Someone; N] {
        core::array::from_fn(|place| Someone::new(place * 50))
    }

    fn round(set: &mut WakerSet) {
        let mut list = set.take_all();
        list.wake_all();
        set.give_back(list);
    }

    #[test]
    fn all_who_wait_are_woken_once() {
        let people = people::<3>();
        let mut set = WakerSet::default();
        for one in &people {
            set.put(one.place, &one.waker);
            set.put(one.place, &one.waker);
        }
        set.pause(people[1].place);
        round(&mut set);
        assert!(set.is_empty());
        round(&mut set);
        assert_eq!(people.each_ref().map(Someone::woken), [1, 0, 1]);
    }

    #[test]
    fn a_waker_is_cloned_once_for_either_list() {
        let [one] = people();
        let mut set = WakerSet::default();
        for turn in 1..10 {
            assert_eq!(set.put_again(one.place, &one.waker), turn > 2);
            set.put(one.place, &one.waker);
            assert_eq!(one.clones(), turn.min(2));
            round(&mut set);
            assert_eq!(one.woken(), turn);
        }
        drop(set.remove(one.place));
        assert_eq!(one.clones(), 0);
    }

    #[test]
    fn who_waits_again_while_the_list_is_out_waits_in_the_other() {
        let [one, two] = people();
        let mut set = WakerSet::default();
        set.put(one.place, &one.waker);
        let mut list = set.take_all();
        set.put(one.place, &one.waker);
        set.put(two.place, &two.waker);
        let mut other = set.take_all();
        list.wake_all();
        assert!(
            set.give_back(list).is_empty(),
            "the first that comes back is kept"
        );
        other.wake_all();
        assert_eq!(set.give_back(other).iter().flatten().count(), 2);
        assert_eq!([one.woken(), two.woken()], [2, 1]);
    }

    #[test]
    fn nothing_is_kept_of_those_who_left_while_a_list_was_out() {
        let [one, two, three] = people();
        let mut set = WakerSet::default();
        for _ in 0..2 {
            for one in [&one, &two, &three] {
                set.put(one.place, &one.waker);
            }
            round(&mut set);
        }
        let mut list = set.take_all();
        drop(set.remove(one.place));
        // Another task has taken the stream over.
        let new = Someone::new(two.place);
        drop(set.put(two.place, &new.waker));
        list.wake_all();
        drop(set.give_back(list));
        assert_eq!(
            [&one, &two, &three, &new].map(Someone::clones),
            [0, 0, 2, 1]
        );
        round(&mut set);
        assert_eq!(new.woken(), 1);
    }

    #[test]
    fn a_list_is_not_kept_that_too_many_have_left() {
        let many: Vec<_> = (0..=MOST_LEFT).map(Someone::new).collect();
        let mut set = WakerSet::default();
        for one in &many {
            set.put(one.place, &one.waker);
        }
        let list = set.take_all();
        for one in &many {
            drop(set.remove(one.place));
        }
        drop(set.give_back(list));
        assert!(many.iter().all(|one| one.clones() == 0));
        set.put(0, &many[0].waker);
        round(&mut set);
        set.put(0, &many[0].waker);
        assert_eq!(many[0].clones(), 2, "it goes on as before");
    }

    #[test]
    fn the_wakers_of_another_task_go_from_both_lists() {
        let [one, _] = people();
        let mut set = WakerSet::default();
        for _ in 0..2 {
            set.put(one.place, &one.waker);
            round(&mut set);
        }
        assert_eq!(one.clones(), 2);
        let new = Someone::new(one.place);
        let old = set.put(one.place, &new.waker);
        assert_eq!(old.iter().flatten().count(), 2);
        drop(old);
        assert_eq!([one.clones(), new.clones()], [0, 1]);
    }

    #[test]
    fn who_is_nudged_waits_no_more() {
        let [one, two] = people();
        let mut set = WakerSet::default();
        set.put(one.place, &one.waker);
        set.put(two.place, &two.waker);
        assert!(set.nudge(two.place).unwrap().will_wake(&two.waker));
        assert!(set.nudge(two.place).is_none());
        assert!(set.nudge_one().unwrap().will_wake(&one.waker));
        assert!(set.nudge_one().is_none());
        assert!(set.is_empty());
    }

    #[test]
    fn a_place_is_used_again_when_it_was_given_back() {
        let mut places = Places::default();
        let [zero, one] = [(); 2].map(|()| places.take());
        assert_eq!([zero, one], [0, 1]);
        places.give_back(zero);
        assert_eq!([places.take(), places.take()], [0, 2]);
    }
}
