//! What users of a log hold: the same types whoever keeps the log, over the [contract](super::contract).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use twopath_base::{Offset, PartitionId, Position};

use super::config::{PartitionBy, TopicConfig};
use super::contract::{self, RangeOf};
use super::error::LogError;
use super::partition::split;
use super::{
    Barrier, Compaction, CompactionReport, Entry, Group, Offload, OffloadReport, PartitionProgress, Pin, ProducerSequence, ProducerState,
    RecallReport, Records, Retention, RetentionReport, SegmentInfo, Start, Times, VerifyReport, topic,
};

/// One topic, open for reading; cheap to clone. All clones share what they know of which checksums hold.
#[derive(Clone)]
pub struct Topic(Arc<dyn contract::Topic>);

impl Topic {
    pub(crate) fn new(topic: impl contract::Topic + 'static) -> Topic {
        Topic(Arc::new(topic))
    }

    /// The topic in a folder that this is. What only such a topic has (segments, checksums, groups' journals) is asked through it.
    pub(crate) fn embedded(&self, what: &'static str) -> Result<&topic::Topic, LogError> {
        let elsewhere = || LogError::NotEmbedded { topic: self.name().into(), place: self.0.place(), what };
        self.0.embedded().ok_or_else(elsewhere)
    }

    pub fn name(&self) -> &str {
        &self.config().name
    }

    pub fn config(&self) -> &TopicConfig {
        self.0.config()
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.config().schema
    }

    pub fn partitions(&self) -> usize {
        self.config().partitions as usize
    }

    /// Where it is kept, for messages: a folder or an address.
    pub fn place(&self) -> String {
        self.0.place()
    }

    /// What tells it from other topics, also from one that had its name before and was deleted: as it stands in `topic.json`.
    pub fn id(&self) -> Result<String, LogError> {
        Ok(format!("{:016x}", self.embedded("file")?.0.id))
    }

    /// The folder that holds the topic. An error for one that is kept elsewhere.
    pub fn dir(&self) -> Result<&Path, LogError> {
        Ok(self.embedded("folder")?.dir())
    }

    /// Becomes the topic's one writer. In the embedded log a second one is told who holds it; in Kafka the newer writer fences the older.
    pub fn writer(&self) -> Result<TopicWriter, LogError> {
        Ok(TopicWriter(self.0.writer()?))
    }

    /// A reader of one partition. With a projection (ascending column indexes), entries hold those columns only, in that order.
    pub fn reader(&self, partition: PartitionId, start: Start, projection: Option<&[usize]>) -> Result<PartitionReader, LogError> {
        Ok(PartitionReader(self.0.reader(partition, start, projection)?))
    }

    /// The records of one partition from `from` up to, and without, `to`: frame by frame, the first and the last cut to fit.
    pub fn range(&self, partition: PartitionId, from: Offset, to: Offset, projection: Option<&[usize]>) -> Result<Range, LogError> {
        Ok(Range(self.0.range(partition, from, to, projection)?))
    }

    /// The rows of each partition by the topic's key, in their order, without those that get none; all of them for partition 0 where
    /// the topic has no key. For producers that number what they append to each partition.
    pub fn split(&self, batch: &RecordBatch) -> Result<Vec<(PartitionId, RecordBatch)>, LogError> {
        let config = self.config();
        let PartitionBy::Key(key) = &config.partition_by else {
            return Ok(vec![(PartitionId(0), batch.clone())]);
        };
        let arrow = |source| LogError::Arrow { topic: config.name.clone(), source };
        let key = batch.schema().index_of(key).map_err(arrow)?;
        let parts = split(batch, key, config.partitions).map_err(arrow)?;
        Ok((0..config.partitions).map(PartitionId).zip(parts).filter_map(|(p, part)| Some((p, part?))).collect())
    }

    /// The first offset left in each partition: retention took away what was before.
    pub fn start(&self) -> Result<Position, LogError> {
        self.0.start()
    }

    /// The position up to which records can be read now.
    pub fn end(&self) -> Result<Position, LogError> {
        self.0.end()
    }

    /// All barriers so far, in order; number 1 is the first.
    pub fn barriers(&self) -> Result<Vec<Barrier>, LogError> {
        self.0.barriers()
    }

    /// What wakes followers of this topic.
    pub fn tail(&self) -> Result<Tail, LogError> {
        Ok(Tail(self.0.tail()?.into()))
    }

    /// Bytes that the log holds for the topic.
    pub fn bytes(&self) -> Result<u64, LogError> {
        self.0.bytes()
    }

    /// The sealed and active segment files of a partition, in order.
    pub fn segments(&self, partition: PartitionId) -> Result<Vec<SegmentInfo>, LogError> {
        self.embedded("segments")?.segments(partition)
    }

    /// Checks every checksum of a sealed segment, unless this process did so before: to be called before an engine maps the file itself.
    pub fn verify_segment(&self, partition: PartitionId, base: Offset) -> Result<(), LogError> {
        self.embedded("segments")?.verify_segment(partition, base)
    }

    /// Reads every byte of every segment, and reports everything that is wrong with file and byte.
    pub fn verify(&self) -> Result<VerifyReport, LogError> {
        self.embedded("segments")?.verify()
    }

    /// Removes the oldest segments that are older than the retention's age, or that make the topic larger than its size, as long as no
    /// consumer group and no [`Pin`] needs them; or all the same if forced.
    ///
    /// # Errors
    /// Another process is housekeeping, or a file cannot be written or removed.
    pub fn retain(&self, retention: &Retention, force: bool) -> Result<RetentionReport, LogError> {
        self.embedded("segments")?.retain(retention, force)
    }

    /// Compacts every partition of which enough is dirty: the newest record of each key stays.
    ///
    /// # Errors
    /// The topic has no key, another process is housekeeping, a segment is damaged, or a file cannot be written.
    pub fn compact(&self, options: &Compaction) -> Result<CompactionReport, LogError> {
        self.embedded("segments")?.compact(options)
    }

    /// Up to where each partition was compacted: records below it may be gone.
    pub fn compacted_to(&self) -> Result<Position, LogError> {
        self.embedded("segments")?.compacted_to()
    }

    /// From when to when a partition's records are, without reading them.
    pub fn times(&self, partition: PartitionId) -> Result<Times, LogError> {
        self.embedded("segments")?.times(partition)
    }

    /// Moves sealed segments to an object store, oldest first, from where they are read as if they were here. Appends and readers go on.
    ///
    /// # Errors
    /// The store cannot be reached or does not hold what was written to it, another process is housekeeping, a segment is damaged, or a
    /// file cannot be written. What was moved until then stays moved, and everything can be read.
    pub fn offload(&self, options: &Offload) -> Result<OffloadReport, LogError> {
        self.embedded("segments")?.offload(options)
    }

    /// Brings every remote segment back into the topic's folder, and deletes the objects.
    ///
    /// # Errors
    /// As of [`Self::offload`].
    pub fn recall(&self) -> Result<RecallReport, LogError> {
        self.embedded("segments")?.recall()
    }

    /// How many bytes of segments that were fetched from object stores are kept beside the topic (one segment in any case).
    pub fn cache_bytes(&self) -> Result<u64, LogError> {
        self.embedded("segments")?.cache_bytes()
    }

    /// Sets [`Self::cache_bytes`] for all processes, from the next fetch on.
    pub fn set_cache_bytes(&self, bytes: u64) -> Result<(), LogError> {
        self.embedded("segments")?.set_cache_bytes(bytes)
    }

    /// Keeps retention from removing what stands at or after `from`, for as long as the pin lives. `who` is named in reports. A topic
    /// that is kept elsewhere has its own retention, and nothing is pinned.
    pub fn pin(&self, who: &str, from: &Position) -> Result<Option<Pin>, LogError> {
        self.0.embedded().map(|topic| topic.pin(who, from)).transpose()
    }

    /// The names of the topic's consumer groups, sorted.
    pub fn groups(&self) -> Result<Vec<String>, LogError> {
        self.0.groups()
    }

    /// How a consumer group that there is stands in each partition.
    pub fn group_progress(&self, group: &str) -> Result<Vec<PartitionProgress>, LogError> {
        self.0.group_progress(group)
    }

    /// Sets a consumer group, which is made where there is none of that name, to a place in each partition. Its members must have stopped.
    pub fn seek_group(&self, group: &str, starts: &[Start]) -> Result<Position, LogError> {
        assert_eq!(starts.len(), self.partitions(), "one place for each partition");
        self.0.seek_group(group, starts)
    }

    /// A consumer group that there is, of a topic in a folder.
    pub fn group(&self, name: &str) -> Result<Group, LogError> {
        self.embedded("group folders")?.group(name)
    }

    /// A consumer group of a topic in a folder, made where there is none of that name.
    pub fn group_or_new(&self, name: &str) -> Result<Group, LogError> {
        self.embedded("group folders")?.group_or_new(name)
    }

    /// What each group has done. One that committed nothing in a partition has done nothing of it.
    pub fn committed_groups(&self) -> Result<Vec<(String, Position)>, LogError> {
        self.embedded("group folders")?.committed_groups()
    }
}

impl std::fmt::Debug for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topic").field("name", &self.name()).field("place", &self.place()).finish_non_exhaustive()
    }
}

/// The one writer of a topic. Appends may come from several threads.
///
/// After an error while writing or syncing it takes no more appends, because it cannot know what the log holds; opening it
/// again finds out. Dropping it is closing it, without being told of errors.
pub struct TopicWriter(Box<dyn contract::Writer>);

impl TopicWriter {
    /// Splits the rows over the partitions, and returns the position after it. Rows of one partition keep their order. An error may
    /// leave some partitions with their rows and others without; a producer that must know uses [`Self::append_to`] with a sequence.
    pub fn append(&self, batch: &RecordBatch) -> Result<Position, LogError> {
        self.0.append(batch)
    }

    /// Appends one frame to one partition and returns the offset of its first record. A batch without rows appends nothing.
    pub fn append_to(&self, partition: PartitionId, batch: &RecordBatch, producer: Option<ProducerSequence>) -> Result<Offset, LogError> {
        self.0.append_to(partition, batch, producer)
    }

    /// Begins a new epoch of a producer, and returns it: appends of its older epochs are refused from now on, also after a restart.
    pub fn begin_producer(&self, producer: u64) -> Result<u32, LogError> {
        self.0.begin_producer(producer)
    }

    /// What a partition knows of a producer: so it finds out where to go on. `None` if it never appended there (or too long ago: the
    /// last 1024 producers are kept).
    pub fn producer_state(&self, partition: PartitionId, producer: u64) -> Result<Option<ProducerState>, LogError> {
        self.0.producer_state(partition, producer)
    }

    /// Puts a barrier into every partition at once.
    pub fn barrier(&self) -> Result<Barrier, LogError> {
        self.0.barrier()
    }

    /// Everything appended through this writer is on the disk when this returns (in Kafka: acknowledged by the server).
    pub fn sync(&self) -> Result<(), LogError> {
        self.0.sync()
    }

    /// Syncs and lets the next writer in.
    pub fn close(self) -> Result<(), LogError> {
        self.0.close()
    }
}

/// Reads one partition entry by entry, and follows it.
pub struct PartitionReader(Box<dyn contract::Reader>);

impl PartitionReader {
    /// The next entry, or `None` at the committed end (then wait with [`Tail`] and call again).
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Entry>, LogError> {
        self.0.next()
    }

    /// The offset of the next record.
    pub fn offset(&self) -> Offset {
        self.0.offset()
    }

    /// The number of barriers that have been passed: those before the next entry.
    pub fn generation(&self) -> u64 {
        self.0.generation()
    }

    /// Which partition this reads.
    pub fn partition(&self) -> PartitionId {
        self.0.partition()
    }
}

/// The records of a part of a partition, with a first and a last offset.
pub struct Range(RangeOf);

impl Iterator for Range {
    type Item = Result<Records, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// Wakes those who wait for more of a topic, in this process and in others.
#[derive(Clone)]
pub struct Tail(Arc<dyn contract::Tail>);

impl Tail {
    /// A number that changes with every append and barrier. Take it before you look, and wait with it when there was nothing.
    pub fn sequence(&self) -> u32 {
        self.0.sequence()
    }

    /// Returns once the sequence differs from `seen`, or after `timeout`.
    pub fn wait(&self, seen: u32, timeout: Duration) {
        self.0.wait(seen, timeout);
    }

    /// Wakes the waiters without an append (to stop a follower): in the embedded log those of all processes, else those of this tail and its clones.
    pub fn wake(&self) {
        self.0.wake();
    }

    /// The committed end of a partition, as far as this process knows, without asking anyone.
    pub fn end(&self, partition: PartitionId) -> Offset {
        self.0.end(partition)
    }
}
