//! What is compared: systems that follow a log and answer a query over it.
//!
//! The harness knows a system by [`System`] alone. Nothing in the trait assumes shared memory: the log is found by its address, answers
//! are rows with the position that they are exact for, costs are those of a group of processes, and what happened when is told at the
//! end, on the clock that all processes of a machine share. [`process`] puts any system into a process of its own.
//!
//! Systems start over a topic that holds the history, serve version 1 of a job, and can be told to deploy version 2 while events keep
//! arriving and answers keep being read.

pub mod code;
pub mod ending;
mod error;
mod factors;
mod job;
pub mod layer;
pub mod process;
mod protocol;
pub mod restarted;
mod state;
pub mod timeline;
pub mod twopath;

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use serde::{Deserialize, Serialize};
use twopath_base::Position;
use twopath_query::Value;

pub use error::SystemError;
pub use factors::{Architecture, BatchEngine, Factors, Language, SpeedEngine, presets};
pub use job::{Job, QuerySpec, Version};
pub use state::{Keeping, StateBackend, StatePlace, checkpoints_dir, parse_bytes};
use timeline::{CatchUp, Record};

/// A system at work. Dropping it stops it.
pub trait System: Send + Sync {
    /// Puts a version in the place of the one that serves. Returns once readers are on it and the old one is gone.
    fn deploy(&self, version: u32) -> Result<(), SystemError>;

    /// An answer by the version that serves: of one group by its key, or of all.
    fn ask(&self, key: Option<&[Value]>) -> Result<Answered, SystemError>;

    /// How far it is.
    fn progress(&self) -> Result<SystemProgress, SystemError>;

    /// What it has used so far.
    fn costs(&self) -> Result<Costs, SystemError>;

    /// Ends a layer's process as `kill -9` does, where layers have processes of their own. The system starts it anew by itself.
    ///
    /// # Errors
    /// The layer has no process, or has ended by itself.
    fn kill(&self, layer: Killed) -> Result<(), SystemError>;

    /// Stops it, and tells what happened in it, or of an error that a part of it met. Nothing can be asked of it any more.
    fn stop(&self) -> Result<Record, SystemError>;
}

/// An answer as it was given.
#[derive(Debug, Clone)]
pub struct Answered {
    /// That gave it.
    pub version: u32,
    /// That it is exact for.
    pub position: Position,
    /// It says of itself that it may leave records out ([`twopath_serving::Table::approximate`]).
    pub approximate: bool,
    pub rows: Rows,
}

/// An answer's rows as they travel: an Arrow IPC stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows(Vec<u8>);

impl Rows {
    pub fn of(rows: &RecordBatch) -> Self {
        let mut bytes = Vec::new();
        let written = StreamWriter::try_new(&mut bytes, &rows.schema()).and_then(|mut stream| {
            stream.write(rows)?;
            stream.finish()
        });
        written.expect("memory takes all that is written, and answers are of types that Arrow's streams have");
        Rows(bytes)
    }

    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Rows(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// # Errors
    /// The bytes are no stream, or were cut short.
    pub fn batch(&self) -> Result<RecordBatch, ArrowError> {
        let mut stream = StreamReader::try_new(self.0.as_slice(), None)?;
        stream.next().unwrap_or_else(|| Err(ArrowError::IpcError("a stream without rows".into())))
    }
}

/// A process that is killed in mid-run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Killed {
    /// The system's: serving, and with it every layer.
    #[default]
    System,
    /// The one that a batch run is made in, in the middle of it.
    Batch,
    /// The speed layer's.
    Speed,
}

impl Killed {
    /// As in results.
    pub fn name(self) -> &'static str {
        match self {
            Killed::System => "all",
            Killed::Batch => "batch",
            Killed::Speed => "speed",
        }
    }
}

/// How far a system is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemProgress {
    /// What an answer would cover now; none before there is one.
    pub position: Option<Position>,
    /// While a new version catches up.
    pub catch_up: Option<CatchUp>,
    /// Views at rest and tables in memory, of all versions.
    pub storage_bytes: u64,
}

/// What a group of processes has used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// The process that counted; the harness finds by it whether its own work is in the figures.
    pub process: u32,
    /// CPU seconds by layer; `other` is what no layer accounts for.
    pub cpu_s: BTreeMap<String, f64>,
    /// Handed to the file system for writing, and read from it.
    pub bytes_written: u64,
    pub bytes_read: u64,
    /// Most memory at once.
    pub rss_bytes_max: u64,
    /// Batch views at rest.
    pub view_bytes: u64,
    /// Realtime views and tables in memory.
    pub state_bytes: u64,
}
