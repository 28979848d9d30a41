//! `lambda`: a batch path and a speed path over the same log, merged; by hand, the logic is written once for each.
//!
//! ```text
//!        ┌── batch engine, every interval, up to a barrier ──→ batch view ───┐
//! log ───┤                                                                   ├─ merge ──→ answers
//!        └── stream engine, the tail, cut at barriers ───────→ generations ──┘
//! ```
//!
//! With timely in both layers it is the control that separates what the architecture does from what the engine of the batch layer does.
//!
//! The fix starts both paths of version 2 at one barrier, into a table of its own: the batch run takes what lies before it, the
//! speed job what follows. Readers are on version 1 until the two meet.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use twopath_base::sync::lock;
use twopath_serving::Table;
use twopath_view::store::ViewStore;

use super::every::{Every, every};
use super::speed_path::Speed;
use super::{Context, Paths};
use crate::systems::SystemError;

pub(super) fn start(context: Arc<Context>) -> Result<Box<dyn Paths>, SystemError> {
    let paths = TwoPaths::start(&context, 1)?;
    context.cover_log(1, &paths.table, &paths.speed)?;
    context.cutover(1, &paths.table)?;

    let current = Arc::new(Mutex::new(paths));
    let runs = every(context.batch_interval, {
        let (context, current) = (context.clone(), current.clone());
        move || lock(&current).batch_run(&context)
    })?;
    Ok(Box::new(Lambda { context, current, runs }))
}

struct Lambda {
    context: Arc<Context>,
    /// Held during a batch run, so that there is one at a time.
    current: Arc<Mutex<TwoPaths>>,
    runs: Every,
}

/// Both paths of one version, and the table where they meet.
pub(super) struct TwoPaths {
    version: u32,
    store: ViewStore,
    pub speed: Speed,
    pub table: Arc<Table>,
}

impl TwoPaths {
    /// The speed path from a new barrier on, and the batch path up to it.
    pub fn start(context: &Context, version: u32) -> Result<Self, SystemError> {
        let table = context.deploy(version)?;
        let store = context.view_store(version)?;
        let barrier = context.barrier()?;
        let speed = context.speed(version, (barrier.number, barrier.position.clone()), &table)?;
        table.publish_batch(context.batch_run(version, &barrier, &store)?);
        Ok(TwoPaths { version, store, speed, table })
    }

    /// A new batch view; the generations that it covers are dropped as readers move to it.
    fn batch_run(&self, context: &Context) -> Result<(), SystemError> {
        let barrier = context.barrier()?;
        let view = context.batch_run(self.version, &barrier, &self.store)?;
        self.table.publish_batch(view);
        self.speed.drop_generations_below(&barrier);
        Ok(())
    }
}

impl Paths for Lambda {
    fn deploy(&self, version: u32) -> Result<(), SystemError> {
        let context = &self.context;
        // It is the batch layer's turn for the new version; the old one's speed path carries readers meanwhile.
        let mut current = lock(&self.current);
        let next = TwoPaths::start(context, version)?;
        context.catch_up(version, &next.table, &next.speed)?;
        context.cutover(version, &next.table)?;

        let old = mem::replace(&mut *current, next);
        old.speed.stop()?;
        context.delete(old.version)
    }

    fn stop(self: Box<Self>) -> Result<(), SystemError> {
        self.runs.stop()?;
        let paths = Arc::into_inner(self.current).expect("the batch runs have ended");
        paths.into_inner().unwrap_or_else(PoisonError::into_inner).speed.stop()
    }
}
