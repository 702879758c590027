//! Ids of messages: `EPOCH-SEQ`.

use core::fmt;
use core::hash::BuildHasher;
use core::sync::atomic::{AtomicU64, Ordering};
use std::hash::RandomState;
use std::sync::Arc;
use std::time::SystemTime;

use thiserror::Error;

use crate::event::Decimal;

const LONGEST_EPOCH: usize = 16;
/// An epoch, a hyphen, a letter and twenty digits.
const LONGEST: usize = 38;

/// What tells one queue's numbers from another's, also across restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    text: [u8; LONGEST_EPOCH],
    len: usize,
}

/// Why an epoch was refused.
///
/// # Examples
///
/// ```
/// use sse_queue::Queue;
///
/// let error = Queue::builder().epoch("Monday").unwrap_err();
/// assert_eq!(error.to_string(), "epoch is not 1 to 16 characters of a-z and 0-9");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("epoch is not 1 to 16 characters of a-z and 0-9")]
#[non_exhaustive]
pub struct EpochError;

impl Epoch {
    /// An epoch that no other queue has, in this process or another; it is no secret.
    ///
    /// The hasher's seeds differ by process, the counter by queue, and `now` by restart should the
    /// seeds ever repeat.
    pub(crate) fn unique(now: SystemTime) -> Self {
        static COUNTER: AtomicU64 = AtomicU64::new(0);

        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let mut rest = RandomState::new().hash_one((now, count));
        let mut text = [0; LONGEST_EPOCH];
        // Twelve digits of base 36: 62 bits.
        for place in text.iter_mut().take(12) {
            let digit = u8::try_from(rest % 36).unwrap_or_default();
            let first = if digit < 10 { b'0' } else { b'a' - 10 };
            *place = first.saturating_add(digit);
            rest /= 36;
        }
        Self { text, len: 12 }
    }

    pub(crate) fn new(text: &str) -> Result<Self, EpochError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(EpochError);
        }
        let mut epoch = Self {
            text: [0; LONGEST_EPOCH],
            len: text.len(),
        };
        let place = epoch.text.get_mut(..text.len()).ok_or(EpochError)?;
        place.copy_from_slice(text.as_bytes());
        Ok(epoch)
    }

    pub(crate) fn id(&self, seq: u64) -> Id {
        self.write(&[b"-", Decimal::new(seq).as_bytes()])
    }

    fn write(&self, parts: &[&[u8]]) -> Id {
        let mut text = [0; LONGEST];
        let mut len = 0_usize;
        for part in [self.as_bytes()].iter().chain(parts) {
            let end = len.saturating_add(part.len());
            if let Some(place) = text.get_mut(len..end) {
                place.copy_from_slice(part);
            }
            len = end;
        }
        Id(Text::Issued { text, len })
    }

    /// The id of a message that is not in the log yet, from a series of its own.
    pub(crate) fn delayed_id(&self, seq: u64) -> Id {
        self.write(&[b"-d", Decimal::new(seq).as_bytes()])
    }

    /// The number of an id of this epoch, written as [`id`](Self::id) writes it.
    pub(crate) fn seq(&self, id: &str) -> Option<u64> {
        match self.read(id) {
            Read::Numbered(seq) => Some(seq),
            _ => None,
        }
    }

    /// What an id says, whoever wrote it. Numbers saturate.
    pub(crate) fn read(&self, id: &str) -> Read {
        let Some((epoch, rest)) = id.split_once('-') else {
            return Read::Other;
        };
        let delayed = rest.strip_prefix('d');
        let digits = delayed.unwrap_or(rest);
        let is_canonical = digits == "0" || !digits.starts_with('0');
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let Ok(epoch) = Epoch::new(epoch) else {
            return Read::Other;
        };
        if !(is_canonical && is_number) {
            return Read::Other;
        }
        let number = digits.parse().unwrap_or(u64::MAX);
        match delayed {
            _ if epoch != *self => Read::Foreign,
            None => Read::Numbered(number),
            Some(_) => Read::Delayed(number),
        }
    }

    /// The length of the longest line that sets an id of this epoch.
    pub(crate) fn longest_line(&self) -> usize {
        const AROUND: usize = "id: -d18446744073709551615\n".len();
        AROUND.saturating_add(self.len)
    }

    fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }
}

/// What an id says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// `EPOCH-SEQ` of this epoch.
    Numbered(u64),
    /// `EPOCH-dSEQ` of this epoch.
    Delayed(u64),
    /// Either, of another epoch.
    Foreign,
    /// Neither.
    Other,
}

/// The text of an id, without an allocation where it was issued here.
#[derive(Clone)]
pub(crate) struct Id(Text);

#[derive(Clone)]
enum Text {
    Issued { text: [u8; LONGEST], len: usize },
    Own(Arc<str>),
}

impl Id {
    pub(crate) fn own(id: Arc<str>) -> Self {
        Self(Text::Own(id))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Issued { text, len } => text.get(..*len).unwrap_or_default(),
            Text::Own(id) => id.as_bytes(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match &self.0 {
            // What was issued is ASCII.
            Text::Issued { text, len } => {
                core::str::from_utf8(text.get(..*len).unwrap_or_default()).unwrap_or_default()
            }
            Text::Own(id) => id,
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Id {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_epoch_hyphen_number() {
        let epoch = Epoch::new("abcdefghijklmn09").unwrap();
        assert_eq!(epoch.id(0).as_str(), "abcdefghijklmn09-0");
        let longest = epoch.id(u64::MAX);
        assert_eq!(longest.as_str(), format!("abcdefghijklmn09-{}", u64::MAX));
        assert_eq!(epoch.seq(longest.as_str()), Some(u64::MAX));
    }

    #[test]
    fn only_ids_as_written_here_have_a_number() {
        let epoch = Epoch::new("a").unwrap();
        for id in ["", "a", "a-", "a-01", "a-+1", "b-1", "a-1 ", "a--1", "a-d1"] {
            assert_eq!(epoch.seq(id), None, "{id}");
        }
        assert_eq!(epoch.seq("a-10"), Some(10));
        assert_eq!(epoch.seq("a-18446744073709551616"), Some(u64::MAX));
    }

    #[test]
    fn the_shape_tells_whose_an_id_is() {
        let epoch = Epoch::new("a1").unwrap();
        assert_eq!(epoch.delayed_id(7).as_str(), "a1-d7");
        assert_eq!(epoch.read("a1-d7"), Read::Delayed(7));
        assert_eq!(epoch.read("a1-0"), Read::Numbered(0));
        assert_eq!(epoch.read("b-7"), Read::Foreign);
        assert_eq!(epoch.read("b-d7"), Read::Foreign);
        for id in ["7", "-7", "B-7", "a1-d", "a1-x7", "a1-07", "a1-7-8", "ä-7"] {
            assert_eq!(epoch.read(id), Read::Other, "{id}");
        }
    }

    #[test]
    fn epochs_of_other_characters_or_lengths_are_refused() {
        for text in ["", "A", "a-b", "ä", "12345678901234567"] {
            assert_eq!(Epoch::new(text), Err(EpochError), "{text}");
        }
    }

    #[test]
    fn no_two_epochs_are_the_same() {
        let epochs = [(); 2].map(|()| Epoch::unique(SystemTime::UNIX_EPOCH));
        assert_ne!(epochs[0], epochs[1]);
        let text = core::str::from_utf8(epochs[0].as_bytes()).unwrap();
        assert_eq!(Epoch::new(text), Ok(epochs[0]));
    }
}
