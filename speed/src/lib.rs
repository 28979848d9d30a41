//! The speed layer: a position in the log and a query give a realtime view that follows the tail, on timely dataflow
//! or on differential dataflow ([`Engine`]).
//!
//! [`start`] follows a topic and publishes an immutable snapshot at most every millisecond (settable), exact for the position that it
//! names; [`replay`] runs the same dataflow over a bounded part. The two together are also the single path: version 2 of a job is
//! started from offset 0 beside version 1.
//!
//! **What it is not**: it does not merge with batch views, keep tables or answer queries (serving does), and it writes nothing to
//! disk: after a crash a job starts again from the log.

mod control;
mod dataflow;
mod differential;
mod error;
mod hand;
mod job;
pub mod jobs;
mod logic;
mod state;

pub use error::SpeedError;
pub use hand::{Flow, Frame, HandWritten, Item, Row};
pub use job::{Progress, ProgressMode, Publish, SpeedJob, SpeedOptions, replay, start};
pub use logic::{Engine, Logic};
