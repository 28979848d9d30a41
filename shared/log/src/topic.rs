//! What users of a log hold: the same types whoever keeps the log, over the [contract](super::contract).

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use twopath_base::{Offset, PartitionId, Position};

use crate::config::{PartitionBy, TopicConfig};
use crate::contract::{self, RangeOf};
use crate::error::LogError;
use crate::format::producer::ProducerState;
use crate::groups::PartitionProgress;
use crate::local::topic::LocalTopic;
use crate::partition::hold::Hold;
use crate::records::{Barrier, Entry, ProducerSequence, Records, Start};
use crate::rows::partitioning::split;

/// One topic, open for reading; cheap to clone. All clones share what they know of which checksums hold.
#[derive(Clone)]
pub struct Topic {
    log: Arc<dyn contract::Topic>,
    local: Option<LocalTopic>,
}

impl Topic {
    /// A topic that is kept elsewhere than in a folder.
    #[cfg(feature = "kafka")]
    pub(crate) fn elsewhere(topic: impl contract::Topic + 'static) -> Topic {
        Topic { log: Arc::new(topic), local: None }
    }

    pub(crate) fn in_folder(topic: LocalTopic) -> Topic {
        Topic { log: Arc::new(topic.clone()), local: Some(topic) }
    }

    /// What only a topic in a folder has: segments, upkeep, the members of groups.
    ///
    /// # Errors
    /// The topic is kept elsewhere.
    pub fn local(&self) -> Result<&LocalTopic, LogError> {
        let elsewhere = || LogError::NotLocal { topic: self.name().into(), address: self.address() };
        self.local.as_ref().ok_or_else(elsewhere)
    }

    pub fn name(&self) -> &str {
        &self.config().name
    }

    pub fn config(&self) -> &TopicConfig {
        self.log.config()
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.config().schema
    }

    pub fn partitions(&self) -> usize {
        self.config().partitions as usize
    }

    /// Where it is kept, for messages: a folder or a cluster's address.
    pub fn address(&self) -> String {
        self.log.address()
    }

    /// Becomes the topic's one writer. In the embedded log a second one is told who holds it; in Kafka the newer writer fences the older.
    pub fn writer(&self) -> Result<TopicWriter, LogError> {
        Ok(TopicWriter(self.log.writer()?))
    }

    /// A reader of one partition. With a projection (ascending column indexes), entries hold those columns only, in that order; behind the
    /// topic's own columns it may name those of the log ([`LogColumn`](twopath_base::LogColumn)).
    pub fn reader(&self, partition: PartitionId, start: Start, projection: Option<&[usize]>) -> Result<PartitionReader, LogError> {
        Ok(PartitionReader(self.log.reader(partition, start, projection)?))
    }

    /// The records of one partition from `from` up to, and without, `to`: frame by frame, the first and the last cut to fit.
    pub fn range(&self, partition: PartitionId, from: Offset, to: Offset, projection: Option<&[usize]>) -> Result<Range, LogError> {
        Ok(Range(self.log.range(partition, from, to, projection)?))
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

    /// The first offset left in each partition, the lower bound of what can be read: retention took away what was before.
    pub fn start(&self) -> Result<Position, LogError> {
        self.log.start()
    }

    /// The least position from which on the log can be asked (Materialize's *since*): below it, compaction has merged records with later
    /// ones, or retention has removed them, so that no answer could be exact there.
    pub fn since(&self) -> Result<Position, LogError> {
        self.log.since()
    }

    /// How many records there are: neither those that retention removed nor those that compaction left out. Where a folder keeps the log, by the
    /// seals of its segments: nothing is fetched.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use arrow_schema::{DataType, Field, Schema};
    /// # use twopath_log::{Log, TopicConfig};
    /// # let dir = tempfile::tempdir()?;
    /// # let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    /// # let topic = Log::open(dir.path())?.create_topic(TopicConfig::new("numbers", schema))?;
    /// assert_eq!(topic.records_left()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn records_left(&self) -> Result<u64, LogError> {
        match &self.local {
            Some(local) => self.config().partition_ids().map(|p| Ok(local.times(p)?.records)).sum(),
            None => Ok(self.end()?.records_since(&self.start()?)),
        }
    }

    /// The arrival time of the record before an offset, in microseconds since 1970; `None` where the log has none. Of two logs that agree in it, one
    /// does not have other records in the place of the newest that the other had below the offset.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use arrow_schema::{DataType, Field, Schema};
    /// # use twopath_base::{Offset, PartitionId};
    /// # use twopath_log::{Log, TopicConfig};
    /// # let dir = tempfile::tempdir()?;
    /// # let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    /// # let topic = Log::open(dir.path())?.create_topic(TopicConfig::new("numbers", schema))?;
    /// assert_eq!(topic.arrival_before(PartitionId(0), Offset(0))?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn arrival_before(&self, partition: PartitionId, offset: Offset) -> Result<Option<i64>, LogError> {
        if offset <= self.start()?.get(partition) {
            return Ok(None);
        }
        let mut reader = self.reader(partition, Start::Offset(Offset(offset.0 - 1)), Some(&[]))?;
        loop {
            match reader.next()? {
                Some(Entry::Records(records)) => return Ok(Some(records.arrival_us)),
                Some(Entry::Barrier(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// That an answer over the records from `lower` up to, and without, `upper` can be exact: the log has them all. Everything from the log's
    /// start counts as asked for where `lower` is [`Self::start`], whatever was removed before that.
    ///
    /// # Errors
    /// A position that is not one of this topic, that lies beyond its end, before its start, or below what compaction has merged.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use arrow_schema::{DataType, Field, Schema};
    /// # use twopath_base::{Offset, Position};
    /// # use twopath_log::{Log, LogError, TopicConfig};
    /// # let dir = tempfile::tempdir()?;
    /// # let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    /// # let topic = Log::open(dir.path())?.create_topic(TopicConfig::new("numbers", schema))?;
    /// topic.check_readable(&topic.start()?, &topic.end()?)?;
    /// let beyond = Position::new(vec![Offset(7)]);
    /// assert!(matches!(topic.check_readable(&topic.start()?, &beyond), Err(LogError::PositionBeyondEnd { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_readable(&self, lower: &Position, upper: &Position) -> Result<(), LogError> {
        // In this order: each only ever moves up, so that none of them is taken for less than it was when the one before it was asked for.
        let (start, since, end) = (self.start()?, self.since()?, self.end()?);
        let topic = || self.name().to_owned();
        for position in [lower, upper] {
            let (given, partitions) = (position.partitions(), self.partitions());
            if given != partitions {
                return Err(LogError::PositionShape { topic: topic(), position: position.clone(), given, partitions, end });
            }
            if !end.covers(position) {
                return Err(LogError::PositionBeyondEnd { topic: topic(), position: position.clone(), end });
            }
            if !position.covers(&start) {
                return Err(LogError::PositionGone { topic: topic(), position: position.clone(), start, end });
            }
        }
        for (p, from) in lower.iter() {
            let (to, start, whole_from) = (upper.get(p), start.get(p), since.get(p));
            // Nothing is asked for between equal offsets; and from the start on, the log is what is left of it.
            let lost = |offset| offset < whole_from && offset != start;
            if from != to && (lost(from) || to < whole_from) {
                let position = if lost(from) { lower } else { upper };
                return Err(LogError::PositionCompacted { topic: topic(), position: position.clone(), since, end });
            }
        }
        Ok(())
    }

    /// The position up to which records can be read now, the upper bound.
    pub fn end(&self) -> Result<Position, LogError> {
        self.log.end()
    }

    /// All barriers so far, in order; number 1 is the first.
    pub fn barriers(&self) -> Result<Vec<Barrier>, LogError> {
        self.log.barriers()
    }

    /// What wakes followers of this topic.
    pub fn tail(&self) -> Result<Tail, LogError> {
        Ok(Tail(self.log.tail()?.into()))
    }

    /// Bytes that the log holds for the topic.
    pub fn bytes(&self) -> Result<u64, LogError> {
        self.log.bytes()
    }

    /// Keeps retention from removing what stands at or after `since`, for as long as the hold lives. `who` is named in reports. A topic
    /// that is kept elsewhere than in a folder has its own retention, and nothing is held.
    pub fn hold(&self, who: &str, since: &Position) -> Result<Option<Hold>, LogError> {
        match self.local.as_ref().map(|topic| topic.hold(who, since)).transpose() {
            // Who cannot write there, or finds no room, can only read, and is told if what it reads is taken away meanwhile.
            Err(e) if e.is_read_only() || matches!(e, LogError::DiskFull { .. }) => {
                tracing::debug!("nothing can be held in topic '{}': {e}", self.name());
                Ok(None)
            }
            held => held,
        }
    }

    /// The names of the topic's consumer groups, sorted.
    pub fn groups(&self) -> Result<Vec<String>, LogError> {
        self.log.groups()
    }

    /// How a consumer group that there is stands in each partition.
    pub fn group_progress(&self, group: &str) -> Result<Vec<PartitionProgress>, LogError> {
        self.log.group_progress(group)
    }

    /// Sets a consumer group, which is made where there is none of that name, to a place in each partition. Its members must have stopped.
    pub fn seek_group(&self, group: &str, starts: &[Start]) -> Result<Position, LogError> {
        assert_eq!(starts.len(), self.partitions(), "one place for each partition");
        self.log.seek_group(group, starts)
    }
}

impl std::fmt::Debug for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topic").field("name", &self.name()).field("address", &self.address()).finish_non_exhaustive()
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

    /// Seals the active segment of every partition that has records, so that all of them are standard Arrow IPC files, and starts new
    /// ones. (Kafka has no segments to seal.)
    pub fn seal(&self) -> Result<(), LogError> {
        self.0.seal()
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

    /// What was read counts no more as this process's memory, until it is read again: from the page cache, where it stays. Who reads a topic once, and lets go now and then,
    /// does not have all of it resident in the end.
    pub fn let_go(&mut self) {
        self.0.let_go()
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
