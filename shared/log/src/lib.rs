//! The log: topics, partitions, segments of frames; one writer, any number of readers.
//!
//! **What it is**: an append-only, checksummed record of Arrow record batches in files, which readers in this and other processes map
//! and follow. Everything that was acknowledged is found again, once and in order, or named as damaged.
//!
//! **What it is not**: replicated or compressed. Not a network service. Not safe on
//! file systems where a mapping does not see another process's writes (NFS). Linux on little-endian machines only.
//!
//! # Files
//!
//! ```text
//! DIR/TOPIC/topic.json                        name, id, schema, partitions, policies
//!           lock                              held (flock) by the one writer, whose process it names
//!           tail                              how far each partition is committed; wakes readers
//!           p0/00000000000000000000.arrow     the segments of partition 0, named for their first offset
//!           p0/00000000000000000000.3.arrow   what the third rewriting (compaction) put in the place of some of them
//!           p0/manifest                       the log's start, the rewritten segments, and those that are objects in a store; absent as long
//!                                             as nothing was taken away
//!           p0/00000000000000000000.seal      what is kept here of a segment that is an object: all but its records
//!           cache/                            segments that were fetched from a store (`cache-bytes` says how many bytes); can be removed at any time
//!           pins                              who reads from where on, so that retention leaves it
//!           housekeeping                      held (flock) by the one process that retains, compacts, offloads or recalls
//!           groups/GROUP/                     a consumer group: committed positions, members, owners (see [`Group`])
//! ```
//!
//! A segment file: Arrow's magic and schema message (the *head*, padded to 64 bytes), frames, and once it is sealed a *seal*: Arrow's
//! end-of-stream marker and a summary (128 bytes), an index (a place among the frames for every 64 KiB of them) and what is known of the
//! producers, then Arrow's file footer, whose blocks point at the frames' messages. So a sealed segment is a standard Arrow IPC file.
//! Bytes of frames and seals are written once and never changed; numbers are little-endian. With durability `batch` zeros may follow the
//! last frame while the segment is being written: *room* for the frames to come, so that syncing them changes nothing but their bytes.
//! It is cut away before the seal is written, when the writer is closed, and by the next writer where this one died.
//!
//! A frame: this header, then a body whose length is a multiple of 64. The body of a `records` frame is one encapsulated Arrow IPC record
//! batch message, and behind it, in a compacted segment, the offsets of its records (4 bytes each, counted from the frame's first); of a
//! `barrier` frame the barrier's number, the number of partitions, and one offset per partition (8 bytes each); of a `fence` frame nothing.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0–3 | magic `2PFR` |
//! | 4–5 | version, 1 |
//! | 6 | kind: 1 records, 2 barrier, 3 fence (a producer's new epoch) |
//! | 7 | flags: 1 has a producer, 2 has event times |
//! | 8–15 | topic id |
//! | 16–23 | schema fingerprint |
//! | 24–27 | partition |
//! | 28–31 | count of records |
//! | 32–39 | offset of the first record |
//! | 40–55 | least and greatest event time, microseconds since 1970 |
//! | 56–63 | arrival time, microseconds since 1970; never goes back |
//! | 64–79 | producer, and its sequence number |
//! | 80–87 | generation: the number of barriers before this frame |
//! | 88–95 | bytes of the body |
//! | 96–99 | bytes of the body that are the message's metadata |
//! | 100–103 | CRC-32C of the segment's head |
//! | 104–107 | epoch of the producer |
//! | 108–111 | bytes before the frame that were not known to be on the disk when it was written, in units of 64 |
//! | 112–119 | offsets left out before the records, in a file that compaction made |
//! | 120–123 | CRC-32C of the body |
//! | 124–127 | CRC-32C of bytes 0–123, and so, through the one before, of the whole frame |
//!
//! The header has a checksum of its own so that one can hop from header to header without reading the bodies.
//!
//! # Segments elsewhere
//!
//! A sealed segment can be an object in a store ([`Topic::offload`]): `STORE/TOPIC-ID/pN/OFFSET-CRC.arrow`, byte for byte the file that it
//! was, and so a standard Arrow IPC file there too. The manifest says so with its length and checksum. Whoever reads it has it fetched whole
//! into the cache, checked, and mapped from there. A copy of a topic's folder names the same objects: recall before copying.
//!
//! # Who knows how far the log goes
//!
//! The writer publishes each partition's committed end in the [`Tail`]. After a reboot, or in a copied folder, the tail counts for
//! nothing, and the frames of the last segment say it. A frame is acknowledged once it is published, and published once it is as durable
//! as the topic's policy says ([`Durability`]).

mod cache;
mod compaction;
mod config;
mod contract;
mod decode;
mod embedded;
mod error;
mod event_range;
mod face;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod hash;
mod index;
#[cfg(feature = "kafka")]
mod kafka;
mod kept;
mod lock;
mod manifest;
mod object;
mod offload;
mod partition;
mod partition_writer;
mod pin;
mod place;
mod producer;
mod reader;
mod recovery;
mod retention;
mod row_decoder;
mod segment;
mod tail;
mod tier;
mod times;
mod topic;
mod verify;
mod writer;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use arrow_array::RecordBatch;

use self::frame::Kind;
use twopath_base::clock::{Clock, SystemClock};
use twopath_base::{Offset, PartitionId, Position};
use twopath_storage::{ObjectStores, OsStorage, RealStores, Storage, create_dir_durably, remove_dir_with_content, write_atomically};

pub use compaction::CompactionReport;
pub use config::{Compaction, Durability, Offload, PartitionBy, Retention, TopicConfig};
pub use error::LogError;
pub use face::{PartitionReader, Range, Tail, Topic, TopicWriter};
pub use group::{Group, Member, MemberOptions, PartitionProgress};
#[cfg(feature = "kafka")]
pub use kafka::Kafka;
pub use offload::{OffloadReport, RecallReport};
pub use pin::Pin;
pub use place::Place;
pub use producer::ProducerState;
pub use reader::Start;
pub use retention::{Claim, RetentionReport};
pub use row_decoder::{RowDecoder, RowDecoders};
pub use times::Times;
pub use topic::SegmentInfo;
pub use verify::{Problem, VerifyReport};

/// A cut of the log at which every reader can agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barrier {
    /// Counts up from 1.
    pub number: u64,
    pub position: Position,
}

/// Who appends, and its running number: a repeated (producer, sequence) is acknowledged with its first offset, and not appended again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerSequence {
    pub producer: u64,
    /// Counts the instances of the producer ([`TopicWriter::begin_producer`]): an older one is fenced. 0 for one that needs no fencing.
    pub epoch: u32,
    /// Goes up with each append to a partition, also from one epoch to the next.
    pub sequence: u64,
}

/// The producer that a name stands for: the same in every process, on every machine, in every version of this program.
pub fn producer_id(name: &str) -> u64 {
    hash::xxh64(name.as_bytes())
}

/// What stands in the log.
#[derive(Debug, Clone)]
pub enum Entry {
    Records(Records),
    Barrier(Barrier),
}

/// One frame's records.
#[derive(Debug, Clone)]
pub struct Records {
    pub partition: PartitionId,
    /// The offset of row 0.
    pub base: Offset,
    /// Exclusive. In a compacted segment there are fewer records than offsets.
    pub end: Offset,
    /// The offset of each row, where some of the range have no record any more.
    pub offsets: Option<Arc<[Offset]>>,
    /// When the log took them: microseconds since 1970.
    pub arrival_us: i64,
    /// Zero-copy over the mapped segment wherever that is possible.
    pub batch: RecordBatch,
}

impl Records {
    /// The offset of a row.
    pub fn offset_of(&self, row: usize) -> Offset {
        self.offsets.as_ref().map_or(Offset(self.base.0 + row as u64), |offsets| offsets[row])
    }

    /// How many of the rows have offsets below this one.
    pub fn rows_below(&self, offset: Offset) -> usize {
        match &self.offsets {
            Some(offsets) => offsets.partition_point(|o| *o < offset),
            None => offset.0.saturating_sub(self.base.0).min(self.batch.num_rows() as u64) as usize,
        }
    }

    /// The part of these records from one offset up to, and without, another.
    pub fn cut(self, from: Offset, to: Offset) -> Records {
        let (from, to) = (from.max(self.base), to.min(self.end));
        if (from, to) == (self.base, self.end) || from >= to {
            return if from < to { self } else { Records { base: from, end: from, offsets: None, batch: self.batch.slice(0, 0), ..self } };
        }
        let (first, after) = (self.rows_below(from), self.rows_below(to));
        let offsets = self.offsets.map(|offsets| offsets[first..after].into());
        Records { base: from, end: to, offsets, batch: self.batch.slice(first, after - first), ..self }
    }
}

/// A folder of topics. Clones, and the topics opened through them, share their mappings and what they know of which checksums hold.
#[derive(Clone)]
pub struct Log {
    dir: PathBuf,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    stores: Arc<dyn ObjectStores>,
    open: Arc<Mutex<HashMap<String, Weak<topic::Shared>>>>,
}

impl Log {
    /// Opens (and where needed makes) a folder of topics.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        Self::with(Arc::new(OsStorage), Arc::new(SystemClock), dir)
    }

    /// As [`Self::open`], with the storage that the writer uses and the clock that gives arrival times.
    pub fn with(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, dir: &Path) -> Result<Self, LogError> {
        create_dir_durably(&*storage, dir).map_err(LogError::io("create", dir))?;
        Ok(Log { dir: dir.to_owned(), storage, clock, stores: Arc::new(RealStores), open: Arc::default() })
    }

    /// The same folder, with other object stores for segments that were offloaded.
    pub fn with_stores(self, stores: Arc<dyn ObjectStores>) -> Self {
        Log { stores, open: Arc::default(), ..self }
    }

    /// Makes a topic: all of it or nothing.
    pub fn create_topic(&self, mut config: TopicConfig) -> Result<Topic, LogError> {
        config.check()?;
        if let Some(offload) = &mut config.offload {
            // The same store wherever a later writer is started.
            offload.to = offload::store_address(&offload.to)?;
        }
        let dir = self.dir.join(&config.name);
        let exists = || LogError::TopicExists { name: config.name.clone() };
        if dir.exists() {
            return Err(exists());
        }
        let id = RandomState::new().hash_one((self.clock.now_us(), std::process::id(), &config.name));
        let beside = self.dir.join(format!(".{}.new-{id:016x}", config.name));
        for p in 0..config.partitions {
            let dir = beside.join(format!("p{p}"));
            self.storage.create_dir(&dir).map_err(LogError::io("create", &dir))?;
        }
        let path = beside.join("topic.json");
        write_atomically(&*self.storage, &path, &config::to_json(&config, id)).map_err(LogError::io("write", &path))?;
        {
            let topic = topic::Topic::open(&beside, self.storage.clone(), self.clock.clone(), self.stores.clone())?;
            for p in topic.0.partition_ids() {
                let (path, file, _) = partition_writer::create_segment(&topic.0, p, Offset(0))?;
                // A reader takes a first segment to have its head.
                if config.durability != Durability::None {
                    file.sync_data().map_err(LogError::io("sync", &path))?;
                }
            }
        }
        match self.storage.rename(&beside, &dir) {
            Err(e) if matches!(e.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => return Err(exists()),
            other => other.map_err(LogError::io("make", &dir))?,
        }
        self.storage.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
        let topic = self.topic(&config.name)?;
        // Empty partitions are committed up to their heads: an open and a close say so.
        topic.writer()?.close()?;
        Ok(topic)
    }

    /// Opens a topic for reading.
    pub fn topic(&self, name: &str) -> Result<Topic, LogError> {
        config::check_name(name)?;
        let dir = self.dir.join(name);
        if !dir.join("topic.json").is_file() {
            return Err(LogError::NoSuchTopic { name: name.to_owned(), dir: self.dir.clone(), known: self.topics()? });
        }
        let topic = topic::Topic::open(&dir, self.storage.clone(), self.clock.clone(), self.stores.clone())?;
        let mut open = topic::lock(&self.open);
        // A topic of that name may have been deleted and made anew.
        if let Some(shared) = open.get(name).and_then(Weak::upgrade).filter(|shared| shared.id == topic.0.id) {
            return Ok(Topic::new(topic::Topic(shared)));
        }
        open.insert(name.to_owned(), Arc::downgrade(&topic.0));
        Ok(Topic::new(topic))
    }

    /// Deletes a topic, with its groups and with its objects in stores.
    ///
    /// # Errors
    /// Somebody writes, reads or tidies it; an object cannot be deleted (then the topic is there still, without the segments that went); or
    /// a file cannot be moved or removed.
    pub fn delete_topic(&self, name: &str) -> Result<(), LogError> {
        let topic = self.topic(name)?;
        let topic = topic.embedded("folder")?;
        let _no_writer = lock::Held::for_this_process(&topic.0.lock_path(), name)?;
        if let Some(who) = topic.reader_by_name()? {
            return Err(LogError::InUse { topic: name.to_owned(), who });
        }
        // As retention forgets them, so that a death on the way leaves a topic that knows of every object that there is.
        let has_objects = |p| topic.0.manifest(p).map(|m| !m.remote.is_empty() || !m.unneeded.is_empty());
        if topic.0.partition_ids().map(has_objects).collect::<Result<Vec<_>, _>>()?.contains(&true) {
            let left = topic.retain(&Retention::of_bytes(0), true)?.objects_left;
            if left > 0 {
                return Err(LogError::ObjectsLeft { topic: name.to_owned(), left });
            }
        }
        let dir = self.dir.join(name);
        remove_dir_with_content(&*self.storage, &dir).map_err(LogError::io("delete", &dir))
    }

    /// The names of the topics, sorted.
    pub fn topics(&self) -> Result<Vec<String>, LogError> {
        topic::names(&self.dir)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("dir", &self.dir).finish_non_exhaustive()
    }
}
