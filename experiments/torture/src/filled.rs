//! Topics of known content, to be damaged.

use std::path::{Path, PathBuf};
use std::time::Duration;

use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{Compaction, Durability, Log, LogError, Retention, Topic, TopicWriter};

use super::world::{GROUP, config, events};

pub(super) const P0: PartitionId = PartitionId(0);
/// Where the group was set, one after the other.
pub(super) const COMMITS: [u64; 3] = [4, 9, 20];

/// A topic whose appends are those of `fill`, and the files of its partition 0.
pub(super) fn make(
    dir: &Path,
    partitions: u32,
    fill: impl FnOnce(&Topic, &TopicWriter) -> Result<(), LogError>,
) -> Result<Vec<PathBuf>, LogError> {
    let topic = Log::open(dir)?.create_topic(config(partitions, Durability::Interval(Duration::from_secs(3600))))?;
    let writer = topic.writer()?;
    fill(&topic, &writer)?;
    writer.close()?;
    Ok(topic.local()?.segments(P0)?.into_iter().map(|s| s.path).collect())
}

/// Two sealed segments and an active one, of 30 records in each partition, and a group that was set three times.
pub(super) fn plain(topic: &Topic, writer: &TopicWriter) -> Result<(), LogError> {
    let append = |ids: std::ops::Range<i64>| {
        (0..topic.partitions() as u32).try_for_each(|p| writer.append_to(PartitionId(p), &events(ids.clone()), None).map(drop))
    };
    append(0..10)?;
    writer.barrier()?;
    append(10..20)?;
    let group = topic.local()?.group_or_new(GROUP)?;
    COMMITS.iter().try_for_each(|to| group.seek_to(&Position::new(vec![Offset(*to); topic.partitions()])).map(drop))?;
    writer.barrier()?;
    append(20..25)?;
    append(25..30)
}

/// Segments of which retention took the first and compaction wrote the others anew: there is a manifest.
pub(super) fn tidied(topic: &Topic, writer: &TopicWriter) -> Result<(), LogError> {
    let append = |ids| writer.append_to(P0, &events(ids), None).map(drop);
    append(0..10)?;
    writer.barrier()?;
    append(10..25)?;
    writer.barrier()?;
    topic.local()?.retain(&Retention::of_bytes(1), false)?;
    append(25..40)?;
    writer.barrier()?;
    topic.local()?.compact(&Compaction { dirty_ratio_min: 0.0, ..Compaction::default() })?;
    append(40..44)
}
