//! A topic that Kafka keeps, open for reading.

use std::sync::{Arc, Mutex};

use crate::config::{self, TopicConfig};
use crate::contract::{self, RangeOf};
use crate::error::LogError;
use crate::groups::PartitionProgress;
use crate::records::{Barrier, Start};
use twopath_base::sync::lock;
use twopath_base::{Offset, PartitionId, Position};

use super::client::Fetch;
use super::reader::{KafkaRange, KafkaReader};
use super::scout::Scout;
use super::state::{KafkaState, Known, first_records};
use super::tail::{Follower, KafkaTail, News};
use super::writer::KafkaWriter;
use super::{Kafka, groups, seek, size};

#[derive(Clone)]
pub(super) struct KafkaTopic(pub Arc<KafkaState>);

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
        Ok(KafkaTopic(Arc::new(KafkaState {
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

    fn since(&self) -> Result<Position, LogError> {
        self.start()
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

    fn address(&self) -> String {
        format!("{}/{}", self.0.address, self.0.config.name)
    }
}
