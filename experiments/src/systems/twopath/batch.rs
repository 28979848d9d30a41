//! `batch`: periodic full recomputation, nothing else.
//!
//! ```text
//! log ── every interval ──→ polars, over everything ──→ batch view ──→ table ──→ answers
//! ```
//!
//! The fix replaces the logic; the next run, at its time, computes everything with it.

use std::sync::{Arc, Mutex, PoisonError};

use twopath_serving::Table;
use twopath_view::store::ViewStore;

use crate::systems::code::Part;
use super::every::{Every, every};
use crate::systems::{Architecture, ArchitectureError, Context, Written};

pub(in crate::systems) const LISTED: &[Part] = &[Part::Batch];

struct Batch {
    context: Arc<Context>,
    current: Arc<Mutex<Layer>>,
    runs: Every,
}

/// The batch layer at one version.
#[derive(Clone)]
struct Layer {
    version: u32,
    store: ViewStore,
    table: Arc<Table>,
}

pub(in crate::systems) fn start(context: Arc<Context>) -> Result<Box<dyn Architecture>, ArchitectureError> {
    let layer = Layer::new(&context, 1)?;
    layer.run(&context)?;
    context.cutover(1, &layer.table)?;

    let current = Arc::new(Mutex::new(layer));
    let runs = every(context.batch_interval, {
        let (context, current) = (context.clone(), current.clone());
        move || {
            let layer = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
            layer.run(&context)
        }
    })?;
    Ok(Box::new(Batch { context, current, runs }))
}

impl Layer {
    fn new(context: &Context, version: u32) -> Result<Self, ArchitectureError> {
        Ok(Layer { version, table: context.deploy(version)?, store: context.view_store(version)? })
    }

    fn run(&self, context: &Context) -> Result<(), ArchitectureError> {
        let barrier = context.barrier()?;
        let view = context.batch_run(context.job.version(self.version), Written::Hand, &barrier, &self.store)?;
        self.table.publish_batch(view);
        Ok(())
    }
}

impl Architecture for Batch {
    fn deploy_fix(&self) -> Result<(), ArchitectureError> {
        let context = &self.context;
        let next = Layer::new(context, 2)?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = next.clone();

        let before = context.start();
        context.wait_for(2, &next.table, || before.clone(), || self.runs.check())?;
        context.cutover(2, &next.table)?;
        context.delete(1)
    }

    fn stop(self: Box<Self>) -> Result<(), ArchitectureError> {
        self.runs.stop()
    }
}
