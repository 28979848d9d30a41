//! The embedded log keeps the contract.

use std::time::Duration;

use arrow_array::RecordBatch;

use twopath_base::{Offset, PartitionId, Position};

use super::contract::{self, RangeOf};
use super::error::LogError;
use super::{Barrier, Entry, PartitionProgress, ProducerSequence, ProducerState, Start, TopicConfig, reader, topic, writer};

impl contract::Topic for topic::Topic {
    fn config(&self) -> &TopicConfig {
        self.config()
    }

    fn writer(&self) -> Result<Box<dyn contract::Writer>, LogError> {
        Ok(Box::new(self.writer()?))
    }

    fn reader(&self, partition: PartitionId, start: Start, projection: Option<&[usize]>) -> Result<Box<dyn contract::Reader>, LogError> {
        Ok(Box::new(self.reader(partition, start, projection)?))
    }

    fn range(&self, partition: PartitionId, from: Offset, to: Offset, projection: Option<&[usize]>) -> Result<RangeOf, LogError> {
        Ok(Box::new(self.range(partition, from, to, projection)?))
    }

    fn start(&self) -> Result<Position, LogError> {
        self.start()
    }

    fn end(&self) -> Result<Position, LogError> {
        self.end()
    }

    fn barriers(&self) -> Result<Vec<Barrier>, LogError> {
        self.barriers()
    }

    fn tail(&self) -> Result<Box<dyn contract::Tail>, LogError> {
        Ok(Box::new(self.tail()?))
    }

    fn bytes(&self) -> Result<u64, LogError> {
        self.bytes()
    }

    fn groups(&self) -> Result<Vec<String>, LogError> {
        self.groups()
    }

    fn group_progress(&self, group: &str) -> Result<Vec<PartitionProgress>, LogError> {
        self.group(group)?.progress()
    }

    fn seek_group(&self, group: &str, starts: &[Start]) -> Result<Position, LogError> {
        self.group_or_new(group)?.seek_each(starts)
    }

    fn embedded(&self) -> Option<&topic::Topic> {
        Some(self)
    }

    fn place(&self) -> String {
        self.dir().display().to_string()
    }
}

impl contract::Writer for writer::TopicWriter {
    fn append(&self, batch: &RecordBatch) -> Result<Position, LogError> {
        self.append(batch)
    }

    fn append_to(&self, partition: PartitionId, batch: &RecordBatch, producer: Option<ProducerSequence>) -> Result<Offset, LogError> {
        self.append_to(partition, batch, producer)
    }

    fn begin_producer(&self, producer: u64) -> Result<u32, LogError> {
        self.begin_producer(producer)
    }

    fn producer_state(&self, partition: PartitionId, producer: u64) -> Result<Option<ProducerState>, LogError> {
        self.producer_state(partition, producer)
    }

    fn barrier(&self) -> Result<Barrier, LogError> {
        self.barrier()
    }

    fn sync(&self) -> Result<(), LogError> {
        self.sync()
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        (*self).close()
    }
}

impl contract::Reader for reader::PartitionReader {
    fn next(&mut self) -> Result<Option<Entry>, LogError> {
        self.next()
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

impl contract::Tail for topic::Tail {
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
