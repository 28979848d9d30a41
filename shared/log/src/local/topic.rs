//! A topic in a folder: what every topic does, and what only one in a folder can do.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use twopath_base::{Offset, PartitionId, Position};

use crate::config::{self, Compaction, Offload, Retention, TopicConfig};
use crate::contract::{self, RangeOf};
use crate::error::LogError;
use crate::groups::verify::verify as verify_groups;
use crate::groups::{Group, PartitionProgress, group};
use crate::local::writer::LocalWriter;
use crate::partition::barriers::barriers;
use crate::partition::hold::{self, Hold};
use crate::partition::reader::{LocalRange, LocalReader};
use crate::partition::state::{LocalTail, SegmentInfo, TopicState, retrying};
use crate::partition::times::{self, Times};
use crate::partition::verify::{self, VerifyReport};
use crate::records::{Barrier, Entry, Start};
use crate::upkeep::compaction::{self, CompactionReport};
use crate::upkeep::offload::{self, OffloadReport, RecallReport};
use crate::upkeep::retention::{self, RetentionReport};

/// A topic in a folder: what only such a topic has. [`Topic::local`](crate::Topic::local) gives it.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{Int64Array, RecordBatch};
/// # use arrow_schema::{DataType, Field, Schema};
/// # use twopath_base::PartitionId;
/// # use twopath_log::{Log, TopicConfig};
/// # let dir = tempfile::tempdir()?;
/// # let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
/// # let topic = Log::open(dir.path())?.create_topic(TopicConfig::new("numbers", schema.clone()))?;
/// let writer = topic.writer()?;
/// writer.append(&RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![1, 2, 3]))])?)?;
/// writer.barrier()?; // Seals the segment.
/// let segments = topic.local()?.segments(PartitionId(0))?;
/// assert!(segments[0].sealed && segments[0].path.is_file());
/// assert!(topic.local()?.verify()?.is_clean());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LocalTopic(pub(crate) Arc<TopicState>);

impl LocalTopic {
    /// What tells it from other topics, also from one that had its name before and was deleted: as it stands in `topic.json`.
    pub fn id(&self) -> String {
        format!("{:016x}", self.0.meta.id)
    }

    /// The folder that holds the topic.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The sealed and active segment files of a partition, in order.
    pub fn segments(&self, partition: PartitionId) -> Result<Vec<SegmentInfo>, LogError> {
        self.0.segments(partition)
    }

    /// Checks every checksum of a sealed segment, unless this process did so before: to be called before an engine maps the file itself.
    pub fn verify_segment(&self, partition: PartitionId, base: Offset) -> Result<(), LogError> {
        verify::segment(&self.0, partition, base)
    }

    /// Reads every byte of every segment, and reports everything that is wrong with file and byte.
    pub fn verify(&self) -> Result<VerifyReport, LogError> {
        let mut report = VerifyReport::default();
        verify_groups(&self.0, &mut report)?;
        verify::partitions(&self.0, &mut report)?;
        Ok(report)
    }

    /// Removes the oldest segments that are older than the retention's age, or that make the topic larger than its size, as long as no
    /// consumer group and no [`Hold`] needs them; or all the same if forced.
    ///
    /// # Errors
    /// Another process does the topic's upkeep, or a file cannot be written or removed.
    pub fn retain(&self, retention: &Retention, force: bool) -> Result<RetentionReport, LogError> {
        retention::retain(&self.0, retention, force)
    }

    /// Compacts every partition of which enough is dirty: the newest record of each key stays.
    ///
    /// # Errors
    /// The topic has no key, another process does its upkeep, a segment is damaged, or a file cannot be written.
    pub fn compact(&self, options: &Compaction) -> Result<CompactionReport, LogError> {
        compaction::compact(&self.0, options)
    }

    /// Up to where each partition was compacted: records below it may be gone.
    pub fn compacted_to(&self) -> Result<Position, LogError> {
        let offset = |p| Ok(self.0.manifest(p)?.compacted_to);
        Ok(Position::new(self.0.partition_ids().map(offset).collect::<Result<_, LogError>>()?))
    }

    /// How many records a partition has, and from when to when they are, without reading them.
    pub fn times(&self, partition: PartitionId) -> Result<Times, LogError> {
        times::times(&self.0, partition)
    }

    /// Moves sealed segments to an object store, oldest first, from where they are read as if they were here. Appends and readers go on.
    ///
    /// # Errors
    /// The store cannot be reached or does not hold what was written to it, another process does the topic's upkeep, a segment is damaged,
    /// or a file cannot be written. What was moved until then stays moved, and everything can be read.
    pub fn offload(&self, options: &Offload) -> Result<OffloadReport, LogError> {
        offload::offload(&self.0, options)
    }

    /// Brings every remote segment back into the topic's folder, and deletes the objects.
    ///
    /// # Errors
    /// As of [`Self::offload`].
    pub fn recall(&self) -> Result<RecallReport, LogError> {
        offload::recall(&self.0)
    }

    /// How many bytes of segments that were fetched from object stores are kept beside the topic (one segment in any case).
    pub fn cache_bytes(&self) -> Result<u64, LogError> {
        self.0.tier.cache.limit()
    }

    /// Sets [`Self::cache_bytes`] for all processes, from the next fetch on.
    pub fn set_cache_bytes(&self, bytes: u64) -> Result<(), LogError> {
        self.0.tier.cache.set_limit(bytes)
    }

    /// A consumer group that there is.
    pub fn group(&self, name: &str) -> Result<Group, LogError> {
        group::named(&self.0, name)
    }

    /// A consumer group, made where there is none of that name.
    pub fn group_or_new(&self, name: &str) -> Result<Group, LogError> {
        group::named_or_new(&self.0, name)
    }

    /// What each group has done. One that committed nothing in a partition has done nothing of it.
    pub fn committed_groups(&self) -> Result<Vec<(String, Position)>, LogError> {
        group::committed(&self.0)
    }

    /// The least offset of a partition from which on it can be asked: its start, unless compaction has taken records of it.
    fn since_of(&self, partition: PartitionId) -> Result<Offset, LogError> {
        let manifest = self.0.manifest(partition)?;
        for rewritten in &manifest.rewritten {
            if self.0.summary(partition, rewritten.base)?.records < rewritten.end.0 - rewritten.base.0 {
                return Ok(manifest.start.offset.max(manifest.compacted_to));
            }
        }
        Ok(manifest.start.offset)
    }

    pub(crate) fn hold(&self, who: &str, since: &Position) -> Result<Hold, LogError> {
        hold::hold(&self.0, who, since)
    }

    pub(crate) fn writer(&self) -> Result<LocalWriter, LogError> {
        LocalWriter::open(self.0.clone())
    }

    pub(crate) fn reader(&self, partition: PartitionId, start: Start, projection: Option<&[usize]>) -> Result<LocalReader, LogError> {
        LocalReader::open(self.0.clone(), partition, start, projection)
    }
}

impl contract::Topic for LocalTopic {
    fn config(&self) -> &TopicConfig {
        &self.0.meta.config
    }

    fn writer(&self) -> Result<Box<dyn contract::Writer>, LogError> {
        Ok(Box::new(self.writer()?))
    }

    fn reader(&self, partition: PartitionId, start: Start, projection: Option<&[usize]>) -> Result<Box<dyn contract::Reader>, LogError> {
        Ok(Box::new(self.reader(partition, start, projection)?))
    }

    fn range(&self, partition: PartitionId, from: Offset, to: Offset, projection: Option<&[usize]>) -> Result<RangeOf, LogError> {
        let end = self.0.committed(partition)?.end;
        if to > end {
            return Err(LogError::OffsetOutOfRange { topic: self.0.meta.config.name.clone(), partition, offset: to, end });
        }
        let reader = LocalReader::open(self.0.clone(), partition, Start::Offset(from.min(to)), projection)?;
        Ok(Box::new(LocalRange::new(reader, to)))
    }

    fn start(&self) -> Result<Position, LogError> {
        let offset = |p| Ok(self.0.manifest(p)?.start.offset);
        Ok(Position::new(self.0.partition_ids().map(offset).collect::<Result<_, LogError>>()?))
    }

    fn since(&self) -> Result<Position, LogError> {
        let since = |p| retrying(&self.0, p, || self.since_of(p));
        Ok(Position::new(self.0.partition_ids().map(since).collect::<Result<_, LogError>>()?))
    }

    fn end(&self) -> Result<Position, LogError> {
        self.0.end()
    }

    fn barriers(&self) -> Result<Vec<Barrier>, LogError> {
        barriers(&self.0)
    }

    fn tail(&self) -> Result<Box<dyn contract::Tail>, LogError> {
        Ok(Box::new(LocalTail::of(self.0.clone())?))
    }

    fn bytes(&self) -> Result<u64, LogError> {
        self.0.partition_ids().map(|p| Ok(self.segments(p)?.iter().map(|s| s.bytes).sum::<u64>())).sum()
    }

    fn groups(&self) -> Result<Vec<String>, LogError> {
        group::names(&self.0)
    }

    fn group_progress(&self, group: &str) -> Result<Vec<PartitionProgress>, LogError> {
        self.group(group)?.progress()
    }

    fn seek_group(&self, group: &str, starts: &[Start]) -> Result<Position, LogError> {
        self.group_or_new(group)?.seek_each(starts)
    }

    fn address(&self) -> String {
        self.dir().display().to_string()
    }
}

impl contract::Reader for LocalReader {
    fn next(&mut self) -> Result<Option<Entry>, LogError> {
        self.next()
    }

    fn let_go(&mut self) {
        self.let_go()
    }

    fn offset(&self) -> Offset {
        self.offset()
    }

    fn generation(&self) -> u64 {
        self.generation()
    }

    fn partition(&self) -> PartitionId {
        self.partition()
    }
}

impl contract::Tail for LocalTail {
    fn sequence(&self) -> u32 {
        self.sequence()
    }

    fn wait(&self, seen: u32, timeout: Duration) {
        self.wait(seen, timeout);
    }

    fn wake(&self) {
        self.wake();
    }

    fn end(&self, partition: PartitionId) -> Offset {
        self.end(partition)
    }
}

/// Whether a folder is a topic's. One that may not be looked into is: who opens it then hears why he cannot.
pub(crate) fn is_topic(dir: &Path) -> bool {
    match fs::metadata(dir.join("topic.json")) {
        Ok(found) => found.is_file(),
        Err(e) => e.kind() == ErrorKind::PermissionDenied,
    }
}

/// The topics in a folder, sorted.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, LogError> {
    let mut names = Vec::new();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(names),
        Err(e) => return Err(LogError::io("list", dir)(e)),
    };
    for entry in entries {
        let name = entry.map_err(LogError::io("list", dir))?.file_name().to_string_lossy().into_owned();
        if config::check_name(&name).is_ok() && is_topic(&dir.join(&name)) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}
