//! The fields of an event, and the error for a field that is refused.

use core::fmt;

use thiserror::Error;

/// A field of an event, as errors name it.
///
/// # Examples
///
/// ```
/// use sse_queue::event::Field;
/// use sse_queue::Event;
///
/// let error = Event::new("x").name("two\nlines").unwrap_err();
/// assert_eq!(error.field(), Field::Name);
/// assert_eq!(error.field().to_string(), "event name");
/// ```
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
    /// The field's name in a frame.
    pub(crate) fn name(self) -> &'static [u8] {
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

/// The set of fields that a frame has, without `data`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fields(u8);

impl Fields {
    pub(crate) fn contains(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// Adds a field; returns whether it was missing.
    pub(crate) fn insert(&mut self, field: Field) -> bool {
        let was_missing = !self.contains(field);
        self.0 |= field.bit();
        was_missing
    }

    /// Removes a field; returns whether it was present.
    pub(super) fn remove(&mut self, field: Field) -> bool {
        let was_present = self.contains(field);
        self.0 &= !field.bit();
        was_present
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
    /// The value contains a CR or LF, which would end its line and start another field.
    #[error("{field} holds a line end at byte {at}")]
    LineEnd {
        /// The field that was refused.
        field: Field,
        /// The offset in the value, in bytes.
        at: usize,
    },
    /// The value contains U+0000, and clients ignore such a field.
    #[error("{field} holds a NUL at byte {at}")]
    Nul {
        /// The field that was refused.
        field: Field,
        /// The offset in the value, in bytes.
        at: usize,
    },
    /// The event has no data, so a client would never dispatch it.
    #[error("{field} needs data, which a comment or a reconnection time does not have")]
    NoData {
        /// The field that was refused.
        field: Field,
    },
}

impl EventError {
    /// Returns the field that was refused.
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

    /// Returns the offset of the byte for which the value was refused, if there is one.
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

/// The lines of a frame, except the final blank line.
pub(super) fn lines(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    frame
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}

/// The value of a line if it sets `field`: the rest after the colon and one optional space.
pub(crate) fn value_of(line: &[u8], field: Field) -> Option<&[u8]> {
    match line.strip_prefix(field.name())? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}
