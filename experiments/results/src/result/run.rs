//! What one run gives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half of all are at or below it.
    pub p50: f64,
    /// 90 % are at or below it.
    pub p90: f64,
    /// 99 % are.
    pub p99: f64,
    /// 99.9 % are.
    pub p999: f64,
    /// The largest.
    pub max: f64,
    /// Their mean.
    pub mean: f64,
    /// How many there are.
    pub count: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Outcome {
    #[default]
    Ok,
    /// The child died, hung or gave an error; the run's figures are void. Written by the parent alone.
    Crashed {
        /// What happened, with the last lines of the child's standard error.
        message: String,
        exit_code: Option<i32>,
        signal: Option<i32>,
    },
}

/// One run. The child fills it, but for `outcome` of a crash, `samples` and money, which are the parent's.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RunResult {
    /// The [`ComparedSystem`](super::ComparedSystem) that ran, by its name.
    #[serde(default)]
    pub system: String,
    /// As it was asked for: a preset's name, or in a cross the wiring.
    pub architecture: String,
    /// `batch`, `lambda`, `kappa` or `kappa-backfill`.
    #[serde(default)]
    pub wiring: String,
    /// `polars`, `rayon` or `timely`; none where it has no batch layer.
    #[serde(default)]
    pub batch_engine: Option<String>,
    /// `timely` or `differential`; none where it has no speed layer.
    #[serde(default)]
    pub speed_engine: Option<String>,
    /// `hand` or `sql`.
    #[serde(default)]
    pub language: Option<String>,
    /// Counts up from 0.
    pub repeat: u32,
    /// Whether it gave figures.
    pub outcome: Outcome,
    /// Events that the run took in, history and steady phase.
    pub events: u64,
    /// Of the steady phase, from the first intended arrival until every event was covered.
    pub duration_ms: f64,
    /// Per event of the steady phase: from its intended arrival until the first answer that covers it could be read.
    pub freshness_ms: Quantiles,
    /// Events of the steady phase that no answer covered by the end of the run.
    pub events_never_covered: u64,
    /// Per query: point reads by key.
    pub query_latency_ms: Quantiles,
    /// Per answer: age of the oldest event that it should cover and does not (0 where there is none).
    pub staleness_ms: Quantiles,
    /// What was read, and whether it was right.
    pub answers: Answers,
    /// From deploying the fix until every answer is right; none where that did not happen or there was no fix.
    pub time_to_correct_ms: Option<f64>,
    /// Bytes of views, tables and state over what there was before the deployment, at most, until the fix was complete.
    pub extra_storage_bytes_max: u64,
    /// What the operating system and the layers count.
    pub cost: Cost,
    /// What people have to write for it.
    pub code: Code,
    /// Whether it kept up with the events: where it did not, freshness says nothing but that.
    pub kept_up: KeptUp,
    /// For charts.
    pub series: Series,
    /// What happened when.
    pub marks: Vec<Mark>,
    /// Parquet files of raw samples, relative to the folder of `result.json`.
    #[serde(default)]
    pub samples: Vec<String>,
}

/// Whether a run kept up with the events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum KeptUp {
    /// It did, or fell behind for a while and closed the gap.
    #[default]
    KeptUp,
    /// Its backlog grew until the end.
    FellBehind {
        /// Seconds of the steady phase from which on it did.
        since_s: f64,
    },
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Answers {
    /// All that were read during the steady phase; each was checked against the reference.
    pub checked: u64,
    /// Differ from what the right code (version 2) gives at the answer's own position.
    pub wrong: u64,
    /// Differ from what the code that was serving gives at the answer's own position: a bug of Twopath's; must be 0.
    pub wrong_engine: u64,
    /// Differ from what the right code gives over everything that was intended to have arrived when the answer was read.
    pub outdated: u64,
    /// From the first to the last wrong answer after the deployment of the fix (0 where none).
    pub wrong_for_ms: f64,
    /// Over the wrong answers: the largest |given - right| of an answer's first numeric column that is made of an aggregate other than
    /// a count (a count, where there is no other); mean and largest.
    pub error_mean: f64,
    /// The largest of them.
    pub error_max: f64,
    /// Of a run whose speed layer leaves out what comes late, or joins only what it has itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approximate: Option<Approximate>,
}

/// Answers that said of themselves that they are approximate, because a speed layer left out what came late, or what it says of older events.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Approximate {
    /// That said so.
    pub answers: u64,
    /// Of them, those that differ from what the code that was serving gives at the answer's own position.
    pub wrong: u64,
    /// How many times a row of the full answers became wrong.
    pub rows: u64,
    /// From then until the next full answer in which it was right, or the run's end: the mean.
    pub row_wrong_for_ms: f64,
    /// The longest of these times.
    pub row_wrong_longest_ms: f64,
    /// As in [`Answers`], of the wrong ones; mean and largest.
    pub error_mean: f64,
    /// The largest of them.
    pub error_max: f64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Seconds of CPU time per million events taken in.
    pub cpu_s_per_million_events: LayerCost,
    /// Most memory that the process held at once.
    pub rss_bytes_max: u64,
    /// Handed to the file system for writing.
    pub bytes_written: u64,
    /// Read from the file system.
    pub bytes_read: u64,
    /// All segment files at the end.
    pub log_bytes: u64,
    /// Batch views at rest.
    pub view_bytes: u64,
    /// Realtime views and tables in memory.
    pub state_bytes: u64,
    /// Bytes of the log per event at rest: of the history, whose frames are as full as a producer in a hurry makes them. None where no
    /// history was loaded.
    #[serde(default)]
    pub log_bytes_per_event_at_rest: Option<f64>,
    /// CPU time and writing apart: loading, live traffic, the change. None where the run did not tell them apart.
    #[serde(default)]
    pub phases: Option<Phases>,
    /// What the stated month costs, per million of its events, in the price file's currency; the parent computes it (see
    /// [`crate::prices`]).
    pub money_per_million_events: f64,
    /// The same by part: `cpu`, `writing`, `batch_runs`, `memory`, `views`, `log`, `changes`.
    #[serde(default)]
    pub money_by_part: BTreeMap<String, f64>,
    /// What recurs, what stands, what a change costs; the parent computes it.
    #[serde(default)]
    pub money: Money,
}

/// A run in three parts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// From the first event of the history until version 1 serves it.
    pub load: PhaseCosts,
    /// The steady phase, but for `change`.
    pub live: PhaseCosts,
    /// From the deployment of the fix until version 1 is gone; live traffic goes on in it. All zero where nothing was deployed.
    pub change: PhaseCosts,
}

/// What a part of a run took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseCosts {
    /// How long it was.
    pub duration_ms: f64,
    /// Events that arrived in it.
    pub events: u64,
    /// Seconds of CPU time, by layer: `log`, `batch`, `speed`, `serving`, `other` (`load` is not charged).
    pub cpu_s: BTreeMap<String, f64>,
    /// Handed to the file system for writing.
    pub bytes_written: u64,
}

/// In the price file's currency.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Money {
    /// Of live traffic, for a million events: `cpu`, `writing`.
    pub per_million_events: BTreeMap<String, f64>,
    /// One batch run over the log as the month's retention keeps it; 0 without a batch layer.
    pub per_batch_run: f64,
    /// What stands, for a month: `memory`, `views`, `log`.
    pub standing_per_month: BTreeMap<String, f64>,
    /// One change of the code, over the log as the month's retention keeps it: `cpu`, `writing`, `space`.
    pub per_change: BTreeMap<String, f64>,
    /// The month: `events`, `batch_runs`, `standing`, `changes`.
    pub month: BTreeMap<String, f64>,
    /// Their sum.
    pub month_total: f64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LayerCost {
    /// The layers under test together: all but `load`.
    pub total: f64,
    /// `log`, `batch`, `speed`, `serving`, `load` (the generator and the querying client: not charged).
    pub by_layer: BTreeMap<String, f64>,
}

/// What an architecture makes people write: of both versions together, unless it says otherwise. Parsed, so that layout and comments count
/// nothing (see [`crate::code`]).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// As a formatter lays them out, both versions; what both share (a prelude, a file that the fix left alone) counts once.
    pub lines: u64,
    /// Functions; an SQL text counts as one.
    pub functions: u64,
    /// Where the code forks: `if`, arms of `match` after the first, `&&`, `||`, `?`, loops; `CASE` arms, `AND`, `OR`.
    pub decisions: u64,
    /// Names, literals, operators and brackets.
    pub tokens: u64,
    /// Places that the fix had to touch: statements and expressions, over all files.
    pub places_touched: u64,
    /// Files with such a place.
    pub files_touched: u64,
    /// Layers that must be deployed together to bring the fix in.
    pub layers_touched: u64,
    /// Before the fix.
    #[serde(default)]
    pub v1: CodeSize,
    /// After it.
    #[serde(default)]
    pub v2: CodeSize,
    /// The code itself.
    pub listings: Vec<Listing>,
}

/// How much code there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeSize {
    /// See [`Code::lines`].
    pub lines: u64,
    /// See [`Code::functions`].
    pub functions: u64,
    /// See [`Code::decisions`].
    pub decisions: u64,
    /// See [`Code::tokens`].
    pub tokens: u64,
}

/// A file for showing side by side.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// That are made of it: `batch`, `speed`, `serving`; several where one text serves them all.
    pub layers: Vec<String>,
    /// The file's name in both versions, or what the text is.
    pub title: String,
    /// `sql` or `rust`.
    pub language: String,
    /// Before the fix.
    pub v1: String,
    /// After it.
    pub v2: String,
    /// Of version 1.
    #[serde(default)]
    pub size_v1: CodeSize,
    /// Of version 2.
    #[serde(default)]
    pub size_v2: CodeSize,
    /// That the fix touched in this file.
    #[serde(default)]
    pub places_touched: u64,
}

/// What the charts show. All times are milliseconds since the start of the steady phase.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Series {
    /// Freshness by intended arrival, in bins of equal width.
    pub freshness: Vec<FreshnessBin>,
    /// Answers by the time they were read, in bins of equal width.
    pub answers: Vec<AnswersBin>,
    /// Point reads by the time they were asked, in bins of equal width.
    #[serde(default)]
    pub reads: Vec<ReadsBin>,
    /// What views, tables and state hold, as it was looked at.
    #[serde(default)]
    pub storage: Vec<StorageBin>,
    /// How many cores the system kept busy, as it was looked at.
    #[serde(default)]
    pub cpu: Vec<CpuBin>,
    /// For the distribution charts: `[percentile, milliseconds]`.
    pub freshness_percentiles: Vec<[f64; 2]>,
    /// The same of point reads.
    pub query_latency_percentiles: Vec<[f64; 2]>,
    /// Raw histograms of microseconds, as base64 of HdrHistogram's V2 compressed encoding.
    pub freshness_hdr: String,
    /// The same of point reads.
    pub query_latency_hdr: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FreshnessBin {
    /// Where the bin begins.
    pub at_ms: f64,
    /// Median of the events whose intended arrival is in the bin.
    pub p50_ms: f64,
    /// Their 99th percentile.
    pub p99_ms: f64,
    /// Their longest.
    pub max_ms: f64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AnswersBin {
    /// Where the bin begins.
    pub at_ms: f64,
    /// Answers read in the bin.
    pub checked: u64,
    /// See `answers.wrong`.
    pub wrong: u64,
    /// See `answers.outdated`.
    pub outdated: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReadsBin {
    /// Where the bin begins.
    pub at_ms: f64,
    /// Reads in it.
    pub count: u64,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// 99 % of them.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StorageBin {
    /// When it was looked at.
    pub at_ms: f64,
    /// Of views, tables and state, of all versions that were there.
    pub bytes: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuBin {
    /// Where the bin begins.
    pub at_ms: f64,
    /// CPU seconds per second, of all threads of the system's process.
    pub cores: f64,
}

/// Something that happened: a bar where it has an end, else a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// What it was, with its figures.
    #[serde(flatten)]
    pub what: Happening,
    /// Since the start of the steady phase; negative before it.
    pub at_ms: f64,
    /// None for a moment.
    pub until_ms: Option<f64>,
}

/// What a [`Mark`] marks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Happening {
    /// A batch view was computed and published.
    BatchRun {
        /// Of the query's code.
        version: u32,
        /// The barrier that it computed up to.
        barrier: u64,
        /// Events that it read.
        events: u64,
        /// Of the view.
        view_bytes: u64,
    },
    /// The fix was brought in: from its deployment until version 1 was gone.
    Deploy {
        /// That was deployed.
        version: u32,
    },
    /// A version read the log from its beginning until it had caught up with its end.
    CatchUp {
        /// That caught up.
        version: u32,
        /// Events that it read.
        events: u64,
    },
    /// Readers moved to a version.
    Cutover {
        /// That they moved to.
        version: u32,
    },
    /// A process, the system's or a layer's, was killed and started anew: until it served again.
    Restart,
    /// Every answer is right from here on.
    Corrected,
    /// The last event arrived.
    LoadEnd,
}
