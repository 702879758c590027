//! The line of a frame that sets an issued id, without an allocation.

/// The line `id: ID`, or an empty line for an empty id.
#[derive(Debug)]
pub(super) struct IdLine {
    line: [u8; 48],
    len: usize,
}

impl IdLine {
    pub(super) fn new(id: &[u8]) -> Self {
        let mut line = [0; 48];
        let mut len = 0_usize;
        let parts: [&[u8]; 3] = if id.is_empty() {
            [b""; 3]
        } else {
            [b"id: ", id, b"\n"]
        };
        for part in parts {
            let end = len.saturating_add(part.len());
            if let Some(slot) = line.get_mut(len..end) {
                slot.copy_from_slice(part);
            }
            len = end;
        }
        Self { line, len }
    }

    /// The length of the line for an id.
    pub(super) fn len_of(id: &[u8]) -> usize {
        id.len().saturating_add("id: \n".len())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.line.get(..self.len).unwrap_or_default()
    }
}
