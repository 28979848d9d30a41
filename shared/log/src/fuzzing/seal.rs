//! A segment's seal: summary, index, producers, Arrow footer.

use crate::format::frame::{get, get_u32};
use crate::format::index;
use crate::format::segment::{self, Notes, parse_seal, seal_start};
use twopath_base::checksum::crc32c;

use super::config;

/// Bytes before the index.
const SUMMARY_BYTES: usize = 128;

/// Whether the input is a seal. What it says is said again, byte for byte, by a seal that is made of it.
pub fn seal(data: &[u8]) -> bool {
    super::both(data, |bytes| mend(bytes), check)
}

/// Makes the checksums of a seal fit, as far as its lengths fit the bytes.
pub(super) fn mend(bytes: &mut [u8]) {
    if bytes.len() < SUMMARY_BYTES {
        return;
    }
    let notes_len = usize::try_from(get(bytes, 112)).unwrap_or(usize::MAX);
    let (summary, rest) = bytes.split_at_mut(SUMMARY_BYTES);
    if let Some((notes, footer)) = rest.split_at_checked(notes_len) {
        summary[72..76].copy_from_slice(&(footer.len() as u32).to_le_bytes());
        summary[76..80].copy_from_slice(&crc32c(footer).to_le_bytes());
        summary[92..96].copy_from_slice(&crc32c(notes).to_le_bytes());
    }
    let crc = crc32c(&summary[..124]);
    summary[124..].copy_from_slice(&crc.to_le_bytes());
}

fn check(bytes: &[u8]) -> bool {
    if let Some(at) = seal_start(bytes) {
        assert!(at <= bytes.len() as u64, "the seal would start behind the file");
    }
    let Ok(seal) = parse_seal(bytes) else { return false };
    let index = seal.index();
    let mut encoded = Vec::new();
    index::encode(&index, &mut encoded);
    assert_eq!(encoded.len(), index::encoded_len(index.len()));
    assert_eq!(encoded, bytes[SUMMARY_BYTES..SUMMARY_BYTES + encoded.len()], "the index as it was");
    let Ok(producers) = seal.producers() else { return false };
    assert_eq!(producers.len(), get_u32(bytes, 88) as usize, "each producer once");
    let from = SUMMARY_BYTES + encoded.len();
    encoded.clear();
    producers.encode(&mut encoded);
    assert_eq!(encoded, bytes[from..from + encoded.len()], "the producers as they were");
    let notes = Notes { index, producers };
    let again = segment::seal(&config().schema, &seal.summary, &notes, &[]);
    let parsed = parse_seal(&again).expect("a seal that was just made");
    assert_eq!((parsed.summary, parsed.index(), parsed.producers()), (seal.summary, notes.index, Ok(notes.producers)));
    assert_eq!(seal_start(&[&[0; 64][..], &again].concat()), Some(64));
    true
}
