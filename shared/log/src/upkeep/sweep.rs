//! What the manifest no longer names goes.

use std::collections::HashSet;

use twopath_base::{Offset, PartitionId};
use twopath_storage::{remove_if_there, write_atomically};

use crate::error::LogError;
use crate::format::manifest::{self, PartitionManifest};
use crate::format::segment;
use crate::partition::state::{TopicState, unmap};

pub(crate) fn write_manifest(topic: &TopicState, p: PartitionId, manifest: &PartitionManifest) -> Result<(), LogError> {
    let path = topic.partition_dir(p).join(manifest::FILE);
    write_atomically(&*topic.storage, &path, &manifest.encode()).map_err(LogError::io("write", &path))
}

/// Removes the files of a partition that the manifest no longer names. Only for the holder of the housekeeping lock.
pub(crate) fn sweep(topic: &TopicState, p: PartitionId) -> Result<(), LogError> {
    let dir = topic.partition_dir(p);
    // Stub mapped until their files are removed: whoever is last gives their blocks back.
    let mut known = topic.known_segments(p);
    let manifest = topic.manifest(p)?;
    known.retain(|s| !s.is_named_by(&manifest));
    let names = topic.storage.list(&dir).map_err(LogError::io("list", &dir))?;
    let bases = manifest.bases(&names);
    let file = |base: &Offset| match manifest.remote(*base) {
        Some(_) => segment::stub_name(&manifest.file_name(*base)),
        None => manifest.file_name(*base),
    };
    let named: HashSet<String> = bases.iter().map(file).collect();
    let mut unnamed = names.iter().filter(|n| segment::is_segment_name(n) && !named.contains(*n)).peekable();
    if unnamed.peek().is_some() {
        // Who wrote the manifest may have died before it was sure to stay.
        topic.storage.sync_dir(&dir).map_err(LogError::io("sync", &dir))?;
    }
    for name in unnamed {
        let path = dir.join(name);
        remove_if_there(&*topic.storage, &path).map_err(LogError::io("remove", &path))?;
    }
    unmap(known);
    Ok(())
}

/// Deletes the objects that the manifest names as unneeded, and returns how many could not be deleted now. Only for the holder of the
/// housekeeping lock.
pub(crate) fn delete_unneeded(topic: &TopicState, p: PartitionId) -> Result<u64, LogError> {
    let mut manifest = PartitionManifest::clone(&*topic.manifest(p)?);
    if manifest.unneeded.is_empty() {
        return Ok(0);
    }
    let dir = topic.partition_dir(p);
    topic.storage.sync_dir(&dir).map_err(LogError::io("sync", &dir))?;
    let unneeded = std::mem::take(&mut manifest.unneeded);
    let before = unneeded.len();
    let mut stores_failed = HashSet::new();
    for object in unneeded {
        assert!(manifest.remote.iter().all(|r| r.object != object), "no segment's object is named as unneeded");
        // Each call to a store that is gone takes its time.
        let tried = (!stores_failed.contains(&object.store)).then(|| topic.object(&manifest, p, &object).delete());
        if let Some(Err(e)) = &tried {
            tracing::warn!("an object that nothing needs stays for now: {e}");
            stores_failed.insert(object.store);
        }
        if !matches!(tried, Some(Ok(()))) {
            manifest.unneeded.push(object);
        }
    }
    if manifest.unneeded.len() < before {
        write_manifest(topic, p, &manifest)?;
    }
    Ok(manifest.unneeded.len() as u64)
}
