//! Manifests of checkpoints.

use twopath_base::checksum::crc32c;
use twopath_speed::checkpoint::Manifest;

/// Whether the input, once its first line fits the rest, is the manifest of a checkpoint. One that is read is whole: its generations abut, its runs
/// are names in its folder, and it is written as it was read.
pub fn checkpoint(data: &[u8]) -> bool {
    // As it stands: it must not fall over, and a checksum seldom fits.
    let _ = Manifest::decode(data);
    let text = data.iter().position(|b| *b == b'\n').map_or(data, |end| &data[end + 1..]);
    let mut mended = format!("twopath-checkpoint 1 {:08x} {}\n", crc32c(text), text.len()).into_bytes();
    mended.extend(text);
    match Manifest::decode(&mended) {
        Err(reason) => {
            assert!(!reason.is_empty(), "it is refused without a reason");
            false
        }
        Ok(manifest) => {
            assert!(manifest.position().covers(manifest.lower()), "it ends before it starts");
            assert!(manifest.generations.windows(2).all(|pair| pair[0].upper == pair[1].lower), "there is a hole in it");
            assert!(manifest.runs().all(|run| run.file.starts_with("run-") && !run.file.contains('/')), "a run is outside of its folder");
            assert_eq!(Manifest::decode(&manifest.encode()).as_ref(), Ok(&manifest), "it is not written as it was read");
            true
        }
    }
}
