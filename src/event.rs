//! One event, valid by construction, held as the bytes that go over the wire.

mod decimal;
mod encode;
mod field;
mod frame;

use core::fmt;
use core::time::Duration;

use bytes::{Buf, Bytes, BytesMut};

pub(crate) use decimal::Decimal;
pub use field::{EventError, Field};
pub(crate) use field::{Fields, value_of};
pub use frame::FrameError;

use field::lines;

/// Free bytes in front of a frame: enough for an id of a queue and a short name, so that a frame
/// is written into the buffer that it leaves in.
const HEADROOM: usize = 80;

/// One Server-Sent Event: data, event name, id, reconnection time, or a comment alone.
///
/// What exists is valid: event names and ids that could end their line are refused when they are
/// set, data and comments are split into lines. Fields are written straight into the frame, so an
/// event is one buffer, and encoding it moves nothing.
///
/// Data may be any UTF-8 text. CR, LF and CRLF are each *one* line end; a client gets the text back
/// with every line end as LF and nothing else changed. Encode carriage returns that must
/// survive, in JSON for example. Empty data dispatches an empty event; leading spaces,
/// trailing line ends, NULs and U+FEFF arrive. (Firefox drops NULs from what its scripts see.)
///
/// More data can be appended with [`fmt::Write`]. A field that is set twice keeps its last value.
///
/// See [HTML, 9.2.5 and 9.2.6](https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::Event;
///
/// let event = Event::new("42\n43").name("price")?.id("7")?.retry(Duration::from_secs(3));
/// assert_eq!(event.encode(), "retry: 3000\nid: 7\nevent: price\ndata: 42\ndata: 43\n\n");
/// # Ok::<(), sse_queue::event::EventError>(())
/// ```
#[derive(Clone)]
pub struct Event {
    wire: Wire,
    /// A frame with data ends in a blank line; one without holds comments and `retry` alone.
    pub(crate) has_data: bool,
    fields: Fields,
    /// The data's last character so far is a CR: a LF written next belongs to it.
    pub(crate) after_cr: bool,
}

#[derive(Clone)]
enum Wire {
    /// The frame is `buf[start..]`. It lies at the end of the buffer and fields are put in front:
    /// a `Vec` without spare capacity becomes `Bytes` without a further allocation.
    Own { buf: Vec<u8>, start: usize },
    /// A frame that was encoded elsewhere and checked.
    Shared(Bytes),
}

impl Event {
    /// An event without fields, in a buffer with capacity for `frame` more bytes.
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

    /// An event around a frame that was checked: LF only, no blank line but the one at its end.
    pub(crate) fn checked(frame: Bytes, has_data: bool, fields: Fields) -> Self {
        Self {
            wire: Wire::Shared(frame),
            has_data,
            fields,
            after_cr: false,
        }
    }

    /// An event that does nothing but set the client's reconnection time, in whole milliseconds.
    ///
    /// Its frame is one line, without a blank line: nothing is to be dispatched.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::Event;
    ///
    /// let event = Event::reconnection_time(Duration::from_millis(2500));
    /// assert_eq!(event.encode(), "retry: 2500\n");
    /// ```
    #[must_use]
    pub fn reconnection_time(duration: Duration) -> Self {
        Self::with_capacity(0).retry(duration)
    }

    /// Sets the event's name: the type under which a page's listeners hear it.
    ///
    /// An empty name is the default type, `message`, and writes nothing. The names `open` and
    /// `error` are legal, and reach the listeners of the browser's own events of these names.
    ///
    /// # Errors
    ///
    /// [`EventError`] if the name holds a CR or LF, or the event is a comment or a reconnection
    /// time alone: a client drops a name without data.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::event::Field;
    /// use sse_queue::Event;
    ///
    /// assert_eq!(Event::new("x").name("tick")?.encode(), "event: tick\ndata: x\n\n");
    /// let error = Event::new("x").name("a\rdata: y").unwrap_err();
    /// assert_eq!((error.field(), error.at()), (Field::Name, Some(1)));
    /// # Ok::<(), sse_queue::event::EventError>(())
    /// ```
    pub fn name(mut self, name: &str) -> Result<Self, EventError> {
        self.refuse(Field::Name, name)?;
        self.remove(Field::Name);
        if !name.is_empty() {
            self.prepend(&[b"event: ", name.as_bytes(), b"\n"]);
            self.fields.insert(Field::Name);
        }
        Ok(self)
    }

    /// Sets the event's id: what a client sends as `Last-Event-ID` when it comes back.
    ///
    /// Ids of printable ASCII without spaces travel safely in every client. An empty id is not the
    /// same as none: it resets what the client remembers.
    ///
    /// # Errors
    ///
    /// [`EventError`] if the id holds a CR, LF or NUL, or the event is a comment or a reconnection
    /// time alone: those carry no id.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::event::Field;
    /// use sse_queue::Event;
    ///
    /// assert_eq!(Event::new("x").id("7")?.encode(), "id: 7\ndata: x\n\n");
    /// let error = Event::new("x").id("7\0").unwrap_err();
    /// assert_eq!((error.field(), error.at()), (Field::Id, Some(1)));
    /// assert_eq!(error.to_string(), "id holds a NUL at byte 1");
    /// # Ok::<(), sse_queue::event::EventError>(())
    /// ```
    pub fn id(mut self, id: &str) -> Result<Self, EventError> {
        self.refuse(Field::Id, id)?;
        self.put_id(id.as_bytes());
        Ok(self)
    }

    /// Sets the client's reconnection time, in whole milliseconds; what is below is cut off.
    ///
    /// Zero is legal and makes clients come back at once, all of them. Durations beyond
    /// `u64::MAX` milliseconds are written as that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::Event;
    ///
    /// let event = Event::new("x").retry(Duration::from_micros(1999));
    /// assert_eq!(event.encode(), "retry: 1\ndata: x\n\n");
    /// ```
    #[must_use]
    pub fn retry(mut self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.remove(Field::Retry);
        self.prepend(&[b"retry: ", Decimal::new(millis).as_bytes(), b"\n"]);
        self.fields.insert(Field::Retry);
        self
    }

    /// The event's name, if one is set.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Event;
    ///
    /// assert_eq!(Event::new("x").event_name(), None);
    /// assert_eq!(Event::new("x").name("tick")?.event_name(), Some("tick"));
    /// # Ok::<(), sse_queue::event::EventError>(())
    /// ```
    #[must_use]
    pub fn event_name(&self) -> Option<&str> {
        self.value(Field::Name)
    }

    /// The event's id, if one is set. An empty id is one: it resets what a client remembers.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Event;
    ///
    /// assert_eq!(Event::new("x").event_id(), None);
    /// assert_eq!(Event::new("x").id("7")?.event_id(), Some("7"));
    /// # Ok::<(), sse_queue::event::EventError>(())
    /// ```
    #[must_use]
    pub fn event_id(&self) -> Option<&str> {
        self.value(Field::Id)
    }

    /// Encodes the event as one frame, ready to be sent and shared.
    ///
    /// An event that was made by [`Event::new`] already is its frame: nothing is copied and
    /// nothing allocated. A frame with data ends in a blank line; one of comments or a
    /// reconnection time alone does not, because some clients make an empty event of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Event;
    ///
    /// assert_eq!(Event::new("a\r\nb\rc").encode(), "data: a\ndata: b\ndata: c\n\n");
    /// assert_eq!(Event::new("").encode(), "data: \n\n");
    /// ```
    #[must_use]
    pub fn encode(self) -> Bytes {
        match self.wire {
            Wire::Own { buf, start } => {
                let mut frame = Bytes::from(buf);
                frame.advance(start);
                frame
            }
            Wire::Shared(frame) => frame,
        }
    }

    /// Appends the event's frame to `buf`, which callers can use again and again.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use sse_queue::Event;
    ///
    /// let mut buf = BytesMut::new();
    /// Event::new("a").encode_into(&mut buf);
    /// Event::comment("b").encode_into(&mut buf);
    /// assert_eq!(buf, "data: a\n\n: b\n");
    /// ```
    pub fn encode_into(&self, buf: &mut BytesMut) {
        buf.extend_from_slice(self.frame());
    }

    /// The encoded frame.
    pub(crate) fn frame(&self) -> &[u8] {
        match &self.wire {
            Wire::Own { buf, start } => buf.get(*start..).unwrap_or_default(),
            Wire::Shared(frame) => frame,
        }
    }

    /// Sets the id without checking it: `id` holds no CR, LF or NUL.
    pub(crate) fn put_id(&mut self, id: &[u8]) {
        self.remove(Field::Id);
        self.prepend(&[b"id: ", id, b"\n"]);
        self.fields.insert(Field::Id);
    }

    /// Makes sure that `more` bytes can be put in front without an allocation.
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

    /// The buffer to append data lines to. It ends in a data line.
    pub(crate) fn data_end(&mut self) -> &mut Vec<u8> {
        if let Wire::Shared(frame) = &self.wire {
            // A foreign frame may have its fields in any order: data goes last.
            let mut buf = vec![0; HEADROOM];
            for data in [false, true] {
                for line in lines(frame).filter(|line| line.starts_with(b"data") == data) {
                    // What is written behind an empty value must not change the field's name, nor
                    // lose its first space.
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
            Wire::Shared(_) => unreachable!("made its own above"),
        }
    }

    fn refuse(&self, field: Field, value: &str) -> Result<(), EventError> {
        if !self.has_data {
            return Err(EventError::NoData { field });
        }
        // Nothing above CR is refused, so one pass finds whether anything can be refused.
        if value.bytes().fold(u8::MAX, u8::min) > b'\r' {
            return Ok(());
        }
        let refused = |(at, byte)| match byte {
            b'\r' | b'\n' => Some(EventError::LineEnd { field, at }),
            0 if field == Field::Id => Some(EventError::Nul { field, at }),
            _ => None,
        };
        match value.bytes().enumerate().find_map(refused) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn prepend(&mut self, parts: &[&[u8]]) {
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

    /// Takes a field's line out, so that setting a field again replaces it.
    fn remove(&mut self, field: Field) {
        if !self.fields.remove(field) {
            return;
        }
        let mut kept = Vec::with_capacity(self.frame().len().saturating_add(HEADROOM));
        kept.resize(HEADROOM, 0);
        let rest = lines(self.frame()).filter(|line| value_of(line, field).is_none());
        for line in rest {
            kept.extend_from_slice(line);
            kept.push(b'\n');
        }
        kept.extend_from_slice(if self.has_data { b"\n" } else { b"" });
        self.wire = Wire::Own {
            buf: kept,
            start: HEADROOM,
        };
    }

    fn value(&self, field: Field) -> Option<&str> {
        if !self.fields.contains(field) {
            return None;
        }
        let value = lines(self.frame()).find_map(|line| value_of(line, field))?;
        core::str::from_utf8(value).ok()
    }
}

/// Equal events have equal frames.
impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.frame() == other.frame()
    }
}

impl Eq for Event {}

/// Says how large the frame is, and never what it holds.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("bytes", &self.frame().len())
            .field("data", &self.has_data)
            .field("name", &self.fields.contains(Field::Name))
            .field("id", &self.fields.contains(Field::Id))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_set_twice_keeps_its_last_value() {
        let event = Event::new("x").name("a").unwrap().id("1").unwrap();
        let event = event.name("bb").unwrap().id("22").unwrap();
        assert_eq!(event.event_name(), Some("bb"));
        assert_eq!(event.event_id(), Some("22"));
        assert_eq!(event.encode(), "id: 22\nevent: bb\ndata: x\n\n");
    }

    #[test]
    fn an_empty_name_is_the_default_type() {
        let event = Event::new("x").name("a").unwrap().name("").unwrap();
        assert_eq!(event.encode(), "data: x\n\n");
    }

    #[test]
    fn values_keep_their_spaces_and_colons() {
        let event = Event::new("x").name(" x:").unwrap().id(" a ").unwrap();
        assert_eq!(event.event_name(), Some(" x:"));
        assert_eq!(event.event_id(), Some(" a "));
        assert_eq!(event.encode(), "id:  a \nevent:  x:\ndata: x\n\n");
    }

    #[test]
    fn a_long_id_and_name_find_room() {
        let (id, name) = ("…".repeat(700), "n".repeat(500));
        let event = Event::new("x").id(&id).unwrap().name(&name).unwrap();
        assert_eq!(
            event.encode(),
            format!("event: {name}\nid: {id}\ndata: x\n\n")
        );
    }

    #[test]
    fn fields_are_refused_at_the_byte_that_is_to_blame() {
        let refused = |result: Result<Event, EventError>| result.unwrap_err();
        for (text, at) in [("\r", 0), ("a\n", 1), ("é\r\n", 2)] {
            let error = refused(Event::new("x").name(text));
            assert_eq!((error.field(), error.at()), (Field::Name, Some(at)));
            let error = refused(Event::new("x").id(text));
            assert_eq!((error.field(), error.at()), (Field::Id, Some(at)));
        }
        assert!(
            Event::new("x").name("a\0b").is_ok(),
            "NUL is legal in names"
        );
        assert_eq!(refused(Event::new("x").id("a\0b")).at(), Some(1));
    }

    #[test]
    fn a_comment_carries_no_id_and_no_name() {
        assert!(Event::comment("x").id("7").is_err());
        assert!(Event::comment("x").name("a").is_err());
        let event = Event::comment("x").retry(Duration::from_secs(1));
        assert_eq!(event.encode(), "retry: 1000\n: x\n");
    }

    #[test]
    fn retry_is_whole_milliseconds_in_digits() {
        let line = |duration| Event::reconnection_time(duration).encode();
        assert_eq!(line(Duration::ZERO), "retry: 0\n");
        assert_eq!(line(Duration::from_nanos(999_999)), "retry: 0\n");
        assert_eq!(line(Duration::from_millis(1 << 32)), "retry: 4294967296\n");
        assert_eq!(line(Duration::MAX), "retry: 18446744073709551615\n");
    }

    #[test]
    fn debug_never_prints_the_payload() {
        let event = Event::new("secret").name("secret").unwrap();
        assert!(!format!("{event:?}").contains("secret"));
    }
}
