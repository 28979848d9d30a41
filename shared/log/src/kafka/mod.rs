//! The log's contract over Apache Kafka (cargo feature `kafka`).
//!
//! **What it is**: a topic of ours kept as a topic of a Kafka cluster: frames become Kafka records, barriers too, and every reader sees
//! the same dense row offsets as in a folder. **What it is not**: a general Kafka client. No TLS, no SASL, no compression; one writer per topic.
//!
//! # Records
//!
//! The value of a `records` record is one encapsulated Arrow IPC record batch message; its schema is the topic's. The value of a `barrier`
//! record is the barrier's number, the number of partitions, and one offset per partition (8 bytes each). A `writer` record stands where a
//! writer took over, and wherever it wrote down what it knows of its producers, as the seal of a segment has it. A `fence` record begins a
//! producer's epoch. A `topic` record is the first of every partition; its value is the same JSON as a `topic.json`.
//!
//! Each record has one header, named `twopath`, of 120 bytes. Numbers are little-endian.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0 | version, 1 |
//! | 1 | kind: 1 records, 2 barrier, 3 writer, 4 topic, 5 fence |
//! | 2 | flags: 1 has a producer, 2 has event times |
//! | 3–7 | zero; count of rows |
//! | 8–15 | row offset of the first row |
//! | 16–23 | **the Kafka offset at which this record must stand** |
//! | 24–31 | generation: the number of barriers before this record |
//! | 32–39 | arrival time, microseconds since 1970; never goes back |
//! | 40–55 | least and greatest event time of its rows |
//! | 56–63 | greatest event time in the partition so far, this record's with it |
//! | 64–79 | producer, and its sequence number |
//! | 80–87 | Kafka offset of the last `writer` (or `topic`) record before it |
//! | 88–95 | Kafka offset of the last barrier before it, or -1 |
//! | 96–111 | topic id; schema fingerprint |
//! | 112–119 | the producer's epoch |
//!
//! What other programs write has a form of its own: see `foreign.rs`.
//!
//! # One writer
//!
//! A writer says in each record at which Kafka offset it must stand, and **a record that stands elsewhere does not count**. Kafka gives
//! each offset once, so that of two writers who append at the same time at most one can hit; the other learns it from Kafka's
//! acknowledgement, acknowledges nothing, and takes no more appends. A writer that opens appends a `writer` record first, which takes the
//! offset that an older writer needed next: the newer writer fences the older. It does so in one partition after the other, and then looks
//! whether it is still the last everywhere: of two that open at the same time, at most one is. Whether a record counts can be told from
//! the record alone.
//! The producer is Kafka's idempotent one (`enable.idempotence`, `acks=all`), so that its own retries neither double nor reorder.
//! Kafka's transactions would fence too, at the price of a commit, and of records of Kafka's own between ours, for each append.
//!
//! # Durability
//!
//! Always `acks=all`: every in-sync replica has it. `none`: in the servers' page caches; `interval`: and the topic is made with `flush.ms`;
//! `batch`: with `flush.messages=1`, so that the server syncs before it answers.
//!
//! # Finding a place
//!
//! Row offsets, arrival times and the greatest event time so far never go back along a partition, so that each of them is found by a binary
//! search over Kafka offsets, reading one record at a time.

mod client;
mod foreign;
mod groups;
mod header;
mod reader;
mod scout;
mod seek;
mod size;
mod state;
mod tail;
mod topic;
mod writer;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;

use twopath_base::clock::{Clock, SystemClock};
use twopath_base::{PartitionId, Position};

use crate::config::{self, Durability, TopicConfig};
use crate::error::LogError;
use crate::rows::row_decoder::RowDecoders;
use crate::topic::Topic;

use client::{ANSWER_WAIT, Address, block_on};
use scout::Scout;

/// A Kafka cluster that keeps topics.
#[derive(Clone)]
pub struct Kafka {
    address: Arc<Address>,
    clock: Arc<dyn Clock>,
}

impl Kafka {
    /// Looks for a cluster at `HOST:PORT` (several with commas between). An error after at most 10 seconds where nobody answers.
    pub fn connect(servers: &str) -> Result<Kafka, LogError> {
        Self::with(servers, Arc::new(SystemClock))
    }

    /// As [`Self::connect`], with the clock that gives arrival times.
    pub fn with(servers: &str, clock: Arc<dyn Clock>) -> Result<Kafka, LogError> {
        let address = Arc::new(Address { servers: servers.to_owned() });
        address.check()?;
        address.reach()?;
        let kafka = Kafka { address, clock };
        kafka.topics()?;
        Ok(kafka)
    }

    /// Makes a topic. It has as many replicas as the cluster makes where it is not told. One whose making was cut short is completed.
    pub fn create_topic(&self, config: TopicConfig) -> Result<Topic, LogError> {
        config.check()?;
        let name = config.name.clone();
        let admin = self.address.admin()?;
        let settings = settings(&config);
        let new = NewTopic::new(&name, config.partitions as i32, TopicReplication::Fixed(-1));
        let new = settings.iter().fold(new, |new, (setting, value)| new.set(setting, value));
        let results = block_on(admin.create_topics([&new], &client::admin_options())).map_err(self.address.failed("make a topic"))?;
        let Making { id, missing } = match results.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {
                self.begun(&config, &settings)?.ok_or_else(|| LogError::TopicExists { name: name.clone() })?
            }
            Some(Err((_, code))) => return Err(self.address.failed("make a topic")(rdkafka::error::KafkaError::AdminOp(code))),
            Some(Ok(_)) | None => {
                self.wait_for_leaders(&name, config.partitions)?;
                Making { id: None, missing: config.partition_ids().collect() }
            }
        };
        let id = id.unwrap_or_else(|| RandomState::new().hash_one((self.clock.now_us(), std::process::id(), &name)));
        writer::write_topic_records(&self.address, &config, id, &missing, &*self.clock)?;
        self.topic(&name)
    }

    /// What is left to do for a topic whose making with this config was cut short. None for any other topic.
    fn begun(&self, config: &TopicConfig, settings: &[(&str, String)]) -> Result<Option<Making>, LogError> {
        let name = &config.name;
        match self.partitions_of(name) {
            Ok(partitions) if partitions == config.partitions as usize && self.has_settings(name, settings)? => {}
            Ok(_) | Err(LogError::NoSuchTopic { .. }) => return Ok(None),
            Err(e) => return Err(e),
        }
        let first = match state::first_records(&self.address, &Scout::new(&self.address)?, name, config.partitions as usize) {
            Err(LogError::NotOurs { .. }) => return Ok(None),
            first => first?,
        };
        let id = first.iter().flatten().next().map(|(header, _)| header.topic_id);
        let value = id.map(|id| config::to_json(config, id));
        let same = first.iter().flatten().all(|(_, found)| Some(found) == value.as_ref());
        let missing = config.partition_ids().zip(first).filter(|(_, record)| record.is_none()).map(|(p, _)| p).collect();
        Ok(same.then_some(Making { id, missing }))
    }

    /// Whether a topic has settings that this program makes topics with.
    fn has_settings(&self, name: &str, settings: &[(&str, String)]) -> Result<bool, LogError> {
        let described = block_on(self.address.admin()?.describe_configs(&[ResourceSpecifier::Topic(name)], &client::admin_options()));
        let described = described.map_err(self.address.failed("look at a topic's settings"))?;
        let has = |topic: &ConfigResource| settings.iter().all(|(s, value)| topic.get(s).is_some_and(|e| e.value.as_ref() == Some(value)));
        Ok(described.iter().any(|topic| topic.as_ref().is_ok_and(has)))
    }

    /// A topic that was just made has leaders only a moment later.
    fn wait_for_leaders(&self, name: &str, partitions: u32) -> Result<(), LogError> {
        let consumer = self.address.consumer(client::Fetch::One)?;
        let until = std::time::Instant::now() + ANSWER_WAIT;
        loop {
            let metadata = consumer.fetch_metadata(Some(name), ANSWER_WAIT).map_err(self.address.failed("look for a topic"))?;
            let ready = metadata.topics().iter().any(|t| {
                t.partitions().len() == partitions as usize && t.partitions().iter().all(|p| p.leader() >= 0 && p.error().is_none())
            });
            if ready {
                return Ok(());
            }
            if std::time::Instant::now() > until {
                return Err(self.address.silent("give a new topic leaders"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Opens a topic for reading.
    pub fn topic(&self, name: &str) -> Result<Topic, LogError> {
        Ok(Topic::elsewhere(topic::KafkaTopic::open(self, name)?))
    }

    /// Opens a topic that other programs write, for reading only: see [`RowDecoder`](crate::rows::row_decoder::RowDecoder). The config's partitions are the
    /// cluster's.
    pub fn foreign_topic(&self, config: TopicConfig, decoders: RowDecoders) -> Result<Topic, LogError> {
        Ok(Topic::elsewhere(foreign::ForeignTopic::open(self, config, decoders)?))
    }

    /// The names of the cluster's topics, sorted, without Kafka's own. (Also of topics that others made.)
    pub fn topics(&self) -> Result<Vec<String>, LogError> {
        let consumer = self.address.consumer(client::Fetch::One)?;
        let metadata = consumer.fetch_metadata(None, ANSWER_WAIT).map_err(self.address.failed("list the topics"))?;
        let mut names: Vec<String> = metadata.topics().iter().map(|t| t.name().to_owned()).filter(|n| !n.starts_with("__")).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Forgets a topic and everything in it.
    pub fn delete_topic(&self, name: &str) -> Result<(), LogError> {
        let admin = self.address.admin()?;
        let failed = || self.address.failed("delete a topic");
        let results = block_on(admin.delete_topics(&[name], &client::admin_options())).map_err(failed())?;
        results.into_iter().try_for_each(|r| r.map(|_| ()).map_err(|(_, code)| failed()(rdkafka::error::KafkaError::AdminOp(code))))
    }

    /// Whether there is such a topic, and of how many partitions.
    fn partitions_of(&self, name: &str) -> Result<usize, LogError> {
        let consumer = self.address.consumer(client::Fetch::One)?;
        let metadata = consumer.fetch_metadata(Some(name), ANSWER_WAIT).map_err(self.address.failed("look for a topic"))?;
        let found = metadata.topics().iter().find(|t| t.name() == name && t.error().is_none());
        match found {
            Some(topic) if !topic.partitions().is_empty() => Ok(topic.partitions().len()),
            _ => Err(LogError::NoSuchTopic { name: name.to_owned(), dir: self.address.to_string().into(), known: self.topics()? }),
        }
    }

    /// The positions that a consumer group committed in Kafka, in rows; 0 where it committed none.
    pub fn committed(&self, topic: &str, group: &str) -> Result<Position, LogError> {
        topic::KafkaTopic::open(self, topic)?.committed(group)
    }

    /// Commits a group's position. No member of the group may be subscribed through Kafka at the time.
    pub fn commit(&self, topic: &str, group: &str, position: &Position) -> Result<(), LogError> {
        topic::KafkaTopic::open(self, topic)?.commit(group, position)
    }
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka").field("servers", &self.address.servers).finish_non_exhaustive()
    }
}

/// A topic that is there in Kafka, and does not yet say in every partition what it is.
struct Making {
    /// None where it says so in no partition.
    id: Option<u64>,
    missing: Vec<PartitionId>,
}

/// What a topic is made with in Kafka.
fn settings(config: &TopicConfig) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("cleanup.policy", "delete".into()),
        ("retention.ms", "-1".into()),
        ("retention.bytes", "-1".into()),
        ("message.timestamp.type", "CreateTime".into()),
        ("max.message.bytes", client::MESSAGE_BYTES_MAX.to_string()),
    ];
    match config.durability {
        Durability::Interval(interval) => settings.push(("flush.ms", interval.as_millis().max(1).to_string())),
        Durability::Batch => settings.push(("flush.messages", "1".into())),
        Durability::None => {}
    }
    settings
}

fn p32(partition: PartitionId) -> i32 {
    partition.0 as i32
}
