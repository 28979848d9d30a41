//! Reads one partition of a topic that Kafka keeps.

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::{Block, MetadataVersion};
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Message;

use std::sync::Arc;

use crate::contract;
use crate::error::LogError;
use crate::format::frame::get_u32;
use crate::format::index::NO_EVENT_US;
use crate::records::{Entry, Records, Start};
use crate::rows::log_columns::Projection;
use twopath_base::{LogColumn, Offset, PartitionId};

use super::client::{Fetch, Quiet};
use super::header::{Header, Kind, parse_barrier};
use super::scout::{assign, header, next};
use super::seek;
use super::state::KafkaState;

pub(super) struct KafkaReader {
    topic: Arc<KafkaState>,
    partition: PartitionId,
    consumer: BaseConsumer<Quiet>,
    decoder: FileDecoder,
    projection: Projection,
    /// Kafka's offset of the next record to look at.
    at: i64,
    /// Records may be looked at up to here without asking whether they exist.
    next_at: i64,
    /// The greatest event time of the records passed, where they were read from the partition's beginning.
    watermark_us: Option<i64>,
    /// Of the next row. In the first record there may be rows before it, which are left out.
    offset: Offset,
    generation: u64,
    /// Nothing was read so far.
    fresh: bool,
}

impl KafkaReader {
    pub fn open(
        topic: Arc<KafkaState>,
        partition: PartitionId,
        start: Start,
        projection: Option<&[usize]>,
    ) -> Result<KafkaReader, LogError> {
        topic.check_partition(partition)?;
        let projection = Projection::new(&topic.config.name, &topic.config.schema, projection)?;
        let decoder = FileDecoder::new(topic.config.schema.clone(), MetadataVersion::V5);
        let decoder = match &projection.columns {
            Some(columns) => decoder.with_projection(columns.clone()),
            None => decoder,
        };
        let place = seek::find(&topic, partition, start)?;
        let consumer = topic.address.consumer(Fetch::Stream)?;
        assign(&consumer, &topic.address, &topic.config.name, partition, place.at)?;
        let offset = if let Start::Offset(offset) = start { offset } else { place.offset };
        let next_at = place.at;
        let (at, generation) = (place.at, place.generation);
        let watermark_us = (place.offset == Offset(0)).then_some(NO_EVENT_US);
        if watermark_us.is_none() && projection.has(LogColumn::Watermark) {
            return Err(LogError::NoWatermark { topic: topic.config.name.clone() });
        }
        Ok(KafkaReader { topic, partition, consumer, decoder, projection, at, next_at, watermark_us, offset, generation, fresh: true })
    }

    fn decode(&self, header: &Header, value: &[u8]) -> Result<RecordBatch, String> {
        // The message starts with Arrow's continuation marker and the length of its padded metadata.
        if value.len() < 8 {
            return Err("the record is too short for an Arrow message".into());
        }
        let metadata_len = u64::from(get_u32(value, 4)) + 8;
        let body_len = (value.len() as u64).checked_sub(metadata_len).ok_or("the record's Arrow message is cut off")?;
        let block = Block::new(0, metadata_len as i32, body_len as i64);
        // Copied into a buffer that is aligned as Arrow wants it, and checked: any program can write to a Kafka topic.
        let batch = self.decoder.read_record_batch(&block, &Buffer::from(value)).map_err(|e| format!("cannot be decoded: {e}"))?;
        batch.filter(|b| b.num_rows() == header.count as usize).ok_or_else(|| "does not hold what its header says".into())
    }
}

impl contract::Reader for KafkaReader {
    fn next(&mut self) -> Result<Option<Entry>, LogError> {
        loop {
            if self.at >= self.next_at {
                self.next_at = self.topic.known(self.partition).next_at;
            }
            if self.at >= self.next_at {
                self.next_at = self.topic.next_at(self.partition)?;
                if self.at >= self.next_at {
                    return Ok(None);
                }
            }
            let message = next(&self.consumer, &self.topic.address, self.at)?;
            let at = message.offset();
            let bad = |what: &str| self.topic.bad_record(self.partition, at, what);
            let value = message.payload().unwrap_or_default();
            let header = self.topic.counts(self.partition, at, header(&message))?;
            let Some(header) = header.filter(|h| matches!(h.kind, Kind::Records | Kind::Barrier)) else {
                self.at = at + 1;
                continue;
            };
            let follows = if self.fresh { header.base <= self.offset } else { header.base == self.offset };
            if !follows || (!self.fresh && header.generation != self.generation) {
                return Err(bad("the record does not follow the one before it: records are missing"));
            }
            let entry = if header.kind == Kind::Barrier {
                let barrier =
                    parse_barrier(value, self.topic.partitions()).ok_or_else(|| bad("the record is not a barrier of this topic"))?;
                (self.generation, self.offset) = (header.generation + 1, header.base.max(self.offset));
                Some(Entry::Barrier(barrier))
            } else {
                let batch = self.decode(&header, value).map_err(|what| bad(&what))?;
                let (base, end) = (header.base, header.end());
                let records = Records { partition: self.partition, base, end, offsets: None, arrival_us: header.arrival_us, batch };
                let before = self.watermark_us.filter(|us| *us != NO_EVENT_US);
                let records = self.projection.complete(records, before).cut(self.offset, end);
                self.watermark_us = self.watermark_us.map(|us| us.max(header.event_us.map_or(NO_EVENT_US, |e| e.1)));
                (self.generation, self.offset) = (header.generation, end.max(self.offset));
                (records.batch.num_rows() > 0).then_some(Entry::Records(records))
            };
            self.at = at + 1;
            self.fresh = false;
            if entry.is_some() {
                return Ok(entry);
            }
        }
    }

    fn offset(&self) -> Offset {
        self.offset
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn partition(&self) -> PartitionId {
        self.partition
    }
}

/// The records of a range that exists.
pub(super) struct KafkaRange<R> {
    pub reader: R,
    pub to: Offset,
}

impl<R: contract::Reader> KafkaRange<R> {
    fn pull(&mut self) -> Result<Option<Records>, LogError> {
        while self.reader.offset() < self.to {
            match self.reader.next()? {
                Some(Entry::Records(records)) => {
                    let base = records.base;
                    return Ok(Some(records.cut(base, self.to)));
                }
                Some(Entry::Barrier(_)) => {}
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}

impl<R: contract::Reader> Iterator for KafkaRange<R> {
    type Item = Result<Records, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pull().transpose()
    }
}
