//! Batch workflows: several stages, each a query, each with a topic for its result, which the stages after it read, and anybody else.
//!
//! ```text
//! flights ─→ stage `hours` ─→ topic monthly.hours.3 ─→ stage `worst` ─→ topic monthly.worst.3
//!    └──────────────────────────────────────────────────────┘
//! ```
//!
//! It is MapReduce's habit: what lies between two stages is put at rest, so that a run that died goes on behind the last stage that was finished. A run fixes
//! where its topics end when it begins, and reads them up to there, also where it goes on later. A stage is finished once its topic is whole, synced and
//! sealed, and then the run's file says so, in one atomic step; a topic of a stage that was not finished is made anew.
//!
//! Each run has topics of its own (`WORKFLOW.STAGE.RUN`), which are never changed: who reads those of a run is not disturbed by the next one. Some
//! of the last runs are kept.

mod error;
mod kept;
mod text;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Instant;

use arrow_array::RecordBatch;
use serde::Serialize;
use twopath_base::clock::{Clock, SystemClock};
use twopath_log::{Durability, Hold, Log, LogError, PartitionBy, Topic, TopicConfig};

use crate::question::{Asked, Engine, Question, Rows};
use crate::systems::BatchEngine;
pub use error::WorkflowError;
use kept::Kept;
pub use kept::{Input, Made, Run};
pub use text::{Stage, Workflow};

/// Beside the topics; no topic's name starts with a dot.
const FOLDER: &str = ".workflows";
/// Rows that are appended together.
const ROWS_AT_ONCE: usize = 64 << 10;

/// How a run is made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub engine: BatchEngine,
    /// Begin a new run, though the last one is not finished.
    pub anew: bool,
    /// Finished runs whose topics are kept, this one among them; at least 1.
    pub keep: usize,
}

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub workflow: String,
    pub run: u64,
    /// In order.
    pub stages: Vec<StageReport>,
}

/// What became of a stage.
#[derive(Debug, Clone, Serialize)]
pub struct StageReport {
    pub stage: String,
    /// With its result.
    pub topic: String,
    pub rows: u64,
    pub took_ms: f64,
    /// It was finished before this process began.
    pub was_finished: bool,
}

/// Runs a workflow over the topics in a folder: goes on with the last run if that is not finished, else begins the next one. `told` hears of each stage
/// once it is finished.
///
/// # Errors
/// Another process runs it; a stage does not fit its topics, or raises an error; the text was changed in mid-run; files fail. What was finished stays.
pub fn run(topics: &Path, workflow: &Workflow, options: Options, mut told: impl FnMut(&StageReport)) -> Result<Report, WorkflowError> {
    let log = Log::open(topics)?;
    let place = Place::of(topics, &workflow.name);
    let _lock = place.lock()?;
    let mut kept = place.read()?;
    // What a run had made goes with it. One that had made nothing, of a text that was wrong, is nobody's loss.
    let is_given_up = |run: &Run| !run.is_finished && (options.anew || run.made.is_empty() && run.text != workflow.text);
    let given_up = kept.runs.extract_if(.., |run| is_given_up(run)).collect();
    kept.leave(given_up);
    // Else the file comes with its first run.
    if !kept.leaving.is_empty() {
        place.clear(&log, &mut kept)?;
    }
    if kept.runs.last().is_none_or(|run| run.is_finished) {
        let number = kept.next;
        let inputs = inputs(&log, workflow)?;
        kept.next += 1;
        kept.runs.push(Run { number, text: workflow.text.clone(), inputs, made: Vec::new(), making: None, is_finished: false });
        place.write(&kept)?;
    }
    let number = kept.runs.last().expect("there is a run").number;
    if kept.runs.last().is_some_and(|run| run.text != workflow.text) {
        return Err(WorkflowError::Changed { workflow: workflow.name.clone(), run: number });
    }
    let _holds = holds(&log, kept.runs.last().expect("there is a run"))?;
    let mut stages = Vec::new();
    for stage in &workflow.stages {
        let run = kept.runs.last_mut().expect("there is a run");
        let done = run.made.iter().find(|made| made.stage == stage.name).cloned();
        let was_finished = done.is_some();
        let made = match done {
            Some(made) => made,
            None => {
                let topic = workflow.topic_of(stage, run.number);
                let rows = answer(&log, run, stage, options.engine)?;
                if run.making.as_deref() != Some(&topic) {
                    // What nobody here began to make is somebody else's.
                    if log.topics()?.contains(&topic) {
                        return Err(WorkflowError::Taken { topic });
                    }
                    run.making = Some(topic.clone());
                    place.write(&kept)?;
                }
                let run = kept.runs.last_mut().expect("there is a run");
                let made = make(&log, topic, stage, rows)?;
                run.making = None;
                run.made.push(made.clone());
                place.write(&kept)?;
                made
            }
        };
        let Made { stage, topic, rows, took_ms, .. } = made;
        let report = StageReport { stage, topic, rows, took_ms, was_finished };
        told(&report);
        stages.push(report);
    }
    kept.runs.last_mut().expect("there is a run").is_finished = true;
    // Older ones go, first from what is known of them.
    let old = kept.runs.len().saturating_sub(options.keep.max(1));
    let old = kept.runs.drain(..old).collect();
    kept.leave(old);
    place.clear(&log, &mut kept)?;
    Ok(Report { workflow: workflow.name.clone(), run: number, stages })
}

/// The runs that are kept, the oldest first.
///
/// # Errors
/// There is no workflow of the name, or its file cannot be read.
pub fn status(topics: &Path, name: &str) -> Result<Vec<Run>, WorkflowError> {
    Ok(Place::known(topics, name)?.read()?.runs)
}

/// Removes what is known of a workflow, with the topics of its runs.
///
/// # Errors
/// As of [`status`]; somebody reads one of the topics.
pub fn forget(topics: &Path, name: &str) -> Result<(), WorkflowError> {
    let place = Place::known(topics, name)?;
    let _lock = place.lock()?;
    let (log, mut kept) = (Log::open(topics)?, place.read()?);
    let all = kept.runs.drain(..).collect();
    kept.leave(all);
    place.clear(&log, &mut kept)?;
    for topic in &kept.leaving {
        // Says who reads it.
        log.delete_topic(topic)?;
    }
    fs::remove_file(&place.file).map_err(|source| place.io(source))
}

/// Of the workflows that have run over a folder of topics, sorted.
///
/// # Errors
/// The folder cannot be read.
pub fn names(topics: &Path) -> Result<Vec<String>, WorkflowError> {
    let dir = topics.join(FOLDER);
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(WorkflowError::Io { path: dir, source }),
    };
    let files =
        entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(|source| WorkflowError::Io { path: dir, source })?;
    let of_run = |path: &PathBuf| path.extension().is_some_and(|e| e == "json");
    let mut names: Vec<String> =
        files.iter().filter(|p| of_run(p)).filter_map(|p| Some(p.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

/// Where the topics end that no stage makes.
fn inputs(log: &Log, workflow: &Workflow) -> Result<Vec<Input>, WorkflowError> {
    let mut inputs: Vec<Input> = Vec::new();
    for (number, stage) in workflow.stages.iter().enumerate() {
        for name in stage.reads()? {
            let is_made_before = workflow.stages[..number].iter().any(|s| s.name == name);
            if is_made_before || inputs.iter().any(|input| input.topic == name) {
                continue;
            }
            if let Some(later) = workflow.stages.iter().find(|s| s.name == name) {
                if later.reads()?.contains(&stage.name) {
                    let problem = match later.name == stage.name {
                        true => format!("it reads '{name}', which is itself; to read a topic of that name, give the stage another one"),
                        false => format!("it reads '{name}', which reads it: stages go one after the other, and not in a circle"),
                    };
                    return Err(WorkflowError::Stage { stage: stage.name.clone(), problem });
                }
                return Err(WorkflowError::Order { stage: stage.name.clone(), reads: name });
            }
            let topic = log.topic(&name)?;
            let (start, since) = (topic.start()?, topic.since()?);
            inputs.push(Input { id: topic.local()?.id(), position: topic.end()?, topic: name, start, since });
        }
    }
    Ok(inputs)
}

/// Keeps retention from what the run reads, for as long as it runs.
fn holds(log: &Log, run: &Run) -> Result<Vec<Hold>, WorkflowError> {
    let mut holds = Vec::new();
    for input in &run.inputs {
        holds.extend(log.topic(&input.topic)?.hold("a workflow", &input.start)?);
    }
    Ok(holds)
}

/// A stage's result, and when it was begun.
struct Computed {
    rows: RecordBatch,
    began: Instant,
    began_us: i64,
}

/// Computes a stage.
fn answer(log: &Log, run: &Run, stage: &Stage, engine: BatchEngine) -> Result<Computed, WorkflowError> {
    let (began, began_us) = (Instant::now(), SystemClock.now_us());
    let mut topics: Vec<(String, Topic)> = Vec::new();
    let mut at = Vec::new();
    for name in stage.reads()? {
        let topic = match run.made.iter().find(|made| made.stage == name) {
            Some(made) => {
                let topic = log.topic(&made.topic)?;
                at.push(topic.end()?);
                topic
            }
            None => {
                let topic = log.topic(&name)?;
                let input = run.inputs.iter().find(|input| input.topic == name).expect("the text is the one that the run began with");
                if topic.local()?.id() != input.id {
                    return Err(WorkflowError::OtherTopic { topic: name, run: run.number });
                }
                if topic.start()? != input.start || topic.since()? != input.since {
                    return Err(WorkflowError::InputGone { topic: name, run: run.number });
                }
                at.push(input.position.clone());
                topic
            }
        };
        topics.push((name, topic));
    }
    let failed = |problem: String| WorkflowError::Stage { stage: stage.name.clone(), problem };
    let question = Question::calling(&stage.sql, topics, &at).map_err(|e| failed(e.report(&stage.sql)))?;
    let asked = Asked { at, horizon: None, workers: 1, incremental: None };
    let answered = question.answer(Engine::Batch(engine), &asked).map_err(|e| failed(e.to_string()))?;
    let Rows::Columns(rows) = answered.rows else { unreachable!("a batch engine answers in columns") };
    Ok(Computed { rows, began, began_us })
}

/// Makes a stage's topic, whole.
fn make(log: &Log, name: String, stage: &Stage, Computed { rows, began, began_us }: Computed) -> Result<Made, WorkflowError> {
    match log.delete_topic(&name) {
        // Left by a process that died.
        Ok(()) | Err(LogError::NoSuchTopic { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let topic = log.create_topic(TopicConfig {
        partition_by: stage.key.clone().map_or(PartitionBy::RoundRobin, PartitionBy::Key),
        time_column: stage.time.clone(),
        durability: Durability::None,
        ..TopicConfig::new(&name, rows.schema())
    });
    let topic = topic.map_err(|e| WorkflowError::Stage { stage: stage.name.clone(), problem: e.to_string() })?;
    append(&topic, &rows)?;
    let (rows, took_ms) = (rows.num_rows() as u64, began.elapsed().as_secs_f64() * 1e3);
    Ok(Made { stage: stage.name.clone(), topic: name, rows, began_us, took_ms })
}

fn append(topic: &Topic, rows: &RecordBatch) -> Result<(), WorkflowError> {
    let writer = topic.writer()?;
    let mut from = 0;
    while from < rows.num_rows() {
        let count = ROWS_AT_ONCE.min(rows.num_rows() - from);
        writer.append(&rows.slice(from, count))?;
        from += count;
    }
    writer.sync()?;
    writer.seal()?;
    Ok(writer.close()?)
}

/// Where what is known of a workflow is.
struct Place {
    name: String,
    file: PathBuf,
}

impl Place {
    fn of(topics: &Path, name: &str) -> Place {
        Place { name: name.to_owned(), file: topics.join(FOLDER).join(format!("{name}.json")) }
    }

    /// Of a workflow that has run.
    fn known(topics: &Path, name: &str) -> Result<Place, WorkflowError> {
        let known = names(topics)?;
        if known.iter().any(|k| k == name) {
            Ok(Place::of(topics, name))
        } else {
            Err(WorkflowError::None { workflow: name.into(), known })
        }
    }

    /// Writes what is known, and removes the topics that are to go, but for those that somebody reads: they go another time.
    fn clear(&self, log: &Log, kept: &mut Kept) -> Result<(), WorkflowError> {
        self.write(kept)?;
        if kept.leaving.is_empty() {
            return Ok(());
        }
        let is_left = |topic: &String| match log.delete_topic(topic) {
            Ok(()) | Err(LogError::NoSuchTopic { .. }) => false,
            Err(error) => {
                tracing::warn!(topic, %error, "a topic of an earlier run stays for now");
                true
            }
        };
        kept.leaving.retain(is_left);
        self.write(kept)
    }

    /// Held until the file is closed, also by the process's end.
    fn lock(&self) -> Result<File, WorkflowError> {
        let dir = self.file.parent().expect("a file is in a folder");
        fs::create_dir_all(dir).map_err(|source| self.io(source))?;
        let file = File::create(self.file.with_extension("lock")).map_err(|source| self.io(source))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(WorkflowError::Busy { workflow: self.name.clone() }),
            Err(TryLockError::Error(source)) => Err(self.io(source)),
        }
    }

    fn read(&self) -> Result<Kept, WorkflowError> {
        match fs::read(&self.file) {
            Ok(text) => {
                serde_json::from_slice(&text).map_err(|e| WorkflowError::Damaged { path: self.file.clone(), problem: e.to_string() })
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Kept::default()),
            Err(source) => Err(self.io(source)),
        }
    }

    fn write(&self, kept: &Kept) -> Result<(), WorkflowError> {
        let text = serde_json::to_vec_pretty(kept).expect("texts and numbers are JSON");
        twopath_storage::write_atomically(&twopath_storage::OsStorage, &self.file, &text).map_err(|source| self.io(source))
    }

    fn io(&self, source: std::io::Error) -> WorkflowError {
        WorkflowError::Io { path: self.file.clone(), source }
    }
}
