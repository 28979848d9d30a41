//! The architectures: wirings of Twopath's own layers. Each is one short file that reads like its diagram.
//!
//! They are wired from the public parts of the layers alone, by way of [`wiring`] and [`Context`].

mod apart;
mod batch;
mod context;
mod every;
mod kappa;
mod kappa_backfill;
mod lambda;
mod lateness;
mod speed_path;
pub mod wiring;

use std::sync::{Arc, PoisonError, RwLock};

use twopath_base::meters;
use twopath_query::Value;
use twopath_view::Selection;

use super::timeline::Record;
use super::{Answered, Architecture, Costs, Killed, System, SystemError, SystemProgress};
pub use apart::Apart;
pub(in crate::systems) use apart::{FromLayer, ToSpeed, Views, Work};
pub(in crate::systems) use context::VIEWS_KEPT;
pub use context::{Barriers, Context};

/// The paths of an architecture at work. Dropping them stops their threads.
trait Paths: Send + Sync {
    /// Puts a version in the place of the one that serves. Returns once readers are on it and the old one is gone.
    fn deploy(&self, version: u32) -> Result<(), SystemError>;

    /// Stops all threads, and tells of an error that one of them met.
    fn stop(self: Box<Self>) -> Result<(), SystemError>;
}

struct Running {
    context: Arc<Context>,
    /// None once it has been stopped.
    paths: RwLock<Option<Box<dyn Paths>>>,
}

/// Starts an architecture over the context's topic. Returns once version 1 serves everything that was in the log before.
///
/// # Errors
/// The cell of the cross is one that nothing can be made of, or a layer does not start.
pub fn start(context: Context) -> Result<Box<dyn System>, SystemError> {
    if let Some(problem) = context.factors.impossible() {
        return Err(SystemError::Impossible { name: context.factors.name(), problem: problem.into() });
    }
    let context = Arc::new(context);
    let paths = match context.factors.architecture {
        Architecture::Batch => batch::start(context.clone()),
        Architecture::Lambda => lambda::start(context.clone()),
        Architecture::Kappa => kappa::start(context.clone()),
        Architecture::KappaBackfill => kappa_backfill::start(context.clone()),
    }?;
    Ok(Box::new(Running { context, paths: RwLock::new(Some(paths)) }))
}

impl System for Running {
    fn deploy(&self, version: u32) -> Result<(), SystemError> {
        match &*self.paths.read().unwrap_or_else(PoisonError::into_inner) {
            Some(paths) => paths.deploy(version),
            None => Err(SystemError::Stopped),
        }
    }

    fn ask(&self, key: Option<&[Value]>) -> Result<Answered, SystemError> {
        let selection = Selection { key: key.map(<[Value]>::to_vec), ..Selection::default() };
        meters::charge(meters::Layer::Serving, || self.context.answer(&selection))
    }

    fn progress(&self) -> Result<SystemProgress, SystemError> {
        let context = &self.context;
        Ok(SystemProgress {
            position: context.tables.active().and_then(|a| a.table.position()),
            catch_up: context.timeline.catching_up(),
            storage_bytes: context.storage_bytes(),
        })
    }

    fn costs(&self) -> Result<Costs, SystemError> {
        Ok(self.context.costs())
    }

    fn kill(&self, layer: Killed) -> Result<(), SystemError> {
        let none = || SystemError::NoProcess { layer: layer.name() };
        self.context.apart.as_ref().ok_or_else(none)?.kill(layer, &self.context.timeline)
    }

    fn stop(&self) -> Result<Record, SystemError> {
        let paths = self.paths.write().unwrap_or_else(PoisonError::into_inner).take();
        paths.map_or(Ok(()), |paths| paths.stop())?;
        self.context.remove_state();
        Ok(self.context.timeline.record())
    }
}
