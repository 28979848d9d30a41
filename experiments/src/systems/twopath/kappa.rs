//! `kappa`: a single path. What has been computed wrongly is computed again by a second version of the same job.
//!
//! ```text
//! log ──→ stream engine, from offset 0 on ─────────────→ table of version 1 ──→ answers
//!    └──→ stream engine, from offset 0 on, catching up ─→ table of version 2 ──→ answers after the cutover
//! ```

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use twopath_base::sync::lock;
use twopath_serving::Table;

use super::speed_path::Speed;
use super::{Context, Paths};
use crate::systems::SystemError;

/// One version's job, and its table.
pub(super) struct Path {
    pub version: u32,
    pub speed: Speed,
    pub table: Arc<Table>,
}

/// Starts a version's job into a table of its own.
type StartPath = fn(&Context, u32) -> Result<Path, SystemError>;

pub(super) fn start(context: Arc<Context>) -> Result<Box<dyn Paths>, SystemError> {
    start_with(context, replayed)
}

/// From offset 0 on.
fn replayed(context: &Context, version: u32) -> Result<Path, SystemError> {
    let table = context.deploy(version)?;
    let speed = context.speed(version, (0, context.start()), &table)?;
    Ok(Path { version, speed, table })
}

pub(super) fn start_with(context: Arc<Context>, start_path: StartPath) -> Result<Box<dyn Paths>, SystemError> {
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

impl Paths for Kappa {
    fn deploy(&self, version: u32) -> Result<(), SystemError> {
        let context = &self.context;
        let next = (self.start_path)(context, version)?;
        context.catch_up(version, &next.table, &next.speed)?;
        context.cutover(version, &next.table)?;

        let mut current = lock(&self.current);
        let old = mem::replace(&mut *current, next);
        old.speed.stop()?;
        context.delete(old.version)
    }

    fn stop(self: Box<Self>) -> Result<(), SystemError> {
        self.current.into_inner().unwrap_or_else(PoisonError::into_inner).speed.stop()
    }
}
