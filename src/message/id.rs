//! The ids that queues and topics issue: `EPOCH-NUMBER`.

use core::fmt;
use core::hash::{BuildHasher, Hash, Hasher};
use core::sync::atomic::{AtomicU64, Ordering};
use std::hash::RandomState;
use std::sync::Arc;
use std::time::SystemTime;

use thiserror::Error;

use crate::event::Decimal;

/// The highest number of a message that is pushed again, and of a first message. Numbers go on after
/// it, so without a limit they could run out.
pub(crate) const HIGHEST_GIVEN: u64 = 1 << 48;
/// The maximum length of an epoch.
const MAX_EPOCH_LEN: usize = 16;
/// The maximum length of an issued id, at least 38: an epoch, a hyphen, a letter and twenty digits.
const MAX_LEN: usize = 40;
/// The number of bytes that are checked at once: see [`Id::as_str`].
const BLOCK: usize = 16;

/// Distinguishes the numbers of one queue or topic from those of another, including after a
/// restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    text: [u8; MAX_EPOCH_LEN],
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
    /// An epoch that no other queue or topic has, in this process or another. It is not secret.
    ///
    /// The hasher's seeds differ between processes, the counter differs within a process, and `now`
    /// differs after a restart in case the seeds repeat.
    pub(crate) fn unique(now: SystemTime) -> Self {
        static COUNTER: AtomicU64 = AtomicU64::new(0);

        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let mut rest = RandomState::new().hash_one((now, count));
        let mut text = [0; MAX_EPOCH_LEN];
        // Twelve digits of base 36: 62 bits.
        for slot in text.iter_mut().take(12) {
            let digit = u8::try_from(rest % 36).unwrap_or_default();
            let first = if digit < 10 { b'0' } else { b'a' - 10 };
            *slot = first.saturating_add(digit);
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
            text: [0; MAX_EPOCH_LEN],
            len: text.len(),
        };
        let slot = epoch.text.get_mut(..text.len()).ok_or(EpochError)?;
        slot.copy_from_slice(text.as_bytes());
        Ok(epoch)
    }

    pub(crate) fn as_str(&self) -> &str {
        let text = self.text.get(..self.len).unwrap_or_default();
        core::str::from_utf8(text).unwrap_or_default()
    }

    pub(crate) fn id(&self, seq: u64) -> Id {
        self.write(b"-", seq)
    }

    /// The id of a scheduled message of a topic. These have numbers of their own.
    pub(crate) fn delayed_id(&self, seq: u64) -> Id {
        self.write(b"-d", seq)
    }

    fn write<const N: usize>(&self, mark: &[u8; N], number: u64) -> Id {
        let digits = Decimal::new(number);
        let mut text = Aligned([0; MAX_LEN]);
        // The length of the whole array is known at compile time. What follows overwrites its
        // zeros.
        put(&mut text, 0, &self.text);
        put(&mut text, self.len, mark);
        let start = self.len.saturating_add(N);
        put(&mut text, start, digits.as_bytes());
        let len = start.saturating_add(digits.as_bytes().len());
        Id(Text::Issued {
            text,
            len: u8::try_from(len).unwrap_or_default(),
        })
    }

    /// The number in an id of this epoch, if [`id`](Self::id) could have issued it.
    pub(crate) fn seq(&self, id: &str) -> Option<u64> {
        match self.read(id) {
            Read::Numbered(seq) => Some(seq),
            _ => None,
        }
    }

    /// Parses an id, which may come from a client. Numbers saturate.
    pub(crate) fn read(&self, id: &str) -> Read {
        let Some((epoch, is_delayed, digits)) = parts(id) else {
            return Read::Other;
        };
        let number = digits.parse().unwrap_or(u64::MAX);
        match is_delayed {
            _ if Some(epoch.as_bytes()) != self.text.get(..self.len) => Read::Foreign,
            false => Read::Numbered(number),
            true => Read::Delayed(number),
        }
    }

    /// The maximum length of a line that sets an id of this epoch.
    pub(crate) fn max_line_len(&self) -> usize {
        const AROUND: usize = "id: -d18446744073709551615\n".len();
        AROUND.saturating_add(self.len)
    }
}

/// The epoch of an id of any hub, if it has that shape.
pub(crate) fn epoch_of(id: &str) -> Option<&str> {
    parts(id).map(|(epoch, ..)| epoch)
}

/// Splits an id of any hub: its epoch, whether it was assigned before its message entered the log, and
/// its digits.
fn parts(id: &str) -> Option<(&str, bool, &str)> {
    let (epoch, rest) = id.split_once('-')?;
    let delayed = rest.strip_prefix('d');
    let digits = delayed.unwrap_or(rest);
    let is_canonical = digits == "0" || !digits.starts_with('0');
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_id = Epoch::new(epoch).is_ok() && is_canonical && is_number;
    is_id.then_some((epoch, delayed.is_some(), digits))
}

/// A parsed id.
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

/// The text of an id. An issued id needs no allocation.
#[derive(Clone)]
pub(crate) struct Id(Text);

#[derive(Clone)]
enum Text {
    /// ASCII, padded with zeros.
    Issued {
        text: Aligned,
        len: u8,
    },
    Own(Arc<str>),
}

/// Aligned, so that it can be checked a word at a time.
#[derive(Clone, Copy)]
#[repr(align(8))]
struct Aligned([u8; MAX_LEN]);

fn put(text: &mut Aligned, at: usize, part: &[u8]) {
    let end = at.saturating_add(part.len());
    if let Some(slot) = text.0.get_mut(at..end) {
        slot.copy_from_slice(part);
    }
}

impl Id {
    pub(crate) fn own(id: Arc<str>) -> Self {
        Self(Text::Own(id))
    }

    /// The bytes of the text, without the check for UTF-8, which costs as much as writing them.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Issued { text, len } => text.0.get(..usize::from(*len)).unwrap_or_default(),
            Text::Own(id) => id.as_bytes(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        let (text, len) = match &self.0 {
            Text::Issued { text, len } => (&text.0, usize::from(*len)),
            Text::Own(id) => return id,
        };
        // Whole blocks are checked five times as fast as a partial one.
        let blocks = len.next_multiple_of(BLOCK).min(MAX_LEN);
        let text = text.get(..blocks).unwrap_or_default();
        let text = core::str::from_utf8(text).unwrap_or_default();
        text.get(..len).unwrap_or_default()
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

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
    fn issued_ids_of_any_length_have_the_right_text() {
        for len in 1..=MAX_EPOCH_LEN {
            let epoch = Epoch::new(&"abcdefghijklmn09"[..len]).unwrap();
            for number in (0..20).map(|digits| 10_u64.pow(digits)) {
                let (id, delayed) = (epoch.id(number), epoch.delayed_id(number));
                let text = &"abcdefghijklmn09"[..len];
                assert_eq!(id.as_str(), format!("{text}-{number}"));
                assert_eq!(delayed.as_str(), format!("{text}-d{number}"));
                assert_eq!(id.as_bytes(), id.as_str().as_bytes());
            }
        }
    }

    #[test]
    fn only_ids_that_could_have_been_issued_have_a_number() {
        let epoch = Epoch::new("a").unwrap();
        for id in ["", "a", "a-", "a-01", "a-+1", "b-1", "a-1 ", "a--1", "a-d1"] {
            assert_eq!(epoch.seq(id), None, "{id}");
        }
        assert_eq!(epoch.seq("a-10"), Some(10));
        assert_eq!(epoch.seq("a-18446744073709551616"), Some(u64::MAX));
    }

    #[test]
    fn an_id_is_parsed_by_its_epoch_and_form() {
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
        let text = core::str::from_utf8(&epochs[0].text[..epochs[0].len]).unwrap();
        assert_eq!(Epoch::new(text), Ok(epochs[0]));
    }
}
