//! The data that the encoder is measured on, and a plain copy to measure it against.

use bytes::Bytes;
use sse_queue::Event;

const LEN: usize = 64 * 1024;

/// 64 KiB without a line end.
pub(crate) fn one_line() -> String {
    "x".repeat(LEN)
}

/// 64 KiB with a line end every 30 bytes.
pub(crate) fn short_lines() -> String {
    let line = format!("{}\n", "x".repeat(29));
    let mut text = line.repeat(LEN / line.len() + 1);
    text.truncate(LEN);
    text
}

/// Builds and encodes an event.
pub(crate) fn encode(data: &str) -> Bytes {
    Event::new(data).encode()
}

/// The minimum that any encoder must do.
pub(crate) fn copy(data: &str) -> Bytes {
    Bytes::copy_from_slice(data.as_bytes())
}
