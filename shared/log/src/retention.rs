//! Retention: taking away the oldest segments of a topic, by age and by size, and never what somebody still needs.
//!
//! The manifest's new log start is durable before a file is removed, so that a crash in between leaves files that the next housekeeping
//! sweeps away, and never a hole. Whole segments go. The newest sealed one stays in any case: its seal says what a writer must know
//! of its producers.

use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;

use twopath_base::{Offset, PartitionId};
use twopath_storage::{remove_if_there, write_atomically};

use super::config::Retention;
use super::error::LogError;
use super::lock::Held;
use super::manifest::{self, Manifest};
use super::reader::has_barriers;
use super::segment;
use super::topic::{Shared, Topic, unmap};

/// The name of the lock that retention and compaction hold.
const HOUSEKEEPING: &str = "housekeeping";
/// The name of the lock that retention holds from asking who needs what until the log's new start is written down.
const CLAIMS: &str = "claims";

/// What retention did, and to whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RetentionReport {
    pub segments_removed: u64,
    pub bytes_removed: u64,
    /// The log's start, before and after.
    pub before: Vec<Offset>,
    pub after: Vec<Offset>,
    /// Who kept segments from being removed.
    pub kept_for: Vec<Claim>,
    /// What forced removal took from whom.
    pub lost: Vec<Claim>,
    /// Objects that nothing needs and that could not be deleted now: the next housekeeping tries again.
    pub objects_left: u64,
}

/// Records of one partition that somebody has not read yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    pub who: String,
    pub partition: PartitionId,
    /// The first that is needed, and the offset after the last that was to be removed.
    pub from: Offset,
    pub to: Offset,
}

impl Topic {
    /// Removes the oldest segments that are older than the retention's age, or that make the partition larger than its size (each
    /// partition's share of it), as long as no consumer group and no [`pin`](Topic::pin) needs them, or all the same if forced.
    ///
    /// # Errors
    /// Another process is housekeeping, or a file cannot be written or removed.
    pub fn retain(&self, retention: &Retention, force: bool) -> Result<RetentionReport, LogError> {
        let topic = &*self.0;
        let _lock = housekeeping_lock(topic)?;
        let mut report = RetentionReport::default();
        for p in topic.partition_ids() {
            retain_partition(self, p, retention, force, &mut report)?;
            sweep(topic, p)?;
            report.objects_left += delete_unneeded(topic, p)?;
        }
        Ok(report)
    }

    /// One who reads it now and has said so: by a pin, or as a member of a group.
    pub(crate) fn reader_by_name(&self) -> Result<Option<String>, LogError> {
        let _claims_stay = claims_lock(&self.0)?;
        if let Some((who, _)) = super::pin::pinned(&self.0)?.into_iter().next() {
            return Ok(Some(who));
        }
        for name in self.groups()? {
            let progress = self.group(&name)?.progress()?;
            if let Some(owner) = progress.into_iter().find_map(|p| p.owner) {
                return Ok(Some(format!("'{owner}' of group '{name}'")));
            }
        }
        Ok(None)
    }
}

/// One housekeeper at a time; it and the writer do not disturb each other.
pub(crate) fn housekeeping_lock(topic: &Shared) -> Result<Held, LogError> {
    Held::for_this_process(&topic.dir.join(HOUSEKEEPING), &topic.config.name).map_err(|e| match e {
        LogError::Locked { topic, holder } => LogError::Housekeeping { topic, holder },
        other => other,
    })
}

/// Held by whoever comes to need records from a place on, while it looks whether they are there and says so: retention has decided before, or
/// knows of it.
pub(crate) fn claims_lock(topic: &Shared) -> Result<Held, LogError> {
    Held::take(&topic.dir.join(CLAIMS))
}

fn retain_partition(
    topic: &Topic,
    p: PartitionId,
    retention: &Retention,
    force: bool,
    report: &mut RetentionReport,
) -> Result<(), LogError> {
    let shared = &*topic.0;
    let _claims_stay = claims_lock(shared)?;
    let groups = topic.needed_by_groups()?.into_iter().map(|(name, at)| (format!("group '{name}'"), at));
    let claims: Vec<_> = groups.chain(super::pin::pinned(shared)?).collect();
    let segments = topic.segments(p)?;
    let sealed: Vec<_> = segments.iter().filter(|s| s.sealed).collect();
    let removable = &sealed[..sealed.len().saturating_sub(1)];
    let mut bytes: u64 = segments.iter().map(|s| s.bytes).sum();
    let share = retention.bytes.map(|bytes| bytes / shared.partitions() as u64);
    let horizon_us = retention.age.map(|age| shared.clock.now_us().saturating_sub(age.as_micros().try_into().unwrap_or(i64::MAX)));
    let mut remove = 0;
    for s in removable {
        let too_old = match horizon_us {
            Some(horizon) => shared.summary(p, s.base)?.arrival_us.1 < horizon,
            None => false,
        };
        if !(too_old || share.is_some_and(|share| bytes > share)) {
            break;
        }
        bytes -= s.bytes;
        remove += 1;
    }
    let wanted = if remove == 0 { segments[0].base } else { removable[remove - 1].end };
    for (who, at) in &claims {
        let from = at.get(p);
        if from < wanted {
            let claim = Claim { who: who.clone(), partition: p, from: from.max(segments[0].base), to: wanted };
            if force { report.lost.push(claim) } else { report.kept_for.push(claim) }
        }
    }
    if !force {
        let needed = claims.iter().map(|(_, at)| at.get(p)).min().unwrap_or(wanted);
        remove = removable[..remove].partition_point(|s| s.end <= needed);
        // Who is at a segment's end may not have come to the barriers there.
        let bases: Vec<Offset> = segments.iter().map(|s| s.base).collect();
        if let Some(last) = removable[..remove].last().filter(|s| s.end == needed)
            && has_barriers(shared, p, &bases, last.base)?
        {
            remove -= 1;
        }
    }
    report.before.push(segments[0].base);
    let Some(last) = remove.checked_sub(1).map(|i| removable[i]) else {
        report.after.push(segments[0].base);
        return Ok(());
    };
    let summary = shared.summary(p, last.base)?;
    let mut manifest = Manifest::clone(&*shared.manifest(p)?);
    manifest.start = manifest::LogStart { offset: summary.end, generation: summary.generation, event_max_us: summary.event_max_us };
    manifest.rewritten.retain(|r| r.end > summary.end);
    manifest.forget_remote(|r| r.end <= summary.end);
    write_manifest(shared, p, &manifest)?;
    report.after.push(summary.end);
    report.segments_removed += remove as u64;
    report.bytes_removed += removable[..remove].iter().map(|s| s.bytes).sum::<u64>();
    Ok(())
}

pub(crate) fn write_manifest(topic: &Shared, p: PartitionId, manifest: &Manifest) -> Result<(), LogError> {
    let path = topic.partition_dir(p).join(manifest::FILE);
    write_atomically(&*topic.storage, &path, &manifest.encode()).map_err(LogError::io("write", &path))
}

/// Removes the files of a partition that the manifest no longer names. Only for the holder of the housekeeping lock.
pub(crate) fn sweep(topic: &Shared, p: PartitionId) -> Result<(), LogError> {
    let dir = topic.partition_dir(p);
    // Kept mapped until their files are removed: whoever is last gives their blocks back.
    let mut known = topic.known_segments(p);
    let manifest = topic.manifest(p)?;
    known.retain(|s| !manifest.has(s));
    let names = topic.storage.list(&dir).map_err(LogError::io("list", &dir))?;
    let bases = manifest.bases(&names);
    let file = |base: &Offset| match manifest.remote(*base) {
        Some(_) => segment::kept_name(&manifest.file_name(*base)),
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
pub(crate) fn delete_unneeded(topic: &Shared, p: PartitionId) -> Result<u64, LogError> {
    let mut manifest = Manifest::clone(&*topic.manifest(p)?);
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

impl Retention {
    /// Nothing is ever taken away.
    pub const NONE: Retention = Retention { age: None, bytes: None };

    pub fn of_age(age: Duration) -> Retention {
        Retention { age: Some(age), bytes: None }
    }

    pub fn of_bytes(bytes: u64) -> Retention {
        Retention { age: None, bytes: Some(bytes) }
    }
}
