//! How a job runs.

use std::sync::Arc;
use std::time::Duration;

use twopath_base::clock::{Clock, SystemClock};

use crate::state::Backend;

/// How timely tells its workers of progress (see timely's `ProgressMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProgressMode {
    /// Held back until it could matter to another worker: fewer messages.
    #[default]
    Demand,
    /// At once: a little sooner with few workers, more messages.
    Eager,
}

impl std::fmt::Display for ProgressMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ProgressMode::Demand => "demand",
            ProgressMode::Eager => "eager",
        })
    }
}

/// How a job runs.
#[derive(Clone)]
pub struct SpeedOptions {
    /// Worker `w` reads the partitions whose number modulo `workers` is `w`.
    pub workers: usize,
    /// Views are published at most this often while the job is up with the log.
    pub publish_interval: Duration,
    pub progress_mode: ProgressMode,
    /// Stamps the published views.
    pub clock: Arc<dyn Clock>,
    /// Where the state lives.
    pub backend: Backend,
    /// Records a second that are read at most, by all workers together: a replay then leaves something to who lives beside it.
    pub max_records_per_s: Option<f64>,
}

impl Default for SpeedOptions {
    fn default() -> Self {
        SpeedOptions {
            workers: 1,
            publish_interval: Duration::from_millis(1),
            progress_mode: ProgressMode::default(),
            clock: Arc::new(SystemClock),
            backend: Backend::default(),
            max_records_per_s: None,
        }
    }
}
