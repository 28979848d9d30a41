use std::time::Duration;

use twopath_batch::BatchError;
use twopath_log::LogError;
use twopath_query::QueryError;
use twopath_results::code::CodeError;
use twopath_serving::ServingError;
use twopath_speed::SpeedError;
use twopath_view::store::StoreError;

/// Why a system could not be started, or stopped working.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    #[error("there is no architecture '{name}'; choose from {}", super::presets().collect::<Vec<_>>().join(", "))]
    Unknown { name: String },
    #[error("{name}: {problem}; choose another engine or language")]
    Impossible { name: String, problem: String },
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error("the query: {0}")]
    Query(#[from] QueryError),
    #[error("the log: {0}")]
    Log(#[from] LogError),
    #[error("the batch layer: {0}")]
    Batch(#[from] BatchError),
    #[error("the batch views: {0}")]
    Store(#[from] StoreError),
    #[error("the speed layer: {0}")]
    Speed(#[from] SpeedError),
    #[error("the serving layer: {0}")]
    Serving(#[from] ServingError),
    #[error("version {version} has not caught up after {} s; lower --rate, or give it more --workers", waited.as_secs())]
    Behind { version: u32, waited: Duration },
    #[error("the topic '{name}' is not in {place}")]
    NoTopic { name: String, place: String },
    #[error("the system has been stopped")]
    Stopped,
    #[error("the system's process: {0}")]
    Process(std::io::Error),
    #[error("the system says: {0}")]
    Remote(String),
    #[error("the {layer} layer has no process that could be killed")]
    NoProcess { layer: &'static str },
    #[error("the batch runs have ended by themselves, so the fix will not be computed; see the error of the last run")]
    NoMoreRuns,
    #[error("no thread could be started: {0}; raise the limit of processes (ulimit -u)")]
    Thread(std::io::Error),
    #[error("the thread '{name}' panicked; its message stands on standard error")]
    Panicked { name: &'static str },
}
