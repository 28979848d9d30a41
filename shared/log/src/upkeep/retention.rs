//! Retention: taking away the oldest segments of a topic, by age and by size, and never what somebody still needs.
//!
//! The manifest's new log start is durable before a file is removed, so that a crash in between leaves files that the next housekeeping
//! sweeps away, and never a hole. Whole segments go. The newest sealed one stays in any case: its seal says what a writer must know
//! of its producers.

use std::sync::Arc;

use serde::Serialize;

use twopath_base::{Offset, PartitionId};

use crate::config::Retention;
use crate::error::LogError;
use crate::format::manifest::{self, PartitionManifest};
use crate::groups;
use crate::partition::hold;
use crate::partition::locks::{holds_lock, upkeep_lock};
use crate::partition::state::TopicState;
use crate::partition::walk::has_barriers;
use crate::upkeep::sweep::{delete_unneeded, sweep, write_manifest};

/// What retention did, and to whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RetentionReport {
    pub segments_removed: u64,
    pub bytes_removed: u64,
    /// The log's start, before and after.
    pub before: Vec<Offset>,
    pub after: Vec<Offset>,
    /// Who kept segments from being removed.
    pub kept_for: Vec<HeldRange>,
    /// What forced removal took from whom.
    pub lost: Vec<HeldRange>,
    /// Objects that nothing needs and that could not be deleted now: the next housekeeping tries again.
    pub objects_left: u64,
}

/// Records of one partition that somebody has not read yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldRange {
    pub who: String,
    pub partition: PartitionId,
    /// The first that is needed, and the offset after the last that was to be removed.
    pub from: Offset,
    pub to: Offset,
}

/// Removes the oldest segments that are older than the retention's age, or that make the partition larger than its size (each
/// partition's share of it), as long as no consumer group and no hold needs them, or all the same if forced.
///
/// # Errors
/// Another process is housekeeping, or a file cannot be written or removed.
pub(crate) fn retain(topic: &Arc<TopicState>, retention: &Retention, force: bool) -> Result<RetentionReport, LogError> {
    let _lock = upkeep_lock(topic)?;
    let mut report = RetentionReport::default();
    for p in topic.partition_ids() {
        retain_partition(topic, p, retention, force, &mut report)?;
        sweep(topic, p)?;
        report.objects_left += delete_unneeded(topic, p)?;
    }
    Ok(report)
}

fn retain_partition(
    topic: &Arc<TopicState>,
    p: PartitionId,
    retention: &Retention,
    force: bool,
    report: &mut RetentionReport,
) -> Result<(), LogError> {
    let shared = &**topic;
    let _claims_stay = holds_lock(shared)?;
    let groups = groups::group::held(topic)?.into_iter().map(|(name, at)| (format!("group '{name}'"), at));
    let claims: Vec<_> = groups.chain(hold::holds(shared)?).collect();
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
            let claim = HeldRange { who: who.clone(), partition: p, from: from.max(segments[0].base), to: wanted };
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
    let mut manifest = PartitionManifest::clone(&*shared.manifest(p)?);
    manifest.start = manifest::LogStart { offset: summary.end, generation: summary.generation, event_max_us: summary.event_max_us };
    manifest.rewritten.retain(|r| r.end > summary.end);
    manifest.forget_remote(|r| r.end <= summary.end);
    write_manifest(shared, p, &manifest)?;
    report.after.push(summary.end);
    report.segments_removed += remove as u64;
    report.bytes_removed += removable[..remove].iter().map(|s| s.bytes).sum::<u64>();
    Ok(())
}
