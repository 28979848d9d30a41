//! `twopath compare`: the same events, the same schedule and the same code change, asked of every architecture.

use std::path::PathBuf;
use std::time::Duration;

use twopath_shared::log::Durability;

/// What the user chose. `Default` gives the defaults of the command line.
#[derive(Debug, Clone)]
pub struct CompareSettings {
    /// `flights` or `pageviews`; with `events` set, a name for the user's own file.
    pub workload: String,
    /// Names of the design's table, each at most once.
    pub architectures: Vec<String>,
    /// Events per second of the steady phase.
    pub rate: f64,
    /// Of the steady phase.
    pub duration: Duration,
    pub repeats: u32,
    pub partitions: u32,
    /// Timely worker threads.
    pub workers: usize,
    pub durability: Durability,
    pub seed: u64,
    /// The user's own events: Parquet, CSV, JSON Lines or Arrow.
    pub events: Option<PathBuf>,
    /// The event-time column of `events`.
    pub time_column: Option<String>,
    /// SQL as a text or as a file's name; none means the workload's own query and its fix.
    pub sql: Option<String>,
    /// Where results go; none means `twopath-results/<start time>`.
    pub out: Option<PathBuf>,
    pub format: Format,
    /// Instead of the bundled price file.
    pub prices: Option<PathBuf>,
    /// Between the starts of two batch runs.
    pub batch_interval: Duration,
    /// Between two snapshots of the speed layer.
    pub publish_interval: Duration,
}

/// What goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table for people.
    Table,
    /// The whole of `result.json`.
    Json,
}

impl Default for CompareSettings {
    fn default() -> Self {
        CompareSettings {
            workload: "flights".into(),
            architectures: ["batch", "lambda", "lambda-sql", "kappa"].map(String::from).to_vec(),
            rate: 4000.0,
            duration: Duration::from_secs(8),
            repeats: 3,
            partitions: 2,
            workers: 1,
            durability: Durability::None,
            seed: 1,
            events: None,
            time_column: None,
            sql: None,
            out: None,
            format: Format::Table,
            prices: None,
            batch_interval: Duration::from_secs(2),
            publish_interval: Duration::from_millis(1),
        }
    }
}

/// Why a comparison could not be made at all. A run that failed is not one of these: it is part of the result.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    #[error("{0}")]
    Settings(String),
}

/// How a comparison ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every run gave its figures.
    Complete,
    /// Every run was made, but one or more crashed or gave wrong answers through a bug.
    Flawed,
    /// Stopped by Ctrl-C: the results so far are saved and shown.
    Interrupted,
}

impl Ending {
    /// Of the process: 0, 1 and (as shells have it for Ctrl-C) 130.
    pub fn exit_code(self) -> u8 {
        match self {
            Ending::Complete => 0,
            Ending::Flawed => 1,
            Ending::Interrupted => 130,
        }
    }
}

/// Makes all runs, saves `result.json`, `report.html` and the raw samples, and prints the table or the JSON.
pub fn run(settings: &CompareSettings) -> Result<Ending, CompareError> {
    let _ = settings;
    todo!("the parent side lands within the hour")
}
