//! `lambda`: a batch path and a speed path over the same log, merged; the logic is written once for each.
//!
//! ```text
//!        ┌── polars, every interval, up to a barrier ──→ batch view ───┐
//! log ───┤                                                             ├─ merge ──→ answers
//!        └── timely, the tail, cut at barriers ─────────→ generations ─┘
//! ```
//!
//! The fix starts both paths of version 2 at one barrier, into a table of its own: the batch run takes what lies before it, the
//! speed job what follows. Readers are on version 1 until the two meet.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use twopath_log::Barrier;
use twopath_serving::Table;
use twopath_speed::SpeedJob;
use twopath_view::BatchView;
use twopath_view::store::ViewStore;

use crate::systems::code::Part;
use super::every::{Every, every};
use crate::systems::{Architecture, ArchitectureError, Context, Version, Written};

pub(in crate::systems) const LISTED: &[Part] = &[Part::Batch, Part::Speed];

/// What the two paths are made of.
#[derive(Clone, Copy)]
pub(super) struct Layers {
    pub batch: BatchEngine,
    pub written: Written,
}

#[derive(Clone, Copy)]
pub(super) enum BatchEngine {
    Polars,
    /// The speed layer's dataflow, replaying up to the horizon.
    Timely,
}

pub(in crate::systems) fn start(context: Arc<Context>) -> Result<Box<dyn Architecture>, ArchitectureError> {
    start_with(context, Layers { batch: BatchEngine::Polars, written: Written::Hand })
}

pub(super) fn start_with(context: Arc<Context>, layers: Layers) -> Result<Box<dyn Architecture>, ArchitectureError> {
    let paths = Paths::start(&context, layers, 1)?;
    context.cover_log(1, &paths.table, &paths.speed)?;
    context.cutover(1, &paths.table)?;

    let current = Arc::new(Mutex::new(paths));
    let runs = every(context.batch_interval, {
        let (context, current) = (context.clone(), current.clone());
        move || lock(&current).batch_run(&context)
    })?;
    Ok(Box::new(Lambda { context, layers, current, runs }))
}

struct Lambda {
    context: Arc<Context>,
    layers: Layers,
    /// Held during a batch run, so that there is one at a time.
    current: Arc<Mutex<Paths>>,
    runs: Every,
}

/// Both paths of one version, and the table where they meet.
pub(super) struct Paths {
    layers: Layers,
    version: Version,
    store: ViewStore,
    pub speed: SpeedJob,
    pub table: Arc<Table>,
}

impl Paths {
    /// The speed path from a new barrier on, and the batch path up to it.
    pub fn start(context: &Context, layers: Layers, version: u32) -> Result<Self, ArchitectureError> {
        let table = context.deploy(version)?;
        let store = context.view_store(version)?;
        let version = context.job.version(version).clone();

        let barrier = context.barrier()?;
        let speed = context.speed(&version, layers.written, (barrier.number, barrier.position.clone()), &table)?;
        let paths = Paths { layers, version, store, speed, table };
        paths.table.publish_batch(paths.compute(context, &barrier)?);
        Ok(paths)
    }

    /// A new batch view; the generations that it covers are dropped as readers move to it.
    fn batch_run(&self, context: &Context) -> Result<(), ArchitectureError> {
        let barrier = context.barrier()?;
        let view = self.compute(context, &barrier)?;
        self.table.publish_batch(view);
        self.speed.drop_generations_below(barrier.number);
        Ok(())
    }

    fn compute(&self, context: &Context, barrier: &Barrier) -> Result<BatchView, ArchitectureError> {
        match self.layers.batch {
            BatchEngine::Polars => context.batch_run(&self.version, self.layers.written, barrier, &self.store),
            BatchEngine::Timely => context.batch_run_by_timely(&self.version, self.layers.written, barrier, &self.store),
        }
    }
}

impl Architecture for Lambda {
    fn deploy_fix(&self) -> Result<(), ArchitectureError> {
        let context = &self.context;
        // It is the batch layer's turn for version 2; version 1's speed path carries readers meanwhile.
        let mut current = lock(&self.current);
        let next = Paths::start(context, self.layers, 2)?;
        context.catch_up(2, &next.table, &next.speed)?;
        context.cutover(2, &next.table)?;

        let old = mem::replace(&mut *current, next);
        old.speed.stop()?;
        context.delete(1)
    }

    fn stop(self: Box<Self>) -> Result<(), ArchitectureError> {
        self.runs.stop()?;
        let paths = Arc::into_inner(self.current).expect("the batch runs have ended");
        Ok(paths.into_inner().unwrap_or_else(PoisonError::into_inner).speed.stop()?)
    }
}

fn lock(paths: &Mutex<Paths>) -> MutexGuard<'_, Paths> {
    paths.lock().unwrap_or_else(PoisonError::into_inner)
}
