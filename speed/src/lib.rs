//! The speed layer: a position in the log and a query give a realtime view that follows the tail, on timely dataflow.
//!
//! [`start`] follows a topic and publishes an immutable snapshot at most every millisecond (settable), exact for the position that it
//! names; [`replay`] runs the same dataflow over a bounded part. The two together are also the single path: version 2 of a job is
//! started from offset 0 beside version 1.
//!
//! **What it is not**: it does not merge with batch views, keep tables or answer queries (serving does), and it writes nothing to
//! disk: after a crash a job starts again from the log.

mod control;
mod dataflow;
mod error;
mod job;
pub mod jobs;
mod logic;

pub use error::SpeedError;
pub use job::{Progress, ProgressMode, Publish, SpeedJob, SpeedOptions, replay, start};
pub use logic::{HandWritten, Logic};
