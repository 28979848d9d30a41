use std::io;
use std::path::PathBuf;

use twopath_events::workloads::WorkloadError;
use twopath_log::LogError;
use twopath_query::QueryError;

use super::samples::SamplesError;
use crate::systems::SystemError;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    #[error("the query: {0}")]
    Query(#[from] QueryError),
    #[error("the workload has {events} events, and {history} of them are history: none are left for the steady phase; lower the history")]
    NoSteadyEvents { events: u64, history: u64 },
    #[error("--rate and --duration give {events} events; give more than one and fewer than 2^32")]
    Events { events: u64 },
    #[error("the log: {0}")]
    Log(#[from] LogError),
    #[error(transparent)]
    System(#[from] SystemError),
    #[error(transparent)]
    Samples(#[from] SamplesError),
    #[error("{}: {source}; see that the folder exists, is writable and has room", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{}: {source}; it was written a moment ago: see that nothing else touches the folder", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("an answer that was recorded cannot be read: {0}")]
    Answer(String),
    #[error("no thread could be started: {0}; raise the limit of processes (ulimit -u)")]
    Thread(io::Error),
    #[error("a thread of the harness panicked; its message stands on standard error")]
    Panicked,
}
