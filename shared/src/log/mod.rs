//! The log: topics, partitions, segments of frames; one writer, any number of readers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::position::{Offset, PartitionId, Position};

/// When an append counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Once the operating system has it: survives the death of the process, not of the machine.
    None,
    /// As `None`, and synced every so often in the background: the last interval may be lost with the machine.
    Interval(Duration),
    /// Once it is on the disk (fdatasync per append).
    Batch,
}

/// How records find their partition.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionBy {
    /// By a stable hash of this column.
    Key(String),
    RoundRobin,
}

#[derive(Debug, Clone)]
pub struct TopicConfig {
    pub name: String,
    pub schema: SchemaRef,
    pub partitions: u32,
    pub partition_by: PartitionBy,
    /// The event-time column (a timestamp), if there is one.
    pub time_column: Option<String>,
    pub durability: Durability,
    /// A segment is sealed once it is at least this large.
    pub segment_bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("todo")]
    Todo,
}

/// A folder of topics.
#[derive(Debug, Clone)]
pub struct Log {}

impl Log {
    /// Opens (and where needed makes) a folder of topics.
    pub fn open(_dir: &Path) -> Result<Self, LogError> {
        todo!()
    }
    pub fn create_topic(&self, _config: TopicConfig) -> Result<Topic, LogError> {
        todo!()
    }
    pub fn topic(&self, _name: &str) -> Result<Topic, LogError> {
        todo!()
    }
    pub fn topics(&self) -> Result<Vec<String>, LogError> {
        todo!()
    }
}

/// One topic, open for reading; cheap to clone.
#[derive(Clone)]
pub struct Topic(Arc<PathBuf>);

/// Where a reader starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    First,
    End,
    Offset(Offset),
    /// The first frame that holds a record with this event time (microseconds since 1970) or later.
    EventTime(i64),
    /// The first frame that arrived at this time (microseconds since 1970) or later.
    ArrivalTime(i64),
}

impl Topic {
    pub fn config(&self) -> &TopicConfig {
        todo!()
    }
    pub fn schema(&self) -> &SchemaRef {
        todo!()
    }
    pub fn partitions(&self) -> usize {
        todo!()
    }
    /// Takes the topic's write lock; a second writer is told who holds it. Recovers a torn tail.
    pub fn writer(&self) -> Result<TopicWriter, LogError> {
        todo!()
    }
    /// A reader of one partition. With a projection (ascending column indexes), entries hold those columns only, in that order.
    pub fn reader(&self, _partition: PartitionId, _start: Start, _projection: Option<&[usize]>) -> Result<PartitionReader, LogError> {
        todo!()
    }
    /// The position up to which records can be read now.
    pub fn end(&self) -> Result<Position, LogError> {
        todo!()
    }
    /// All barriers so far, in order; number 1 is the first.
    pub fn barriers(&self) -> Result<Vec<Barrier>, LogError> {
        todo!()
    }
    /// What wakes followers of this topic.
    pub fn tail(&self) -> Result<Tail, LogError> {
        todo!()
    }
    /// Bytes of all segment files.
    pub fn bytes(&self) -> Result<u64, LogError> {
        todo!()
    }
    /// The sealed and active segment files of a partition, in order.
    pub fn segments(&self, _partition: PartitionId) -> Result<Vec<SegmentInfo>, LogError> {
        todo!()
    }
}

#[derive(Debug, Clone)]
pub struct SegmentInfo {
    pub path: PathBuf,
    pub base: Offset,
    /// Exclusive.
    pub end: Offset,
    pub sealed: bool,
    pub bytes: u64,
}

/// Wakes those who wait for more of a topic: in this process and in others, within microseconds (a futex in a shared mapping).
#[derive(Clone)]
pub struct Tail(());

impl Tail {
    /// A number that changes with every append and barrier. Take it before you look, and wait with it when there was nothing.
    pub fn sequence(&self) -> u32 {
        todo!()
    }
    /// Returns once the sequence differs from `seen`, or after `timeout`.
    pub fn wait(&self, _seen: u32, _timeout: Duration) {
        todo!()
    }
    /// Wakes all waiters of this process and others without an append (to stop a follower).
    pub fn wake(&self) {
        todo!()
    }
    /// The committed end of a partition, without opening a file: one atomic load.
    pub fn end(&self, _partition: PartitionId) -> Offset {
        todo!()
    }
}

/// A cut of the log at which every reader can agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barrier {
    /// Counts up from 1.
    pub number: u64,
    pub position: Position,
}

/// Who appends, and its running number: a repeated (producer, sequence) is acknowledged and not appended again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerSequence {
    pub producer: u64,
    pub sequence: u64,
}

/// The one writer of a topic. Appends may come from several threads.
pub struct TopicWriter(());

impl TopicWriter {
    /// Splits the rows over the partitions, and returns the position after it. Rows of one partition keep their order.
    pub fn append(&self, _batch: &RecordBatch) -> Result<Position, LogError> {
        todo!()
    }
    /// Appends one frame to one partition and returns the offset of its first record.
    pub fn append_to(
        &self,
        _partition: PartitionId,
        _batch: &RecordBatch,
        _producer: Option<ProducerSequence>,
    ) -> Result<Offset, LogError> {
        todo!()
    }
    /// Puts a barrier into every partition at once and rolls their segments.
    pub fn barrier(&self) -> Result<Barrier, LogError> {
        todo!()
    }
    /// Everything appended so far is on the disk when this returns.
    pub fn sync(&self) -> Result<(), LogError> {
        todo!()
    }
    /// Syncs and lets go of the lock. (Dropping does the same, without telling of errors.)
    pub fn close(self) -> Result<(), LogError> {
        todo!()
    }
}

/// What stands in the log.
#[derive(Debug, Clone)]
pub enum Entry {
    Records(Records),
    Barrier(Barrier),
}

/// One frame's records.
#[derive(Debug, Clone)]
pub struct Records {
    pub partition: PartitionId,
    /// The offset of row 0.
    pub base: Offset,
    /// When the log took them: microseconds since 1970.
    pub arrival_us: i64,
    /// Zero-copy over the mapped segment wherever that is possible.
    pub batch: RecordBatch,
}

pub struct PartitionReader(());

impl PartitionReader {
    /// The next entry, or `None` at the committed end (then wait with [`Tail`] and call again).
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Entry>, LogError> {
        todo!()
    }
    /// The offset of the next record.
    pub fn offset(&self) -> Offset {
        todo!()
    }
    /// The number of barriers before the next record in this partition.
    pub fn generation(&self) -> u64 {
        todo!()
    }
}
