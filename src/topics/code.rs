//! The epochs of topics that have keys: ten characters that stand for the key, and six that differ
//! each time a topic is made.
//!
//! Pure: no lock, no clock.

use core::num::NonZeroU64;

/// The number of characters that stand for the key.
const KEY_LEN: usize = 10;
/// The number of characters that differ each time.
const DRAWN_LEN: usize = 6;
const BASE: u64 = 36;
/// The number of codes: 36^10, a bit more than 2^51.
const CODES: u64 = BASE.pow(10);
const DRAWS: u64 = BASE.pow(6);

/// What stands for a key in an epoch: from 1 to 36^10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Code(NonZeroU64);

impl Code {
    pub(super) fn of_hash(hash: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(hash % CODES))
    }

    /// A code that a topic was made with.
    pub(super) fn of_topic(code: NonZeroU64) -> Self {
        Self(code)
    }

    pub(super) fn number(self) -> NonZeroU64 {
        self.0
    }

    /// The next code, and the first after the last.
    pub(super) fn next(self) -> Self {
        Self::of_hash(self.0.get())
    }

    /// The epoch of the topic with this code that is made at this draw.
    pub(super) fn epoch(self, draw: u64) -> String {
        let mut text = String::with_capacity(KEY_LEN.saturating_add(DRAWN_LEN));
        write_digits(&mut text, self.digits(), BASE.pow(9));
        write_digits(&mut text, draw % DRAWS, BASE.pow(5));
        text
    }

    /// The code in an epoch, if it has the length of one that this module made.
    pub(super) fn of_epoch(epoch: &str) -> Option<Self> {
        let digits = epoch.get(..KEY_LEN)?;
        let is_whole = epoch.len() == KEY_LEN.saturating_add(DRAWN_LEN);
        let code = u64::from_str_radix(digits, 36).ok()?;
        is_whole.then_some(Self::of_hash(code))
    }

    fn digits(self) -> u64 {
        self.0.get().wrapping_sub(1)
    }
}

/// Writes a number to base 36, from the digit of this weight on.
fn write_digits(text: &mut String, number: u64, mut weight: u64) {
    while let Some(digit) = number.checked_div(weight) {
        let digit = u32::try_from(digit % BASE).unwrap_or_default();
        text.extend(char::from_digit(digit, 36));
        weight /= BASE;
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_sixteen_characters_and_leads_back_to_its_code() {
        for hash in [0, 1, 35, 36, CODES - 1, CODES, u64::MAX] {
            let code = Code::of_hash(hash);
            let epoch = code.epoch(hash);
            assert_eq!(epoch.len(), 16, "{epoch}");
            assert_eq!(Code::of_epoch(&epoch), Some(code), "{epoch}");
        }
        assert_eq!(Code::of_hash(37).epoch(DRAWS - 1), "0000000011zzzzzz");
    }

    #[test]
    fn each_draw_makes_another_epoch() {
        let code = Code::of_hash(7);
        assert_ne!(code.epoch(0), code.epoch(1));
    }

    #[test]
    fn other_epochs_have_no_code() {
        for epoch in [
            "",
            "e",
            "0000000011zzzzz",
            "0000000011zzzzzzz",
            "ä000000011zzzzzz",
        ] {
            assert_eq!(Code::of_epoch(epoch), None, "{epoch}");
        }
    }

    #[test]
    fn the_code_after_the_last_is_the_first() {
        assert_eq!(Code::of_hash(CODES - 1).next(), Code::of_hash(0));
    }
}
