//! `kappa`: a single path. What has been computed wrongly is computed again by a second version of the same job.
//!
//! ```text
//! log ──→ timely, from offset 0 on ─────────────→ table of version 1 ──→ answers
//!    └──→ timely, from offset 0 on, catching up ─→ table of version 2 ──→ answers after the cutover
//! ```

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use twopath_serving::Table;
use twopath_speed::SpeedJob;

use crate::systems::code::Part;
use crate::systems::{Architecture, ArchitectureError, Context, Written};

pub(in crate::systems) const LISTED: &[Part] = &[Part::Speed];

/// One version's job, and its table.
pub(super) struct Path {
    pub speed: SpeedJob,
    pub table: Arc<Table>,
}

/// Starts a version's job into a table of its own.
type StartPath = fn(&Context, u32) -> Result<Path, ArchitectureError>;

pub(in crate::systems) fn start(context: Arc<Context>) -> Result<Box<dyn Architecture>, ArchitectureError> {
    start_with(context, replayed)
}

/// From offset 0 on.
fn replayed(context: &Context, version: u32) -> Result<Path, ArchitectureError> {
    let table = context.deploy(version)?;
    let speed = context.speed(context.job.version(version), Written::Hand, (0, context.start()), &table)?;
    Ok(Path { speed, table })
}

pub(super) fn start_with(context: Arc<Context>, start_path: StartPath) -> Result<Box<dyn Architecture>, ArchitectureError> {
    let path = start_path(&context, 1)?;
    context.cover_log(1, &path.table, &path.speed)?;
    context.cutover(1, &path.table)?;
    Ok(Box::new(Kappa { context, start_path, current: Mutex::new(path) }))
}

struct Kappa {
    context: Arc<Context>,
    start_path: StartPath,
    current: Mutex<Path>,
}

impl Architecture for Kappa {
    fn deploy_fix(&self) -> Result<(), ArchitectureError> {
        let context = &self.context;
        let next = (self.start_path)(context, 2)?;
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
