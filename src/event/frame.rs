//! Frames that were encoded elsewhere, checked before they are sent on.

use bytes::Bytes;
use thiserror::Error;

use crate::event::{Event, Field, Fields, value_of};

/// A frame of this length or more is shared.
const SHARED: usize = 1024;

impl Event {
    /// Takes a frame that is encoded already, for gateways that pass events on.
    ///
    /// The frame is one whole event and nothing else: fields, comments, and the blank line that
    /// ends it; or comments and `retry` alone. A client makes the same of the frame that goes out
    /// as of the one that came in. Blank lines around the event are dropped, and so is the one
    /// after comments and `retry` alone, since there is nothing to dispatch. CR and CRLF become LF.
    ///
    /// A frame of 1 KiB or more without CR is shared, not copied. A smaller one is copied: it may
    /// be a slice of a large buffer, which it would keep in memory.
    ///
    /// # Errors
    ///
    /// [`FrameError`] if a client would make anything else of these bytes than one event: see its
    /// variants.
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
            return Ok(parts.event());
        }
        let mut parts = Parts::parse(&frame)?;
        parts.frame = own_copy(parts.frame);
        Ok(parts.event())
    }
}

/// Copies a small frame: [`Bytes`] does not say how large the buffer is that it is a slice of.
pub(crate) fn own_copy(frame: Bytes) -> Bytes {
    if frame.len() < SHARED {
        Bytes::copy_from_slice(&frame)
    } else {
        frame
    }
}

/// Why a frame was refused. Offsets are in bytes, line ends counted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame holds nothing: no field and no comment.
    #[error("frame holds no field and no comment")]
    Empty,
    /// The frame is not UTF-8, so a client would replace what it cannot read.
    #[error("frame is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Where the text stops being valid.
        at: usize,
    },
    /// A line or event is not ended, so a client would wait for the rest and then discard it.
    #[error("frame does not end with the blank line that dispatches it")]
    Unfinished,
    /// Something follows the blank line that ends the event.
    #[error("frame goes on with another event at byte {at}")]
    SecondEvent {
        /// Where it begins.
        at: usize,
    },
    /// The line sets none of `data`, `event`, `id` and `retry`. A byte order mark in front of a
    /// field name makes it such a line too.
    #[error("frame has an unknown field at byte {at}")]
    UnknownField {
        /// Where the line begins.
        at: usize,
    },
    /// A field is set a second time.
    #[error("frame sets {field} again at byte {at}")]
    Repeated {
        /// The field.
        field: Field,
        /// Where the second line begins.
        at: usize,
    },
    /// The field's value is one that clients ignore: an id with a NUL, or a `retry` that is not a
    /// number of milliseconds in digits.
    #[error("frame has a {field} that clients ignore at byte {at}")]
    Ignored {
        /// The field.
        field: Field,
        /// Where the line begins.
        at: usize,
    },
    /// There is a name or an id but no data: clients dispatch nothing.
    #[error("frame has {field} but no data")]
    NoData {
        /// The field.
        field: Field,
    },
}

/// A frame that was looked at line by line.
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
        // The end of the last line that counts, its LF included.
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
                parts.line(line, at)?;
                end = next;
            }
            at = next;
        }
        if parts.has_data && !dispatched {
            return Err(FrameError::Unfinished);
        }
        if !parts.has_data {
            let dropped = |field: &Field| parts.fields.contains(*field);
            if let Some(field) = [Field::Name, Field::Id].into_iter().find(dropped) {
                return Err(FrameError::NoData { field });
            }
        }
        let blank_line = usize::from(parts.has_data);
        parts.frame = input.slice(start..end.saturating_add(blank_line));
        Ok(parts)
    }

    fn line(&mut self, line: &[u8], at: usize) -> Result<(), FrameError> {
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

    fn event(self) -> Event {
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
mod tests {
    use core::fmt::Write as _;

    use super::*;

    fn error(frame: &'static str) -> FrameError {
        Event::from_frame(frame).unwrap_err()
    }

    #[test]
    fn what_events_encode_to_is_accepted_unchanged() {
        let events = [
            Event::new(""),
            Event::new("\u{feff}a\n\n b").id("").unwrap(),
            Event::new("x").name("n:").unwrap().id(" 7").unwrap(),
            Event::comment("a\nb"),
            Event::reconnection_time(core::time::Duration::from_secs(1)),
        ];
        for event in events {
            assert_eq!(Event::from_frame(event.clone().encode()).unwrap(), event);
        }
    }

    #[test]
    fn a_frame_of_a_kibibyte_is_shared_and_a_smaller_one_copied() {
        let is_shared = |len: usize| {
            let data = "x".repeat(len - "data: \n\n".len());
            let frame = Bytes::from(format!("data: {data}\n\n"));
            let out = Event::from_frame(frame.clone()).unwrap().encode();
            assert_eq!(out, frame);
            out.as_ptr() == frame.as_ptr()
        };
        assert_eq!([1_023, 1_024].map(is_shared), [false, true]);
    }

    #[test]
    fn fields_may_stand_in_any_order_and_form() {
        let event = Event::from_frame("data\nid:7\n: c\nevent:a\ndata:b\nretry:05\n\n").unwrap();
        assert_eq!(event.event_id(), Some("7"));
        assert_eq!(event.event_name(), Some("a"));
        let event = event.id("8").unwrap();
        assert_eq!(
            event.encode(),
            "id: 8\ndata\n: c\nevent:a\ndata:b\nretry:05\n\n"
        );
    }

    #[test]
    fn more_data_goes_behind_the_data_of_a_frame() {
        let mut event = Event::from_frame("data: a\nid: 7\n\n").unwrap();
        event.write_str("b\nc").unwrap();
        assert_eq!(event.encode(), "id: 7\ndata: ab\ndata: c\n\n");
    }

    #[test]
    fn more_data_behind_a_bare_data_line_stays_data() {
        for bare in ["data", "data:", "data: "] {
            let mut event = Event::from_frame(format!("{bare}\n\n")).unwrap();
            event.write_str(" b").unwrap();
            assert_eq!(event.encode(), "data:  b\n\n");
        }
    }

    #[test]
    fn blank_lines_around_an_event_are_dropped() {
        let encoded = |frame: &'static str| Event::from_frame(frame).unwrap().encode();
        assert_eq!(encoded("\n\ndata: x\n\n\n"), "data: x\n\n");
        assert_eq!(encoded(": ping\n\n"), ": ping\n");
    }

    #[test]
    fn cr_and_crlf_become_lf() {
        let event = Event::from_frame("id: 1\r\ndata: x\rdata: y\n\r\n").unwrap();
        assert_eq!(event.encode(), "id: 1\ndata: x\ndata: y\n\n");
    }

    #[test]
    fn whatever_is_not_one_event_is_refused() {
        assert_eq!(error(""), FrameError::Empty);
        assert_eq!(error("\n\n"), FrameError::Empty);
        assert_eq!(error("data: x"), FrameError::Unfinished);
        assert_eq!(error("data: x\n"), FrameError::Unfinished);
        assert_eq!(error("data: x\n\n: c\n"), FrameError::SecondEvent { at: 9 });
        assert_eq!(
            error("\u{feff}data: x\n\n"),
            FrameError::UnknownField { at: 0 }
        );
        assert_eq!(
            error("data: x\nData: y\n\n"),
            FrameError::UnknownField { at: 8 }
        );
        let field = Field::Id;
        assert_eq!(error("id: a\n\n"), FrameError::NoData { field });
        assert_eq!(
            error("data: x\nid: \0\n\n"),
            FrameError::Ignored { field, at: 8 }
        );
        assert_eq!(
            error("id\nid: 1\ndata\n\n"),
            FrameError::Repeated { field, at: 3 }
        );
        let field = Field::Retry;
        for frame in [
            "retry: +5\n",
            "retry: \n",
            "retry\n",
            "retry:  5\n",
            "retry: 5 \n",
        ] {
            assert_eq!(error(frame), FrameError::Ignored { field, at: 0 });
        }
        let invalid = Event::from_frame(&b"data: \xff\n\n"[..]).unwrap_err();
        assert_eq!(invalid, FrameError::NotUtf8 { at: 6 });
    }
}
