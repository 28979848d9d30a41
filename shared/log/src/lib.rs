//! The log: topics, partitions, segments of frames; one writer, any number of readers.
//!
//! **What it is**: an append-only, checksummed record of Arrow record batches in files, which readers in this and other processes map
//! and follow. Everything that was acknowledged is found again, once and in order, or named as damaged.
//!
//! **What it is not**: replicated or compressed. Not a network service. Not safe on
//! file systems where a mapping does not see another process's writes (NFS). Linux on little-endian machines only.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{Int64Array, RecordBatch};
//! use arrow_schema::{DataType, Field, Schema};
//! use twopath_base::PartitionId;
//! use twopath_log::{Entry, Log, Start, TopicConfig};
//!
//! let dir = tempfile::tempdir()?;
//! let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
//! let topic = Log::open(dir.path())?.create_topic(TopicConfig::new("numbers", schema.clone()))?;
//! let writer = topic.writer()?;
//! writer.append(&RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![7, 8, 9]))])?)?;
//! writer.close()?;
//!
//! let mut reader = topic.reader(PartitionId(0), Start::First, None)?;
//! let Some(Entry::Records(records)) = reader.next()? else { panic!("three records were acknowledged") };
//! assert_eq!((records.base.0, records.batch.num_rows()), (0, 3));
//! assert!(reader.next()?.is_none(), "the committed end");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
//! last frame while the segment is being written: *preallocated* for the frames to come, so that syncing them changes nothing but their bytes.
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
//! A sealed segment can be an object in a store ([`LocalTopic::offload`]): `STORE/TOPIC-ID/pN/OFFSET-CRC.arrow`, byte for byte the file that it
//! was, and so a standard Arrow IPC file there too. The manifest says so with its length and checksum. Whoever reads it has it fetched whole
//! into the cache, checked, and mapped from there. A copy of a topic's folder names the same objects: recall before copying.
//!
//! # Who knows how far the log goes
//!
//! The writer publishes each partition's committed end in the [`Tail`]. After a reboot, or in a copied folder, the tail counts for
//! nothing, and the frames of the last segment say it. A frame is acknowledged once it is published, and published once it is as durable
//! as the topic's policy says ([`Durability`]).

mod address;
mod config;
mod contract;
mod error;
mod format;
#[doc(hidden)]
pub mod fuzzing;
mod groups;
mod hash;
#[cfg(feature = "kafka")]
mod kafka;
mod local;
mod lock;
mod log;
mod partition;
mod records;
mod rows;
mod servers;
mod tier;
mod topic;
mod upkeep;

pub use address::Address;
pub use config::{Compaction, Durability, Offload, PartitionBy, Retention, TopicConfig};
pub use error::LogError;
pub use format::producer::{ProducerState, producer_id};
pub use groups::{Group, Member, MemberOptions, PartitionProgress};
#[cfg(feature = "kafka")]
pub use kafka::Kafka;
pub use local::topic::LocalTopic;
pub use log::Log;
pub use partition::hold::Hold;
pub use partition::state::SegmentInfo;
pub use partition::times::Times;
pub use partition::verify::{Problem, VerifyReport};
pub use records::{Barrier, Entry, ProducerSequence, Records, Start};
pub use rows::log_columns::with_log_columns;
pub use rows::row_decoder::{RowDecoder, RowDecoders};
pub use topic::{PartitionReader, Range, Tail, Topic, TopicWriter};
pub use upkeep::compaction::CompactionReport;
pub use upkeep::offload::{OffloadReport, RecallReport};
pub use upkeep::retention::{HeldRange, RetentionReport};
