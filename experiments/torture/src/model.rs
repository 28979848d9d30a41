//! What was done to a log, what must be found of it again, and what is found.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use twopath_base::{PartitionId, Position};
use twopath_log::{Durability, Entry, LogError, Start, Topic};

pub(super) const PARTITIONS: u32 = 2;

/// What was acknowledged.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Promise {
    /// By partition: how many offsets there are.
    pub ends: Vec<usize>,
    /// By partition: the offset up to which segments were moved to an object store.
    pub moved_to: Vec<u64>,
    pub barriers: usize,
    /// Of the producer.
    pub epoch: u32,
    /// The producer's last append: its number and its offset.
    pub produced: Option<(u64, u64)>,
}

/// What was tried: acknowledged or not, it may be found.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tried {
    pub barriers: usize,
    pub epoch: u32,
    pub retained: bool,
    pub compacted: bool,
    /// The positions that the group was to commit.
    pub committed: Vec<Position>,
}

/// What was done so far, and what must be found again.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Model {
    pub durability: Option<Durability>,
    /// By partition: the id that anybody tried to append at each offset.
    pub sent: Vec<Vec<i64>>,
    pub tried: Tried,
    pub acknowledged: Promise,
    /// What of it must survive the power.
    pub durable: Promise,
    /// Whether the topic must be there, under any policy.
    pub made: bool,
    /// How many of the tried positions of the group must be remembered.
    pub committed: usize,
}

impl Model {
    pub fn new(durability: Durability) -> Model {
        let nothing = Promise { ends: vec![0; PARTITIONS as usize], moved_to: vec![0; PARTITIONS as usize], ..Promise::default() };
        let sent = vec![Vec::new(); PARTITIONS as usize];
        Model { durability: Some(durability), sent, acknowledged: nothing.clone(), durable: nothing, ..Model::default() }
    }

    /// Everything acknowledged is on the disk, unless the policy promises nothing.
    pub fn promise(&mut self) {
        if self.durability != Some(Durability::None) {
            self.durable = self.acknowledged.clone();
        }
    }

    /// As `self` was promised by `before`, with everything that was tried by `self`.
    pub fn promised_by(&self, before: &Model) -> Model {
        Model {
            durable: before.durable.clone(),
            acknowledged: before.acknowledged.clone(),
            made: before.made,
            committed: before.committed,
            ..self.clone()
        }
    }

    /// Whether what a reader finds in a partition is what was promised and nothing else.
    pub fn check(&self, p: PartitionId, found: &Found) -> Result<(), String> {
        let sent = &self.sent[p.index()];
        let (start, end) = (found.start as usize, found.end as usize);
        if end > sent.len() || end < self.durable.ends[p.index()] {
            return Err(format!(
                "partition {p} ends at {end}; {} records were promised, and {} sent",
                self.durable.ends[p.index()],
                sent.len()
            ));
        }
        if start > end || (start > 0 && !self.tried.retained) {
            return Err(format!("partition {p} goes from {start} to {end}"));
        }
        let mut rows = found.rows.iter().peekable();
        for (offset, id) in sent.iter().enumerate().take(end).skip(start) {
            match rows.next_if(|(at, _)| *at == offset as u64) {
                Some((_, found)) if found == id => {}
                Some((_, found)) => return Err(format!("partition {p} has {found} at {offset}, where {id} was sent")),
                None if self.tried.compacted && has_newer(&sent[offset..end]) => {}
                None => return Err(format!("partition {p} has lost {id}, at {offset}")),
            }
        }
        if let Some(row) = rows.next() {
            return Err(format!("partition {p} has {row:?} besides what was sent"));
        }
        // Before a writer opened it, a barrier may not have reached every partition.
        if !(self.durable.barriers..=self.tried.barriers).contains(&found.barriers) {
            let (least, most) = (self.durable.barriers, self.tried.barriers);
            return Err(format!("partition {p} has {} barriers, of {least} promised and {most} tried", found.barriers));
        }
        Ok(())
    }
}

/// The key of an event, as [`super::world::events`] gives it.
pub(super) fn key(id: i64) -> Option<i64> {
    (id % 3 != 0).then_some(id % 10)
}

/// Whether a later one of the ids has the key of the first. NULL is a key like any other.
fn has_newer(ids: &[i64]) -> bool {
    ids[1..].iter().any(|id| key(*id) == key(ids[0]))
}

/// What a reader finds in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub start: u64,
    pub end: u64,
    /// Offset and id.
    pub rows: Vec<(u64, i64)>,
    /// All that ever were, also those that retention took.
    pub barriers: usize,
}

impl Found {
    /// Ids were appended.
    pub fn append(&mut self, ids: std::ops::Range<i64>) {
        self.rows.extend((self.end..).zip(ids.clone()));
        self.end += (ids.end - ids.start) as u64;
    }

    pub fn read(topic: &Topic, partition: PartitionId) -> Result<Found, LogError> {
        Self::read_from(topic, partition, Start::First)
    }

    pub fn read_from(topic: &Topic, partition: PartitionId, from: Start) -> Result<Found, LogError> {
        let mut reader = topic.reader(partition, from, Some(&[0]))?;
        let start = if from == Start::First { topic.start()?.get(partition).0 } else { reader.offset().0 };
        let mut found = Found { start, end: start, rows: Vec::new(), barriers: 0 };
        while let Some(entry) = reader.next()? {
            match entry {
                Entry::Records(records) => {
                    assert_eq!(records.base.0, found.end, "a frame where the last one ends");
                    let ids = records.batch.column(0).as_primitive::<Int64Type>().values();
                    found.rows.extend(ids.iter().enumerate().map(|(row, id)| (records.offset_of(row).0, *id)));
                    found.end = records.end.0;
                }
                Entry::Barrier(barrier) => assert_eq!(barrier.position.get(partition).0, found.end, "a barrier's place"),
            }
        }
        found.barriers = reader.generation() as usize;
        Ok(found)
    }

    /// Up to which offset a partition can be read, where something in it is damaged.
    pub fn reaches(topic: &Topic, partition: PartitionId) -> Result<u64, LogError> {
        let mut reader = topic.reader(partition, Start::First, Some(&[0]))?;
        while let Ok(Some(_)) = reader.next() {}
        Ok(reader.offset().0)
    }
}
