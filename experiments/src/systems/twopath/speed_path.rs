//! The speed layer of one version: in the system's process, or in one of its own.

use twopath_log::{Barrier, Topic};
use twopath_speed::SpeedJob;

use super::apart::SpeedProcess;
use crate::systems::SystemError;
use crate::systems::timeline::CatchUp;

/// See the module. Dropping it stops it.
pub(super) enum Speed {
    Here(Box<SpeedJob>),
    Apart(SpeedProcess),
}

impl Speed {
    /// An error where it has stopped by itself.
    pub fn check(&self) -> Result<(), SystemError> {
        match self {
            Speed::Here(job) => job.progress().failure.map_or(Ok(()), |e| Err(e.into())),
            Speed::Apart(process) => process.check(),
        }
    }

    /// How far behind the log it is.
    ///
    /// # Errors
    /// The log cannot be asked for its end.
    pub fn catch_up(&self, version: u32, topic: &Topic) -> Result<CatchUp, SystemError> {
        match self {
            Speed::Here(job) => {
                let progress = job.progress();
                let eta_s = progress.eta.map(|d| d.as_secs_f64());
                let (lag_records, rate_records_per_s) = (progress.lag_records, progress.rate_records_per_s);
                Ok(CatchUp { version, lag_records, rate_records_per_s, eta_s })
            }
            Speed::Apart(process) => {
                let end = topic.end()?;
                let lag_records = process.view().map_or(end.records(), |view| end.records_since(view.position()));
                Ok(CatchUp { version, lag_records, rate_records_per_s: 0.0, eta_s: None })
            }
        }
    }

    /// What the stream itself has read. What a batch view brought is not in it.
    pub fn replayed(&self) -> u64 {
        let view = match self {
            Speed::Here(job) => Some(job.view()),
            Speed::Apart(process) => process.view(),
        };
        view.and_then(|view| Some(view.position().records_since(&view.generations.first()?.lower))).unwrap_or(0)
    }

    /// Lets go of what a batch view up to the barrier covers.
    pub fn drop_generations_below(&self, barrier: &Barrier) {
        match self {
            Speed::Here(job) => job.drop_generations_below(barrier.number),
            Speed::Apart(process) => process.drop_generations_below(barrier),
        }
    }

    /// # Errors
    /// What had stopped it before.
    pub fn stop(self) -> Result<(), SystemError> {
        match self {
            Speed::Here(job) => Ok(job.stop()?),
            Speed::Apart(process) => process.stop(),
        }
    }
}
