//! A process that stands by a job which another one runs, and takes it over.

use std::fs::{File, TryLockError};
use std::sync::Arc;

use twopath_log::Topic;
use twopath_query::Query;
use twopath_speed::{Backend, Local, Standby};

use super::state::Kept;
use super::{JobError, Standing, StandingJob};
use crate::systems::Keeping;

/// That this process runs a job: whoever stands by waits for its end.
pub struct Running(#[expect(dead_code, reason = "the lock goes with it")] File);

impl StandingJob {
    /// Tells others that this process runs the job; `None` where another one has.
    ///
    /// # Errors
    /// There is no such job, or its folder cannot be written.
    pub fn try_run(&self) -> Result<Option<Running>, JobError> {
        let path = self.job_dir().join("running");
        let io = |source| JobError::Io { path: path.clone(), source };
        if !self.job_dir().is_dir() {
            return Err(JobError::NoJob { job: self.name().to_owned() });
        }
        let file = File::create(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Running(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// Stands by a version: with an index of its own for each topic, which follows the version's changelog.
    ///
    /// # Errors
    /// [`JobError::NoStandby`] where its state is not `local`.
    pub fn stand_by(&self, version: u64) -> Result<Vec<Standby>, JobError> {
        let places = self.locked(false, |tables| {
            let known = self.known(tables, version)?;
            let place =
                |(topic, query): (&Topic, &Arc<Query>)| match self.backend((tables, version, &known.description), topic, Keeping::Reads)? {
                    Backend::Local(local) => Ok((local, query.clone())),
                    _ => {
                        let deployed = Kept::read(&tables.version_dir(version))?.backend;
                        Err(JobError::NoStandby { job: self.name().to_owned(), version, deployed })
                    }
                };
            self.parsed(&known)?.each().map(place).collect::<Result<Vec<_>, _>>()
        })?;
        places.iter().map(|(local, query)| Ok(Standby::beside(local, query)?)).collect()
    }

    /// A version by its number, going on from what a standby took over.
    ///
    /// # Errors
    /// As of [`StandingJob::version`].
    pub fn taken_over(&self, version: u64, workers: usize, mut states: Vec<Local>, keeping: Keeping) -> Result<Standing, JobError> {
        self.start(version, workers, |place, topic| {
            // Of whatever the version has become meanwhile: where nobody stood by, it is started as any other.
            let own = self.backend(place, topic, keeping)?;
            let Backend::Local(own) = own else { return Ok(own) };
            let taken = states.iter().position(|state| state.changelog == own.changelog).map(|at| states.swap_remove(at));
            Ok(Backend::Local(taken.unwrap_or(own)))
        })
    }
}
