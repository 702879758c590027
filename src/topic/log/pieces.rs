//! The allocations that hold a block's bytes.

use bytes::Bytes;

use crate::topic::log::size;

/// Allocations in order. Most blocks have one, which needs no list.
#[derive(Debug)]
pub(super) enum Pieces {
    One(Bytes),
    Many(Vec<Piece>),
}

#[derive(Debug)]
pub(super) struct Piece {
    /// From the start of the block.
    start: u32,
    bytes: Bytes,
}

impl Default for Pieces {
    fn default() -> Self {
        Self::One(Bytes::new())
    }
}

impl Pieces {
    pub(super) fn count(&self) -> usize {
        match self {
            Self::One(bytes) => usize::from(!bytes.is_empty()),
            Self::Many(pieces) => pieces.len(),
        }
    }

    /// The total length in bytes.
    pub(super) fn end(&self) -> usize {
        match self {
            Self::One(bytes) => bytes.len(),
            Self::Many(pieces) => pieces.last().map_or(0, Piece::end),
        }
    }

    /// Where a piece starts; the end of the last one if there is no such piece.
    pub(super) fn start(&self, index: usize) -> usize {
        match self {
            _ if index == 0 => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(pieces) => pieces
                .get(index)
                .map_or_else(|| self.end(), |piece| size(piece.start)),
        }
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        let start = u32::try_from(self.end()).unwrap_or(u32::MAX);
        let piece = Piece { start, bytes };
        match self {
            Self::Many(pieces) => pieces.push(piece),
            Self::One(first) if first.is_empty() => *first = piece.bytes,
            Self::One(first) => {
                let first = core::mem::take(first);
                let first = Piece {
                    start: 0,
                    bytes: first,
                };
                *self = Self::Many(vec![first, piece]);
            }
        }
    }

    /// Copies these pieces into a single one.
    pub(super) fn merge(&mut self, from: usize, to: usize) {
        let Self::Many(pieces) = self else {
            return;
        };
        let Some(merged) = pieces.get(from..to) else {
            return;
        };
        let Some(start) = merged.first().map(|piece| piece.start) else {
            return;
        };
        let len = merged.iter().map(|piece| piece.bytes.len());
        let mut whole = Vec::with_capacity(len.fold(0, usize::saturating_add));
        for piece in merged {
            whole.extend_from_slice(&piece.bytes);
        }
        let bytes = Bytes::from(whole);
        pieces.splice(from..to, core::iter::once(Piece { start, bytes }));
    }

    /// The bytes from `start` to `end`, or only to the end of their piece.
    pub(super) fn slice(&self, start: usize, end: usize) -> Bytes {
        let (piece_start, bytes) = match self {
            Self::One(bytes) => (0, bytes),
            Self::Many(pieces) => {
                let after = match pieces.last() {
                    Some(last) if size(last.start) <= start => pieces.len(),
                    _ => pieces.partition_point(|piece| size(piece.start) <= start),
                };
                match after.checked_sub(1).and_then(|index| pieces.get(index)) {
                    Some(piece) => (size(piece.start), &piece.bytes),
                    None => return Bytes::new(),
                }
            }
        };
        let within = |byte: usize| byte.saturating_sub(piece_start).min(bytes.len());
        bytes.slice(within(start)..within(end))
    }

    pub(super) fn shrink(&mut self) {
        if let Self::Many(pieces) = self {
            match pieces.pop() {
                Some(only) if pieces.is_empty() => *self = Self::One(only.bytes),
                last => {
                    pieces.extend(last);
                    pieces.shrink_to_fit();
                }
            }
        }
    }
}

impl Piece {
    fn end(&self) -> usize {
        size(self.start).saturating_add(self.bytes.len())
    }
}
