//! Splitting a text into lines: counting line ends, and copying with each of them replaced.

/// The number of bytes that are copied and searched at once in short lines.
const CHUNK: usize = 16;

/// A text whose line ends have been counted.
pub(super) struct Text<'a> {
    bytes: &'a [u8],
    /// The number of CRs and LFs.
    ends: usize,
    /// The number of CRs before a LF: these two bytes are a single line end.
    pairs: usize,
    /// Whether there is any CR. Most texts have none, so they are not searched for it.
    has_cr: bool,
}

impl<'a> Text<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
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
    pub(super) fn len_of(&self, between: &[u8]) -> usize {
        let breaks = self.ends.saturating_sub(self.pairs);
        let text = self.bytes.len().saturating_sub(self.ends);
        text.saturating_add(between.len().saturating_mul(breaks))
    }

    /// Appends the text with each line end replaced by `between`.
    ///
    /// `end-of-line = ( cr lf / cr / lf )`, and nothing else: neither U+0085 nor U+2028.
    pub(super) fn append_to<const N: usize>(&self, buf: &mut Vec<u8>, between: &[u8; N]) {
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

/// Copies a text into a buffer of exactly the right size, with each line end replaced by `between`.
fn copy_lines<const N: usize, const CR: bool>(
    mut text: &[u8],
    mut out: &mut [u8],
    between: &[u8; N],
) {
    loop {
        (text, out) = copy_line::<CR>(text, out);
        text = match text {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => return,
        };
        // There is space: `len_of` has counted this line end.
        let Some((slot, rest)) = out.split_first_chunk_mut::<N>() else {
            return;
        };
        *slot = *between;
        out = rest;
    }
}

/// Copies up to the first line end; returns the rest of the text and of the buffer.
///
/// The last chunk is copied as a whole, even if the line ends within it: the next copy overwrites
/// the excess. This avoids a call of `memcpy` for each short line.
#[inline]
fn copy_line<'t, 'r, const CR: bool>(
    mut text: &'t [u8],
    mut out: &'r mut [u8],
) -> (&'t [u8], &'r mut [u8]) {
    while let (Some((chunk, rest)), Some(slot)) = (
        text.split_first_chunk::<CHUNK>(),
        out.first_chunk_mut::<CHUNK>(),
    ) {
        *slot = *chunk;
        if let Some(at) = find_end::<CR>(chunk) {
            let text = text.get(at..).unwrap_or_default();
            return (text, out.get_mut(at..).unwrap_or_default());
        }
        text = rest;
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

/// Counts the CRs and LFs in a block of at most 255 bytes.
///
/// The counters are bytes, so that a vector register holds sixteen of them.
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

/// The length of the blocks at the start that have no line end.
fn clean_blocks(text: &[u8]) -> usize {
    const BLOCK: usize = 256;

    let (blocks, _) = text.as_chunks::<BLOCK>();
    let clean = blocks.iter().take_while(|block| !may_have_end(block));
    clean.count().saturating_mul(BLOCK)
}

/// False if there is certainly no line end, because all bytes are above CR. This takes one vector
/// instruction for sixteen bytes, and is rarely true for other low bytes.
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

/// Marks the lowest line end in a word: see [`zero_bytes`].
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

/// Sets the high bit of the lowest byte that is zero, and no lower bit. Higher bits may be set too,
/// by the borrow. (Warren, Hacker's Delight, 6-1: find first 0-byte.)
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(repeat(1)) & !word & repeat(0x80)
}
