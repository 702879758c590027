//! The tail of a log: the newest bytes, in a buffer that still grows.
//!
//! Streams that keep up read a message or two at a time. They share a small copy, so that the
//! buffer stays a single allocation until its block is full. A longer read freezes the buffer into
//! a piece.
//!
//! ```text
//! block    [ piece ][   piece   ][ tail ......    ]
//!                                     [copy]
//!                                       ^ streams that keep up
//! ```

use bytes::{Bytes, BytesMut};

use crate::topic::log::MAX_PER_STEP;
use crate::topic::log::block::Block;

/// A read of up to this size is copied; a larger one freezes the buffer and shares it.
const MAX_COPIED_READ: usize = 2 * 1024;
/// Consecutive pieces smaller than this are joined, into at most four times this size.
const MIN_SHARED_PIECE: usize = 4 * 1024;
/// The size of a log's first allocation. Each later one may be twice as large as the largest
/// before.
const MIN_PIECE: usize = 1024;
/// A larger frame gets an allocation of its own size.
const LARGE_FRAME: usize = 16 * 1024;

/// The bytes of the open block that are not in its pieces yet.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    /// The latest copy, which streams share, and where it starts in `bytes`.
    latest: Option<(usize, Bytes)>,
    /// The buffer for the next copy.
    copies: BytesMut,
    /// The length of the largest piece so far.
    largest: usize,
    /// The index of the first piece of the open block that may still be joined with the next.
    joined: usize,
}

impl Tail {
    /// Starts a block.
    pub(super) fn start(&mut self) {
        self.joined = 0;
    }

    /// Drops the bytes that are not frozen.
    pub(super) fn clear(&mut self) {
        *self = Self {
            largest: self.largest,
            ..Self::default()
        };
    }

    /// Whether a frame of this length can be written without an allocation.
    #[inline]
    pub(super) fn has_capacity(&self, len: usize) -> bool {
        self.bytes.capacity().saturating_sub(self.bytes.len()) >= len
    }

    /// Freezes the buffer, and allocates a new one for a frame of this length, or for the bytes
    /// that the block is expected to get.
    pub(super) fn reserve(&mut self, block: &mut Block, len: usize, expected: usize) {
        self.freeze(block);
        let capacity = if len > LARGE_FRAME {
            len
        } else {
            expected
                .min(MIN_PIECE.max(self.largest.saturating_mul(2)))
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

    /// The messages of the open block from `from` to `to`, or only to the end of a piece, and the
    /// slot after the last.
    pub(super) fn read(&mut self, block: &mut Block, from: usize, to: usize) -> (Bytes, usize) {
        let frozen = block.frozen();
        let start = block.start_of(from).checked_sub(frozen);
        if let Some(start) = start {
            let end = block.start_of(to).saturating_sub(frozen);
            let is_small = end.saturating_sub(start) <= MAX_COPIED_READ
                && to.saturating_sub(from) <= MAX_PER_STEP;
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
            let capacity = MAX_COPIED_READ.min(self.bytes.capacity() / 4);
            self.copies = BytesMut::with_capacity(capacity.max(bytes.len()));
        }
        self.copies.extend_from_slice(bytes);
        let copy = self.copies.split().freeze();
        self.latest = Some((start, copy.clone()));
        copy
    }

    /// Moves the buffer into a piece of the block.
    pub(super) fn freeze(&mut self, block: &mut Block) {
        if self.bytes.is_empty() {
            return;
        }
        self.latest = None;
        let bytes = core::mem::take(&mut self.bytes).into_boxed_slice();
        let is_small = bytes.len() < MIN_SHARED_PIECE;
        self.largest = self.largest.max(bytes.len());
        block.push_piece(Bytes::from(bytes));
        self.join(block, is_small);
    }

    /// Joins small pieces so that a lagging stream reads larger chunks. Each piece is joined once,
    /// and at most 64 messages are copied at once.
    fn join(&mut self, block: &mut Block, is_small: bool) {
        let pieces = block.pieces();
        let newest = pieces.saturating_sub(1);
        let (messages, bytes) = block.since_piece(self.joined);
        if is_small && messages <= MAX_PER_STEP && bytes <= MIN_SHARED_PIECE.saturating_mul(4) {
            return;
        }
        if newest.saturating_sub(self.joined) > 1 {
            block.merge(self.joined, newest);
        }
        let newest = block.pieces().saturating_sub(1);
        self.joined = newest.saturating_add(usize::from(!is_small));
    }

    /// Closes the block: all its bytes are in pieces, without spare capacity.
    pub(super) fn close(&mut self, block: &mut Block) {
        self.freeze(block);
        let (messages, _) = block.since_piece(self.joined);
        if messages <= MAX_PER_STEP && block.pieces().saturating_sub(self.joined) > 1 {
            block.merge(self.joined, block.pieces());
        }
        block.shrink();
    }
}
