//! The newest messages of a log: bytes that are still written to.
//!
//! Streams that keep up read a message or two at a time. They share a small copy, so that the bytes
//! stay one allocation until their block is full. A longer read freezes what is there.
//!
//! ```text
//! block    [ piece ][   piece   ][ tail ......    ]
//!                                     [copy]
//!                                       ^ streams that keep up
//! ```

use bytes::{Bytes, BytesMut};

use crate::topic::log::MOST_AT_ONCE;
use crate::topic::log::block::Block;

/// What is read is copied up to this size, and shared as it is beyond.
const SMALL_READ: usize = 2 * 1024;
/// Smaller pieces in a row are joined, up to four times as much at once.
const SMALL_PIECE: usize = 4 * 1024;
/// The first allocation of a log; each may be twice as large as those before.
const SMALLEST: usize = 1024;
/// A larger frame gets an allocation of its own size.
const LARGE_FRAME: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    /// The copy that streams share, and where it starts in `bytes`.
    latest: Option<(usize, Bytes)>,
    /// Where the next copy is written to.
    copies: BytesMut,
    /// The size of the largest piece so far.
    largest: usize,
    /// The first piece of the open block that may still be joined with the next.
    joined: usize,
}

impl Tail {
    /// Starts a block.
    pub(super) fn start(&mut self) {
        self.joined = 0;
    }

    /// Drops what was not frozen.
    pub(super) fn clear(&mut self) {
        *self = Self {
            largest: self.largest,
            ..Self::default()
        };
    }

    /// Whether a frame of this length can be written.
    #[inline]
    pub(super) fn has_capacity(&self, len: usize) -> bool {
        self.bytes.capacity().saturating_sub(self.bytes.len()) >= len
    }

    /// Makes a piece of what is there, and allocates for a frame of this length, and for what the
    /// block is expected to take.
    pub(super) fn reserve(&mut self, block: &mut Block, len: usize, expected: usize) {
        self.freeze(block);
        let capacity = if len > LARGE_FRAME {
            len
        } else {
            expected
                .min(SMALLEST.max(self.largest.saturating_mul(2)))
                .max(len)
        };
        self.bytes = Vec::with_capacity(capacity);
    }

    /// Appends a frame.
    #[inline]
    pub(super) fn write(&mut self, parts: [&[u8]; 2]) {
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
    }

    /// The messages of the open block from `from` on, to `to` or to the end of a piece, and where
    /// they end.
    pub(super) fn read(&mut self, block: &mut Block, from: usize, to: usize) -> (Bytes, usize) {
        let frozen = block.frozen();
        let start = block.start_of(from).checked_sub(frozen);
        if let Some(start) = start {
            let end = block.start_of(to).saturating_sub(frozen);
            let is_small =
                end.saturating_sub(start) <= SMALL_READ && to.saturating_sub(from) <= MOST_AT_ONCE;
            if is_small {
                return (self.copied(start, end), to);
            }
            self.freeze(block);
        }
        block.slice(from, to)
    }

    fn copied(&mut self, start: usize, end: usize) -> Bytes {
        if let Some((at, copy)) = &self.latest
            && let Some(from) = start.checked_sub(*at)
            && let to = end.saturating_sub(*at)
            && to <= copy.len()
        {
            return copy.slice(from..to);
        }
        self.latest = None;
        let bytes = self.bytes.get(start..end).unwrap_or_default();
        if self.copies.capacity() < bytes.len() && !self.copies.try_reclaim(bytes.len()) {
            let usual = SMALL_READ.min(self.bytes.capacity() / 4);
            self.copies = BytesMut::with_capacity(usual.max(bytes.len()));
        }
        self.copies.extend_from_slice(bytes);
        let copy = self.copies.split().freeze();
        self.latest = Some((start, copy.clone()));
        copy
    }

    /// Makes a piece of what is there.
    pub(super) fn freeze(&mut self, block: &mut Block) {
        if self.bytes.is_empty() {
            return;
        }
        self.latest = None;
        let bytes = core::mem::take(&mut self.bytes).into_boxed_slice();
        let is_small = bytes.len() < SMALL_PIECE;
        self.largest = self.largest.max(bytes.len());
        block.push_piece(Bytes::from(bytes));
        self.join(block, is_small);
    }

    /// Joins small pieces, each once, so that a lagging stream reads larger chunks: at most
    /// 64 messages at once.
    fn join(&mut self, block: &mut Block, is_small: bool) {
        let pieces = block.pieces();
        let newest = pieces.saturating_sub(1);
        let (messages, bytes) = block.since_piece(self.joined);
        if is_small && messages <= MOST_AT_ONCE && bytes <= SMALL_PIECE.saturating_mul(4) {
            return;
        }
        if newest.saturating_sub(self.joined) > 1 {
            block.merge(self.joined, newest);
        }
        let newest = block.pieces().saturating_sub(1);
        self.joined = newest.saturating_add(usize::from(!is_small));
    }

    /// Ends the block: what it has is all in pieces, and nothing more is allocated.
    pub(super) fn close(&mut self, block: &mut Block) {
        self.freeze(block);
        let (messages, _) = block.since_piece(self.joined);
        if messages <= MOST_AT_ONCE && block.pieces().saturating_sub(self.joined) > 1 {
            block.merge(self.joined, block.pieces());
        }
        block.shrink();
    }
}
