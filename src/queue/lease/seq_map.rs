//! A hash for numbers that nobody outside can choose.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

/// A map by the number of a message.
///
/// Numbers are given by the queue, in order, so none can be chosen to collide. Eight neighbours
/// stand side by side: what came together leaves together, and its places in memory are near. To
/// keep all in one row was tried; who looks for a number that is not there then walks along it.
pub(super) type ByNumber<T> = HashMap<u64, T, BuildHasherDefault<Number>>;

#[derive(Debug, Default)]
pub(super) struct Number(u64);

impl Hasher for Number {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte));
        }
    }

    /// The low bits choose the place; the highest seven tell apart those that stand close.
    fn write_u64(&mut self, number: u64) {
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

        let eight = (number >> 3).wrapping_mul(SPREAD) >> 32;
        let place = (eight << 3) | (number & 7);
        let tag = number.wrapping_mul(SPREAD) & (0x7f << 57);
        self.0 = place | tag;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn hash(number: u64) -> u64 {
        let mut hasher = Number::default();
        hasher.write_u64(number);
        hasher.finish()
    }

    #[test]
    fn neighbours_stand_in_eights_and_eights_apart() {
        let place = |number| hash(number) % (1 << 20);
        for number in 0..8 {
            assert_eq!(place(800 + number), place(800) + number);
        }
        let eights: HashSet<_> = (0..10_000).map(|n| place(n * 8)).collect();
        assert!(eights.len() > 9_000, "{}", eights.len());
    }

    #[test]
    fn neighbours_are_told_apart() {
        let tags: HashSet<_> = (0..8).map(|number| hash(number) >> 57).collect();
        assert_eq!(tags.len(), 8);
    }
}
