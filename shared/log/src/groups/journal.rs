//! A group's committed positions: a short append-only file, `positions`.
//!
//! Whoever changes it holds the group's lock for that moment, so that records of several processes do not mix. It is written anew, by a
//! file beside it and a rename, when it has grown; readers need no lock.
//!
//! What a dead process or machine left at its end is cut away: a part of a record, or records that are all zero because their sector
//! never reached the disk (a record lies in one sector). Where commits are synced, that can be the last write only. Anything else that is
//! wrong is damage, and an error with file and byte.

use std::io::{ErrorKind, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Durability;
use crate::error::LogError;
use crate::partition::state::TopicState;
use twopath_base::PartitionId;
use twopath_storage::write_atomically;

use super::record::{GroupPosition, Kind, RECORD_BYTES, Record};

/// The file is written anew once it is larger than this, or than four records per partition.
const REWRITE_BYTES: u64 = 16 << 10;

/// Where one group's positions stand.
#[derive(Clone)]
pub(crate) struct Journal {
    pub topic: Arc<TopicState>,
    pub path: PathBuf,
    pub group_hash: u64,
}

/// What the journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupPositions {
    /// By partition; `None` where nothing was committed yet.
    pub of: Vec<Option<GroupPosition>>,
    /// By partition: the byte at which the record of its place stands.
    at: Vec<u64>,
    /// Of the next record.
    sequence: u64,
    /// Bytes of the file that are good, and all of them.
    pub good: u64,
    bytes: u64,
}

impl GroupPositions {
    /// The partitions in which something was committed: how far, and at which byte of the file that stands.
    pub fn each(&self) -> impl Iterator<Item = (PartitionId, GroupPosition, u64)> {
        let each = self.of.iter().zip(&self.at).enumerate();
        each.filter_map(|(p, (place, at))| Some((PartitionId(p as u32), (*place)?, *at)))
    }
}

impl Journal {
    /// The positions as they are now.
    pub fn read(&self) -> Result<GroupPositions, LogError> {
        match self.topic.storage.read(&self.path) {
            Ok(bytes) => self.parse(&bytes),
            Err(e) if e.kind() == ErrorKind::NotFound => self.parse(&[]),
            Err(e) => Err(LogError::io("read", &self.path)(e)),
        }
    }

    pub fn parse(&self, bytes: &[u8]) -> Result<GroupPositions, LogError> {
        let mut places = GroupPositions {
            of: vec![None; self.topic.partitions()],
            at: vec![0; self.topic.partitions()],
            sequence: 0,
            good: 0,
            bytes: bytes.len() as u64,
        };
        let (records, _part_of_one) = bytes.as_chunks::<RECORD_BYTES>();
        for (i, bytes) in records.iter().enumerate() {
            if *bytes == [0; RECORD_BYTES] && self.may_be_lost(records, i) {
                return Ok(places);
            }
            let corrupt = |what: String| LogError::CorruptPositions { path: self.path.clone(), offset: places.good, what };
            let record = Record::decode(bytes).map_err(corrupt)?;
            self.check(&places, &record).map_err(corrupt)?;
            places.of[record.partition.index()] = Some(record.place);
            places.at[record.partition.index()] = places.good;
            places.sequence =
                record.sequence.checked_add(1).ok_or_else(|| corrupt("a position with a number that none can follow".into()))?;
            places.good += RECORD_BYTES as u64;
        }
        Ok(places)
    }

    /// Whether record `i` can have been lost by a machine that died: what was written after it was never acknowledged as synced.
    fn may_be_lost(&self, records: &[[u8; RECORD_BYTES]], i: usize) -> bool {
        let unsynced = self.topic.meta.config.durability == Durability::None;
        let with_it = |(j, later): (usize, &[u8; RECORD_BYTES])| match Record::decode(later) {
            Ok(later) => j - usize::from(later.index).min(j) <= i,
            Err(_) => *later == [0; RECORD_BYTES],
        };
        unsynced || records.iter().enumerate().skip(i).all(with_it)
    }

    fn check(&self, before: &GroupPositions, record: &Record) -> Result<(), String> {
        if record.topic_id != self.topic.meta.id {
            return Err(format!(
                "the position is of a topic with the id {:016x}, and this one's is {:016x}",
                record.topic_id, self.topic.meta.id
            ));
        }
        if record.group_hash != self.group_hash {
            return Err("the position is of another group".into());
        }
        if record.partition.index() >= self.topic.partitions() {
            return Err(format!("a position of partition {}, which the topic does not have", record.partition));
        }
        // A file that was written anew goes on from where it was.
        if before.good > 0 && record.sequence != before.sequence {
            return Err(format!("position number {} must follow, and number {} does", before.sequence, record.sequence));
        }
        let earlier = before.of[record.partition.index()];
        if record.kind == Kind::Commit && earlier.is_some_and(|e| record.place.offset < e.offset) {
            return Err(format!("a commit of partition {} that goes back to offset {}", record.partition, record.place.offset));
        }
        Ok(())
    }

    /// Records new places. Whoever calls holds the group's lock. On error none of them counts, and what there is of them is cut away if possible.
    pub fn append(&self, kind: Kind, new: &[(PartitionId, GroupPosition)]) -> Result<(), LogError> {
        let places = match self.read() {
            // Positions that cannot be read can be set anew, all of them.
            Err(LogError::CorruptPositions { .. }) if kind == Kind::Seek && new.len() == self.topic.partitions() => {
                return self.rewrite(self.parse(&[])?, kind, new);
            }
            read => read?,
        };
        if places.bytes == 0 || places.good + (new.len() * RECORD_BYTES) as u64 > self.rewrite_bytes() {
            return self.rewrite(places, kind, new);
        }
        let records: Vec<u8> = self.records(kind, new, places.sequence).flat_map(|r| r.encode()).collect();
        let file = self.topic.storage.open_append(&self.path).map_err(LogError::io("open", &self.path))?;
        let cut = || file.truncate(places.good).map_err(LogError::io("cut the torn end of", &self.path));
        if places.bytes > places.good {
            cut()?;
        }
        let written = file.append(&[IoSlice::new(&records)]).map_err(LogError::io("append to", &self.path));
        let synced = written.and_then(|()| match self.topic.meta.config.durability {
            Durability::None => Ok(()),
            Durability::Interval(_) | Durability::Batch => file.sync_data().map_err(LogError::io("sync", &self.path)),
        });
        if synced.is_err()
            && let Err(e) = cut()
        {
            tracing::warn!("{e}");
        }
        synced
    }

    fn rewrite_bytes(&self) -> u64 {
        REWRITE_BYTES.max((4 * self.topic.partitions() * RECORD_BYTES) as u64)
    }

    /// Writes the file anew: the last place of each partition, those of `new` among them.
    fn rewrite(&self, mut places: GroupPositions, kind: Kind, new: &[(PartitionId, GroupPosition)]) -> Result<(), LogError> {
        for &(partition, place) in new {
            places.of[partition.index()] = Some(place);
        }
        let all: Vec<_> = self.topic.partition_ids().zip(&places.of).filter_map(|(p, place)| Some((p, (*place)?))).collect();
        let bytes: Vec<u8> = self.records(kind, &all, places.sequence).flat_map(|r| r.encode()).collect();
        write_atomically(&*self.topic.storage, &self.path, &bytes).map_err(LogError::io("write", &self.path))
    }

    fn records(&self, kind: Kind, new: &[(PartitionId, GroupPosition)], sequence: u64) -> impl Iterator<Item = Record> {
        let (topic_id, group_hash, at_us) = (self.topic.meta.id, self.group_hash, self.topic.clock.now_us());
        new.iter().enumerate().map(move |(i, &(partition, place))| {
            let (sequence, index) = (sequence + i as u64, i as u16);
            Record { kind, topic_id, group_hash, partition, place, sequence, at_us, index }
        })
    }
}
