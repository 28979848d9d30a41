//! A partition's manifest.

use std::path::Path;

use crate::error::LogError;
use crate::format::manifest::{MAGIC, PartitionManifest};
use crate::format::segment::file_name;
use twopath_base::Offset;
use twopath_base::checksum::crc32c;

use super::{ID, P0};

/// Whether the input is a manifest of the topic's partition. It is written again as one that says the same, and names each file once.
pub fn manifest(data: &[u8]) -> bool {
    super::both(data, mend, check)
}

fn mend(bytes: &mut Vec<u8>) {
    let json = bytes.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1);
    *bytes = [format!("{MAGIC}{:08x}\n", crc32c(&bytes[json..])).as_bytes(), &bytes[json..]].concat();
}

fn check(bytes: &[u8]) -> bool {
    let path = Path::new("p0/manifest");
    let manifest = match PartitionManifest::decode(bytes, path, ID, P0) {
        Ok(manifest) => manifest,
        Err(LogError::Corrupt { path: named, offset, .. }) => {
            assert!(named == path && offset <= bytes.len() as u64, "the place of the error");
            return false;
        }
        Err(e) => panic!("an error of another kind: {e}"),
    };
    assert_eq!(PartitionManifest::decode(&manifest.encode(), path, ID, P0).ok().as_ref(), Some(&manifest), "what is written is read");
    // Some of what may be in the folder: whatever the manifest says, each segment comes once and in order.
    let places = [0, 1, 9, 10, 200, u64::MAX];
    let bases = places.into_iter().chain(manifest.rewritten.iter().flat_map(|r| [r.base.0, r.end.0])).map(Offset);
    let names: Vec<String> = bases.map(file_name).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let bases = manifest.bases(&names);
    assert!(bases.windows(2).all(|pair| pair[0] < pair[1]), "{bases:?} are not segments in order");
    assert!(bases.iter().all(|b| *b >= manifest.start.offset), "a segment before the log's start");
    let files: std::collections::BTreeSet<String> = bases.iter().map(|b| manifest.file_name(*b)).collect();
    assert_eq!(files.len(), bases.len(), "a file stands for two segments");
    true
}
