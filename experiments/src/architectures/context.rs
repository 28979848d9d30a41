//! What an architecture is wired from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use twopath_base::Position;
use twopath_base::meters::{self, Layer};
use twopath_log::{Barrier, Topic, TopicWriter};
use twopath_serving::{Table, Tables};
use twopath_speed::{SpeedJob, SpeedOptions};
use twopath_view::store::{ViewParts, ViewStore};
use twopath_view::{BatchView, GroupTable};

use super::{ArchitectureError, Job, Version, Written};
use crate::harness::spec::CatchUp;
use crate::harness::timeline::Timeline;
use twopath_results::number;

/// How often a waiting deployment looks whether a lag is closed.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// When it gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Versions of a batch view kept at rest.
const VIEWS_KEPT: usize = 2;

/// The log, the job, the tables that answers are read from, and the record of what happens when.
pub struct Context {
    pub topic: Topic,
    pub writer: Arc<TopicWriter>,
    pub job: Job,
    pub tables: Arc<Tables>,
    pub timeline: Arc<Timeline>,
    pub workers: usize,
    pub batch_interval: Duration,
    pub publish_interval: Duration,
}

impl Context {
    /// The position before the first record.
    pub fn start(&self) -> Position {
        Position::zero(self.topic.partitions())
    }

    /// A barrier in the log: here batch and speed layer meet.
    pub fn barrier(&self) -> Result<Barrier, ArchitectureError> {
        Ok(meters::charge(Layer::Log, || self.writer.barrier())?)
    }

    /// A new version's table, beside those that are there. Readers stay where they are.
    pub fn deploy(&self, version: u32) -> Result<Arc<Table>, ArchitectureError> {
        let timeline = self.timeline.clone();
        let query = self.job.version(version).query.clone();
        let table = Table::observed(query, self.topic.partitions(), move |position| timeline.published(version, position));
        let table = Arc::new(table);
        self.tables.deploy(version.into(), &format!("{} v{version}", self.job.name), table.clone())?;
        Ok(table)
    }

    /// Where a version's batch views are kept.
    pub fn view_store(&self, version: u32) -> Result<ViewStore, ArchitectureError> {
        Ok(ViewStore::open(&self.tables.version_dir(version.into()).join("batch"), VIEWS_KEPT)?)
    }

    /// A batch run by polars over everything before the barrier; its view is at rest when this returns, and served by nobody yet.
    pub fn batch_run(&self, version: &Version, written: Written, at: &Barrier, store: &ViewStore) -> Result<BatchView, ArchitectureError> {
        let started = self.timeline.now_us();
        let logic = version.batch_logic(written);
        let run =
            || twopath_batch::run_batch(&self.topic, &version.query, &logic, twopath_batch::Engine::Rayon, at.number, &at.position, store);
        let view = meters::charge(Layer::Batch, run)?;
        self.timeline.mark_since(started, "batch_run", format!("batch run at barrier {}, v{}", at.number, version.number));
        Ok(view)
    }

    /// The same by replaying the speed layer's dataflow: for the control that has one engine in both layers.
    pub fn batch_run_by_timely(
        &self,
        version: &Version,
        written: Written,
        at: &Barrier,
        store: &ViewStore,
    ) -> Result<BatchView, ArchitectureError> {
        let started = self.timeline.now_us();
        let from = (0, self.start());
        let logic = version.speed_logic(written);
        let view = twopath_speed::replay(&self.topic, version.query.clone(), logic, from, &at.position, self.workers)?;
        let view = meters::charge(Layer::Batch, || {
            let mut table = GroupTable::new(&version.query);
            for part in view.generations.iter().flat_map(|g| &g.tables) {
                table.merge(part);
            }
            let parts = ViewParts {
                barrier: at.number,
                horizon: at.position.clone(),
                table: Arc::new(table),
                logic: format!("replay by timely, v{}", version.number),
                timings_ms: BTreeMap::new(),
            };
            store.publish(&version.query, parts)
        })?;
        self.timeline.mark_since(started, "batch_run", format!("replay to barrier {}, v{}", at.number, version.number));
        Ok(view)
    }

    /// A speed job that follows the log from `from` (a generation, and its position) and publishes into `table`.
    pub fn speed(
        &self,
        version: &Version,
        written: Written,
        from: (u64, Position),
        table: &Arc<Table>,
    ) -> Result<SpeedJob, ArchitectureError> {
        let options = SpeedOptions { workers: self.workers, publish_interval: self.publish_interval, ..SpeedOptions::default() };
        let table = table.clone();
        let publish = Arc::new(move |view| meters::charge(Layer::Serving, || table.publish_realtime(view)));
        Ok(twopath_speed::start(&self.topic, version.query.clone(), version.speed_logic(written), from, options, publish)?)
    }

    /// Waits until a table covers `position`. `check` is asked meanwhile whether there is still hope.
    pub fn wait_for(
        &self,
        version: u32,
        table: &Table,
        target: impl Fn() -> Position,
        check: impl Fn() -> Result<(), ArchitectureError>,
    ) -> Result<(), ArchitectureError> {
        let started = Instant::now();
        while !table.position().is_some_and(|p| p.covers(&target())) {
            check()?;
            if started.elapsed() > PATIENCE {
                return Err(ArchitectureError::Behind { version, waited: PATIENCE });
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Waits until a new version answers for all that the active one answers for.
    pub fn catch_up(&self, version: u32, table: &Table, speed: &SpeedJob) -> Result<(), ArchitectureError> {
        let started = self.timeline.now_us();
        let before = self.start();
        let target = || self.tables.active().and_then(|a| a.table.position()).unwrap_or_else(|| before.clone());
        let waited = self.wait_for(version, table, target, || self.look(version, speed));
        self.timeline.set_catching_up(None);
        waited?;
        self.timeline.mark_since(started, "catch_up", replayed(version, speed));
        Ok(())
    }

    /// Shows how far behind a version is; an error where its job has stopped by itself.
    fn look(&self, version: u32, speed: &SpeedJob) -> Result<(), ArchitectureError> {
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
    pub fn cover_log(&self, version: u32, table: &Table, speed: &SpeedJob) -> Result<(), ArchitectureError> {
        let end = self.topic.end()?;
        self.wait_for(version, table, || end.clone(), || alive(speed))
    }

    /// Readers move to `version` in one step.
    pub fn cutover(&self, version: u32, table: &Table) -> Result<(), ArchitectureError> {
        self.tables.cutover(version.into())?;
        self.timeline.cut_over(version, table);
        Ok(())
    }

    /// Removes a version that nobody reads any more. Who feeds its table has been stopped.
    pub fn delete(&self, version: u32) -> Result<(), ArchitectureError> {
        Ok(self.tables.delete(version.into())?)
    }
}

/// What a catch-up came to: what the stream itself has read, and how fast. What a batch view brought is not in it.
fn replayed(version: u32, speed: &SpeedJob) -> String {
    let (progress, view) = (speed.progress(), speed.view());
    let records = view.generations.first().map_or(0, |g| view.position().records_since(&g.from));
    let rate = progress.rate_records_per_s as u64;
    format!("version {version} catches up: {} records replayed at {} a second", number::count(records), number::count(rate))
}

/// An error where the job has stopped by itself.
fn alive(speed: &SpeedJob) -> Result<(), ArchitectureError> {
    speed.progress().failure.map_or(Ok(()), |e| Err(e.into()))
}
