//! A topic on a storage that records, what is done to it, and a model of what was promised.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use twopath_shared::clock::SystemClock;
use twopath_shared::log::{Durability, Entry, Log, LogError, Start, Topic, TopicConfig, TopicWriter};
use twopath_shared::storage::{RecordingStorage, Storage};
use twopath_shared::{Offset, PartitionId, Position};

/// The folder of topics below a world's root: so that its own entry in the root can be lost too.
pub(super) const LOG: &str = "log";
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
    ];
}

pub(super) const DURABILITIES: [Durability; 3] = [Durability::Batch, Durability::Interval(Duration::from_secs(3600)), Durability::None];

/// What was done so far, and what must be found again.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Model {
    pub durability: Option<Durability>,
    /// By partition: all ids that anybody tried to append, in order.
    pub sent: Vec<Vec<i64>>,
    /// By partition: how many of them were acknowledged.
    pub acknowledged: Vec<usize>,
    /// By partition: how many of them must survive the power.
    pub durable: Vec<usize>,
    /// Barriers that must survive the power, and those that anybody tried to make.
    pub barriers: (usize, usize),
    /// Whether the topic must be there.
    pub made: bool,
    /// The positions that the group committed or tried to, and how many of them must be remembered.
    pub committed: (Vec<Position>, usize),
}

impl Model {
    fn promise(&mut self) {
        if self.durability != Some(Durability::None) {
            self.durable = self.acknowledged.clone();
        }
    }

    /// As `self` was promised by `before`, with everything that was tried by `self`.
    pub fn promised_by(&self, before: &Model) -> Model {
        Model {
            durable: before.durable.clone(),
            acknowledged: before.acknowledged.clone(),
            barriers: (before.barriers.0, self.barriers.1),
            made: before.made,
            committed: (self.committed.0.clone(), before.committed.1),
            ..self.clone()
        }
    }
}

pub(super) struct World {
    pub storage: RecordingStorage,
    pub model: Model,
    /// How many changes were made when the model was so.
    pub promises: Vec<(usize, Model)>,
    dir: PathBuf,
    topic: Option<Topic>,
    writer: Option<TopicWriter>,
    next_id: i64,
}

pub(super) const PARTITIONS: u32 = 2;
/// Small enough that a few appends roll a segment.
const SEGMENT_BYTES: u64 = 3000;

pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)]))
}

pub(super) fn events(ids: impl Iterator<Item = i64> + Clone) -> RecordBatch {
    let names: StringArray = ids.clone().map(|i| (i % 3 != 0).then(|| format!("n{}", i % 10))).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(ids.collect::<Int64Array>()), Arc::new(names)]).expect("two columns of one length")
}

pub(super) fn config(partitions: u32, durability: Durability) -> TopicConfig {
    TopicConfig { partitions, durability, segment_bytes: SEGMENT_BYTES, ..TopicConfig::new(TOPIC, schema()) }
}

impl World {
    /// An empty folder `root`, and nothing in it yet.
    pub fn new(root: &Path, durability: Durability) -> World {
        let none = vec![0; PARTITIONS as usize];
        let model = Model {
            durability: Some(durability),
            sent: vec![Vec::new(); PARTITIONS as usize],
            acknowledged: none.clone(),
            durable: none,
            ..Model::default()
        };
        World {
            storage: RecordingStorage::new(root),
            promises: vec![(0, model.clone())],
            model,
            dir: root.join(LOG),
            topic: None,
            writer: None,
            next_id: 0,
        }
    }

    /// Makes the topic, or opens it where it is there already.
    pub fn open(&mut self) -> Result<(), LogError> {
        self.close()?;
        let storage: Arc<dyn Storage> = Arc::new(self.storage.clone());
        let log = Log::with(storage, Arc::new(SystemClock), &self.dir)?;
        let topic = match self.dir.join(TOPIC).exists() {
            true => log.topic(TOPIC)?,
            false => log.create_topic(config(PARTITIONS, self.model.durability.unwrap_or(Durability::None)))?,
        };
        self.writer = Some(topic.writer()?);
        self.topic = Some(topic);
        self.model.made = self.model.durability != Some(Durability::None);
        self.note();
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
                let p = partition as usize;
                let ids = self.next_id..self.next_id + i64::from(rows);
                self.next_id = ids.end;
                self.model.sent[p].extend(ids.clone());
                let offset = writer.append_to(PartitionId(partition), &events(ids.clone()), None)?;
                let end = self.model.sent[p].len();
                assert_eq!(offset, Offset((end - usize::from(rows)) as u64), "the log says another offset than the model");
                self.model.acknowledged[p] = end;
                if self.model.durability == Some(Durability::Batch) {
                    self.model.promise();
                }
            }
            Action::Sync => {
                writer.sync()?;
                self.model.promise();
            }
            Action::Roll => {
                self.model.barriers.1 += 1;
                writer.barrier()?;
                self.model.promise();
                if self.model.durability != Some(Durability::None) {
                    self.model.barriers.0 = self.model.barriers.1;
                }
            }
            Action::Reopen => self.open()?,
            Action::Commit => {
                let end = topic.end()?;
                self.model.committed.0.push(end.clone());
                topic.group_or_new(GROUP)?.seek_to(&end)?;
                if self.model.durability != Some(Durability::None) {
                    self.model.committed.1 = self.model.committed.0.len();
                }
            }
        }
        self.note();
        Ok(())
    }

    /// After a fault the topic was opened anew: what was acknowledged must be there, and what is there counts as acknowledged.
    pub fn found_again(&mut self) -> Result<(), String> {
        let Some(topic) = &self.topic else { return Ok(()) };
        for p in (0..PARTITIONS).map(PartitionId) {
            let (ids, barriers) = contents(topic, p).map_err(|e| format!("partition {p} cannot be read: {e}"))?;
            let (sent, acknowledged) = (&mut self.model.sent[p.index()], &mut self.model.acknowledged[p.index()]);
            if !sent.starts_with(&ids) || ids.len() < *acknowledged {
                return Err(format!("partition {p} holds {ids:?}; {sent:?} was sent, and {acknowledged} of them acknowledged"));
            }
            *acknowledged = ids.len();
            *sent = ids;
            if barriers < self.model.barriers.0 || barriers > self.model.barriers.1 {
                return Err(format!("partition {p} has {barriers} barriers; {:?} were promised and tried", self.model.barriers));
            }
            self.model.barriers.1 = barriers;
        }
        self.model.promise();
        if self.model.durability != Some(Durability::None) {
            self.model.barriers.0 = self.model.barriers.1;
        }
        self.note();
        Ok(())
    }

    /// What was promised when so many changes had been made, with everything that was tried until now.
    pub fn promised_at(&self, changes: usize) -> Model {
        let before = self.promises.iter().rev().find(|(at, _)| *at <= changes).map_or(&self.promises[0].1, |(_, model)| model);
        self.model.promised_by(before)
    }
}

/// What a reader finds in a partition: ids, and how many barriers.
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
