//! What one run is to do: written by the parent as JSON, read by the child (`twopath run-child SPEC.json`).

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use twopath_log::Address;

pub use crate::systems::QuerySpec;
use crate::systems::timeline::CatchUp;
use crate::systems::{Factors, Killed, StateBackend};

/// One run of one system. The child writes a [`Recording`](super::recording::Recording) to `out`, atomically, when it is done, and the
/// answers that it read beside it. On standard output it prints [`RunProgress`] lines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunSpec {
    /// The system's name, and nobody else's in this comparison: a preset's, or its cell of the cross ([`Factors::name`]).
    pub architecture: String,
    /// As it was asked for: a preset's name, or in a cross the wiring.
    pub family: String,
    pub factors: Factors,
    /// Counts up from 0; stands in the result.
    pub repeat: u32,
    /// Of the keys that are read.
    pub seed: u64,
    /// The query before and after the fix; the same text twice where there is nothing to fix.
    pub query: QuerySpec,
    /// The folder of the comparison's events ([`Prepared`](super::prepared::Prepared)), and the name of their topic.
    pub prepared: PathBuf,
    pub topic: String,
    /// Events per second of the steady phase.
    pub rate: f64,
    /// Timely workers of one speed job.
    pub workers: usize,
    /// The topic that the run makes in a Kafka cluster; none means one in `dir`. The parent deletes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Address>,
    /// From the start of one batch run to the start of the next (they do not overlap: a longer run delays the next).
    pub batch_interval_ms: f64,
    /// Each batch run goes on from the view of the one before.
    #[serde(default)]
    pub incremental: bool,
    pub publish_interval_ms: f64,
    /// The speed layer alone leaves out what comes more than so much after newer records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_lateness_ms: Option<f64>,
    /// Where the speed layer's state lives.
    #[serde(default)]
    pub state: StateBackend,
    #[serde(default)]
    pub checkpoint_interval_ms: f64,
    /// Point reads per second, by keys that exist.
    pub read_rate: f64,
    /// Full answers per second.
    pub full_read_rate: f64,
    /// Whether version 2 is deployed in the middle of the steady phase.
    #[serde(default = "yes")]
    pub deploys: bool,
    /// Records a second that the next version's stream reads at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<f64>,
    /// A process is killed so long after the system began to serve, and started anew; layers have processes of their own then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_after_ms: Option<f64>,
    /// Whose process.
    #[serde(default)]
    pub kill: Killed,
    /// Scratch of this run; the parent makes it and removes it.
    pub dir: PathBuf,
    /// Where the recording goes.
    pub out: PathBuf,
}

fn yes() -> bool {
    true
}

/// Defaults of everything that `twopath compare` gives no option for.
pub const READ_RATE: f64 = 500.0;
pub const FULL_READ_RATE: f64 = 5.0;

impl RunSpec {
    pub fn batch_interval(&self) -> Duration {
        Duration::from_secs_f64(self.batch_interval_ms / 1e3)
    }

    /// Where the run's log is.
    pub fn place(&self) -> Address {
        self.log.clone().unwrap_or_else(|| Address::Folder(self.dir.join("log")))
    }
}

/// How far a child is: one JSON object a line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunProgress {
    pub phase: Phase,
    /// Of this phase, 0 to 1.
    pub fraction: f64,
    /// While a new version replays the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The log is made ready and the system catches up.
    Load,
    /// Events arrive on schedule, version 1 serves.
    Steady,
    /// The same, from the deployment of the fix on.
    Fix,
    /// The recorded answers are checked against the reference.
    Check,
}
