//! Encoding data and comments into the lines of a frame.
//!
//! ```text
//! stream  = [ bom ] *event          (HTML, 9.2.5)
//! event   = *( comment / field ) end-of-line
//! comment = colon *any-char end-of-line
//! field   = 1*name-char [ colon [ space ] *any-char ] end-of-line
//! ```
//!
//! `end-of-line` is always written as LF: all clients agree on it, and none has to wait to see
//! whether a LF follows a CR.

use core::fmt;

use crate::event::Event;
use crate::event::lines::Text;

/// What separates two lines of data.
const DATA: &[u8; 7] = b"\ndata: ";
/// What separates two lines of a comment.
const COMMENT: &[u8; 3] = b"\n: ";

impl Event {
    /// Creates an event with `data`.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Event;
    ///
    /// assert_eq!(Event::new("hello").encode(), "data: hello\n\n");
    /// assert_eq!(Event::new(" two\n\nlines").encode(), "data:  two\ndata: \ndata: lines\n\n");
    /// ```
    #[must_use]
    pub fn new(data: impl AsRef<str>) -> Self {
        let data = data.as_ref().as_bytes();
        let text = Text::new(data);
        // The first line has no LF in front, and the last one has two after it.
        let len = text
            .len_of(DATA)
            .saturating_add(DATA.len())
            .saturating_add(1);
        let mut event = Self::with_capacity(len);
        let buf = event.make_buffer();
        buf.extend_from_slice(b"data: ");
        text.append_to(buf, DATA);
        buf.extend_from_slice(b"\n\n");
        event.has_data = true;
        event.after_cr = data.last() == Some(&b'\r');
        event
    }

    /// Creates an event whose data is the `Display` output of `data`, written directly into the
    /// frame.
    ///
    /// [`fmt::Write`] can append more.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fmt::Write;
    /// use sse_queue::Event;
    ///
    /// let mut event = Event::from_display(format_args!("{}\n", 6 * 7));
    /// write!(event, "{:?}", (1, 2))?;
    /// assert_eq!(event.encode(), "data: 42\ndata: (1, 2)\n\n");
    /// # Ok::<(), std::fmt::Error>(())
    /// ```
    #[must_use]
    pub fn from_display(data: impl fmt::Display) -> Self {
        use fmt::Write as _;

        let mut event = Self::new("");
        // Writing into an event cannot fail. If the `Display` itself fails, its output so far
        // remains.
        let _ = write!(event, "{data}");
        event
    }

    /// Creates a comment, which clients ignore, but proxies and packet traces show.
    ///
    /// Each line of the text becomes a separate comment. The frame does not end with a blank line,
    /// as there is nothing to dispatch, and it never has an id.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Event;
    ///
    /// assert_eq!(Event::comment("a\r\nid: 7").encode(), ": a\n: id: 7\n");
    /// assert_eq!(Event::comment("").encode(), ":\n");
    /// ```
    #[must_use]
    pub fn comment(text: impl AsRef<str>) -> Self {
        let text = text.as_ref().as_bytes();
        if text.is_empty() {
            let mut event = Self::with_capacity(2);
            event.make_buffer().extend_from_slice(b":\n");
            return event;
        }
        let text = Text::new(text);
        let mut event = Self::with_capacity(text.len_of(COMMENT).saturating_add(COMMENT.len()));
        let buf = event.make_buffer();
        buf.extend_from_slice(b": ");
        text.append_to(buf, COMMENT);
        buf.push(b'\n');
        event
    }
}

/// Appends to the event's data.
///
/// A CR at the end of one write and a LF at the start of the next are a single line end. Writing to
/// a comment or a reconnection time adds data to it, so that it is dispatched.
///
/// # Examples
///
/// ```
/// use std::fmt::Write;
/// use sse_queue::Event;
///
/// let mut event = Event::new("a\r");
/// event.write_str("\nb")?;
/// assert_eq!(event.encode(), "data: a\ndata: b\n\n");
/// # Ok::<(), std::fmt::Error>(())
/// ```
impl fmt::Write for Event {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut text = text.as_bytes();
        let had_data = self.has_data;
        if had_data && text.is_empty() {
            return Ok(());
        }
        if self.after_cr {
            text = text.strip_prefix(b"\n").unwrap_or(text);
        }
        self.has_data = true;
        self.after_cr = text.last() == Some(&b'\r');
        let buf = self.make_buffer();
        if had_data {
            // Reopen the last data line: remove its LF and the blank line.
            buf.truncate(buf.len().saturating_sub(2));
        } else {
            buf.extend_from_slice(b"data: ");
        }
        Text::new(text).append_to(buf, DATA);
        buf.extend_from_slice(b"\n\n");
        Ok(())
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
