//! Topics that other programs write: read only, one record one row.
//!
//! # Record format
//!
//! A record's value becomes a row by a [`RowDecoder`] (`twopath` has one for JSON: one object, whose fields named as the schema's columns
//! are the cells). Its key and headers are not looked at. A row's offset is its record's in Kafka: a topic may begin above 0 (retention)
//! and have holes (compaction, what transactions leave). Records of transactions that were aborted, or are open, are not seen. The arrival
//! time is the record's timestamp. There are no barriers. A record that makes no row, and one without a value, is an error that names
//! partition and offset; what stands before it can be read.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use arrow_array::{RecordBatch, TimestampMicrosecondArray};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::config::TopicConfig;
use crate::contract::{self, RangeOf};
use crate::error::LogError;
use crate::groups::PartitionProgress;
use crate::records::{Barrier, Entry, Records, Start};
use crate::rows::event_range::event_range_us;
use crate::rows::log_columns::Projection;
use crate::rows::row_decoder::{RowDecoder, RowDecoders};
use twopath_base::sync::lock;
use twopath_base::{LogColumn, Offset, PartitionId, Position};

use super::client::{ANSWER_WAIT, Address, Fetch, Quiet};
use super::reader::KafkaRange;
use super::scout::assign;
use super::tail::News;
use super::tail::{Followed, Follower, KafkaTail};
use super::{Kafka, groups, p32, size};

/// A frame has at most so many rows.
const FRAME_ROWS: usize = 8192;

/// How often it is looked whether partitions were added, at most.
const COUNT_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct ForeignTopic(Arc<ForeignState>);

pub(super) struct ForeignState {
    address: Arc<Address>,
    config: TopicConfig,
    decoders: RowDecoders,
    asker: BaseConsumer<Quiet>,
    /// By partition: the Kafka offset after the last record, as far as it is known.
    ends: Vec<AtomicI64>,
    /// When the cluster last had as many partitions as the config.
    counted: Mutex<Instant>,
    news: News,
    follower: Mutex<Weak<Follower>>,
}

impl ForeignTopic {
    /// Opens a topic; the config's number of partitions is the cluster's.
    pub fn open(kafka: &Kafka, config: TopicConfig, decoders: RowDecoders) -> Result<ForeignTopic, LogError> {
        let partitions = kafka.partitions_of(&config.name)?;
        let config = TopicConfig { partitions: partitions as u32, ..config };
        config.check()?;
        Ok(ForeignTopic(Arc::new(ForeignState {
            asker: kafka.address.consumer(Fetch::Foreign)?,
            address: kafka.address.clone(),
            config,
            decoders,
            ends: (0..partitions).map(|_| AtomicI64::new(0)).collect(),
            counted: Mutex::new(Instant::now()),
            news: News::default(),
            follower: Mutex::default(),
        })))
    }
}

impl ForeignState {
    /// The first Kafka offset that is left of a partition, and the one after its last record.
    fn bounds(&self, partition: PartitionId) -> Result<(i64, i64), LogError> {
        self.check_count()?;
        let bounds = self.asker.fetch_watermarks(&self.config.name, p32(partition), ANSWER_WAIT);
        let (first, end) = bounds.map_err(self.address.failed("ask for the end of a partition"))?;
        self.learn(partition, end);
        Ok((first, end))
    }

    /// That the topic has the partitions that it was opened with: what stands in others would be left out in silence.
    fn check_count(&self) -> Result<(), LogError> {
        let mut counted = lock(&self.counted);
        if counted.elapsed() < COUNT_EVERY {
            return Ok(());
        }
        let name = &self.config.name;
        let metadata = self.asker.fetch_metadata(Some(name), ANSWER_WAIT).map_err(self.address.failed("count a topic's partitions"))?;
        let (had, has) = (self.config.partitions as usize, metadata.topics().iter().map(|t| t.partitions().len()).sum());
        if has > had {
            return Err(LogError::PartitionsAdded { topic: name.clone(), place: self.place(), had, has });
        }
        *counted = Instant::now();
        Ok(())
    }

    fn place(&self) -> String {
        format!("{}/{}", self.address, self.config.name)
    }

    fn learn(&self, partition: PartitionId, end: i64) {
        if self.ends[partition.index()].fetch_max(end, Ordering::AcqRel) < end {
            self.news.wake();
        }
    }

    fn bad_record(&self, partition: PartitionId, at: i64, what: String) -> LogError {
        LogError::BadKafkaRecord { place: self.place(), partition, at, what }
    }

    fn gone(&self, partition: PartitionId, at: i64, first: i64) -> LogError {
        let (offset, first) = (Offset(at as u64), Offset(first as u64));
        LogError::OffsetGone { topic: self.config.name.clone(), partition, offset, first }
    }

    /// The first record that arrived at a time or later.
    fn arrived(&self, partition: PartitionId, at_us: i64, end: i64) -> Result<i64, LogError> {
        let failed = || self.address.failed("look for a time");
        let mut places = TopicPartitionList::new();
        let at_ms = at_us.div_euclid(1000) + i64::from(at_us.rem_euclid(1000) > 0);
        let time = KafkaOffset::Offset(at_ms.max(0));
        places.add_partition_offset(&self.config.name, p32(partition), time).map_err(failed())?;
        let found = self.asker.offsets_for_times(places, ANSWER_WAIT).map_err(failed())?;
        let found = found.elements().first().map(rdkafka::topic_partition_list::TopicPartitionListElem::offset);
        Ok(if let Some(KafkaOffset::Offset(at)) = found { at } else { end })
    }
}

impl Followed for ForeignState {
    fn news(&self) -> &News {
        &self.news
    }

    fn end(&self, partition: PartitionId) -> Offset {
        Offset(self.ends[partition.index()].load(Ordering::Acquire) as u64)
    }

    fn heard(&self, message: &BorrowedMessage<'_>) {
        self.learn(PartitionId(message.partition() as u32), message.offset() + 1);
    }
}

impl contract::Topic for ForeignTopic {
    fn config(&self) -> &TopicConfig {
        &self.0.config
    }

    fn writer(&self) -> Result<Box<dyn contract::Writer>, LogError> {
        Err(LogError::ReadOnly { topic: self.0.config.name.clone(), place: self.0.place() })
    }

    fn reader(&self, partition: PartitionId, start: Start, projection: Option<&[usize]>) -> Result<Box<dyn contract::Reader>, LogError> {
        Ok(Box::new(ForeignReader::open(self.0.clone(), partition, start, projection)?))
    }

    fn range(&self, partition: PartitionId, from: Offset, to: Offset, projection: Option<&[usize]>) -> Result<RangeOf, LogError> {
        self.0.config.check_partition(partition)?;
        let end = Offset(self.0.bounds(partition)?.1 as u64);
        if to > end {
            return Err(LogError::OffsetOutOfRange { topic: self.0.config.name.clone(), partition, offset: to, end });
        }
        let reader = ForeignReader::open(self.0.clone(), partition, Start::Offset(from.min(to)), projection)?;
        Ok(Box::new(KafkaRange { reader, to }))
    }

    fn start(&self) -> Result<Position, LogError> {
        let firsts = self.0.config.partition_ids().map(|p| Ok(Offset(self.0.bounds(p)?.0 as u64)));
        Ok(Position::new(firsts.collect::<Result<_, LogError>>()?))
    }

    fn since(&self) -> Result<Position, LogError> {
        self.start()
    }

    fn end(&self) -> Result<Position, LogError> {
        let ends = self.0.config.partition_ids().map(|p| Ok(Offset(self.0.bounds(p)?.1 as u64)));
        Ok(Position::new(ends.collect::<Result<_, LogError>>()?))
    }

    fn barriers(&self) -> Result<Vec<Barrier>, LogError> {
        Ok(Vec::new())
    }

    fn tail(&self) -> Result<Box<dyn contract::Tail>, LogError> {
        let shared = &self.0;
        let mut running = lock(&shared.follower);
        let follower = match running.upgrade() {
            Some(follower) => follower,
            None => {
                let ends = shared.config.partition_ids().map(|p| Ok((p, shared.bounds(p)?.1))).collect::<Result<Vec<_>, LogError>>()?;
                let consumer = shared.address.consumer(Fetch::Foreign)?;
                let started = Follower::start(&shared.address, &shared.config.name, consumer, &ends, shared.clone())?;
                *running = Arc::downgrade(&started);
                started
            }
        };
        Ok(Box::new(KafkaTail { topic: shared.clone(), _follower: follower }))
    }

    fn bytes(&self) -> Result<u64, LogError> {
        size::bytes(&self.0.address, &self.0.asker, &self.0.config.name, self.0.config.partitions)
    }

    fn groups(&self) -> Result<Vec<String>, LogError> {
        groups::names(&self.0.address, &self.0.config)
    }

    fn group_progress(&self, group: &str) -> Result<Vec<PartitionProgress>, LogError> {
        let end = |p| Ok(Offset(self.0.bounds(p)?.1 as u64));
        // A row's offset is its record's.
        groups::progress(&self.0.address, &self.0.config, group, |_, committed| Ok(Offset(committed.at as u64)), end)
    }

    fn seek_group(&self, group: &str, starts: &[Start]) -> Result<Position, LogError> {
        let place = |(p, start): (PartitionId, &Start)| ForeignReader::open(self.0.clone(), p, *start, None).map(|reader| reader.at);
        let to = self.0.config.partition_ids().zip(starts).map(place).collect::<Result<Vec<_>, LogError>>()?;
        let to: Vec<(i64, Offset)> = to.into_iter().map(|at| (at, Offset(at as u64))).collect();
        groups::commit(&self.0.address, &self.0.config, group, &to)?;
        Ok(Position::new(to.into_iter().map(|(_, rows)| rows).collect()))
    }

    fn address(&self) -> String {
        self.0.place()
    }
}

struct ForeignReader {
    topic: Arc<ForeignState>,
    partition: PartitionId,
    consumer: BaseConsumer<Quiet>,
    decoder: Box<dyn RowDecoder>,
    projection: Projection,
    /// Of the next row.
    at: i64,
    /// Rows are looked for up to here without asking whether there are any.
    end: i64,
    /// An end that was asked for once the consumer had reported the partition's, and before it was sent to its place again: where it
    /// reports one once more, nothing is left below. (The first report may be older than the records, or a new leader's that has yet to
    /// learn how far they are committed.)
    confirmed_end: i64,
    arrival_us: i64,
    /// Of each row that was taken and is not handed over yet, its own, where it is asked for: frames here are put together as records come.
    arrivals_us: Vec<i64>,
    /// A record that makes no row: the reader stays before it.
    bad: Option<(i64, String)>,
    /// What the consumer reported behind rows that were handed out first.
    reported: Option<KafkaError>,
}

impl ForeignReader {
    fn open(
        topic: Arc<ForeignState>,
        partition: PartitionId,
        start: Start,
        projection: Option<&[usize]>,
    ) -> Result<ForeignReader, LogError> {
        topic.config.check_partition(partition)?;
        let projection = Projection::new(&topic.config.name, &topic.config.schema, projection)?;
        if projection.has(LogColumn::Watermark) {
            return Err(LogError::NoWatermark { topic: topic.config.name.clone() });
        }
        let (first, end) = topic.bounds(partition)?;
        let at = match start {
            Start::First => first,
            Start::End => end,
            Start::Offset(Offset(offset)) => {
                let at = i64::try_from(offset).unwrap_or(i64::MAX);
                if at < first {
                    return Err(topic.gone(partition, at, first));
                }
                if at > end {
                    let (offset, end) = (Offset(offset), Offset(end as u64));
                    return Err(LogError::OffsetOutOfRange { topic: topic.config.name.clone(), partition, offset, end });
                }
                at
            }
            Start::ArrivalTime(at_us) => topic.arrived(partition, at_us, end)?,
            // Kafka knows no event times: everything before is read.
            Start::EventTime(at_us) => first_with_event(&topic, partition, at_us)?,
        };
        let consumer = topic.address.consumer(Fetch::Foreign)?;
        assign(&consumer, &topic.address, &topic.config.name, partition, at)?;
        let decoder = (topic.decoders)();
        let (confirmed_end, arrival_us, arrivals_us, bad, reported) = (at, 0, Vec::new(), None, None);
        Ok(ForeignReader {
            topic,
            partition,
            consumer,
            decoder,
            projection,
            at,
            end,
            confirmed_end,
            arrival_us,
            arrivals_us,
            bad,
            reported,
        })
    }

    /// Takes in a record's value; whether it made a row.
    fn take(&mut self, message: (i64, Option<i64>, Option<&[u8]>)) -> bool {
        let (at, timestamp_ms, value) = message;
        let pushed = value.ok_or_else(|| "the record has no value, and so makes no row".to_owned()).and_then(|v| self.decoder.push(v));
        if let Err(what) = pushed {
            self.bad = Some((at, what));
            return false;
        }
        let arrival_us = timestamp_ms.unwrap_or(0).saturating_mul(1000);
        self.arrival_us = arrival_us.max(self.arrival_us);
        if self.projection.has(LogColumn::Arrival) {
            self.arrivals_us.push(arrival_us);
        }
        self.at = at + 1;
        true
    }

    /// The rows of the values taken, whose offsets these are.
    fn records(&mut self, base: i64, offsets: &[i64]) -> Result<Records, LogError> {
        let all = self.decoder.take();
        let arrow = |source| LogError::Arrow { topic: self.topic.config.name.clone(), source };
        let batch: RecordBatch = self.projection.columns.as_ref().map_or(Ok(all.clone()), |p| all.project(p)).map_err(arrow)?;
        assert_eq!(batch.num_rows(), offsets.len(), "a decoder makes one row of each value");
        let dense = self.at - base == offsets.len() as i64;
        let records = Records {
            partition: self.partition,
            base: Offset(base as u64),
            end: Offset(self.at as u64),
            offsets: (!dense).then(|| offsets.iter().map(|o| Offset(*o as u64)).collect()),
            arrival_us: self.arrival_us,
            batch,
        };
        let arrivals = std::mem::take(&mut self.arrivals_us);
        Ok(self.projection.complete_with(records, None, |_| TimestampMicrosecondArray::from(arrivals.clone())))
    }
}

impl contract::Reader for ForeignReader {
    fn next(&mut self) -> Result<Option<Entry>, LogError> {
        if self.at >= self.end {
            self.end = self.topic.bounds(self.partition)?.1;
            if self.at >= self.end {
                return Ok(None);
            }
        }
        let (base, until) = (self.at, Instant::now() + ANSWER_WAIT);
        let mut offsets: Vec<i64> = Vec::new();
        let mut failed = None;
        while self.bad.is_none() && self.at < self.end && offsets.len() < FRAME_ROWS {
            let left = until.saturating_duration_since(Instant::now());
            // What is there already is put together, and not waited for.
            let wait = if self.at == base { left } else { Duration::ZERO };
            let polled = match self.reported.take() {
                Some(e) => Some(Err(e)),
                None => {
                    self.consumer.poll(wait).map(|p| p.map(|m| (m.offset(), m.timestamp().to_millis(), m.payload().map(<[u8]>::to_vec))))
                }
            };
            match polled {
                Some(Ok((at, ..))) if at < self.at => {}
                Some(Ok((at, timestamp_ms, value))) => {
                    if self.take((at, timestamp_ms, value.as_deref())) {
                        offsets.push(at);
                    }
                }
                // The rows before it come first, whatever becomes of it.
                Some(Err(e)) if self.at > base => {
                    self.reported = Some(e);
                    break;
                }
                // What is left below are holes.
                Some(Err(KafkaError::PartitionEOF(_))) if self.at < self.confirmed_end => self.at = self.confirmed_end,
                Some(Err(eof @ KafkaError::PartitionEOF(_))) => {
                    // It is reported once, and so stays here until it has been answered.
                    self.reported = Some(eof);
                    self.end = self.topic.bounds(self.partition)?.1;
                    if self.at >= self.end {
                        return Ok(None);
                    }
                    assign(&self.consumer, &self.topic.address, &self.topic.config.name, self.partition, self.at)?;
                    (self.confirmed_end, self.reported) = (self.end, None);
                }
                Some(Err(e)) => {
                    let first = self.topic.bounds(self.partition)?.0;
                    if self.at < first {
                        return Err(self.topic.gone(self.partition, self.at, first));
                    }
                    failed = Some(e);
                }
                None if self.at > base => break,
                None => {
                    return Err(failed.map_or_else(|| self.topic.address.silent("read"), |e| self.topic.address.failed("read")(e)));
                }
            }
        }
        match &self.bad {
            Some((at, what)) if self.at == base => Err(self.topic.bad_record(self.partition, *at, what.clone())),
            _ => Ok(Some(Entry::Records(self.records(base, &offsets)?))),
        }
    }

    fn offset(&self) -> Offset {
        Offset(self.at as u64)
    }

    fn generation(&self) -> u64 {
        0
    }

    fn partition(&self) -> PartitionId {
        self.partition
    }
}

/// The first frame with an event of a time or later, or the end.
fn first_with_event(topic: &Arc<ForeignState>, partition: PartitionId, at_us: i64) -> Result<i64, LogError> {
    let config = &topic.config;
    let Some(column) = config.time_column.as_ref().and_then(|name| config.schema.index_of(name).ok()) else {
        return Ok(topic.bounds(partition)?.1);
    };
    let mut reader = ForeignReader::open(topic.clone(), partition, Start::First, Some(&[column]))?;
    loop {
        let before = reader.at;
        match contract::Reader::next(&mut reader)? {
            None => return Ok(before),
            Some(Entry::Barrier(_)) => {}
            Some(Entry::Records(records)) => {
                if event_range_us(records.batch.column(0)).is_some_and(|(_, last)| last >= at_us) {
                    return Ok(before);
                }
            }
        }
    }
}
