//! Frames that are sent as one chunk.

use bytes::{Bytes, BytesMut};

use crate::source::Limit;

/// Whole frames, collected within a [`Limit`].
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    first: Option<Bytes>,
    rest: Vec<Bytes>,
    bytes: usize,
}

impl Chunk {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(!self.is_empty()).saturating_add(self.rest.len())
    }

    /// Whether the limit on messages allows another frame.
    pub(crate) fn has_capacity_left(&self, limit: Limit) -> bool {
        self.is_empty() || self.rest.len().saturating_add(1) < limit.messages
    }

    /// Whether the limit on bytes has not been reached.
    pub(crate) fn has_bytes_left(&self, limit: Limit) -> bool {
        self.is_empty() || self.bytes < limit.bytes
    }

    /// Whether this frame fits. The first one always does, so that a frame above the limit is sent
    /// alone.
    pub(crate) fn fits(&self, frame: &Bytes, limit: Limit) -> bool {
        self.is_empty() || self.bytes.saturating_add(frame.len()) <= limit.bytes
    }

    pub(crate) fn push(&mut self, frame: Bytes) {
        self.bytes = self.bytes.saturating_add(frame.len());
        match self.first {
            None => self.first = Some(frame),
            Some(_) => self.rest.push(frame),
        }
    }

    /// Joins the frames into one buffer. A single frame is not copied.
    pub(crate) fn join(self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return self.first;
        }
        let mut chunk = BytesMut::with_capacity(self.bytes);
        for frame in self.first.iter().chain(&self.rest) {
            chunk.extend_from_slice(frame);
        }
        Some(chunk.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_frame_is_not_copied() {
        let frame = Bytes::from(vec![1, 2, 3]);
        let mut chunk = Chunk::default();
        chunk.push(frame.clone());
        assert_eq!(chunk.join().unwrap().as_ptr(), frame.as_ptr());
        assert_eq!(Chunk::default().join(), None);
    }

    #[test]
    fn a_frame_above_the_limit_is_sent_alone() {
        let limit = Limit::new(4, 3);
        let mut chunk = Chunk::default();
        assert!(chunk.fits(&Bytes::from_static(b"12345"), limit));
        chunk.push(Bytes::from_static(b"12"));
        assert!(!chunk.fits(&Bytes::from_static(b"345"), limit));
        assert!(chunk.fits(&Bytes::from_static(b"34"), limit));
        chunk.push(Bytes::from_static(b"34"));
        assert!(chunk.has_capacity_left(limit));
        chunk.push(Bytes::new());
        assert!(!chunk.has_capacity_left(limit));
        assert_eq!(chunk.join().unwrap(), "1234");
    }
}
