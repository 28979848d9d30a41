//! What an architecture is wired from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use twopath_base::Position;
use twopath_base::meters::{self, Layer};
use twopath_log::{Barrier, Log, Topic};
use twopath_serving::{Table, Tables};
use twopath_speed::{Publish, SpeedJob, SpeedOptions};
use twopath_storage::folder_bytes;
use twopath_view::store::ViewStore;
use twopath_view::{BatchView, Selection};

use super::apart::{Apart, SpeedProcess, Work};
use super::speed_path::Speed;
use super::wiring::{self, BatchRuns, VersionLogic};
use crate::systems::timeline::Timeline;
use crate::systems::{Answered, Costs, Factors, Job, Keeping, Language, Rows, StateBackend, StatePlace, SystemError};
use twopath_results::result::Happening;

/// How often a waiting deployment looks whether a lag is closed.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// When it gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Versions of a batch view kept at rest.
pub(in crate::systems) const VIEWS_KEPT: usize = 2;

/// Puts a barrier into the log. Who writes the log does so: it may be another process.
pub type Barriers = Box<dyn Fn() -> Result<Barrier, SystemError> + Send + Sync>;

/// The log, the job, the tables that answers are read from, and the record of what happens when.
pub struct Context {
    pub topic: Topic,
    pub barriers: Barriers,
    pub factors: Factors,
    pub job: Job,
    pub tables: Arc<Tables>,
    pub timeline: Arc<Timeline>,
    pub workers: usize,
    pub batch_interval: Duration,
    /// Each batch run goes on from the view of the one before.
    pub incremental: bool,
    pub publish_interval: Duration,
    /// The speed layer leaves out what comes more than so much after newer records, though batch runs and replays take it.
    pub speed_lateness: Option<Duration>,
    /// Where the speed layer's state lives.
    pub state: StateBackend,
    pub checkpoint_interval: Duration,
    /// Records a second that the next version's stream reads at most.
    pub throttle: Option<f64>,
    /// Starts batch runs and speed layer in processes of their own; none means that they are in this one.
    pub apart: Option<Arc<Apart>>,
}

impl Context {
    /// The position before the first record.
    pub fn start(&self) -> Position {
        Position::zero(self.topic.partitions())
    }

    /// A barrier in the log: here batch and speed layer meet.
    pub fn barrier(&self) -> Result<Barrier, SystemError> {
        meters::charge(Layer::Log, || (self.barriers)())
    }

    /// A new version's table, beside those that are there. Readers stay where they are.
    pub fn deploy(&self, version: u32) -> Result<Arc<Table>, SystemError> {
        let timeline = self.timeline.clone();
        let observer = move |position: &Position| timeline.published(version, position);
        let table = self.logic(version)?.table(self.topic.partitions(), observer)?;
        let table = Arc::new(if self.speed_lateness.is_some() { table.approximate() } else { table });
        self.tables.deploy(version.into(), &format!("{} v{version}", self.job.name), table.clone())?;
        Ok(table)
    }

    /// Where a version's batch views are kept.
    pub fn view_store(&self, version: u32) -> Result<ViewStore, SystemError> {
        Ok(ViewStore::open(&self.views_dir(version), VIEWS_KEPT)?)
    }

    fn views_dir(&self, version: u32) -> PathBuf {
        self.tables.version_dir(version.into()).join("batch")
    }

    /// A batch run over everything before the barrier; its view is at rest when this returns, and served by nobody yet.
    pub fn batch_run(&self, version: u32, at: &Barrier, store: &ViewStore) -> Result<BatchView, SystemError> {
        let engine = self.factors.batch_engine.expect("an architecture with a batch layer");
        let started = self.timeline.now_us();
        let logic = self.logic(version)?;
        let view = match &self.apart {
            None => {
                let runs = BatchRuns { engine, incremental: self.incremental, workers: self.workers };
                wiring::batch_run(&self.topic, &logic, runs, at, store)?
            }
            Some(apart) => {
                let views = self.views_dir(version);
                let work = Work::Batch { version, barrier: (at.number, at.position.clone()), views };
                apart.batch_run(&work, (store, &**logic.layout()), &self.timeline)?
            }
        };
        let (barrier, events, view_bytes) = (at.number, at.position.records(), view.table.bytes() as u64);
        self.timeline.mark_since(started, Happening::BatchRun { version, barrier, events, view_bytes });
        Ok(view)
    }

    /// A speed layer that follows the log from `from` (a generation, and its position) and publishes into `table`.
    pub(super) fn speed(&self, version: u32, from: wiring::From, table: &Arc<Table>) -> Result<Speed, SystemError> {
        let table = table.clone();
        let publish: Publish = Arc::new(move |view| meters::charge(Layer::Serving, || table.publish_realtime(view)));
        let Some(apart) = &self.apart else { return Ok(Speed::Here(Box::new(self.speed_job(version, from, publish)?))) };
        Ok(Speed::Apart(SpeedProcess::start(apart, (version, self.logic(version)?), from, publish, &self.timeline)?))
    }

    /// A speed job in this process; its views go to `publish`.
    pub fn speed_job(&self, version: u32, from: wiring::From, publish: Publish) -> Result<SpeedJob, SystemError> {
        let engine = self.factors.speed_engine.expect("an architecture with a speed layer");
        let keeping = Keeping::Owns { checkpoint_interval: self.checkpoint_interval };
        let backend = self.with_place(version, |place| self.state.at(place, keeping))?;
        let (workers, publish_interval) = (self.workers, self.publish_interval);
        let max_records_per_s = self.throttle.filter(|_| version > 1);
        let options = SpeedOptions { workers, publish_interval, backend, max_records_per_s, ..SpeedOptions::default() };
        let logic = self.logic(version)?;
        let logic = match self.speed_lateness {
            None => logic,
            // What is in the log by now is replayed, and a replay waits for nobody.
            Some(lateness) => logic.without_late(&self.topic, lateness, &self.topic.end()?)?,
        };
        wiring::start(&self.topic, &logic, engine, from, options, publish)
    }

    /// In the version's folder, and so among what the system has at rest. On a server the folder's path is the name, which no other run's is.
    fn with_place<T>(&self, version: u32, to_do: impl FnOnce(&StatePlace<'_>) -> T) -> Result<T, SystemError> {
        let dir = self.tables.version_dir(version.into());
        let name = match self.state {
            StateBackend::Remote(_) => std::path::absolute(&dir).unwrap_or_else(|_| dir.clone()).display().to_string(),
            _ => format!("{}.v{version}", self.job.name),
        };
        let log = Log::open(&dir.join("log"))?;
        Ok(to_do(&StatePlace { dir: &dir, log: &log, name }))
    }

    /// Removes what of the versions' state is on a server.
    pub fn remove_state(&self) {
        if !matches!(self.state, StateBackend::Remote(_)) {
            return;
        }
        for v in self.tables.status() {
            let removed = self.with_place(v.version as u32, |place| self.state.remove(place));
            if let Ok(Err(error)) = removed {
                tracing::warn!(%error, "state is left behind");
            }
        }
    }

    fn logic(&self, version: u32) -> Result<VersionLogic, SystemError> {
        if self.speed_lateness.is_some() && self.factors.language == Language::Sql {
            // A filter of rows that become groups, in every engine.
            return Ok(VersionLogic::sql(self.job.version(version).query.clone()));
        }
        VersionLogic::of(&self.job, version, &self.factors, &self.state)
    }

    /// Waits until a table covers `position`. `check` is asked meanwhile whether there is still hope.
    pub fn wait_for(
        &self,
        version: u32,
        table: &Table,
        target: impl Fn() -> Position,
        check: impl Fn() -> Result<(), SystemError>,
    ) -> Result<(), SystemError> {
        let started = Instant::now();
        while !table.position().is_some_and(|p| p.covers(&target())) {
            check()?;
            if started.elapsed() > PATIENCE {
                return Err(SystemError::Behind { version, waited: PATIENCE });
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Waits until a new version answers for all that the active one answers for.
    pub(super) fn catch_up(&self, version: u32, table: &Table, speed: &Speed) -> Result<(), SystemError> {
        let started = self.timeline.now_us();
        let before = self.start();
        let target = || self.tables.active().and_then(|a| a.table.position()).unwrap_or_else(|| before.clone());
        let waited = self.wait_for(version, table, target, || self.look(version, speed));
        self.timeline.set_catching_up(None);
        waited?;
        self.timeline.mark_since(started, Happening::CatchUp { version, events: speed.replayed() });
        Ok(())
    }

    /// Shows how far behind a version is; an error where its job has stopped by itself.
    fn look(&self, version: u32, speed: &Speed) -> Result<(), SystemError> {
        speed.check()?;
        self.timeline.set_catching_up(Some(speed.catch_up(version, &self.topic)?));
        Ok(())
    }

    /// Waits until a version answers for all that is in the log now.
    pub(super) fn cover_log(&self, version: u32, table: &Table, speed: &Speed) -> Result<(), SystemError> {
        let end = self.topic.end()?;
        self.wait_for(version, table, || end.clone(), || speed.check())
    }

    /// Readers move to `version` in one step.
    pub fn cutover(&self, version: u32, table: &Table) -> Result<(), SystemError> {
        self.tables.cutover(version.into())?;
        self.timeline.cut_over(version, table);
        Ok(())
    }

    /// Removes a version that nobody reads any more. Who feeds its table has been stopped.
    pub fn delete(&self, version: u32) -> Result<(), SystemError> {
        if let StateBackend::Remote(_) = self.state {
            self.with_place(version, |place| self.state.remove(place))??;
        }
        Ok(self.tables.delete(version.into())?)
    }

    /// An answer by the version that readers are on.
    pub fn answer(&self, selection: &Selection) -> Result<Answered, SystemError> {
        let (version, answer) = self.tables.answer(selection)?;
        let position = answer.coverage.position().expect("an answer covers something").clone();
        let approximate = twopath_serving::is_approximate(&answer.coverage);
        Ok(Answered { version: version as u32, position, approximate, rows: Rows::of(&answer.rows) })
    }

    /// Views at rest and tables in memory, of all versions.
    pub fn storage_bytes(&self) -> u64 {
        let tables = self.tables.bytes();
        self.view_bytes() + tables.batch + tables.realtime
    }

    /// Files of all versions of the job.
    fn view_bytes(&self) -> u64 {
        self.tables.status().iter().map(|v| folder_bytes(&self.tables.version_dir(v.version))).sum()
    }

    /// What this process has used so far, and those of its layers.
    pub fn costs(&self) -> Costs {
        let (cpu, io, tables) = (meters::cpu(), meters::io(), self.tables.bytes());
        let mut cpu_s: BTreeMap<String, f64> = cpu.by_layer.iter().map(|(layer, s)| (layer.to_string(), *s)).collect();
        // Threads that nobody named: charged to the system under test, so that nothing is had for free.
        cpu_s.insert("other".into(), cpu.unattributed);
        let mut costs = Costs {
            process: std::process::id(),
            cpu_s,
            bytes_written: io.written,
            bytes_read: io.read,
            rss_bytes_max: meters::rss_bytes_max(),
            view_bytes: self.view_bytes(),
            state_bytes: tables.batch + tables.realtime,
        };
        if let Some(apart) = &self.apart {
            apart.add_costs(&mut costs);
        }
        costs
    }
}
