//! What is known of a topic that Kafka keeps, whoever reads, writes or follows it.

use std::sync::{Arc, Mutex, Weak};

use rdkafka::message::{BorrowedMessage, Message};

use crate::config::TopicConfig;
use crate::error::LogError;
use crate::records::Barrier;
use twopath_base::clock::Clock;
use twopath_base::sync::lock;
use twopath_base::{Offset, PartitionId};

use super::client::Address;
use super::groups;
use super::header::{Header, Kind, parse_barrier};
use super::scout::{Found, Scout, header};
use super::tail::{Followed, Follower, News};

pub(super) struct KafkaState {
    pub address: Arc<Address>,
    pub clock: Arc<dyn Clock>,
    pub config: TopicConfig,
    pub id: u64,
    pub fingerprint: u64,
    pub scout: Scout,
    /// By partition: what is known of its end.
    pub known: Vec<Mutex<Known>>,
    pub barriers: Mutex<Vec<Barrier>>,
    pub news: News,
    pub follower: Mutex<Weak<Follower>>,
}

/// The end of a partition.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// The Kafka offset after the last record.
    pub next_at: i64,
    /// The last record that counts.
    pub last: Header,
}

impl Known {
    /// The number of barriers so far.
    pub fn generation(&self) -> u64 {
        self.last.generation + u64::from(self.last.kind == Kind::Barrier)
    }

    /// Where the last barrier stands, or -1.
    pub fn barrier_at(&self) -> i64 {
        if self.last.kind == Kind::Barrier { self.last.at } else { self.last.barrier_at }
    }

    /// Where the last record stands that tells of all producers before it.
    pub fn writer_at(&self) -> i64 {
        if matches!(self.last.kind, Kind::Writer | Kind::Topic) { self.last.at } else { self.last.writer_at }
    }
}

/// The record that begins a partition, which describes the topic; none where the partition is empty.
pub(super) type First = Option<(Header, Vec<u8>)>;

/// How each partition of a topic of ours begins.
pub(super) fn first_records(address: &Address, scout: &Scout, name: &str, partitions: usize) -> Result<Vec<First>, LogError> {
    let foreign = |what: String| LogError::NotOurs { place: format!("{address}/{name}"), what };
    let first = |p: PartitionId| {
        match scout.ends(address, name, p)? {
            (0, 0) => return Ok(None),
            (0, _) => {}
            _ => return Err(foreign(format!("its first records are gone from partition {p}"))),
        }
        let found = scout.read(address, name, p, 0)?;
        let header = found.header.filter(|h| h.kind == Kind::Topic && found.at == 0);
        let header = header.ok_or_else(|| foreign(format!("the first record of partition {p} does not describe a topic")))?;
        Ok(Some((header, found.value)))
    };
    (0..partitions as u32).map(PartitionId).map(first).collect()
}

impl KafkaState {
    pub fn partitions(&self) -> usize {
        self.config.partitions as usize
    }

    pub fn partition_ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        self.config.partition_ids()
    }

    pub fn check_partition(&self, partition: PartitionId) -> Result<(), LogError> {
        self.config.check_partition(partition)
    }

    /// An error about a record.
    pub fn bad_record(&self, partition: PartitionId, at: i64, what: impl Into<String>) -> LogError {
        let place = format!("{}/{}", self.address, self.config.name);
        LogError::BadKafkaRecord { place, partition, at, what: what.into() }
    }

    /// The end of a partition, as far as this process knows.
    pub fn known(&self, partition: PartitionId) -> Known {
        *lock(&self.known[partition.index()])
    }

    /// The end of a partition lies at least there. Wakes those who wait, if that is news.
    pub fn learn(&self, partition: PartitionId, known: Known) {
        let mut slot = lock(&self.known[partition.index()]);
        if known.next_at > slot.next_at {
            *slot = known;
            drop(slot);
            self.news.wake();
        }
    }

    /// The Kafka offset after the last record of a partition, now.
    pub fn next_at(&self, partition: PartitionId) -> Result<i64, LogError> {
        Ok(self.scout.ends(&self.address, &self.config.name, partition)?.1)
    }

    /// The end of a partition, now.
    pub fn refresh(&self, partition: PartitionId) -> Result<Known, LogError> {
        let next_at = self.next_at(partition)?;
        let known = self.known(partition);
        if known.next_at >= next_at {
            return Ok(known);
        }
        // Backwards over what does not count, down to what is known to count.
        let mut at = next_at - 1;
        while at > known.last.at {
            let found = self.read(partition, at)?;
            if let Some(last) = self.counts(partition, found.at, found.header)? {
                let known = Known { next_at, last };
                self.learn(partition, known);
                return Ok(known);
            }
            at -= 1;
        }
        let known = Known { next_at, ..known };
        self.learn(partition, known);
        Ok(known)
    }

    /// The first record at or after a Kafka offset below the end.
    pub fn read(&self, partition: PartitionId, at: i64) -> Result<Found, LogError> {
        self.scout.read(&self.address, &self.config.name, partition, at)
    }

    /// The header of a record at a Kafka offset, if it stands where it must. Refuses what is not ours there.
    pub fn counts(&self, partition: PartitionId, at: i64, header: Option<Header>) -> Result<Option<Header>, LogError> {
        let foreign = || self.bad_record(partition, at, "Twopath did not write this record");
        let header = header.ok_or_else(foreign)?;
        // One that is elsewhere is of a writer, or a maker of the topic, that came too late.
        if header.at != at {
            return Ok(None);
        }
        if (header.topic_id, header.fingerprint) == (self.id, self.fingerprint) { Ok(Some(header)) } else { Err(foreign()) }
    }

    /// The first record that counts in a range of Kafka offsets, with its value.
    pub fn counting(&self, partition: PartitionId, from: i64, to: i64) -> Result<Option<(Header, Vec<u8>)>, LogError> {
        let mut at = from;
        while at < to {
            let found = self.read(partition, at)?;
            if let Some(header) = self.counts(partition, found.at, found.header)? {
                return Ok((header.at < to).then_some((header, found.value)));
            }
            at = found.at + 1;
        }
        Ok(None)
    }

    /// The row's offset of what a group committed.
    pub fn rows(&self, partition: PartitionId, committed: groups::Committed) -> Result<Offset, LogError> {
        if let Some(rows) = committed.rows {
            return Ok(rows);
        }
        // What other programs commit has no row offset beside it: the record says it.
        Ok(match self.counting(partition, committed.at, self.refresh(partition)?.next_at)? {
            Some((header, _)) => header.base,
            None => self.known(partition).last.end(),
        })
    }

    /// The barrier at a Kafka offset, and where the one before it stands.
    pub fn barrier_at(&self, partition: PartitionId, at: i64) -> Result<(Barrier, i64), LogError> {
        let bad = || self.bad_record(partition, at, "there should be a barrier of this topic");
        let found = self.read(partition, at)?;
        let header = self.counts(partition, found.at, found.header)?.filter(|h| h.kind == Kind::Barrier && h.at == at).ok_or_else(bad)?;
        let barrier = parse_barrier(&found.value, self.partitions()).filter(|b| b.number == header.generation + 1).ok_or_else(bad)?;
        Ok((barrier, header.barrier_at))
    }

    pub fn barriers(&self) -> Result<Vec<Barrier>, LogError> {
        let zero = PartitionId(0);
        let end = self.refresh(zero)?;
        let mut found = lock(&self.barriers);
        // Each barrier says where the one before it stands.
        let mut newer = Vec::new();
        let mut at = end.barrier_at();
        while at >= 0 && ((found.len() + newer.len()) as u64) < end.generation() {
            let (barrier, before) = self.barrier_at(zero, at)?;
            newer.push(barrier);
            at = before;
        }
        found.extend(newer.into_iter().rev());
        if found.iter().zip(1..).any(|(b, number)| b.number != number) {
            return Err(self.bad_record(zero, end.barrier_at(), "the barriers before this one are not numbered in order"));
        }
        Ok(found.clone())
    }
}

impl Followed for KafkaState {
    fn news(&self) -> &News {
        &self.news
    }

    fn end(&self, partition: PartitionId) -> Offset {
        self.known(partition).last.end()
    }

    fn heard(&self, message: &BorrowedMessage<'_>) {
        let (partition, at) = (PartitionId(message.partition() as u32), message.offset());
        // What does not count, or is not ours, is the readers' to skip or to refuse.
        let last = header(message).filter(|h| h.at == at).unwrap_or_else(|| self.known(partition).last);
        self.learn(partition, Known { next_at: at + 1, last });
    }
}
