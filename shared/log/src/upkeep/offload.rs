//! Tiering: sealed segments are moved to an object store and read from there as if they were here ([`super::cache`]); and back.
//!
//! An object that is about to be made is named in the manifest as unneeded. Then it is made and read back; then the manifest names it as
//! the place of its segment; and then the file goes. A crash at any point leaves a whole file or a whole object that the manifest names,
//! and what else there is (a file, an object named as unneeded) goes with the next housekeeping.
//!
//! The newest sealed segment stays, so that a writer opens by what is here.

use std::io::IoSlice;
use std::path::PathBuf;

use serde::Serialize;

use twopath_base::PartitionId;
use twopath_storage::{ObjectError, canonical_address, remove_if_there, write_atomically};

use crate::config::Offload;
use crate::error::LogError;
use crate::format::manifest::{ObjectRef, PartitionManifest, Remote};
use crate::format::{segment, stub};
use crate::partition::locks::upkeep_lock;
use crate::partition::state::{SegmentInfo, TopicState};
use crate::partition::verify;
use crate::upkeep::sweep::{delete_unneeded, sweep, write_manifest};
use twopath_base::checksum::crc32c;

/// So many segments are named in the manifest at once.
const PUBLISH_SEGMENTS: usize = 16;

/// What was moved to an object store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OffloadReport {
    pub segments_moved: u64,
    pub bytes_moved: u64,
    /// Of the topic, afterwards.
    pub segments_remote: u64,
    pub bytes_remote: u64,
    pub segments_local: u64,
    pub bytes_local: u64,
    /// Objects that nothing needs and that could not be deleted now: the next housekeeping tries again.
    pub objects_left: u64,
}

/// What was brought back from object stores.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RecallReport {
    pub segments_moved: u64,
    pub bytes_moved: u64,
    /// Objects that nothing needs and that could not be deleted now: the next housekeeping tries again.
    pub objects_left: u64,
}

/// Moves sealed segments to an object store, oldest first. Appends and readers go on meanwhile.
///
/// # Errors
/// The store cannot be reached or does not hold what was written to it, another process is housekeeping, a segment is damaged, or a
/// file cannot be written. What was moved until then stays moved, and everything can be read.
pub(crate) fn offload(topic: &TopicState, options: &Offload) -> Result<OffloadReport, LogError> {
    let address = store_address(&options.to)?;
    let _lock = upkeep_lock(topic)?;
    topic.tier.check(&address)?;
    let mut report = OffloadReport::default();
    for p in topic.partition_ids() {
        sweep(topic, p)?;
        delete_unneeded(topic, p)?;
        keep_again(topic, p)?;
        let segments = choose(topic, p, options)?;
        if !segments.is_empty() {
            sync_newest_sealed(topic, p)?;
        }
        for part in segments.chunks(PUBLISH_SEGMENTS) {
            move_away(topic, p, &address, part)?;
            report.segments_moved += part.len() as u64;
            report.bytes_moved += part.iter().map(|s| s.bytes).sum::<u64>();
        }
        report.objects_left += topic.manifest(p)?.unneeded.len() as u64;
        for s in topic.segments(p)? {
            let (segments, bytes) = match s.object {
                Some(_) => (&mut report.segments_remote, &mut report.bytes_remote),
                None => (&mut report.segments_local, &mut report.bytes_local),
            };
            *segments += 1;
            *bytes += s.bytes;
        }
    }
    Ok(report)
}

/// Brings every remote segment back into the topic's folder, and deletes the objects.
///
/// # Errors
/// As of [`Self::offload`].
pub(crate) fn recall(topic: &TopicState) -> Result<RecallReport, LogError> {
    let _lock = upkeep_lock(topic)?;
    let mut report = RecallReport::default();
    for p in topic.partition_ids() {
        sweep(topic, p)?;
        delete_unneeded(topic, p)?;
        let remote = topic.manifest(p)?.remote.clone();
        for part in remote.chunks(PUBLISH_SEGMENTS) {
            bring_back(topic, p, part)?;
            report.segments_moved += part.len() as u64;
            report.bytes_moved += part.iter().map(|r| r.object.bytes).sum::<u64>();
        }
        report.objects_left += delete_unneeded(topic, p)?;
    }
    Ok(report)
}

/// A store's address as it is kept.
pub(crate) fn store_address(text: &str) -> Result<String, LogError> {
    canonical_address(text).map_err(|e: ObjectError| LogError::Store { action: "open", address: text.to_owned(), what: e.to_string() })
}

/// The local segments that are to be moved, oldest first.
fn choose(topic: &TopicState, p: PartitionId, options: &Offload) -> Result<Vec<SegmentInfo>, LogError> {
    let shared = topic;
    let segments = topic.segments(p)?;
    let newest = segments.iter().rposition(|s| s.sealed).unwrap_or(0);
    let mut local: u64 = segments.iter().filter(|s| s.object.is_none()).map(|s| s.bytes).sum();
    let share = options.keep_local_bytes.map(|bytes| bytes / shared.partitions() as u64);
    let horizon_us = options.older_than.map(|age| shared.clock.now_us().saturating_sub(age.as_micros().try_into().unwrap_or(i64::MAX)));
    let mut chosen = Vec::new();
    for s in segments.into_iter().take(newest).filter(|s| s.object.is_none()) {
        let old = match horizon_us {
            Some(horizon) => shared.summary(p, s.base)?.arrival_us.1 < horizon,
            None => false,
        };
        let everything = horizon_us.is_none() && share.is_none();
        if !(everything || old || share.is_some_and(|share| local > share)) {
            break;
        }
        local -= s.bytes;
        chosen.push(s);
    }
    Ok(chosen)
}

/// What stays must not be lost with the machine when older segments are not: so the end of the log is never an object.
fn sync_newest_sealed(topic: &TopicState, p: PartitionId) -> Result<(), LogError> {
    let storage = &topic.storage;
    let segments = topic.segments(p)?;
    for s in segments.iter().rev().filter(|s| s.sealed && s.object.is_none()).take(1) {
        let file = storage.open_append(&s.path).map_err(LogError::io("open", &s.path))?;
        file.sync_data().map_err(LogError::io("sync", &s.path))?;
    }
    let dir = topic.partition_dir(p);
    storage.sync_dir(&dir).map_err(LogError::io("sync", &dir))
}

fn stub_path(topic: &TopicState, p: PartitionId, manifest: &PartitionManifest, remote: &Remote) -> PathBuf {
    topic.partition_dir(p).join(segment::stub_name(&manifest.file_name(remote.base)))
}

fn keep(topic: &TopicState, p: PartitionId, manifest: &PartitionManifest, remote: &Remote, bytes: &[u8]) -> Result<(), LogError> {
    let path = stub_path(topic, p, manifest, remote);
    let kept = stub::encode(bytes, &remote.object).map_err(|what| LogError::corrupt(&topic.segment(p, remote.base).path, 0, what))?;
    write_atomically(&*topic.storage, &path, &kept).map_err(LogError::io("write", &path))
}

/// Writes anew what should be kept of remote segments and was lost.
fn keep_again(topic: &TopicState, p: PartitionId) -> Result<(), LogError> {
    let manifest = topic.manifest(p)?;
    for remote in &manifest.remote {
        let segment = topic.segment(p, remote.base);
        if segment.stub().is_none() {
            let view = segment.view(segment.file_len()?)?;
            keep(topic, p, &manifest, remote, view.from(0))?;
        }
    }
    Ok(())
}

fn move_away(topic: &TopicState, p: PartitionId, address: &str, segments: &[SegmentInfo]) -> Result<(), LogError> {
    let mut manifest = PartitionManifest::clone(&*topic.manifest(p)?);
    let store = manifest.store(address);
    let mut moved = Vec::with_capacity(segments.len());
    for s in segments {
        // What is damaged is not stored: its file would go, and with it what a copy could be compared with.
        verify::segment(topic, p, s.base)?;
        let segment = topic.segment(p, s.base);
        let view = segment.view(segment.file_len()?)?;
        let object = ObjectRef { store, base: s.base, bytes: view.limit(), crc: crc32c(view.from(0)) };
        moved.push((Remote { base: s.base, end: s.end, object }, view));
    }
    // Before they are made, so that none is ever forgotten.
    manifest.unneeded.extend(moved.iter().map(|(remote, _)| remote.object.clone()));
    write_manifest(topic, p, &manifest)?;
    for (remote, view) in &moved {
        topic.object(&manifest, p, &remote.object).make(view.buffer(0..view.limit()))?;
        keep(topic, p, &manifest, remote, view.from(0))?;
    }
    manifest.unneeded.retain(|object| !moved.iter().any(|(remote, _)| remote.object == *object));
    manifest.remote.extend(moved.into_iter().map(|(remote, _)| remote));
    manifest.remote.sort_by_key(|r| r.base);
    write_manifest(topic, p, &manifest)?;
    sweep(topic, p)
}

fn bring_back(topic: &TopicState, p: PartitionId, segments: &[Remote]) -> Result<(), LogError> {
    let mut manifest = PartitionManifest::clone(&*topic.manifest(p)?);
    let dir = topic.partition_dir(p);
    for remote in segments {
        let path = dir.join(manifest.file_name(remote.base));
        let mut beside = path.clone();
        beside.as_mut_os_string().push(".new");
        remove_if_there(&*topic.storage, &beside).map_err(LogError::io("remove", &beside))?;
        let file = topic.storage.create(&beside).map_err(LogError::io("create", &beside))?;
        let object = topic.object(&manifest, p, &remote.object);
        object.read(|bytes| file.append(&[IoSlice::new(bytes)]).map_err(LogError::io("write", &beside)))?;
        file.sync_data().map_err(LogError::io("sync", &beside))?;
        topic.storage.rename(&beside, &path).map_err(LogError::io("make", &path))?;
    }
    topic.storage.sync_dir(&dir).map_err(LogError::io("sync", &dir))?;
    manifest.forget_remote(|r| segments.contains(r));
    write_manifest(topic, p, &manifest)?;
    sweep(topic, p)
}
