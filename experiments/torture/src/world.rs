//! A topic on a storage and an object store that record, what is done to it, and a model of what was promised.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use twopath_base::clock::SystemClock;
use twopath_base::{Offset, PartitionId};
use twopath_log::{
    Compaction, Durability, Entry, Log, LogError, Offload, PartitionBy, ProducerSequence, Retention, Start, Topic, TopicConfig, TopicWriter,
};
use twopath_storage::{FaultyStores, RecordingStorage, RecordingStores, Storage};

use super::model::{Found, Model, PARTITIONS, key};

/// The folder of topics below a world's root: so that it, and the folders above it, can be lost too.
pub(super) const LOG: &str = "deep/log";
pub(super) const TOPIC: &str = "t";
pub(super) const GROUP: &str = "g";

/// Something that is done to a log. A new one is a line here, one in [`Action::ALL`], and one in [`World::act`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// So many records, to this partition. Large ones roll the segment.
    Append {
        partition: u32,
        rows: u8,
    },
    Sync,
    /// Puts a barrier into every partition and rolls the segments.
    Roll,
    /// The writer is closed, and the topic opened anew.
    Reopen,
    /// A consumer group commits the end.
    Commit,
    /// A new instance of the producer: what an older one sends is refused from now on.
    Begin,
    /// The producer appends, to partition 0; its append comes again, and one of an older instance comes late.
    Produce,
    Compact,
    Retain,
    /// Sealed segments move to the object store.
    Offload,
    /// They come back.
    Recall,
}

impl Action {
    pub const ALL: &[Action] = &[
        Action::Append { partition: 0, rows: 3 },
        Action::Append { partition: 1, rows: 70 },
        Action::Append { partition: 0, rows: 140 },
        Action::Sync,
        Action::Roll,
        Action::Reopen,
        Action::Commit,
        Action::Begin,
        Action::Produce,
        Action::Compact,
        Action::Retain,
        Action::Offload,
        Action::Recall,
    ];

    /// Whether it is about an object store: with a topic that has few segments it does next to nothing.
    pub fn wants_segments(self) -> bool {
        matches!(self, Action::Offload | Action::Recall)
    }
}

/// Three sealed segments, the first in the object store.
const AGED: [Action; 7] = [
    Action::Append { partition: 0, rows: 5 },
    Action::Roll,
    Action::Append { partition: 0, rows: 5 },
    Action::Roll,
    Action::Offload,
    Action::Append { partition: 0, rows: 5 },
    Action::Roll,
];

pub(super) const DURABILITIES: [Durability; 3] = [Durability::Batch, Durability::Interval(Duration::from_secs(3600)), Durability::None];

pub(super) struct World {
    pub storage: RecordingStorage,
    /// Any call to it can be made to fail.
    pub stores: FaultyStores,
    /// What is in it.
    pub objects: RecordingStores,
    pub model: Model,
    /// How many changes were made when the model was so.
    pub promises: Vec<(usize, Model)>,
    dir: PathBuf,
    topic: Option<Topic>,
    writer: Option<TopicWriter>,
    next_id: i64,
    next_sequence: u64,
    /// Of the producer's newest instance.
    epoch: u32,
}

/// The one that sends with numbers.
pub(super) const PRODUCER: u64 = 77;
/// Small enough that a few appends roll a segment.
const SEGMENT_BYTES: u64 = 3000;
pub(super) const PRODUCED_ROWS: u8 = 2;
/// The object store, in memory.
const STORE: &str = "s3://memory/torture";

pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)]))
}

pub(super) fn events(ids: impl Iterator<Item = i64> + Clone) -> RecordBatch {
    let names: StringArray = ids.clone().map(|i| key(i).map(|k| format!("n{k}"))).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(ids.collect::<Int64Array>()), Arc::new(names)]).expect("two columns of one length")
}

pub(super) fn config(partitions: u32, durability: Durability) -> TopicConfig {
    let partition_by = PartitionBy::Key("name".into());
    TopicConfig { partitions, durability, partition_by, segment_bytes: SEGMENT_BYTES, ..TopicConfig::new(TOPIC, schema()) }
}

impl World {
    /// An empty folder `root`, and nothing in it yet.
    pub fn new(root: &Path, durability: Durability) -> World {
        let model = Model::new(durability);
        let storage = RecordingStorage::new(root);
        let objects = RecordingStores::new(&storage);
        World {
            stores: FaultyStores::over(Arc::new(objects.clone())),
            objects,
            storage,
            promises: vec![(0, model.clone())],
            model,
            dir: root.join(LOG),
            topic: None,
            writer: None,
            next_id: 0,
            next_sequence: 1,
            epoch: 0,
        }
    }

    /// Makes the topic, or opens it where it is there already.
    pub fn open(&mut self) -> Result<(), LogError> {
        self.close()?;
        let storage: Arc<dyn Storage> = Arc::new(self.storage.clone());
        let log = Log::with(storage, Arc::new(SystemClock), &self.dir)?.with_stores(Arc::new(self.stores.clone()));
        let topic = match self.dir.join(TOPIC).exists() {
            true => log.topic(TOPIC)?,
            false => log.create_topic(config(PARTITIONS, self.model.durability.unwrap_or(Durability::None)))?,
        };
        self.writer = Some(topic.writer()?);
        self.topic = Some(topic);
        self.model.made = true;
        self.note();
        Ok(())
    }

    /// Gives the topic a past, with segments in the object store.
    pub fn age(&mut self) -> Result<(), LogError> {
        AGED.into_iter().try_for_each(|action| self.act(action))?;
        assert_eq!(self.objects.count(), 1, "a segment is in the store");
        Ok(())
    }

    pub fn close(&mut self) -> Result<(), LogError> {
        if let Some(writer) = self.writer.take() {
            writer.close()?;
            self.model.promise();
        }
        self.topic = None;
        Ok(())
    }

    /// Lets everything go as a process that dies does.
    pub fn drop_all(&mut self) {
        self.writer = None;
        self.topic = None;
    }

    fn note(&mut self) {
        self.promises.push((self.storage.len(), self.model.clone()));
    }

    /// Does it, and notes what is promised from now on.
    pub fn act(&mut self, action: Action) -> Result<(), LogError> {
        let (Some(writer), Some(topic)) = (&self.writer, &self.topic) else {
            return self.open();
        };
        match action {
            Action::Append { partition, rows } => {
                let p = PartitionId(partition);
                let ids = send(&mut self.model, &mut self.next_id, p, rows);
                let end = self.model.sent[p.index()].len();
                let offset = writer.append_to(p, &events(ids), None)?;
                assert_eq!(offset, Offset((end - usize::from(rows)) as u64), "the log says another offset than the model");
                self.model.acknowledged.ends[p.index()] = end;
                self.acknowledged();
            }
            Action::Sync => {
                writer.sync()?;
                self.model.promise();
            }
            Action::Roll => {
                self.model.tried.barriers += 1;
                writer.barrier()?;
                self.model.acknowledged.barriers = self.model.tried.barriers;
                self.model.promise();
            }
            Action::Reopen => self.open()?,
            Action::Commit => {
                let end = topic.end()?;
                self.model.tried.committed.push(end.clone());
                topic.local()?.group_or_new(GROUP)?.seek_to(&end)?;
                if self.model.durability != Some(Durability::None) {
                    self.model.committed = self.model.tried.committed.len();
                }
            }
            Action::Begin => {
                self.model.tried.epoch = self.model.tried.epoch.max(self.epoch) + 1;
                self.epoch = writer.begin_producer(PRODUCER)?;
                self.model.acknowledged.epoch = self.epoch;
                assert!(self.model.acknowledged.epoch <= self.model.tried.epoch, "an epoch that was never begun");
                self.acknowledged();
            }
            Action::Produce => {
                let (epoch, sequence) = (self.epoch, self.next_sequence);
                self.next_sequence += 1;
                let append = ProducerSequence { producer: PRODUCER, epoch, sequence };
                let p = PartitionId(0);
                let ids = send(&mut self.model, &mut self.next_id, p, PRODUCED_ROWS);
                let offset = writer.append_to(p, &events(ids.clone()), Some(append))?;
                self.model.acknowledged.ends[0] = self.model.sent[0].len();
                self.model.acknowledged.produced = Some((sequence, offset.0));
                assert_eq!(writer.append_to(p, &events(ids.clone()), Some(append))?, offset, "what comes again lands once");
                if let Some(older) = epoch.checked_sub(1) {
                    let late = ProducerSequence { epoch: older, sequence: sequence + 1, ..append };
                    let refused = writer.append_to(p, &events(ids), Some(late));
                    assert!(matches!(refused, Err(LogError::Fenced { .. })), "an older instance's append: {refused:?}");
                }
                self.acknowledged();
            }
            Action::Compact => {
                self.model.tried.compacted = true;
                topic.local()?.compact(&Compaction { dirty_ratio_min: 0.0, ..Compaction::default() })?;
            }
            Action::Retain => {
                self.model.tried.retained = true;
                topic.local()?.retain(&Retention::of_bytes(1), false)?;
            }
            Action::Offload => {
                topic.local()?.offload(&Offload { to: STORE.into(), older_than: None, keep_local_bytes: None })?;
                // What was moved is as durable as the store, under any policy; also once it was brought back.
                for p in (0..PARTITIONS).map(PartitionId) {
                    let moved = topic.local()?.segments(p)?.into_iter().rfind(|s| s.object.is_some());
                    for promise in [&mut self.model.acknowledged, &mut self.model.durable] {
                        let moved_to = &mut promise.moved_to[p.index()];
                        *moved_to = moved.as_ref().map_or(*moved_to, |s| s.end.0.max(*moved_to));
                    }
                }
            }
            Action::Recall => {
                topic.local()?.recall()?;
            }
        }
        self.note();
        Ok(())
    }

    /// Something was acknowledged.
    fn acknowledged(&mut self) {
        if self.model.durability == Some(Durability::Batch) {
            self.model.promise();
        }
    }

    /// After a fault the topic was opened anew: what was acknowledged must be there, and what is there counts as acknowledged.
    pub fn found_again(&mut self) -> Result<(), String> {
        let (Some(topic), Some(writer)) = (&self.topic, &self.writer) else { return Ok(()) };
        // No power was lost.
        let mut all = self.model.clone();
        all.durable = all.acknowledged.clone();
        for p in (0..PARTITIONS).map(PartitionId) {
            let found = Found::read(topic, p).map_err(|e| format!("partition {p} cannot be read: {e}"))?;
            all.check(p, &found)?;
            self.model.sent[p.index()].truncate(found.end as usize);
            self.model.acknowledged.ends[p.index()] = found.end as usize;
            self.model.acknowledged.barriers = found.barriers;
            let state = writer.producer_state(p, PRODUCER).map_err(|e| e.to_string())?;
            let acknowledged = &mut self.model.acknowledged;
            // A beginning that failed may have reached some partitions: then the older instance is refused there.
            self.epoch = self.epoch.max(state.as_ref().map_or(0, |s| s.epoch));
            if p == PartitionId(0) {
                acknowledged.produced = state.and_then(|s| s.recent.last().map(|(sequence, offset)| (*sequence, offset.0)));
            }
        }
        self.model.tried.barriers = self.model.acknowledged.barriers;
        self.model.promise();
        self.note();
        Ok(())
    }

    /// What was promised when so many changes had been made, with everything that was tried until now.
    pub fn promised_at(&self, changes: usize) -> Model {
        let before = self.promises.iter().rev().find(|(at, _)| *at <= changes).map_or(&self.promises[0].1, |(_, model)| model);
        self.model.promised_by(before)
    }
}

/// New ids, at the partition's end.
fn send(model: &mut Model, next_id: &mut i64, p: PartitionId, rows: u8) -> std::ops::Range<i64> {
    let ids = *next_id..*next_id + i64::from(rows);
    *next_id = ids.end;
    model.sent[p.index()].extend(ids.clone());
    ids
}

/// What a reader finds in a partition from which nothing was taken: ids, and how many barriers.
pub(super) fn contents(topic: &Topic, partition: PartitionId) -> Result<(Vec<i64>, usize), LogError> {
    let mut reader = topic.reader(partition, Start::First, Some(&[0]))?;
    let mut ids = Vec::new();
    let mut barriers = 0;
    while let Some(entry) = reader.next()? {
        match entry {
            Entry::Records(records) => {
                assert_eq!(records.base.0 as usize, ids.len(), "offsets count the records");
                ids.extend_from_slice(records.batch.column(0).as_primitive::<Int64Type>().values());
            }
            Entry::Barrier(barrier) => {
                barriers += 1;
                assert_eq!(
                    (barrier.number as usize, barrier.position.get(partition).0 as usize),
                    (barriers, ids.len()),
                    "a barrier's place"
                );
            }
        }
    }
    Ok((ids, barriers))
}
