//! What a run recorded: everything that figures are made of, and where each answer's rows are.
//!
//! Answers go to files as they come, so that what holds them grows with nobody's memory.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};
use twopath_base::Position;
use twopath_query::Value;

use super::RunError;
use super::load::{Append, Schedule};
use crate::systems::timeline::{Record, Span};
use crate::systems::{Costs, Rows};

/// A run before it was judged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recording {
    /// The system's name, and which of its runs it was.
    pub architecture: String,
    pub repeat: u32,
    /// Of the history.
    pub events_loaded: u64,
    /// Where the history ends.
    pub base: Position,
    pub schedule: Schedule,
    pub appends: Vec<Append>,
    /// By the time they were read.
    pub answers: Vec<Recorded>,
    /// What the point reads asked for.
    pub keys: Vec<Vec<Value>>,
    /// What happened in the system.
    pub record: Record,
    /// What the harness did.
    pub marks: Vec<Span>,
    /// When the fix was deployed, and when version 1 was gone; on the timeline.
    pub deployed_us: u64,
    pub fixed_us: u64,
    /// What had been used when version 1 served the history, and at these two times.
    pub costs_loaded: Costs,
    pub costs_deployed: Costs,
    pub costs_fixed: Costs,
    /// When version 1 served the history.
    pub loaded_us: u64,
    /// When views, tables and state were looked at, and how many bytes they were.
    pub storage: Vec<(u64, u64)>,
    /// At the same times: the CPU seconds that the system's process had used.
    #[serde(default)]
    pub cpu: Vec<(u64, f64)>,
    /// Of the history's segment files.
    pub history_bytes: u64,
    /// When everything was covered, or waiting for it ended.
    pub end_us: u64,
    pub extra_storage_bytes_max: u64,
    /// Of the system, with what the log cost beside it.
    pub costs: Costs,
    /// All segment files at the end.
    pub log_bytes: u64,
}

impl Default for Recording {
    fn default() -> Self {
        Recording {
            architecture: String::new(),
            repeat: 0,
            events_loaded: 0,
            base: Position::zero(1),
            schedule: Schedule { start_us: 0, rate: 1.0, events: 0 },
            appends: Vec::new(),
            answers: Vec::new(),
            keys: Vec::new(),
            record: Record::default(),
            marks: Vec::new(),
            deployed_us: 0,
            fixed_us: 0,
            costs_loaded: Costs::default(),
            costs_deployed: Costs::default(),
            costs_fixed: Costs::default(),
            loaded_us: 0,
            storage: Vec::new(),
            cpu: Vec::new(),
            history_bytes: 0,
            end_us: 0,
            extra_storage_bytes_max: 0,
            costs: Costs::default(),
            log_bytes: 0,
        }
    }
}

/// An answer as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// When it was meant to be asked for, and when it was there; on the timeline.
    pub due_us: u64,
    pub read_us: u64,
    pub version: u32,
    /// That it is exact for.
    pub position: Position,
    /// It said of itself that it may leave records out.
    #[serde(default)]
    pub approximate: bool,
    /// Which of the keys was asked for; none is everything.
    pub key: Option<u32>,
    /// Where its rows are.
    pub rows: Stored,
}

impl Recorded {
    /// From the moment at which it was due.
    pub fn latency_us(&self) -> u64 {
        self.read_us.saturating_sub(self.due_us)
    }
}

/// A piece of a file of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Which file.
    pub file: u32,
    pub at: u64,
    pub bytes: u64,
}

/// A file that answers are appended to.
pub struct Spill {
    number: u32,
    path: PathBuf,
    file: BufWriter<File>,
    at: u64,
}

impl Spill {
    /// File `number` of the recording that goes to `out`.
    pub fn create(out: &Path, number: u32) -> Result<Self, RunError> {
        let path = spill_path(out, number);
        let file = File::create(&path).map_err(|source| RunError::Write { path: path.clone(), source })?;
        Ok(Spill { number, path, file: BufWriter::with_capacity(1 << 16, file), at: 0 })
    }

    pub fn append(&mut self, rows: &Rows) -> Result<Stored, RunError> {
        let bytes = rows.as_bytes();
        self.file.write_all(bytes).map_err(|source| RunError::Write { path: self.path.clone(), source })?;
        let stored = Stored { file: self.number, at: self.at, bytes: bytes.len() as u64 };
        self.at += stored.bytes;
        Ok(stored)
    }

    /// # Errors
    /// What was still in memory could not be written.
    pub fn close(mut self) -> Result<(), RunError> {
        self.file.flush().map_err(|source| RunError::Write { path: self.path, source })
    }
}

/// The files of answers of a recording, to be read.
pub struct StoredAnswers {
    files: Vec<File>,
}

impl StoredAnswers {
    /// Of the recording that went to `out`.
    pub fn open(out: &Path) -> Self {
        StoredAnswers { files: (0..).map_while(|number| File::open(spill_path(out, number)).ok()).collect() }
    }

    pub fn rows(&self, stored: Stored) -> Result<RecordBatch, RunError> {
        let missing = || RunError::Answer(format!("there is no file {}", stored.file));
        let file = self.files.get(stored.file as usize).ok_or_else(missing)?;
        let mut bytes = vec![0; stored.bytes as usize];
        file.read_exact_at(&mut bytes, stored.at).map_err(|e| RunError::Answer(e.to_string()))?;
        Rows::from_bytes(bytes).batch().map_err(|e| RunError::Answer(e.to_string()))
    }
}

fn spill_path(out: &Path, number: u32) -> PathBuf {
    out.with_extension(format!("answers-{number}"))
}

/// A reader sees the old file or the new one.
pub fn write_atomically(path: &Path, recording: &Recording) -> Result<(), RunError> {
    let temporary = path.with_extension("json.tmp");
    let write = || -> io::Result<()> {
        let mut file = BufWriter::new(File::create(&temporary)?);
        serde_json::to_writer(&mut file, recording)?;
        file.flush()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|source| RunError::Write { path: path.into(), source })
}
