//! `twopath compare`: the same events, the same schedule and the same code change, asked of every architecture.

mod asked;
mod bars;
mod folder;
mod topics;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use signal_hook::consts::{SIGINT, SIGTERM};
use twopath_log::{Address, Durability, LogError};

use crate::harness::parent::{ChildEnd, run_child, time_limit};
use crate::harness::plan::plan;
use crate::harness::provenance::{Occasion, command_line, provenance};
use crate::harness::spec::RunSpec;
pub use asked::ARCHITECTURES;
use asked::{Asked, check};
use bars::Bars;
use folder::Folder;
use twopath_events::workloads::WorkloadError;
use twopath_results::prices::{PricesError, charge, read_prices};
use twopath_results::report::findings::findings;
use twopath_results::report::html;
use twopath_results::report::questions::questions;
use twopath_results::report::table::{Look, table};
use twopath_results::result::{CompareResult, Outcome, RunResult, SCHEMA_VERSION};

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
    /// A Kafka cluster that is to keep the topics, and how their names begin; none means a folder.
    pub log: Option<Address>,
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
            // The fix comes in the middle of it, and so in the middle of a batch interval: neither the best moment for batch nor the worst.
            duration: Duration::from_secs(6),
            repeats: 3,
            partitions: 2,
            workers: 1,
            durability: Durability::None,
            log: None,
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
    #[error("{option} {value}: {problem}")]
    Setting { option: &'static str, value: String, problem: String },
    #[error(transparent)]
    Prices(#[from] PricesError),
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("cannot write the results to {path}: {source}; give another folder with --out")]
    Out { path: String, source: std::io::Error },
    #[error("cannot start a run as a child process: {0}; check the limits on processes and memory (ulimit -a)")]
    Start(std::io::Error),
    #[error("cannot watch for Ctrl-C: {0}")]
    Signals(std::io::Error),
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
    let program = std::env::current_exe().map_err(CompareError::Start)?;
    run_with(settings, &|spec| {
        let mut command = Command::new(&program);
        command.arg("run-child").arg(spec);
        command
    })
}

/// As [`run`], with the child's command given: it gets the path of its `RunSpec`.
pub fn run_with(settings: &CompareSettings, child: &dyn Fn(&Path) -> Command) -> Result<Ending, CompareError> {
    check(settings)?;
    let prices = read_prices(settings.prices.as_deref())?;
    let asked = Asked::new(settings)?;
    let runs = plan(&settings.architectures, settings.repeats, settings.seed);
    topics::check(settings, &runs)?;
    let started = now();
    let out = settings.out.clone().unwrap_or_else(|| Path::new("twopath-results").join(started.format("%Y-%m-%dT%H-%M-%SZ").to_string()));
    let folder = Folder::create(&out)?;
    let stop = stop_on_signals().map_err(CompareError::Signals)?;
    let occasion = Occasion {
        seed: settings.seed,
        durability: settings.durability,
        workers: settings.workers,
        progress_mode: "demand",
        started,
        command: command_line(std::env::args()),
        dir: &out,
    };
    let mut result = CompareResult {
        schema_version: SCHEMA_VERSION,
        provenance: provenance(&occasion),
        settings: asked.settings(settings, prices),
        runs: vec![],
        questions: vec![],
        findings: vec![],
        complete: false,
    };
    let bars = Bars::new(runs.len());
    for (index, planned) in runs.iter().enumerate() {
        bars.begin(index, planned);
        let spec = asked.spec(settings, planned, &result.settings, &folder);
        let made = one_run(&spec, settings, &folder, &stop, &bars, child);
        topics::remove(spec.log.as_ref());
        let Some(mut run) = made? else { break };
        charge(&mut run, result.settings.events_steady, &result.settings.prices);
        result.runs.push(run);
        result.complete = index + 1 == runs.len();
        conclude(&mut result);
        folder.save(&result)?;
    }
    bars.end();
    conclude(&mut result);
    folder.save(&result)?;
    folder.write("report.html", html::report(&result).as_bytes())?;
    folder.clear_scratch();
    print(&result, settings.format, &folder);
    Ok(ending(&result))
}

fn conclude(result: &mut CompareResult) {
    result.questions = questions(result);
    result.findings = findings(result);
}

fn ending(result: &CompareResult) -> Ending {
    let flawed = |run: &RunResult| run.outcome != Outcome::Ok || run.answers.wrong_engine > 0;
    match result {
        result if !result.complete => Ending::Interrupted,
        result if result.runs.iter().any(flawed) => Ending::Flawed,
        _ => Ending::Complete,
    }
}

/// None where it was stopped.
fn one_run(
    spec: &RunSpec,
    settings: &CompareSettings,
    folder: &Folder,
    stop: &AtomicBool,
    bars: &Bars,
    child: &dyn Fn(&Path) -> Command,
) -> Result<Option<RunResult>, CompareError> {
    if stop.load(Ordering::SeqCst) {
        return Ok(None);
    }
    let spec_file = folder.begin_run(spec)?;
    let crashed = |outcome| RunResult { architecture: spec.architecture.clone(), repeat: spec.repeat, outcome, ..RunResult::default() };
    let end = run_child(&mut child(&spec_file), time_limit(settings.duration), stop, |progress| bars.progress(progress));
    let run = match end.map_err(CompareError::Start)? {
        ChildEnd::Stopped => None,
        ChildEnd::Failed(outcome) => Some(crashed(outcome)),
        ChildEnd::Done => Some(match folder.read_run(spec) {
            Ok(run) => run,
            Err(message) => crashed(Outcome::Crashed { message, exit_code: Some(0), signal: None }),
        }),
    };
    folder.end_run(spec);
    Ok(run)
}

/// Standard output has the table or the JSON and nothing else.
fn print(result: &CompareResult, format: Format, folder: &Folder) {
    let mut out = std::io::stdout().lock();
    // A closed pipe (`| head`) is no reason to fail: everything is saved.
    let _ = match format {
        Format::Json => serde_json::to_writer_pretty(&mut out, result).map_err(std::io::Error::from).and_then(|()| writeln!(out)),
        Format::Table => {
            let table = table(result, Look::of_stdout());
            writeln!(out, "{table}\nThe whole story: {}\nAll figures:     {}", folder.path("report.html"), folder.path("result.json"))
        }
    };
}

/// Set by Ctrl-C or SIGTERM; a second one ends the process at once.
fn stop_on_signals() -> std::io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset here, and sets it there.
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(Ending::Interrupted.exit_code()), stop.clone())?;
        signal_hook::flag::register(signal, stop.clone())?;
    }
    Ok(stop)
}

fn now() -> DateTime<Utc> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    DateTime::from_timestamp(i64::try_from(since.as_secs()).unwrap_or(0), 0).unwrap_or_default()
}
