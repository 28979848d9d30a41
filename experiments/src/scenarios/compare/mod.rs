//! `twopath compare`: the same events, the same schedule and the same code change, asked of every architecture.

mod asked;
mod bars;
mod folder;
mod settings;
mod topics;

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use signal_hook::consts::{SIGINT, SIGTERM};
use twopath_log::LogError;

use crate::harness::RunError;
use crate::harness::check::Truth;
use crate::harness::judge::judge;
use crate::harness::parent::{ChildEnd, run_child, time_limit};
use crate::harness::plan::{PlannedRun, plan};
use crate::harness::prepared::{Prepared, Wanted};
use crate::harness::provenance::{Occasion, command_line, provenance};
use crate::harness::spec::{Phase, RunProgress, RunSpec};
use asked::Asked;
use bars::Bars;
pub use folder::Folder;
pub use settings::{CompareSettings, Format, HistoryLength, SweepOf, parse_count, parse_duration};
use twopath_events::workloads::WorkloadError;
use twopath_results::conclude;
use twopath_results::kept::FOLDER;
use twopath_results::prices::{PricesError, charge, read_prices};
use twopath_results::report::html;
use twopath_results::report::table::{Look, table};
use twopath_results::result::{CompareResult, Outcome, RunResult, SCHEMA_VERSION};
use twopath_results::sweep::sweep;

/// Why a comparison could not be made at all. A run that failed is not one of these: it is part of the result.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    #[error("{option} {value}: {problem}")]
    Setting { option: &'static str, value: String, problem: String },
    #[error("{option}: {report}")]
    Sql { option: &'static str, report: String },
    #[error(transparent)]
    Run(#[from] RunError),
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
    let (result, folder) = measure(settings, child, stop_on_signals)?;
    print(&result, settings.format, &folder);
    Ok(ending(&result))
}

/// Makes all runs and saves them, and prints nothing. `stop` is called once all settings have been checked; what it gives ends the runs early
/// when it is set.
///
/// # Errors
/// What was asked for cannot be run, or its results cannot be saved.
pub fn measure(
    settings: &CompareSettings,
    child: &dyn Fn(&Path) -> Command,
    stop: impl FnOnce() -> std::io::Result<Arc<AtomicBool>>,
) -> Result<(CompareResult, Folder), CompareError> {
    let prices = read_prices(settings.prices.as_deref())?;
    let points = points(settings);
    // All of it is checked before anything is made.
    let mut asked = points.iter().map(|p| Asked::new(&p.settings, p.keys)).collect::<Result<Vec<_>, _>>()?;
    topics::check(settings, &planned(&asked[0], settings))?;
    let started = now();
    let out = settings.out.clone().unwrap_or_else(|| Path::new(FOLDER).join(started.format("%Y-%m-%dT%H-%M-%SZ").to_string()));
    let folder = Folder::create(&out)?;
    let occasion = Occasion {
        seed: settings.seed,
        durability: settings.durability,
        workers: settings.workers,
        progress_mode: "demand",
        started,
        command: command_line(std::env::args()),
        dir: &out,
    };
    let comparison = Comparison { folder: &folder, stop: stop().map_err(CompareError::Signals)?, child };
    let mut made: Vec<(f64, CompareResult)> = Vec::new();
    for (number, (point, asked)) in points.iter().zip(asked.drain(..)).enumerate() {
        asked.notes(&point.settings).iter().for_each(|note| eprintln!("{note}"));
        let mut result = CompareResult {
            schema_version: SCHEMA_VERSION,
            provenance: provenance(&occasion),
            settings: asked.settings(&point.settings, prices.clone()),
            runs: vec![],
            questions: vec![],
            effects: vec![],
            sweep: None,
            recommendation: vec![],
            findings: vec![],
            complete: false,
        };
        comparison.of(&asked, &point.settings, &mut result)?;
        let goes_on = result.complete;
        result.complete &= number + 1 == points.len();
        made.push((point.value.unwrap_or(0.0), result));
        if let Some(of) = &settings.sweep {
            let points: Vec<(f64, &CompareResult)> = made.iter().map(|(value, result)| (*value, result)).collect();
            let swept = sweep(of.parameter(), &points);
            let (value, last) = made.last_mut().expect("it was made a moment ago");
            folder.save_as(&format!("{}-{value}.json", of.parameter()), last)?;
            last.sweep = Some(swept);
        }
        let (_, last) = made.last_mut().expect("it was made a moment ago");
        conclude(last);
        folder.save(last)?;
        if !goes_on {
            break;
        }
    }
    let (_, result) = made.pop().expect("a comparison has a point");
    folder.write("report.html", html::report(&result).as_bytes())?;
    folder.clear_scratch();
    Ok((result, folder))
}

/// One comparison of a sweep; the only one where nothing is swept.
struct Point {
    settings: CompareSettings,
    /// How many urls pageviews have.
    keys: Option<u64>,
    /// Of the parameter.
    value: Option<f64>,
}

fn points(settings: &CompareSettings) -> Vec<Point> {
    let Some(sweep) = &settings.sweep else { return vec![Point { settings: settings.clone(), keys: None, value: None }] };
    let point = |value: f64| {
        let mut point = Point { settings: settings.clone(), keys: None, value: Some(value) };
        match sweep {
            SweepOf::History(_) => point.settings.history = Some(HistoryLength::Events(value as u64)),
            SweepOf::Rate(_) => point.settings.rate = value,
            SweepOf::Keys(_) => point.keys = Some(value as u64),
            SweepOf::SpeedLateness(_) => point.settings.speed_lateness = Some(Duration::from_secs_f64(value)),
        }
        point
    };
    sweep.values().into_iter().map(point).collect()
}

fn planned(asked: &Asked, settings: &CompareSettings) -> Vec<PlannedRun> {
    let systems: Vec<String> = asked.systems.iter().map(|s| s.name.clone()).collect();
    plan(&systems, settings.repeats, settings.seed)
}

/// Where a comparison is made, and by which child.
struct Comparison<'a> {
    folder: &'a Folder,
    stop: Arc<AtomicBool>,
    child: &'a dyn Fn(&Path) -> Command,
}

impl Comparison<'_> {
    /// Makes the events, then every run, and saves the result after each. It is not complete where it was stopped.
    fn of(&self, asked: &Asked, settings: &CompareSettings, result: &mut CompareResult) -> Result<(), CompareError> {
        let runs = planned(asked, settings);
        let bars = Bars::new(runs.len());
        let Some(truth) = self.prepare(asked, settings, &bars)? else { return Ok(()) };
        for (index, planned) in runs.iter().enumerate() {
            bars.begin(index, planned);
            let spec = asked.spec(settings, planned, self.folder);
            let made = self.run(&spec, settings, &truth, &bars);
            topics::remove(spec.log.as_ref());
            let Some(mut run) = made? else { break };
            charge(&mut run, &result.settings);
            result.runs.push(run);
            result.complete = index + 1 == runs.len();
            conclude(result);
            self.folder.save(result)?;
        }
        bars.end();
        conclude(result);
        Ok(())
    }

    /// The events of all runs, and what the reference makes of the history. None where it was stopped.
    fn prepare(&self, asked: &Asked, settings: &CompareSettings, bars: &Bars) -> Result<Option<Truth>, CompareError> {
        let wanted = Wanted {
            workload: &asked.workload,
            query: &asked.job.v2.query,
            partitions: settings.partitions,
            durability: settings.durability,
            events_history: asked.events_history,
            events_steady: asked.events_steady,
            seed: settings.seed,
        };
        let dir = self.folder.clear_prepared()?;
        let made = Prepared::make(&dir, &wanted, |share| {
            bars.preparing(share);
            !self.stop.load(Ordering::SeqCst)
        });
        let Some(prepared) = made? else { return Ok(None) };
        let topic = prepared.topic()?;
        bars.reading();
        Ok(Some(Truth::over(&asked.job, &topic, &topic.end().map_err(RunError::Log)?).map_err(RunError::Log)?))
    }

    /// None where it was stopped.
    fn run(&self, spec: &RunSpec, settings: &CompareSettings, truth: &Truth, bars: &Bars) -> Result<Option<RunResult>, CompareError> {
        if self.stop.load(Ordering::SeqCst) {
            return Ok(None);
        }
        let spec_file = self.folder.begin_run(spec)?;
        let end = run_child(&mut (self.child)(&spec_file), time_limit(settings.duration), &self.stop, |progress| bars.progress(progress));
        let run = match end.map_err(CompareError::Start)? {
            ChildEnd::Stopped => None,
            ChildEnd::Failed(outcome) => Some(crashed(spec, outcome)),
            ChildEnd::Done => {
                let judged = self.folder.read_run(spec).and_then(|recording| {
                    let progress = |fraction| bars.progress(RunProgress { phase: Phase::Check, fraction, catch_up: None });
                    let mut run = judge(spec, &recording, truth, progress).map_err(|e| format!("cannot be judged: {e}"))?;
                    run.samples = self.folder.move_samples(spec).map_err(|e| format!("its samples could not be moved: {e}"))?;
                    Ok(run)
                });
                Some(judged.unwrap_or_else(|message| crashed(spec, Outcome::Crashed { message, exit_code: Some(0), signal: None })))
            }
        };
        self.folder.end_run(spec);
        Ok(run)
    }
}

fn crashed(spec: &RunSpec, outcome: Outcome) -> RunResult {
    RunResult {
        system: spec.architecture.clone(),
        architecture: spec.family.clone(),
        wiring: spec.factors.architecture.to_string(),
        batch_engine: spec.factors.batch_engine.map(|e| e.to_string()),
        speed_engine: spec.factors.speed_engine.map(|e| e.to_string()),
        language: Some(spec.factors.language.to_string()),
        repeat: spec.repeat,
        outcome,
        ..RunResult::default()
    }
}

fn ending(result: &CompareResult) -> Ending {
    let flawed = |run: &RunResult| run.outcome != Outcome::Ok || run.answers.wrong_engine > 0;
    match result {
        result if !result.complete => Ending::Interrupted,
        result if result.runs.iter().any(flawed) => Ending::Flawed,
        _ => Ending::Complete,
    }
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
pub fn stop_on_signals() -> std::io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset here, and sets it there.
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(Ending::Interrupted.exit_code()), stop.clone())?;
        signal_hook::flag::register(signal, stop.clone())?;
    }
    Ok(stop)
}

pub fn now() -> DateTime<Utc> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    DateTime::from_timestamp(i64::try_from(since.as_secs()).unwrap_or(0), 0).unwrap_or_default()
}
