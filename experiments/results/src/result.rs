//! `result.json`: what a comparison found. The structs here are its schema (see also `result.schema.json`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Of the format of `result.json`; counts up when a reader of the old one would be misled.
pub const SCHEMA_VERSION: u32 = 1;

/// The whole of `result.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CompareResult {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Where the figures come from.
    pub provenance: Provenance,
    /// What was asked for.
    pub settings: Settings,
    /// One per architecture and repeat, in the order in which they ran.
    pub runs: Vec<RunResult>,
    /// One per question, from the runs so far.
    pub questions: Vec<Question>,
    /// What it all comes to, in sentences.
    pub findings: Vec<String>,
    /// False where runs are missing: it was interrupted, or is still going on.
    pub complete: bool,
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
    /// Events per second of the steady phase.
    pub rate: f64,
    /// Seconds of the steady phase.
    pub duration_s: f64,
    /// Runs of each architecture.
    pub repeats: u32,
    /// Of the topic.
    pub partitions: u32,
    /// Timely workers of one speed job.
    pub workers: usize,
    /// The Kafka cluster that kept the topics, and how their names begin; absent where they were in a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Events loaded before the steady phase.
    pub events_history: u64,
    /// Events of the steady phase.
    pub events_steady: u64,
    /// From the start of one batch run to the start of the next.
    pub batch_interval_ms: f64,
    /// Between two snapshots of the speed layer.
    pub publish_interval_ms: f64,
    /// The query of the version that is deployed at the start; the fix's is the same where there is nothing to fix.
    pub sql_v1: String,
    /// Of the fix.
    pub sql_v2: String,
    /// The price file's figures.
    pub prices: Prices,
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
    /// By its name in the design.
    pub architecture: String,
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
    /// False where the backlog grew all through the steady phase: then freshness says nothing but that.
    pub steady: bool,
    /// For charts.
    pub series: Series,
    /// What happened when.
    pub marks: Vec<Mark>,
    /// Parquet files of raw samples, relative to the folder of `result.json`.
    #[serde(default)]
    pub samples: Vec<String>,
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
    /// In the price file's currency; the parent computes it (see `harness::prices`).
    pub money_per_million_events: f64,
    /// The same by part: `cpu`, `memory`, `storage`, `writing`.
    #[serde(default)]
    pub money_by_part: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LayerCost {
    /// The layers under test together: all but `load`.
    pub total: f64,
    /// `log`, `batch`, `speed`, `serving`, `load` (the generator and the querying client: not charged).
    pub by_layer: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Code {
    /// Of query logic that the architecture makes people write (without blanks and comments).
    pub lines: u64,
    /// Functions among them.
    pub functions: u64,
    /// Places that the fix had to touch (runs of changed lines, over all files).
    pub places_touched: u64,
    /// The code itself.
    pub listings: Vec<Listing>,
}

/// Code for showing side by side.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Listing {
    /// `batch`, `speed`, or `both` where one text serves both.
    pub layer: String,
    /// What it is.
    pub title: String,
    /// `sql` or `rust`.
    pub language: String,
    /// Before the fix.
    pub v1: String,
    /// After it.
    pub v2: String,
}

/// What the charts show. All times are milliseconds since the start of the steady phase.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Series {
    /// Freshness by intended arrival, in bins of equal width.
    pub freshness: Vec<FreshnessBin>,
    /// Answers by the time they were read, in bins of equal width.
    pub answers: Vec<AnswersBin>,
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

/// Something that happened: a bar where it has an end, else a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mark {
    /// `batch_run`, `deploy`, `catch_up`, `cutover`, `corrected`, `load_end`.
    pub kind: String,
    /// For people.
    pub label: String,
    /// Since the start of the steady phase; negative before it.
    pub at_ms: f64,
    /// None for a moment.
    pub until_ms: Option<f64>,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Question {
    /// A stable name: `freshness_p99`.
    pub id: String,
    /// In plain words: `How long until an event is in the answer? (p99)`.
    pub question: String,
    /// `ms`, `bytes`, `share` (0 to 1), `answers`, `lines`, `functions`, `places`, `cpu_s_per_million_events`, `CURRENCY_per_million_events`.
    pub unit: String,
    /// True where less is better (always, today; stands here for readers of the file).
    pub lower_is_better: bool,
    /// By its name.
    pub by_architecture: BTreeMap<String, Estimate>,
    /// Where there is one: its interval against every other excludes 1 (see `harness::statistics`).
    pub winner: Option<String>,
    /// Where there is no winner: the best and those that cannot be told from it.
    pub tied: Vec<String>,
    /// One sentence of why.
    pub why: String,
}

/// The median over repeats, and how it compares.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Estimate {
    /// None where no repeat has it.
    pub median: Option<f64>,
    /// Every repeat's value.
    pub values: Vec<Option<f64>>,
    /// Against the best architecture of this line, paired by repeat: median ratio and 95 % interval. None for the best itself, and where
    /// the best is 0 or (interval) there are fewer than two pairs.
    pub ratio: Option<f64>,
    /// Lower end of the interval.
    pub ratio_low: Option<f64>,
    /// Upper end of the interval.
    pub ratio_high: Option<f64>,
}
