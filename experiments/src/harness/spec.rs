//! What one run is to do: written by the parent as JSON, read by the child (`twopath run-child SPEC.json`).

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use twopath_log::{Address, Durability};

use twopath_results::number;
use twopath_results::result::Prices;

/// One run of one architecture. The child writes a [`twopath_results::result::RunResult`] to `out`, atomically, when it is done; the raw
/// samples go beside it (`<stem>.freshness.parquet`, `<stem>.answers.parquet`). On standard output it prints [`Progress`] lines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunSpec {
    /// By its name in the design: `batch`, `lambda`, `lambda-sql`, `lambda-timely`, `kappa`, `kappa-backfill`.
    pub architecture: String,
    /// Counts up from 0; stands in the result.
    pub repeat: u32,
    pub seed: u64,
    pub workload: WorkloadSpec,
    /// Events per second of the steady phase.
    pub rate: f64,
    /// Seconds of the steady phase: it holds `rate * duration_s` events, or fewer where the workload ends earlier.
    pub duration_s: f64,
    /// Events loaded as fast as possible before the steady phase.
    pub events_history: u64,
    pub partitions: u32,
    /// Timely workers of one speed job.
    pub workers: usize,
    pub durability: Durability,
    /// The topic that the run makes in a Kafka cluster; none means one in `dir`. The parent deletes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Address>,
    /// From the start of one batch run to the start of the next (they do not overlap: a longer run delays the next).
    pub batch_interval_ms: f64,
    pub publish_interval_ms: f64,
    /// Point reads per second, by keys that exist.
    pub read_rate: f64,
    /// Full answers per second.
    pub full_read_rate: f64,
    /// Scratch of this run; the parent makes it and removes it.
    pub dir: PathBuf,
    /// Where the result goes.
    pub out: PathBuf,
    pub prices: Prices,
}

/// The events, and the query over them before and after the fix.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadSpec {
    BuiltIn {
        name: String,
        /// By its name in the workload.
        query: String,
    },
    /// A user's own events; without hand-written jobs every architecture runs the SQL, and the fix redeploys the same.
    Own { events: PathBuf, time_column: Option<String>, sql: String },
}

/// Defaults of everything that `twopath compare` gives no option for.
pub const READ_RATE: f64 = 500.0;
pub const FULL_READ_RATE: f64 = 5.0;

impl RunSpec {
    /// Events of the steady phase.
    pub fn events_steady(&self) -> u64 {
        (self.rate * self.duration_s).round() as u64
    }

    pub fn batch_interval(&self) -> Duration {
        Duration::from_secs_f64(self.batch_interval_ms / 1e3)
    }

    pub fn publish_interval(&self) -> Duration {
        Duration::from_secs_f64(self.publish_interval_ms / 1e3)
    }
}

/// How far a child is: one JSON object a line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub phase: Phase,
    /// Of this phase, 0 to 1.
    pub fraction: f64,
    /// While a new version replays the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUp>,
}

/// How far behind the log a version is that is catching up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CatchUp {
    pub version: u32,
    pub lag_records: u64,
    /// Records read per second, over the last seconds.
    pub rate_records_per_s: f64,
    /// Until the lag is closed, at the present rates of reading and appending; none where it will not be.
    pub eta_s: Option<f64>,
}

impl std::fmt::Display for CatchUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let CatchUp { version, lag_records, rate_records_per_s: rate, eta_s } = *self;
        write!(f, "version {version}: {} behind, {} records/s", number::count(lag_records), number::count(rate as u64))?;
        match eta_s {
            Some(s) => write!(f, ", {} left", number::duration(s * 1e3)),
            None => write!(f, ", falling behind"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// History is appended and the architecture catches up.
    Load,
    /// Events arrive on schedule, version 1 serves.
    Steady,
    /// The same, from the deployment of the fix on.
    Fix,
    /// The recorded answers are checked against the reference.
    Check,
}
