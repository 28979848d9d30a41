//! One run, inside its own process: load, steady phase with the fix, figures, check.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use twopath_base::PartitionId;
use twopath_base::meters::{self, Layer};
use twopath_log::{Log, LogError, PartitionBy, Topic, TopicConfig, TopicWriter};
use twopath_query::{Query, QueryError, Value};
use twopath_serving::{ServingError, Tables};
use twopath_view::GroupTable;

use super::check::check;
use super::load::{Arrivals, Schedule, append_history};
use super::outcome::{Costs, outcome};
use super::probe::Questions;
use super::samples::{self, SamplesError};
use super::spec::{Phase, Progress, RunSpec, WorkloadSpec};
use crate::systems::timeline::{CatchUp, Timeline};
use super::steady::{Plan, steady, view_bytes};
use crate::systems::{self, ArchitectureError, Context, Job};
use twopath_events::workloads::{self, Workload, WorkloadError};
use twopath_results::result::RunResult;

/// From the end of loading to the first event of the steady phase.
const BEFORE_START_US: u64 = 20_000;
/// How long events may take to be covered once all have arrived, beside two batch runs.
const GRACE: Duration = Duration::from_secs(10);

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    #[error("the query: {0}")]
    Query(#[from] QueryError),
    #[error("the workload has {events} events, and {history} of them are history: none are left for the steady phase; lower the history")]
    NoSteadyEvents { events: u64, history: u64 },
    #[error("--rate and --duration give {events} events; give more than one and fewer than 2^32")]
    Events { events: u64 },
    #[error("the log: {0}")]
    Log(#[from] LogError),
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    #[error("reading an answer: {0}")]
    Answer(#[from] ServingError),
    #[error(transparent)]
    Samples(#[from] SamplesError),
    #[error("{}: {source}; see that the folder exists, is writable and has room", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("no thread could be started: {0}; raise the limit of processes (ulimit -u)")]
    Thread(io::Error),
    #[error("a thread of the harness panicked; its message stands on standard error")]
    Panicked,
}

/// Makes the run, writes its samples and its result, and returns the result. Progress goes to standard output.
pub fn run(spec: &RunSpec) -> Result<RunResult, RunError> {
    let _harness = meters::adopt(Layer::Load);
    let mut reporter = Reporter::default();
    let timeline = Arc::new(Timeline::new());

    let workload = workload_of(spec)?;
    let job = job_of(spec, &workload)?;
    let events = steady_events(spec, &workload)?;
    let topic = create_topic(spec, workload.topic_config(spec.partitions, spec.durability))?;
    let writer = Arc::new(topic.writer()?);
    let keys = KeySampler::new(spec, &job.v2.query, events.num_rows());
    let (loaded, keys) = load(spec, &workload, &writer, keys, &mut reporter)?;
    let base = topic.end()?;

    let context = Arc::new(Context {
        topic: topic.clone(),
        writer,
        tables: Arc::new(Tables::open(&spec.dir, &job.name)?),
        job,
        timeline: timeline.clone(),
        workers: spec.workers,
        batch_interval: spec.batch_interval(),
        publish_interval: spec.publish_interval(),
    });
    let architecture = systems::start(&spec.architecture, context.clone())?;
    reporter.report(Phase::Load, 1.0);

    let start_us = timeline.now_us() + BEFORE_START_US;
    let schedule = Schedule { start_us, rate: spec.rate, events: events.num_rows() as u64 };
    let plan = Plan {
        schedule,
        events: &events,
        questions: keys.questions(spec, &schedule, &events),
        deploy_us: start_us + (schedule.end_us() - start_us) / 2,
        settle: Duration::from_secs_f64(1.5 / spec.full_read_rate.max(spec.read_rate.min(5.0)).max(1.0)),
        grace: GRACE + 2 * spec.batch_interval(),
    };
    let steady = steady(&context, &*architecture, &plan, &mut reporter)?;
    timeline.mark_at(schedule.end_us(), "load_end", "the last event arrives".into());
    let costs = costs(&context)?;
    architecture.stop()?;

    reporter.report(Phase::Check, 0.0);
    let partitions = partitions_of(&topic, &events)?;
    let arrivals = Arrivals::new(schedule, base, &steady.appends, partitions.as_deref());
    let verdicts = check(&topic, &context.job, &arrivals, &steady.answers)?;
    let result = outcome(spec, &context, loaded, &arrivals, &steady, &verdicts, costs)?;
    let fresh = super::figures::fresh_us(&arrivals, &timeline.readable());
    samples::write_freshness(&beside(&spec.out, "freshness.parquet"), &arrivals, &fresh)?;
    samples::write_answers(&beside(&spec.out, "answers.parquet"), start_us, &steady.answers, &verdicts)?;
    write_atomically(&spec.out, &result)?;
    reporter.report(Phase::Check, 1.0);
    Ok(result)
}

fn create_topic(spec: &RunSpec, config: TopicConfig) -> Result<Topic, LogError> {
    match &spec.log {
        None => Log::open(&spec.dir.join("log"))?.create_topic(config),
        Some(place) => {
            let name = place.named_topic().unwrap_or(&config.name).to_owned();
            place.create_topic(TopicConfig { name, ..config })
        }
    }
}

fn workload_of(spec: &RunSpec) -> Result<Workload, WorkloadError> {
    match &spec.workload {
        WorkloadSpec::BuiltIn { name, .. } => workloads::built_in(name, spec.seed),
        WorkloadSpec::Own { events, time_column, sql } => workloads::own(events, time_column.as_deref(), sql),
    }
}

fn job_of(spec: &RunSpec, workload: &Workload) -> Result<Job, RunError> {
    let query = workload.query(match &spec.workload {
        WorkloadSpec::BuiltIn { query, .. } => Some(query),
        WorkloadSpec::Own { .. } => None,
    })?;
    Ok(Job::new(&query.name, &workload.name, &workload.schema, query.sql(1), query.sql(2))?)
}

/// The events that arrive on schedule, made before anything is measured.
fn steady_events(spec: &RunSpec, workload: &Workload) -> Result<RecordBatch, RunError> {
    let wanted = spec.events_steady();
    if wanted < 2 || wanted > u64::from(u32::MAX) {
        return Err(RunError::Events { events: wanted });
    }
    let events = workload.batch(spec.events_history, wanted as usize);
    if events.num_rows() < 2 {
        return Err(RunError::NoSteadyEvents { events: workload.events().unwrap_or(0), history: spec.events_history });
    }
    Ok(events)
}

fn load(
    spec: &RunSpec,
    workload: &Workload,
    writer: &TopicWriter,
    mut keys: KeySampler,
    reporter: &mut Reporter,
) -> Result<(u64, KeySampler), RunError> {
    let batch = |from, rows| workload.batch(from, rows);
    let loaded = append_history(writer, spec.events_history, batch, |rows, share| {
        keys.take(rows, spec.events_history);
        // The architecture's start is the other half.
        reporter.report(Phase::Load, share / 2.0);
    })?;
    writer.sync()?;
    Ok((loaded, keys))
}

/// Keys of random events, for point reads.
struct KeySampler {
    rng: ChaCha8Rng,
    query: Arc<Query>,
    /// Point reads that are planned.
    reads: usize,
    history: Vec<Arc<[Value]>>,
}

impl KeySampler {
    fn new(spec: &RunSpec, query: &Arc<Query>, events: usize) -> Self {
        let seconds = events as f64 / spec.rate;
        // A query without grouping has one answer, and one that repeats rows has no groups to read.
        let reads = if query.rows || query.is_global() { 0.0 } else { spec.read_rate * seconds };
        KeySampler { rng: ChaCha8Rng::seed_from_u64(spec.seed), query: query.clone(), reads: reads.ceil() as usize, history: Vec::new() }
    }

    /// Remembers as many keys of some rows of the history as their share of it.
    fn take(&mut self, rows: &RecordBatch, of_events: u64) {
        let wanted = (self.reads * rows.num_rows()).div_ceil(of_events.max(1) as usize);
        for _ in 0..wanted {
            let key = self.key(rows, rows.num_rows());
            self.history.extend(key);
        }
    }

    /// The key of a random one of the first rows; none where the query leaves it out.
    fn key(&mut self, rows: &RecordBatch, first: usize) -> Option<Arc<[Value]>> {
        let row = rows.slice(self.rng.random_range(0..first), 1);
        let mut group = GroupTable::new(&self.query);
        group.update_from_log(&self.query, &row).ok()?;
        (group.len() == 1).then(|| group.key(0).into())
    }

    /// Point reads of keys of events that have arrived by then, and full answers.
    fn questions(mut self, spec: &RunSpec, schedule: &Schedule, events: &RecordBatch) -> Vec<Questions> {
        let mut keys = Vec::with_capacity(self.reads);
        let history = spec.events_history as f64;
        for i in 0..self.reads {
            let arrived = schedule.arrived(schedule.start_us + (i as f64 * 1e6 / spec.read_rate) as u64);
            let of_history = self.rng.random::<f64>() * (history + arrived as f64) < history;
            let key = match self.history.is_empty() || !of_history {
                true => self.key(events, arrived.max(1) as usize),
                false => Some(self.history[self.rng.random_range(0..self.history.len())].clone()),
            };
            keys.extend(key.map(Some));
        }
        let points = Questions { start_us: schedule.start_us, rate: spec.read_rate, keys };
        let full = Questions { start_us: schedule.start_us, rate: spec.full_read_rate, keys: vec![None] };
        vec![points, full]
    }
}

/// The partition that the log gives each row by its key; `None` for a topic without one.
fn partitions_of(topic: &Topic, events: &RecordBatch) -> Result<Option<Vec<PartitionId>>, LogError> {
    let PartitionBy::Key(key) = &topic.config().partition_by else { return Ok(None) };
    let keys = events.column_by_name(key).expect("events have the topic's columns").clone();
    let numbers: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..events.num_rows() as u32));
    let numbered = RecordBatch::try_from_iter([(key.as_str(), keys), ("number", numbers)]).expect("columns of one length");
    let mut partitions = vec![PartitionId(0); events.num_rows()];
    for (partition, rows) in topic.split(&numbered)? {
        rows.column(1).as_primitive::<UInt32Type>().values().iter().for_each(|&i| partitions[i as usize] = partition);
    }
    Ok(Some(partitions))
}

/// What the run has used so far; taken before the checking, which is the harness's.
fn costs(context: &Context) -> Result<Costs, RunError> {
    let tables = context.tables.bytes();
    Ok(Costs {
        cpu: meters::cpu(),
        io: meters::io(),
        rss_bytes_max: meters::rss_bytes_max(),
        log_bytes: context.topic.bytes()?,
        view_bytes: view_bytes(context),
        state_bytes: tables.batch + tables.realtime,
    })
}

/// `run.json` and `freshness.parquet` give `run.freshness.parquet`.
fn beside(out: &Path, name: &str) -> PathBuf {
    out.with_extension(name)
}

fn write_atomically(path: &Path, result: &RunResult) -> Result<(), RunError> {
    let temporary = path.with_extension("json.tmp");
    let text = serde_json::to_vec(result).expect("a result has text keys and plain values");
    let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| RunError::Write { path: path.into(), source })
}

/// Tells the parent how far the run is: a line at each whole per cent at most, and at each change of a lag.
#[derive(Default)]
pub struct Reporter {
    last: Option<Progress>,
}

impl Reporter {
    pub fn report(&mut self, phase: Phase, fraction: f64) {
        self.report_with(phase, fraction, None);
    }

    pub fn report_with(&mut self, phase: Phase, fraction: f64, catch_up: Option<CatchUp>) {
        let fraction = (fraction.clamp(0.0, 1.0) * 100.0).floor() / 100.0;
        let progress = Progress { phase, fraction, catch_up };
        if self.last == Some(progress) {
            return;
        }
        self.last = Some(progress);
        let line = serde_json::to_string(&progress).expect("progress is plain");
        // A parent that has gone will not miss it.
        let _ = writeln!(io::stdout().lock(), "{line}");
    }
}
