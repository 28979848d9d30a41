//! The one place where Twopath's layers are wired: which engine computes what, in which language, and how a replay becomes a batch view.
//!
//! Comparisons, `twopath query` and standing jobs all go through it.

use std::collections::BTreeMap;
use std::sync::Arc;

use twopath_base::Position;
use twopath_base::meters::{self, Layer};
use twopath_log::{Barrier, Topic};
use twopath_query::Query;
use twopath_serving::Table;
use twopath_speed::{Publish, SpeedJob, SpeedOptions};
use twopath_view::store::{ViewParts, ViewStore};
use twopath_view::{BatchView, GroupTable, RealtimeView};

use crate::systems::{BatchEngine, Job, Language, SpeedEngine, SystemError, Version};

/// Where a layer begins to read: a generation's number, and its position.
pub type From = (u64, Position);

/// Where the log starts.
pub fn log_start(topic: &Topic) -> From {
    (0, Position::zero(topic.partitions()))
}

/// The logic of one version of a job, for every layer.
#[derive(Clone)]
pub struct Logic {
    pub query: Arc<Query>,
    batch: twopath_batch::Logic,
    speed: twopath_speed::Logic,
    name: String,
}

/// Whether both versions of a job are written by hand for the layers.
pub fn is_written_by_hand(job: &Job) -> bool {
    [&job.v1, &job.v2].iter().all(|v| hand_written(job, v).is_some())
}

fn hand_written(job: &Job, version: &Version) -> Option<(twopath_batch::HandWritten, twopath_speed::HandWritten)> {
    if job.topic != "flights" {
        return None;
    }
    let batch = twopath_batch::jobs::flights::hand_written(&job.name, version.number)?;
    Some((batch, twopath_speed::jobs::flights::hand_written(&job.name, version.number)?))
}

impl Logic {
    /// Compiled from SQL.
    pub fn sql(query: Arc<Query>) -> Self {
        Logic { query, batch: twopath_batch::Logic::Sql, speed: twopath_speed::Logic::Sql, name: "sql".into() }
    }

    /// Of a version of a job, in a language.
    ///
    /// # Errors
    /// Nobody has written it by hand.
    pub fn of(job: &Job, version: u32, language: Language) -> Result<Self, SystemError> {
        let version = job.version(version);
        let sql = Logic::sql(version.query.clone());
        match language {
            Language::Sql => Ok(sql),
            Language::Hand => {
                let (batch, speed) = hand_written(job, version).ok_or_else(|| SystemError::Impossible {
                    name: format!("'{}' by hand", job.name),
                    problem: "nobody has written it by hand".into(),
                })?;
                let name = format!("{} version {}", job.name, version.number);
                Ok(Logic { batch: twopath_batch::Logic::Hand(batch), speed: twopath_speed::Logic::Hand(speed), name, ..sql })
            }
        }
    }
}

/// All groups of the log below a position.
pub fn compute(topic: &Topic, logic: &Logic, engine: BatchEngine, horizon: &Position) -> Result<GroupTable, SystemError> {
    match engine {
        BatchEngine::Polars | BatchEngine::Rayon => Ok(twopath_batch::compute(topic, &logic.query, &logic.batch, horizon)?),
        BatchEngine::Timely => {
            let view = replay(topic, logic, SpeedEngine::Timely, log_start(topic), horizon, 1)?;
            Ok(merged(&logic.query, &view))
        }
    }
}

/// A batch run over everything before the barrier; its view is at rest when this returns, and served by nobody yet.
pub fn batch_run(
    topic: &Topic,
    logic: &Logic,
    engine: BatchEngine,
    workers: usize,
    at: &Barrier,
    store: &ViewStore,
) -> Result<BatchView, SystemError> {
    match engine {
        BatchEngine::Polars | BatchEngine::Rayon => {
            let run = || twopath_batch::run_batch(topic, &logic.query, &logic.batch, at.number, &at.position, store);
            Ok(meters::charge(Layer::Batch, run)?)
        }
        BatchEngine::Timely => {
            let view = replay(topic, logic, SpeedEngine::Timely, log_start(topic), &at.position, workers)?;
            let publish = || {
                let parts = ViewParts {
                    barrier: at.number,
                    horizon: at.position.clone(),
                    table: Arc::new(merged(&logic.query, &view)),
                    logic: format!("replay by timely, {}", logic.name),
                    timings_ms: BTreeMap::new(),
                };
                store.publish(&logic.query, parts)
            };
            Ok(meters::charge(Layer::Batch, publish)?)
        }
    }
}

/// A speed job that follows the log from `from` on and publishes into `table`.
pub fn follow(
    topic: &Topic,
    logic: &Logic,
    engine: SpeedEngine,
    from: From,
    options: SpeedOptions,
    table: &Arc<Table>,
) -> Result<SpeedJob, SystemError> {
    let table = table.clone();
    start(topic, logic, engine, from, options, Arc::new(move |view| meters::charge(Layer::Serving, || table.publish_realtime(view))))
}

/// A speed job that follows the log from `from` on and gives its views to `publish`.
pub fn start(
    topic: &Topic,
    logic: &Logic,
    engine: SpeedEngine,
    from: From,
    options: SpeedOptions,
    publish: Publish,
) -> Result<SpeedJob, SystemError> {
    possible(engine)?;
    Ok(twopath_speed::start(topic, logic.query.clone(), logic.speed, from, options, publish)?)
}

/// The view of a part of the log, by the stream engine.
pub fn replay(
    topic: &Topic,
    logic: &Logic,
    engine: SpeedEngine,
    from: From,
    to: &Position,
    workers: usize,
) -> Result<RealtimeView, SystemError> {
    possible(engine)?;
    Ok(twopath_speed::replay(topic, logic.query.clone(), logic.speed, from, to, workers)?)
}

fn possible(engine: SpeedEngine) -> Result<(), SystemError> {
    match engine {
        SpeedEngine::Timely => Ok(()),
        SpeedEngine::Differential => {
            Err(SystemError::Impossible { name: "differential".into(), problem: "this program has no such engine yet".into() })
        }
    }
}

/// All generations of a view in one table.
fn merged(query: &Query, view: &RealtimeView) -> GroupTable {
    let mut table = GroupTable::new(query);
    view.generations.iter().flat_map(|g| &g.tables).for_each(|part| table.merge(part));
    table
}
