//! The serving layer: what answers are read from.
//!
//! A [`Table`] is one version of a job. It merges the newest batch view with the generations after its horizon, and hands over from
//! one batch version to the next while being read: publishing swaps one immutable state for another, so that a reader sees all of
//! a publication or nothing of it, and never waits. [`Tables`] are a job's versions: deploy, cutover, rollback, delete.
//!
//! **What it is not**: an engine. Nothing here reads the log or computes groups; views come from the batch and the speed layer,
//! which this crate does not know.

mod error;
pub mod jobs;
mod manifest;
mod table;
mod tables;

pub use error::ServingError;
pub use table::{Table, TableBytes};
pub use tables::{ActiveVersion, Tables, VersionState, VersionStatus};
