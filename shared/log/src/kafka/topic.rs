//! A topic that Kafka keeps, open for reading.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use crate::config::{self, TopicConfig};
use crate::contract::{self, RangeOf};
use crate::error::LogError;
use crate::groups::PartitionProgress;
use crate::records::{Barrier, Start};
use twopath_base::clock::Clock;
use twopath_base::sync::lock;
use twopath_base::{Offset, PartitionId, Position};

use super::client::{Address, Fetch};
use super::header::{Header, Kind, parse_barrier};
use super::reader::{KafkaRange, KafkaReader};
use super::scout::{Found, Scout};
use super::tail::{Follower, KafkaTail};
use super::writer::KafkaWriter;
use super::{Kafka, groups, seek, size};

#[derive(Clone)]
pub(super) struct KafkaTopic(pub Arc<Shared>);

pub(super) struct Shared {
    pub address: Arc<Address>,
    pub clock: Arc<dyn Clock>,
    pub config: TopicConfig,
    pub id: u64,
    pub fingerprint: u64,
    scout: Scout,
    /// By partition: what is known of its end.
    known: Vec<Mutex<Known>>,
    barriers: Mutex<Vec<Barrier>>,
    pub news: News,
    follower: Mutex<Weak<Follower>>,
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

/// A number that goes up with everything new, for those who wait.
#[derive(Default)]
pub(super) struct News {
    sequence: AtomicU32,
    lock: Mutex<()>,
    changed: Condvar,
}

impl News {
    pub fn sequence(&self) -> u32 {
        self.sequence.load(Ordering::Acquire)
    }

    pub fn wake(&self) {
        let _guard = lock(&self.lock);
        self.sequence.fetch_add(1, Ordering::Release);
        self.changed.notify_all();
    }

    pub fn wait(&self, seen: u32, timeout: Duration) {
        let until = Instant::now().checked_add(timeout);
        let mut guard = lock(&self.lock);
        while self.sequence() == seen {
            // An end of time that cannot be named is not waited for in one go.
            let left = until.map_or(Duration::from_secs(3600), |u| u.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return;
            }
            guard = self.changed.wait_timeout(guard, left).map_or_else(|e| e.into_inner().0, |(guard, _)| guard);
        }
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

impl KafkaTopic {
    pub fn open(kafka: &Kafka, name: &str) -> Result<KafkaTopic, LogError> {
        config::check_name(name)?;
        let address = kafka.address.clone();
        let partitions = kafka.partitions_of(name)?;
        let scout = Scout::new(&address)?;
        let foreign = |what: &str| LogError::NotOurs { place: format!("{address}/{name}"), what: what.to_owned() };
        let first = first_records(&address, &scout, name, partitions)?;
        let unfinished = || LogError::TopicUnfinished { place: format!("{address}/{name}") };
        let first = first.into_iter().collect::<Option<Vec<_>>>().ok_or_else(unfinished)?;
        let place = std::path::PathBuf::from(format!("{address}/{name}"));
        let (config, id) = config::from_json(&place, &first[0].1)?;
        let fingerprint = config::fingerprint(&config.schema);
        if config.partitions as usize != partitions || first.iter().any(|(h, _)| (h.topic_id, h.fingerprint) != (id, fingerprint)) {
            return Err(foreign("its partitions are not those that it was made with"));
        }
        Ok(KafkaTopic(Arc::new(Shared {
            address,
            clock: kafka.clock.clone(),
            config,
            id,
            fingerprint,
            scout,
            known: first.iter().map(|(last, _)| Mutex::new(Known { next_at: 1, last: *last })).collect(),
            barriers: Mutex::default(),
            news: News::default(),
            follower: Mutex::default(),
        })))
    }

    pub fn committed(&self, group: &str) -> Result<Position, LogError> {
        let shared = &*self.0;
        let committed = groups::committed(&shared.address, &shared.config, group)?;
        let rows = |(p, committed): (PartitionId, Option<groups::Committed>)| committed.map_or(Ok(Offset(0)), |c| shared.rows(p, c));
        Ok(Position::new(shared.partition_ids().zip(committed).map(rows).collect::<Result<_, LogError>>()?))
    }

    pub fn commit(&self, group: &str, position: &Position) -> Result<(), LogError> {
        let starts: Vec<Start> = position.offsets().iter().map(|o| Start::Offset(*o)).collect();
        contract::Topic::seek_group(self, group, &starts).map(drop)
    }
}

impl contract::Topic for KafkaTopic {
    fn config(&self) -> &TopicConfig {
        &self.0.config
    }

    fn writer(&self) -> Result<Box<dyn contract::Writer>, LogError> {
        Ok(Box::new(KafkaWriter::open(self.0.clone())?))
    }

    fn reader(&self, partition: PartitionId, start: Start, projection: Option<&[usize]>) -> Result<Box<dyn contract::Reader>, LogError> {
        Ok(Box::new(KafkaReader::open(self.0.clone(), partition, start, projection)?))
    }

    fn range(&self, partition: PartitionId, from: Offset, to: Offset, projection: Option<&[usize]>) -> Result<RangeOf, LogError> {
        self.0.check_partition(partition)?;
        let end = self.0.refresh(partition)?.last.end();
        if to > end {
            return Err(LogError::OffsetOutOfRange { topic: self.0.config.name.clone(), partition, offset: to, end });
        }
        let reader = KafkaReader::open(self.0.clone(), partition, Start::Offset(from.min(to)), projection)?;
        Ok(Box::new(KafkaRange { reader, to }))
    }

    fn start(&self) -> Result<Position, LogError> {
        // A topic whose first records are gone cannot be opened.
        Ok(Position::zero(self.0.partitions()))
    }

    fn end(&self) -> Result<Position, LogError> {
        let ends = self.0.partition_ids().map(|p| Ok(self.0.refresh(p)?.last.end())).collect::<Result<_, LogError>>()?;
        Ok(Position::new(ends))
    }

    fn barriers(&self) -> Result<Vec<Barrier>, LogError> {
        self.0.barriers()
    }

    fn tail(&self) -> Result<Box<dyn contract::Tail>, LogError> {
        let mut follower = lock(&self.0.follower);
        let follower = match follower.upgrade() {
            Some(running) => running,
            None => {
                let shared = &self.0;
                let ends = shared.partition_ids().map(|p| Ok((p, shared.refresh(p)?.next_at))).collect::<Result<Vec<_>, LogError>>()?;
                let consumer = shared.address.consumer(Fetch::Stream)?;
                let started = Follower::start(&shared.address, &shared.config.name, consumer, &ends, shared.clone())?;
                *follower = Arc::downgrade(&started);
                started
            }
        };
        Ok(Box::new(KafkaTail { topic: self.0.clone(), _follower: follower }))
    }

    fn bytes(&self) -> Result<u64, LogError> {
        size::bytes(&self.0.address, self.0.scout.asker(), &self.0.config.name, self.0.config.partitions)
    }

    fn groups(&self) -> Result<Vec<String>, LogError> {
        groups::names(&self.0.address, &self.0.config)
    }

    fn group_progress(&self, group: &str) -> Result<Vec<PartitionProgress>, LogError> {
        let shared = &*self.0;
        let end = |p| Ok(shared.refresh(p)?.last.end());
        groups::progress(&shared.address, &shared.config, group, |p, committed| shared.rows(p, committed), end)
    }

    fn seek_group(&self, group: &str, starts: &[Start]) -> Result<Position, LogError> {
        let shared = &*self.0;
        let place = |(p, start): (PartitionId, &Start)| {
            let place = seek::find(shared, p, *start)?;
            // Within a frame, the row's offset says where.
            Ok((place.at, if let Start::Offset(offset) = start { *offset } else { place.offset }))
        };
        let to = shared.partition_ids().zip(starts).map(place).collect::<Result<Vec<_>, LogError>>()?;
        groups::commit(&shared.address, &shared.config, group, &to)?;
        Ok(Position::new(to.into_iter().map(|(_, rows)| rows).collect()))
    }

    fn place(&self) -> String {
        format!("{}/{}", self.0.address, self.0.config.name)
    }
}

impl Shared {
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
    fn rows(&self, partition: PartitionId, committed: groups::Committed) -> Result<Offset, LogError> {
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

    fn barriers(&self) -> Result<Vec<Barrier>, LogError> {
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
