//! What a fuzzer asks of the log's decoders: the bodies of the targets in `fuzz/`, which `shared/tests/fuzz_corpus.rs` runs over the kept
//! inputs without a fuzzer. No part of the library's interface.
//!
//! Checksums keep chance away from what stands behind them, so each target takes its input twice: as it is, and with every checksum made
//! to fit. What holds for a decoder is asserted; what a target returns is whether the input was accepted, so that a test sees when the
//! kept inputs no longer are what the decoders know.
//!
//! Readers trust a body whose checksum fits (see `decode.rs`). So the segment's target reads what `verify` found nothing wrong with, and
//! asserts that both say the same.

mod manifest;
mod positions;
mod seal;
mod seeds;
mod segment;
mod topic_file;

use crate::config::{PartitionBy, TopicConfig, to_json};
use crate::local::topic::LocalTopic;
use crate::partition::state::TopicState;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit};

use twopath_base::clock::ManualClock;
use twopath_base::{Offset, PartitionId};
use twopath_storage::{OsStorage, RealStores};

pub use manifest::manifest;
pub use positions::positions;
pub use seal::seal;
pub use seeds::seeds;
pub use segment::segment;
pub use topic_file::topic_file;

const P0: PartitionId = PartitionId(0);
const ID: u64 = 0x2b0c_5eed_0000_0001;
const NAME: &str = "fuzzed";
/// The time of all that a seed says: microseconds since 1970.
const NOW_US: i64 = 1_700_000_000_000_000;

/// Columns that are decoded in place, and, behind them, some that Arrow's own decoder must do.
fn config() -> TopicConfig {
    let us = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let tags = DataType::List(Arc::new(Field::new("item", DataType::Int32, true)));
    let fields = vec![
        Field::new("at", us, true),
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("ok", DataType::Boolean, true),
        Field::new("tags", tags, true),
        Field::new("view", DataType::Utf8View, true),
    ];
    let config = TopicConfig::new(NAME, Arc::new(Schema::new(fields)));
    TopicConfig {
        partition_by: PartitionBy::Key("id".into()),
        time_column: Some("at".into()),
        durability: crate::config::Durability::Batch,
        segment_bytes: 1 << 20,
        ..config
    }
}

/// The columns of [`config`] that are decoded in place.
const PLAIN: [usize; 4] = [0, 1, 2, 3];

/// A folder of the target's own, with the one topic of [`config`] in it. Its files are those of the input at hand.
pub struct Bench {
    dir: PathBuf,
    topic: LocalTopic,
}

impl Bench {
    /// In a folder that is there and empty.
    ///
    /// # Panics
    /// Where the folder cannot be written: there is nothing to test then.
    pub fn new(dir: &Path) -> Bench {
        let dir = dir.join(NAME);
        std::fs::create_dir_all(dir.join("p0")).expect("a folder for the fuzzed topic");
        std::fs::write(dir.join("topic.json"), to_json(&config(), ID)).expect("the fuzzed topic's file");
        let topic = open(&dir);
        Bench { dir, topic }
    }

    /// The topic, as a process opens it that knows nothing of it yet.
    fn open(&self) -> LocalTopic {
        open(&self.dir)
    }

    /// Makes `files` the only ones of the partition, and forgets how far it was committed.
    fn lay(&self, files: &[(&str, &[u8])]) {
        let p0 = self.dir.join("p0");
        for old in std::fs::read_dir(&p0).expect("the partition's folder").flatten() {
            if !files.iter().any(|(name, _)| old.file_name() == *name) {
                std::fs::remove_file(old.path()).expect("an old file");
            }
        }
        let _ = std::fs::remove_file(self.dir.join("tail"));
        files.iter().for_each(|(name, bytes)| std::fs::write(p0.join(name), bytes).expect("a file of the input"));
    }
}

fn open(dir: &Path) -> LocalTopic {
    LocalTopic(
        TopicState::open(dir, Arc::new(OsStorage), Arc::new(ManualClock::at(NOW_US)), Arc::new(RealStores))
            .expect("the fuzzed topic opens"),
    )
}

/// The input as it is, and with its checksums made to fit.
fn both(data: &[u8], mend: impl FnOnce(&mut Vec<u8>), mut check: impl FnMut(&[u8]) -> bool) -> bool {
    let as_is = check(data);
    let mut mended = data.to_vec();
    mend(&mut mended);
    if mended == data { as_is } else { check(&mended) || as_is }
}

fn name_of(base: Offset) -> String {
    crate::format::segment::file_name(base)
}
