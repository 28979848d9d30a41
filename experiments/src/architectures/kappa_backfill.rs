//! `kappa-backfill`: a single path whose history is computed by the batch engine, once per version.
//!
//! ```text
//!        ┌── polars, once, up to a barrier ──→ batch view ───┐
//! log ───┤                                                   ├─ merge ──→ answers
//!        └── timely, from that barrier on ───→ generation ───┘
//! ```
//!
//! It is [`super::lambda`] without the batch runs that follow.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use super::code::Part;
use super::lambda::{BatchEngine, Layers, Paths};
use super::{Architecture, ArchitectureError, Context, Written};

pub(super) const LISTED: &[Part] = &[Part::Batch, Part::Speed];
const LAYERS: Layers = Layers { batch: BatchEngine::Polars, written: Written::Hand };

struct KappaBackfill {
    context: Arc<Context>,
    current: Mutex<Paths>,
}

pub(super) fn start(context: Arc<Context>) -> Result<Box<dyn Architecture>, ArchitectureError> {
    let paths = Paths::start(&context, LAYERS, 1)?;
    context.cover_log(1, &paths.table, &paths.speed)?;
    context.cutover(1, &paths.table)?;
    Ok(Box::new(KappaBackfill { context, current: Mutex::new(paths) }))
}

impl Architecture for KappaBackfill {
    fn deploy_fix(&self) -> Result<(), ArchitectureError> {
        let context = &self.context;
        let next = Paths::start(context, LAYERS, 2)?;
        context.catch_up(2, &next.table, &next.speed)?;
        context.cutover(2, &next.table)?;

        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let old = mem::replace(&mut *current, next);
        old.speed.stop()?;
        context.delete(1)
    }

    fn stop(self: Box<Self>) -> Result<(), ArchitectureError> {
        Ok(self.current.into_inner().unwrap_or_else(PoisonError::into_inner).speed.stop()?)
    }
}
