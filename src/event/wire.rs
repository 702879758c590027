//! The buffer of an event: the frame, with free bytes in front for more fields.

use bytes::{Buf, Bytes};

use crate::event::field::lines;
use crate::event::{Event, Field, Fields, value_of};

/// Free bytes in front of a frame: enough for an issued id and a short name, so that setting them
/// needs no allocation.
const HEADROOM: usize = 80;

/// A frame and its buffer.
#[derive(Clone)]
pub(super) enum Wire {
    /// The frame is `buf[start..]`. It ends where the buffer ends, and fields are put in front of
    /// it: a `Vec` without spare capacity becomes `Bytes` without another allocation.
    Own { buf: Vec<u8>, start: usize },
    /// A frame that was encoded elsewhere, and has been checked.
    Shared(Bytes),
}

impl Wire {
    /// The frame. Copies nothing if the buffer has no spare capacity.
    #[inline]
    pub(super) fn into_frame(self) -> Bytes {
        match self {
            Self::Own { buf, start } => {
                let mut frame = Bytes::from(buf);
                frame.advance(start);
                frame
            }
            Self::Shared(frame) => frame,
        }
    }
}

impl Event {
    /// An event without fields, in a buffer with capacity for a frame of `frame` bytes.
    pub(crate) fn with_capacity(frame: usize) -> Self {
        let mut buf = Vec::with_capacity(frame.saturating_add(HEADROOM));
        buf.extend_from_slice(&[0; HEADROOM]);
        Self {
            wire: Wire::Own {
                buf,
                start: HEADROOM,
            },
            has_data: false,
            fields: Fields::default(),
            after_cr: false,
        }
    }

    /// An event around a frame that has been checked: its line ends are LF, and it has no blank
    /// line except at its end.
    pub(crate) fn checked(frame: Bytes, has_data: bool, fields: Fields) -> Self {
        Self {
            wire: Wire::Shared(frame),
            has_data,
            fields,
            after_cr: false,
        }
    }

    /// The encoded frame.
    #[inline]
    pub(crate) fn frame(&self) -> &[u8] {
        match &self.wire {
            Wire::Own { buf, start } => buf.get(*start..).unwrap_or_default(),
            Wire::Shared(frame) => frame,
        }
    }

    /// Sets the id without checking it: the caller makes sure that it has no CR, LF or NUL.
    pub(crate) fn put_id(&mut self, id: &[u8]) {
        self.remove(Field::Id);
        self.prepend(&[b"id: ", id, b"\n"]);
        self.fields.insert(Field::Id);
    }

    /// Makes sure that `more` bytes can be put in front of the frame without another allocation.
    pub(crate) fn reserve_front(&mut self, more: usize) {
        let (frame, start) = match &self.wire {
            Wire::Own { buf, start } if *start < more => (buf.get(*start..), *start),
            Wire::Own { .. } => return,
            Wire::Shared(frame) => (Some(&**frame), 0),
        };
        let frame = frame.unwrap_or_default();
        let start = start.saturating_add(more).saturating_add(HEADROOM);
        let mut buf = Vec::with_capacity(start.saturating_add(frame.len()));
        buf.resize(start, 0);
        buf.extend_from_slice(frame);
        self.wire = Wire::Own { buf, start };
    }

    /// The buffer to append data to. A shared frame is copied first, with its data lines last.
    pub(crate) fn make_buffer(&mut self) -> &mut Vec<u8> {
        if let Wire::Shared(frame) = &self.wire {
            // A frame that was encoded elsewhere may have its fields in any order.
            let mut buf = vec![0; HEADROOM];
            for data in [false, true] {
                for line in lines(frame).filter(|line| line.starts_with(b"data") == data) {
                    // Data that is appended to an empty value must not extend the field's name, nor
                    // lose its leading space.
                    let is_bare = matches!(line, b"data" | b"data:");
                    buf.extend_from_slice(if is_bare { b"data: " } else { line });
                    buf.push(b'\n');
                }
            }
            buf.extend_from_slice(if self.has_data { b"\n" } else { b"" });
            self.wire = Wire::Own {
                buf,
                start: HEADROOM,
            };
        }
        match &mut self.wire {
            Wire::Own { buf, .. } => buf,
            Wire::Shared(_) => unreachable!("copied above"),
        }
    }

    /// Puts a line in front of the frame.
    pub(super) fn prepend(&mut self, parts: &[&[u8]]) {
        let len = parts
            .iter()
            .fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        self.reserve_front(len);
        if let Wire::Own { buf, start } = &mut self.wire {
            *start = start.saturating_sub(len);
            let mut at = *start;
            for part in parts {
                let end = at.saturating_add(part.len());
                if let Some(slot) = buf.get_mut(at..end) {
                    slot.copy_from_slice(part);
                }
                at = end;
            }
        }
    }

    /// Removes a field's line, if it is set.
    pub(super) fn remove(&mut self, field: Field) {
        if !self.fields.remove(field) {
            return;
        }
        let mut buf = Vec::with_capacity(self.frame().len().saturating_add(HEADROOM));
        buf.resize(HEADROOM, 0);
        let rest = lines(self.frame()).filter(|line| value_of(line, field).is_none());
        for line in rest {
            buf.extend_from_slice(line);
            buf.push(b'\n');
        }
        buf.extend_from_slice(if self.has_data { b"\n" } else { b"" });
        self.wire = Wire::Own {
            buf,
            start: HEADROOM,
        };
    }

    /// The value of a field, if it is set.
    pub(super) fn value(&self, field: Field) -> Option<&str> {
        if !self.fields.contains(field) {
            return None;
        }
        let value = lines(self.frame()).find_map(|line| value_of(line, field))?;
        core::str::from_utf8(value).ok()
    }
}
