//! The index in a segment's seal: a place among its frames every so many bytes, so that a seek is a binary search and a short walk.

use twopath_base::Offset;

use crate::format::frame::{Header, get};

/// Bytes of frames between two entries, at least.
const EVERY_BYTES: u64 = 64 << 10;
/// Bytes of an entry in a seal.
const ENTRY_BYTES: usize = 40;
/// "No event time so far": earlier than every event.
pub(crate) const NO_EVENT_US: i64 = i64::MIN;

/// A frame, and what is known before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// Bytes from the file's start.
    pub pos: u64,
    pub base: Offset,
    pub generation: u64,
    pub arrival_us: i64,
    /// The greatest event time of all records of the partition before this frame.
    pub event_max_us: i64,
}

/// Adds the frame at `pos` if it is far enough from the last entry.
pub(crate) fn note(index: &mut Vec<IndexEntry>, pos: u64, header: &Header, event_max_us: i64) {
    if index.last().is_none_or(|last| pos - last.pos >= EVERY_BYTES) {
        index.push(IndexEntry { pos, base: header.base, generation: header.generation, arrival_us: header.arrival_us, event_max_us });
    }
}

pub(crate) fn encode(index: &[IndexEntry], bytes: &mut Vec<u8>) {
    for e in index {
        for word in [e.pos, e.base.0, e.generation, e.arrival_us as u64, e.event_max_us as u64] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }
}

pub(crate) fn encoded_len(count: usize) -> usize {
    count * ENTRY_BYTES
}

/// What [`encode`] wrote.
pub(crate) fn decode(bytes: &[u8]) -> Vec<IndexEntry> {
    let one = |b: &[u8]| IndexEntry {
        pos: get(b, 0),
        base: Offset(get(b, 8)),
        generation: get(b, 16),
        arrival_us: get(b, 24) as i64,
        event_max_us: get(b, 32) as i64,
    };
    bytes.chunks_exact(ENTRY_BYTES).map(one).collect()
}
