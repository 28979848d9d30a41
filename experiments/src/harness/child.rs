//! One run, from the driver's side: the log is made ready, the system started, events arrive and answers are read while the fix is deployed.
//!
//! The system under test is a process of its own ([`run`]); only tests that want it all in one process hand in another start ([`record`]).

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arrow_array::RecordBatch;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use twopath_base::meters::{self, Layer};
use twopath_log::{Topic, TopicWriter};
use twopath_query::{self as query, Value};
use twopath_results::result::Happening;

use super::RunError;
use super::load::Schedule;
use super::prepared::{Prepared, has_keys, key_of};
use super::probe::Questions;
use super::recording::{Recording, write_atomically};
use super::reporter::Reporter;
use super::spec::{Phase, RunSpec};
use super::steady::{SteadyPlan, steady};
use crate::systems::process::{Process, SystemSpec};
use crate::systems::restarted::Restarted;
use crate::systems::timeline::Timeline;
use crate::systems::twopath::Barriers;
use crate::systems::{Costs, System, SystemError};

/// From the end of loading to the first event of the steady phase.
const BEFORE_START_US: u64 = 20_000;
/// How long events may take to be covered once all have arrived, beside two batch runs.
const GRACE: Duration = Duration::from_secs(10);

/// Starts a system over a topic; barriers are put into the log by what is handed in.
pub type Start<'a> = &'a dyn Fn(&SystemSpec, &Topic, Barriers) -> Result<Box<dyn System>, SystemError>;

/// Makes the run with the system in a process of its own: `program` is asked to `run-system`. Writes the recording to `spec.out`; progress
/// goes to standard output.
pub fn run(spec: &RunSpec, program: &Path) -> Result<Recording, RunError> {
    record(spec, &|system, _topic, barriers| {
        let Some(after_ms) = spec.kill_after_ms else { return Ok(Box::new(start_process(system, program, barriers)?)) };
        let (system, program, barriers) = (system.clone(), program.to_owned(), Arc::new(barriers));
        let timeline = Timeline::since(system.began_us);
        let starts = AtomicU32::new(0);
        let start = move || {
            // What the killed process had in memory is gone, and its views are of no use to the next one: that has the log.
            let dir = system.dir.join(format!("start-{}", starts.fetch_add(1, Ordering::Relaxed) + 1));
            std::fs::create_dir_all(&dir).map_err(SystemError::Process)?;
            let barriers = barriers.clone();
            start_process(&SystemSpec { dir, ..system.clone() }, &program, Box::new(move || barriers()))
        };
        let kill = (spec.kill, Duration::from_secs_f64(after_ms / 1e3));
        Ok(Box::new(Restarted::start(Box::new(start), timeline, kill)?))
    })
}

fn start_process(system: &SystemSpec, program: &Path, barriers: Barriers) -> Result<Process, SystemError> {
    let file = system.dir.join("system.json");
    std::fs::write(&file, serde_json::to_vec(system).expect("a spec has text keys")).map_err(SystemError::Process)?;
    let mut command = Command::new(program);
    command.arg("run-system").arg(&file);
    Process::start(command, barriers)
}

/// Makes the run with the system in this process.
pub fn run_here(spec: &RunSpec) -> Result<Recording, RunError> {
    record(spec, &|system, topic, barriers| system.start(topic.clone(), barriers))
}

/// Makes the run, and writes its recording to `spec.out` with the answers beside it.
pub fn record(spec: &RunSpec, start: Start<'_>) -> Result<Recording, RunError> {
    let _harness = meters::adopt(Layer::Load);
    let mut reporter = Reporter::default();
    let timeline = Timeline::new();
    reporter.report(Phase::Load, 0.0);

    let prepared = Prepared::open(&spec.prepared, &spec.topic);
    let events = prepared.steady()?;
    let topic = prepared.topic_of_run(spec.log.as_ref(), &spec.dir.join("log"))?;
    let writer = Arc::new(topic.writer()?);
    let base = topic.end()?;
    let history_bytes = topic.bytes()?;
    reporter.report(Phase::Load, 0.3);

    let barriers: Barriers = Box::new({
        let writer = writer.clone();
        move || Ok(meters::charge(Layer::Log, || writer.barrier())?)
    });
    let system = start(&system_spec(spec, &topic, &timeline), &topic, barriers)?;
    reporter.report(Phase::Load, 1.0);
    let costs = || Ok(with_the_log(system.costs()?, topic.bytes()?));
    let (loaded_us, costs_loaded) = (timeline.now_us(), costs()?);

    let start_us = timeline.now_us() + BEFORE_START_US;
    let schedule = Schedule { start_us, rate: spec.rate, events: events.num_rows() as u64 };
    let plan = SteadyPlan {
        schedule,
        events: &events,
        questions: questions(spec, &prepared, &schedule, &events, base.records())?,
        deploy_us: spec.deploys.then_some(start_us + (schedule.end_us() - start_us) / 2),
        process: costs_loaded.process,
        settle: Duration::from_secs_f64(1.5 / spec.full_read_rate.max(spec.read_rate.min(5.0)).max(1.0)),
        grace: GRACE + 2 * spec.batch_interval(),
    };
    let steady = steady((&topic, &writer), &*system, &timeline, &plan, &spec.out, &costs, &mut reporter)?;
    timeline.mark_at(schedule.end_us(), Happening::LoadEnd);
    let (log_bytes, costs) = (topic.bytes()?, costs()?);
    let record = system.stop()?;
    let keys = plan.questions.into_iter().next().into_iter().flat_map(|points| points.keys).flatten().collect();
    let recording = Recording {
        architecture: spec.architecture.clone(),
        repeat: spec.repeat,
        events_loaded: base.records(),
        base,
        schedule,
        appends: steady.appends,
        answers: steady.answers,
        keys,
        record,
        marks: timeline.marks(),
        deployed_us: steady.deployed_us,
        fixed_us: steady.fixed_us,
        costs_loaded,
        costs_deployed: steady.costs_deployed,
        costs_fixed: steady.costs_fixed,
        loaded_us,
        storage: steady.storage,
        cpu: steady.cpu,
        history_bytes,
        end_us: steady.end_us,
        extra_storage_bytes_max: steady.extra_storage_bytes_max,
        costs,
        log_bytes,
    };
    drop(system);
    close(writer)?;
    write_atomically(&spec.out, &recording)?;
    Ok(recording)
}

/// Who puts in barriers may still hold the writer for a moment.
fn close(writer: Arc<TopicWriter>) -> Result<(), RunError> {
    writer.sync()?;
    Ok(())
}

fn system_spec(spec: &RunSpec, topic: &Topic, timeline: &Timeline) -> SystemSpec {
    SystemSpec {
        factors: spec.factors,
        query: spec.query.clone(),
        source: spec.topic.clone(),
        log: spec.place(),
        topic: topic.name().into(),
        dir: spec.dir.clone(),
        workers: spec.workers,
        batch_interval_ms: spec.batch_interval_ms,
        incremental: spec.incremental,
        publish_interval_ms: spec.publish_interval_ms,
        speed_lateness_ms: spec.speed_lateness_ms,
        state: spec.state.clone(),
        checkpoint_interval_ms: spec.checkpoint_interval_ms,
        began_us: timeline.began_us(),
        throttle: spec.throttle,
        apart: spec.kill_after_ms.is_some(),
    }
}

/// Point reads of keys of events that have arrived by then, and full answers.
fn questions(
    spec: &RunSpec,
    prepared: &Prepared,
    schedule: &Schedule,
    events: &RecordBatch,
    history: u64,
) -> Result<Vec<Questions>, RunError> {
    let query = query::parse(&spec.query.sql_v2, &spec.topic, &events.schema())?;
    let pool = prepared.keys()?;
    let mut rng = ChaCha8Rng::seed_from_u64(spec.seed);
    let seconds = events.num_rows() as f64 / spec.rate;
    let reads = if has_keys(&query) { (spec.read_rate * seconds).ceil() as usize } else { 0 };
    let mut keys: Vec<Option<Vec<Value>>> = Vec::with_capacity(reads);
    for i in 0..reads {
        let arrived = schedule.arrived(schedule.start_us + (i as f64 * 1e6 / spec.read_rate) as u64);
        let of_history = rng.random::<f64>() * (history as f64 + arrived as f64) < history as f64;
        let key = match pool.is_empty() || !of_history {
            true => key_of(&query, events, rng.random_range(0..arrived.max(1) as usize)),
            false => Some(pool[rng.random_range(0..pool.len())].clone()),
        };
        keys.extend(key.map(Some));
    }
    let points = Questions { start_us: schedule.start_us, rate: spec.read_rate, keys };
    let full = Questions { start_us: schedule.start_us, rate: spec.full_read_rate, keys: vec![None] };
    Ok(vec![points, full])
}

/// A system's costs with those of its log, which the driver's process writes for it.
fn with_the_log(mut costs: Costs, log_bytes: u64) -> Costs {
    if costs.process == std::process::id() {
        return costs;
    }
    let own = meters::cpu();
    for layer in [Layer::Log, Layer::Load] {
        *costs.cpu_s.entry(layer.name().into()).or_default() += own.by_layer.get(layer.name()).copied().unwrap_or(0.0);
    }
    costs.bytes_written += log_bytes;
    costs
}
