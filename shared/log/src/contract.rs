//! What a log must do, whoever keeps it: the one interface behind [`crate::topic::Topic`], [`crate::topic::TopicWriter`], [`crate::topic::PartitionReader`],
//! [`crate::topic::Range`] and [`crate::topic::Tail`]. A folder implements it with files, and, with the cargo feature `kafka`, a Kafka cluster does.
//!
//! What every implementation promises, and one suite of tests checks against each of them:
//!
//! - Offsets of a partition start at 0 and are dense, until retention takes the oldest or compaction some between; records come back
//!   once, in the order in which they were acknowledged.
//! - There is one writer. Once a second one took over, or was refused, the other cannot append.
//! - A barrier stands in every partition, at offsets that every reader sees alike; a record's generation is the number of barriers
//!   before it in its partition.
//! - A repeated (producer, sequence) is acknowledged with the offset that it had, and not appended again.
//! - What is acknowledged is as durable as the topic's [`crate::config::Durability`] says.
//! - `None` from a reader means the committed end at that moment, and that a [`Tail`] taken before wakes whoever waits for more.
//!
//! Dispatch is per frame, never per record.

use std::time::Duration;

use arrow_array::RecordBatch;

use twopath_base::{Offset, PartitionId, Position};

use crate::config::TopicConfig;
use crate::error::LogError;
use crate::format::producer::ProducerState;
use crate::groups::PartitionProgress;
use crate::records::{Barrier, Entry, ProducerSequence, Records, Start};

/// A topic, open for reading: see the methods of the same names of [`crate::topic::Topic`].
pub(crate) trait Topic: Send + Sync {
    fn config(&self) -> &TopicConfig;
    fn writer(&self) -> Result<Box<dyn Writer>, LogError>;
    fn reader(&self, partition: PartitionId, start: Start, projection: Option<&[usize]>) -> Result<Box<dyn Reader>, LogError>;
    fn range(&self, partition: PartitionId, from: Offset, to: Offset, projection: Option<&[usize]>) -> Result<RangeOf, LogError>;
    /// The first offset left in each partition.
    fn start(&self) -> Result<Position, LogError>;
    /// The least position from which on the log can be asked.
    fn since(&self) -> Result<Position, LogError>;
    fn end(&self) -> Result<Position, LogError>;
    fn barriers(&self) -> Result<Vec<Barrier>, LogError>;
    fn tail(&self) -> Result<Box<dyn Tail>, LogError>;
    /// Bytes that the log holds for the topic.
    fn bytes(&self) -> Result<u64, LogError>;
    /// The names of the topic's consumer groups, sorted.
    fn groups(&self) -> Result<Vec<String>, LogError>;
    /// How a group that there is stands in each partition.
    fn group_progress(&self, group: &str) -> Result<Vec<PartitionProgress>, LogError>;
    /// Sets a group, which is made where there is none, to a place in each partition.
    fn seek_group(&self, group: &str, starts: &[Start]) -> Result<Position, LogError>;
    /// Where it is kept, for messages: a folder or a cluster's address.
    fn address(&self) -> String;
}

/// The records of a range, frame by frame.
pub(crate) type RangeOf = Box<dyn Iterator<Item = Result<Records, LogError>> + Send>;

pub(crate) trait Writer: Send + Sync {
    fn append(&self, batch: &RecordBatch) -> Result<Position, LogError>;
    fn append_to(&self, partition: PartitionId, batch: &RecordBatch, producer: Option<ProducerSequence>) -> Result<Offset, LogError>;
    fn begin_producer(&self, producer: u64) -> Result<u32, LogError>;
    fn producer_state(&self, partition: PartitionId, producer: u64) -> Result<Option<ProducerState>, LogError>;
    fn barrier(&self) -> Result<Barrier, LogError>;
    fn sync(&self) -> Result<(), LogError>;
    /// Seals what can be sealed.
    fn seal(&self) -> Result<(), LogError>;
    fn close(self: Box<Self>) -> Result<(), LogError>;
}

pub(crate) trait Reader: Send {
    fn next(&mut self) -> Result<Option<Entry>, LogError>;
    /// Lets go of the memory of what was read, where it can be had again.
    fn let_go(&mut self) {}
    fn offset(&self) -> Offset;
    fn generation(&self) -> u64;
    fn partition(&self) -> PartitionId;
}

pub(crate) trait Tail: Send + Sync {
    fn sequence(&self) -> u32;
    fn wait(&self, seen: u32, timeout: Duration);
    fn wake(&self);
    fn end(&self, partition: PartitionId) -> Offset;
}
