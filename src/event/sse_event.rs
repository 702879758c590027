//! An event, valid by construction and stored as the bytes that are sent.

use core::fmt;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::decimal::Decimal;
use super::field::{EventError, Field, Fields};
use super::wire::Wire;

/// A Server-Sent Event: data with an event name, id and reconnection time, or only a comment.
///
/// Every event is valid: names and ids that would end their line are refused when they are set, and
/// data and comments are split into lines. Fields are written directly into the frame, so an event
/// is a single buffer and encoding it copies nothing.
///
/// Data may be any UTF-8 text. CR, LF and CRLF are each *one* line end; a client receives the text
/// with every line end as LF and otherwise unchanged. To preserve carriage returns, encode the
/// text, for example as JSON. Empty data dispatches an event with empty data. Leading spaces,
/// trailing line ends, NULs and U+FEFF are preserved. (Firefox removes NULs before its scripts see
/// the data.)
///
/// [`fmt::Write`] appends data. If a field is set twice, the last value wins.
///
/// See [HTML, 9.2.5 and
/// 9.2.6](https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).
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
    pub(super) wire: Wire,
    /// A frame with data ends with a blank line. One without data has only comments and `retry`.
    pub(crate) has_data: bool,
    pub(super) fields: Fields,
    /// Whether the data ends with a CR, so that a LF that is appended belongs to the same line end.
    pub(crate) after_cr: bool,
}

impl Event {
    /// Creates an event that only sets the client's reconnection time, in whole milliseconds.
    ///
    /// Its frame has no blank line, since there is nothing to dispatch.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::Event;
    ///
    /// let event = Event::retry_only(Duration::from_millis(2500));
    /// assert_eq!(event.encode(), "retry: 2500\n");
    /// ```
    #[must_use]
    pub fn retry_only(duration: Duration) -> Self {
        Self::with_capacity(0).retry(duration)
    }

    /// Sets the event's name, which is the type that a page's listeners are registered for.
    ///
    /// An empty name is the default type, `message`, and writes no field. The names `open` and
    /// `error` are legal, but also reach the listeners for the browser's own events of these names.
    ///
    /// # Errors
    ///
    /// [`EventError`] if the name contains a CR or LF, or if the event has no data: a client
    /// ignores a name without data.
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
        self.check(Field::Name, name)?;
        self.remove(Field::Name);
        if !name.is_empty() {
            self.prepend(&[b"event: ", name.as_bytes(), b"\n"]);
            self.fields.insert(Field::Name);
        }
        Ok(self)
    }

    /// Sets the event's id, which a client sends as `Last-Event-ID` when it reconnects.
    ///
    /// Ids of printable ASCII without spaces are safe in every client. An empty id is not the same
    /// as no id: it resets the id that the client remembers.
    ///
    /// # Errors
    ///
    /// [`EventError`] if the id contains a CR, LF or NUL, or if the event has no data.
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
        self.check(Field::Id, id)?;
        self.put_id(id.as_bytes());
        Ok(self)
    }

    /// Sets the client's reconnection time, rounded down to whole milliseconds.
    ///
    /// Zero is legal: all clients reconnect at once. Durations above `u64::MAX` milliseconds are
    /// written as `u64::MAX`.
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

    /// Returns the event's name, if one is set.
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

    /// Returns the event's id, if one is set. It may be empty, which resets the id that a client
    /// remembers.
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

    /// Encodes the event as one frame, which can be sent and shared.
    ///
    /// An event made by [`Event::new`] is already stored as its frame, so nothing is copied or
    /// allocated. A frame with data ends with a blank line. One with only comments or a
    /// reconnection time does not, because some clients would dispatch an empty event.
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
        self.wire.into_frame()
    }

    /// Appends the event's frame to `buf`, which can be reused.
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

    /// Checks the value of a field before it is set.
    fn check(&self, field: Field, value: &str) -> Result<(), EventError> {
        if !self.has_data {
            return Err(EventError::NoData { field });
        }
        // No byte above CR is refused, so the lowest byte tells whether any can be.
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
}

/// Equal events have equal frames.
impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.frame() == other.frame()
    }
}

impl Eq for Event {}

/// Prints the length of the frame, but not its contents.
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
#[cfg(not(loom))]
mod tests;
