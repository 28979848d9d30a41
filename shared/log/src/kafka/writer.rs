//! The one writer of a topic that Kafka keeps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamEncoder;
use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header as KafkaHeader, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, ProducerContext, ThreadedProducer};

use crate::config::{self, PartitionBy, TopicConfig};
use crate::contract;
use crate::error::LogError;
use crate::format::producer::{ProducerState, Producers};
use crate::records::{Barrier, ProducerSequence};
use crate::rows::event_range::event_range_us;
use crate::rows::partitioning::split;
use twopath_base::clock::Clock;
use twopath_base::sync::lock;
use twopath_base::{Offset, PartitionId, Position};

use super::client::{ANSWER_WAIT, Address, RECORD_BYTES_MAX};
use super::header::{Header, Kind, NAME, barrier_value};
use super::p32;
use super::state::{KafkaState, Known};

/// After so many records or bytes a writer writes down what it knows of its producers, so that the next one need not read further back.
const NOTE_RECORDS: u64 = 512;
const NOTE_BYTES: u64 = 64 << 20;

pub(super) struct KafkaWriter {
    topic: Arc<KafkaState>,
    producer: ThreadedProducer<Deliveries>,
    /// Locked in ascending order where several are.
    partitions: Vec<Mutex<PartitionWriter>>,
    /// Why no more appends are taken.
    failed: OnceLock<String>,
    turn: AtomicU64,
    key: Option<usize>,
    time: Option<usize>,
}

struct PartitionWriter {
    partition: PartitionId,
    known: Known,
    producers: Producers,
    encoder: StreamEncoder,
    /// Since the last note of the producers.
    records: u64,
    bytes: u64,
}

/// A record on its way, and what it changes once it has arrived.
struct Sent {
    slot: Arc<Slot>,
    header: Header,
    bytes: u64,
}

impl KafkaWriter {
    pub fn open(topic: Arc<KafkaState>) -> Result<KafkaWriter, LogError> {
        let producer = producer(&topic.address)?;
        let mut partitions = Vec::new();
        for p in topic.partition_ids() {
            partitions.push(take_over(&topic, &producer, p)?);
        }
        // Where two open at the same time, each could have taken some of the partitions: who does not see itself last in all of them
        // once it has all gives way. Of any two, at most one sees that.
        for writer in &partitions {
            if topic.refresh(writer.partition)?.last.at != writer.known.last.at {
                return Err(LogError::Overtaken { topic: topic.config.name.clone() });
            }
        }
        let column = |name: &String| topic.config.schema.index_of(name).expect("a topic's config names columns of its schema");
        let writer = KafkaWriter {
            key: match &topic.config.partition_by {
                PartitionBy::Key(name) => Some(column(name)),
                PartitionBy::RoundRobin => None,
            },
            time: topic.config.time_column.as_ref().map(column),
            producer,
            partitions: partitions.into_iter().map(Mutex::new).collect(),
            failed: OnceLock::new(),
            turn: AtomicU64::new(0),
            topic,
        };
        writer.complete_barrier()?;
        Ok(writer)
    }

    /// Puts the last barrier into the partitions that a dying writer did not reach.
    fn complete_barrier(&self) -> Result<(), LogError> {
        let mut partitions: Vec<_> = self.partitions.iter().map(lock).collect();
        let Some(first) = partitions.iter().max_by_key(|p| p.known.generation()) else { return Ok(()) };
        let last = first.known.generation();
        if partitions.iter().all(|p| p.known.generation() == last) {
            return Ok(());
        }
        let (barrier, _) = self.topic.barrier_at(first.partition, first.known.barrier_at())?;
        for writer in partitions.iter_mut().filter(|p| p.known.generation() < last) {
            let (p, known) = (writer.partition, writer.known);
            if known.generation() + 1 != last || barrier.position.get(p) != known.last.end() {
                let what = format!(
                    "the partition has {} barriers and ends at {}, and another one has {last}",
                    known.generation(),
                    known.last.end()
                );
                return Err(self.topic.bad_record(p, known.last.at, what));
            }
            tracing::warn!(partition = p.0, number = last, "completed a barrier that an earlier writer did not finish");
            let sent = self.send(writer, Kind::Barrier, &barrier_value(&barrier), |h| h)?;
            self.arrive(writer, sent)?;
        }
        Ok(())
    }

    fn check_failed(&self) -> Result<(), LogError> {
        match self.failed.get() {
            Some(cause) => Err(LogError::WriterFailed { topic: self.topic.config.name.clone(), cause: cause.clone() }),
            None => Ok(()),
        }
    }

    fn fail(&self, error: LogError) -> LogError {
        let _ = self.failed.set(error.to_string());
        error
    }

    /// Hands a record to Kafka's client.
    fn send(&self, writer: &PartitionWriter, kind: Kind, value: &[u8], with: impl FnOnce(Header) -> Header) -> Result<Sent, LogError> {
        let header = with(writer.next_header(kind, &*self.topic.clock));
        let slot = hand_over(&self.producer, &self.topic.address, &self.topic.config.name, writer.partition, &header, value)
            .map_err(|e| self.fail(e))?;
        Ok(Sent { slot, header, bytes: value.len() as u64 })
    }

    /// Waits until a record stands where it must.
    fn arrive(&self, writer: &mut PartitionWriter, sent: Sent) -> Result<(), LogError> {
        let at = sent.slot.wait(&self.topic.address).map_err(|e| self.fail(e))?;
        if at != sent.header.at {
            return Err(self.fail(LogError::Overtaken { topic: self.topic.config.name.clone() }));
        }
        writer.note(&sent);
        self.topic.learn(writer.partition, writer.known);
        Ok(())
    }

    /// The value of a record of rows.
    fn encode(&self, writer: &mut PartitionWriter, batch: &RecordBatch) -> Result<Vec<u8>, LogError> {
        let arrow = |source| LogError::Arrow { topic: self.topic.config.name.clone(), source };
        let message = writer.encoder.encode(batch).map_err(arrow)?;
        let value: Vec<u8> = message.iter().flat_map(|b| b.iter().copied()).collect();
        if value.len() > RECORD_BYTES_MAX {
            let (rows, topic) = (batch.num_rows(), self.topic.config.name.clone());
            let max = (rows as u64 * RECORD_BYTES_MAX as u64 / value.len() as u64) as usize;
            return Err(LogError::BatchTooLarge { topic, rows, max });
        }
        Ok(value)
    }

    /// Sends rows with the record's value that they make.
    fn send_rows(
        &self,
        writer: &mut PartitionWriter,
        batch: &RecordBatch,
        value: &[u8],
        producer: Option<ProducerSequence>,
    ) -> Result<Sent, LogError> {
        if writer.records >= NOTE_RECORDS || writer.bytes >= NOTE_BYTES {
            writer.producers.trim();
            let sent = self.send(writer, Kind::Writer, &writer.producers_value(), |h| h)?;
            self.arrive(writer, sent)?;
        }
        let event_us = self.time.and_then(|column| event_range_us(batch.column(column)));
        self.send(writer, Kind::Records, value, |h| Header {
            count: batch.num_rows() as u32,
            event_us,
            event_max_so_far_us: event_us.map_or(h.event_max_so_far_us, |(_, max)| max.max(h.event_max_so_far_us)),
            producer,
            ..h
        })
    }
}

impl contract::Writer for KafkaWriter {
    fn seal(&self) -> Result<(), LogError> {
        // Kafka has no segments of ours.
        Ok(())
    }

    fn append(&self, batch: &RecordBatch) -> Result<Position, LogError> {
        self.topic.config.check_batch(batch)?;
        let count = self.partitions.len();
        let arrow = |source| LogError::Arrow { topic: self.topic.config.name.clone(), source };
        let parts = match self.key {
            Some(key) if count > 1 => split(batch, key, count as u32).map_err(arrow)?,
            _ => {
                let turn = (self.turn.fetch_add(1, Ordering::Relaxed) % count as u64) as usize;
                (0..count).map(|p| (p == turn && batch.num_rows() > 0).then(|| batch.clone())).collect()
            }
        };
        // A part that is too large is found out before any is sent, and all are on their way before the first is waited for.
        let mut encoded: Vec<(MutexGuard<'_, PartitionWriter>, RecordBatch, Vec<u8>)> = Vec::new();
        for (writer, part) in self.partitions.iter().zip(parts) {
            if let Some(part) = part {
                let mut writer = lock(writer);
                let value = self.encode(&mut writer, &part)?;
                encoded.push((writer, part, value));
            }
        }
        self.check_failed()?;
        let mut under_way = Vec::with_capacity(encoded.len());
        for (mut writer, part, value) in encoded {
            let sent = self.send_rows(&mut writer, &part, &value, None)?;
            under_way.push((writer, sent));
        }
        for (mut writer, sent) in under_way {
            self.arrive(&mut writer, sent)?;
        }
        Ok(Position::new(self.topic.partition_ids().map(|p| self.topic.known(p).last.end()).collect()))
    }

    fn append_to(&self, partition: PartitionId, batch: &RecordBatch, producer: Option<ProducerSequence>) -> Result<Offset, LogError> {
        self.topic.check_partition(partition)?;
        self.topic.config.check_batch(batch)?;
        let mut writer = lock(&self.partitions[partition.index()]);
        self.check_failed()?;
        if let Some(offset) = producer.map(|p| writer.producers.check(p)).transpose()?.flatten() {
            return Ok(offset);
        }
        if batch.num_rows() == 0 {
            return Ok(writer.known.last.end());
        }
        let value = self.encode(&mut writer, batch)?;
        let sent = self.send_rows(&mut writer, batch, &value, producer)?;
        let base = sent.header.base;
        self.arrive(&mut writer, sent)?;
        Ok(base)
    }

    fn begin_producer(&self, producer: u64) -> Result<u32, LogError> {
        let mut partitions: Vec<_> = self.partitions.iter().map(lock).collect();
        self.check_failed()?;
        let epoch = partitions.iter().filter_map(|p| p.producers.get(producer)).map(|s| s.epoch).max().unwrap_or(0) + 1;
        let fence = ProducerSequence { producer, epoch, sequence: 0 };
        let fence = |h| Header { producer: Some(fence), ..h };
        let sent = partitions.iter().map(|p| self.send(p, Kind::Fence, &[], fence)).collect::<Result<Vec<_>, _>>()?;
        partitions.iter_mut().zip(sent).try_for_each(|(p, sent)| self.arrive(p, sent))?;
        Ok(epoch)
    }

    fn producer_state(&self, partition: PartitionId, producer: u64) -> Result<Option<ProducerState>, LogError> {
        self.topic.check_partition(partition)?;
        Ok(lock(&self.partitions[partition.index()]).producers.get(producer).cloned())
    }

    fn barrier(&self) -> Result<Barrier, LogError> {
        let mut partitions: Vec<_> = self.partitions.iter().map(lock).collect();
        self.check_failed()?;
        let number = partitions[0].known.generation() + 1;
        let position = Position::new(partitions.iter().map(|p| p.known.last.end()).collect());
        let barrier = Barrier { number, position };
        let value = barrier_value(&barrier);
        let sent = partitions.iter().map(|p| self.send(p, Kind::Barrier, &value, |h| h)).collect::<Result<Vec<_>, _>>()?;
        partitions.iter_mut().zip(sent).try_for_each(|(p, sent)| self.arrive(p, sent))?;
        Ok(barrier)
    }

    fn sync(&self) -> Result<(), LogError> {
        // Nothing is under way: each append waits for its acknowledgement.
        self.partitions.iter().for_each(|p| drop(lock(p)));
        self.check_failed()
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        self.sync()
    }
}

impl PartitionWriter {
    /// The header of the next record, without rows.
    fn next_header(&self, kind: Kind, clock: &dyn Clock) -> Header {
        next_header(&self.known, kind, clock)
    }

    fn note(&mut self, sent: &Sent) {
        self.known = Known { next_at: sent.header.at + 1, last: sent.header };
        note(&mut self.producers, &sent.header);
        match sent.header.kind {
            Kind::Writer | Kind::Topic => (self.records, self.bytes) = (0, 0),
            Kind::Records | Kind::Barrier | Kind::Fence => {
                self.records += 1;
                self.bytes += sent.bytes;
            }
        }
    }

    fn producers_value(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(Producers::encoded_len(self.producers.len()));
        self.producers.encode(&mut value);
        value
    }
}

/// Takes in what a record says of its producer.
fn note(producers: &mut Producers, header: &Header) {
    if let Some(producer) = header.producer {
        producers.note_append(producer, (header.kind == Kind::Records).then_some(header.base), header.arrival_us);
    }
}

fn next_header(known: &Known, kind: Kind, clock: &dyn Clock) -> Header {
    Header {
        kind,
        count: 0,
        base: known.last.end(),
        at: known.next_at,
        generation: known.generation(),
        arrival_us: clock.now_us().max(known.last.arrival_us),
        event_us: None,
        producer: None,
        writer_at: known.writer_at(),
        barrier_at: known.barrier_at(),
        ..known.last
    }
}

/// Fences the writers before: a record of our own takes the Kafka offset that they need next.
fn take_over(topic: &KafkaState, producer: &ThreadedProducer<Deliveries>, partition: PartitionId) -> Result<PartitionWriter, LogError> {
    let until = Instant::now() + ANSWER_WAIT;
    let arrow = |source| LogError::Arrow { topic: topic.config.name.clone(), source };
    let mut encoder = StreamEncoder::try_new(&topic.config.schema).map_err(arrow)?;
    // Its first output is the schema, which stands in the topic's first record already.
    encoder.encode(&RecordBatch::new_empty(topic.config.schema.clone())).map_err(arrow)?;
    loop {
        let known = topic.refresh(partition)?;
        let producers = producers_at(topic, partition, &known)?;
        let mut writer = PartitionWriter { partition, known, producers, encoder, records: 0, bytes: 0 };
        let header = next_header(&known, Kind::Writer, &*topic.clock);
        let value = writer.producers_value();
        let slot = hand_over(producer, &topic.address, &topic.config.name, partition, &header, &value)?;
        if slot.wait(&topic.address)? == header.at {
            writer.note(&Sent { slot, header, bytes: 0 });
            topic.learn(partition, writer.known);
            return Ok(writer);
        }
        // The older writer was faster by a record: what it appended counts, and its next one will not.
        if Instant::now() > until {
            return Err(LogError::Overtaken { topic: topic.config.name.clone() });
        }
        encoder = writer.encoder;
    }
}

/// What is known of the producers of a partition: the last note, and the records after it.
fn producers_at(topic: &KafkaState, partition: PartitionId, known: &Known) -> Result<Producers, LogError> {
    let at = known.writer_at();
    let bad = || topic.bad_record(partition, at, "there should be a note of the producers");
    let found = topic.read(partition, at)?;
    let written = topic.counts(partition, found.at, found.header)?.filter(|h| h.at == at).ok_or_else(bad)?;
    let mut producers = Producers::default();
    if written.kind == Kind::Writer {
        producers = Producers::decode(&found.value).ok_or_else(bad)?;
    }
    if known.next_at > at + 1 {
        let consumer = topic.address.consumer(super::client::Fetch::Stream)?;
        super::scout::assign(&consumer, &topic.address, &topic.config.name, partition, at + 1)?;
        let mut next = at + 1;
        while next < known.next_at {
            let message = super::scout::next(&consumer, &topic.address, next)?;
            next = message.offset() + 1;
            if let Some(header) = super::scout::header(&message).filter(|h| h.at == message.offset()) {
                note(&mut producers, &header);
            }
        }
    }
    Ok(producers)
}

/// The first record of those partitions of a new topic that have none. The first of them is written before the others: of two who make
/// the topic at the same time with ids of their own, only one gets its place, and the other leaves it at that.
pub(super) fn write_topic_records(
    address: &Address,
    config: &TopicConfig,
    id: u64,
    missing: &[PartitionId],
    clock: &dyn Clock,
) -> Result<(), LogError> {
    let producer = producer(address)?;
    let value = config::to_json(config, id);
    let header = Header {
        kind: Kind::Topic,
        count: 0,
        base: Offset(0),
        at: 0,
        generation: 0,
        arrival_us: clock.now_us(),
        event_us: None,
        event_max_so_far_us: i64::MIN,
        producer: None,
        writer_at: 0,
        barrier_at: -1,
        topic_id: id,
        fingerprint: config::fingerprint(&config.schema),
    };
    let send = |p: &PartitionId| hand_over(&producer, address, &config.name, *p, &header, &value);
    let (first, others) = missing.split_first().ok_or_else(|| LogError::TopicExists { name: config.name.clone() })?;
    if send(first)?.wait(address)? != header.at {
        return Err(LogError::TopicExists { name: config.name.clone() });
    }
    let slots = others.iter().map(send).collect::<Result<Vec<_>, _>>()?;
    // One that comes too late finds the same record there already.
    slots.iter().try_for_each(|slot| slot.wait(address).map(drop))
}

/// A producer whose own retries neither double nor reorder, and whose records are acknowledged by all in-sync replicas.
fn producer(address: &Address) -> Result<ThreadedProducer<Deliveries>, LogError> {
    let mut config = address.config();
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "0")
        .set("message.max.bytes", (RECORD_BYTES_MAX + (1 << 20)).to_string())
        .set("delivery.timeout.ms", ANSWER_WAIT.as_millis().to_string())
        .set("request.timeout.ms", (ANSWER_WAIT.as_millis() / 2).to_string());
    config.create_with_context(Deliveries).map_err(address.failed("connect"))
}

fn hand_over(
    producer: &ThreadedProducer<Deliveries>,
    address: &Address,
    topic: &str,
    partition: PartitionId,
    header: &Header,
    value: &[u8],
) -> Result<Arc<Slot>, LogError> {
    let slot = Arc::new(Slot::default());
    let bytes = header.encode();
    let record: BaseRecord<'_, (), [u8], Arc<Slot>> = BaseRecord::with_opaque_to(topic, slot.clone())
        .partition(p32(partition))
        .payload(value)
        .timestamp(header.arrival_us / 1000)
        .headers(OwnedHeaders::new_with_capacity(1).insert(KafkaHeader { key: NAME, value: Some(&bytes[..]) }));
    producer.send(record).map_err(|(e, _)| address.failed("append")(e))?;
    Ok(slot)
}

/// Where the answer about a record is put.
#[derive(Default)]
struct Slot {
    answer: Mutex<Option<Result<i64, KafkaError>>>,
    answered: Condvar,
}

impl Slot {
    /// The Kafka offset that the record got. (Kafka's client answers within `delivery.timeout.ms`.)
    fn wait(&self, address: &Address) -> Result<i64, LogError> {
        let mut answer = lock(&self.answer);
        loop {
            match answer.take() {
                Some(result) => return result.map_err(address.failed("append")),
                None => answer = self.answered.wait(answer).unwrap_or_else(std::sync::PoisonError::into_inner),
            }
        }
    }
}

struct Deliveries;

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("Kafka: {error}: {reason}");
    }
}

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    type DeliveryOpaque = Arc<Slot>;

    fn delivery(&self, result: &DeliveryResult<'_>, slot: Arc<Slot>) {
        let answer = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.clone()),
        };
        *lock(&slot.answer) = Some(answer);
        slot.answered.notify_all();
    }
}
