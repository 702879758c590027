//! The fields of an event, and why one is refused.

use core::fmt;

use thiserror::Error;

/// A field of an event that can be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The event's name, `event` on the wire.
    Name,
    /// The event's id, `id` on the wire.
    Id,
    /// The reconnection time, `retry` on the wire.
    Retry,
}

impl Field {
    pub(crate) fn on_the_wire(self) -> &'static [u8] {
        match self {
            Self::Name => b"event",
            Self::Id => b"id",
            Self::Retry => b"retry",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Name => 1,
            Self::Id => 2,
            Self::Retry => 4,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "event name",
            Self::Id => "id",
            Self::Retry => "retry",
        })
    }
}

/// Which fields a frame sets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fields(u8);

impl Fields {
    pub(crate) fn contains(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// Returns whether the field was missing.
    pub(crate) fn insert(&mut self, field: Field) -> bool {
        let missing = !self.contains(field);
        self.0 |= field.bit();
        missing
    }

    /// Returns whether the field was there.
    pub(super) fn remove(&mut self, field: Field) -> bool {
        let there = self.contains(field);
        self.0 &= !field.bit();
        there
    }
}

/// Why a field of an event was refused.
///
/// # Examples
///
/// ```
/// use sse_queue::event::{EventError, Field};
/// use sse_queue::Event;
///
/// let error = Event::new("x").id("a\nb").unwrap_err();
/// assert_eq!(error, EventError::LineEnd { field: Field::Id, at: 1 });
/// assert_eq!(error.to_string(), "id holds a line end at byte 1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EventError {
    /// The value holds a CR or LF, which would end its line and begin another field.
    #[error("{field} holds a line end at byte {at}")]
    LineEnd {
        /// The field that was to be set.
        field: Field,
        /// Where in the value, in bytes.
        at: usize,
    },
    /// The value holds U+0000, for which clients ignore the whole field.
    #[error("{field} holds a NUL at byte {at}")]
    Nul {
        /// The field that was to be set.
        field: Field,
        /// Where in the value, in bytes.
        at: usize,
    },
    /// The event has no data, so a client would never dispatch it.
    #[error("{field} goes with data alone, not with a comment or a reconnection time")]
    NoData {
        /// The field that was to be set.
        field: Field,
    },
}

impl EventError {
    /// The field that was refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::event::Field;
    /// use sse_queue::Event;
    ///
    /// assert_eq!(Event::new("x").name("\n").unwrap_err().field(), Field::Name);
    /// ```
    #[must_use]
    pub fn field(&self) -> Field {
        match self {
            Self::LineEnd { field, .. } | Self::Nul { field, .. } | Self::NoData { field } => {
                *field
            }
        }
    }

    /// The byte of the value that it was refused for, if one byte is to blame.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Event;
    ///
    /// assert_eq!(Event::new("x").name("ab\n").unwrap_err().at(), Some(2));
    /// assert_eq!(Event::comment("x").name("ab").unwrap_err().at(), None);
    /// ```
    #[must_use]
    pub fn at(&self) -> Option<usize> {
        match self {
            Self::LineEnd { at, .. } | Self::Nul { at, .. } => Some(*at),
            Self::NoData { .. } => None,
        }
    }
}

/// The lines of a frame, without its final blank line.
pub(super) fn lines(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    frame
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}

/// The value of a line that sets `field`: what follows the colon and one space.
pub(crate) fn value_of(line: &[u8], field: Field) -> Option<&[u8]> {
    match line.strip_prefix(field.on_the_wire())? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}
