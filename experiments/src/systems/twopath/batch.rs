//! `batch`: periodic full recomputation, nothing else.
//!
//! ```text
//! log ── every interval ──→ batch engine, over everything ──→ batch view ──→ table ──→ answers
//! ```
//!
//! The fix replaces the logic; the next run, at its time, computes everything with it.

use std::mem;
use std::sync::{Arc, Mutex};

use twopath_base::sync::lock;
use twopath_serving::Table;
use twopath_view::store::ViewStore;

use super::every::{Every, every};
use super::{Context, Paths};
use crate::systems::SystemError;

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

pub(super) fn start(context: Arc<Context>) -> Result<Box<dyn Paths>, SystemError> {
    let layer = Layer::new(&context, 1)?;
    layer.run(&context)?;
    context.cutover(1, &layer.table)?;

    let current = Arc::new(Mutex::new(layer));
    let runs = every(context.batch_interval, {
        let (context, current) = (context.clone(), current.clone());
        move || {
            let layer = lock(&current).clone();
            layer.run(&context)
        }
    })?;
    Ok(Box::new(Batch { context, current, runs }))
}

impl Layer {
    fn new(context: &Context, version: u32) -> Result<Self, SystemError> {
        Ok(Layer { version, table: context.deploy(version)?, store: context.view_store(version)? })
    }

    fn run(&self, context: &Context) -> Result<(), SystemError> {
        let barrier = context.barrier()?;
        let view = context.batch_run(self.version, &barrier, &self.store)?;
        self.table.publish_batch(view);
        Ok(())
    }
}

impl Paths for Batch {
    fn deploy(&self, version: u32) -> Result<(), SystemError> {
        let context = &self.context;
        let next = Layer::new(context, version)?;
        let old = mem::replace(&mut *lock(&self.current), next.clone());

        let before = context.start();
        context.wait_for(version, &next.table, || before.clone(), || self.runs.check())?;
        context.cutover(version, &next.table)?;
        context.delete(old.version)
    }

    fn stop(self: Box<Self>) -> Result<(), SystemError> {
        self.runs.stop()
    }
}
