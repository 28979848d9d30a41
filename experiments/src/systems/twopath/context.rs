//! What an architecture is wired from.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use twopath_base::Position;
use twopath_base::meters::{self, Layer};
use twopath_log::{Barrier, Topic};
use twopath_serving::{Table, Tables};
use twopath_speed::{Checkpoints, SpeedJob, SpeedOptions};
use twopath_view::store::ViewStore;
use twopath_view::{BatchView, Selection};

use super::wiring::{self, BatchRuns, VersionLogic};
use crate::systems::timeline::{CatchUp, Timeline};
use crate::systems::{Answered, Costs, Factors, Job, Rows, StateBackend, SystemError};
use twopath_results::result::Happening;

/// How often a waiting deployment looks whether a lag is closed.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// When it gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Versions of a batch view kept at rest.
const VIEWS_KEPT: usize = 2;

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
    /// Where the speed layer's state lives.
    pub state: StateBackend,
    pub checkpoint_interval: Duration,
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
        let table = Arc::new(self.logic(version)?.table(self.topic.partitions(), observer)?);
        self.tables.deploy(version.into(), &format!("{} v{version}", self.job.name), table.clone())?;
        Ok(table)
    }

    /// Where a version's batch views are kept.
    pub fn view_store(&self, version: u32) -> Result<ViewStore, SystemError> {
        Ok(ViewStore::open(&self.tables.version_dir(version.into()).join("batch"), VIEWS_KEPT)?)
    }

    /// A batch run over everything before the barrier; its view is at rest when this returns, and served by nobody yet.
    pub fn batch_run(&self, version: u32, at: &Barrier, store: &ViewStore) -> Result<BatchView, SystemError> {
        let engine = self.factors.batch_engine.expect("an architecture with a batch layer");
        let started = self.timeline.now_us();
        let runs = BatchRuns { engine, incremental: self.incremental, workers: self.workers };
        let view = wiring::batch_run(&self.topic, &self.logic(version)?, runs, at, store)?;
        let (barrier, events, view_bytes) = (at.number, at.position.records(), view.table.bytes() as u64);
        self.timeline.mark_since(started, Happening::BatchRun { version, barrier, events, view_bytes });
        Ok(view)
    }

    /// A speed job that follows the log from `from` (a generation, and its position) and publishes into `table`.
    pub fn speed(&self, version: u32, from: wiring::From, table: &Arc<Table>) -> Result<SpeedJob, SystemError> {
        let engine = self.factors.speed_engine.expect("an architecture with a speed layer");
        let checkpoints = match self.state {
            StateBackend::Memory => None,
            // In the version's folder, and so among what the system has at rest.
            StateBackend::Checkpoint => {
                let dir = self.tables.version_dir(version.into()).join("checkpoints");
                Some(Checkpoints::every(self.checkpoint_interval, &dir))
            }
        };
        let (workers, publish_interval) = (self.workers, self.publish_interval);
        let options = SpeedOptions { workers, publish_interval, checkpoints, ..SpeedOptions::default() };
        wiring::follow(&self.topic, &self.logic(version)?, engine, from, options, table)
    }

    fn logic(&self, version: u32) -> Result<VersionLogic, SystemError> {
        VersionLogic::of(&self.job, version, &self.factors)
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
    pub fn catch_up(&self, version: u32, table: &Table, speed: &SpeedJob) -> Result<(), SystemError> {
        let started = self.timeline.now_us();
        let before = self.start();
        let target = || self.tables.active().and_then(|a| a.table.position()).unwrap_or_else(|| before.clone());
        let waited = self.wait_for(version, table, target, || self.look(version, speed));
        self.timeline.set_catching_up(None);
        waited?;
        self.timeline.mark_since(started, Happening::CatchUp { version, events: replayed(speed) });
        Ok(())
    }

    /// Shows how far behind a version is; an error where its job has stopped by itself.
    fn look(&self, version: u32, speed: &SpeedJob) -> Result<(), SystemError> {
        let progress = speed.progress();
        if let Some(failure) = progress.failure {
            return Err(failure.into());
        }
        let eta_s = progress.eta.map(|d| d.as_secs_f64());
        let (lag_records, rate_records_per_s) = (progress.lag_records, progress.rate_records_per_s);
        self.timeline.set_catching_up(Some(CatchUp { version, lag_records, rate_records_per_s, eta_s }));
        Ok(())
    }

    /// Waits until a version answers for all that is in the log now.
    pub fn cover_log(&self, version: u32, table: &Table, speed: &SpeedJob) -> Result<(), SystemError> {
        let end = self.topic.end()?;
        self.wait_for(version, table, || end.clone(), || alive(speed))
    }

    /// Readers move to `version` in one step.
    pub fn cutover(&self, version: u32, table: &Table) -> Result<(), SystemError> {
        self.tables.cutover(version.into())?;
        self.timeline.cut_over(version, table);
        Ok(())
    }

    /// Removes a version that nobody reads any more. Who feeds its table has been stopped.
    pub fn delete(&self, version: u32) -> Result<(), SystemError> {
        Ok(self.tables.delete(version.into())?)
    }

    /// An answer by the version that readers are on.
    pub fn answer(&self, selection: &Selection) -> Result<Answered, SystemError> {
        let (version, answer) = self.tables.answer(selection)?;
        let position = answer.coverage.position().expect("an answer covers something").clone();
        Ok(Answered { version: version as u32, position, rows: Rows::of(&answer.rows) })
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

    /// What this process has used so far.
    pub fn costs(&self) -> Costs {
        let (cpu, io, tables) = (meters::cpu(), meters::io(), self.tables.bytes());
        let mut cpu_s: BTreeMap<String, f64> = cpu.by_layer.iter().map(|(layer, s)| (layer.to_string(), *s)).collect();
        // Threads that nobody named: charged to the system under test, so that nothing is had for free.
        cpu_s.insert("other".into(), cpu.unattributed);
        Costs {
            process: std::process::id(),
            cpu_s,
            bytes_written: io.written,
            bytes_read: io.read,
            rss_bytes_max: meters::rss_bytes_max(),
            view_bytes: self.view_bytes(),
            state_bytes: tables.batch + tables.realtime,
        }
    }
}

/// Files that come and go meanwhile are counted or not.
fn folder_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(m) if m.is_dir() => folder_bytes(&entry.path()),
        Ok(m) => m.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

/// What the stream itself has read. What a batch view brought is not in it.
fn replayed(speed: &SpeedJob) -> u64 {
    let view = speed.view();
    view.generations.first().map_or(0, |g| view.position().records_since(&g.lower))
}

/// An error where the job has stopped by itself.
fn alive(speed: &SpeedJob) -> Result<(), SystemError> {
    speed.progress().failure.map_or(Ok(()), |e| Err(e.into()))
}
