//! Text into lines of a frame.
//!
//! ```text
//! stream  = [ bom ] *event          (HTML, 9.2.5)
//! event   = *( comment / field ) end-of-line
//! comment = colon *any-char end-of-line
//! field   = 1*name-char [ colon [ space ] *any-char ] end-of-line
//! ```
//!
//! Only LF is written as `end-of-line`: every client agrees on it, and none has to wait to see
//! whether a LF follows a CR.

use core::fmt;

use crate::event::Event;

/// The bytes between two lines of data, and of a comment.
const DATA: &[u8; 7] = b"\ndata: ";
const COMMENT: &[u8; 3] = b"\n: ";

/// What is copied and looked at in one step where lines are short.
const CHUNK: usize = 16;

impl Event {
    /// An event that carries `data`.
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
        // The first line has no LF in front, and two after the last one end the frame.
        let len = text
            .len_of(DATA)
            .saturating_add(DATA.len())
            .saturating_add(1);
        let mut event = Self::with_capacity(len);
        let buf = event.data_end();
        buf.extend_from_slice(b"data: ");
        text.append_to(buf, DATA);
        buf.extend_from_slice(b"\n\n");
        event.has_data = true;
        event.after_cr = data.last() == Some(&b'\r');
        event
    }

    /// An event whose data is what `data` displays, written straight into the frame.
    ///
    /// More can follow through [`fmt::Write`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fmt::Write;
    /// use sse_queue::Event;
    ///
    /// let mut event = Event::display(format_args!("{}\n", 6 * 7));
    /// write!(event, "{:?}", (1, 2))?;
    /// assert_eq!(event.encode(), "data: 42\ndata: (1, 2)\n\n");
    /// # Ok::<(), std::fmt::Error>(())
    /// ```
    #[must_use]
    pub fn display(data: impl fmt::Display) -> Self {
        use fmt::Write as _;

        let mut event = Self::new("");
        // Writing into an event cannot fail; a `Display` that fails by itself leaves what it wrote.
        let _ = write!(event, "{data}");
        event
    }

    /// A comment: clients ignore it, proxies and packet traces see it.
    ///
    /// Text of several lines becomes several comments. The frame has no blank line at its end, as
    /// there is nothing to dispatch, and it never carries an id.
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
            event.data_end().extend_from_slice(b":\n");
            return event;
        }
        let text = Text::new(text);
        let mut event = Self::with_capacity(text.len_of(COMMENT).saturating_add(COMMENT.len()));
        let buf = event.data_end();
        buf.extend_from_slice(b": ");
        text.append_to(buf, COMMENT);
        buf.push(b'\n');
        event
    }
}

/// Appends to the event's data.
///
/// A CR at the end of one write and a LF at the start of the next are one line end, as they are
/// within one. A comment or a reconnection time gets data by this, and then is an event.
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
        let buf = self.data_end();
        if had_data {
            // Open the last data line again: its LF and the blank line go.
            buf.truncate(buf.len().saturating_sub(2));
        } else {
            buf.extend_from_slice(b"data: ");
        }
        Text::new(text).append_to(buf, DATA);
        buf.extend_from_slice(b"\n\n");
        Ok(())
    }
}

/// A text, with its line ends counted.
struct Text<'a> {
    bytes: &'a [u8],
    /// CR and LF, each counted by itself.
    ends: usize,
    /// CRs that a LF follows: two bytes, one line end.
    pairs: usize,
    /// Most texts have no CR, and then need not be searched for it.
    has_cr: bool,
}

impl<'a> Text<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let clean = clean_blocks(bytes);
        let rest = bytes.get(clean..).unwrap_or_default();
        let (blocks, tail) = rest.as_chunks::<128>();
        let (mut ends, mut returns) = (0_usize, 0_usize);
        for (cr, lf) in blocks.iter().map(|block| count(block)).chain([count(tail)]) {
            ends = ends.saturating_add(cr).saturating_add(lf);
            returns = returns.saturating_add(cr);
        }
        let pairs = match returns {
            0 => 0,
            _ => rest.windows(2).filter(|pair| pair == b"\r\n").count(),
        };
        Self {
            bytes,
            ends,
            pairs,
            has_cr: returns > 0,
        }
    }

    /// The length of the text with each line end replaced by `between`.
    fn len_of(&self, between: &[u8]) -> usize {
        let breaks = self.ends.saturating_sub(self.pairs);
        let text = self.bytes.len().saturating_sub(self.ends);
        text.saturating_add(between.len().saturating_mul(breaks))
    }

    /// Appends the text with each line end replaced by `between`.
    ///
    /// `end-of-line = ( cr lf / cr / lf )`, and nothing else: neither U+0085 nor U+2028.
    fn append_to<const N: usize>(&self, buf: &mut Vec<u8>, between: &[u8; N]) {
        if self.ends == 0 {
            buf.extend_from_slice(self.bytes);
            return;
        }
        let start = buf.len();
        buf.resize(start.saturating_add(self.len_of(between)), 0);
        let out = buf.get_mut(start..).unwrap_or_default();
        if self.has_cr {
            copy_lines::<N, true>(self.bytes, out, between);
        } else {
            copy_lines::<N, false>(self.bytes, out, between);
        }
    }
}

/// Copies a text with each line end replaced by `between`, into a buffer of exactly the right size.
fn copy_lines<const N: usize, const CR: bool>(
    mut text: &[u8],
    mut out: &mut [u8],
    between: &[u8; N],
) {
    loop {
        (text, out) = copy_line::<CR>(text, out);
        text = match text {
            [b'\r', b'\n', behind @ ..] | [_, behind @ ..] => behind,
            [] => return,
        };
        // `len_of` counted it.
        let Some((slot, rest)) = out.split_first_chunk_mut::<N>() else {
            return;
        };
        *slot = *between;
        out = rest;
    }
}

/// Copies up to the first line end; returns the rest of the text and of the buffer.
///
/// Whole chunks are copied wherever the line ends in them: what is too much is
/// overwritten next. That spares a call of `memcpy` for each short line.
#[inline]
fn copy_line<'t, 'r, const CR: bool>(
    mut text: &'t [u8],
    mut out: &'r mut [u8],
) -> (&'t [u8], &'r mut [u8]) {
    while let (Some((chunk, behind)), Some(slot)) = (
        text.split_first_chunk::<CHUNK>(),
        out.first_chunk_mut::<CHUNK>(),
    ) {
        *slot = *chunk;
        if let Some(at) = find_end::<CR>(chunk) {
            let text = text.get(at..).unwrap_or_default();
            return (text, out.get_mut(at..).unwrap_or_default());
        }
        text = behind;
        out = core::mem::take(&mut out)
            .get_mut(CHUNK..)
            .unwrap_or_default();
    }
    let end = text.iter().position(|byte| is_end(*byte));
    let end = end.unwrap_or(text.len());
    match (text.split_at_checked(end), out.split_at_mut_checked(end)) {
        (Some((line, text)), Some((slot, out))) => {
            slot.copy_from_slice(line);
            (text, out)
        }
        _ => (&[], &mut []),
    }
}

/// How many CRs and LFs a block of at most 255 bytes has.
///
/// The counts are bytes, which keeps sixteen of them in one vector register.
#[inline]
fn count(block: &[u8]) -> (usize, usize) {
    let (mut cr, mut lf) = (0_u8, 0_u8);
    for byte in block {
        cr = cr.wrapping_add(u8::from(*byte == b'\r'));
        lf = lf.wrapping_add(u8::from(*byte == b'\n'));
    }
    (usize::from(cr), usize::from(lf))
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// How many bytes at the start are known to be no line ends, in whole blocks.
fn clean_blocks(text: &[u8]) -> usize {
    const BLOCK: usize = 256;

    let (blocks, _) = text.as_chunks::<BLOCK>();
    let clean = blocks.iter().take_while(|block| !may_have_end(block));
    clean.count().saturating_mul(BLOCK)
}

/// Whether a byte is as low as CR: one vector instruction for sixteen bytes, and rarely wrong.
fn may_have_end<const N: usize>(bytes: &[u8; N]) -> bool {
    bytes.iter().fold(u8::MAX, |low, byte| low.min(*byte)) <= b'\r'
}

/// The index of the first CR or LF in two words.
#[inline]
fn find_end<const CR: bool>(chunk: &[u8; CHUNK]) -> Option<usize> {
    let ([first, second], []) = chunk.as_chunks::<8>() else {
        return None;
    };
    let ends = line_ends::<CR>(u64::from_le_bytes(*first));
    if ends != 0 {
        return usize::try_from(ends.trailing_zeros() / 8).ok();
    }
    let ends = line_ends::<CR>(u64::from_le_bytes(*second));
    if ends != 0 {
        return usize::try_from(ends.trailing_zeros() / 8)
            .ok()?
            .checked_add(8);
    }
    None
}

#[inline]
const fn line_ends<const CR: bool>(word: u64) -> u64 {
    let ends = zero_bytes(word ^ repeat(b'\n'));
    if CR {
        ends | zero_bytes(word ^ repeat(b'\r'))
    } else {
        ends
    }
}

const fn repeat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Sets the high bit of the lowest byte that is zero. Bits above it may be set wrongly, by the
/// borrow; below it none is. (Warren, Hacker's Delight, 6-1: find first 0-byte.)
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(repeat(1)) & !word & repeat(0x80)
}

#[cfg(test)]
mod tests {
    use core::fmt::Write as _;

    use super::*;

    fn encoded(data: &str) -> String {
        String::from_utf8(Event::new(data).encode().to_vec()).unwrap()
    }

    #[test]
    fn crlf_is_one_line_end() {
        assert_eq!(encoded("a\r\nb"), "data: a\ndata: b\n\n");
        assert_eq!(encoded("a\n\rb"), "data: a\ndata: \ndata: b\n\n");
        assert_eq!(encoded("\r\r\n"), "data: \ndata: \ndata: \n\n");
    }

    #[test]
    fn a_lone_cr_is_a_line_end_and_injects_nothing() {
        assert_eq!(encoded("a\rid: 9"), "data: a\ndata: id: 9\n\n");
    }

    #[test]
    fn empty_data_is_still_sent() {
        assert_eq!(encoded(""), "data: \n\n");
    }

    #[test]
    fn a_trailing_line_end_is_kept() {
        assert_eq!(encoded("a\n"), "data: a\ndata: \n\n");
        assert_eq!(encoded("\n"), "data: \ndata: \n\n");
    }

    #[test]
    fn a_leading_space_is_kept() {
        assert_eq!(encoded(" a"), "data:  a\n\n");
    }

    #[test]
    fn only_cr_and_lf_end_lines() {
        for text in [
            "\u{85}",
            "\u{2028}",
            "\u{2029}",
            "\x0b\x0c",
            "\0",
            "\u{feff}x",
            "\x1c",
        ] {
            assert_eq!(encoded(text), format!("data: {text}\n\n"));
        }
    }

    #[test]
    fn an_event_of_text_fills_its_buffer_to_the_last_byte() {
        for data in [
            "",
            "a",
            "a\nb",
            "a\r\nb\r\rc\n",
            &"x".repeat(1000),
            &"y\r\n".repeat(99),
        ] {
            let mut event = Event::new(data);
            let buf = event.data_end();
            assert_eq!(buf.capacity(), buf.len(), "{data:?}");
        }
    }

    #[test]
    fn every_position_of_a_line_end_is_found() {
        for len in 0..80 {
            for at in 0..len {
                for end in ["\n", "\r", "\r\n"] {
                    let (before, behind) = ("\x0c".repeat(at), "\t".repeat(len - at));
                    let frame = format!("data: {before}\ndata: {behind}\n\n");
                    assert_eq!(encoded(&format!("{before}{end}{behind}")), frame);
                }
            }
        }
    }

    #[test]
    fn writes_in_pieces_equal_one_write() {
        let text = "a\r\n\r\nb\rc\n\n d\r";
        for cut in 0..=text.len() {
            let mut event = Event::display("");
            event.write_str(&text[..cut]).unwrap();
            event.write_str("").unwrap();
            event.write_str(&text[cut..]).unwrap();
            assert_eq!(event, Event::new(text), "{cut}");
        }
    }

    #[test]
    fn a_line_end_written_alone_behind_a_cr_swallows_no_other() {
        let mut event = Event::new("a\r");
        event.write_str("\n").unwrap();
        event.write_str("\nb").unwrap();
        assert_eq!(event, Event::new("a\r\n\nb"));
    }

    #[test]
    fn a_comment_gets_data_by_a_write() {
        let mut event = Event::comment("note");
        event.write_str("x\ny").unwrap();
        assert_eq!(
            event.id("7").unwrap().encode(),
            "id: 7\n: note\ndata: x\ndata: y\n\n"
        );
    }

    #[test]
    fn a_comment_with_line_ends_is_several_comments() {
        let comment = |text| Event::comment(text).encode();
        assert_eq!(comment("a\rdata: b\n"), ": a\n: data: b\n: \n");
        assert_eq!(comment("\0"), ": \0\n");
    }
}
