//! `result.json`: what a comparison found. The structs here are its schema (see also `result.schema.json`).

mod conclusion;
mod run;

use std::collections::BTreeMap;

pub use conclusion::{BreakEven, Effect, Estimate, Factor, Question, Sweep, SweepPoint, is_counted};
pub use run::{
    Answers, AnswersBin, Approximate, Code, CodeSize, Cost, CpuBin, FreshnessBin, Happening, KeptUp, LayerCost, Listing, Mark, Money,
    Outcome, PhaseCosts, Phases, Quantiles, ReadsBin, RunResult, Series, StorageBin,
};
use serde::{Deserialize, Serialize};

/// Of the format of `result.json`; counts up when a reader of the old one would be misled.
pub const SCHEMA_VERSION: u32 = 2;

/// The whole of `result.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CompareResult {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Where the figures come from.
    pub provenance: Provenance,
    /// What was asked for.
    pub settings: Settings,
    /// One per system and repeat, in the order in which they ran. Of a sweep: those of its last point, to which `settings` belong.
    pub runs: Vec<RunResult>,
    /// One per question, from the runs so far.
    pub questions: Vec<Question>,
    /// What each factor does to each figure, the other factors held constant (see [`crate::effects`]).
    #[serde(default)]
    pub effects: Vec<Effect>,
    /// The figures along a parameter, and where architectures change places; absent where nothing was swept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,
    /// What to choose, in at most three sentences that the intervals allow.
    #[serde(default)]
    pub recommendation: Vec<String>,
    /// What it all comes to, in sentences.
    pub findings: Vec<String>,
    /// False where runs are missing: it was interrupted, or is still going on.
    pub complete: bool,
}

impl CompareResult {
    /// Whether a run's answers may have lacked something on purpose, as they said of themselves.
    pub fn leaves_out(&self) -> bool {
        self.settings.speed_lateness_ms.is_some() || self.runs.iter().any(|run| run.answers.approximate.is_some())
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Provenance {
    /// Of Twopath; `unknown` outside a checkout. `+dirty` where the work tree had changes.
    pub commit: String,
    /// Of Twopath.
    pub version: String,
    /// Of the generated events, the order of the runs, the keys that are read and the bootstrap.
    pub seed: u64,
    /// Of the libraries that matter: polars, timely, arrow.
    pub versions: BTreeMap<String, String>,
    /// What it ran on.
    pub machine: Machine,
    /// Of the log: `none`, `interval, every N ms` or `batch`.
    pub durability: String,
    /// By engine: `timely` (workers of one job), `polars` (its pool).
    pub threads: BTreeMap<String, usize>,
    /// Timely's progress mode.
    pub progress_mode: String,
    /// ISO 8601 UTC.
    pub started: String,
    /// As it was typed, but for the path of the program.
    pub command: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// Its model.
    pub cpu: String,
    /// Hardware threads that this process may use.
    pub cores: usize,
    /// Of the whole machine.
    pub memory_bytes: u64,
    /// Name and release.
    pub os: String,
    /// Its release.
    pub kernel: String,
    /// Of the folder that logs and views were written to.
    pub filesystem: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// `flights`, `pageviews`, or the name of the user's file.
    pub workload: String,
    /// By name, in the order in which they were asked for.
    pub architectures: Vec<String>,
    /// What was compared, in the order in which it is shown: each architecture with its engines and its language.
    pub systems: Vec<ComparedSystem>,
    /// Events per second of the steady phase.
    pub rate: f64,
    /// Seconds of the steady phase.
    pub duration_s: f64,
    /// Runs of each system.
    pub repeats: u32,
    /// Of the topic.
    pub partitions: u32,
    /// Timely workers of one speed job.
    pub workers: usize,
    /// The Kafka cluster that kept the topics, and how their names begin; absent where they were in a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Events loaded before the steady phase, as they were really played.
    pub events_history: u64,
    /// Where they come from.
    #[serde(default)]
    pub history: HistorySource,
    /// Events of the source that no run played (those of a file beyond `events_history` and `events_steady`).
    #[serde(default)]
    pub events_ignored: u64,
    /// Of a cross, the cells that nothing can be made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Events of the steady phase.
    pub events_steady: u64,
    /// From the start of one batch run to the start of the next.
    pub batch_interval_ms: f64,
    /// Between two snapshots of the speed layer.
    pub publish_interval_ms: f64,
    /// Whether each batch run went on from the view of the one before.
    #[serde(default)]
    pub incremental: bool,
    /// The speed layer alone left out what came more than so much after newer records; absent where it took all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_lateness_ms: Option<f64>,
    /// Where the speed layer's state lived, as `--state` has it: `memory`, `checkpoint`, `local`, or a Redis server's address.
    #[serde(default = "in_memory")]
    pub state: String,
    /// From the start of one checkpoint to the start of the next; absent where none were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_interval_ms: Option<f64>,
    /// The query of the version that is deployed at the start; the fix's is the same where there is nothing to fix.
    pub sql_v1: String,
    /// Of the fix.
    pub sql_v2: String,
    /// The price file's figures.
    pub prices: Prices,
    /// The month that money is told for.
    #[serde(default)]
    pub month: Month,
}

/// Results of before there was a choice.
fn in_memory() -> String {
    "memory".into()
}

/// One of the things compared: an architecture with its engines and its language. Factors that it does not have are none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedSystem {
    /// What it is called in this comparison, and nowhere twice: the preset's name, or in a cross `lambda polars+timely hand`.
    pub name: String,
    /// As it was asked for: a preset's name (`lambda-sql`), or in a cross the wiring (`lambda`).
    pub architecture: String,
    /// How its layers are wired: `batch`, `lambda`, `kappa` or `kappa-backfill`. Presets that differ in engine or language alone share it.
    pub wiring: String,
    /// `polars`, `rayon` or `timely`.
    pub batch_engine: Option<String>,
    /// `timely` or `differential`.
    pub speed_engine: Option<String>,
    /// `hand` or `sql`.
    pub language: Option<String>,
}

/// A cell of the cross that is not there, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// What it would be called: `lambda+rayon+timely+hand`.
    pub name: String,
    pub reason: String,
}

/// Where the events of the history come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum HistorySource {
    /// As they were recorded.
    #[default]
    Recorded,
    /// The recorded ones, laid out over earlier years as well.
    Tiled {
        /// Years that they fill.
        years: u32,
    },
    /// Made by a seeded generator.
    Generated,
    /// The user's own.
    File,
}

/// The month that money is told for. `Default` is the one that a report speaks of unless told otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Month {
    /// That arrive.
    pub events_per_day: f64,
    /// How long the log keeps an event; a recomputation reads that much.
    pub retention_days: f64,
    /// Changes of the query's code that are deployed.
    pub changes_per_month: f64,
    /// Of architectures that have a batch layer.
    pub batch_runs_per_day: f64,
}

impl Default for Month {
    fn default() -> Self {
        Month { events_per_day: 10e6, retention_days: 30.0, changes_per_month: 4.0, batch_runs_per_day: 24.0 }
    }
}

/// Money, in the price file's currency.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Prices {
    /// An ISO 4217 code.
    pub currency: String,
    /// One CPU for an hour.
    pub cpu_hour: f64,
    /// One GiB of memory for an hour.
    pub memory_gib_hour: f64,
    /// One GiB kept for a month.
    pub storage_gib_month: f64,
    /// One GiB written.
    pub written_gib: f64,
    /// Where the prices come from.
    pub source: String,
}
