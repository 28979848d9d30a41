//! The one place where Twopath's layers are wired: which engine computes what, in which language, and how a replay becomes a batch view.
//!
//! Comparisons, `twopath query` and standing jobs all go through it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use twopath_base::Position;
use twopath_base::meters::{self, Layer};
use twopath_jobs::{Kind, hand_written};
use twopath_log::{Barrier, Topic};
use twopath_query::{Late, Query};
use twopath_serving::Table;
use twopath_serving::jobs::merging;
use twopath_speed::checkpoint::Identity;
use twopath_speed::{Publish, SpeedJob, SpeedOptions};
use twopath_view::store::{ViewParts, ViewStore};
use twopath_view::{BatchView, Finals, GroupTable, Merging, RealtimeView, Selection};

use super::lateness::without_late;
use crate::systems::{Architecture, BatchEngine, Factors, Job, Language, SpeedEngine, StateBackend, SystemError};

/// Where a layer begins to read: a generation's number, and its position.
pub type From = (u64, Position);

/// Where the log starts, which is later than 0 where retention took its beginning.
pub fn log_start(topic: &Topic) -> Result<From, SystemError> {
    Ok((0, topic.start()?))
}

/// The logic of one version of a job, for every layer.
#[derive(Clone)]
pub struct VersionLogic {
    pub query: Arc<Query>,
    /// What the layers' groups are of: the query, or what hand-written code gives in its place.
    layout: Arc<Query>,
    answers: Answers,
    batch: twopath_batch::Logic,
    speed: twopath_speed::Logic,
    name: String,
}

/// How a table makes answers of what the layers publish.
#[derive(Clone, Copy)]
enum Answers {
    /// By the query.
    Compiled,
    /// By the query's rows, which the layer keeps ([`Query::maintained`]).
    Rows,
    /// Parts are merged and finished by hand.
    Merging(Merging),
    /// Values are final.
    Finals(Finals),
}

/// Whether both versions of a job are written by hand, for every layer and engine.
pub fn is_written_by_hand(job: &Job) -> bool {
    [1, 2].iter().all(|&version| merging(&job.topic, (&*job.name, version)).is_some())
}

/// The speed engine's own name for an engine.
pub fn stream_engine(engine: SpeedEngine) -> twopath_speed::Engine {
    match engine {
        SpeedEngine::Timely => twopath_speed::Engine::Timely,
        SpeedEngine::Differential => twopath_speed::Engine::Differential,
    }
}

/// Whether an engine keeps the rows of a query of which more is computed than groups.
pub fn keeps_rows(query: &Query, engine: SpeedEngine) -> bool {
    twopath_speed::maintains(query, stream_engine(engine)).is_ok()
}

/// What of a layer's work hand-written code does: a single path gives final values, and paths that meet give parts.
pub fn kind(architecture: Architecture) -> Kind {
    if architecture == Architecture::Kappa { Kind::Finals } else { Kind::Parts }
}

impl VersionLogic {
    /// Compiled from SQL.
    pub fn sql(query: Arc<Query>) -> Self {
        VersionLogic {
            layout: query.clone(),
            query,
            answers: Answers::Compiled,
            batch: twopath_batch::Logic::Sql,
            speed: twopath_speed::Logic::Sql,
            name: "sql".into(),
        }
    }

    /// Compiled from SQL for a stream that answers alone. What engine differential can keep row by row, joins and what else is above groups, it keeps; all else is
    /// groups, of which the rest is computed when an answer is asked for.
    pub fn sql_alone(query: Arc<Query>, engine: SpeedEngine) -> Self {
        match query.maintained().filter(|_| keeps_rows(&query, engine)) {
            None => VersionLogic::sql(query),
            Some(maintained) => VersionLogic {
                layout: Arc::new(maintained.rows),
                answers: Answers::Rows,
                speed: twopath_speed::Logic::Maintained,
                name: "sql, rows kept".into(),
                ..VersionLogic::sql(query)
            },
        }
    }

    /// Of a version of a job, as a cell of the cross has it, whose stream keeps its state there: kept rows are in the process, and at rest by checkpoints.
    ///
    /// # Errors
    /// Nobody has written it by hand.
    pub fn of(job: &Job, version: u32, factors: &Factors, state: &StateBackend) -> Result<Self, SystemError> {
        let query = job.version(version).query.clone();
        if factors.language == Language::Sql {
            return Ok(match (factors.architecture, factors.speed_engine) {
                (Architecture::Kappa, Some(engine)) if !state.is_store() => VersionLogic::sql_alone(query, engine),
                _ => VersionLogic::sql(query),
            });
        }
        let sql = VersionLogic::sql(query);
        let nobody = || SystemError::Impossible {
            name: format!("'{}' version {version} by hand", job.name),
            problem: "nobody has written it for these engines".into(),
        };
        let misfit = |problem: String| SystemError::Impossible { name: format!("'{}' version {version} by hand", job.name), problem };
        if !is_written_by_hand(job) {
            return Err(nobody());
        }
        let engine = stream_engine(factors.speed_engine.unwrap_or(SpeedEngine::Timely));
        let query = (&*job.name, version);
        let written = hand_written(&job.topic, query, engine, kind(factors.architecture)).ok_or_else(nobody)?;
        let name = format!("{} version {version}", job.name);
        if let Some(finals) = written.finals {
            let layout = Arc::new(finals.values_query(&sql.query).map_err(misfit)?);
            let speed = twopath_speed::Logic::Finals(written.code, finals);
            return Ok(VersionLogic { layout, answers: Answers::Finals(finals), speed, name, ..sql });
        }
        let merging = merging(&job.topic, query).ok_or_else(nobody)?;
        let polars = twopath_batch::jobs::hand_written(&job.topic, query).ok_or_else(nobody)?;
        Ok(VersionLogic {
            layout: Arc::new(merging.parts_query(&sql.query).map_err(misfit)?),
            answers: Answers::Merging(merging),
            batch: twopath_batch::Logic::Hand(polars, merging),
            speed: twopath_speed::Logic::Parts(written.code, merging),
            name,
            ..sql
        })
    }

    /// What the layers' groups are laid out for.
    pub fn layout(&self) -> &Arc<Query> {
        &self.layout
    }

    /// The query that makes answers of a compiled layer's groups.
    pub fn answers_by(&self) -> &Arc<Query> {
        if let Answers::Rows = self.answers { &self.layout } else { &self.query }
    }

    /// A layer's groups as they were put at rest.
    ///
    /// # Errors
    /// What in the batch does not fit.
    pub fn read_groups(&self, batch: &RecordBatch) -> Result<GroupTable, String> {
        match self.answers {
            Answers::Finals(finals) => finals.from_batch(&self.layout, batch),
            Answers::Compiled | Answers::Rows | Answers::Merging(_) => GroupTable::from_batch(&self.layout, batch),
        }
    }

    /// The same logic for a speed layer that leaves out what comes more than `lateness` after newer records, at or after `upto`.
    ///
    /// # Errors
    /// Logic by hand, whose filter is its own; a topic without a time column.
    pub fn without_late(self, topic: &Topic, lateness: Duration, upto: &Position) -> Result<Self, SystemError> {
        let impossible =
            |problem: &str| SystemError::Impossible { name: format!("--speed-lateness with {}", self.name), problem: problem.into() };
        let twopath_speed::Logic::Sql = self.speed else {
            return Err(impossible("what is late is left out by the compiled query"));
        };
        let time = topic.config().time_column.as_ref().and_then(|time| topic.schema().index_of(time).ok());
        let time = time.ok_or_else(|| impossible("the topic has no event-time column"))?;
        let delay_us = i64::try_from(lateness.as_micros()).unwrap_or(i64::MAX);
        let late = Late { topic: self.query.topic.clone(), fields: self.query.fields.clone(), time, delay_us, idle_us: None };
        Ok(VersionLogic { query: Arc::new(without_late(&self.query, &late, upto)), ..self })
    }

    /// A table that this logic publishes into; `observer` as of [`Table::observed`].
    pub fn table(&self, partitions: usize, observer: impl Fn(&Position) + Send + Sync + 'static) -> Result<Table, SystemError> {
        let table = Table::observed(self.answers_by().clone(), partitions, observer);
        Ok(match self.answers {
            Answers::Compiled | Answers::Rows => table,
            Answers::Merging(merging) => table.with_merging(merging)?,
            Answers::Finals(finals) => table.with_finals(finals)?,
        })
    }
}

/// All groups of the log below a position.
pub fn compute(topic: &Topic, logic: &VersionLogic, engine: BatchEngine, horizon: &Position) -> Result<GroupTable, SystemError> {
    match engine {
        BatchEngine::Polars | BatchEngine::Rayon => {
            Ok(twopath_batch::compute(topic, &logic.query, &logic.batch, full_scan(engine), horizon)?)
        }
        BatchEngine::Timely => {
            let view = replay(topic, logic, SpeedEngine::Timely, log_start(topic)?, horizon, 1)?;
            Ok(merged(&logic.layout, &view))
        }
    }
}

/// The batch layer's answer over the log below a position, to a query that is compiled.
pub fn answer(topic: &Topic, logic: &VersionLogic, engine: BatchEngine, horizon: &Position) -> Result<RecordBatch, SystemError> {
    match engine {
        BatchEngine::Polars | BatchEngine::Rayon => Ok(twopath_batch::answer(topic, &logic.query, full_scan(engine), horizon)?),
        BatchEngine::Timely => {
            let table = compute(topic, logic, engine, horizon)?;
            Ok(twopath_view::answer(&logic.query, &[&table], &Selection::default()).map_err(twopath_batch::BatchError::from)?)
        }
    }
}

/// All groups of the log below a position, going on from the view that the last such question left in `dir`, where it can; and from where on the log was read.
pub fn compute_incrementally(
    topic: &Topic,
    logic: &VersionLogic,
    engine: BatchEngine,
    dir: &Path,
    horizon: &Position,
) -> Result<(BatchView, Position), SystemError> {
    let Identity { query, .. } = Identity::of(topic, &logic.query, &logic.name);
    let store = ViewStore::open(&dir.join(query), 1)?;
    let run = twopath_batch::run_incremental(topic, &logic.query, full_scan(engine), 0, horizon, &store)?;
    Ok((run.view, run.read_from))
}

/// How batch runs are made.
#[derive(Debug, Clone, Copy)]
pub struct BatchRuns {
    pub engine: BatchEngine,
    /// Each goes on from the view of the one before.
    pub incremental: bool,
    /// Of a replay.
    pub workers: usize,
}

/// A batch run over everything before the barrier; its view is at rest when this returns, and served by nobody yet.
pub fn batch_run(
    topic: &Topic,
    logic: &VersionLogic,
    BatchRuns { engine, incremental, workers }: BatchRuns,
    at: &Barrier,
    store: &ViewStore,
) -> Result<BatchView, SystemError> {
    match engine {
        BatchEngine::Polars | BatchEngine::Rayon if incremental => {
            let run = || twopath_batch::run_incremental(topic, &logic.query, full_scan(engine), at.number, &at.position, store);
            Ok(meters::charge(Layer::Batch, run)?.view)
        }
        BatchEngine::Polars | BatchEngine::Rayon => {
            let run = || twopath_batch::run_batch(topic, &logic.query, &logic.batch, full_scan(engine), at.number, &at.position, store);
            Ok(meters::charge(Layer::Batch, run)?)
        }
        BatchEngine::Timely => {
            let lower = topic.start()?;
            let view = replay(topic, logic, SpeedEngine::Timely, (0, lower.clone()), &at.position, workers)?;
            let publish = || {
                let parts = ViewParts {
                    barrier: at.number,
                    lower,
                    upper: at.position.clone(),
                    table: Arc::new(merged(&logic.layout, &view)),
                    logic: format!("replay by timely, {}", logic.name),
                    log: None,
                    timings_ms: BTreeMap::new(),
                };
                store.publish(&logic.layout, parts)
            };
            Ok(meters::charge(Layer::Batch, publish)?)
        }
    }
}

/// A speed job that follows the log from `from` on and gives its views to `publish`.
pub fn start(
    topic: &Topic,
    logic: &VersionLogic,
    engine: SpeedEngine,
    from: From,
    options: SpeedOptions,
    publish: Publish,
) -> Result<SpeedJob, SystemError> {
    Ok(twopath_speed::start(topic, logic.query.clone(), logic.speed, stream_engine(engine), from, options, publish)?)
}

/// The view of a part of the log, by the stream engine.
pub fn replay(
    topic: &Topic,
    logic: &VersionLogic,
    engine: SpeedEngine,
    from: From,
    to: &Position,
    workers: usize,
) -> Result<RealtimeView, SystemError> {
    Ok(twopath_speed::replay(topic, logic.query.clone(), logic.speed, stream_engine(engine), from, to, workers)?)
}

/// The batch layer's own name for an engine.
fn full_scan(engine: BatchEngine) -> twopath_batch::Engine {
    if engine == BatchEngine::Rayon { twopath_batch::Engine::Rayon } else { twopath_batch::Engine::Polars }
}

/// All generations of a view in one table.
fn merged(layout: &Query, view: &RealtimeView) -> GroupTable {
    let mut table = GroupTable::new(layout);
    view.generations.iter().flat_map(|g| &g.tables).for_each(|part| table.merge(part));
    table
}
