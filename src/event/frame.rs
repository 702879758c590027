//! Frames that were encoded elsewhere, and are checked before they are forwarded.

use bytes::Bytes;
use thiserror::Error;

use crate::event::{Event, Field, Fields, value_of};

/// Frames of at least this length are shared, not copied.
const MIN_SHARED: usize = 1024;

impl Event {
    /// Creates an event from a frame that is already encoded, for gateways that forward events.
    ///
    /// The frame must be exactly one event: fields, comments, and the blank line at the end; or
    /// only comments and `retry`. Clients parse the sent frame exactly as they would the original.
    /// Blank lines around the event are dropped, as is one after only comments and `retry`, since
    /// there is nothing to dispatch. CR and CRLF become LF.
    ///
    /// A frame of 1 KiB or more without CR is shared, not copied. A smaller one is copied, since it
    /// may be a slice of a large buffer, which would stay in memory.
    ///
    /// # Errors
    ///
    /// [`FrameError`] if a client would not parse these bytes as one event: see its variants.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::event::FrameError;
    /// use sse_queue::Event;
    ///
    /// let event = Event::from_frame("id: 7\ndata: 42\n\n")?;
    /// assert_eq!(event.event_id(), Some("7"));
    /// assert_eq!(event.encode(), "id: 7\ndata: 42\n\n");
    ///
    /// let two = Event::from_frame("data: 1\n\ndata: 2\n\n");
    /// assert_eq!(two.unwrap_err(), FrameError::SecondEvent { at: 9 });
    /// # Ok::<(), FrameError>(())
    /// ```
    pub fn from_frame(frame: impl Into<Bytes>) -> Result<Self, FrameError> {
        let frame = frame.into();
        if let Err(error) = core::str::from_utf8(&frame) {
            return Err(FrameError::NotUtf8 {
                at: error.valid_up_to(),
            });
        }
        if frame.contains(&b'\r') {
            let parts = Parts::parse(&with_lf_only(&frame))?;
            return Ok(parts.into_event());
        }
        let mut parts = Parts::parse(&frame)?;
        parts.frame = own_copy(parts.frame);
        Ok(parts.into_event())
    }
}

/// Copies a small frame, because [`Bytes`] does not tell how large the underlying buffer is.
pub(crate) fn own_copy(frame: Bytes) -> Bytes {
    if frame.len() < MIN_SHARED {
        Bytes::copy_from_slice(&frame)
    } else {
        frame
    }
}

/// Why a frame was refused.
///
/// Offsets are in bytes, with each line end counted as one.
///
/// # Examples
///
/// ```
/// use sse_queue::event::{Field, FrameError};
/// use sse_queue::Event;
///
/// let refusal = |frame: &'static str| Event::from_frame(frame).unwrap_err();
/// assert_eq!(refusal("data: x\n"), FrameError::Unfinished);
/// assert_eq!(refusal("date: x\n\n"), FrameError::UnknownField { at: 0 });
/// let again = refusal("id: 1\r\nid: 2\r\ndata: x\r\n\r\n");
/// assert_eq!(again, FrameError::Repeated { field: Field::Id, at: 6 });
/// assert_eq!(again.to_string(), "frame sets id again at byte 6");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame has no field and no comment.
    #[error("frame holds no field and no comment")]
    Empty,
    /// The frame is not UTF-8, so a client would replace the invalid bytes.
    #[error("frame is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// The offset of the first invalid byte.
        at: usize,
    },
    /// A line or the event is not terminated, so a client would wait for the rest and then discard
    /// it.
    #[error("frame does not end with the blank line that dispatches it")]
    Unfinished,
    /// The blank line that ends the event is followed by something.
    #[error("frame goes on with another event at byte {at}")]
    SecondEvent {
        /// The offset where that begins.
        at: usize,
    },
    /// A line sets none of `data`, `event`, `id` and `retry`. A byte order mark before a field name
    /// has this effect too.
    #[error("frame has an unknown field at byte {at}")]
    UnknownField {
        /// The offset of the line.
        at: usize,
    },
    /// A field is set twice.
    #[error("frame sets {field} again at byte {at}")]
    Repeated {
        /// The field.
        field: Field,
        /// The offset of the second line.
        at: usize,
    },
    /// A field has a value that clients ignore: an id with a NUL, or a `retry` that is not only
    /// digits.
    #[error("frame has a {field} that clients ignore at byte {at}")]
    Ignored {
        /// The field.
        field: Field,
        /// The offset of the line.
        at: usize,
    },
    /// There is a name or an id but no data, so clients would not dispatch the event.
    #[error("frame has {field} but no data")]
    NoData {
        /// The field.
        field: Field,
    },
}

/// The result of parsing a frame line by line.
struct Parts {
    frame: Bytes,
    has_data: bool,
    fields: Fields,
}

impl Parts {
    fn parse(input: &Bytes) -> Result<Self, FrameError> {
        let start = input
            .iter()
            .position(|byte| *byte != b'\n')
            .ok_or(FrameError::Empty)?;
        let mut parts = Self {
            frame: Bytes::new(),
            has_data: false,
            fields: Fields::default(),
        };
        let mut at = start;
        // The end of the last line that is not blank, including its LF.
        let mut end = start;
        let mut dispatched = false;
        for line in input
            .get(start..)
            .unwrap_or_default()
            .split_inclusive(|byte| *byte == b'\n')
        {
            let Some(line) = line.strip_suffix(b"\n") else {
                return Err(FrameError::Unfinished);
            };
            let next = at.saturating_add(line.len()).saturating_add(1);
            if line.is_empty() {
                dispatched = true;
            } else if dispatched {
                return Err(FrameError::SecondEvent { at });
            } else {
                parts.record(line, at)?;
                end = next;
            }
            at = next;
        }
        if parts.has_data && !dispatched {
            return Err(FrameError::Unfinished);
        }
        if !parts.has_data {
            let is_set = |field: &Field| parts.fields.contains(*field);
            if let Some(field) = [Field::Name, Field::Id].into_iter().find(is_set) {
                return Err(FrameError::NoData { field });
            }
        }
        let blank_line = usize::from(parts.has_data);
        parts.frame = input.slice(start..end.saturating_add(blank_line));
        Ok(parts)
    }

    /// Records a line that is not blank.
    fn record(&mut self, line: &[u8], at: usize) -> Result<(), FrameError> {
        match line {
            [b':', ..] => return Ok(()),
            b"data" | [b'd', b'a', b't', b'a', b':', ..] => {
                self.has_data = true;
                return Ok(());
            }
            _ => {}
        }
        let found = [Field::Name, Field::Id, Field::Retry]
            .into_iter()
            .find_map(|field| Some((field, value_of(line, field)?)));
        let Some((field, value)) = found else {
            return Err(FrameError::UnknownField { at });
        };
        if !self.fields.insert(field) {
            return Err(FrameError::Repeated { field, at });
        }
        let ignored = match field {
            Field::Name => false,
            Field::Id => value.contains(&0),
            Field::Retry => value.is_empty() || !value.iter().all(u8::is_ascii_digit),
        };
        if ignored {
            return Err(FrameError::Ignored { field, at });
        }
        Ok(())
    }

    fn into_event(self) -> Event {
        Event::checked(self.frame, self.has_data, self.fields)
    }
}

fn with_lf_only(frame: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(frame.len());
    let mut after_cr = false;
    for byte in frame {
        match byte {
            b'\r' => out.push(b'\n'),
            b'\n' if after_cr => {}
            byte => out.push(*byte),
        }
        after_cr = *byte == b'\r';
    }
    Bytes::from(out)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
